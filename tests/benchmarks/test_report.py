"""The benchmark's tables: units, ratios, marks, and the page that is rewritten between them only."""

import numpy as np
import pytest

from benchmarks import report
from benchmarks.problems import Target
from benchmarks.targets import agreement, check, checks


def entry(nanoseconds: float, **other: object) -> dict:
    made = {
        "scheme": "EulerMaruyama",
        "layout": "",
        "steps": 200,
        "trajectories": 1000,
        "nanoseconds": nanoseconds,
        "low": 0.9 * nanoseconds,
        "high": 1.1 * nanoseconds,
        "compile_seconds": 2.0,
        "peak_mib": 300.0,
        "mean": [1.0, 0.5, 0.25],
        "stderr": [0.0, 0.01, 0.01],
    }
    return made | other


def row(**other: object) -> dict:
    made = {
        "name": "suv-2",
        "title": "SUV d=2",
        "operators": 4096,
        "stochq_default": entry(10.0, scheme="Strang"),
        "stochq_euler": entry(8.0),
        "dynamiqs": entry(160.0, layout="dense"),
        "qutip": {"cannot": "cannot: 4 096 operators"},
        "checks": [],
    }
    return made | other


def results() -> dict:
    versions = {"stochq": "0.1.0", "dynamiqs": "0.3.7", "qutip": "5.3.1", "jax": "0.10.2"}
    machine = {"cpu": "a processor", "cores": 2, "load": 0.1, "date": "2030-01-02T03:04:05+00:00", "seconds": 7}
    return {"machine": machine | {"versions": versions}, "rows": [row()]}


@pytest.mark.parametrize(
    ("nanoseconds", "written"),
    [
        (1.234, "1.23 ns"),
        (9.996, "10.0 ns"),
        (99.96, "100 ns"),
        (999.4, "999 ns"),
        (999.6, "1.00 µs"),
        (38_040.0, "38.0 µs"),
        (2.1e6, "2.10 ms"),
        (4.2e9, "4200 ms"),
    ],
)
def test_a_duration_has_three_digits_and_a_unit(nanoseconds: float, written: str) -> None:
    assert report.duration(nanoseconds) == written


def test_a_spread_names_its_unit_once_unless_the_ends_differ() -> None:
    assert report.spread(entry(100.0)) == "100 ns (90.0–110 ns)"
    assert report.spread(entry(1000.0)) == "1.00 µs (900 ns–1.10 µs)"
    assert report.spread({"cannot": "over 240 s"}) == "over 240 s"


def test_ratios_say_how_many_times_faster() -> None:
    assert report.times_faster(entry(10.0), entry(160.0)) == "16x"
    assert report.times_faster(entry(10.0), entry(16.0)) == "1.6x"
    assert report.times_faster(entry(16.0), entry(10.0)) == "0.62x"
    assert report.times_faster(entry(16.0), {"cannot": "because"}) == report.NONE


def test_the_table_aligns_its_columns() -> None:
    lines = report.table(("name", "time"), [("a", "1 ns"), ("longer", "100 ns")]).splitlines()
    assert lines == ["name      time", "--------------", "a         1 ns", "longer  100 ns"]


def test_every_row_has_every_column() -> None:
    cells = report.cells(row())
    assert len(cells) == len(report.HEADERS)
    assert cells[:2] == ["SUV d=2", "4 096"]
    assert cells[6:8] == ["16x", "20x"]
    assert cells[8:] == ["2.0 / 2.0 / 2.0", "300 / 300 / 300"]


def test_a_row_of_failures_is_still_a_row() -> None:
    failed = {"cannot": "failed: MemoryError"}
    cells = report.cells(row(stochq_default=failed, stochq_euler=failed, dynamiqs=failed))
    assert cells[2] == "failed: MemoryError"
    assert cells[8] == "– / – / –"


def test_a_busy_machine_is_pointed_out() -> None:
    machine = results()["machine"]
    assert "a processor, 2 cores" in report.heading(machine) and "Other work" not in report.heading(machine)
    assert "Other work" in report.heading(machine | {"load": 3.0})


def test_the_text_names_every_figure_that_is_missed() -> None:
    made = results()
    made["rows"][0]["checks"] = [
        check("dynamiqs / stochq default", 16.0, 12.0, at_least=True)._asdict(),
        check("compile, default, s", 7.0, 5.0, at_least=False)._asdict(),
    ]
    text = report.text(made)
    assert "reached  SUV d=2: dynamiqs / stochq default 16 (at least 12)" in text
    assert "NOT REACHED  SUV d=2: compile, default, s 7 (at most 5)" in text
    assert "1 of 2 figures reached in 7 s." in text


def test_the_readme_changes_between_its_marks_only(tmp_path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# before\n\n{report.START}\nold\n{report.END}\n\nafter\n")
    assert "is new" in report.update_page(readme, results())
    once = readme.read_text()
    assert once.startswith(f"# before\n\n{report.START}\n| problem |")
    assert once.endswith(f"{report.END}\n\nafter\n")
    assert (
        "old" not in once
        and "| SUV d=2 | 4 096 | 10.0 ns | 8.00 ns | 160 ns | – | 20x | 2.0 / 2.0 / 2.0 | 300 / 300 / 300 |" in once
    )
    assert "a processor, 2 cores, 2030-01-02" in once
    report.update_page(readme, results())
    assert readme.read_text() == once


@pytest.mark.parametrize("content", ["# no marks\n", f"{report.START}\n", None])
def test_a_readme_without_marks_is_left_alone(tmp_path, content: str | None) -> None:
    readme = tmp_path / "README.md"
    if content is not None:
        readme.write_text(content)
    assert "no table was written" in report.update_page(readme, results())
    assert (readme.read_text() if readme.exists() else None) == content


def test_figures_are_judged_on_the_side_they_name() -> None:
    found = checks(row(), (Target("default", ratio=12.0), Target("euler", nanoseconds=7.0)))
    judged = {each.name: (each.value, each.passed) for each in found}
    assert judged["dynamiqs / stochq default"] == (16.0, True)
    assert judged["stochq euler, ns"] == (8.0, False)
    assert judged["compile, euler, s"] == (2.0, True)
    assert judged["agreement with dynamiqs, largest |z|"] == (0.0, True)
    assert not any("qutip" in name for name in judged)


def test_a_figure_that_was_not_measured_is_not_reached() -> None:
    failed = {"cannot": "failed: MemoryError"}
    found = checks(row(stochq_default=failed), (Target("default", ratio=12.0),))
    assert [each.passed for each in found if "default" in each.name] == [False, False]


def test_agreement_is_in_combined_standard_errors_and_skips_the_start() -> None:
    other = entry(1.0, mean=[9.0, 0.5, 0.25 + 0.03 * np.sqrt(2)])
    assert agreement(entry(1.0), other) == pytest.approx(3.0)
    assert agreement(entry(1.0), entry(1.0, steps=10)) is None
    assert agreement(entry(1.0), entry(1.0, trajectories=4)) is None
    assert agreement(entry(1.0), {"cannot": "because"}) is None

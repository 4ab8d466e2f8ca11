"""`stochq exclude`: examples run, and what is wrong is said by file, key, expected and found."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq.cli.app import app

EXAMPLES = sorted((Path(__file__).parents[2] / "scripts" / "examples").glob("exclude-*.toml"))
GOOD = """
[experiment]
kind = "bulk-heating"
name = "lead"
power_per_mass = 2e-11
sound_speed = 2160.0
[plane]
points = 5
printed = [1e-7]
"""


def run(text, folder):
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return CliRunner().invoke(app, ["exclude", str(path), "--out", str(folder / "out")])


def test_the_bound_is_printed_drawn_and_written(tmp_path):
    done = run(GOOD, tmp_path)
    assert done.exit_code == 0, done.output
    bound = sq.bounds.rate_from_power(2e-11, 1e-7)
    assert f"{bound:.4g}" in done.output
    assert "Adler, 100 nm" in done.output and "not excluded" in done.output
    with (tmp_path / "out" / "mine.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    first = float(rows[0]["r_C [m]"])
    assert float(rows[0]["lead [1/s]"]) == pytest.approx(sq.bounds.rate_from_power(2e-11, first), rel=1e-5, abs=0)
    assert (tmp_path / "out" / "mine.png").stat().st_size > 10_000
    assert "<svg" in (tmp_path / "out" / "mine.svg").read_text(encoding="utf-8")


def test_a_variant_is_named(tmp_path):
    done = run(GOOD + "[noise]\ntemperature = 1e-5\n", tmp_path)
    assert done.exit_code == 0 and "dissipative CSL with noise of 1e-05 K" in done.output


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples(example, tmp_path):
    done = CliRunner().invoke(app, ["exclude", str(example), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("power_per_mass = 2e-11", "power_per_mass = -2e-11", "experiment.power_per_mass"),
        ("power_per_mass = 2e-11", "", "expected: this key: in W/kg"),
        ("power_per_mass", "power_per_kilogram", "the unknown key 'power_per_kilogram'"),
        ('"bulk-heating"', '"heating"', "expected: one of"),
        ("points = 5", "shortest = 1e-2", "`longest` greater than `shortest`"),
        ("[plane]", '[noise]\nspectrum = { kind = "lorentzian", cutoff = 0 }\n[plane]', "noise.spectrum.cutoff"),
    ],
)
def test_what_is_wrong_is_named(old, new, complaint, tmp_path):
    done = run(GOOD.replace(old, new), tmp_path)
    assert done.exit_code == 2
    assert "mine.toml" in done.output and complaint in done.output


@pytest.mark.filterwarnings("default")
def test_another_unit_is_warned_of(tmp_path):
    done = run(GOOD.replace("2e-11", "20.0"), tmp_path)
    assert done.exit_code == 0
    assert "warning: lead: power_per_mass = 20" in done.output and "expected W/kg" in done.output

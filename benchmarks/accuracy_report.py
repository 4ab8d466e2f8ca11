"""Times to an accuracy as a plain table and as the page's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.results import replace_between

START, END = "<!-- accuracy:start -->", "<!-- accuracy:end -->"
LIBRARIES = (
    "stochq",
    "dynamiqs EulerMaruyama",
    "dynamiqs Rouchon1",
    "qutip platen",
    "qutip rouchon",
)
HEADERS = (
    "problem",
    "stochq",
    "dynamiqs, Euler",
    "dynamiqs, Rouchon",
    "QuTiP, platen",
    "QuTiP, rouchon",
    "faster than the best",
    "steps",
    "compile, s",
)


def seconds(value: float) -> str:
    """Three digits with a unit.

    >>> seconds(0.2714), seconds(31.07), seconds(5000.0), seconds(2e5)
    ('0.271 s', '31.1 s', '1.39 h', '55.6 h')
    """
    return f"{value:.3g} s" if value < 999.5 else f"{value / 3600:.3g} h"


def spread(entry: dict[str, Any]) -> str:
    """Median with the smallest and the largest of the repeats; ~ where it was not run in full."""
    if "cannot" in entry:
        return entry["cannot"]
    return f"{time(entry)} ({entry['low']:.3g}–{entry['high']:.3g} s)"


def time(entry: dict[str, Any]) -> str:
    """The median; ~ where only a part of the trajectories was run, ≈ where the step is extrapolated as well."""
    if "seconds" not in entry:
        return report.NONE
    mark = "≈ " if entry.get("step_extrapolated") else "~ " if entry["extrapolated"] else ""
    return mark + seconds(entry["seconds"])


def best_peer(row: dict[str, Any]) -> str | None:
    """The peer's method that is there first."""
    ran = [key for key in LIBRARIES[1:] if "seconds" in row.get(key, {})]
    return min(ran, key=lambda key: row[key]["seconds"]) if ran else None


def ratio(row: dict[str, Any]) -> str:
    """How many times faster than the best peer method, with what the repeats of both leave open; † where that peer's
    step was searched for seconds only."""
    own, best = row.get("stochq", {}), best_peer(row)
    if "seconds" not in own or best is None:
        return report.NONE
    other = row[best]
    low, high = other["low"] / own["high"], other["high"] / own["low"]
    mark = "" if "patience" in other else " †"
    return f"{other['seconds'] / own['seconds']:.3g}x ({low:.3g}–{high:.3g}){mark}"


def cells(row: dict[str, Any]) -> list[str]:
    """The columns of `HEADERS`; steps and compile times of stochq and of the best peer method."""
    pair = [row.get("stochq", {}), row.get(best_peer(row) or "", {})]
    steps = " / ".join(str(entry.get("steps", report.NONE)) for entry in pair)
    compiling = " / ".join(
        f"{entry['compile_seconds']:.1f}" if "compile_seconds" in entry else report.NONE for entry in pair
    )
    return [row["title"], *(time(row.get(key, {})) for key in LIBRARIES), ratio(row), steps, compiling]


def text(results: dict[str, Any], names: Sequence[str]) -> str:
    """The report for a terminal."""
    rows = [results["rows"][name] for name in names]
    lines = [report.table(HEADERS, [cells(row) for row in rows]), note(results), ""]
    for row in rows:
        own = row.get("stochq", {})
        if "seconds" in own:
            lines.append(
                f"{row['title']}: stochq {own['trajectories']} trajectories, tolerance {own['tolerance']:.3g}, "
                f"dt {own['dt']:.3g}, "
                f"bias {own['bias']:.2g}, standard error {own['stderr']:.2g}, largest error {own['largest_error']:.2g}"
            )
    return "\n".join([*lines, "", *report.verdicts([row | {"checks": row.get("checks", [])} for row in rows])])


def note(results: dict[str, Any]) -> str:
    machine = results["machine"]
    versions = machine["versions"]
    return (
        f"Warm calls on {machine['cpu']}, {machine['cores']} cores; stochq {versions['stochq']}, dynamiqs "
        f"{versions['dynamiqs']}, QuTiP {versions['qutip']}, jax {versions['jax']}. stochq: one call with "
        "`tolerance=`, the choice of the step included, at the largest tolerance that gives both. Peers: "
        "the longest step of interval/1, /2, /4 … whose bias was not seen "
        "above 10⁻³ (two standard errors in their favour), and as many trajectories as their variance asks for. The "
        f"best of them is searched many times longer. {_not_searched(results)}"
        "~: only a part of these trajectories was run, the rest is proportion; ≈: the step, too, follows from a longer "
        "one by the method's order. In brackets: what the repeats of both leave open. Steps and compile time: stochq / "
        "best peer."
    ) + report.others(machine["load"], machine["cores"])


def _not_searched(results: dict[str, Any]) -> str:
    marked = any(ratio(row).endswith("†") for row in results["rows"].values())
    return "†: not yet, the row is of an earlier run. " if marked else ""


def update_page(path: Path, results: dict[str, Any]) -> str:
    """Put the table between its marks."""
    table = report.markdown(HEADERS, [cells(row) for row in results["rows"].values()])
    return replace_between(path, START, END, f"{table}\n\n{note(results)}")


SHORT_START, SHORT_END = "<!-- speed:start -->", "<!-- speed:end -->"
SHORT = ("suv-8", "oqt-16", "csl-64", "kerr-64", "homodyne-2")


def update_readme(path: Path, results: dict[str, Any]) -> str:
    """Put five of the rows, without how they came about, between the README's marks."""
    headers = ("problem", "stochq", "best peer", "its method", "faster")
    rows = [_short(results["rows"][name]) for name in SHORT if name in results["rows"]]
    machine = results["machine"]
    note = (
        f"Warm, {machine['cpu']}, {machine['cores']} cores, {machine['date'][:10]}. "
        "~, ≈: a part was run, the rest is proportion."
    )
    return replace_between(path, SHORT_START, SHORT_END, f"{report.markdown(headers, rows)}\n\n{note}")


def _short(row: dict[str, Any]) -> tuple[str, ...]:
    best = best_peer(row)
    if best is None:
        return row["title"], time(row["stochq"]), report.NONE, report.NONE, report.NONE
    faster = row[best]["seconds"] / row["stochq"]["seconds"]
    return (
        row["title"],
        time(row["stochq"]),
        time(row[best]),
        HEADERS[1 + LIBRARIES.index(best)],
        f"{float(f'{faster:.2g}'):g}x",
    )

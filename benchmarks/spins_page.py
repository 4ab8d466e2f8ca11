"""What `benchmarks spins` measured, as the tables of docs/spins.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import report
from benchmarks.results import ROOT, replace_between

PAGE = ROOT / "docs" / "spins.md"
START, END = "<!-- spins:start -->", "<!-- spins:end -->"
# The models of the rows, and what they are.
NAMES = {"SUV": "collapse", "SUV, x": "collapse along x", "OQT": "thermalization"}


def page_tables(results: Mapping[str, Any]) -> str:
    """What stands between the page's marks: steps, peers, and long runs where they were made."""
    where, rows = results["machine"], results["rows"]
    headers = ("spins", *(f"{NAMES[title]}, {unit}" for title in NAMES for unit in ("ns", "H")))
    steps = [
        [str(sites), *(cell for title in NAMES for cell in _cells(rows, title, sites))]
        for sites in sorted({row["sites"] for row in rows})
    ]
    ratios = [row["traffic"] for row in rows]
    note = (
        f"{where['cpu']}, {where['cores']} cores, {where['date'][:10]}; single precision. A step of .05 of a chain in "
        f"a tilted field: nanoseconds of a processor for an amplitude, and its applications of H. The time that passes "
        f"is {min(ratios):.1f} to {max(ratios):.1f} times what memory takes to move the states of those applications "
        f"at {results['bandwidth'] / 1e9:.1f} GB/s." + report.others(where["load"], where["cores"])
    )
    parts = [report.markdown(headers, steps), note, _peers(results["peers"])]
    return "\n\n".join(parts + ([_long(results["long"])] if "long" in results else []))


def _cells(rows: Sequence[Mapping[str, Any]], title: str, sites: int) -> list[str]:
    row = next(row for row in rows if row["title"] == title and row["sites"] == sites)
    return [f"{row['cpu']:.0f}", str(row["applications"])]


def _peers(rows: Sequence[Mapping[str, Any]]) -> str:
    headers = ("one spin watched: spins", "stochq, µs", "dynamiqs, µs", "QuTiP, µs")
    cells = [[str(row["sites"]), *(f"{row[name]:.3g}" for name in ("ours", "dynamiqs", "qutip"))] for row in rows]
    return f"{report.markdown(headers, cells)}\n\nProcessor time of a step of one trajectory, of .005 for all three."


def _long(rows: Sequence[Mapping[str, Any]]) -> str:
    headers = ("thermalization: spins", "trajectories", "to t", "steps", "to prepare, s", "to compile and run, s")
    cells = [
        [
            *(str(row[name]) for name in ("sites", "trajectories")),
            f"{row['end']:g}",
            str(round(row["end"] / row["dt"])),
            *(f"{row[name]:.0f}" for name in ("prepared", "first")),
        ]
        for row in rows
    ]
    return report.markdown(headers, cells)


def update_page(results: Mapping[str, Any]) -> str:
    """Put the tables between the page's marks; says what was done."""
    return replace_between(PAGE, START, END, page_tables(results))

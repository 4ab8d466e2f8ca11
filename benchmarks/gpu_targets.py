"""What the library must reach on a card, and what decides which loop it takes there: verdicts on the rows of `gpu`."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.targets import Check, check

# Trajectories whose rates are judged.
JUDGED = 10**6
COMPILE_SECONDS, WALL_SECONDS, NORMALS = 20.0, 0.6, 3e11
# One graph stays if it is faster by so much on so many of these.
GRAPH_GAIN, GRAPH_ROWS, GRAPH_CANDIDATES = 1.2, 2, ("suv-32", "oqt-64", "csl-64", "kerr-64")


class Figure(NamedTuple):
    """Trajectory-steps per second of a row, and how many times those of dynamiqs on the same card."""

    row: str
    rate: float | None = None
    times_dynamiqs: float | None = None
    trajectories: int = JUDGED


FIGURES = (
    Figure("suv-2 default", 5e10, 100.0),
    Figure("suv-8 default", 1.2e10, 20.0),
    Figure("suv-8 default, few", 3e9, trajectories=10**4),
    Figure("suv-8 discrete", 3.5e10),
    Figure("oqt-4 default", 6e9),
    Figure("oqt-8 default", 3e9, 150.0),
    Figure("oqt-16 default", 1.6e9),
    Figure("homodyne-2 discrete", 7e10),
    Figure("suv-32 default", 4e8),
    Figure("oqt-64 default", 1.8e8),
    Figure("csl-64 default", 1.65e8),
    Figure("csl-256 default", 2.9e7),
    Figure("sui-256 default", 1.2e7),
    Figure("kerr-64 default", None, 1.0),
)


class Verdict(NamedTuple):
    """A figure to be reached, and what was found; None where it was not measured."""

    title: str
    found: Check | None

    def __str__(self) -> str:
        if self.found is None:
            return f"not measured  {self.title}"
        side = "least" if self.found.at_least else "most"
        reached = "reached" if self.found.passed else "NOT REACHED"
        return f"{reached}  {self.title}: {self.found.value:.4g} (at {side} {self.found.bound:.4g})"


def verdicts(lines: Sequence[dict[str, Any]]) -> list[Verdict]:
    """All of them, in the order of the table; lines: what was told of all rows."""
    return [*_agreement(lines), *_figures(lines), *_others(lines)]


def _agreement(lines: Sequence[dict[str, Any]]) -> Iterator[Verdict]:
    """Of every loop on every row: with a processor, and with the master equation."""
    for line in lines:
        title = f"{line['row'].removesuffix(', xla')}, {line.get('way')}"
        if line.get("what") == "agreement" and "agrees" in line:
            yield Verdict(f"{title}: agrees with a processor", check("agrees", float(line["agrees"]), 1.0, True))
        if line.get("what") == "chi2":
            yield Verdict(f"{title}: p against the master equation", check("p", line["p_value"], 1e-3, True))


def _figures(lines: Sequence[dict[str, Any]]) -> Iterator[Verdict]:
    for figure in FIGURES:
        rate = best_rate(lines, figure.row, figure.trajectories)
        if figure.rate is not None:
            yield _verdict(f"{figure.row}, trajectory-steps/s", rate, figure.rate)
        if figure.times_dynamiqs is not None:
            peer = best_rate(lines, f"dynamiqs {figure.row.split()[0]}", None)
            ratio = None if rate is None or peer is None else rate / peer
            yield _verdict(f"{figure.row}, stochq / dynamiqs", ratio, figure.times_dynamiqs)


def best_rate(lines: Sequence[dict[str, Any]], row: str, trajectories: int | None) -> float | None:
    """Of the loops that agree, in the row of that name or in that of XLA's loops; None where none was timed.

    trajectories: None for any number.
    """
    wrong = _wrong_ways(lines, row)
    rates = [
        line["steps_per_s"]
        for line in _of_row(lines, row)
        if "steps_per_s" in line and line["way"] not in wrong and trajectories in (None, line["trajectories"])
    ]
    return max(rates, default=None)


def _wrong_ways(lines: Sequence[dict[str, Any]], row: str) -> set[str]:
    """Loops that disagree with a processor, or with the master equation."""
    return {line["way"] for line in _of_row(lines, row) if not line.get("agrees", True)}


def _of_row(lines: Sequence[dict[str, Any]], row: str) -> list[dict[str, Any]]:
    """Those of the row of that name and of the one that XLA's loops have beside it."""
    return [line for line in lines if line["row"] in (row, f"{row}, xla")]


def ratios(lines: Sequence[dict[str, Any]]) -> list[str]:
    """How many times faster than the processor of the same machine the card was, of what both did."""
    seconds = {line["row"]: line["seconds"] for line in lines if line.get("what") == "seconds"}
    both = [name for name in seconds if f"{name} on the processor" in seconds]
    return [f"{name}: {seconds[f'{name} on the processor'] / seconds[name]:.3g} times the processor" for name in both]


def _others(lines: Sequence[dict[str, Any]]) -> Iterator[Verdict]:
    drawn = [line["value"] for line in lines if line.get("row") == "normals" and "value" in line]
    yield _verdict("normals alone, per second", max(drawn, default=None), NORMALS)
    wrong = _wrong_ways(lines, "suv-8 default")
    walls = [line["seconds"] for line in lines if line.get("what") == "wall" and line["way"] not in wrong]
    yield _verdict("simulate, SUV d=8, 10⁷ trajectories of 200 steps, s", min(walls, default=None), WALL_SECONDS, False)
    compiled = [line["compile_s"] for line in lines if line.get("what") == "agreement" and "compile_s" in line]
    yield _verdict("longest compilation, s", max(compiled, default=None), COMPILE_SECONDS, False)
    gains = [gain for name in GRAPH_CANDIDATES if (gain := _gain_of_one_graph(lines, f"{name} default")) is not None]
    enough = sorted(gains, reverse=True)[GRAPH_ROWS - 1] if len(gains) >= GRAPH_ROWS else None
    yield _verdict(f"one graph / xla, on {GRAPH_ROWS} of {', '.join(GRAPH_CANDIDATES)}", enough, GRAPH_GAIN)


def _gain_of_one_graph(lines: Sequence[dict[str, Any]], row: str) -> float | None:
    own = [line for line in lines if line.get("row") == row]
    graph, plain = (
        best_rate([line for line in own if line.get("way") == way], row, JUDGED) for way in ("one graph", "xla")
    )
    return None if graph is None or plain is None else graph / plain


def _verdict(title: str, value: float | None, bound: float, at_least: bool = True) -> Verdict:
    return Verdict(title, None if value is None else check(title, value, bound, at_least))

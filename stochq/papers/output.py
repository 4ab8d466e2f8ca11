"""What a claim of a paper becomes on disk: a table, a picture, and checks."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.papers.checks import VERDICTS, Check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Series:
    """One curve or set of points: x and y (points,), and the standard errors of y where it has any."""

    name: str
    x: Any
    y: Any
    stderr: Any = None


@dataclass(frozen=True)
class Table:
    """Columns of equal length by name: numbers, words or truth values."""

    columns: Mapping[str, Sequence[Any] | np.ndarray]


@dataclass(frozen=True)
class Claim:
    """A regenerated claim: its numbers, its checks, and its picture (None for a bare table) in the named formats."""

    numbers: list[Series] | Table
    checks: list[Check]
    picture: "Figure | None"
    formats: tuple[str, ...] = ("png",)


# How many trajectories a claim takes, relative to what its published picture takes.
Maker = Callable[[float], Claim]


def write_claim(name: str, claim: Claim, out: Path) -> None:
    """NAME.csv (a table, or series as columns series, x, y, stderr) and NAME.png, if it has a picture."""
    with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_lines(claim.numbers))
    if claim.picture is not None:
        for form in claim.formats:
            claim.picture.savefig(out / f"{name}.{form}")


def _lines(numbers: list[Series] | Table) -> Iterable[Sequence[Any]]:
    if isinstance(numbers, Table):
        yield list(numbers.columns)
        for row in zip(*numbers.columns.values(), strict=True):
            yield [_cell(value) for value in row]
        return
    yield ["series", "x", "y", "stderr"]
    for series in numbers:
        yield from _rows(series)


def _cell(value: Any) -> Any:
    return f"{value:.12g}" if isinstance(value, float | np.floating) else value


def _rows(series: Series) -> Iterable[list[str]]:
    x, y = np.atleast_1d(series.x), np.atleast_1d(series.y)
    errors = [None] * len(x) if series.stderr is None else np.broadcast_to(series.stderr, x.shape)
    for at, value, error in zip(x, y, errors, strict=True):
        yield [series.name, f"{at:.10g}", f"{value:.10g}", "" if error is None else f"{error:.4g}"]


def reproduce(paper: str, claims: Mapping[str, Maker], out: Path, figure: str | None, effort: float) -> list[Check]:
    """Regenerate one claim or all, write them and PAPER.json into `out`, and return the checks.

    Raises: ValueError for a figure that the paper does not have.
    """
    if figure is not None and figure not in claims:
        raise ValueError(f"figure: expected one of {', '.join(claims)}; got {figure!r}.")
    out.mkdir(parents=True, exist_ok=True)
    checks: list[Check] = []
    for name in claims if figure is None else [figure]:
        claim = claims[name](effort)
        write_claim(name, claim, out)
        checks += [Check(f"{name}: {c.name}", c.value, c.reference, c.tolerance) for c in claim.checks]
    if len(checks) > VERDICTS:
        raise RuntimeError(f"{len(checks)} checks are more than the {VERDICTS} that the tolerances allow for.")
    text = json.dumps([check.as_dict() for check in checks], indent=2)
    (out / f"{paper}.json").write_text(text + "\n", encoding="utf-8")
    return checks

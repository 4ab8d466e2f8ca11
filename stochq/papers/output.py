"""What a claim of a paper becomes on disk: a table, a picture, and checks."""

import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.arrays import ArrayLike
from stochq.papers.checks import VERDICTS, Check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The unit of a pure number.
PURE = "1"


class Series:
    """One curve or set of points (points,) with the units of x and y; its standard errors are NaN where it has none."""

    name: str
    x: np.ndarray
    y: np.ndarray
    stderr: np.ndarray
    units: tuple[str, str]

    def __init__(
        self, name: str, x: ArrayLike, y: ArrayLike, stderr: ArrayLike = np.nan, *, units: tuple[str, str]
    ) -> None:
        self.name = name
        self.x = np.atleast_1d(x)
        self.y = np.atleast_1d(y)
        self.stderr = np.broadcast_to(stderr, self.y.shape)
        self.units = units


@dataclass(frozen=True)
class Table:
    """Columns of equal length by name: numbers, words or truth values. Every column of numbers has a unit."""

    columns: Mapping[str, Sequence[Any] | np.ndarray]
    units: Mapping[str, str]

    def __post_init__(self) -> None:
        numeric = {name for name, values in self.columns.items() if any(_is_number(value) for value in values)}
        if numeric != set(self.units):
            raise ValueError(
                f"units: expected one for each column of numbers, {sorted(numeric)}; got {sorted(self.units)}."
            )

    @property
    def header(self) -> list[str]:
        """The names of the columns with their units, as in "power [W]"."""
        return [f"{name} [{self.units[name]}]" if name in self.units else name for name in self.columns]


def _is_number(value: object) -> bool:
    return isinstance(value, Number | np.number) and not isinstance(value, bool | np.bool_)


@dataclass(frozen=True)
class Claim:
    """A regenerated claim: its numbers, its checks, and its picture (None for a bare table) in the named formats."""

    numbers: list[Series] | Table
    checks: list[Check]
    picture: "Figure | None"
    formats: tuple[str, ...] = ("png",)


# How many trajectories a claim takes, relative to what its published picture takes.
Maker = Callable[[float], Claim]


def write_claim(name: str, claim: Claim, folder: Path) -> None:
    """NAME.csv (a table; or series, with columns series, x, x_unit, y, y_unit, stderr) and NAME.png, if it has one."""
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_lines(claim.numbers))
    if claim.picture is not None:
        for form in claim.formats:
            claim.picture.savefig(folder / f"{name}.{form}")


def _lines(numbers: list[Series] | Table) -> Iterable[Sequence[object]]:
    if isinstance(numbers, Table):
        yield numbers.header
        for row in zip(*numbers.columns.values(), strict=True):
            yield [_cell(value) for value in row]
        return
    yield ["series", "x", "x_unit", "y", "y_unit", "stderr"]
    for series in numbers:
        yield from _rows(series)


def _cell(value: object) -> object:
    return f"{value:.12g}" if isinstance(value, float | np.floating) else value


def _rows(series: Series) -> Iterable[list[str]]:
    x_unit, y_unit = series.units
    for x, y, stderr in zip(series.x, series.y, series.stderr, strict=True):
        error = "" if np.isnan(stderr) else f"{stderr:.4g}"
        yield [series.name, f"{x:.10g}", x_unit, f"{y:.10g}", y_unit, error]


def reproduce(paper: str, claims: Mapping[str, Maker], out: Path, figure: str | None, effort: float) -> list[Check]:
    """Regenerate one claim or all and write them into the paper's own folder, OUT/PAPER, with the checks in PAPER.json.

    Checks of the claims that are not regenerated stay in PAPER.json.

    Args:
        paper: its name.
        claims: what it claims, by the name of the figure.
        out: the folder of all papers.
        figure: the claim to regenerate; None for all.
        effort: trajectories relative to the published pictures.

    Returns:
        the checks of what was regenerated, each named after its figure.

    Raises:
        ValueError: for a figure that the paper does not have, or a PAPER.json of another kind.
    """
    if figure is not None and figure not in claims:
        raise ValueError(f"figure: expected one of {', '.join(claims)}; got {figure!r}.")
    folder = out / paper
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{paper}.json"
    written = _read_checks(file)
    found: list[Check] = []
    for name in claims if figure is None else [figure]:
        claim = claims[name](effort)
        write_claim(name, claim, folder)
        written[name] = [{"figure": name} | check.as_dict() for check in claim.checks]
        _write_checks(file, [entry for known in claims for entry in written.get(known, [])])
        found += [dataclasses.replace(check, name=f"{name}: {check.name}") for check in claim.checks]
    return found


def _read_checks(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of earlier calls by figure."""
    if not file.exists():
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        for entry in json.loads(file.read_text(encoding="utf-8")):
            found.setdefault(entry["figure"], []).append(entry)
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"out: expected {file} to hold checks of this command, to which new ones are added; got another file. "
            "Move it away, or choose another folder."
        ) from None
    return found


def _write_checks(file: Path, entries: list[dict[str, Any]]) -> None:
    if len(entries) > VERDICTS:
        raise RuntimeError(f"{len(entries)} checks are more than the {VERDICTS} that the tolerances allow for.")
    file.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

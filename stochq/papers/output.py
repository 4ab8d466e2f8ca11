"""What a claim of a paper becomes on disk: a table, a picture, and checks."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
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
class Claim:
    """A regenerated claim: its numbers, its checks and its picture."""

    series: list[Series]
    checks: list[Check]
    picture: "Figure"


# How many trajectories a claim takes, relative to what its published picture takes.
Maker = Callable[[float], Claim]


def write_claim(name: str, claim: Claim, out: Path) -> None:
    """NAME.csv with the columns series, x, y, stderr, and NAME.png."""
    with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["series", "x", "y", "stderr"])
        writer.writerows(row for series in claim.series for row in _rows(series))
    claim.picture.savefig(out / f"{name}.png")


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

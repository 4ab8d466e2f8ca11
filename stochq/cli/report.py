"""What `stochq run` prints: the table of observables, the verdict, and advice on the cheaper tool."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stochq.compare import Comparison
from stochq.ensemble.result import EnsembleResult
from stochq.io import Curves
from stochq.real_parts import in_rows, row_names

if TYPE_CHECKING:
    from rich.table import Table

# Below these p-values an ensemble may differ from the reference, and does: one right run in a thousand, in a million.
DOUBTFUL, DIFFERENT = 1e-3, 1e-6
# Columns of a table that is shown as it is.
_WIDEST = 1000


def with_error(mean: float, error: float) -> str:
    """A mean and its standard error to two digits of the error: '0.123 ± 0.045', '(1.23 ± 0.45)e-09'."""
    if not (math.isfinite(mean) and math.isfinite(error)):
        return f"{mean} ± {error}"
    largest = max(abs(mean), error)
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    if -4 < exponent < 6:
        return _fixed(mean, error)
    return f"({_fixed(mean / 10.0**exponent, error / 10.0**exponent)})e{exponent:+03d}"


def _fixed(mean: float, error: float) -> str:
    # Two digits of the error, but no more than single precision has.
    most = 6 - math.floor(math.log10(max(abs(mean), error, 1e-3)))
    digits = 6 if error == 0 else max(0, min(most, 1 - math.floor(math.log10(error))))
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


@dataclass(frozen=True)
class Judged:
    """What is said of a run: the exact curves, False where the ensemble differs from them, the table, and lines."""

    curves: Curves
    agrees: bool
    headings: list[str]
    rows: list[list[str]]
    lines: list[str]


def observables_rows(
    result: EnsembleResult,
    exact: Mapping[str, np.ndarray],
    z: Mapping[str, np.ndarray],
    names: Sequence[str],
    rows: int,
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: each observable at a handful of times, with the exact values and z where there are any."""
    real, exact, z = result.in_real_rows(), in_rows(exact), in_rows(z)
    headings = ["observable", _heading("t", result.info.get("unit:time")), "ensemble ± standard error"]
    headings += ["exact", "z"] if exact else []
    table = []
    count = len(result.times)
    chosen = np.unique(np.linspace(0, count - 1, min(rows, count)).round().astype(int))
    for name in names:
        for row, i in itertools.product(row_names(name, np.iscomplexobj(result.mean[name])), chosen):
            first = _heading(row, result.info.get(f"unit:{name}")) if i == chosen[0] else ""
            mean, error = float(real.mean[row][i]), float(real.stderr[row][i])
            cells = [first, f"{result.times[i]:.5g}", with_error(mean, error)]
            cells += [f"{exact[row][i]:.6g}" if row in exact else "", _z(z, row, i)] if exact else []
            table.append(cells)
    return headings, table


def observables_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    """A rich table of `observables_rows`, with a line above every observable."""
    from rich.table import Table

    table = Table()
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i == 0 else "right")
    for cells, following in itertools.zip_longest(rows, rows[1:]):
        table.add_row(*cells, end_section=following is None or bool(following[0]))
    return table


def print_whole(table: "Table") -> None:
    """Print a table; one that is wider than the terminal runs over, so that no number is cut."""
    from rich.console import Console

    console = Console()
    needed = console.measure(table, options=console.options.update_width(_WIDEST)).maximum
    console.width = max(console.width, needed)
    console.print(table, soft_wrap=False)


def _heading(name: str, unit: str | None) -> str:
    # Square brackets would be markup to the table.
    return f"{name} ({unit})" if unit else name


def _z(z: Mapping[str, np.ndarray], name: str, i: int) -> str:
    return f"{z[name][i]:+.2f}" if name in z else ""


def verdict(comparison: Comparison) -> str:
    """The line on the whole comparison."""
    agree = "agrees with"
    if comparison.p_value < DOUBTFUL:
        agree = "may differ from"
    if comparison.p_value < DIFFERENT:
        agree = "DIFFERS from"
    return (
        f"The ensemble {agree} the master equation: chi2 = {comparison.chi2:.1f} on {comparison.dof} degrees "
        f"of freedom, p = {comparison.p_value:.3g}"
    )


def reached(result: EnsembleResult) -> str:
    """The line on a run to a tolerance, nothing for others."""
    if "tolerance" not in result.info:
        return ""
    info = result.info
    return (
        f"Tolerance {info['tolerance']:g}: reached {info['reached']:.2g}, decided by {info['decided_by']}, with "
        f"{result.trajectories} trajectories at dt = {result.dt:.3g}\n"
    )


def advice(ensemble_seconds: float, exact_seconds: float) -> list[str]:
    """Lines for when the master equation was the cheaper tool, else none."""
    if exact_seconds >= ensemble_seconds:
        return []
    return [
        f"The master equation took {exact_seconds:.2g} s, the ensemble {ensemble_seconds:.2g} s: for averages linear "
        "in the density matrix it is the cheaper tool here.",
        "Trajectories are for single runs, nonlinear quantities and large dimensions.",
    ]

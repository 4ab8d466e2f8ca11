"""An ensemble beside exact values as a table of aligned plain text."""

import numpy as np

from stochq.compare.deviations import Deviations
from stochq.ensemble.result import EnsembleResult

# So many times are shown of each observable.
_TIMES = 5
_HEAD = ("observable", "t", "ensemble ± stderr", "exact", "z (with rounding)", "bias/stderr (not in z)")


def table(deviations: Deviations) -> list[str]:
    """The lines: each row at a handful of times."""
    ensemble, exact = deviations.ensemble, deviations.exact
    count = len(ensemble.times)
    chosen = np.unique(np.linspace(0, count - 1, min(_TIMES, count)).round().astype(int))
    cells: list[tuple[str, ...]] = [_HEAD]
    for name, scores in deviations.z.items():
        for index in chosen:
            first = index == chosen[0]
            mean = f"{ensemble.mean[name][index]: .6g} ± {ensemble.stderr[name][index]:.1e}"
            start = (name if first else "", f"{ensemble.times[index]:.5g}", mean)
            bias = _largest_bias(ensemble, name) if first else ""
            cells.append((*start, f"{exact[name][index]: .6g}", f"{scores[index]:+.2f}", bias))
    return _aligned(cells)


def _aligned(cells: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines, the first of them underlined."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "-" * sum(widths, 2 * len(widths) - 2), *lines[1:]]


def _largest_bias(ensemble: EnsembleResult, name: str) -> str:
    """The largest estimated time-step bias in units of the standard error."""
    bias = ensemble.bias.get(name)
    errors = ensemble.stderr[name]
    fluctuating = errors > 1e-3 * errors.max()
    if bias is not None and not np.any(bias):
        return "0"
    if bias is None or not fluctuating.any():
        return "not known"
    return f"{np.abs(bias[fluctuating] / errors[fluctuating]).max():.2g}"

"""The picture of a fit: data, prediction with its band, and residuals."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from stochq.inference.bands import band, default_times, means_of, residuals, takes_times
from stochq.inference.problem import Means
from stochq.inference.records import Records
from stochq.inference.result import Fit, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Residuals are drawn up to this many standard errors at least.
_RESIDUALS = 3.5
_HEIGHTS = (1.0, 0.35)


def draw(fit: Fit) -> "Figure":
    """A panel for each array that is predicted, the parts of a complex one in one, with its residuals below."""
    from stochq import plotting

    if fit.problem is not None and isinstance(fit.problem.objective, Records):
        from stochq.inference.record_picture import draw_records

        return draw_records(fit, fit.problem.objective)

    means = means_of(fit)
    data, times = means.data, _times(means)
    predicted, off = band(fit, None), residuals(fit)
    measured, errors = (data.by_point(predicted.mean, values) for values in (data.mean, data.stderr))
    leaves = [jax.tree_util.tree_leaves(tree) for tree in (*predicted, measured, errors, off)]
    names = [
        jax.tree_util.keystr(path, simple=True, separator=".") or "prediction"
        for path, _ in jax.tree_util.tree_leaves_with_path(predicted.mean)
    ]
    rows = list(zip(names, zip(*leaves, strict=True), strict=True))
    # A single number has no course: beside arrays it is told in words.
    panels = [row for row in rows if np.ndim(row[1][0]) > 0] or rows
    told = [] if len(panels) == len(rows) else [_told(*row) for row in rows if np.ndim(row[1][0]) == 0]
    with plotting.style():
        made, axes = plotting.figure(len(panels), rows_each=_HEIGHTS)
        for (name, arrays), (upper, lower) in zip(panels, axes, strict=True):
            draw_panel(upper, lower, times, [np.ravel(array) for array in arrays])
            upper.set_ylabel(name)
            lower.set_xlabel("point" if times is None else data.axis)
        handles, labels = axes[0][0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside upper center", ncols=2, title="\n".join(told) or None)
    return made


def _told(name: str, arrays: tuple[Any, ...]) -> str:
    """A single number in words; arrays: as of `draw_panel`, (1,) each or numbers."""
    mean, off, measured, error = (np.ravel(array)[0] for array in arrays[:4])
    if np.iscomplexobj(mean):
        return f"{name}: fit {mean:.4g} ± {off:.2g}, data {measured:.4g} ± {error:.2g}"
    return f"{name}: fit {number(mean, off)}, data {number(measured, error)}"


def _times(means: Means) -> np.ndarray | None:
    """The times of the points: those of an ensemble, or the default of predict's argument `times`."""
    if means.data.times is not None:
        return np.asarray(means.data.times)
    times = default_times(means.predict) if takes_times(means.predict) else None
    if times is None or np.ndim(times) != 1:
        return None
    return np.asarray(times, dtype=np.float64)


def draw_panel(upper: "Axes", lower: "Axes", times: np.ndarray | None, arrays: list[np.ndarray]) -> None:
    """arrays: prediction, its error, data, theirs and the residuals, (T,) each."""
    from stochq.plotting import BLACK, BLUE, VERMILION

    mean = arrays[0]
    x = times if times is not None and len(times) == len(mean) else np.arange(len(mean))
    parts: list[tuple[str, Any, str]] = [("", np.real, BLUE)]
    if np.iscomplexobj(mean):
        parts = [("real part, ", np.real, BLUE), ("imaginary part, ", np.imag, VERMILION)]
    for name, part, colour in parts:
        mean, stderr, measured, error, off = map(part, arrays)
        upper.fill_between(x, mean - 2 * stderr, mean + 2 * stderr, color=colour, alpha=0.25, linewidth=0)
        # Above the points, which may be dense; these are pale where the line has their colour.
        upper.plot(x, mean, color=colour, linestyle="-", zorder=3, label=f"{name}fit ± 2 standard errors")
        style: dict[str, Any] = {"color": BLACK if not name else colour, "marker": "o", "linestyle": "none"}
        style |= {"markersize": 3.0, "alpha": 0.6}
        upper.errorbar(x, measured, error, label=f"{name}data ± standard error", elinewidth=1.0, **style)
        lower.plot(x, off, **style)
    lower.axhspan(-2, 2, color="0.9", linewidth=0, zorder=0)
    lower.axhline(0, color="0.6", linewidth=0.8, linestyle="-")
    limit = max(_RESIDUALS, 1.1 * np.nanmax(np.abs([*np.real(arrays[4]), *np.imag(arrays[4])]), initial=0.0))
    lower.set(ylim=(-limit, limit), ylabel="residual")
    upper.tick_params(labelbottom=False)

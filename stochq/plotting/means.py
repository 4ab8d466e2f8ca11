"""Means of an ensemble, one panel for each observable."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.plotting.look import BLACK, BLUE, ORANGE, draw_legend, figure, style
from stochq.plotting.panels import draw_rounding_flat, panels_of, symbol, time_label
from stochq.real_parts import in_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stochq.exact.result import ExactResult

# So many kept trajectories are drawn where nobody says which.
MOST_TRAJECTORIES = 20
# A spread over the trajectories below this part of an observable is that of single precision.
ROUNDING = 1e-6


def plot_result(
    result: EnsembleResult,
    exact: "ExactResult | Mapping[str, np.ndarray] | None" = None,
    names: Sequence[str] | None = None,
    trajectories: Mapping[str, np.ndarray] | None = None,
    residuals: bool = False,
) -> "Figure":
    """One panel per observable: the mean with ±2 standard errors, the exact curve, and single trajectories.

    A complex observable has two panels, one for each part.

    exact: an exact result, or {name: (time,)}; trajectories: {name: (trajectory, time)} values of single runs, those of
    the first kept states where none are given;
    residuals: below each panel, how many standard errors the mean is away from the exact curve.

    Raises:
        ValueError: for a name that the result does not hold.
    """
    shown = _shown(names, result.mean)
    panels = panels_of(result, shown)
    if trajectories is None:
        trajectories = {name: values[:MOST_TRAJECTORIES] for name, values in result.kept_values.items()}
    result, curves, single = result.in_real_rows(), in_rows(_curves(exact)), in_rows(trajectories)
    with style():
        heights = (1.0, 0.35) if residuals and curves else (1.0,)
        made, axes = figure(len(panels), rows_each=heights)
        for (name, text), column in zip(panels.items(), axes, strict=True):
            _draw_panel(column[0], result, name, curves.get(name), single.get(name))
            column[0].set_ylabel(text)
            if len(column) > 1:
                _draw_residuals(column[1], result, name, curves.get(name))
                column[0].tick_params(labelbottom=False)
            column[-1].set_xlabel(time_label(result))
        draw_rounding_flat(list(panels), [column[0] for column in axes])
        draw_legend(made, axes)
    return made


def plot_exact(exact: "ExactResult", names: Sequence[str] | None = None) -> "Figure":
    """One panel per observable: the mean that the master equation gives.

    Args:
        exact: its solution.
        names: of the observables; None for all.

    Raises:
        ValueError: for a name that the solution does not hold.
    """
    shown = _shown(names, exact.expect)
    rows = in_rows({name: exact.expect[name] for name in shown})
    with style():
        made, axes = figure(len(rows))
        for (name, values), (panel,) in zip(rows.items(), axes, strict=True):
            panel.plot(exact.times, values, color=BLUE)
            panel.set(xlabel="time $t$", ylabel=symbol(name))
            panel.margins(x=0.01)
    return made


def _shown(names: Sequence[str] | None, known: Mapping[str, np.ndarray]) -> list[str]:
    """The names to be drawn, all for None; ValueError for one that is not known."""
    shown = list(known) if names is None else list(names)
    for name in shown:
        if name not in known:
            raise ValueError(f"names: expected names among {', '.join(known)}; got {name!r}.")
    return shown


def _curves(exact: "ExactResult | Mapping[str, np.ndarray] | None") -> Mapping[str, np.ndarray]:
    if exact is None:
        return {}
    return exact if isinstance(exact, Mapping) else exact.expect


def _draw_panel(
    axes: "Axes", result: EnsembleResult, name: str, exact: np.ndarray | None, values: np.ndarray | None
) -> None:
    times, mean, error = result.times, result.mean[name], result.stderr[name]
    for i, single in enumerate(() if values is None else values):
        axes.plot(times, single, color=ORANGE, linestyle="-", linewidth=0.6, label="" if i else "single trajectories")
    axes.fill_between(
        times, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.3, linewidth=0, label="±2 standard errors"
    )
    axes.plot(times, mean, color=BLUE, linestyle="-", label=f"mean of {result.trajectories:,}".replace(",", " "))
    if exact is not None:
        axes.plot(times, exact, color=BLACK, linestyle=(0, (4, 3)), linewidth=1.2, label="exact")
    axes.margins(x=0.01)


def _draw_residuals(axes: "Axes", result: EnsembleResult, name: str, exact: np.ndarray | None) -> None:
    if exact is not None:
        error = result.stderr[name]
        z = np.full_like(error, np.nan)
        # A point whose trajectories differ by rounding alone, as the start is, has no z.
        spread = error * np.sqrt(result.trajectories)
        scale = np.max(np.abs(result.mean[name]) + spread, initial=0.0)
        np.divide(result.mean[name] - exact, error, out=z, where=spread > ROUNDING * scale)
        axes.plot(result.times, z, color=BLUE, linestyle="none", marker="o", markersize=2.5)
    axes.axhspan(-2, 2, color=BLUE, alpha=0.12, linewidth=0)
    axes.set_ylim(-4.5, 4.5)
    axes.set_yticks([-2, 0, 2])
    axes.set_ylabel("$z$")

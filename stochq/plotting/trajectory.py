"""One kept trajectory: its values, what its record tells of it, and its clicks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stochq.arrays import ArrayLike
from stochq.ensemble.result import EnsembleResult
from stochq.plotting.clicks import MOST_COUNTERS, draw_between_clicks, draw_counters, mark_clicks
from stochq.plotting.look import VERMILION, draw_legend, figure, style
from stochq.plotting.panels import draw_rounding_flat, panels_of, time_label
from stochq.real_parts import in_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from stochq.inference.filtering import Filtered


def plot_trajectory(
    result: EnsembleResult,
    trajectory: int = 0,
    *,
    filtered: "Filtered | None" = None,
    names: Sequence[str] | None = None,
    places: ArrayLike | None = None,
) -> "Figure":
    """One panel per observable of one kept trajectory: its value, what its record tells of it, and its clicks as marks.

    The line is broken between saved times with a click between them: the state jumped there.
    Of many counters, such as the points of space in `sq.models.grw`, one more panel shows which clicked, by its place
    among all, over time.

    trajectory: which of those that were kept; its record and clicks are in row `result.kept_rows[trajectory]`;
    filtered: from `sq.inference.filter` of the result's records, whose conditional mean is drawn beside the trajectory;
    names: of the observables, None for all that are kept; places: where each of many counters is, (counters,), such as
    `particle.coordinates[0]` for the hits of `sq.models.grw`, None for their numbers.

    Raises:
        ValueError: for a trajectory that was not kept or filtered, a name that the result does not hold, and places of
            other counters than there are.
    """
    kept = result.kept_values
    _check_trajectory(result, trajectory, filtered)
    row = int(result.kept_rows[trajectory])
    for name in [] if names is None else names:
        if name not in kept:
            raise ValueError(f"names: expected names among {', '.join(kept)}; got {name!r}.")
    many = _has_panel_of_counters(result, places)
    panels = panels_of(result, list(kept) if names is None else list(names))
    values = in_rows({name: value[trajectory] for name, value in kept.items()})
    means = {} if filtered is None else in_rows({name: value[row] for name, value in filtered.mean.items()})
    with style():
        made, axes = figure(len(panels) + many)
        if many:
            clicks = [times[row] for times in result.clicks.values()]
            draw_counters(axes.pop()[0], result.times, clicks, list(result.clicks), places, time_label(result))
        for (name, text), (panel, *_) in zip(panels.items(), axes, strict=True):
            draw_between_clicks(panel, result, row, values[name], f"trajectory {trajectory}")
            if filtered is not None and name in means:
                dashes = (0, (5, 2))
                panel.plot(filtered.times, means[name], color=VERMILION, linestyle=dashes, label="given its record")
            mark_clicks(panel, result, row)
            panel.set(xlabel=time_label(result), ylabel=text)
            panel.margins(x=0.01)
        draw_rounding_flat(list(panels), [column[0] for column in axes])
        draw_legend(made, axes)
    return made


def _check_trajectory(result: EnsembleResult, trajectory: int, filtered: "Filtered | None") -> None:
    count = min(map(len, result.kept_values.values()), default=0)
    if not 0 <= trajectory < count:
        wanted = f"one of the {count} that were kept" if count else "a run with keep="
        raise ValueError(f"trajectory: expected {wanted}; got {trajectory!r}. Pass keep={trajectory + 1} to simulate.")
    row = int(result.kept_rows[trajectory])
    if filtered is not None and row >= len(filtered.purity):
        raise ValueError(f"filtered: expected the state given record {row}; got {len(filtered.purity)} records.")


def _has_panel_of_counters(result: EnsembleResult, places: ArrayLike | None) -> bool:
    """Whether there are so many counters that one panel shows which clicked; ValueError for places of other ones."""
    many = len(result.clicks) > MOST_COUNTERS
    if places is not None and not (many and np.shape(places) == (len(result.clicks),)):
        raise ValueError(
            f"places: expected a number for each of more than {MOST_COUNTERS} counters, which have a panel of their "
            f"own; got shape {np.shape(places)} for {len(result.clicks)} counters."
        )
    return many

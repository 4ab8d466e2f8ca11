"""Clicks of counters in pictures: lines broken at them, strokes at their times, and which of many counters clicked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.arrays import ArrayLike
from stochq.ensemble.result import EnsembleResult
from stochq.plotting.look import BLACK, BLUE, GREEN, PURPLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of more counters than this one panel of its own shows which clicked: rows of strokes would fill the others.
MOST_COUNTERS = 20
# Of clicks: none is near those of a trajectory and its filtered state, as sky blue and orange are.
_CLICK_COLOURS = (BLACK, GREEN, PURPLE, "0.6")


def draw_between_clicks(axes: "Axes", result: EnsembleResult, row: int, values: np.ndarray, label: str) -> None:
    """A line broken between saved times with a click between them, where the state jumped; lone points as dots."""
    clicks = np.concatenate([np.zeros(0), *(times[row] for times in result.clicks.values())])
    # A click at a saved time is seen at it.
    breaks = np.unique(np.searchsorted(result.times, clicks, side="left"))
    breaks = breaks[(breaks > 0) & (breaks < len(result.times))]
    ends = np.concatenate([[0], breaks, [len(values)]])
    lone = np.flatnonzero(np.diff(ends) == 1)
    dots: dict[str, Any] = {"marker": ".", "markevery": (ends[lone] + lone).tolist()} if len(lone) else {}
    times, values = (np.insert(array, breaks, np.nan) for array in (result.times, values))
    axes.plot(times, values, color=BLUE, label=label, **dots)


def mark_clicks(axes: "Axes", result: EnsembleResult, trajectory: int) -> None:
    """A stroke at the lower edge for each click, those of every counter in a row of their own unless there are many."""
    rows = {f"clicks of {name}": clicks[trajectory] for name, clicks in result.clicks.items()}
    if len(rows) > MOST_COUNTERS:
        rows = {f"clicks of {len(rows)} counters": np.concatenate(list(rows.values()))}
    distance = min(0.06, 0.94 / max(1, len(rows)))
    for index, (name, times) in enumerate(rows.items()):
        colour = _CLICK_COLOURS[index % len(_CLICK_COLOURS)]
        height = np.full(len(times), 0.03 + distance * index)
        across = axes.get_xaxis_transform()
        axes.plot(
            times,
            height,
            "|",
            transform=across,
            color=colour,
            markersize=9,
            markeredgewidth=1.5,
            label=name,
        )


def draw_counters(
    axes: "Axes",
    times: np.ndarray,
    clicks: Sequence[np.ndarray],
    names: Sequence[str],
    places: ArrayLike | None,
    label: str,
) -> None:
    """A mark at the time of each click and at the place of its counter, or at its number where places is None."""
    heights = np.arange(len(names)) if places is None else np.asarray(places, float)
    for height, moments in zip(heights, clicks, strict=True):
        if len(moments):
            axes.plot(moments, np.full(len(moments), height), "o", color=_CLICK_COLOURS[0], markersize=4)
    margin = 0.5 * np.ptp(heights) / max(len(heights) - 1, 1)
    axes.set(xlim=(times[0], times[-1]), ylim=(heights.min() - margin, heights.max() + margin), xlabel=label)
    if places is None:
        axes.set_yticks([0, len(names) - 1], [names[0], names[-1]])
    axes.set_ylabel("counter that clicks" if places is None else "place of the counter")

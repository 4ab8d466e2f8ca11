"""The integer time grid of a run: how many steps of which length lie between the saved times."""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

# Interval lengths that are a whole number of steps within this relative distance count as exactly that.
_SNAP = 1e-6
# Relative difference below which two step lengths are the same, and how many different ones are compared.
_LENGTH_RTOL, _MAX_LENGTHS = 1e-9, 8
# The common divisor of all intervals is looked for down to this part of the shortest one, and to so many in a run.
_MAX_DENOMINATOR, _MAX_INTERVALS = 1000, 100_000


class TimeGrid(NamedTuple):
    """times (T,) that are saved; steps (I,) whole numbers and lengths (I,) of the intervals between their ends (I+1,).

    The ends are the saved times, and beside them what no step may reach over. saved: (T-1,), the intervals that end at
    a saved time; None where all do. bins: (I,), into how many parts of as many steps each an interval is divided, for
    records, the first of them the one of `slots` (I,) in the whole run; 1 where it is not.
    """

    times: np.ndarray
    steps: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray
    bins: np.ndarray
    slots: np.ndarray
    saved: np.ndarray | None = None

    @property
    def uniform(self) -> bool:
        """Whether one step length serves all intervals, so that propagators are prepared once."""
        return bool(np.all(self.lengths == self.lengths[0]))

    @property
    def even(self) -> bool:
        """Whether every part holds an even number of steps, so that two steps can share one draw."""
        return bool(np.all(self.steps // self.bins % 2 == 0))

    @property
    def total_steps(self) -> int:
        return int(self.steps.sum())


def time_grid(times: np.ndarray, dt: float, bins: np.ndarray | int = 1, edges: np.ndarray | None = None) -> TimeGrid:
    """The largest steps not above dt that reach every saved time, every end of `bins` equal parts between them, and
    every edge, at which something jumps.

    Intervals that are multiples of dt are stepped with dt itself, so that the choice of saved times among grid
    points changes no trajectory.
    """
    bins = np.broadcast_to(np.asarray(bins, np.int64), len(times) - 1)
    slots, ends, saved = np.cumsum(bins) - bins, times, None
    edges = _apart(times, edges, dt)
    if len(edges):
        ends, bins, slots = _cut(times, bins, slots, edges)
        saved = np.searchsorted(ends, times[1:]) - 1
    intervals = np.diff(ends)
    ratios = intervals / bins / dt
    nearest = np.round(ratios)
    whole = (nearest >= 1) & (np.abs(ratios - nearest) <= _SNAP * nearest)
    steps = bins * np.where(whole, nearest, np.ceil(ratios)).astype(np.int64)
    lengths = _alike(np.where(whole, dt, intervals / steps))
    return TimeGrid(times, steps, lengths, ends, bins, slots, saved)


def _alike(lengths: np.ndarray) -> np.ndarray:
    """The lengths, equal where they differ by rounding only: each takes the first such value, so that a grid keeps its
    lengths when later times are added."""
    alike, left = lengths.copy(), np.ones(len(lengths), bool)
    for _ in range(_MAX_LENGTHS):
        if not left.any():
            break
        first = lengths[np.argmax(left)]
        near = left & (np.abs(lengths - first) <= _LENGTH_RTOL * first)
        alike[near] = first
        left &= ~near
    return alike


def _apart(times: np.ndarray, edges: np.ndarray | None, dt: float) -> np.ndarray:
    """The edges that are no saved times but for rounding."""
    if edges is None or not len(edges):
        return np.zeros(0)
    after = np.clip(np.searchsorted(times, edges), 1, len(times) - 1)
    distance = np.minimum(np.abs(edges - times[after - 1]), np.abs(edges - times[after]))
    return edges[distance > _SNAP * dt]


def _cut(
    times: np.ndarray, bins: np.ndarray, slots: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends, bins and slots of intervals that also end at edges; where there are some, at every end of a bin too."""
    ends, parts, firsts = [times[:1]], [], []
    for start, stop, count, slot in zip(times[:-1], times[1:], bins, slots, strict=True):
        inside = edges[(edges > start) & (edges < stop)]
        made = np.linspace(start, stop, count + 1)[1:]
        if len(inside):
            clear = np.abs(inside[:, None] - made[None, :]).min(axis=1) > _SNAP * (stop - start) / count
            stops, share = np.sort(np.concatenate([made, inside[clear]])), 1
        else:
            stops, share = made[-1:], count
        ends.append(stops)
        parts.append(np.full(len(stops), share))
        # The first bin that begins no later than the interval.
        begins = np.concatenate([[start], stops[:-1]])
        firsts.append(slot + np.searchsorted(made, begins, side="right"))
    return np.concatenate(ends), np.concatenate(parts), np.concatenate(firsts)


def regular_edges(times: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Edges at equal distances that include all saved times and all edges between them; the edges themselves where
    intervals are equal already or have no common divisor."""
    ends = np.unique(np.concatenate([times, _apart(times, edges, float(np.diff(times).min()))]))
    ratios = np.diff(ends) / np.diff(ends).min()
    if np.ptp(ratios) <= _SNAP or ratios.sum() > _MAX_INTERVALS:
        return edges
    parts = [Fraction(ratio).limit_denominator(_MAX_DENOMINATOR) for ratio in ratios]
    # The largest length that divides all, as one of the ratios is 1. Of ratios by chance it is beyond all numbers.
    common = lcm(*(part.denominator for part in parts))
    total = int(common * sum(parts))
    if total > _MAX_INTERVALS or np.any(np.abs(ratios - [float(part) for part in parts]) > _SNAP / common):
        return edges
    return np.linspace(times[0], times[-1], total + 1)[1:-1]


def refined(grid: TimeGrid, multiple: int, further: int = 0) -> TimeGrid:
    """Every interval in `multiple` times as many equal steps, and `further` beyond those."""
    steps = multiple * grid.steps + further
    return grid._replace(steps=steps, lengths=grid.lengths * (grid.steps / steps))


def longest_interval(times: np.ndarray) -> float:
    """The longest time between neighbouring saved times."""
    return float(np.max(np.diff(times)))


def check_step(times: np.ndarray, dt: float) -> float:
    """dt, if it is positive and no longer than the longest interval; ValueError otherwise."""
    longest = longest_interval(times)
    if not (isinstance(dt, (int, float, np.integer, np.floating)) and 0 < dt < np.inf):
        raise ValueError(f"dt: expected a positive step; got {dt!r}.")
    if dt > longest * (1 + _SNAP):
        raise ValueError(f"dt: expected at most the longest interval of times, {longest:g}; got {dt:g}.")
    return float(dt)


def division_of(times: np.ndarray, wanted: float, multiple: int = 2) -> float:
    """The largest division of the longest interval, into one step or a multiple of so many, that is at most `wanted`.

    Even numbers of steps between saved times let neighbouring steps share their draws.
    """
    longest = longest_interval(times)
    steps = np.ceil(longest / wanted * (1 - 1e-9))
    return longest / (1 if steps == 1 else multiple * np.ceil(steps / multiple))


def steps_of(times: np.ndarray, dt: float) -> np.ndarray:
    """The number of steps in each interval, (T-1,), as floating-point numbers of any size."""
    return np.maximum(np.ceil(np.diff(times) / dt * (1 - _SNAP)), 1)

"""The integer time grid of a run: how many steps of which length lie between the saved times."""

from typing import NamedTuple

import numpy as np

# Interval lengths that are a whole number of steps within this relative distance count as exactly that.
_SNAP = 1e-6


class TimeGrid(NamedTuple):
    """times (T,); steps (T-1,) whole numbers; lengths (T-1,) the step in each interval; uniform: all equal.

    bins: (T-1,), into how many parts of as many steps each an interval is divided, for records; 1 where it is not.
    """

    times: np.ndarray
    steps: np.ndarray
    lengths: np.ndarray
    bins: np.ndarray | int = 1

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


def time_grid(times: np.ndarray, dt: float, bins: np.ndarray | int = 1) -> TimeGrid:
    """The largest steps not above dt that reach every saved time, and every end of `bins` equal parts between them.

    Intervals that are multiples of dt are stepped with dt itself, so that the choice of saved times among grid
    points changes no trajectory.
    """
    intervals = np.diff(times)
    ratios = intervals / bins / dt
    nearest = np.round(ratios)
    whole = (nearest >= 1) & (np.abs(ratios - nearest) <= _SNAP * nearest)
    steps = bins * np.where(whole, nearest, np.ceil(ratios)).astype(np.int64)
    lengths = np.where(whole, dt, intervals / steps)
    return TimeGrid(times, steps, lengths, bins)


def refined(grid: TimeGrid, multiple: int, further: int = 0) -> TimeGrid:
    """Every interval in `multiple` times as many equal steps, and `further` beyond those."""
    steps = multiple * grid.steps + further
    return TimeGrid(grid.times, steps, grid.lengths * (grid.steps / steps))


def longest_interval(times: np.ndarray) -> float:
    """The longest time between neighbouring saved times."""
    return float(np.max(np.diff(times)))


def check_step(times: np.ndarray, dt: float) -> float:
    """dt, if it is positive and no longer than the longest interval; ValueError otherwise."""
    longest = longest_interval(times)
    if not (isinstance(dt, (int, float, np.number)) and np.isfinite(dt) and dt > 0):
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

"""The steps by which laws of the noise are compared."""

import numpy as np

from stochq.accuracy.grid import TimeGrid, longest_interval, time_grid
from stochq.accuracy.resolution import explicit_limit, jump_rate_of
from stochq.accuracy.search import JUMPS_PER_STEP
from stochq.ensemble.task import Task

# A pilot makes this part of the steps between saved times that are furthest apart.
_PILOT_STEPS = 2


def pilot_grid(task: Task, dt: float | None, like: TimeGrid | None) -> TimeGrid:
    """The steps of a pilot: of a given length, or few, which resolve the rates at the start and what is not exact.

    like: those of a run, which are taken where they are no more and resolve all that these have to; a pilot's program
    then is the run's where both make even numbers of steps, or both do not.
    """
    resolved = np.inf if dt is not None else _longest_resolved(task)
    h = min(longest_interval(task.times) / _PILOT_STEPS, resolved) if dt is None else dt
    grid = time_grid(task.times, h, 1, task.edges)
    if like is None or like.even == grid.even and like.total_steps >= grid.total_steps:
        return grid
    if like.total_steps <= grid.total_steps:
        # A law that has to resolve jumps takes more steps than one that does not.
        return like if like.lengths.max() <= resolved else grid
    finer = time_grid(task.times, longest_interval(task.times) / (int(grid.steps.max()) + 1), 1, task.edges)
    return finer if like.even == finer.even else grid


def _longest_resolved(task: Task) -> float:
    """The longest step that resolves the rates at the start and what is not exact."""
    longest = explicit_limit(task.equation, task.scheme)
    rate = jump_rate_of(task.equation, task.frame, task.scheme, task.times, means=True)
    if rate is None:
        return longest
    return min(longest, JUMPS_PER_STEP / max(rate.in_state(task.psi), np.finfo(float).tiny))

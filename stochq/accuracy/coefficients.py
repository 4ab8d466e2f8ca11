"""Steps that notice what coefficients do: a pulse between the middles of steps and of their halves is seen by none."""

import warnings

import numpy as np

from stochq.accuracy.grid import TimeGrid, division_of, time_grid
from stochq.callers import users_line
from stochq.equation import Equation
from stochq.systems.influences import PARTS, PARTS_PER_STEP, STABLE_ANGLE, Followed

# What acts in a smaller part of a run than this is a pulse.
_PULSE = 0.1
# What a step that the user gives may miss of a coefficient, an angle or a number of jumps.
_NEGLIGIBLE = 0.01
# For it coefficients are looked at in so many places: runs with a step of one's own may be many.
_FEW_PARTS = 2**13


def noticing_step(equation: Equation, times: np.ndarray, edges: np.ndarray, longest: float, negligible: float) -> float:
    """The longest of these steps and its halves that notices all that coefficients do beyond what is negligible.

    negligible: an angle, or a number of jumps. Where coefficients turn too often to be followed the step stays as it
    is: some of their turns are seen at any step. Of a pulse that is too short to be followed a warning tells.
    """
    for each in _followed(equation, times, edges):
        h = longest
        grid = time_grid(times, h, edges=edges)
        while each.is_judged(grid.total_steps) and not each.is_noticed(ends_of(grid), negligible):
            h = division_of(times, 0.5 * h)
            grid = time_grid(times, h, edges=edges)
        if each.is_judged(grid.total_steps):
            longest = h
        elif each.share_of_time < _PULSE:
            longest = h
            _warn(each.influence.name, f"{grid.total_steps} steps of {h:.2g}, the shortest that are tried first,")
    return longest


def warn_of_missed_coefficients(equation: Equation, grid: TimeGrid) -> None:
    """Say of a given step that it leaps over what a coefficient does, at little cost; of more than 1024 nothing is
    told."""
    if grid.total_steps * PARTS_PER_STEP > _FEW_PARTS:
        return
    for each in _followed(equation, grid.times, grid.ends, _FEW_PARTS):
        angle = each.largest_angle(ends_of(grid)) if each.influence.rotates else 0.0
        if angle > STABLE_ANGLE:
            _warn_of_angle(each.influence.name, grid, angle)
        elif each.share_of_time < _PULSE and not each.is_noticed(ends_of(grid), _NEGLIGIBLE):
            _warn(each.influence.name, f"a step of {grid.lengths.max():.3g}")


def _followed(equation: Equation, times: np.ndarray, edges: np.ndarray, parts: int = PARTS) -> list[Followed]:
    acting = [each for each in equation.influences if each.size > 0]
    return [Followed(each, float(times[0]), float(times[-1]), edges, parts) for each in acting]


def _warn(name: str, steps: str) -> None:
    warnings.warn(
        f"dt: {name} acts in pulses that {steps} may leap over, as it is taken in the middle of a step. Means may miss "
        "them altogether. Give a dt that is a fraction of the shortest pulse, or save times about it.",
        stacklevel=users_line(),
    )


def _warn_of_angle(name: str, grid: TimeGrid, angle: float) -> None:
    longest = float(grid.lengths.max())
    warnings.warn(
        f"dt: {name} turns states by {angle:.3g} radians in half a step of {longest:.3g}, for which a series is taken "
        f"that is stable up to {STABLE_ANGLE}: norms and means grow without bound. Leave dt out, or take "
        f"dt <= {longest / angle:.2g}.",
        stacklevel=users_line(),
    )


def ends_of(grid: TimeGrid) -> np.ndarray:
    """The ends of all steps, (N + 1,)."""
    before = np.cumsum(grid.steps) - grid.steps
    inside = np.arange(grid.total_steps) - np.repeat(before, grid.steps)
    starts = np.repeat(grid.ends[:-1], grid.steps) + inside * np.repeat(grid.lengths, grid.steps)
    return np.append(starts, grid.ends[-1])

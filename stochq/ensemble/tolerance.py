"""A run to a stated tolerance: |bias| + 2 standard errors below it, for every observable at every time.

The bias may take a quarter of the tolerance, two standard errors the rest. The step follows from a pilot run of the
shared-path refinement, whose own uncertainty counts as bias. The number of trajectories follows from the variance
seen so far, with a guard: n trajectories on which an observable of range R did not fluctuate do not exclude an event
of probability 3/n (95 %), whose variance is 3R²/n.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from stochq.ensemble.observables import ordered_names
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.statistics import Moments
from stochq.ensemble.step_size import Bias, Pilots, StepChoice, division_of
from stochq.schemes import Scheme

BIAS_SHARE = 0.25
# Standard errors that must fit beside the bias.
ERRORS = 2.0
# No fewer trajectories decide anything.
FIRST = 2048
# The next stretch of a run aims this little beyond what the variance so far asks for.
MARGIN = 1.02
# An event that the pilot did not see weighs at most this many standard deviations of what it saw.
LARGEST_JUMP = 100.0
# Pilots grow while their noise hides a bias that may be small enough, up to this many trajectories.
LARGEST_PILOT = 65_536
_HALVINGS = 16


class Target(NamedTuple):
    """tolerance; ranges (observables,) of the operators' values, in the order of a readout, infinite if unknown;
    bias (T, observables): an upper bound on the time-step error's size."""

    tolerance: float
    ranges: np.ndarray
    bias: np.ndarray

    def wanted(self, moments: Moments, cap: int) -> int:
        """How many trajectories the variance so far asks for, at most `cap`."""
        count = float(moments.count)
        room = self.tolerance - self.bias
        if np.any(room <= 0):
            return cap
        needed = ERRORS**2 * self.variance(moments) / room**2
        worst = float(np.max(needed[1:]))
        return int(min(cap, np.ceil(MARGIN * worst))) if worst > count else int(count)

    def variance(self, moments: Moments) -> np.ndarray:
        """Of single trajectories, (T, observables), with the guard against what has not happened yet."""
        count = float(moments.count)
        seen = moments.squares / max(count - 1, 1)
        width = np.minimum(self.ranges[None, : seen.shape[1]], LARGEST_JUMP * np.sqrt(seen))
        width = np.where(seen > 0, width, np.where(np.isfinite(self.ranges), self.ranges, 0.0)[None])
        return seen + 3 * width**2 / count

    def reached(self, moments: Moments) -> float:
        """The largest |bias| + 2 standard errors."""
        error = np.sqrt(self.variance(moments) / float(moments.count))
        return float(np.max((self.bias + ERRORS * error)[1:]))


def check_tolerance(tolerance: Any, trajectories: int, scheme: Scheme) -> float:
    """The tolerance as a number; ValueError for one that is not positive, a small cap, a scheme without an order."""
    if not (isinstance(tolerance, (int, float, np.number)) and np.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance: expected a positive number; got {tolerance!r}.")
    if trajectories < FIRST:
        raise ValueError(
            f"trajectories: expected a cap of at least {FIRST} with a tolerance, the least that can tell an error; got "
            f"{trajectories}."
        )
    if scheme.weak_order < 1:
        raise ValueError(f"scheme: expected one of known weak order with a tolerance; {scheme.name} has none.")
    return float(tolerance)


def choose_step_for(
    pilots: Callable[[int], Pilots],
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    tolerance: float,
    given: float | None,
) -> tuple[StepChoice, np.ndarray]:
    """The largest step whose bias, its uncertainty included, takes a quarter of the tolerance; and that bound (T, n).

    given: a step that the user chose; its bias is estimated all the same.
    """
    allowed, size = BIAS_SHARE * tolerance, FIRST
    h = float(np.min(np.diff(times))) if given is None else given
    for _ in range(_HALVINGS):
        bias = pilots(size).bias(h)
        # Where the pilot's noise alone is in the way, more of it is cheaper than a shorter step.
        while bias.asymptotic and _bound(bias).max() > allowed > np.abs(bias.value).max() and size < LARGEST_PILOT:
            size *= 4
            bias = pilots(size).bias(h)
        if bias.asymptotic:
            break
        h /= 2
    else:
        raise RuntimeError(
            f"tolerance: no step down to {h:.2g} keeps the bias of the pilot run small. Give dt yourself."
        )
    worst = float(_bound(bias).max()) / allowed
    dt = division_of(times, h / max(worst, 1.0) ** (1 / scheme.weak_order)) if given is None else given
    shrink = (dt / h) ** scheme.weak_order
    names = ordered_names(observables)
    reason = (
        f"bias with its uncertainty below {allowed:.2g}, a quarter of the tolerance, from {size} pilot trajectories at "
        f"{h:.3g}"
    )
    return StepChoice(dt, {name: shrink * bias.value[:, i] for i, name in enumerate(names)}, reason), shrink * _bound(
        bias
    )


def _bound(bias: Bias) -> np.ndarray:
    return np.abs(bias.value) + 2 * bias.error


def ranges_of(observables: Mapping[str, Any]) -> np.ndarray:
    """Largest less smallest value of each operator, in the order of a readout; infinite for functions."""
    return np.array([_range(observables[name]) for name in ordered_names(observables)])


def _range(operator: Any) -> float:
    if callable(operator):
        return np.inf
    array = np.asarray(operator)
    values = array.real if array.ndim == 1 else np.linalg.eigvalsh(array)
    return float(np.max(values) - np.min(values))


def warn_about_tolerance(result: EnsembleResult, cap: int) -> None:
    """A warning where the tolerance was not met, saying what was reached and what to do."""
    tolerance, reached = result.info["tolerance"], result.info["reached"]
    if reached <= tolerance or result.info["interrupted"]:
        return
    warnings.warn(
        f"tolerance: {tolerance:g} was not met; {result.trajectories} trajectories, of at most {cap}, reached "
        f"{reached:.3g} at dt = {result.dt:.3g}. Allow more trajectories, or a shorter dt if you gave one.",
        stacklevel=3,
    )

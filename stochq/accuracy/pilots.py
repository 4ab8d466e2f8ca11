"""The time-step error of means by pilot runs: steps h and h/2 on the same noise, trajectory by trajectory.

The mean of f(ψ_h) − f(ψ_{h/2}) is bias(h)(1 − 2^{-p}) for weak order p.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stochq.accuracy.bias import Allowance, Bias, Estimator, total_steps
from stochq.accuracy.resolution import may_alias

# Steps in every interval, beyond those of h/2, of the run by which aliasing is told: odd, so that no whole number of
# them makes a step of h; and the standard errors that tell it.
_EXTRA_STEPS, _ALIASING_SIGMA = 5, 5.0


class PilotSample(NamedTuple):
    """What a pilot run saw, (T, observables) each: the mean of f(h) − f(h/2) and its standard error, mean and spread of
    f(h/2); finite: trajectories that stayed finite; jump_rate: the largest mean rate of jumps, 1/time."""

    difference: np.ndarray
    error: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    finite: int
    jump_rate: float


# (trajectories, step, multiple, extra steps) -> what a pilot run at this step saw, refined as `grid.refined` says.
RunPilot = Callable[[int, float, int, int], PilotSample]


class PilotEstimator(Estimator):
    """The bias by pilot runs, of a scheme that is stepped at h and h/2 on one path.

    run: makes a pilot run; times (T,); sizes: trajectories at first and at most (they grow while their noise alone is
    in the way, which is cheaper than a shorter step); order: of the scheme; gain: None, or of a scheme that combines
    two levels itself 2^p of the inner one; longest: the first step to try; bandwidth: of the Hamiltonian, 1/time;
    visited: from a step, the rate of jumps where half a step of the Hamiltonian takes the initial state; norms
    (observables,): |Oψ| of the initial state, which rounding goes with where a mean vanishes.
    """

    certain = False
    multiple = 2

    def __init__(
        self,
        run: RunPilot,
        times: np.ndarray,
        sizes: tuple[int, int],
        order: float,
        gain: float | None,
        longest: float,
        bandwidth: float,
        visited: Callable[[float], float],
        norms: np.ndarray,
    ) -> None:
        self.run, self.order, self.longest = run, order, longest
        self._times, (self.size, self._most) = times, sizes
        self._gain, self._bandwidth, self._visited = gain, bandwidth, visited
        self._norms = norms

    def bias(self, h: float, allowance: Allowance) -> Bias:
        bias = self._bias(h)
        limit = allowance.limit(bias, total_steps(self._times, h))
        while self.size < self._most and bias.is_asymptotic(limit) and _is_noisy(bias, limit):
            self.size = min(4 * self.size, self._most)
            bias = self._bias(h)
            limit = allowance.limit(bias, total_steps(self._times, h))
        return bias

    def _bias(self, h: float) -> Bias:
        """From refinement; an extrapolated scheme needs a second level."""
        coarse = self.run(self.size, h, 1, 0)
        share = 1 - 2.0**-self.order
        value, error = coarse.difference / share, coarse.error / share
        if self._gain is not None:
            fine, gain = self.run(self.size, h, 2, 0), self._gain
            value = (gain * fine.difference - coarse.difference) / (share * (gain - 1))
            error = np.hypot(gain * fine.error, coarse.error) / (share * (gain - 1))
        spread = np.maximum(_largest(coarse.spread), np.finfo(float).tiny)
        scale = np.maximum(_largest(coarse.mean), self._norms)
        variation = np.ptp(coarse.mean, axis=0) * np.ones_like(value)
        bias = Bias(value, error, spread, scale, variation, max(coarse.jump_rate, self._visited(h)))
        return self._beside_another(h, coarse, bias) if may_alias(self._bandwidth, h) else bias

    def _beside_another(self, h: float, coarse: PilotSample, bias: Bias) -> Bias:
        """The bias from refinement, or what a step that is no part of h sees, where that is clearly more."""
        difference, error = _between(coarse, self.run(self.size, h, 2, _EXTRA_STEPS))
        if np.all(np.abs(difference) <= _ALIASING_SIGMA * error + 2 * np.abs(bias.value)):
            return bias
        return bias._replace(value=difference, error=error)

    def difference(self, h: float, finer: float) -> tuple[np.ndarray, np.ndarray]:
        return _between(self.run(self.size, h, 1, 0), self.run(self.size, finer, 1, 0))

    def source(self, h: float) -> str:
        return f"bias from {self.size} pilot trajectories at {h:.3g}"


def _between(one: PilotSample, other: PilotSample) -> tuple[np.ndarray, np.ndarray]:
    """The difference of two runs' means and its standard error."""
    count = max(min(one.finite, other.finite), 1)
    return one.mean + one.difference - other.mean, np.hypot(one.spread, other.spread) / np.sqrt(count)


def _largest(values: np.ndarray) -> np.ndarray:
    """The largest size at any time, in the shape (T, observables) of the values."""
    return np.abs(values).max(axis=0) * np.ones_like(values)


def _is_noisy(bias: Bias, limit: np.ndarray) -> bool:
    """Whether the bias may well be small enough, but is not known to be."""
    return bool(np.any(bias.bound > limit) and np.all(np.abs(bias.value) < limit))

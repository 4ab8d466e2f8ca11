"""The time step, chosen from a measured bias.

A pilot run of the scheme's shared-path refinement (steps h and h/2 on the same noise) measures, trajectory by
trajectory, f(ψ_h) − f(ψ_{h/2}). Its mean is bias(h)(1 − 2^{-p}) for weak order p. The step is then scaled so that
the bias, its own uncertainty included, stays below a tenth of the standard error the run will have.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from stochq.channels.channel import JUST
from stochq.ensemble.aliasing import fastest_turn, is_hidden
from stochq.ensemble.batch import FAILED_FRACTION, Problem
from stochq.ensemble.grid import TimeGrid, longest_interval, refined, time_grid
from stochq.ensemble.kernel import run_block
from stochq.ensemble.observables import ordered_names
from stochq.ensemble.runner import precision_context, thread_pool, workers
from stochq.equation import Equation
from stochq.schemes import Extrapolated, Scheme, frame_of

PILOT_TRAJECTORIES = 2048
# A short run deserves a short pilot.
PILOT_SHARE = 0.25
PILOT_MINIMUM = 256
# The pilot's own stream: no user's seed reaches beyond 63 bits.
PILOT_SEED = 2**63 + 7
# The bias of the pilot must be at most this fraction of the observable's spread before it is scaled by h^p.
ASYMPTOTIC = 0.1
SHARE_OF_STDERR = 0.1
SHARE_IN_WORDS = f"bias below {SHARE_OF_STDERR:g} standard errors"
_MAX_HALVINGS = 16
# Steps in every interval, beyond those of h/2, of the run by which aliasing is told: odd, so that no whole number of
# them makes a step of h; and standard errors that tell it.
_FURTHER, _CLEARLY = 5, 5.0
# Biases below rounding cannot be reduced by shorter steps.
_ROUNDING = {"single": 1e-5, "double": 1e-13}
# What rounding adds to an excess of one.
_SLIGHTLY = 1e-6


class StepChoice(NamedTuple):
    """The step, the estimated bias {name: (T,)} at that step, and why it was taken."""

    dt: float
    bias: Mapping[str, np.ndarray]
    reason: str


class Pilot(NamedTuple):
    """Over a pilot run, each (T, observables): the mean of f(h) − f(h/2), its standard error, mean and spread of
    f(h/2); trajectories that stayed finite."""

    difference: np.ndarray
    error: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    finite: int


class Pilots(NamedTuple):
    """Pilot runs of one problem, at a step and with more of them as `refined` says; longest: the first step to try;
    turn: of the levels, see `fastest_turn`."""

    run: Callable[..., Pilot]
    scheme: Scheme
    longest: float
    turn: float

    def bias(self, h: float) -> "Bias":
        """The scheme's bias at step h from refinement; an extrapolated scheme needs a second level."""
        scheme, coarse = self.scheme, self.run(h)
        spread, scale = np.maximum(_largest(coarse.spread), np.finfo(float).tiny), _largest(coarse.mean)
        share, gain = 1 - 2.0**-scheme.weak_order, 1.0
        value, error = coarse.difference / share, coarse.error / share
        if isinstance(scheme, Extrapolated):
            fine, gain = self.run(h, 2), 2.0**scheme.scheme.weak_order
            value = (gain * fine.difference - coarse.difference) / (share * (gain - 1))
            error = np.hypot(gain * fine.error, coarse.error) / (share * (gain - 1))
        found = Bias(value, error, spread, scale)
        return self._beside_another(h, coarse, found) if is_hidden(self.turn, h) else found

    def _beside_another(self, h: float, coarse: Pilot, found: "Bias") -> "Bias":
        """The bias that was found, or what a step that is no part of h sees, where that is clearly more."""
        other = self.run(h, 2, _FURTHER)
        difference = coarse.mean - other.mean
        error = np.hypot(coarse.spread, other.spread) / np.sqrt(min(coarse.finite, other.finite))
        if np.all(np.abs(difference) <= _CLEARLY * error + 2 * np.abs(found.value)):
            return found
        return found._replace(value=difference, error=error)


def _largest(values: np.ndarray) -> np.ndarray:
    """The largest size at any time, in the shape (T, observables) of the values."""
    return np.abs(values).max(axis=0) * np.ones_like(values)


class Bias(NamedTuple):
    """Estimated bias at a step and its standard error, each observable's spread and the size of its mean, (T,
    observables) each."""

    value: np.ndarray
    error: np.ndarray
    spread: np.ndarray
    scale: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """Its size with its uncertainty, (T, observables)."""
        return np.abs(self.value) + 2 * self.error

    def is_asymptotic(self, limit: Any) -> bool:
        """Whether the bias is small enough to scale with a power of the step. limit: what is small in any case."""
        return bool(np.all(np.abs(self.value) <= ASYMPTOTIC * self.spread + limit))


# From the bias at hand, what a bias may be, (T, observables) or a number.
Allowed = Callable[[Bias], Any]


def choose_step(
    pilots: Callable[[int], Pilots],
    sizes: tuple[int, int],
    times: np.ndarray,
    observables: Mapping[str, Any],
    allowed: Allowed,
    why: str,
    given: float | None = None,
) -> tuple[StepChoice, np.ndarray]:
    """The largest step whose bias, its uncertainty included, is allowed; and that bound, (T, observables).

    sizes: of the pilots at first and at most; they grow while their noise alone is in the way, which is cheaper than a
    shorter step. given: a step that the user chose; its bias is estimated all the same.
    """
    size, largest = sizes
    order = pilots(size).scheme.weak_order
    h = pilots(size).longest if given is None else given
    for _ in range(_MAX_HALVINGS):
        bias = pilots(size).bias(h)
        limit = np.maximum(allowed(bias), np.finfo(float).tiny)
        while size < largest and bias.is_asymptotic(limit) and _is_noisy(bias, limit):
            size = min(4 * size, largest)
            bias = pilots(size).bias(h)
        if bias.is_asymptotic(limit):
            break
        h /= 2
    else:
        if given is None:
            raise RuntimeError(f"dt: no step down to {h:.2g} keeps the bias of the pilot run small. Give dt yourself.")
        h, bias = given, pilots(size).bias(given)
    dt = _shortened(times, h, bias.bound / limit, order) if given is None else given
    shrink = _remaining(times, h, dt, order)
    estimate = {name: shrink[:, 0] * bias.value[:, index] for index, name in enumerate(ordered_names(observables))}
    reason = f"{why if given is None else 'given'}; bias from {size} pilot trajectories at {h:.3g}"
    return StepChoice(dt, estimate, reason), shrink * bias.bound


def _shortened(times: np.ndarray, h: float, excess: np.ndarray, order: float) -> float:
    """The largest step for which nothing remains of what is in excess at h, as a factor, (T, observables)."""
    dt = division_of(times, h / max(float(np.max(excess)), 1.0) ** (1 / order))
    while np.any(_remaining(times, h, dt, order) * excess > 1 + _SLIGHTLY):
        # Steps in intervals of different lengths do not all become shorter by as much.
        dt = division_of(times, 0.9 * dt)
    return dt


def _remaining(times: np.ndarray, h: float, dt: float, order: float) -> np.ndarray:
    """How much of the bias at h remains at dt, (T, 1), where an interval adds its length times a power of its step."""
    grids = (time_grid(times, step).lengths for step in (dt, h))
    fine, coarse = (np.cumsum(np.diff(times) * lengths**order) for lengths in grids)
    return (fine / coarse)[np.r_[0, 0 : len(fine)], None]


def _is_noisy(bias: Bias, limit: Any) -> bool:
    """Whether the bias may well be small enough, but is not known to be."""
    return bool(np.any(bias.bound > limit) and np.all(np.abs(bias.value) < limit))


def share_of_stderr(bias: Bias, trajectories: int, precision: str) -> np.ndarray:
    """What the bias of a run with so many trajectories may be, (T, observables)."""
    rounding = _ROUNDING[precision]
    share = max(SHARE_OF_STDERR / np.sqrt(trajectories), rounding)
    return np.maximum(share * bias.spread, rounding * bias.scale)


def step_without_bias(
    equation: Equation, times: np.ndarray, observables: Mapping[str, Any], scheme: Scheme
) -> StepChoice | None:
    """The step where the means of these observables are known to have no time-step error; None elsewhere."""
    if equation.colour is not None or any(callable(observable) for observable in observables.values()):
        return None
    longest = scheme.mean_step(frame_of(equation))
    if longest <= 0:
        return None
    # Steps never reach beyond a saved time, however long they may be.
    dt = min(longest, longest_interval(times))
    bias = {name: np.zeros(len(times)) for name in observables}
    return StepChoice(dt, bias, "the mean of every operator is exact at any step here")


def pilot_size(trajectories: int) -> int:
    """Trajectories of a pilot that serves a run of so many."""
    return int(np.clip(PILOT_SHARE * trajectories, PILOT_MINIMUM, PILOT_TRAJECTORIES))


def division_of(times: np.ndarray, wanted: float, multiple: int = 2) -> float:
    """The largest division of the longest interval, into one step or a multiple of so many, that is at most `wanted`.

    Even numbers of steps between saved times let neighbouring steps share their draws.
    """
    longest = longest_interval(times)
    steps = np.ceil(longest / wanted * (1 - 1e-9))
    return longest / (1 if steps == 1 else multiple * np.ceil(steps / multiple))


def pilots_of(
    equation: Equation,
    psi: np.ndarray,
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    precision: str,
    size: int,
) -> Pilots:
    """Pilot runs with `size` trajectories."""

    def run(h: float, multiple: int = 1, further: int = 0) -> Pilot:
        grid = refined(time_grid(times, h), multiple, further)
        return _pilot(equation, psi, grid, observables, scheme, precision, size)

    longest, limit = longest_interval(times), scheme.longest_step(frame_of(equation))
    if equation.colour is not None:
        # Steps longer than the memory do not show what shorter ones would change.
        limit = min(limit, equation.colour.resolved_time)
    if longest > JUST * limit:
        longest /= 2 ** np.ceil(np.log2(longest / limit / JUST))
    return Pilots(run, scheme, longest, fastest_turn(equation))


def _pilot(
    equation: Equation,
    psi: np.ndarray,
    grid: TimeGrid,
    observables: Mapping[str, Any],
    scheme: Scheme,
    precision: str,
    size: int,
) -> Pilot:
    from stochq.ensemble.problem import build_problem

    pair = scheme if isinstance(scheme, Extrapolated) else Extrapolated(scheme)
    problem = build_problem(equation, psi, grid, pair, observables, {}, PILOT_SEED, precision)

    def levels(block: int) -> Any:
        with precision_context(precision):
            return jax.device_get(_levels(problem, np.uint32(block)))

    seen = list(thread_pool(workers()).map(levels, range(-(-size // problem.loop.block))))
    fine, coarse = (np.concatenate([part[level] for part in seen], axis=-1).astype(float) for level in (0, 1))
    finite = np.isfinite(fine).all(axis=(0, 1)) & np.isfinite(coarse).all(axis=(0, 1))
    count = int(finite.sum())
    if finite.size - count > FAILED_FRACTION * finite.size:
        # As far from any answer as a step can be.
        lost = np.full(fine.shape[:2], np.nan)
        return Pilot(lost, lost, np.zeros_like(lost), np.zeros_like(lost), count)
    fine, difference = fine[..., finite], (coarse - fine)[..., finite]
    error = difference.std(axis=-1, ddof=1) / np.sqrt(count)
    return Pilot(difference.mean(axis=-1), error, fine.mean(axis=-1), fine.std(axis=-1, ddof=1), count)


@eqx.filter_jit
def _levels(problem: Problem, block: Any) -> tuple[jax.Array, ...]:
    """Observable values of one block at both step lengths, fine first, (T, observables, block) each."""

    def observe(closed: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(problem.read(psi) for psi in closed)

    first = block * np.uint32(problem.loop.block)
    return run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe)

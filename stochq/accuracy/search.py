"""The search for the largest step whose bias is small enough: one for all ways of estimating it."""

import logging
import warnings

import numpy as np

from stochq.accuracy.bias import Allowance, Bias, Estimator, StepPlan, total_steps
from stochq.accuracy.grid import TimeGrid, division_of, longest_interval, time_grid
from stochq.callers import users_line
from stochq.events import announce

# A step resolves the rates where jumps happen no more often than this in one step.
JUMPS_PER_STEP = 0.5
# One trial is shorter than the one before by no less and no more than this.
LEAST_SHRINK, MOST_SHRINK = 1.05, 4.0
_MOST_TRIALS = 60
# Steps, each a quarter of the one before, at which pilots may all be lost.
_MOST_LOST = 6
# Steps of a whole run: their number is counted in 32 bits.
MOST_STEPS = 2**31 - 1
# More than this take minutes even in small dimensions, which is said before they are made.
MANY_STEPS = 100_000
# What rounding adds to an excess of one.
_EXCESS_RTOL = 1e-6


def find_step(
    estimator: Estimator, times: np.ndarray, names: tuple[str, ...], allowance: Allowance, given: float | None = None
) -> StepPlan:
    """The largest step whose bias is allowed, or the bias of a given one.

    names: of the observables, in the estimator's order.

    Raises:
        RuntimeError: where no step serves.
    """
    h = estimator.longest if given is None else given
    lost, warned, rate = 0, given is not None, 0.0
    for _ in range(_MOST_TRIALS):
        steps = total_steps(times, h)
        if steps > MOST_STEPS:
            break
        if steps > MANY_STEPS and not warned:
            warned = True
            warn_about_steps(steps, rate)
        text = f"searching for a step: dt = {h:.3g}, {steps:.3g} steps"
        announce(text, "step tried", logging.DEBUG, dt=float(h))
        bias = estimator.bias(h, allowance)
        lost += not np.all(np.isfinite(bias.value))
        if lost > _MOST_LOST:
            raise RuntimeError(
                f"dt: more than one pilot trajectory in a hundred is not finite at any step down to {h:.2g}. An "
                "observable may be no number on some states: leave them out by jnp.where. Else give dt yourself."
            )
        shrink = _shrink(estimator, times, bias, h, allowance)
        if shrink <= 1 or (given is not None and estimator.certain and _is_resolved(bias, h)):
            return _plan(estimator, times, names, allowance, bias, h, given)
        h = division_of(times, h / np.clip(shrink, LEAST_SHRINK, MOST_SHRINK), estimator.multiple)
        rate = bias.jump_rate
    raise RuntimeError(
        f"dt: no step down to {h:.2g} keeps the time-step bias small. Give dt yourself, a larger tolerance, or "
        "precision='double'."
    )


def warn_about_steps(steps: int, rate: float) -> None:
    """Say beforehand that a run takes long, and what has no step."""
    because = f" to resolve rates of {rate:.3g}" if rate else ""
    warnings.warn(
        f"dt: {steps:.2g} steps or more for each trajectory{because}, in the search for a step as well, which takes "
        "long. Averages alone: sq.exact.evolve; jumps have no step: noise='jump'; or give dt yourself.",
        stacklevel=users_line(),
    )


def _is_resolved(bias: Bias, h: float) -> bool:
    """Whether jumps are rare in one step: else neither a step nor its half need be near the answer."""
    return bool(bias.jump_rate * h <= JUMPS_PER_STEP)


def _shrink(estimator: Estimator, times: np.ndarray, bias: Bias, h: float, allowance: Allowance) -> float:
    """By how much h is too long to be judged; 1 or less where it is not."""
    if not np.all(np.isfinite(bias.value)):
        return MOST_SHRINK
    if not _is_resolved(bias, h):
        return max(bias.jump_rate * h / JUMPS_PER_STEP, 2.0)
    limit = allowance.limit(bias, total_steps(times, h))
    if estimator.certain:
        return float(np.max(bias.bound / limit)) ** (1 / estimator.order)
    return 1.0 if bias.is_asymptotic(limit) else 2.0


def _plan(
    estimator: Estimator,
    times: np.ndarray,
    names: tuple[str, ...],
    allowance: Allowance,
    bias: Bias,
    h: float,
    given: float | None,
) -> StepPlan:
    dt = given
    if dt is None:
        dt = h if estimator.certain else shortened(times, h, bias, allowance, estimator.order, estimator.edges)
    value, bound = _at(estimator, times, bias, h, dt)
    reason = "given" if given is not None else allowance.reason(bias, total_steps(times, dt))
    named = {name: value[:, index] for index, name in enumerate(names)}
    return StepPlan(dt, named, f"{reason}; {estimator.source(h)}", bound)


def _at(estimator: Estimator, times: np.ndarray, bias: Bias, h: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """The bias at dt and its bound, from that at h."""
    if _is_resolved(bias, dt):
        share = remaining(times, h, dt, estimator.order, estimator.edges)
        return share * bias.value, share * bias.bound
    difference, error = estimator.difference(dt, h)
    value = difference + bias.value
    return value, np.abs(value) + 2 * np.hypot(error, bias.error)


def shortened(
    times: np.ndarray, h: float, bias: Bias, allowance: Allowance, order: float, edges: np.ndarray | None = None
) -> float:
    """The largest step at which nothing remains of the bias at h beyond what is allowed."""

    def excess(dt: float) -> float:
        limit = allowance.limit(bias, total_steps(times, dt))
        return float(np.max(remaining(times, h, dt, order, edges) * bias.bound / limit))

    wanted = np.maximum(allowance.wanted(bias), np.finfo(float).tiny)
    scaled = h / max(float(np.max(bias.bound / wanted)), 1.0) ** (1 / order)
    dt = division_of(times, max(scaled, h * 2.0**-40))
    if total_steps(times, dt) > MOST_STEPS or _is_rounding(allowance, bias, times, dt):
        # More room than the scaling knows of, from rounding that grows with the steps.
        dt = division_of(times, h)
    while excess(dt) > 1 + _EXCESS_RTOL:
        # Steps in intervals of different lengths do not all become shorter by as much.
        dt = division_of(times, 0.9 * dt)
    return dt


def _is_rounding(allowance: Allowance, bias: Bias, times: np.ndarray, dt: float) -> bool:
    """Whether rounding, not the question, says what is small at this step."""
    return bool(np.any(allowance.rounding(bias, total_steps(times, dt)) > allowance.wanted(bias)))


def remaining(times: np.ndarray, h: float, dt: float, order: float, edges: np.ndarray | None = None) -> np.ndarray:
    """How much of the bias at h remains at dt, (T, 1), where an interval adds its length times a power of its step."""
    grids = [time_grid(times, step, edges=edges) for step in (dt, h)]
    fine, coarse = (np.interp(times[1:], grid.ends[1:], _accumulated(grid, order)) for grid in grids)
    return (fine / coarse)[np.r_[0, 0 : len(fine)], None]


def _accumulated(grid: TimeGrid, order: float) -> np.ndarray:
    return np.cumsum(np.diff(grid.ends) * grid.lengths**order)


def first_step(times: np.ndarray, longest: float, multiple: int) -> float:
    """The first step to try where none may be longer than `longest`."""
    return division_of(times, min(longest, longest_interval(times)), multiple)

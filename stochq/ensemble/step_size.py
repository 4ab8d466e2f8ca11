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

from stochq.ensemble.batch import Problem
from stochq.ensemble.grid import time_grid
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
_MAX_HALVINGS = 14
# Biases below rounding cannot be reduced by shorter steps.
_ROUNDING = {"single": 1e-5, "double": 1e-13}


class StepChoice(NamedTuple):
    """The step, the estimated bias {name: (T,)} at that step, and why it was taken."""

    dt: float
    bias: Mapping[str, np.ndarray]
    reason: str


class Pilot(NamedTuple):
    """Means over a pilot run, each (T, observables): f(h) − f(h/2), its standard error, the spread of f(h/2)."""

    difference: np.ndarray
    error: np.ndarray
    spread: np.ndarray


class Pilots(NamedTuple):
    """Pilot runs of one problem with `size` trajectories each; longest: the first step to try."""

    run: Callable[[float], Pilot]
    scheme: Scheme
    longest: float

    def bias(self, h: float) -> "Bias":
        """The scheme's bias at step h from refinement; an extrapolated scheme needs a second level."""
        scheme, coarse = self.scheme, self.run(h)
        spread = np.maximum(coarse.spread.max(axis=0), np.finfo(float).tiny) * np.ones_like(coarse.spread)
        if not isinstance(scheme, Extrapolated):
            share = 1 - 2.0**-scheme.weak_order
            return Bias(coarse.difference / share, coarse.error / share, spread)
        fine = self.run(h / 2)
        gain = 2.0**scheme.scheme.weak_order
        share = (gain - 1) * (1 - 2.0**-scheme.weak_order)
        value = (gain * fine.difference - coarse.difference) / share
        return Bias(value, np.hypot(gain * fine.error, coarse.error) / share, spread)


class Bias(NamedTuple):
    """Estimated bias at a step and its standard error, (T, observables), and each observable's spread."""

    value: np.ndarray
    error: np.ndarray
    spread: np.ndarray

    @property
    def asymptotic(self) -> bool:
        """Whether the bias is small enough to scale with a power of the step."""
        return bool(np.all(np.isfinite(self.value)) and np.all(np.abs(self.value) <= ASYMPTOTIC * self.spread))


def choose_step(
    pilots: Pilots, size: int, times: np.ndarray, observables: Mapping[str, Any], trajectories: int, precision: str
) -> StepChoice:
    """The largest step, an even division of the first interval, that meets the target. size: of the pilots."""
    scheme, h = pilots.scheme, pilots.longest
    for _ in range(_MAX_HALVINGS):
        bias = pilots.bias(h)
        if bias.asymptotic:
            break
        h /= 2
    else:
        raise RuntimeError(f"dt: no step down to {h:.2g} keeps the bias of the pilot run small. Give dt yourself.")
    target = share_of_stderr(bias, trajectories, precision)
    worst = float(np.max((np.abs(bias.value) + 2 * bias.error) / np.maximum(target, np.finfo(float).tiny)))
    dt = division_of(times, h / max(worst, 1.0) ** (1 / scheme.weak_order))
    scaled = bias.value * (dt / h) ** scheme.weak_order
    reason = f"{SHARE_IN_WORDS}, from {size} pilot trajectories at {h:.3g}"
    return StepChoice(dt, {name: scaled[:, index] for index, name in enumerate(ordered_names(observables))}, reason)


def share_of_stderr(bias: Bias, trajectories: int, precision: str) -> np.ndarray:
    """What the bias of a run with so many trajectories may be, (T, observables)."""
    return np.maximum(SHARE_OF_STDERR / np.sqrt(trajectories), _ROUNDING[precision]) * bias.spread


def step_without_bias(
    equation: Equation, times: np.ndarray, observables: Mapping[str, Any], scheme: Scheme
) -> StepChoice | None:
    """The step where the means of these observables are known to have no time-step error; None elsewhere."""
    if equation.colour is not None or any(callable(observable) for observable in observables.values()):
        return None
    longest = scheme.mean_step(frame_of(equation))
    if longest <= 0:
        return None
    dt = division_of(times, min(longest, float(times[-1] - times[0])), 1)
    bias = {name: np.zeros(len(times)) for name in observables}
    return StepChoice(dt, bias, "the mean of every operator is exact at any step here")


def pilot_size(trajectories: int) -> int:
    """Trajectories of a pilot that serves a run of so many."""
    return int(np.clip(PILOT_SHARE * trajectories, PILOT_MINIMUM, PILOT_TRAJECTORIES))


def division_of(times: np.ndarray, wanted: float, multiple: int = 2) -> float:
    """The largest division of the first interval, into one step or a multiple of so many, that is at most `wanted`.

    Even numbers of steps between saved times let neighbouring steps share their draws.
    """
    first = float(times[1] - times[0])
    steps = np.ceil(first / wanted * (1 - 1e-9))
    return min(first / (1 if steps == 1 else multiple * np.ceil(steps / multiple)), float(np.min(np.diff(times))))


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

    def run(h: float) -> Pilot:
        return _pilot(equation, psi, times, observables, scheme, h, precision, size)

    longest = float(np.min(np.diff(times)))
    if equation.colour is not None:
        # Steps longer than the memory do not show what shorter ones would change.
        longest /= 2 ** max(0.0, np.ceil(np.log2(longest / equation.colour.memory_time)))
    return Pilots(run, scheme, longest)


def _pilot(
    equation: Equation,
    psi: np.ndarray,
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    h: float,
    precision: str,
    size: int,
) -> Pilot:
    from stochq.ensemble.problem import build_problem

    pair = scheme if isinstance(scheme, Extrapolated) else Extrapolated(scheme)
    problem = build_problem(equation, psi, time_grid(times, h), pair, observables, {}, PILOT_SEED, precision)

    def levels(block: int) -> Any:
        with precision_context(precision):
            return jax.device_get(_levels(problem, np.uint32(block)))

    seen = list(thread_pool(workers()).map(levels, range(-(-size // problem.loop.block))))
    fine, coarse = (np.concatenate([part[level] for part in seen], axis=-1).astype(float) for level in (0, 1))
    difference = coarse - fine
    error = difference.std(axis=-1, ddof=1) / np.sqrt(difference.shape[-1])
    return Pilot(difference.mean(axis=-1), error, fine.std(axis=-1, ddof=1))


@eqx.filter_jit
def _levels(problem: Problem, block: Any) -> tuple[jax.Array, ...]:
    """Observable values of one block at both step lengths, fine first, (T, observables, block) each."""

    def observe(closed: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(problem.read(psi) for psi in closed)

    first = block * np.uint32(problem.loop.block)
    return run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe)

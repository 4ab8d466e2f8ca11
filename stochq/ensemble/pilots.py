"""Pilot runs of a task, by which the bias of a step is estimated."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np

from stochq.accuracy.grid import TimeGrid, longest_interval, refined, time_grid
from stochq.accuracy.pilots import PilotEstimator, PilotSample
from stochq.accuracy.resolution import JumpRate, Propagated, bandwidth, explicit_limit, jump_rate_of
from stochq.accuracy.trajectories import FEWEST
from stochq.arrays import Observable
from stochq.channels.flow import STEP_RTOL
from stochq.compiling import compiled
from stochq.ensemble.batch import FAILED_FRACTION, Problem
from stochq.ensemble.conditional import is_ordered
from stochq.ensemble.cost import check_hours
from stochq.ensemble.kernel import run_block
from stochq.ensemble.observables import ordered_names
from stochq.ensemble.problem import build_problem
from stochq.ensemble.runner import in_threads, precision_context
from stochq.ensemble.task import Task
from stochq.schemes import Extrapolated

# A pilot of this share of a run's trajectories, within bounds: a short run deserves a short pilot.
PILOT_SHARE, PILOT_MINIMUM, PILOT_TRAJECTORIES = 0.25, 256, 2048
# Amplitudes of the smallest pilots, and trajectories whose spread is known at all.
_PILOT_AMPLITUDES, _FEWEST_PILOTS = 2**20, 4
# The pilot's own stream: no user's seed reaches beyond 63 bits.
PILOT_SEED = 2**63 + 7
# With a tolerance pilots grow up to this many trajectories and bytes: their values are held at all times.
LARGEST_PILOT, _PILOT_BYTES = 65_536, 2**30
# A pilot's trajectory whose norm is off by more has left what steps of this length can do.
_NORM, _MOST_OFF = "_norm", 0.5
_JUMP_RATES = ("_jump_rate", "_jump_rate_squared")


def pilot_size(trajectories: int, dim: int = 1) -> int:
    """Trajectories of a pilot that serves a run of so many, without a tolerance.

    In large dimensions fewer do: each sees an average over many levels.
    """
    least = int(np.clip(_PILOT_AMPLITUDES // dim, _FEWEST_PILOTS, PILOT_MINIMUM))
    return int(np.clip(PILOT_SHARE * trajectories, least, PILOT_TRAJECTORIES))


def pilot_sizes(task: Task, trajectories: int, tolerance: float | None) -> tuple[int, int]:
    """Trajectories of pilots at first, and at most."""
    if tolerance is None:
        size = pilot_size(trajectories, task.dim)
        return size, size
    bytes_each = 32 * len(task.times) * len(task.observables)
    return FEWEST, int(np.clip(_PILOT_BYTES // bytes_each, FEWEST, LARGEST_PILOT))


def pilot_estimator(task: Task, sizes: tuple[int, int]) -> PilotEstimator:
    """The estimate of the bias by pilot runs of a task. sizes: their trajectories at first and at most."""
    equation, scheme, frame, times = task.equation, task.scheme, task.frame, task.times
    rate = jump_rate_of(equation, frame, scheme, times, means=False)
    propagated = Propagated(equation.hamiltonian, float(equation.hbar), task.psi)

    def run(size: int, h: float, multiple: int = 1, extra: int = 0) -> PilotSample:
        grid = refined(time_grid(times, h, edges=task.edges), multiple, extra)
        # At the step and at half of it.
        check_hours(task, 1, 3 * grid.total_steps, size, "a trial of a step")
        return pilot_run(task, grid, size, rate)

    def visited(h: float) -> float:
        return 0.0 if rate is None else propagated.rate(rate, 0.5 * h)

    limit = explicit_limit(equation, scheme)
    if equation.colour is not None:
        # Steps longer than the memory do not show what shorter ones would change.
        limit = min(limit, equation.colour.resolved_time)
    longest = longest_interval(times)
    if longest > (1 + STEP_RTOL) * limit:
        longest /= 2 ** np.ceil(np.log2(longest / limit / (1 + STEP_RTOL)))
    gain = 2.0**scheme.scheme.weak_order if isinstance(scheme, Extrapolated) else None
    norms = np.array([_norm(task.observables[name], task.psi) for name in ordered_names(task.observables)])
    width = bandwidth(equation)
    order = 1 if task.conditional and not is_ordered(equation, times) else scheme.weak_order
    estimator = PilotEstimator(run, times, sizes, order, gain, longest, width, visited, norms)
    estimator.edges = task.edges
    return estimator


def _norm(observable: Observable, psi: np.ndarray) -> float:
    """|Oψ|, which rounding of ψ goes with, of an operator; 0 of a function."""
    if callable(observable):
        return 0.0
    operator = np.asarray(observable)
    starts = psi.reshape(len(psi), -1)
    return float(np.linalg.norm(operator[:, None] * starts if operator.ndim == 1 else operator @ starts))


def pilot_run(task: Task, grid: TimeGrid, size: int, jump_rate: JumpRate | None = None) -> PilotSample:
    """Trajectories of a task, at least `size`, at the steps of a grid and at half of them on the same noise."""
    rates = {} if jump_rate is None else dict(zip(_JUMP_RATES, (jump_rate.operator, jump_rate.square), strict=True))
    observables = {**task.observables, **rates, _NORM: np.ones(task.dim)}
    pair = task.scheme if isinstance(task.scheme, Extrapolated) else Extrapolated(task.scheme)
    watched = replace(
        task, scheme=pair, observables=observables, statistics={}, monitors={}, recording=None, seed=PILOT_SEED
    )
    # Pilots that grow take more blocks, not another program.
    problem = build_problem(watched, grid, trajectories=min(size, PILOT_TRAJECTORIES))
    return sample_of(task, problem, size, jump_rate)


def sample_of(task: Task, problem: Problem, size: int, jump_rate: JumpRate | None = None) -> PilotSample:
    """What at least `size` trajectories of a problem show at its two levels, the finer one first."""
    blocks = range(-(-size // problem.loop.block))
    seen = in_threads(partial(_levels_of_block, problem, task.precision), blocks)
    fine, coarse = (np.concatenate([part[level] for part in seen], axis=-1).astype(float) for level in (0, 1))
    names = problem.read.names
    _check_start(names, fine[0])
    asked = [names.index(name) for name in ordered_names(task.observables)]
    finite = np.isfinite(fine).all(axis=(0, 1)) & np.isfinite(coarse).all(axis=(0, 1))
    if _NORM in names:
        norms = np.stack([fine, coarse])[:, :, names.index(_NORM)]
        finite &= np.all(np.abs(norms - 1) <= _MOST_OFF, axis=(0, 1))
    count = int(finite.sum())
    if finite.size - count > FAILED_FRACTION * finite.size:
        # As far from any answer as a step can be.
        lost = np.full((len(fine), len(asked)), np.nan)
        return PilotSample(lost, lost, np.zeros_like(lost), np.zeros_like(lost), count, np.inf)
    fine, coarse = fine[..., finite], coarse[..., finite]
    rate = 0.0
    if jump_rate is not None:
        columns = [names.index(name) for name in _JUMP_RATES]
        rate = max(jump_rate.averaged(*level[:, columns].mean(axis=-1).T) for level in (fine, coarse))
    fine, difference = fine[:, asked], (coarse - fine)[:, asked]
    error = difference.std(axis=-1, ddof=1) / np.sqrt(count)
    return PilotSample(difference.mean(axis=-1), error, fine.mean(axis=-1), fine.std(axis=-1, ddof=1), count, rate)


def _check_start(names: tuple[str, ...], values: np.ndarray) -> None:
    """ValueError for an observable that is not a number on the initial state; values: (observables, trajectories)."""
    for name, row in zip(names, values, strict=True):
        if not np.any(np.isfinite(row)):
            raise ValueError(
                f"observables[{name!r}]: expected a finite number on the initial state; got {row[0]}. Leave the state "
                "out, for example by jnp.where, or watch another function."
            )


def _levels_of_block(problem: Problem, precision: str, block: int) -> tuple[np.ndarray, ...]:
    with precision_context(precision):
        return jax.device_get(_levels(problem, np.uint32(block)))


@compiled
def _levels(problem: Problem, block: jax.Array) -> tuple[jax.Array, ...]:
    """Observable values of one block at both step lengths, fine first, (T, observables, block) each."""

    def observe(closed: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(problem.read(psi) for psi in closed)

    first = block * np.uint32(problem.loop.block)
    return run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe)

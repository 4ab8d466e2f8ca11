"""A run's arguments checked against each other and put in the form of a device call."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike

from stochq.accuracy.grid import TimeGrid
from stochq.accuracy.search import MOST_STEPS
from stochq.arrays import Array, is_concrete
from stochq.ensemble.batch import Problem
from stochq.ensemble.conditional import conditioning_of
from stochq.ensemble.devices import block_size
from stochq.ensemble.jumps.log import CLICKS, ClickLog
from stochq.ensemble.loop import GridArrays, Loop
from stochq.ensemble.norms import NORMS, Norms
from stochq.ensemble.observables import readout
from stochq.ensemble.records import RECORDS
from stochq.ensemble.statistics import COVARIANCE, MEAN, PAIR_SPREAD, Covariance, Mean, PairSpread, Statistic
from stochq.ensemble.task import Task
from stochq.ensemble.which_loop import with_chosen_loop
from stochq.equation import Equation
from stochq.noise import Colouring, seed_words
from stochq.schemes import Scheme, shares_draws

# More points than this make a covariance that costs more than it tells; times are thinned to fit.
COVARIANCE_POINTS = 192


def build_problem(
    task: Task, grid: TimeGrid, antithetic: bool = False, clicks: int = 0, trajectories: int | None = None
) -> Problem:
    """The arguments of a device call, in the run's precision. antithetic: each trajectory beside its mirror image;
    clicks: of how many of a trajectory the times are remembered; trajectories: as of `block_size`."""
    equation, scheme = task.equation, task.scheme
    frame = task.frame.for_steps(grid.lengths)
    read = readout(task.watched, task.dim, task.conditional)
    size = task.dim**2 if task.conditional else task.dim
    block = block_size(size, scheme.smallest_block(equation), trajectories)
    paired = grid.even and not scheme.doubles_steps and shares_draws(scheme, frame)
    loop = Loop(scheme, block // 2 if antithetic else block, grid.uniform, paired, antithetic=antithetic)
    recording = task.recording
    if recording is not None:
        loop = loop._replace(record=recording.columns, bins=int(recording.bins.sum()), clicks=clicks)
    if task.conditional:
        longest = float(grid.lengths.max())
        loop = loop._replace(conditioning=conditioning_of(equation, scheme, task.psi, grid.ends, longest))
    points = covariance_points(task.asked_in(read.names), len(grid.times))
    statistics: dict[str, Statistic] = {MEAN: Mean(), COVARIANCE: Covariance(points)}
    statistics |= {name: statistic.combining(scheme.weights) for name, statistic in task.statistics.items()}
    if task.conditional or not scheme.normalises(equation):
        statistics[NORMS] = Norms()
    if antithetic:
        statistics[PAIR_SPREAD] = PairSpread()
    # Operators cannot tell a phase, functions of the state may.
    phases = constant_phases(task, grid.ends) if read.callables or task.statistics else None
    colouring = _colouring(equation, grid, scheme)
    bins, slots = (None if recording is None else each.astype(np.int32) for each in (grid.bins, grid.slots))
    steps = grid.steps.astype(np.int32)
    arrays = GridArrays(grid.ends, steps, grid.lengths, colouring, phases, bins, slots, grid.saved)
    parts = cast((loop, frame, arrays, task.psi, read, statistics), task.precision)
    loop, frame, arrays, psi, read, statistics = parts
    if recording is not None:
        statistics[RECORDS] = recording.statistic(grid.times)
        if clicks:
            statistics[CLICKS] = ClickLog(recording.counters, grid.ends)
    problem = Problem(loop, frame, arrays, psi, seed_words(int(task.seed)), read, statistics)
    return with_chosen_loop(problem)


def constant_phases(task: Task, times: np.ndarray) -> Array:
    """The phases (T,) of the constant energy that the frame leaves out, exp(-i E (t - t_0) / hbar)."""
    frequency = task.frame.energy / task.equation.hbar
    return (np if is_concrete(frequency) else jnp).exp(-1j * frequency * (times - times[0]))


def _colouring(equation: Equation, grid: TimeGrid, scheme: Scheme) -> Colouring | None:
    """The integrals of coloured noise over the steps that are drawn; None for white noise."""
    if equation.colour is None:
        return None
    if not grid.uniform:
        raise ValueError(
            "times: expected saved times, and edges of coefficients, that are whole numbers of steps apart with "
            "coloured noise, whose memory is prepared for steps of one length; got steps from "
            f"{grid.lengths.min():.6g} to {grid.lengths.max():.6g}. Move times and edges to multiples of one length."
        )
    length = float(grid.lengths[0]) * (0.5 if scheme.doubles_steps else 1.0)
    return Colouring(equation.colour.increments(length), np.float64(length))


def cast(tree: Any, precision: str) -> Any:
    """All floating-point leaves in the run's precision."""
    real, complex_ = (np.float64, np.complex128) if precision == "double" else (np.float32, np.complex64)

    def convert(leaf: Any) -> Any:
        if not isinstance(leaf, (np.ndarray, np.generic, jax.Array, float, complex)):
            return leaf
        array: Any = np.asarray(leaf) if is_concrete(leaf) else leaf
        if not np.issubdtype(array.dtype, np.inexact):
            return array
        wanted = complex_ if np.issubdtype(array.dtype, np.complexfloating) else real
        if is_concrete(array):
            _check_range(array, wanted)
        return array.astype(wanted)

    return jax.tree.map(convert, tree)


def _check_range(array: np.ndarray, dtype: DTypeLike) -> None:
    """ValueError for numbers that the run's precision cannot hold."""
    largest = float(np.abs(array).max(initial=0.0))
    limits = np.finfo(dtype)
    if np.isfinite(largest) and largest > 0 and not limits.tiny <= largest <= limits.max:
        raise ValueError(
            f"precision: expected parameters between {limits.tiny:.1g} and {limits.max:.1g}; some reach only "
            f"{largest:.3g}. Choose units in which they are near 1, or precision='double'."
        )


def covariance_points(observables: Sequence[int], times: int) -> np.ndarray:
    """All (observable, time) pairs without the start, times thinned evenly so that they fit."""
    per_observable = min(times - 1, max(1, COVARIANCE_POINTS // len(observables)))
    chosen = np.unique(np.linspace(1, times - 1, per_observable).round().astype(int))
    return np.array([(observable, time) for observable in observables for time in chosen])


def check_counters(problem: Problem, grid: TimeGrid, trajectories: int) -> None:
    """ValueError when the run would use up the counters of its random numbers."""
    budget, colouring = problem.loop.scheme.budget(problem.frame), problem.grid.colouring
    start = 0 if colouring is None else colouring.start_slots(budget.real_normals)
    slots = (budget if colouring is None else colouring.budget(budget)).slots_per_step_pair
    pairs = grid.total_steps if problem.loop.scheme.doubles_steps else grid.total_steps // 2 + 2
    if grid.total_steps > MOST_STEPS:
        raise ValueError(
            f"dt: expected at most {MOST_STEPS} steps; got {grid.total_steps:.3g}. Take a longer dt, or continue from "
            "the final state with another seed."
        )
    if slots * pairs + start >= 2**32 or trajectories >= 2**32:
        raise ValueError(
            f"dt: expected a run whose random numbers fit a counter of 32 bits; {grid.total_steps} steps of {slots} "
            "draws do not. Take a longer dt, or continue from the final state with another seed."
        )

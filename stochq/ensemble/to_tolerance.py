"""Runs to a stated tolerance: trajectories are added until |bias| and standard errors leave room for no more."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

from stochq.accuracy.bias import SHARE_OF_TOLERANCE, StepPlan
from stochq.accuracy.rare_events import CHANCES, OccupiedStates, extremes_of, extremes_without_rarest
from stochq.accuracy.trajectories import ERRORS, FEWEST, Target
from stochq.arrays import Number, Observable, rounding
from stochq.callers import users_line
from stochq.ensemble.batch import Problem
from stochq.ensemble.cost import in_words
from stochq.ensemble.jumps.problem import JumpProblem
from stochq.ensemble.observables import ordered_names, readout
from stochq.ensemble.planning import mean_map_of
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, Totals, run
from stochq.ensemble.statistics import MEAN, PAIR_SPREAD, Statistic
from stochq.ensemble.task import Task
from stochq.schemes import Scheme

_Run = TypeVar("_Run", Problem, JumpProblem)
# Running fewer trajectories is faster than finding out where they can be.
_MANY = 8192


def target_of(task: Task, plan: StepPlan, tolerance: float, steps: int) -> Target:
    """What decides how many trajectories a task takes at the step of a plan, of so many steps in all."""
    ordered = {name: task.observables[name] for name in ordered_names(task.observables)}
    names = readout(task.watched, task.dim).names
    columns = [names.index(name) for name in ordered]
    lowest, highest = extremes_of(ordered, task.psi, evaluate_on_mixtures if task.conditional else evaluate)
    watched, ranges, sizes = np.zeros(len(names), bool), np.zeros(len(names)), np.zeros(len(names))
    watched[columns], ranges[columns] = True, highest - lowest
    sizes[columns] = np.maximum(np.abs(lowest), np.abs(highest))
    tail_ranges = None
    occupied = _occupied(task, plan, tolerance, ranges, names)
    if occupied is not None:
        tail_ranges, sizes = _within(occupied, task, names, ranges, sizes)
    rounded = rounding(task.precision, steps, task.scheme.rounding_per_step) * sizes
    bias = np.zeros((len(task.times), len(names))) + rounded
    assert plan.bound is not None
    bias[:, columns] += plan.bound
    moments = plan.moments
    if moments is not None:
        moments = np.ones((len(plan.moments), *bias.shape))  # type: ignore[arg-type]
        moments[..., columns] = plan.moments
    return Target(tolerance, names, watched, ranges, bias, rounded, moments, tail_ranges)


def evaluate(function: Callable[..., Any], states: np.ndarray) -> np.ndarray:
    """The values (n,) of a function of ψ on states (dim, n)."""
    return np.asarray(readout({"f": function}, len(states))(jnp.asarray(states, np.complex64))).reshape(-1)


def evaluate_on_mixtures(function: Callable[..., Any], states: np.ndarray) -> np.ndarray:
    """The values of a function of ρ on states (dim, n), and on mixtures of the first 1, 2, … of them."""
    pure = np.einsum("in,jn->ijn", states, states.conj())
    mixed = np.cumsum(pure, axis=-1) / np.arange(1, pure.shape[-1] + 1)
    rho = np.concatenate([pure, mixed], axis=-1)
    read = readout({"f": function}, len(states), of_densities=True)
    return np.asarray(read(jnp.asarray(rho, np.complex64))).reshape(-1)


def _occupied(
    task: Task, plan: StepPlan, tolerance: float, ranges: np.ndarray, names: tuple[str, ...]
) -> OccupiedStates | None:
    """Where trajectories can be, if the range of a function asks for many of them and it is known."""
    asked = np.sqrt(3) * ERRORS * ranges / ((1 - SHARE_OF_TOLERANCE) * tolerance)
    functions = [name for name, observable in task.observables.items() if callable(observable)]
    # What is known of them is the mean density matrix of pure states.
    if task.conditional or not any(asked[names.index(name)] > _MANY for name in functions):
        return None
    mean = mean_map_of(task, plan.dt)
    return None if mean is None else mean.occupied(plan.dt)


def _within(
    occupied: OccupiedStates, task: Task, names: tuple[str, ...], ranges: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ranges without states rarer than CHANCES, (chances, observables), and what values come to in the mean: other ones
    than the ranges and sizes (observables,) for functions only."""
    tail_ranges, sizes = np.tile(ranges, (len(CHANCES), 1)), sizes.copy()
    for name, observable in task.observables.items():
        if callable(observable):
            column = names.index(name)
            low, high = extremes_without_rarest(observable, task.psi, occupied, evaluate)
            tail_ranges[:, column] = high - low
            largest = np.append(np.maximum(np.abs(low), np.abs(high)), sizes[column])
            sizes[column] = np.append(1.0, CHANCES) @ largest
    return tail_ranges, sizes


def run_to(
    target: Target,
    build: Callable[[bool], _Run],
    antithetic: bool | None,
    cap: int,
    execution: Execution,
    check: Callable[[float], float],
    make: Callable[..., Totals] = run,
) -> tuple[_Run, Totals]:
    """Run until the target is met or `cap` trajectories are done. Whole blocks at a time: the batch decides nothing.

    build: the problem, antithetic or not; antithetic: None begins with pairs and starts again without if they are no
    better. check: of a number of trajectories, refuses what takes too long; the hours that it takes. make: runs a
    problem, as `run` does.
    """
    problem, worthwhile, told = build(antithetic is not False), True, False
    each = 2 if problem.loop.antithetic else 1
    most = cap // each * each

    def whole_blocks(trajectories: int) -> int:
        return min(-(-trajectories // problem.block) * problem.block, most)

    def extend(summaries: dict[str, Any], done: int) -> int:
        nonlocal worthwhile, told
        more = whole_blocks(each * target.wanted(summaries[MEAN], cap // each))
        # What is enough, or all there may be, is not run again for being expensive.
        if antithetic is None and more > done:
            spread = problem.statistics[PAIR_SPREAD].finish(summaries[PAIR_SPREAD])
            worthwhile = target.prefers_pairs(summaries[MEAN], spread, done)
        if worthwhile and not told:
            told = True
            _tell_cost(target, summaries[MEAN], each, most, check)
        return more if worthwhile else done

    steps = int(np.sum(problem.grid.steps))
    check(whole_blocks(FEWEST))
    totals = make(problem, whole_blocks(FEWEST), steps, execution, extend, most)
    if worthwhile or totals.interrupted:
        return problem, totals
    try:
        single, alone = run_to(target, build, False, cap, execution, check, make)
    except KeyboardInterrupt:
        return problem, totals._replace(interrupted=True)
    return single, alone._replace(seconds=totals.seconds + alone.seconds)


def _tell_cost(target: Target, moments: Any, each: int, most: int, check: Callable[[float], float]) -> None:
    """Say before the bulk of a run what it takes, and whether that is out of reach. most: trajectories allowed."""
    needed, name = target.needed(moments)
    hours = check(min(each * needed, most))
    if hours and each * needed > 2 * most:
        warnings.warn(
            f"tolerance: {target.tolerance:g} takes some {each * needed:.1g} trajectories, for {name!r}; it will not "
            f"be met with {most}, which take about {in_words(hours)}. A larger tolerance or an observable of smaller "
            "range takes fewer; Ctrl-C keeps what is there.",
            stacklevel=users_line(),
        )


def report_on(result: EnsembleResult, target: Target, totals: Totals, cap: int) -> None:
    """What was aimed at and reached, in result.info; a warning where the tolerance was not met."""
    reached, name = target.reached(totals.summaries[MEAN])
    result.info.update(tolerance=target.tolerance, reached=reached, decided_by=name)
    if reached <= target.tolerance or totals.interrupted:
        return
    advice = "Allow more of them, or a shorter dt if you gave one."
    if target.rounding[target.names.index(name)] > SHARE_OF_TOLERANCE * target.tolerance:
        advice = "Rounding is in the way: subtract a constant from the observable, or take precision='double'."
    warnings.warn(
        f"tolerance: {target.tolerance:g} was not met; {result.trajectories} trajectories, of at most {cap}, reached "
        f"{reached:.3g} for {name!r} at dt = {result.dt:.3g}. {advice}",
        stacklevel=users_line(),
    )


def check_tolerance(
    tolerance: Number,
    trajectories: int,
    scheme: Scheme,
    observables: Mapping[str, Observable | Statistic],
    statistics: Mapping[str, Statistic],
) -> float:
    """The tolerance as a number.

    Raises:
        ValueError: for one that is not positive, for a small cap, for a scheme without an order, and where there is no
            mean to be judged.
    """
    if not (isinstance(tolerance, (int, float, np.number)) and np.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance: expected a positive number; got {tolerance!r}.")
    if trajectories < FEWEST:
        raise ValueError(
            f"trajectories: expected a cap of at least {FEWEST} with a tolerance, the least that can tell an error; "
            f"got {trajectories}."
        )
    if scheme.weak_order < 1:
        raise ValueError(f"scheme: expected one of known weak order with a tolerance; {scheme.name} has none.")
    if len(statistics) == len(observables):
        raise ValueError(
            "observables: expected at least one operator or function beside densities and histograms with a tolerance, "
            "which judges means; got none."
        )
    return float(tolerance)

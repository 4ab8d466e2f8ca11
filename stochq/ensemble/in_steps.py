"""The ensemble of a task that is made in steps: its grid, its problem, as many trajectories as are asked for."""

from dataclasses import replace
from functools import partial

import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.coefficients import warn_of_missed_coefficients
from stochq.accuracy.grid import TimeGrid, time_grid
from stochq.ensemble.assemble import assemble
from stochq.ensemble.batch import Problem
from stochq.ensemble.cost import check_hours
from stochq.ensemble.devices import block_size
from stochq.ensemble.given_step import warn_about_step
from stochq.ensemble.jumps.room import run_with_room
from stochq.ensemble.kept import with_kept
from stochq.ensemble.later_times import run_to_later_times, storing
from stochq.ensemble.law_pilots import Question
from stochq.ensemble.physical_states import drifted
from stochq.ensemble.planning import warn_about_time
from stochq.ensemble.precision_check import SAMPLE, compare_precisions
from stochq.ensemble.problem import build_problem, check_counters, constant_phases
from stochq.ensemble.records import counters, rate_of_clicks
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, Totals, run
from stochq.ensemble.task import Task
from stochq.ensemble.to_tolerance import report_on, run_to, target_of
from stochq.ensemble.which_loop import check_loop, told
from stochq.events import note
from stochq.systems.margins import gained, warn_about_margins

# Steps shorter than planned by more than this fraction are told.
_SHORTENED = 1e-6


def simulate_steps(
    task: Task, plan: StepPlan, question: Question, keep: int, asked: list[str], execution: Execution
) -> EnsembleResult:
    """The ensemble of a task that is made in steps. asked: names in the order of the result."""
    trajectories, tolerance = question.trajectories, question.tolerance
    wanted = plan.dt
    grid = time_grid(task.times, wanted, 1 if task.recording is None else task.recording.bins, task.edges)
    plan = _as_made(plan, grid)
    note(f"dt = {plan.dt:g}: {plan.reason}", "step chosen", dt=plan.dt, reason=plan.reason)
    warn_about_time(task.equation, grid, task.precision)
    if question.dt is not None:
        _warn_of_given_step(task, grid, tolerance)
    target = None if tolerance is None else target_of(task, plan, tolerance, grid.total_steps)

    def check(count: float) -> float:
        question.check_length(count)
        return check_hours(task, execution.hosts, grid.total_steps, count)

    def run_all(clicks: int) -> tuple[Problem, Totals]:
        parts = {"trajectories": trajectories, "first": execution.first, "clicks": clicks}
        build, make = partial(_checked_problem, task, grid, **parts), run
        if execution.stores_final_states:
            build = partial(_storing_problem, task, grid, **parts)
            make = partial(run_to_later_times, task, wanted, grid, partial(_storing_problem, **parts))
        if target is not None:
            return run_to(target, build, question.pairs, trajectories, execution, check, make)
        check(trajectories)
        problem = build(bool(question.pairs))
        return problem, make(problem, trajectories, grid.total_steps, execution)

    counted = [] if task.recording is None else counters(task.recording.columns)
    if counted:
        block = block_size(task.dim, task.scheme.smallest_block(task.equation), trajectories)
        span = float(task.times[-1] - task.times[0])
        expected = span * rate_of_clicks(task.equation, task.times, _mean_loss)
        problem, totals = run_with_room(run_all, expected, counted, block, task.precision)
    else:
        problem, totals = run_all(0)
    result = assemble(problem, grid, totals, plan, asked, task.precision, task.seed)
    result.info["loop"] = told(problem)
    if task.checks_precision:
        build = partial(_in_precision, task, grid, min(trajectories, SAMPLE))
        result.info.update(compare_precisions(result, build))
    if target is not None:
        report_on(result, target, totals, trajectories)
    margins = task.equation.hamiltonian.margins
    warn_about_margins(margins, gained(margins, task.psi, result.info))
    result.info.update(drifted(totals.summaries, task.precision, grid.total_steps))
    phases = constant_phases(task, task.times) if problem.grid.phases is None else None
    done = min(keep, totals.done)
    return with_kept(result, problem, done, task.precision, phases, task.equation, task.conditional)


def _warn_of_given_step(task: Task, grid: TimeGrid, tolerance: float | None) -> None:
    if tolerance is None:
        # With a tolerance the bias is estimated, and told where it is too large.
        warn_about_step(task, float(grid.lengths.max()))
    if task.equation.time_dependent:
        warn_of_missed_coefficients(task.equation, grid)


def _as_made(plan: StepPlan, grid: TimeGrid) -> StepPlan:
    """The plan with the step that is made, where intervals of times or records and edges of coefficients shorten it."""
    longest = float(grid.lengths.max())
    if longest >= plan.dt * (1 - _SHORTENED):
        return plan
    return replace(plan, dt=longest, reason=f"{plan.reason}; steps cut to fit the intervals")


def _mean_loss(loss: np.ndarray) -> float:
    """The rate where all levels are occupied alike."""
    return float(np.mean(loss if loss.ndim == 1 else np.diagonal(loss).real))


def _checked_problem(
    task: Task, grid: TimeGrid, antithetic: bool = False, *, trajectories: int, first: int, clicks: int
) -> Problem:
    problem = build_problem(task, grid, antithetic, clicks, trajectories)
    check_counters(problem, grid, first + trajectories)
    check_loop(problem)
    return problem


def _storing_problem(task: Task, grid: TimeGrid, antithetic: bool = False, **parts: int) -> Problem:
    return storing(_checked_problem(task, grid, antithetic, **parts))


def _in_precision(task: Task, grid: TimeGrid, trajectories: int, precision: str) -> Problem:
    return build_problem(replace(task, precision=precision), grid, trajectories=trajectories)

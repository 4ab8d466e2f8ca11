"""A run of jumps: no step to choose, no error but that of sampling."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import longest_interval, time_grid
from stochq.ensemble.assemble import assemble
from stochq.ensemble.cost import check_hours
from stochq.ensemble.jumps.problem import JumpProblem, build_jump_problem, has_exact_jumps
from stochq.ensemble.jumps.room import run_with_room
from stochq.ensemble.kept import with_kept
from stochq.ensemble.planning import check_phases
from stochq.ensemble.precision_check import SAMPLE, compare_precisions
from stochq.ensemble.problem import constant_phases
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, Totals, run
from stochq.ensemble.task import Task
from stochq.ensemble.to_tolerance import report_on, run_to, target_of
from stochq.ensemble.which_loop import check_without_kernel
from stochq.equation import Equation
from stochq.systems.margins import gained, warn_about_margins

_REASON = "no time step: between clicks the evolution is exact, and their times are found to rounding"
# Each takes two numbers of a counter of 32 bits; twice as many as are expected fit.
_MOST_EVENTS = 2**30


def check_no_step(equation: Equation, scheme: Any, dt: Any, antithetic: Any, interval: Any) -> None:
    """ValueError for what belongs to steps where there are none."""
    if not has_exact_jumps(equation):
        return
    for name, value in (("scheme", scheme), ("dt", dt), ("antithetic", antithetic or None)):
        if value is not None:
            raise ValueError(
                f"{name}: expected None with jumps alone, which are followed without a time step; got {value!r}. Leave "
                "it out."
            )
    if interval is not None:
        raise ValueError(
            f"interval: expected None with jumps alone, which count clicks between saved times; got {interval!r}. Give "
            "times as close as the counts are wanted."
        )


def simulate_jumps(
    task: Task, trajectories: int, tolerance: float | None, keep: int, asked: list[str], execution: Execution
) -> EnsembleResult:
    """The ensemble of a task whose channels have clicks alone. asked: names in the order of the result."""
    check_without_kernel("jumps alone, which are followed from click to click")
    check_phases(task)
    # Steps of a grid are here the expected events, of which a progress bar and rounding take notice.
    problem = build_jump_problem(task, trajectories=trajectories)
    _check_counters(int(np.sum(problem.grid.steps)), execution.first + trajectories)
    grid = time_grid(task.times, longest_interval(task.times))._replace(steps=np.asarray(problem.grid.steps))
    plan = _plan(task)
    target = None if tolerance is None else target_of(task, plan, tolerance, grid.total_steps)

    check = partial(check_hours, task, execution.hosts, grid.total_steps)

    def run_all(clicks: int) -> tuple[JumpProblem, Totals]:
        own = build_jump_problem(task, clicks, trajectories) if clicks else problem
        if target is None:
            check(trajectories)
            return own, run(own, trajectories, grid.total_steps, execution)
        return run_to(target, lambda _: own, False, trajectories, execution, check)

    if task.recording is None:
        problem, totals = run_all(0)
    else:
        counters = list(range(len(task.recording.lines)))
        problem, totals = run_with_room(run_all, grid.total_steps, counters, problem.block, task.precision)
    result = assemble(problem, grid, totals, plan, asked, task.precision, task.seed)
    result.info["loop"] = "from click to click, without steps"
    if task.checks_precision:
        result.info.update(compare_precisions(result, partial(_in_precision, task, min(trajectories, SAMPLE))))
    if target is not None:
        report_on(result, target, totals, trajectories)
    margins = task.equation.hamiltonian.margins
    warn_about_margins(margins, gained(margins, task.psi, result.info))
    phases = constant_phases(task, task.times) if problem.grid.phases is None else None
    return with_kept(result, problem, min(keep, totals.done), task.precision, phases, task.equation)


def _in_precision(task: Task, trajectories: int, precision: str) -> JumpProblem:
    return build_jump_problem(replace(task, precision=precision), trajectories=trajectories)


def _check_counters(expected: int, trajectories: int) -> None:
    """ValueError where the events of a trajectory, or the trajectories, would use up the counters of random numbers."""
    if expected >= _MOST_EVENTS or trajectories >= 2**32:
        raise ValueError(
            f"times: expected fewer than {_MOST_EVENTS:.3g} clicks of a trajectory and 4.29e+09 trajectories, whose "
            f"random numbers fit a counter of 32 bits; got about {expected:.3g} clicks and {trajectories:.3g} "
            "trajectories. Go on from the kept final states with another seed."
        )


def _plan(task: Task) -> StepPlan:
    """A step of zero, at which nothing is biased."""
    bias = {name: np.zeros(len(task.times)) for name in task.observables}
    return StepPlan(0.0, bias, _REASON, np.zeros((len(task.times), len(task.observables))))

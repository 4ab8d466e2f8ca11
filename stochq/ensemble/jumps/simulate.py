"""A run of jumps: no step to choose, no error but that of sampling."""

from dataclasses import replace
from typing import Any

import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid
from stochq.ensemble.assemble import assemble
from stochq.ensemble.jumps.problem import build_jump_problem, has_exact_jumps
from stochq.ensemble.problem import constant_phases
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, run
from stochq.ensemble.task import Task
from stochq.ensemble.to_tolerance import report_on, run_to, target_of
from stochq.equation import Equation

_REASON = "no time step: between clicks the evolution is exact, and their times are found to rounding"


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
    # Steps of a grid are here the expected events, of which a progress bar and rounding take notice.
    problem, target = build_jump_problem(task), None
    grid = TimeGrid(task.times, np.asarray(problem.grid.steps), np.diff(task.times))
    plan = _plan(task)
    if tolerance is None:
        totals = run(problem, trajectories, grid.total_steps, execution)
    else:
        target = target_of(task, plan, tolerance, grid.total_steps)
        problem, totals = run_to(target, lambda _: problem, False, trajectories, execution)
    result = assemble(problem, grid, totals, plan, asked, task.precision, task.seed)
    if target is not None:
        report_on(result, target, totals, trajectories)
    if not keep:
        return result
    from stochq.ensemble.simulate import kept_states

    kept = kept_states(problem, min(keep, totals.done), task.precision)
    if problem.grid.phases is None:
        kept = (kept * constant_phases(task, task.times)[:, None]).astype(kept.dtype)
    return replace(result, kept=kept)


def _plan(task: Task) -> StepPlan:
    """A step of zero, at which nothing is biased."""
    bias = {name: np.zeros(len(task.times)) for name in task.observables}
    return StepPlan(0.0, bias, _REASON, np.zeros((len(task.times), len(task.observables))))

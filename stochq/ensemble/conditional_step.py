"""The step of a run of conditional states: their records' law, and what a step's record does not tell."""

from dataclasses import replace
from typing import Any, final

import jax
import numpy as np

from stochq.accuracy.bias import Allowance, StepPlan
from stochq.accuracy.grid import longest_interval, refined, time_grid
from stochq.accuracy.pilots import PilotEstimator, PilotSample
from stochq.accuracy.search import find_step
from stochq.ensemble.conditional import is_ordered
from stochq.ensemble.observables import ordered_names, traces_of_products
from stochq.ensemble.planning import PILOT_SEED, pilot_size, plan_step, sample_of
from stochq.ensemble.problem import build_problem
from stochq.ensemble.records import recording_of
from stochq.ensemble.statistics import Histogram
from stochq.ensemble.task import Task
from stochq.module import Module


@final
class Square(Module):
    """⟨O⟩² of a density matrix."""

    operator: Any

    def __call__(self, rho: jax.Array) -> jax.Array:
        return traces_of_products(self.operator[None], rho)[0] ** 2


def plan_conditional(task: Task, trajectories: int, dt: float | None) -> StepPlan:
    """The step at which neither the law of the records nor what they tell of the state is off by a tenth of the
    standard errors of so many trajectories; dt: given by the user."""
    operators = {name: value for name, value in task.observables.items() if not callable(value)}
    recording = recording_of(task.equation, task.scheme, task.times, True, None)
    plain: dict[str, Any] = operators or {"norm": np.ones(task.dim)}
    law = replace(task, conditional=False, observables=plain, statistics={}, monitors={}, recording=recording)
    plan = plan_step(law, trajectories, dt, None)
    if dt is not None:
        return plan
    asked = replace(task, observables={**task.observables, **_probes(task, operators)}, statistics={}, recording=None)
    allowance = Allowance(trajectories, None, task.precision, task.scheme.rounding_per_step)
    told = find_step(_width(asked, trajectories, plan.dt), task.times, ordered_names(asked.observables), allowance)
    shorter = min(plan, told, key=lambda each: each.dt)
    return StepPlan(shorter.dt, {}, f"{shorter.reason}, of {'the records' if shorter is plan else 'what they tell'}")


def _probes(task: Task, operators: dict[str, Any]) -> dict[str, Any]:
    """What shows beside the observables how well conditional states are known: squares, whose mean the variance has."""
    found = {f"histogram {name}": s.operator for name, s in task.statistics.items() if isinstance(s, Histogram)}
    watched = operators or {"level": np.arange(task.dim) / max(task.dim - 1, 1)}
    matrices = {name: np.diag(value) if np.ndim(value) == 1 else np.asarray(value) for name, value in watched.items()}
    return found | {f"square {name}": Square(matrix) for name, matrix in matrices.items()}


def _width(task: Task, trajectories: int, longest: float) -> PilotEstimator:
    """The bias by the width of the bins: steps h and h/2 of the filter on the same records."""
    watched = replace(task, seed=PILOT_SEED, monitors={})

    def run(size: int, h: float, multiple: int = 1, extra: int = 0) -> PilotSample:
        grid = refined(time_grid(task.times, h, edges=task.edges), 2 * multiple)
        problem = build_problem(watched, grid, trajectories=size)
        assert problem.loop.conditioning is not None
        loop = problem.loop._replace(conditioning=replace(problem.loop.conditioning, twice=True))
        return sample_of(watched, problem._replace(loop=loop), size)

    size, norms = pilot_size(trajectories), np.zeros(len(task.observables))
    first = min(longest, longest_interval(task.times))
    order = 2 if is_ordered(task.equation, task.times) else 1
    estimator = PilotEstimator(run, task.times, (size, size), order, None, first, 0.0, lambda h: 0.0, norms)
    estimator.edges = task.edges
    return estimator

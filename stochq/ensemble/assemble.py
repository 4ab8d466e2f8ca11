"""From merged summaries to a result."""

from typing import Any

import jax
import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid
from stochq.ensemble.batch import FAILED_FRACTION, Runnable
from stochq.ensemble.fingerprint import fingerprint
from stochq.ensemble.jumps.log import CLICKS
from stochq.ensemble.means import covariance_of, density_of, means_of, shown
from stochq.ensemble.records import RECORDS, Records
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Totals
from stochq.ensemble.statistics import (
    COVARIANCE,
    MEAN,
    PAIR_SPREAD,
    Covariance,
    Density,
    Histogram,
)
from stochq.measurement import Record
from stochq.real_parts import by_observable, row_names


def assemble(
    problem: Runnable,
    grid: TimeGrid,
    totals: Totals,
    choice: StepPlan,
    observables: list[str],
    precision: str,
    seed: int,
) -> EnsembleResult:
    """The result of a run. observables: names of means and of statistics, in the order in which it lists them."""
    asked = {name: problem.statistics[name] for name in observables if name in problem.statistics}
    observables = [name for name in observables if name not in asked]
    _check_failures(problem, totals, choice.dt)
    names, done = list(problem.names), totals.done
    rows = [row for name in observables for row in (name, *row_names(name, True)) if row in names]
    density = next((name for name, s in asked.items() if isinstance(s, Density)), None)
    others = [name for name, s in asked.items() if not isinstance(s, (Density, Histogram))]
    indices, points = _covariance_points(problem, rows)
    columns = [names.index(row) for row in rows]
    parts = tuple(shown(part._replace(seed=seed), columns, indices, density, others) for part in totals.parts)
    moments = shown(totals.parts[0]._replace(summaries=totals.summaries), columns, indices, density, others).summaries
    finished = {
        name: problem.statistics[name].finish(totals.summaries[name])
        for name in (RECORDS, CLICKS, *asked)
        if name in problem.statistics and name != density
    }
    return EnsembleResult(
        times=grid.times,
        **means_of(moments, rows, observables),
        bias=by_observable({row: choice.bias.get(row) for row in rows}, observables),
        trajectories=done - totals.failed,
        failed=totals.failed,
        failed_trajectories=[(seed, trajectory) for trajectory in totals.failures],
        seed=seed,
        scheme=problem.label,
        dt=float(choice.dt),
        precision=precision,
        fingerprint=fingerprint(problem, precision),
        ranges=[(seed, totals.first, totals.first + done)],
        covariance=covariance_of(moments),
        covariance_points=points,
        antithetic=PAIR_SPREAD in problem.statistics,
        density=None if density is None else density_of(moments),
        histograms={name: finished[name] for name, s in asked.items() if isinstance(s, Histogram)},
        clicks={name: each.part(0, done) for name, each in finished.get(CLICKS, {}).items()},
        records=_record(problem, finished.get(RECORDS), done),
        statistics={name: finished[name] for name in others},
        summaries={name: (asked[name], totals.summaries[name]) for name in others},
        parts=parts,
        info=_info(totals, choice, grid) | _monitored(problem, totals, rows),
    )


def _record(problem: Runnable, increments: np.ndarray | None, done: int) -> Record | None:
    if increments is None:
        return None
    statistic = problem.statistics[RECORDS]
    assert isinstance(statistic, Records)
    return statistic.record(increments[:done])


def _check_failures(problem: Runnable, totals: Totals, dt: float) -> None:
    """RuntimeError where so many trajectories failed that the means have no meaning; one alone may be looked at."""
    alone = 2 if PAIR_SPREAD in problem.statistics else 1
    if totals.done > alone and (totals.failed > FAILED_FRACTION * totals.done or totals.done - totals.failed < 2):
        raise RuntimeError(
            f"{totals.failed} of {totals.done} trajectories became non-finite with {problem.label} "
            f"at dt = {dt:g}, {totals.failures[0]} the first of them. Take a shorter dt, the default scheme, or "
            "precision='double'; an observable that is no number on some states counts as well."
        )


def _covariance_points(problem: Runnable, rows: list[str]) -> tuple[list[int], list[tuple[str, int]]]:
    """Which points of the covariance are of these rows, and what they are."""
    statistic = problem.statistics[COVARIANCE]
    assert isinstance(statistic, Covariance)
    points = [(problem.names[observable], int(time)) for observable, time in statistic.points]
    chosen = [index for index, (name, _) in enumerate(points) if name in rows]
    return chosen, [points[index] for index in chosen]


def _monitored(problem: Runnable, totals: Totals, rows: list[str]) -> dict[str, float]:
    """The largest means of what a run watches beside the observables, by names without the underscore."""
    mean = totals.summaries[MEAN].mean
    return {name[1:]: float(mean[:, i].max()) for i, name in enumerate(problem.names) if name not in rows}


def _info(totals: Totals, choice: StepPlan, grid: TimeGrid) -> dict[str, Any]:
    return {
        "dt_reason": choice.reason,
        "steps": grid.total_steps,
        "seconds": totals.seconds,
        "interrupted": totals.interrupted,
        "loop": "one step after another",
        "backend": totals.devices[0].platform,
        "device": totals.devices[0].device_kind,
        "devices": [str(device) for device in totals.devices],
        "jax": jax.__version__,
    }

"""What ssesolve and smesolve share: from a checked setup to a result."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import SeedSequence

from stochq.qutip.curves import Curve, curve_of_moments, curve_of_values
from stochq.qutip.expectations import Expectation, values_of_function
from stochq.qutip.noise import Noise, Quadrature, resolving_step
from stochq.qutip.options import progress_of
from stochq.qutip.result import Contents
from stochq.qutip.runs import Outcome, Request, Setup, run
from stochq.qutip.seeds import ranges_of
from stochq.qutip.stochastic_result import StochasticResult
from stochq.qutip.tolerances import end_condition, tolerance_of
from stochq.qutip_objects import as_kets, as_operators


@dataclass(frozen=True)
class Asked:
    """What the user asks of a run, checked: options with defaults, and which of them were given."""

    options: Mapping[str, Any]
    given: Mapping[str, object] | None
    ntraj: int
    seeds: object
    target_tol: Any
    timeout: float | None = None


def solved(
    solver: str, described: str, setup: Setup, m_ops: Sequence[Quadrature], heterodyne: bool, asked: Asked, begun: float
) -> StochasticResult:
    """The result of QuTiP's `solver`, "ssesolve" or "smesolve".

    described: QuTiP's stats["solver"]. m_ops: as of `Noise`. begun: when the call began, as of `time.perf_counter`.
    """
    options = asked.options
    ranges, seeds = ranges_of(asked.seeds, asked.ntraj)
    prepared = time.perf_counter()
    outcome = _run(setup, request_of(setup, asked, ranges))
    ensemble = outcome.ensemble
    seeds = seeds[: ensemble.trajectories + ensemble.failed]
    noise = Noise(setup, outcome.ranges, ensemble.dt, m_ops, heterodyne)
    if options["store_measurement"]:
        _ = noise.made
    stats = {
        "method": ensemble.scheme, "init time": 0.0, "preparation time": prepared - begun,
        "run time": time.perf_counter() - prepared, "solver": described,
        "end_condition": end_condition(ensemble, asked.ntraj, asked.target_tol),
    }  # fmt: skip
    return StochasticResult(contents_of(solver, stats, setup, outcome, asked, seeds), heterodyne, noise)


def request_of(setup: Setup, asked: Asked, ranges: list[Any]) -> Request:
    """What is kept of the runs: what options and e_ops need."""
    options, expectations = asked.options, setup.expectations
    keeps = options["keep_runs_results"]
    wanted = options["store_states"]
    stores = not expectations if wanted is None else bool(wanted)
    needs_states = any(each.function is not None for each in expectations)
    if asked.timeout is not None and asked.target_tol is not None:
        raise ValueError("target_tol: expected None with a timeout. Leave one of them out.")
    return Request(
        ranges,
        _step(options.get("dt"), setup.times),
        tolerance_of(asked.target_tol, expectations, asked.ntraj),
        progress_of(options, asked.given),
        values=keeps or any(each.needs_values for each in expectations),
        states=needs_states or (keeps and (stores or options["store_final_state"])),
        density=(stores or options["store_final_state"]) and not keeps,
        timeout=asked.timeout,
    )


def _step(dt: float | None, times: np.ndarray) -> float | None:
    """No longer than the longest interval, in which steps end in any case."""
    return None if dt is None else float(min(dt, np.max(np.diff(times))))


def _run(setup: Setup, request: Request) -> Outcome:
    """With steps that resolve the noise where every run is kept and the step is ours to choose."""
    outcome = run(setup, request)
    if request.dt is not None or not request.values:
        return outcome
    longest = resolving_step(setup)
    if longest is None or outcome.ensemble.dt <= longest:
        return outcome
    return run(setup, replace(request, dt=longest))


def contents_of(
    solver: str, stats: dict[str, Any], setup: Setup, outcome: Outcome, asked: Asked, seeds: Sequence[SeedSequence]
) -> Contents:
    """What the result holds, of what the run gave."""
    options = asked.options
    dims = tuple(outcome.ensemble.info.get("dims", ()))
    curves: dict[Any, Curve] = {}
    values: dict[Any, np.ndarray] = {}
    for each in setup.expectations:
        made = _values(each, setup, outcome, dims)
        if made is not None:
            values[each.key] = made
        beyond = each.function is not None or each.factors is not None or outcome.beyond_ensemble
        if made is not None and beyond:
            curves[each.key] = curve_of_values(made)
        else:
            curves[each.key] = curve_of_moments(each, outcome.ensemble)
    keeps = options["keep_runs_results"]
    stored = options["store_states"] or options["store_final_state"] or not setup.expectations
    states = outcome.states if keeps and stored else None
    density = _mean_density(states) if states is not None else outcome.ensemble.density
    return Contents(
        solver, stats, dict(options), setup.times, setup.expectations, curves, values if keeps else None, states,
        density, dims, seeds, outcome.ensemble,
    )  # fmt: skip


def _values(each: Expectation, setup: Setup, outcome: Outcome, dims: tuple[int, ...]) -> np.ndarray | None:
    """Of every run, (run, T), in double precision, so that sums over many runs are; None where they were not kept."""
    if each.function is None:
        if outcome.values is None:
            return None
        values = each.of_values(outcome.values)
        return values.astype(np.result_type(values, np.float64), copy=False)
    assert outcome.states is not None
    made = as_operators if outcome.states.ndim == 4 else as_kets
    return values_of_function(each, setup.times, made(outcome.states, dims))


def _mean_density(states: np.ndarray) -> np.ndarray:
    kept = states[np.isfinite(states).reshape(len(states), -1).all(axis=1)].astype(complex)
    if kept.ndim == 4:
        return kept.mean(axis=0)
    return np.einsum("rti,rtj->tij", kept, kept.conj()) / len(kept)

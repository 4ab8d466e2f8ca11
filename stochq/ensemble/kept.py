"""Single trajectories that a run returns whole."""

from dataclasses import replace

import numpy as np

from stochq.arrays import Array
from stochq.ensemble.batch import Runnable, run_states
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import precision_context
from stochq.real_parts import by_observable


def kept_states(problem: Runnable, keep: int, precision: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The states of trajectories 0 .. keep-1 at the saved times, (trajectory, time, dim), and the values
    (trajectory, time) of observables on them, by row."""
    states, values = [], []
    with precision_context(precision):
        for block in range(-(-keep // problem.block)):
            parts = run_states(problem, np.uint32(block))
            for found, part in zip((states, values), parts, strict=True):
                found.append(np.moveaxis(np.asarray(part), -1, 0))
    rows = np.concatenate(values)[:keep]
    return np.concatenate(states)[:keep], {name: rows[..., index] for index, name in enumerate(problem.names)}


def with_kept(
    result: EnsembleResult, problem: Runnable, keep: int, precision: str, phases: Array | None = None
) -> EnsembleResult:
    """The result with its first trajectories, as many as `keep` says. phases: (T,), that the states are to have."""
    if not keep:
        return result
    states, values = kept_states(problem, keep, precision)
    if phases is not None:
        states = (states * np.asarray(phases)[:, None]).astype(states.dtype)
    return replace(result, kept=states, kept_values=by_observable(values, result.mean))

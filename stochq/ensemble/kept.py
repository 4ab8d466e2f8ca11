"""Single trajectories that a run returns whole."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stochq.accelerators import on_accelerator
from stochq.arrays import Array
from stochq.ensemble.batch import Runnable, run_states
from stochq.ensemble.conditional import GIVEN_RECORDS
from stochq.ensemble.devices import block_size
from stochq.ensemble.physical_states import unphysical, warn_about_states
from stochq.ensemble.runner import precision_context
from stochq.equation import Equation
from stochq.real_parts import by_observable

if TYPE_CHECKING:
    from stochq.ensemble.result import EnsembleResult

# What is said of the states of an equation whose detectors lose something.
BEYOND_RECORDS = "states of one who loses nothing: they know more than the detectors' records tell"


def kept_states(
    problem: Runnable, keep: int, precision: str, first: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The states of trajectories first .. first+keep-1 at the saved times, (trajectory, time, dim), and the values
    (trajectory, time) of observables on them, by row."""
    states, values = [], []
    if on_accelerator():
        # Whole states of as many trajectories as a run's blocks have would fill its memory.
        problem = problem.with_block(min(problem.block, block_size(problem.size, trajectories=keep)))
    with precision_context(precision):
        for start in range(first, first + keep, problem.block):
            parts = run_states(problem, np.uint32(start))
            for found, part in zip((states, values), parts, strict=True):
                found.append(np.moveaxis(np.asarray(part), -1, 0))
    rows = np.concatenate(values)[:keep]
    return np.concatenate(states)[:keep], {name: rows[..., index] for index, name in enumerate(problem.names)}


def with_kept(
    result: "EnsembleResult",
    problem: Runnable,
    keep: int,
    precision: str,
    phases: Array | None = None,
    equation: Equation | None = None,
    conditional: bool = False,
) -> "EnsembleResult":
    """The result with its first trajectories, as many as `keep` says, and in its info what their states know beyond the
    records. phases: (T,), that the states are to have. conditional: whether they are density matrices given these."""
    if not keep:
        return result
    lossy = equation is not None and any(detector.lost() for detector in equation.detectors)
    told = GIVEN_RECORDS if conditional else BEYOND_RECORDS
    info = result.info | ({"kept": told} if lossy or conditional else {})
    states, values = kept_states(problem, keep, precision, result.ranges[0][1])
    if equation is not None:
        steps = int(result.info["steps"])
        faults = unphysical(states, precision, steps, conditional)
        # What is known of all trajectories is not told again of a few.
        faults = {name: value for name, value in faults.items() if name not in info}
        warn_about_states(faults, steps)
        info |= faults
    if phases is not None and not conditional:
        states = (states * np.asarray(phases)[:, None]).astype(states.dtype)
    return replace(result, info=info, kept=states, kept_values=by_observable(values, result.mean))

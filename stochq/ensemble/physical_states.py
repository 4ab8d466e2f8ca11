"""Whether single states are states: norms and traces of one, no negative eigenvalues, up to rounding."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from stochq.arrays import rounding
from stochq.callers import users_line
from stochq.ensemble.norms import NORMS

# Units of rounding that norms may gain in a step, where noise is unitary and nothing normalises; four were seen.
_UNITS_PER_STEP, _FACTOR = 4.0, 4.0
# Below this deviation norms are not told though rounding does not explain them: propagators of drives are unitary up to
# the error of their step. From the second on they are told though rounding explains them.
_LEAST_TOLD, _MOST_ROUNDING = 1e-4, 1e-3
# The root of so many levels, 256, below which that of their number does not matter: at 4096 norms were 80 units off.
_FEW_SUMMED = 16.0
# Numbers that are looked at, of the first trajectories; and of how many the eigenvalues of density matrices are.
_MOST_NUMBERS, _DIAGONALISED = 2**22, 64


def unphysical(states: np.ndarray, precision: str, steps: int, conditional: bool) -> dict[str, float]:
    """How far states are from being states, by what is wrong with them; nothing where rounding explains it.

    states: (trajectory, time, dim), or density matrices (trajectory, time, dim, dim) if conditional; those that are not
    finite are left out. steps: made in all.
    """
    states = states[: max(1, _MOST_NUMBERS // max(states[0].size, 1))]
    finite = states[np.isfinite(states).reshape(*states.shape[:2], -1).all(axis=-1)]
    if not len(finite):
        return {}
    # A change of basis adds up as many products as there are levels.
    summed = max(1.0, np.sqrt(states.shape[-1]) / _FEW_SUMMED)
    limit = _FACTOR * summed * rounding(precision, steps, _UNITS_PER_STEP)
    if conditional:
        sizes, name = np.einsum("nii->n", finite.astype(complex)).real, "trace_drift"
    else:
        sizes, name = np.einsum("ni,ni->n", finite, finite.conj(), dtype=complex).real, "norm_drift"
    told = {name: float(np.abs(sizes - 1).max())}
    if conditional:
        few = finite[: _DIAGONALISED * states.shape[1]].astype(complex)
        told["negative_eigenvalue"] = max(0.0, -float(np.linalg.eigvalsh(few).min()))
    return {name: value for name, value in told.items() if value > limit}


def drifted(summaries: Mapping[str, Any], precision: str, steps: int) -> dict[str, float]:
    """How far norms, or traces and purities of conditional states, are from what they can be, of all trajectories of a
    run that watched them, and a warning; nothing where it is small, or rounding explains it.

    summaries: merged, by the names of statistics; steps: made in all.
    """
    found = np.atleast_1d(summaries.get(NORMS, []))
    names = ("norm_drift",) if len(found) == 1 else ("trace_drift", "purity_excess")
    limit = _FACTOR * rounding(precision, steps, _UNITS_PER_STEP)
    seen = zip(names, map(float, found), strict=False)
    faults = {name: value for name, value in seen if value > min(max(limit, _LEAST_TOLD), _MOST_ROUNDING)}
    if faults and max(faults.values()) <= limit:
        warnings.warn(
            f"states: {'; '.join(in_words(faults))}, by rounding in {steps} steps that do not normalise. Means are "
            "wrong by as much. Take precision='double'.",
            stacklevel=users_line(),
        )
    else:
        warn_about_states(faults, steps)
    return faults


_WORDS = {
    "norm_drift": "norms differ from one by up to {:.2g}",
    "trace_drift": "traces of density matrices differ from one by up to {:.2g}",
    "purity_excess": "Tr ρ² of density matrices exceeds one by up to {:.2g}",
    "negative_eigenvalue": "density matrices have eigenvalues down to -{:.2g}",
}


def in_words(info: Mapping[str, Any]) -> list[str]:
    """What is wrong with single states by the info of a result, a clause for each."""
    return [words.format(info[name]) for name, words in _WORDS.items() if name in info]


def worst(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float]:
    """What is wrong with states of either of two results, by their info: the larger of both."""
    return {name: max(float(info[name]) for info in (a, b) if name in info) for name in _WORDS if name in {**a, **b}}


def warn_about_states(faults: Mapping[str, float], steps: int) -> None:
    """Say what is wrong with single states."""
    if faults:
        warnings.warn(
            f"states: {'; '.join(in_words(faults))}, which rounding in {steps} steps does not explain. Means are wrong "
            "by as much. Take a shorter dt; channels and schemes of your own have to return normalised states.",
            stacklevel=users_line(),
        )

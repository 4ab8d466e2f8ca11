"""What an observable may come to: everywhere, and where trajectories can be by the mean density matrix."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from stochq.arrays import Observable

# Basis states, and as many superpositions, on which a function's range is looked for.
_TEST_STATES = 64
# What is left of one that the occupied states do not reach.
_OUTSIDE = 1e-6
# Chances, descending, for which it is asked what a function may come to where trajectories are more often; a mean
# density matrix in double precision tells no smaller ones.
CHANCES = 10.0 ** -np.arange(2, 15)

# (function of ψ, states (dim, n)) -> its values (n,).
Evaluate = Callable[[Any, np.ndarray], np.ndarray]


class OccupiedStates(NamedTuple):
    """The eigenstates of the sum of mean density matrices over the saved times: chances (dim,), ascending, and states
    (dim, dim) as columns. E|⟨k|ψ⟩|² is no more than the chance of k at any of these times."""

    chances: np.ndarray
    states: np.ndarray

    def without_rarest(self, chance: float) -> np.ndarray:
        """The states (dim, kept) without the rarest, in which trajectories are with no more than this chance in all."""
        return self.states[:, np.cumsum(self.chances.clip(0)) > chance]


def extremes_of(
    observables: Mapping[str, Observable], psi: np.ndarray, evaluate: Evaluate
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of every observable, in their order.

    Those of a function are what it takes on basis states, on some superpositions of them and on psi.
    """
    pairs = [_extremes(observable, psi, evaluate) for observable in observables.values()]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def _extremes(observable: Observable, psi: np.ndarray, evaluate: Evaluate) -> tuple[float, float]:
    if callable(observable):
        values = evaluate(observable, _test_states(psi))
        values = values[np.isfinite(values)]
        if not values.size:
            return 0.0, 0.0
    else:
        array = np.asarray(observable)
        values = array.real if array.ndim == 1 else np.linalg.eigvalsh(array)
    return float(np.min(values)), float(np.max(values))


def _test_states(psi: np.ndarray) -> np.ndarray:
    """States (dim, n) that tell what a function may come to, those of psi, (dim,) or (dim, rank), the last."""
    dim = len(psi)
    levels = np.unique(np.linspace(0, dim - 1, min(dim, _TEST_STATES)).round().astype(int))
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((dim, _TEST_STATES)) + 1j * rng.standard_normal((dim, _TEST_STATES))
    mixed /= np.linalg.norm(mixed, axis=0)
    starts = psi.reshape(dim, -1)
    return np.concatenate([np.eye(dim)[:, levels], mixed, starts / np.linalg.norm(starts, axis=0)], axis=1)


def extremes_without_rarest(
    function: Callable[..., object], psi: np.ndarray, occupied: OccupiedStates, evaluate: Evaluate
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of a function, (chances,) each, on what is left of the test states without
    the states rarer than each of CHANCES; zeros where it has none."""
    kept = [_projected(_test_states(psi), occupied.without_rarest(chance)) for chance in CHANCES]
    values = evaluate(function, np.concatenate(kept, axis=1)).reshape(len(CHANCES), -1)
    finite = np.isfinite(values)
    low = np.min(values, 1, where=finite, initial=np.inf)
    high = np.max(values, 1, where=finite, initial=-np.inf)
    known = finite.any(axis=1)
    return np.where(known, low, 0.0), np.where(known, high, 0.0)


def _projected(states: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Normalized parts of states (dim, n) in the span of others; the last one's where nothing is left."""
    inside = kept @ (kept.conj().T @ states)
    sizes = np.linalg.norm(inside, axis=0)
    return np.where(sizes > _OUTSIDE, inside, inside[:, -1:]) / np.where(sizes > _OUTSIDE, sizes, sizes[-1])

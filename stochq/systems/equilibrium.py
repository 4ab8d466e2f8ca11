"""Equilibrium weights over energy eigenstates, which know the eigenstates that they are meant for."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stochq.arrays import ArrayLike
from stochq.systems.basis import energy_columns
from stochq.systems.eigen import dagger
from stochq.systems.hamiltonian import Hamiltonian

# Largest mixture of levels in the eigenvectors of weights, times their distance, relative to the bandwidth.
EIGENVECTOR_RTOL = 1e-6


@dataclass(frozen=True)
class Window:
    """How well a microcanonical window matches its state (`thermalization` eq. 4 needs equal energies).

    The standard errors are those of traces by random vectors, zero where the eigenstates are known.
    """

    states: int
    energy: float
    variance: float
    state_energy: float
    state_variance: float
    energy_stderr: float = 0.0
    variance_stderr: float = 0.0

    def __str__(self) -> str:
        ratio = self.variance / self.state_variance if self.state_variance else 1.0
        return (
            f"microcanonical window: {self.states} eigenstates; "
            f"energy {self.energy:.6g}{_error(self.energy_stderr)} (state {self.state_energy:.6g}, "
            f"off by {self.energy - self.state_energy:+.2g}); "
            f"variance {self.variance:.6g}{_error(self.variance_stderr)} (state {self.state_variance:.6g}, "
            f"ratio {ratio:.3g})"
        )


def _error(stderr: float) -> str:
    return f" ± {stderr:.2g}" if stderr else ""


class Weights(np.ndarray):
    """Equilibrium weights χ (dim,), energies ascending.

    window: how they were found, or None. eigenvectors: columns (dim, dim) to which they belong, where degenerate
    levels make the Hamiltonian's own eigenvectors ambiguous; None for these.
    """

    window: Any
    eigenvectors: np.ndarray | None

    def __array_finalize__(self, source: object) -> None:
        self.window = getattr(source, "window", None)
        self.eigenvectors = getattr(source, "eigenvectors", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **options: Any) -> Any:
        """Arithmetic keeps the eigenvectors; weights over different ones have no common ones to keep."""
        weights = [value for value in inputs if isinstance(value, Weights)]
        if any(value.eigenvectors is not weights[0].eigenvectors for value in weights):
            raise ValueError(
                "equilibrium: weights that belong to different eigenvectors of degenerate levels cannot be combined. "
                "Take both with the same `conserved` in one call."
            )
        plain = [np.asarray(value) if isinstance(value, Weights) else value for value in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(value) for value in options["out"])
        result = getattr(ufunc, method)(*plain, **options)
        if not isinstance(result, np.ndarray) or result.shape != weights[0].shape:
            return result
        result = result.view(Weights)
        result.__array_finalize__(weights[0])
        return result


def _mixing(hamiltonian: Hamiltonian, energies: np.ndarray, vectors: np.ndarray) -> float:
    """How far vectors are from eigenvectors: the largest |E_i - E_j| that an overlap with another level weighs."""
    overlap = dagger(energy_columns(hamiltonian)) @ vectors
    return float(np.abs((energies[:, None] - energies[None, :]) * overlap).max())


def with_eigenvectors_of(hamiltonian: Hamiltonian, equilibrium: ArrayLike) -> Hamiltonian:
    """The Hamiltonian whose energy basis is the one that the weights belong to.

    Raises:
        ValueError: if they belong to another Hamiltonian's.
    """
    vectors = getattr(equilibrium, "eigenvectors", None)
    if vectors is None:
        return hamiltonian
    energies = np.asarray(hamiltonian.energies)
    if len(vectors) != hamiltonian.dim or _mixing(hamiltonian, energies, vectors) > EIGENVECTOR_RTOL * np.ptp(energies):
        raise ValueError(
            "equilibrium: expected weights made for this Hamiltonian; their eigenvectors are another one's. Call "
            "sq.microcanonical with the Hamiltonian of the model."
        )
    return hamiltonian.with_eigenvectors(vectors)

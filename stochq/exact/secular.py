"""The part of a generator that keeps populations and coherences of the energy basis apart (Pauli's master equation).

It is what weak coupling leaves over, exact for channels that live in the energy basis, and cheap to invert: the
coherences one by one, the populations by one matrix. It preconditions the search for steady states.
"""

from collections.abc import Callable

import numpy as np

from stochq.equation import Equation
from stochq.exact import rotation
from stochq.systems.basis import on_energies, overlap

# Rates below this fraction of the largest one are raised to it, so that the inverse exists.
_SMALLEST = 1e-6


class Secular:
    """ρ̇_μν = (−iω_μν − Γ_μν) ρ_μν for μ ≠ ν and ṗ = W p, in the energy basis."""

    def __init__(self, equation: Equation) -> None:
        vectors = equation.hamiltonian.eigenvectors
        self.basis = rotation.Same() if vectors is None else rotation.Unitary(vectors)
        frequencies = on_energies(equation.hamiltonian, equation.hamiltonian.energies) / float(equation.hbar)
        self.rates = np.zeros((equation.dim, equation.dim))
        self.decay = np.zeros((equation.dim, equation.dim))
        for channel in equation.channels:
            written = overlap(equation.basis_matrix(channel), vectors)
            rates, decay = channel.secular(np.eye(equation.dim) if written is None else np.asarray(written))
            self.rates += rates - np.diag(rates.sum(axis=0))
            self.decay += decay
        self.scale = max(float(np.abs(self.rates).max()), float(np.ptp(frequencies)), 1e-300)
        coherences = -1j * (frequencies[:, None] - frequencies[None, :]) - self.decay
        small = np.abs(coherences) < _SMALLEST * self.scale
        self._coherences = np.where(small, -_SMALLEST * self.scale, coherences)

    def inverse(self, pin: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The inverse of ρ → secular part of ρ + pin Tr ρ, for a density matrix `pin` in the energy basis."""
        pinned = self.rates + np.outer(np.real(np.diagonal(pin)), np.ones(len(pin)))
        solver = np.linalg.inv(pinned - _SMALLEST * self.scale * np.eye(len(pin)))

        def apply(rho: np.ndarray) -> np.ndarray:
            rotated = self.basis.to_basis(rho)
            result = rotated / self._coherences
            np.fill_diagonal(result, solver @ np.real(np.diagonal(rotated)))
            return self.basis.from_basis(result)

        return apply

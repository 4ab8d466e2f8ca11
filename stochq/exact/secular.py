"""The part of a generator that keeps populations and coherences of the energy basis apart (Pauli's master equation).

It is what weak coupling leaves over, exact for channels that live in the energy basis, and cheap to invert: the
coherences one by one, the populations by one matrix. It preconditions the search for steady states.
"""

from typing import Any

import numpy as np

from stochq.channels import Channel, DiagonalCollapse, Operators, Projectors, Transitions
from stochq.equation import Equation
from stochq.exact import rotation

# Rates below this fraction of the largest one are raised to it, so that the inverse exists.
_SMALLEST = 1e-6


class Secular:
    """ρ̇_μν = (−iω_μν − Γ_μν) ρ_μν for μ ≠ ν and ṗ = W p, in the energy basis."""

    def __init__(self, equation: Equation) -> None:
        vectors = equation.hamiltonian.eigenvectors
        self.basis = rotation.Same() if vectors is None else rotation.Columns(vectors)
        hamiltonian = equation.hamiltonian
        ladder = np.real(np.diagonal(hamiltonian.matrix())) if vectors is None else np.asarray(hamiltonian.energies)
        frequencies = ladder / float(equation.hbar)
        self.rates = np.zeros((equation.dim, equation.dim))
        self.decay = np.zeros((equation.dim, equation.dim))
        for channel in equation.channels:
            rates, decay = _contribution(channel, _overlap(equation, channel, vectors))
            self.rates += rates - np.diag(rates.sum(axis=0))
            self.decay += decay
        self.scale = max(float(np.abs(self.rates).max()), float(np.ptp(frequencies)), 1e-300)
        turning = -1j * (frequencies[:, None] - frequencies[None, :]) - self.decay
        small = np.abs(turning) < _SMALLEST * self.scale
        self._turning = np.where(small, -_SMALLEST * self.scale, turning)

    def inverse(self, pin: np.ndarray) -> Any:
        """The inverse of ρ → secular part of ρ + pin Tr ρ, for a density matrix `pin` in the energy basis."""
        pinned = self.rates + np.outer(np.real(np.diagonal(pin)), np.ones(len(pin)))
        solver = np.linalg.inv(pinned - _SMALLEST * self.scale * np.eye(len(pin)))

        def apply(rho: np.ndarray) -> np.ndarray:
            own = self.basis.enter(rho)
            result = own / self._turning
            np.fill_diagonal(result, solver @ np.real(np.diagonal(own)))
            return self.basis.leave(result)

        return apply


def _overlap(equation: Equation, channel: Channel, vectors: Any) -> np.ndarray:
    """The energy eigenvectors (columns) written in the channel's basis."""
    basis = equation.basis_matrix(channel)
    columns = np.eye(equation.dim) if vectors is None else np.asarray(vectors)
    return columns if basis is None else np.asarray(basis).conj().T @ columns


def _contribution(channel: Channel, overlap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates W_μν of ν → μ and decay Γ_μν of a channel, in the energy basis."""
    weights = np.abs(overlap) ** 2
    if isinstance(channel, Transitions):
        loss = weights.T @ np.asarray(channel.loss())
        return weights.T @ channel.rates() @ weights, 0.5 * (loss[:, None] + loss[None, :])
    if isinstance(channel, DiagonalCollapse):
        decay = weights.T @ np.asarray(channel.decoherence()) @ weights
        if isinstance(channel, Projectors):
            return weights.T @ (np.asarray(channel.rates)[:, None] * weights), decay
        return _rotated_rates(channel.features(), overlap), decay
    if not isinstance(channel, Operators):
        raise TypeError(f"{type(channel).__name__} is none of the known families of channels.")
    operators = overlap.conj().T @ channel.operators() @ overlap
    loss = np.sum(np.abs(operators) ** 2, axis=(0, 1))
    diagonals = np.diagonal(operators, axis1=1, axis2=2)
    kept = np.real(diagonals.T @ diagonals.conj())
    return np.sum(np.abs(operators) ** 2, axis=0), 0.5 * (loss[:, None] + loss[None, :]) - kept


def _rotated_rates(features: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """Σ_k |⟨μ|diag(F_k)|ν⟩|²."""
    rates = np.zeros((overlap.shape[1],) * 2)
    for row in features:
        rates += np.abs(overlap.conj().T @ (row[:, None] * overlap)) ** 2
    return rates

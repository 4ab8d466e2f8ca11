"""Transitions: L_μν = √J_μν |μ⟩⟨ν| for all pairs of levels.

There are dim² operators, but given ψ the noise enters one step only as η_μ = Σ_ν √J_μν ψ_ν dW_μν: Gaussian and
independent over μ, E|η_μ|² = dt Σ_ν J_μν|ψ_ν|², E[η_μ²] = dt Σ_ν J_μν ψ_ν² (real noise) or 0 (complex noise).
Two normals per level replace dim² Wiener processes exactly in law.
"""

import abc
from typing import TYPE_CHECKING, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, as_real, is_concrete
from stochq.channels.channel import Channel
from stochq.channels.flow import Flow
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import check_rates
from stochq.systems.linear import apply_matrix, column, inner, level_sum, populations, times_real
from stochq.systems.part_axis import PartAxis

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


class Transitions(Channel):
    """All transitions ν → μ at rates J_μν. Abstract: a subclass gives J as an action."""

    @abc.abstractmethod
    def gain(self, weights: jax.Array) -> jax.Array:
        """Σ_ν J_μν w_ν, (dim, *columns)."""

    @abc.abstractmethod
    def loss(self) -> jax.Array:
        """Σ_μ J_μν, (dim,)."""

    @abc.abstractmethod
    def rates(self) -> Array:
        """J as a matrix, (dim, dim)."""

    @property
    def count(self) -> int:
        return self.dim**2

    def unsupported(self, law: Law) -> str:
        if law.needs_hermitian:
            return "noise: 'unitary' needs Hermitian jump operators, and |μ⟩⟨ν| is not. Use 'real' or 'complex'."
        return ""

    def budget(self, law: Law) -> Budget:
        return Budget(complex_normals=self.dim)

    def unsupported_on_part(self) -> str:
        return ""

    def on_part(self, axis: PartAxis, columns: Array | None) -> Channel:
        from stochq.channels.families.on_part import TransitionsOnPart

        return TransitionsOnPart(self, axis, columns)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import ArrivalJumps

        return ArrivalJumps(self, None)

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.sweep_matrix import MatrixSweep

        return MatrixSweep(self, law)

    def smooth_flow(self, law: Law) -> Flow:
        from stochq.channels.flows.sweep_smooth import SmoothMatrixSweep

        return SmoothMatrixSweep(self, law)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        """(Σ_ν J_μν|ψ_ν|² − ½ Σ_ν J_νμ − ½ Σ_κν J_κν|ψ_κ|²|ψ_ν|²) ψ_μ."""
        probability = populations(psi)
        gain = self.gain(probability)
        return times_real(gain - 0.5 * column(self.loss(), psi) - 0.5 * level_sum(probability * gain), psi)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        """η_μ − (Σ_κ ψ_κ* η_κ) ψ_μ."""
        variance = self.gain(populations(psi))
        relation = self.gain(psi * psi) if law.has_square else None
        increment = times_real(jnp.sqrt(dt), correlated(noise.complex_normals, variance, relation))
        return increment - inner(psi, increment) * psi

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        loss = self.loss()
        gained = self.gain(jnp.diagonal(rho))
        return jnp.diag(gained) - 0.5 * (loss[:, None] + loss[None, :]) * rho

    def total_loss(self) -> np.ndarray:
        return np.asarray(self.loss())

    def losses(self) -> list[np.ndarray]:
        return [np.asarray(self.rates()).sum(axis=0)]

    def operators(self) -> Array:
        rates = self.rates()
        if not is_concrete(rates):
            units = jnp.eye(self.dim**2).reshape(-1, self.dim, self.dim)
            return root(jnp.asarray(rates)).reshape(-1, 1, 1) * units
        amplitudes = np.sqrt(np.asarray(rates))
        operators = np.zeros((self.dim, self.dim, self.dim, self.dim), complex)
        index = np.arange(self.dim)
        operators[index[:, None], index[None, :], index[:, None], index[None, :]] = amplitudes
        return operators.reshape(-1, self.dim, self.dim)

    @property
    def is_secular(self) -> bool:
        return True

    def decoherence(self) -> jax.Array:
        loss = self.loss()
        return 0.5 * (loss[:, None] + loss[None, :])

    def transition_rates(self) -> np.ndarray:
        return np.asarray(self.rates())

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of any channel, less what coherences of another basis keep, which would take O(dim⁴)."""
        weights = np.abs(vectors) ** 2
        loss = weights.T @ np.asarray(self.loss())
        return weights.T @ self.transition_rates() @ weights, 0.5 * (loss[:, None] + loss[None, :])


@final
class RateMatrix(Transitions):
    """Any rates J_μν of ν → μ, (dim, dim), at O(dim²) per step: Davies generators of thermal baths."""

    matrix: Array

    def __init__(self, matrix: ArrayLike, basis: Basis | None = None) -> None:
        check_rates("matrix", matrix, "(dim, dim)")
        self.matrix = as_real(matrix)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrix.shape[0]

    def gain(self, weights: jax.Array) -> jax.Array:
        return apply_matrix(self.matrix, weights)

    def loss(self) -> jax.Array:
        return jnp.sum(jnp.asarray(self.matrix), axis=0)

    def rates(self) -> Array:
        return self.matrix

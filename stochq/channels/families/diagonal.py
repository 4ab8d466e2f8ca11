"""Diagonal collapse: L_k = diag(F_k) with real features, fully described by the kernel κ_ij = Σ_k F_ki F_kj.

SUV, CSL, QMUPL, Diósi-Penrose, energy-driven and lattice collapse all belong here.
"""

import abc
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.channels.channel import Channel
from stochq.channels.flow import Flow
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.systems.basis import into
from stochq.systems.linear import column, level_sum, populations, times_real
from stochq.systems.part_axis import PartAxis

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


class DiagonalCollapse(Channel):
    """Collapse towards the vectors of one basis. Abstract: a subclass gives κ as an action.

    Decoherence: dρ_ij/dt = −Γ_ij ρ_ij with Γ_ij = ½(κ_ii + κ_jj) − κ_ij.
    """

    @property
    def moves_populations(self) -> bool:
        return False

    @property
    def is_secular(self) -> bool:
        return True

    @property
    def is_hermitian(self) -> bool:
        return True

    @property
    @abc.abstractmethod
    def noises(self) -> int:
        """Number of real Wiener processes."""

    @property
    def count(self) -> int:
        return self.noises

    @property
    def has_records(self) -> bool:
        """Whether each operator has a Wiener process of its own and is watched by it; then `averages` is known."""
        return False

    def averages(self, weights: jax.Array) -> jax.Array:
        """Σ_i F_ki w_i, (K, *columns), of a family that has records."""
        raise NotImplementedError

    @abc.abstractmethod
    def sample_field(self, normals: jax.Array) -> jax.Array:
        """A Gaussian vector with covariance κ, (dim, *columns), from standard normals, (K, *columns)."""

    @abc.abstractmethod
    def apply_kernel(self, weights: jax.Array) -> jax.Array:
        """κ @ weights, (dim, *columns)."""

    @abc.abstractmethod
    def diagonal(self) -> jax.Array:
        """κ_ii, (dim,)."""

    @abc.abstractmethod
    def kernel(self) -> jax.Array:
        """κ as a matrix, (dim, dim)."""

    @abc.abstractmethod
    def features(self) -> np.ndarray:
        """F as a matrix, (K, dim)."""

    def decoherence(self) -> jax.Array:
        """Γ_ij = ½(κ_ii + κ_jj) − κ_ij, (dim, dim)."""
        kernel, diagonal = self.kernel(), self.diagonal()
        return 0.5 * (diagonal[:, None] + diagonal[None, :]) - kernel

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        return -self.decoherence() * rho

    def total_loss(self) -> np.ndarray:
        return np.asarray(self.diagonal())

    def operators(self) -> np.ndarray:
        return np.stack([np.diag(row).astype(complex) for row in self.features()])

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.abs(vectors) ** 2
        rates = np.zeros((vectors.shape[1],) * 2)
        for row in self.features():
            rates += np.abs(into(vectors, row)) ** 2
        return rates, weights.T @ np.asarray(self.decoherence()) @ weights

    def unsupported(self, law: Law) -> str:
        return ""

    def unsupported_colour(self, law: Law) -> str:
        if law.collapses:
            return f"coloured {law.name} noise would need memory terms, a random potential none"
        return ""

    def budget(self, law: Law) -> Budget:
        return law.budget(self.noises)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        if not law.collapses:
            return times_real(-0.5 * column(self.diagonal(), psi), psi)
        probability = populations(psi)
        smooth = self.apply_kernel(probability)
        mean = level_sum(probability * smooth)
        return times_real(smooth - 0.5 * column(self.diagonal(), psi) - 0.5 * mean, psi)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        scale = jnp.sqrt(dt / len(law.variants))
        parts = [self.sample_field(normals) * scale for normals in law.normals(noise)]
        if law.collapses:
            probability = populations(psi)
            parts = [part - level_sum(probability * part) for part in parts]
        return law.times(parts, psi)

    def unsupported_on_part(self) -> str:
        return ""

    def on_part(self, axis: PartAxis, columns: Array | None) -> Channel:
        from stochq.channels.families.on_part import CollapseOnPart

        return CollapseOnPart(self, axis, columns)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import DiagonalJumps

        return DiagonalJumps(self.features())

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.collapse import ExactCollapse

        return ExactCollapse(self, law)

    def smooth_flow(self, law: Law) -> Flow:
        from stochq.channels.flows.collapse import ExactCollapse, SmoothCollapse

        return SmoothCollapse(self, law) if law.collapses else ExactCollapse(self, law)

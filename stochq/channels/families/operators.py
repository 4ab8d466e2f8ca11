"""General jump operators, held as one array: a dense stack or bands.

The flows take every law of the noise as real noise of other operators (`laws`).
"""

import abc
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, is_concrete
from stochq.channels.channel import Channel
from stochq.channels.families.kraus_terms import Action, Terms
from stochq.channels.flow import Flow
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.systems.basis import given_from
from stochq.systems.linear import inner, level_sum, populations, times_real
from stochq.systems.part_axis import PartAxis

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


class Operators(Channel):
    """A family of any L_k. Abstract: a subclass gives one operator's action and the stack of its parameters."""

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """Number of operators K."""

    @abc.abstractmethod
    def stack(self) -> Array:
        """The parameters of all operators, leading axis K."""

    @abc.abstractmethod
    def combined(self, factors: Array) -> "Operators":
        """The one operator Σ_k factors_k L_k, under the same law and in the same basis."""

    @abc.abstractmethod
    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        """L ψ for one operator, (dim, *columns)."""

    @abc.abstractmethod
    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        """L† ψ for one operator, (dim, *columns)."""

    def apply_all(self, psi: jax.Array) -> jax.Array:
        """L_k ψ, (K, dim, *columns)."""
        if self.count == 1:
            return self.apply_one(jnp.asarray(self.stack()[0]), psi)[None]
        return jax.vmap(self.apply_one, in_axes=(0, None))(jnp.asarray(self.stack()), psi)

    @abc.abstractmethod
    def apply_square(self, psi: jax.Array, L_psi: jax.Array) -> jax.Array:
        """Σ_k L_k†L_k ψ given L_psi = L_k ψ (K, dim, *columns), (dim, *columns)."""

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        def add(total: jax.Array, one: jax.Array) -> tuple[jax.Array, None]:
            left = self.apply_one(one, rho)
            both = self.apply_one(one, left.conj().T).conj().T
            square = self.apply_one_adjoint(one, left)
            square_right = self.apply_one_adjoint(one, self.apply_one(one, rho.conj().T)).conj().T
            return total + both - 0.5 * (square + square_right), None

        return lax.scan(add, jnp.zeros_like(rho), jnp.asarray(self.stack()))[0]

    def unsupported_on_part(self) -> str:
        return ""

    def on_part(self, axis: PartAxis, columns: Array | None) -> "Operators":
        from stochq.channels.families.on_part import OperatorsOnPart
        from stochq.channels.families.structure import structured

        return OperatorsOnPart(self if columns is None else structured(given_from(columns, self.operators())), axis)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import OperatorJumps

        return OperatorJumps(self)

    def exact_loss(self) -> Any:
        """Σ_k L_k†L_k, a diagonal (dim,) where it is seen to be one, else (dim, dim)."""
        from stochq.channels.jumps import as_loss

        known = is_concrete(self.stack())
        matrices = self.operators() if known else self.apply_all(jnp.eye(self.dim, dtype=np.complex64))
        return as_loss((np if known else jnp).einsum("kji,kjl->il", matrices.conj(), matrices))

    def unsupported(self, law: Law) -> str:
        if not law.needs_hermitian or not is_concrete(self.stack()) or _all_hermitian(np.asarray(self.operators())):
            return ""
        return "noise: 'unitary' needs Hermitian jump operators; at least one L_k differs from L_k†. Use 'real'."

    def budget(self, law: Law) -> Budget:
        return law.budget(self.count)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        L_psi = self.apply_all(psi)
        square = self.apply_square(psi, L_psi)
        if not law.collapses:
            return -0.5 * square
        means = _means(psi, L_psi)
        loss = times_real(np.float32(0.5), square) + times_real(0.5 * level_sum(populations(means)), psi)
        return _weighted(means.conj(), L_psi) - loss

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        L_psi = self.apply_all(psi)
        increments = law.increments(noise, dt).astype(psi.dtype)
        total = _weighted(increments, L_psi)
        if not law.collapses:
            return law.variants[0] * total
        return total - level_sum(increments * _means(psi, L_psi)) * psi

    def actions(self, parameters: jax.Array, factor: complex | jax.Array) -> tuple[Action, Action]:
        """ψ ↦ cLψ and ψ ↦ c*L†ψ for one operator, c a number or one for each trajectory, (1, columns)."""
        return (
            lambda psi: _times(factor, self.apply_one(parameters, psi)),
            lambda psi: _times(factor.conjugate(), self.apply_one_adjoint(parameters, psi)),
        )

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.platen import PlatenFlow

        return PlatenFlow(self, law)

    @property
    @abc.abstractmethod
    def kraus_is_linear(self) -> bool:
        """Whether the K_z of an operator keep the trace in the mean, which is then linear in the density matrix."""

    @abc.abstractmethod
    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> Any:
        """What `apply_kraus` needs of all operators, (K, ...). stack: their parameters; square: E z² = 1, not 0."""

    @abc.abstractmethod
    def apply_kraus(self, terms: Any, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        """The three parts of K_zψ for one operator."""

    @abc.abstractmethod
    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        """The three parts of one operator's K_z as matrices, one below the other, (3 dim, dim)."""


def _times(factor: complex | jax.Array, psi: jax.Array) -> jax.Array:
    return psi if isinstance(factor, complex) and factor == 1 else factor * psi


def _means(psi: jax.Array, L_psi: jax.Array) -> jax.Array:
    """⟨L_k⟩, (K, *columns), from L_psi = L_kψ."""
    return jax.vmap(inner, in_axes=(None, 0))(psi, L_psi)[:, 0]


def _weighted(weights: jax.Array, L_psi: jax.Array) -> jax.Array:
    """Σ_k w_k L_k ψ, (dim, *columns)."""
    return level_sum(weights[:, None] * L_psi)[0]


def _all_hermitian(operators: np.ndarray) -> bool:
    scale = max(float(np.abs(operators).max()), 1e-300)
    return bool(np.abs(operators - operators.conj().transpose(0, 2, 1)).max() <= 1e-10 * scale)


def weighted_sum(factors: Array, stack: Array) -> Array:
    """Σ_k factors_k stack_k with the first axis kept."""
    return (np if is_concrete((factors, stack)) else jnp).tensordot(factors, stack, axes=1)[None]

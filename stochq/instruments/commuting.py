r"""Operators that are all diagonal in one basis, the Hamiltonian included: exact for bins of any width, at O(dim).

$$\tilde\rho_{ij}(T) = \rho_{ij}(0)\,e^{w_i+w_j^*+\Gamma_{ij}T},\qquad
  w_i = \sum_k\big[c_{ki}Y_k - \tfrac12(c_{ki}^2+|c_{ki}|^2)T\big] - iE_iT$$

with the decay Γ of coherences by what is lost.
"""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, nan_unless
from stochq.instruments.instrument import Instrument, Written
from stochq.measurement.line import WatchedParts


class Exponents(NamedTuple):
    """initial: ρ(0) times e^{ΓT} (dim, dim, 1); logarithms: w (dim, R), with which it is normalised."""

    initial: jax.Array
    logarithms: jax.Array


@final
class CommutingInstrument(Instrument):
    """currents: c (bins, K, dim); constants: what w takes on in a bin (bins, dim); decays: e^{Γh} (bins, dim, dim)."""

    currents: Array
    constants: Array
    decays: Array

    @property
    def dim(self) -> int:
        return self.constants.shape[-1]

    def start(self, state: Array, records: int) -> Exponents:
        rho = jnp.asarray(state, complex)
        rho = jnp.outer(rho, rho.conj()) if rho.ndim == 1 else rho
        return Exponents(rho[..., None], jnp.zeros((self.dim, records), complex))

    def prepare(self, written: Written) -> Any:
        return written.current, written.which

    def step(self, state: Exponents, prepared: Any) -> tuple[Exponents, jax.Array]:
        current, which = prepared
        place = 0 if len(self.constants) == 1 else which
        logarithms = state.logarithms + self.constants[place][:, None] + self.currents[place].T @ current
        weight = jnp.sum(_populations(state.initial, logarithms), axis=0)
        initial = state.initial * self.decays[place][..., None]
        return Exponents(initial, logarithms - 0.5 * jnp.log(weight)[None]), weight

    def density(self, state: Exponents) -> jax.Array:
        amplitudes = jnp.exp(state.logarithms)
        return state.initial * amplitudes[:, None] * amplitudes.conj()[None]

    def expect(self, state: Exponents, operators: Array) -> jax.Array:
        amplitudes = jnp.exp(state.logarithms)
        weighted = operators * jnp.swapaxes(state.initial[..., 0], 0, 1)[None]
        return jnp.sum((amplitudes.conj()[None] * (weighted @ amplitudes)).real, axis=1)

    def purity(self, state: Exponents) -> jax.Array:
        sizes = jnp.exp(2 * state.logarithms.real)
        return jnp.sum(sizes * (jnp.square(jnp.abs(state.initial[..., 0])) @ sizes), axis=0)


def _populations(initial: jax.Array, logarithms: jax.Array) -> jax.Array:
    return jnp.diagonal(initial[..., 0]).real[:, None] * jnp.exp(2 * logarithms.real)


def commuting_instrument(parts: WatchedParts, lengths: Array) -> CommutingInstrument:
    """The instrument of bins of these lengths (bins,); parts: of all bins, or with a leading axis (bins, ...).

    It is NaN where an operator is not diagonal, which cannot be told while JAX traces them.
    """
    axes = 0 if np.ndim(parts.hamiltonian) == 3 else None
    return CommutingInstrument(*jax.vmap(_exponents, in_axes=(axes, 0))(parts, jnp.asarray(lengths)))


def _exponents(parts: WatchedParts, length: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    energies, watched, lost = (_diagonals(jnp.asarray(part)) for part in parts[:2] + parts[-1:])
    constants = -1j * energies - 0.5 * jnp.sum(jnp.square(watched) + jnp.square(jnp.abs(watched)), axis=0)
    losses = 0.5 * jnp.sum(jnp.square(jnp.abs(lost)), axis=0)
    rates = jnp.einsum("mi,mj->ij", lost, lost.conj()) - losses[:, None] - losses[None]
    return watched.astype(complex), length * constants, jnp.exp(length * rates)


def _diagonals(stack: jax.Array) -> jax.Array:
    diagonals = jnp.diagonal(stack, axis1=-2, axis2=-1)
    others = jnp.abs(stack).reshape(-1, *stack.shape[-2:]) * (1 - np.eye(stack.shape[-1]))[None]
    return nan_unless(jnp.sum(others) == 0, diagonals)


def commutes(parts: WatchedParts) -> bool:
    """Whether concrete operators are all diagonal, and none is counted."""
    stacks = [np.asarray(part) for part in (parts.hamiltonian, parts.watched, parts.lost)]
    off = ~np.eye(stacks[0].shape[-1], dtype=bool)
    return parts.counted.shape[-3] == 0 and not any(np.any(stack[..., off]) for stack in stacks)

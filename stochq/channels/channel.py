"""What every family of jump operators can do, and the basis it is written in."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.noise import Budget, StepNoise

NoiseLaw = Literal["real", "complex", "unitary"]


class Basis(eqx.Module):
    """The orthonormal basis in which a channel is written. Abstract: Given, Energy or Columns."""


class Given(Basis):
    """The basis in which states are given."""


class Energy(Basis):
    """The eigenbasis of the equation's Hamiltonian, energies ascending."""


class Columns(Basis):
    """The columns of a unitary matrix (dim, dim)."""

    matrix: Any


class Channel(eqx.Module):
    """A family of jump operators L_k acting in its own basis, never a list of matrices.

    Every method takes states and density matrices already expressed in `basis`. One state has shape (dim,);
    trajectories are added by `jax.vmap` on the last axis. Rates are inverse times.
    """

    basis: eqx.AbstractVar[Basis]

    @property
    def dim(self) -> int:
        """Dimension of the Hilbert space."""
        raise NotImplementedError

    def budget(self, law: NoiseLaw) -> Budget:
        """Random numbers of one `diffuse`."""
        raise NotImplementedError

    def drift(self, t: jax.Array, psi: jax.Array, law: NoiseLaw) -> jax.Array:
        """The Itô drift of the norm-preserving equation without the Hamiltonian, (dim,)."""
        raise NotImplementedError

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        """The noise increment over dt, exact in law given psi, (dim,)."""
        raise NotImplementedError

    def flow_budget(self, law: NoiseLaw) -> Budget:
        """Random numbers of one `flow`."""
        raise NotImplementedError

    def flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """A step of this channel alone, exact in law or of weak order 2 once composed with its reverse."""
        raise NotImplementedError

    def flow_is_symmetric(self, law: NoiseLaw) -> bool:
        """Whether `flow` is of weak order 2 by itself, so that its reverse need not be composed with it."""
        raise NotImplementedError

    def flow_draws_index(self, law: NoiseLaw) -> bool:
        """Whether `flow` draws a discrete index, through which no gradient passes."""
        raise NotImplementedError

    def missing_flow(self, law: NoiseLaw) -> str:
        """Why `flow` does not exist for this channel; empty when it does."""
        raise NotImplementedError

    def unsupported(self, law: NoiseLaw) -> str:
        """Why this noise law does not exist for this channel; empty when it does."""
        raise NotImplementedError

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """Σ_k L_k ρ L_k† − ½{L_k†L_k, ρ}, using the structure, (dim, dim)."""
        raise NotImplementedError

    def operators(self) -> np.ndarray:
        """The dense L_k, (K, dim, dim); for tests and small systems."""
        raise NotImplementedError


def expectation(probabilities: jax.Array, values: jax.Array) -> jax.Array:
    """Σ_i p_i v_i."""
    return jnp.sum(probabilities * values)


def populations(psi: jax.Array) -> jax.Array:
    """|ψ_i|², (dim,)."""
    return psi.real**2 + psi.imag**2


def no_noise(dtype: np.dtype) -> StepNoise:
    """The random numbers of a channel that draws none."""
    empty = jnp.zeros(0, dtype)
    return StepNoise(empty, empty.astype(jnp.result_type(dtype, jnp.complex64)), empty)

"""What every family of jump operators can do, and the basis it is written in."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np

from stochq.module import Module
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import level_sum, times_real

NoiseLaw = Literal["real", "complex", "unitary"]
# What becomes of E[ψψ†], (dim, dim).
MeanFlow = Callable[[np.ndarray], np.ndarray]
# The largest dimension in which it is worth following.
LARGEST_MEAN_MAP = 128


class Basis(Module):
    """The orthonormal basis in which a channel is written. Abstract: Given, Energy or Columns."""


class Given(Basis):
    """The basis in which states are given."""


class Energy(Basis):
    """The eigenbasis of the equation's Hamiltonian, energies ascending."""


class Columns(Basis):
    """The columns of a unitary matrix (dim, dim)."""

    matrix: Any


class Channel(Module):
    """A family of jump operators L_k acting in its own basis, never a list of matrices.

    Every method takes states and density matrices already expressed in `basis`. States have shape (dim,) for one
    trajectory or (dim, trajectories) for many; noise arrays then carry the same trailing axis. `jax.vmap` would put
    the trajectories first and pay for transposes in every step. Rates are inverse times.
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
        """The Itô drift of the norm-preserving equation without the Hamiltonian, (dim, *columns)."""
        raise NotImplementedError

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        """The noise increment over dt, exact in law given psi, (dim, *columns)."""
        raise NotImplementedError

    def flow_budget(self, law: NoiseLaw) -> Budget:
        """Random numbers of one `flow`."""
        raise NotImplementedError

    def flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """A step of this channel alone, exact in law or of weak order 2 once composed with its reverse."""
        raise NotImplementedError

    def mean_step(self, law: NoiseLaw) -> float:
        """The longest `flow` whose means have no time-step error in any operator; 0 where every one has."""
        return 0.0

    def discrete_mean_step(self, law: NoiseLaw) -> float:
        """The same of `discrete_flow`."""
        return self.mean_step(law)

    def discrete_mean_flow(self, dt: float, law: NoiseLaw, reverse: bool) -> MeanFlow | None:
        """The same of `discrete_flow`; None beyond the longest one."""
        return self.mean_flow(dt) if dt <= self.discrete_mean_step(law) else None

    def mean_flow(self, dt: float) -> MeanFlow:
        """E[ψψ†] after a `flow` over dt from E[ψψ†] before it, (dim, dim), where `mean_step` is not 0."""
        raise NotImplementedError

    def smooth_flow_budget(self, law: NoiseLaw) -> Budget:
        """Random numbers of one `smooth_flow`."""
        return self.flow_budget(law)

    def smooth_flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """As `flow`, but a differentiable function of ψ and the parameters, of weak order 2."""
        return self.flow(t, dt, psi, noise, law, reverse)

    def discrete_flow_budget(self, law: NoiseLaw) -> Budget:
        """Random numbers of one `discrete_flow`."""
        return self.flow_budget(law)

    def discrete_terms(self, dt: jax.Array, law: NoiseLaw) -> Any:
        """What `discrete_flow` over dt needs whatever the state is, prepared once outside the time loop."""
        return None

    def discrete_flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool, terms: Any
    ) -> jax.Array:
        """As `flow`, with increments of few values and a Gaussian's first five moments: right for averages only."""
        return self.flow(t, dt, psi, noise, law, reverse)

    def discrete_flow_is_symmetric(self, law: NoiseLaw) -> bool:
        """Whether `discrete_flow` is of weak order 2 by itself."""
        return self.flow_is_symmetric(law)

    @property
    def discrete_is_sooner(self) -> bool:
        """Whether an average is had sooner by `discrete_flow` than by `flow`, at equal error, as was measured."""
        return False

    def flow_is_symmetric(self, law: NoiseLaw) -> bool:
        """Whether `flow` is of weak order 2 by itself, so that its reverse need not be composed with it."""
        raise NotImplementedError

    def flow_draws_index(self, law: NoiseLaw) -> bool:
        """Whether `flow` draws a discrete index, through which no gradient passes."""
        raise NotImplementedError

    def flow_has_gradient(self, law: NoiseLaw) -> bool:
        """Whether gradients through `flow`, where it draws no index, are finite and of finite variance."""
        return True

    @property
    def flow_block(self) -> int:
        """Trajectories that a block should hold at least on a CPU for `flow` to be efficient."""
        return 1

    def missing_flow(self, law: NoiseLaw) -> str:
        """Why this channel has no `flow`, or an empty string, as all channels of this package say."""
        return ""

    def unsupported(self, law: NoiseLaw) -> str:
        """Why this noise law does not exist for this channel; empty when it does."""
        raise NotImplementedError

    def unsupported_colour(self, law: NoiseLaw) -> str:
        """Why noise with a spectrum does not exist for this channel under this law; empty when it does."""
        return f"{type(self).__name__} has no coloured noise, only operators that are diagonal in one basis have"

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """Σ_k L_k ρ L_k† − ½{L_k†L_k, ρ}, using the structure, (dim, dim)."""
        raise NotImplementedError

    def operators(self) -> np.ndarray:
        """The dense L_k, (K, dim, dim); for tests and small systems."""
        raise NotImplementedError


def populations(psi: jax.Array) -> jax.Array:
    """|ψ_i|², (dim, *columns)."""
    return psi.real * psi.real + psi.imag * psi.imag


def normalized(psi: jax.Array) -> jax.Array:
    """ψ/|ψ|, each column by its own norm."""
    return times_real(jax.lax.rsqrt(level_sum(populations(psi))), psi)

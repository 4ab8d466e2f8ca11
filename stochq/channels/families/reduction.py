"""Collapse written as Stratonovich does: a drift towards the larger populations and a smooth noise."""

from typing import final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, as_real, is_concrete
from stochq.channels.channel import Channel
from stochq.channels.flow import Flow
from stochq.laws import REAL, Law
from stochq.noise import Budget, StepNoise
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import as_number, check_features
from stochq.systems.linear import level_sum, multiply, populations, times_real


@final
class StratonovichCollapse(Channel):
    r"""Collapse by noise with a memory, with a drift towards the larger populations that is chosen freely.

    $$\dot\psi_i = \Big[J(p_i - \textstyle\sum_jp_j^2) + g\sum_k(F_{ki} - \langle F_k\rangle)\,\xi_k(t)\Big]\psi_i,
      \qquad p_i=|\psi_i|^2$$

    drift: J, a rate, kept as `drift_rate`; coupling: g; matrix: F (K, dim), one row for each process.
    The products are Stratonovich's, as
    they are for any noise with a memory; without a colour ξ is white, the limit of short memories.
    """

    drift_rate: Number
    coupling: Number
    matrix: Array

    def __init__(self, drift: Number, coupling: Number, matrix: ArrayLike, basis: Basis | None = None) -> None:
        check_features("matrix", matrix)
        self.drift_rate = as_number("drift", drift)
        self.coupling = as_number("coupling", coupling)
        self.matrix = as_real(np.real(matrix) if is_concrete(matrix) else matrix)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrix.shape[1]

    @property
    def noises(self) -> int:
        """Number of processes ξ_k."""
        return self.matrix.shape[0]

    @property
    def count(self) -> int:
        return self.noises

    def budget(self, law: Law) -> Budget:
        return Budget(real_normals=self.noises)

    def unsupported(self, law: Law) -> str:
        return "" if law == REAL else f'noise: expected "real", the noise that changes populations; got {law.name!r}.'

    def unsupported_colour(self, law: Law) -> str:
        return ""

    def unsupported_on_part(self) -> str:
        return (
            "collapse with a drift of its own has no master equation, so that what it does to one part of an entangled "
            "state is not defined by its operators. Take sq.models.suv, or step operators through joint.embed(L, part)"
        )

    def unsupported_envelope(self) -> str:
        return "collapse with a drift of its own has rates that are chosen apart from its operators' strength"

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        """The Itô drift of the white limit."""
        probability = populations(psi)
        growth = self.drift_rate * (probability - level_sum(probability * probability))
        return times_real(growth + self.stratonovich_to_ito(probability), psi)

    def stratonovich_to_ito(self, probability: jax.Array) -> jax.Array:
        r"""What white noise adds to the drift of ψ_i/ψ_i when Stratonovich's products are rewritten as Itô's.

        $$\tfrac12\sum_k\frac{(b_k\cdot\nabla)b_k}{\psi}\Big|_i
          = \tfrac{g^2}2\sum_k\big[(F_{ki}-\langle F_k\rangle)^2 - 2\,\mathrm{Var}\,F_k\big],
          \qquad b_k = g(F_k-\langle F_k\rangle)\psi$$

        With projectors and J = 2g² the drift is then g²(p_i − ½ − ½Σp²), that of `suv` with 𝒥𝒩/ħ = g².
        probability: (dim, *columns).
        """
        mean = multiply(self.matrix, probability)
        square = multiply(self.matrix**2, probability)
        constant = jnp.sum(self.matrix**2, axis=0).reshape(-1, *[1] * (probability.ndim - 1))
        deviation = constant - 2 * multiply(self.matrix.T, mean) + level_sum(mean * mean)
        return (deviation - 2 * level_sum(square - mean * mean)) * (0.5 * self.coupling**2)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        field = self.sample_field(noise, dt)
        return times_real(field - level_sum(populations(psi) * field), psi)

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.stratonovich import StratonovichFlow

        return StratonovichFlow(self, law)

    def sample_field(self, noise: StepNoise, dt: jax.Array) -> jax.Array:
        """g Σ_k F_ki ∫ξ_k dt, (dim, *columns)."""
        return jnp.sqrt(dt) * self.coupling * multiply(self.matrix.T, noise.real_normals)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        raise ValueError(
            "equation: collapse with a drift of its own has no master equation. Where the noise is white and "
            "drift = 2 coupling² it is sq.models.suv(hamiltonian, strength=coupling²), which has one."
        )

    def operators(self) -> np.ndarray:
        return np.stack([np.diag(row).astype(complex) for row in np.asarray(self.coupling * self.matrix)])

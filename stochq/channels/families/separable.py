"""Transitions whose rates are products, J_μν = A_μ B_ν, at O(dim) per step: thermalization."""

from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, as_real, is_concrete
from stochq.channels.families.transitions import Transitions
from stochq.channels.flow import Flow
from stochq.channels.scaled import Scaled, checked_rates, product
from stochq.laws import Law
from stochq.noise import StepNoise
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import check_rates
from stochq.systems.linear import column, inner, level_sum, populations, times_real

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


@final
class Separable(Transitions):
    """J_μν = A_μ B_ν at O(dim) per step. OQT is A = (α𝒩/ħ)χ, B = 1 (`thermalization` eq. 5)."""

    _target: Array | Scaled
    source: Array | None

    def __init__(self, target: ArrayLike | Scaled, source: ArrayLike | None = None, basis: Basis | None = None) -> None:
        if source is not None:
            check_rates("source", source, "(dim,)")
        self._target = checked_rates("target", target)
        self.source = None if source is None else as_real(source)
        self.basis = Given() if basis is None else basis

    @property
    def target(self) -> Array:
        return product(self._target)

    @property
    def dim(self) -> int:
        return self.target.shape[0]

    def gain(self, weights: jax.Array) -> jax.Array:
        return column(self.target, weights) * self._sum(weights)

    def _sum(self, weights: jax.Array) -> jax.Array:
        """Σ_ν B_ν w_ν, (1, *columns)."""
        return level_sum(weights if self.source is None else column(self.source, weights) * weights)

    def loss(self) -> jax.Array:
        total = jnp.sum(self.target)
        return total * (jnp.ones_like(self.target) if self.source is None else self.source)

    def arrival_rates(self) -> Array | None:
        return self.target if self.source is None else None

    def rates(self) -> Array:
        source = np.ones(self.dim) if self.source is None else self.source
        library: Any = np if is_concrete(self.target) and is_concrete(source) else jnp
        return library.outer(self.target, source)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        """As for any rates; the correlation of η is one scalar for all levels."""
        variance = self._sum(populations(psi))
        relation = self._square_sum(psi) if law.has_square else None
        scale = column(root(self.target * dt), psi)
        increment = times_real(scale, correlated(noise.complex_normals, variance, relation))
        return increment - inner(psi, increment) * psi

    def _square_sum(self, psi: jax.Array) -> jax.Array:
        """Σ_ν B_ν ψ_ν², (1, *columns)."""
        return jax.lax.complex(self._sum(psi.real * psi.real - psi.imag * psi.imag), 2 * self._sum(psi.real * psi.imag))

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import ArrivalJumps

        if self.source is not None:
            return ArrivalJumps(self, None)
        library: Any = np if is_concrete(self.target) else jnp
        weights = library.cumsum(self.target)
        return ArrivalJumps(self, weights / weights[-1])

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.sweep import Sweep
        from stochq.channels.flows.sweep_matrix import MatrixSweep

        return Sweep(self, law) if self.source is None else MatrixSweep(self, law)

    def smooth_flow(self, law: Law) -> Flow:
        from stochq.channels.flows.sweep_smooth import SmoothMatrixSweep, SmoothSweep

        return SmoothSweep(self, law) if self.source is None else SmoothMatrixSweep(self, law)

"""Collapse onto single vectors of a basis, each at its own rate."""

from typing import TYPE_CHECKING, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.channels.scaled import Scaled, checked_rates, product
from stochq.noise.roots import root
from stochq.systems.basis import Basis, Given
from stochq.systems.linear import column

if TYPE_CHECKING:
    from stochq.channels.channel import Channel
    from stochq.channels.jumps import Jumps


@final
class Projectors(DiagonalCollapse):
    """L_k = √rate_k |k⟩⟨k|, one for every vector of the basis: SUV (`thermalization` eq. 7)."""

    _rates: Array | Scaled

    def __init__(self, rates: ArrayLike | Scaled, basis: Basis | None = None) -> None:
        self._rates = checked_rates("rates", rates)
        self.basis = Given() if basis is None else basis

    @property
    def rates(self) -> Array:
        return product(self._rates)

    @property
    def dim(self) -> int:
        return self.rates.shape[0]

    @property
    def noises(self) -> int:
        return self.dim

    def sample_field(self, normals: jax.Array) -> jax.Array:
        return column(root(self.rates), normals) * normals

    def apply_kernel(self, weights: jax.Array) -> jax.Array:
        return column(self.rates, weights) * weights

    @property
    def has_records(self) -> bool:
        return True

    def averages(self, weights: jax.Array) -> jax.Array:
        return column(root(self.rates), weights) * weights

    def diagonal(self) -> jax.Array:
        return jnp.asarray(self.rates)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import ProjectionJumps

        return ProjectionJumps(self.rates)

    @property
    def missing_density(self) -> str:
        return ""

    def held(self) -> "Channel":
        from stochq.channels.flows.held import HeldChannel, OperatorFields

        rates = jnp.asarray(self.rates)
        return HeldChannel(self, OperatorFields(None, rates, rates))

    def kernel(self) -> jax.Array:
        return jnp.diag(self.rates)

    def features(self) -> np.ndarray:
        return np.diag(np.sqrt(np.asarray(self.rates)))

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.abs(vectors) ** 2
        rates = weights.T @ (np.asarray(self.rates)[:, None] * weights)
        return rates, weights.T @ np.asarray(self.decoherence()) @ weights

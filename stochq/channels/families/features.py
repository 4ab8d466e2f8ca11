"""Diagonal collapse by operators that are written down: a matrix of features."""

from typing import TYPE_CHECKING, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, as_real, is_concrete, square_root
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.noise.roots import root
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import as_number, check_features
from stochq.systems.linear import multiply

if TYPE_CHECKING:
    from stochq.channels.channel import Channel
    from stochq.channels.jumps import Jumps

# Sums of squares that differ from sums of the operators by less than this share are such sums.
_ROUNDING = 1e-9


@final
class Features(DiagonalCollapse):
    """L_k = √rate diag(F_k) with real features F, (K, dim)."""

    matrix: Array
    rate: Number

    def __init__(self, matrix: ArrayLike, rate: Number = 1.0, basis: Basis | None = None) -> None:
        check_features("matrix", matrix)
        self.matrix = as_real(np.real(matrix) if is_concrete(matrix) else matrix)
        self.rate = as_number("rate", rate)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrix.shape[1]

    @property
    def noises(self) -> int:
        return self.matrix.shape[0]

    def sample_field(self, normals: jax.Array) -> jax.Array:
        return root(self.rate) * multiply(self.matrix.T, normals)

    def apply_kernel(self, weights: jax.Array) -> jax.Array:
        return multiply(self.matrix.T, multiply(self.matrix, weights)) * self.rate

    @property
    def has_records(self) -> bool:
        return True

    def averages(self, weights: jax.Array) -> jax.Array:
        return root(self.rate) * multiply(self.matrix, weights)

    def diagonal(self) -> jax.Array:
        return jnp.sum(jnp.square(self.matrix), axis=0) * self.rate

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import DiagonalJumps

        return DiagonalJumps(square_root(self.rate) * self.matrix)

    @property
    def missing_density(self) -> str:
        if not is_concrete(self.matrix):
            return (
                "traced operators move the state in directions of their own. Trace the rate of "
                "sq.channels.Features(matrix, rate) alone"
            )
        if _shifts(self.matrix) is None:
            return (
                "at another rate these operators move the state along the sum of their squares, too, which is no sum "
                "of the operators and a constant, as x² is none of x: what was drawn then leads to states that no "
                "other draw leads to"
            )
        return ""

    def held(self) -> "Channel":
        from stochq.channels.flows.held import HeldChannel, OperatorFields

        rates = jnp.asarray(self.rate) * jnp.ones(self.noises)
        return HeldChannel(self, OperatorFields(self.matrix, rates, rates * jnp.asarray(_shifts(self.matrix))))

    def kernel(self) -> jax.Array:
        return jnp.asarray(self.rate * (self.matrix.T @ self.matrix))

    def features(self) -> np.ndarray:
        return np.sqrt(np.asarray(self.rate)) * np.asarray(self.matrix)


def _shifts(matrix: Array) -> np.ndarray | None:
    """s (K,) with Σ_k F_ki² = Σ_k s_kF_ki + a constant, F (K, dim); None where there are none."""
    matrix = np.asarray(matrix)
    squares = np.sum(np.square(matrix), axis=0)
    columns = np.column_stack([matrix.T, np.ones(len(squares))])
    found = np.linalg.lstsq(columns, squares, rcond=None)[0]
    return found[:-1] if np.abs(columns @ found - squares).max() <= _ROUNDING * squares.max() else None

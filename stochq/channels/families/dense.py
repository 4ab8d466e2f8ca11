"""Jump operators as dense matrices."""

from collections.abc import Sequence
from typing import cast, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, ArrayLike, OperatorLike, as_complex, as_matrix
from stochq.channels.families.kraus_terms import Terms, apply_dense_kraus, dense_terms
from stochq.channels.families.operators import Operators, weighted_sum
from stochq.operators import as_operator
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import check_operators
from stochq.systems.linear import apply_matrix


@final
class DenseOperators(Operators):
    """Jump operators as dense matrices (K, dim, dim)."""

    matrices: Array
    square: Array

    def __init__(self, matrices: ArrayLike | Sequence[OperatorLike], basis: Basis | None = None) -> None:
        if isinstance(matrices, (list, tuple)):
            matrices = [as_operator(f"matrices[{place}]", one) for place, one in enumerate(matrices)]
        check_operators("matrices", matrices)
        self.matrices = as_matrix(cast(ArrayLike, matrices))
        adjoint = self.matrices.conj().transpose(0, 2, 1)
        self.square = (adjoint @ self.matrices).sum(axis=0)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrices.shape[-1]

    @property
    def count(self) -> int:
        return self.matrices.shape[0]

    def stack(self) -> Array:
        return self.matrices

    def combined(self, factors: Array) -> "DenseOperators":
        return DenseOperators(weighted_sum(factors, self.matrices), self.basis)

    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return apply_matrix(parameters, psi)

    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return apply_matrix(parameters.conj().T, psi)

    def apply_all(self, psi: jax.Array) -> jax.Array:
        rows = self.matrices.reshape(-1, self.dim)
        return apply_matrix(rows, psi).reshape(self.count, *psi.shape)

    def apply_square(self, psi: jax.Array, L_psi: jax.Array) -> jax.Array:
        return apply_matrix(self.square, psi)

    @property
    def kraus_is_linear(self) -> bool:
        return True

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        return terms

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> jax.Array:
        return dense_terms(stack, dt, square)

    def apply_kraus(self, terms: jax.Array, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        return apply_dense_kraus(terms, psi)

    def total_loss(self) -> np.ndarray:
        return np.asarray(self.square)

    def losses(self) -> list[np.ndarray]:
        """Of one operator after another, as they are stepped."""
        return [matrix.conj().T @ matrix for matrix in np.asarray(self.matrices)]

    def fastest_bound(self) -> float:
        """‖L‖² ≤ ‖L‖₁‖L‖_∞."""
        sizes = np.abs(np.asarray(self.matrices))
        return float(np.max(sizes.sum(axis=1).max(axis=1) * sizes.sum(axis=2).max(axis=1)))

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        def add(total: jax.Array, operator: jax.Array) -> tuple[jax.Array, None]:
            return total + operator @ rho @ operator.conj().T, None

        square = jnp.asarray(self.square)
        start = -0.5 * (square @ rho + rho @ square)
        return lax.scan(add, start, jnp.asarray(self.matrices))[0]

    def operators(self) -> Array:
        return as_complex(self.matrices)

"""The geometry every formula here needs. Coordinates are ordered (q1..qn, p1..pn), matrices stand on the last axes."""

from collections.abc import Sequence
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from stochq.arrays import Number, is_concrete

Array = np.ndarray | jax.Array
# A number, or a traced one.
Real = Number


def array_namespace(*values: object) -> ModuleType:
    """numpy, which computes in double precision, or jax.numpy where a value is traced."""
    return np if is_concrete(values) else jnp


def symplectic_form(modes: int) -> Float[np.ndarray, "2n 2n"]:
    """Ω = ((0, 1), (−1, 0)), so that [x_j, x_k] = iħ Ω_jk.

    >>> symplectic_form(1).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    return np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(modes))


def reversed_in_time(matrix: Array) -> Array:
    """ℰMℰ with ℰ = diag(1, .., 1, −1, .., −1): momenta change sign."""
    modes = matrix.shape[-1] // 2
    signs = np.repeat([1.0, -1.0], modes)
    return matrix * np.outer(signs, signs).reshape((1,) * (matrix.ndim - 2) + matrix.shape[-2:])


def irreversible(matrix: Array) -> Array:
    """The part ½(M + ℰMℰ) of a drift or diffusion matrix (`brownian-balance`, appendix A)."""
    return 0.5 * (matrix + reversed_in_time(matrix))


def transposed(matrix: Array) -> Array:
    """The transpose on the last two axes."""
    return matrix.swapaxes(-1, -2)


def trace(matrix: Array) -> Array:
    """The trace on the last two axes."""
    return array_namespace(matrix).trace(matrix, axis1=-2, axis2=-1)


def log_determinant(matrix: Array) -> Array:
    """ln det of positive matrices on the last two axes."""
    return array_namespace(matrix).linalg.slogdet(matrix)[1]


def quadratic(matrix: Array, vector: Array) -> Array:
    """xᵀMx for vectors on the last axis."""
    return (vector[..., None, :] @ matrix @ vector[..., :, None])[..., 0, 0]


def built(rows: Sequence[Sequence[Real]]) -> Array:
    """A matrix from its elements, which may be traced."""
    if is_concrete(rows):
        return np.array(rows, dtype=np.float64)
    return jnp.stack([jnp.stack([jnp.asarray(element) for element in row]) for row in rows])


def aligned(matrix: Array, like: Array) -> Array:
    """`matrix` (2n, 2n) with as many leading axes of length one as `like` has."""
    return matrix.reshape((1,) * (like.ndim - 2) + matrix.shape)


def symplectic_eigenvalues(covariance: Array) -> Array:
    """The n symplectic eigenvalues of covariances (..., 2n, 2n), ascending: ħ/2 each in a pure state."""
    numbers = array_namespace(covariance)
    modes = covariance.shape[-1] // 2
    root = numbers.linalg.cholesky(covariance)
    form = aligned(symplectic_form(modes), covariance)
    # LᵀiΩL is Hermitian and similar to iΩV: its eigenvalues are the pairs ±ν.
    return numbers.linalg.eigvalsh(1j * (transposed(root) @ form @ root))[..., modes:]

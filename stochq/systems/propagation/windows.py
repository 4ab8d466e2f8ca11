"""Matrices that act on a few neighbouring sites, applied as real matrix products.

A state is held as two real arrays, its real and its imaginary part, (dim, *columns) each: XLA's processor backend
multiplies real matrices several times faster than complex ones, and a butterfly for every site, a pass over the memory
each, takes ten times as long as a product for every four sites.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.systems.linear import MATMUL_PRECISION

# The sites that one product takes: measured on 12 to 20 sites, 3 to 5 are alike, 2 and 6 are slower.
SITES_TOGETHER = 4
# How many numbers lie inside of a window's sites, from which on a product in batches is the fastest and the matrices of
# the batch no larger than the state, and up to which one with the matrix repeated on the diagonal is.
_BATCHED, _REPEATED = 16, 4

Planes = tuple[jax.Array, jax.Array]


def windows_of(sites: int) -> tuple[tuple[int, int], ...]:
    """All sites in runs of about `SITES_TOGETHER` neighbours: (first site, number of sites).

    >>> windows_of(6)
    ((0, 3), (3, 3))
    """
    count = -(-sites // SITES_TOGETHER)
    # The larger ones first: behind four sites products need no transposition.
    edges = [-(-sites * k // count) for k in range(count + 1)]
    return tuple((first, last - first) for first, last in zip(edges[:-1], edges[1:], strict=True))


def shifted_windows(sites: int) -> tuple[tuple[int, int], ...]:
    """Windows about the edges between those of `windows_of`, half of either."""
    runs = windows_of(sites)
    pairs = zip(runs[:-1], runs[1:], strict=True)
    return tuple((edge - left // 2, left // 2 + right // 2) for (_, left), (edge, right) in pairs)


def kron(matrices: Sequence[Array]) -> Array:
    """One matrix of several, that of the lowest site first: its bit is the last to differ."""
    product = matrices[0]
    for matrix in matrices[1:]:
        product = jnp.kron(matrix, product) if isinstance(matrix, jax.Array) else np.kron(matrix, product)
    return product


def apply_real(matrix: jax.Array, x: jax.Array, first: int) -> jax.Array:
    """A real matrix (2^k, 2^k) on the k sites from `first` on; x real, (dim, *columns)."""
    size = matrix.shape[0]
    grouped = x.reshape(x.shape[0] >> (first + size.bit_length() - 1), size, -1)
    outer, _, inner = grouped.shape
    if inner <= _REPEATED:
        repeated = jnp.kron(matrix.T, jnp.eye(inner, dtype=x.dtype))
        product = jnp.matmul(grouped.reshape(outer, -1), repeated, precision=MATMUL_PRECISION)
    elif inner < _BATCHED:
        # It is copied, sites first: not before the matrix is known, or copies of all states would stand side by side.
        grouped = known_after((matrix,), grouped)
        product = jnp.einsum("oji,kj->oki", grouped, matrix, precision=MATMUL_PRECISION)
    else:
        batch = jnp.broadcast_to(matrix, (outer, size, size))
        product = jnp.matmul(batch, grouped, precision=MATMUL_PRECISION)
    return product.reshape(x.shape)


def apply_window(matrix: Array, planes: Planes, first: int) -> Planes:
    """A matrix (2^k, 2^k), real or complex, on the k sites from `first` on of a state held as two real arrays."""
    real, imag = planes
    cosine = known_after(planes, jnp.asarray(matrix.real, real.dtype))
    if not jnp.iscomplexobj(matrix):
        return apply_real(cosine, real, first), apply_real(cosine, imag, first)
    sine = known_after(planes, jnp.asarray(matrix.imag, real.dtype))
    return (
        apply_real(cosine, real, first) - apply_real(sine, imag, first),
        apply_real(cosine, imag, first) + apply_real(sine, real, first),
    )


def known_after(earlier: Sequence[jax.Array], numbers: jax.Array) -> jax.Array:
    """The numbers, known once the earlier ones are.

    XLA makes ahead what depends on nothing else: the matrices of all products in batches, each as large as a plane.
    """
    first = sum((array.ravel()[0] for array in earlier), jnp.zeros((), numbers.dtype))
    # A zero of either sign: a state that is not finite is not to reach those beside it.
    return numbers + jnp.where(jnp.isnan(first), -0.0, 0.0).astype(numbers.dtype)


def planes_of(psi: Array) -> Planes:
    """The real and the imaginary part of a complex state."""
    psi = jnp.asarray(psi)
    return psi.real, psi.imag

"""Eigenvectors and propagators whose derivatives exist for degenerate levels too."""

from collections.abc import Sequence
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from stochq.arrays import Array, Number, SameArray, is_concrete
from stochq.systems.linear import apply_matrix, multiply, phases


def dagger(matrix: SameArray) -> SameArray:
    """Conjugate transpose of a matrix."""
    return matrix.conj().T


@jax.custom_jvp
def _traced_eigh(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    return tuple(jnp.linalg.eigh(matrix))


@_traced_eigh.defjvp
def _traced_eigh_rule(primals: tuple, tangents: tuple) -> tuple:
    energies, vectors = _traced_eigh(*primals)
    perturbation = multiply(multiply(dagger(vectors), tangents[0]), vectors)
    gaps = energies[None, :] - energies[:, None]
    # Within a degenerate level any basis is as good: what depends on the level as a whole does not see the rotation.
    resolution = 10 * len(energies) * jnp.finfo(energies.dtype).eps * jnp.max(jnp.abs(energies))
    distinct = jnp.abs(gaps) > resolution
    mixing = jnp.where(distinct, perturbation / jnp.where(distinct, gaps, 1), 0)
    return (energies, vectors), (jnp.diagonal(perturbation).real, multiply(vectors, mixing))


def eigh(matrix: Num[Array, "dim dim"]) -> tuple[Num[Array, " dim"], Num[Array, "dim dim"]]:
    """Ascending eigenvalues and eigenvectors (columns) of a Hermitian matrix, in numpy unless it is traced.

    The derivative of the eigenvectors leaves out rotations inside a degenerate level, where none is defined.

    >>> import numpy as np
    >>> eigh(np.diag([2.0, 1.0]))[0].tolist()
    [1.0, 2.0]
    """
    if is_concrete(matrix):
        energies, vectors = np.linalg.eigh(matrix)
        return energies, vectors
    return _traced_eigh(matrix)


def sector_eigh(
    matrix: Num[Array, "dim dim"],
    quantities: Sequence[Num[np.ndarray, " dim"]],
    basis: Array | None = None,
) -> tuple[Num[Array, " dim"], Num[Array, "dim dim"]]:
    """Eigenvectors of a Hermitian matrix in which conserved quantities are sharp, also for degenerate energies.

    Each quantity (dim,) is diagonal in the basis of the matrix and commutes with it; the matrix is diagonalised
    in each joint eigenspace by itself. With `basis` (dim, dim), the eigenvectors are returned as basis @ vectors.

    >>> import numpy as np
    >>> sector_eigh(np.eye(2), [np.array([1.0, -1.0])])[1].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    xp = np if is_concrete(matrix) else jnp
    labels = np.unique(np.round(np.stack(quantities), 9), axis=1, return_inverse=True)[1].ravel()
    groups = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    parts = [eigh(matrix[np.ix_(states, states)]) for states in groups]
    energies = xp.concatenate([values for values, _ in parts])
    # The rows of the block-diagonal matrix are the states group by group; put them back in their own order.
    vectors = _block_diagonal(xp, [block for _, block in parts])[np.argsort(np.concatenate(groups))]
    order = xp.argsort(energies)
    vectors = vectors[:, order]
    if basis is not None:
        vectors = basis @ vectors if xp is np else multiply(basis, vectors)
    return energies[order], vectors


def _block_diagonal(xp: ModuleType, blocks: list[Array]) -> Array:
    size, start, lines = sum(len(block) for block in blocks), 0, []
    for block in blocks:
        lines.append(xp.pad(block, ((0, 0), (start, size - start - len(block)))))
        start += len(block)
    return xp.concatenate(lines)


@jax.custom_jvp
def _exponential(matrix: Array, energies: Array, vectors: Array, dt: Number) -> jax.Array:
    del matrix
    return _conjugate(vectors, phases(energies, dt))


@_exponential.defjvp
def _exponential_rule(primals: tuple, tangents: tuple) -> tuple:
    matrix, energies, vectors, dt = primals
    perturbation = multiply(multiply(dagger(vectors), tangents[0]), vectors)
    mean = (energies[:, None] + energies[None, :]) / 2
    gaps = (energies[:, None] - energies[None, :]) / 2
    divided = -1j * dt * jnp.exp(-1j * mean * dt) * jnp.sinc(gaps * dt / jnp.pi)
    change = apply_matrix(vectors, dagger(apply_matrix(vectors, dagger(divided * perturbation))))
    in_time = _conjugate(vectors, -1j * energies * phases(energies, dt)) * tangents[3]
    return _exponential(matrix, energies, vectors, dt), change + in_time


def _conjugate(vectors: Array, diagonal: Array) -> jax.Array:
    """V diag(d) V^dagger."""
    return dagger(apply_matrix(vectors, dagger(vectors * diagonal[None, :])))


def exponential(
    matrix: Num[Array, "dim dim"], energies: Num[Array, " dim"], vectors: Num[Array, "dim dim"], dt: Number
) -> Num[jax.Array, "dim dim"]:
    """Propagator exp(-i H dt) from the eigenvectors of H.

    $$e^{-iH\\,dt} = V e^{-iE\\,dt} V^\\dagger,\\qquad
      d\\,e^{-iH\\,dt} = V\\left[F\\circ(V^\\dagger\\,dH\\,V)\\right]V^\\dagger,\\quad
      F_{ij} = -i\\,dt\\,e^{-i(E_i+E_j)dt/2}\\,\\mathrm{sinc}\\tfrac{(E_i-E_j)dt}{2}$$

    The derivative is that of the matrix function (Daleckii and Krein 1965), finite for degenerate energies; it is
    taken with respect to `matrix` and `dt`, and the energies and vectors count as functions of the matrix.

    >>> import numpy as np
    >>> bool(np.allclose(exponential(np.eye(2), np.ones(2), np.eye(2), np.pi), -np.eye(2), atol=1e-6))
    True
    """
    matrix, energies, vectors = jnp.asarray(matrix), jnp.asarray(energies), jnp.asarray(vectors)
    return _exponential(matrix, energies, vectors, jnp.asarray(dt, energies.dtype))

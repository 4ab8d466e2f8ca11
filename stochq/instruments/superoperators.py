"""Maps of density matrices as real matrices, in an orthonormal basis of Hermitian matrices."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.measurement.line import WatchedParts


@lru_cache(maxsize=16)
def hermitian_basis(dim: int) -> np.ndarray:
    """G_i (dim², dim, dim) with Tr G_iG_j = δ_ij: E_jj, (E_jk + E_kj)/√2 and i(E_jk − E_kj)/√2."""
    found = []
    for j in range(dim):
        for k in range(j, dim):
            unit = np.zeros((dim, dim), complex)
            unit[j, k] = 1 if j == k else np.sqrt(0.5)
            found += [unit] if j == k else [unit + unit.T, 1j * (unit - unit.T)]
    return np.stack(found)


def coordinates(rho: Array) -> jax.Array:
    """r_i = Tr G_iρ (dim²,) of a density matrix (dim, dim)."""
    return jnp.einsum("iab,ba->i", hermitian_basis(rho.shape[-1]), rho).real


def traces(dim: int) -> np.ndarray:
    """Tr G_i (dim²,): the trace as a row."""
    return np.trace(hermitian_basis(dim), axis1=1, axis2=2).real


def superoperator(images: jax.Array) -> jax.Array:
    """The real matrix (dim², dim²) of a map from its images of the basis, (dim², dim, dim)."""
    return jnp.einsum("iab,jba->ij", hermitian_basis(images.shape[-1]), images).real


def sandwich(left: Array, middle: Array, right: Array) -> jax.Array:
    """Σ_k A_k G_j B_k†, (J, dim, dim), of A, B (K, dim, dim) and G (J, dim, dim)."""
    return jnp.einsum("kab,jbc,kdc->jad", left, middle, jnp.conj(right))


def total_loss(*stacks: Array) -> jax.Array:
    """Σ L†L, (dim, dim), of all operators in stacks (K, dim, dim)."""
    parts = [jnp.einsum("kba,kbc->ac", jnp.conj(jnp.asarray(stack)), stack) for stack in stacks]
    return sum(parts[1:], parts[0])


def lindbladian(parts: WatchedParts) -> jax.Array:
    """The whole generator ℒ, watched, counted and lost operators alike, real (dim², dim²), 1/time."""
    basis = hermitian_basis(parts.hamiltonian.shape[-1])
    stacks = parts.watched, parts.counted, parts.lost
    effective = -1j * jnp.asarray(parts.hamiltonian) - 0.5 * total_loss(*stacks)
    half = jnp.einsum("ab,jbc->jac", effective, basis)
    images = half + jnp.conj(jnp.swapaxes(half, -1, -2))
    return superoperator(images + sum(sandwich(stack, basis, stack) for stack in stacks))


def current_maps(parts: WatchedParts) -> jax.Array:
    """𝓜_kρ = c_kρ + ρc_k†, (K, dim², dim²), 1/√time."""
    return jax.vmap(_current_map)(jnp.asarray(parts.watched))


def _current_map(operator: jax.Array) -> jax.Array:
    half = jnp.einsum("ab,jbc->jac", operator, hermitian_basis(operator.shape[-1]))
    return superoperator(half + jnp.conj(jnp.swapaxes(half, -1, -2)))


def click_maps(parts: WatchedParts) -> jax.Array:
    """𝒥_kρ = L_kρL_k† + d_kρ with the rates d of dark counts, (C, dim², dim²), 1/time."""
    identity = jnp.eye(parts.hamiltonian.shape[-1] ** 2)
    return jax.vmap(lambda one, dark: _click_map(one) + dark * identity)(
        jnp.asarray(parts.counted), jnp.asarray(parts.dark)
    )


def _click_map(operator: jax.Array) -> jax.Array:
    return superoperator(sandwich(operator[None], hermitian_basis(operator.shape[-1]), operator[None]))


# Taylor's series at |X|/2^DOUBLINGS: to rounding for |X| up to some 10⁴.
_ORDER, _DOUBLINGS = 9, 16


def exponential(matrix: Array) -> jax.Array:
    """exp of matrices (..., n, n), differentiable everywhere, by Taylor's series and doubling.

    What is doubled is exp(X) − 1, by E ↦ 2E + E², which keeps its digits however small X is.
    """
    matrix = jnp.asarray(matrix)
    identity = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
    small = matrix / 2**_DOUBLINGS
    inner = identity
    for order in range(_ORDER, 1, -1):
        inner = identity + small @ inner / order
    excess = small @ inner
    excess = jax.lax.fori_loop(0, _DOUBLINGS, lambda _, e: 2 * e + e @ e, excess)
    return identity + excess

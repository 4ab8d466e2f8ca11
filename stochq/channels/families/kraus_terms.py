"""The three parts of K_z (`channels.flows.kraus`) for operators held as matrices or as bands."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.channels.flow import MeanFlow
from stochq.systems.linear import apply_matrix, multiply, scale, shift, times_real

Action = Callable[[jax.Array], jax.Array]
# A quarter step damps by no more than e^-3, or the trace could not be restored in single precision. Levels that decay
# by more in one step are empty in any step that resolves the rates at which jumps happen.
LARGEST_DAMPING = 3.0


class Terms(NamedTuple):
    """K_z = constant + z·linear + z²·square, or the three states that these parts make of ψ, (dim, *columns)."""

    constant: jax.Array
    linear: jax.Array
    square: jax.Array


def dense_terms(matrices: Array, dt: jax.Array, square: bool) -> jax.Array:
    """The parts of K_z for matrices (K, dim, dim), one below the other, (K, 3 dim, dim). square: E z² = 1, not 0."""

    def one(jump: jax.Array) -> jax.Array:
        rates, vectors = jnp.linalg.eigh(multiply(jump.conj().T, jump))
        # The difference from one keeps its own rounding: what is added in each step adds up.
        damping = jnp.minimum(0.25 * dt * rates, LARGEST_DAMPING)
        decay = multiply(vectors * jnp.expm1(-damping)[None, :], vectors.conj().T)
        linear = jnp.sqrt(dt) * _between(decay, jump)
        twice = 0.5 * dt * _between(decay, multiply(jump, jump))
        constant = 2 * decay + multiply(decay, decay) - (twice if square else 0)
        repair = _trace_repair(constant, linear, twice, square)
        whole = constant + jnp.eye(len(jump), dtype=dt.dtype)
        return jnp.concatenate([part + multiply(part, repair) for part in (whole, linear, twice)])

    return jax.vmap(one)(jnp.asarray(matrices))


def _trace_repair(constant: jax.Array, linear: jax.Array, twice: jax.Array, square: bool) -> jax.Array:
    """S^{−1/2} − 1 with S = E K_z†K_z = 1 + O(h³): with it the mean map keeps the trace, and is exactly linear.

    constant: its difference from one.
    """

    def product(a: jax.Array, b: jax.Array) -> jax.Array:
        return multiply(a.conj().T, b)

    fourth, relation = _moments(square)
    mixed = twice + product(constant, twice)
    excess = constant + constant.conj().T + product(constant, constant) + product(linear, linear)
    excess = excess + fourth * product(twice, twice) + relation * (mixed + mixed.conj().T)
    values, vectors = jnp.linalg.eigh(excess)
    return multiply(vectors * jnp.expm1(-0.5 * jnp.log1p(values))[None, :], vectors.conj().T)


def _moments(square: bool) -> tuple[float, float]:
    """E|z|⁴ and E z² of a record with E|z|² = 1."""
    return (3.0, 1.0) if square else (2.0, 0.0)


def mean_of_outcomes(rows: np.ndarray, square: bool) -> MeanFlow:
    """ρ ↦ E K_zρK_z† of one operator from the parts of its K_z, (3 dim, dim)."""
    constant, linear, twice = np.split(np.asarray(rows), 3)
    fourth, relation = _moments(square)

    def mapped(rho: np.ndarray) -> np.ndarray:
        mixed = relation * constant @ rho @ twice.conj().T
        both = constant @ rho @ constant.conj().T + linear @ rho @ linear.conj().T
        return both + fourth * twice @ rho @ twice.conj().T + mixed + relation * twice @ rho @ constant.conj().T

    return mapped


def apply_dense_kraus(rows: jax.Array, psi: jax.Array) -> Terms:
    """What the parts of one operator, (3 dim, dim), make of ψ."""
    dim = psi.shape[0]
    parts = apply_matrix(rows, psi)
    return Terms(parts[:dim], parts[dim : 2 * dim], parts[2 * dim :])


def _between(decay: jax.Array, matrix: jax.Array) -> jax.Array:
    """(1 + decay) matrix (1 + decay)."""
    half = matrix + multiply(decay, matrix)
    return half + multiply(half, decay)


def band_terms(offset: int, bands: Array, dt: jax.Array) -> jax.Array:
    """The parts of K_z for operators of one diagonal each, (K, dim) on `offset`: L†L is diagonal, K_z of three bands.

    Returns (K, 3, dim): the diagonal, that on `offset` and that on twice `offset`, which z² − E z² multiplies.
    E K_z†K_z is diagonal, too, and the trace is repaired as that of dense operators.
    """

    def one(band: jax.Array) -> jax.Array:
        damping = jnp.minimum(0.25 * dt * shift(_square(band), -offset), LARGEST_DAMPING)
        decay = jnp.exp(-damping)
        linear = jnp.sqrt(dt) * decay * band * shift(decay, offset)
        twice = 0.5 * dt * decay * band * shift(band * shift(decay, offset), offset)
        # E|z² − E z²|² = 2 for both laws of the record.
        trace = decay**4 + shift(_square(linear), -offset) + 2 * shift(_square(twice), -2 * offset)
        repair = jax.lax.rsqrt(trace)
        constant = (decay * decay * repair).astype(band.dtype)
        return jnp.stack([constant, linear * shift(repair, offset), twice * shift(repair, 2 * offset)])

    return jax.vmap(one)(jnp.asarray(bands))


def _square(band: jax.Array) -> jax.Array:
    return band.real**2 + band.imag**2


def bands_as_rows(offset: int, bands: np.ndarray, square: bool) -> np.ndarray:
    """The same parts as matrices, one below the other, (3 dim, dim)."""
    dim = bands.shape[1]
    index = np.arange(dim)
    parts = np.zeros((3, dim, dim), np.result_type(bands, np.complex64))
    for part, band, at in zip(parts, bands, (0, offset, 2 * offset), strict=True):
        inside = (index + at >= 0) & (index + at < dim)
        part[index[inside], index[inside] + at] = band[inside]
    if square:
        parts[0] -= parts[2]
    return parts.reshape(3 * dim, dim)


def apply_band_kraus(offset: int, bands: jax.Array, psi: jax.Array, square: bool) -> Terms:
    """What the parts of one operator, (3, dim), make of ψ."""
    twice = scale(bands[2], shift(psi, 2 * offset))
    constant = scale(bands[0].real, psi)
    return Terms(constant - twice if square else constant, scale(bands[1], shift(psi, offset)), twice)


def apply_taylor_kraus(apply: Action, adjoint: Action, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
    """The parts of K_z by the actions of L and L†, their exponentials to second order: three of each.

    Left out is what changes averages in third order only: the decay around L².
    """
    L_psi = apply(psi)
    loss = adjoint(L_psi)
    twice, L_loss = apply(L_psi), apply(loss)
    lost = loss - times_real(0.25 * dt, adjoint(L_loss))
    linear = L_psi - times_real(0.25 * dt, L_loss + adjoint(twice))
    constant = psi - times_real(0.5 * dt, lost + twice if square else lost)
    return Terms(constant, times_real(jnp.sqrt(dt), linear), times_real(0.5 * dt, twice))

"""The three parts of K_z (`channels.kraus`) for operators held as matrices or as bands."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from stochq.channels.kraus import Terms
from stochq.systems.linear import apply_matrix, multiply, scale, shift, times_real

Action = Callable[[jax.Array], jax.Array]


def dense_terms(matrices: Any, dt: jax.Array, square: bool) -> jax.Array:
    """The parts of K_z for matrices (K, dim, dim), one below the other, (K, 3 dim, dim). square: E z² = 1, not 0."""

    def one(jump: jax.Array) -> jax.Array:
        rates, vectors = jnp.linalg.eigh(multiply(jump.conj().T, jump))
        # The difference from one keeps its own rounding: what is added in each step adds up.
        decay = multiply(vectors * jnp.expm1(-0.25 * dt * rates)[None, :], vectors.conj().T)
        linear = jnp.sqrt(dt) * _between(decay, jump)
        twice = 0.5 * dt * _between(decay, multiply(jump, jump))
        constant = 2 * decay + multiply(decay, decay) + jnp.eye(len(jump), dtype=dt.dtype)
        return jnp.concatenate([constant - twice if square else constant, linear, twice])

    return jax.vmap(one)(jnp.asarray(matrices))


def dense_images(rows: jax.Array, psi: jax.Array) -> Terms:
    """What the parts of one operator, (3 dim, dim), make of ψ."""
    dim = psi.shape[0]
    images = apply_matrix(rows, psi)
    return Terms(images[:dim], images[dim : 2 * dim], images[2 * dim :])


def _between(decay: jax.Array, matrix: jax.Array) -> jax.Array:
    """(1 + decay) matrix (1 + decay)."""
    half = matrix + multiply(decay, matrix)
    return half + multiply(half, decay)


def band_terms(offset: int, bands: Any, dt: jax.Array) -> jax.Array:
    """The parts of K_z for operators of one diagonal each, (K, dim) on `offset`: L†L is diagonal, K_z of three bands.

    Returns (K, 3, dim): the diagonal, that on `offset` and that on twice `offset`, which z² − E z² multiplies.
    """

    def one(band: jax.Array) -> jax.Array:
        decay = jnp.exp(-0.25 * dt * shift(band.real**2 + band.imag**2, -offset))
        linear = jnp.sqrt(dt) * decay * band * shift(decay, offset)
        twice = 0.5 * dt * decay * band * shift(band * shift(decay, offset), offset)
        return jnp.stack([(decay * decay).astype(band.dtype), linear, twice])

    return jax.vmap(one)(jnp.asarray(bands))


def band_images(offset: int, bands: jax.Array, psi: jax.Array, square: bool) -> Terms:
    """What the parts of one operator, (3, dim), make of ψ."""
    twice = scale(bands[2], shift(psi, 2 * offset))
    constant = scale(bands[0].real, psi)
    return Terms(constant - twice if square else constant, scale(bands[1], shift(psi, offset)), twice)


def taylor_images(apply: Action, adjoint: Action, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
    """The parts of K_z by the actions of L and L†, their exponentials to second order: three of each.

    Left out is what changes averages in third order only: the decay around L².
    """
    image = apply(psi)
    loss = adjoint(image)
    twice, lost_image = apply(image), apply(loss)
    lost = loss - times_real(0.25 * dt, adjoint(lost_image))
    linear = image - times_real(0.25 * dt, lost_image + adjoint(twice))
    constant = psi - times_real(0.5 * dt, lost + twice if square else lost)
    return Terms(constant, times_real(jnp.sqrt(dt), linear), times_real(0.5 * dt, twice))

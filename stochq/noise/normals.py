"""Uniform and normal variates from 32-bit words.

Box and Muller's transform with the angle a = 2πv, |v| <= 1/2, through the half angle:
sin a = 2 s c, cos a = 1 - 2 s², where s = sin πv and c = cos πv are short polynomials in v².
XLA vectorises these; its own sin and cos reduce the argument first and cost several times more.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.noise.phases import polynomial
from stochq.noise.roots import root

# Chebyshev interpolants on v² in [0, 1/4]; largest errors 7e-9 (sine) and 3e-10 (cosine), below single rounding.
_SINE = (3.141592640077, -5.167710076668, 2.550077386529, -0.598290411285, 0.077655912281)
_COSINE = (0.999999999779, -4.934802136929, 4.058709154763, -1.335211949393, 0.234937068603, -0.02439593211)


def uniform(word: jax.Array, dtype: np.dtype) -> jax.Array:
    """A uniform variate in (0, 1], fine-grained near zero, from one 32-bit word."""
    # The top 31 bits as a signed integer: processors convert signed integers in one instruction.
    integer = (word >> np.uint32(1)).astype(jnp.int32)
    return integer.astype(dtype) * np.asarray(2.0**-31, dtype) + np.asarray(2.0**-32, dtype)


def sine_cosine(turn: jax.Array) -> tuple[jax.Array, jax.Array]:
    """sin 2πv and cos 2πv of v from −1/2 to 1/2."""
    if turn.dtype == np.float64:
        return jnp.sin(2 * np.pi * turn), jnp.cos(2 * np.pi * turn)
    square = turn * turn
    half_sine = turn * polynomial(_SINE, square)
    half_cosine = polynomial(_COSINE, square)
    return 2 * half_sine * half_cosine, 1 - 2 * half_sine * half_sine


def normal_pair(word_0: jax.Array, word_1: jax.Array, dtype: np.dtype) -> tuple[jax.Array, jax.Array]:
    """Two independent standard normals from two independent 32-bit words.

    >>> import jax.numpy as jnp
    >>> z0, z1 = normal_pair(jnp.uint32(2**31), jnp.uint32(0), jnp.float32)
    >>> round(float(z0), 4), round(float(z1), 4)
    (0.0, 1.1774)
    """
    radius = jnp.sqrt(-2 * jnp.log(uniform(word_0, dtype)))
    sine, cosine = sine_cosine(lax.bitcast_convert_type(word_1, jnp.int32).astype(dtype) * np.asarray(2.0**-32, dtype))
    return radius * sine, radius * cosine


def correlated(normals: jax.Array, variance: jax.Array, relation: jax.Array | None) -> jax.Array:
    r"""Complex Gaussians with E|η|² = V = variance and E[η²] = S = relation, |S| <= V.

    $$\eta = \sqrt{q/2}\,(z + S\bar z/2q), \qquad 2q = V + \sqrt{V^2-|S|^2}$$

    normals: z, complex with independent unit real and imaginary parts. No relation: circular. This is the symmetric
    root of the covariance, the only one that is smooth in the state: a triangular one divides by one part's variance.
    """
    if relation is None:
        scale = root(0.5 * variance)
        return lax.complex(scale * normals.real, scale * normals.imag)
    limits, square = jnp.finfo(variance.dtype), variance * variance
    # Below rounding V² − |S|² means nothing; its floor keeps the slope of the root finite.
    gap = square - (relation.real * relation.real + relation.imag * relation.imag)
    scale = root(0.25 * (variance + root(jnp.maximum(gap, limits.eps * square))))
    present = scale > np.sqrt(limits.tiny)
    share = jnp.where(present, 0.25 / jnp.where(present, scale, 1), 0)
    real, imaginary = share * relation.real, share * relation.imag
    return lax.complex(
        (scale + real) * normals.real + imaginary * normals.imag,
        imaginary * normals.real + (scale - real) * normals.imag,
    )

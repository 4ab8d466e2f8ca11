"""Traces by random vectors, and their standard errors."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.noise.counter import seed_words
from stochq.noise.normals import normal_pair
from stochq.noise.threefry import threefry

# Tells the words of these vectors from those that trajectories of the same seed draw.
_KEY = np.array([0x7261CE5, 0x51A7E5], np.uint32)


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: Any
    stderr: float

    def __str__(self) -> str:
        return f"{self.value:.6g} ± {self.stderr:.2g}"


def random_vectors(seed: int, dim: int, first: int, count: int, dtype: np.dtype) -> jax.Array:
    """Vectors number first, first + 1, … as columns (dim, count): complex normals with E|r_i|² = 1.

    Each depends on the seed and its number alone. dtype: complex64 or complex128.
    """
    states = jnp.broadcast_to(jnp.arange(dim, dtype=jnp.uint32)[:, None], (dim, count))
    numbers = jnp.broadcast_to(jnp.arange(first, first + count, dtype=jnp.uint32), (dim, count))
    word_0, word_1 = threefry(jnp.asarray(seed_words(seed) ^ _KEY), states, numbers)
    real = jnp.finfo(dtype).dtype
    scale = np.asarray(np.sqrt(0.5), real)
    real_part, imaginary_part = normal_pair(word_0, word_1, real)
    return jax.lax.complex(scale * real_part, scale * imaginary_part)


def inner(bra: Array, ket: Array) -> np.ndarray:
    """The real parts of ⟨bra|ket⟩ of each pair of columns, summed in double precision."""
    bra, ket = np.asarray(bra), np.asarray(ket)
    return np.asarray(np.sum(bra.real * ket.real + bra.imag * ket.imag, axis=0, dtype=np.float64))

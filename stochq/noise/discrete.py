r"""Increments that take few values but have the moments of Gaussian ones up to the fifth or the seventh.

Five decide the weak order, 2, of averages, linear or not (Kloeden and Platen, *Numerical Solution of Stochastic
Differential Equations*, chapter 14). Seven make the leading error that of Gaussian increments, too: then the sum of two
increments errs as one of twice the variance does, and a pilot run on a shared path sees the whole of it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Points(NamedTuple):
    """The values of one increment of unit variance, (n,), and their chances, (n,)."""

    values: np.ndarray
    chances: np.ndarray


def _hermite() -> Points:
    values, weights = np.polynomial.hermite_e.hermegauss(4)
    return Points(values, weights / weights.sum())


def _stroud() -> Points:
    """Stroud and Secrest's formula of degree 7 for the plane, opposite values opposite each other in the list, so that
    an antithetic uniform number tends to draw −z."""
    corner = np.exp(0.25j * np.pi)
    radii = np.sqrt((9 + 3 * np.sqrt(5)) / 4), np.sqrt(3), np.sqrt((9 - 3 * np.sqrt(5)) / 4)
    half = np.array([radii[0] * corner, 1j * radii[0] * corner, radii[1], 1j * radii[1]])
    half = np.append(half, [radii[2] * corner, 1j * radii[2] * corner])
    chances = np.repeat([(5 - 2 * np.sqrt(5)) / 45, 1 / 36, (5 + 2 * np.sqrt(5)) / 45], 2)
    return Points(np.concatenate([-half, half[::-1]]), np.concatenate([chances, chances[::-1]]))


# Gauss and Hermite's four values: E z² = 1, E z⁴ = 3, E z⁶ = 15; the odd moments vanish.
REAL = _hermite()
# E|z|² = 1, E|z|⁴ = 2, E|z|⁶ = 6; no moments E z^m z̄^n with m ≠ n up to the seventh.
COMPLEX = _stroud()
# As a Gaussian to the fifth moment, with chances that are eighths: E z² = 1 and E z⁴ = 3 give both values.
_OUTER, _INNER = np.sqrt(1 + np.sqrt(6)), np.sqrt(1 - np.sqrt(2 / 3))
DYADIC = Points(np.array([-_OUTER, -_INNER, _INNER, _OUTER]), np.array([1, 3, 3, 1]) / 8)
# The cells of an eighth each from which on the second, third and fourth value is taken.
DYADIC_BOUNDS = (1, 4, 7)

# Of a cell.
BITS = 3
CELLS = 2**BITS
PER_WORD = 32 // BITS
# Bits that a number in (0, 1] has at least.
MARK_BITS = 23


def dyadic_words(count: int, marked: bool) -> int:
    """Words that hold `count` cells of an eighth and, if marked, one uniform number."""
    full = -(-count // PER_WORD)
    return full + (marked and not _spare(count))


def _spare(count: int) -> int:
    """Bits that the last word of `count` cells has left, 0 where they are too few for a number."""
    left = 32 - BITS * (count - (-(-count // PER_WORD) - 1) * PER_WORD)
    return left if left >= MARK_BITS else 0


def cells(words: jax.Array, count: int) -> jax.Array:
    """Whole numbers 0 .. 7, (count, *columns), from words (w, *columns)."""
    shifts = BITS * np.arange(min(count, PER_WORD), dtype=np.uint32)
    trailing = (1,) * (words.ndim - 1)
    full = words[: -(-count // PER_WORD), None] >> jnp.asarray(shifts).reshape(1, -1, *trailing)
    return (full & np.uint32(7)).astype(jnp.int32).reshape(-1, *words.shape[1:])[:count]


def mark(words: jax.Array, count: int, dtype: np.dtype) -> jax.Array:
    """The uniform number in (0, 1], (*columns), beside `count` cells."""
    left = _spare(count) or 32
    # The top bits as a signed integer: processors convert signed integers in one instruction.
    integer = (words[-1] >> np.uint32(max(32 - left, 1))).astype(jnp.int32)
    bits = min(left, 31)
    return integer.astype(dtype) * np.asarray(2.0**-bits, dtype) + np.asarray(2.0 ** -(bits + 1), dtype)


def dyadic_normals(words: jax.Array, count: int, dtype: np.dtype) -> jax.Array:
    """Values of `DYADIC`, (count, *columns), from words (halves, w, *columns); two halves add up to unit size."""
    parts = [_dyadic(cells(half, count), dtype) for half in words]
    return sum(parts[1:], parts[0]) * np.asarray(1 / np.sqrt(len(words)), dtype)


def _dyadic(cell: jax.Array, dtype: np.dtype) -> jax.Array:
    size = jnp.where((cell == 0) | (cell == 7), np.asarray(_OUTER, dtype), np.asarray(_INNER, dtype))
    return jnp.where(cell > 3, size, -size)

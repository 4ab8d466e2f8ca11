"""Hermite's polynomials of what was written down, and products of them for several columns."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.instruments.instrument import Written

# How often each column's variable occurs in a word: one number for each column, diffusive ones first.
Powers = tuple[tuple[int, ...], ...]


def hermite(x: Array, count: int) -> list[jax.Array]:
    """He_0 … He_{count−1}, the probabilists': He_{n+1} = x He_n − n He_{n−1}."""
    found = [jnp.ones_like(x), x]
    for n in range(1, count - 1):
        found.append(x * found[-1] - n * found[-2])
    return found[:count]


def powers_up_to(columns: int, degree: int) -> Powers:
    """All powers of so many variables with a sum of at most `degree`, the lowest first.

    >>> powers_up_to(2, 1)
    ((0, 0), (0, 1), (1, 0))
    """
    every = (p for p in product(range(degree + 1), repeat=columns) if sum(p) <= degree)
    return tuple(sorted(every, key=lambda p: (sum(p), p)))


def polynomials(written: Written, lengths: jax.Array, powers: Powers) -> jax.Array:
    """Π_k He_{n_k}(y_k/√h) · Π_c [clicks_c = n_c] for each of the powers n, (powers, T, R).

    lengths: (T,) of the bins.
    """
    x = written.current / jnp.sqrt(lengths)[:, None, None]
    diffusive = x.shape[1]
    exponents = np.asarray(powers, int).reshape(len(powers), -1)
    product = jnp.ones((1, x.shape[0], x.shape[-1]))
    for column, numbers in enumerate(exponents.T):
        count = numbers.max() + 1
        if column < diffusive:
            factors = jnp.stack(hermite(x[:, column], count))
        else:
            clicks = written.clicks[:, column - diffusive]
            factors = jnp.where(clicks[None] == np.arange(count)[:, None, None], 1.0, 0.0)
        # One column has all of its polynomials in their order.
        product = product * (factors if np.array_equal(numbers, np.arange(count)) else factors[numbers])
    return product

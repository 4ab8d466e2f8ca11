"""Hermite's polynomials of what was written down, and products of them for several columns."""

from itertools import product

import jax
import jax.numpy as jnp

from stochq.arrays import Array
from stochq.inference.likelihood.instrument import Written

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
    diffusive, counters = written.current.shape[1], written.clicks.shape[1]
    x = written.current / jnp.sqrt(lengths)[:, None, None]
    columns = []
    for k in range(diffusive):
        columns.append(hermite(x[:, k], max(p[k] for p in powers) + 1))
    for c in range(counters):
        most = max(p[diffusive + c] for p in powers)
        columns.append([jnp.where(written.clicks[:, c] == n, 1.0, 0.0) for n in range(most + 1)])
    rows = []
    for power in powers:
        factors = [column[n] for column, n in zip(columns, power, strict=True)]
        row = factors[0] if factors else jnp.ones((x.shape[0], x.shape[-1]))
        for factor in factors[1:]:
            row = row * factor
        rows.append(row)
    return jnp.stack(rows)

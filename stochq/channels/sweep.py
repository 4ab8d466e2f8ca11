"""The sweep over target levels: thermalizing transitions at weak order 2 and O(dim) (PHYSICS.md §1).

The generator is a sum over the target level μ. In the sub-step of μ every other component only changes by a common
factor, so ψ is kept unnormalised with N = Σ|ψ|² and S = Σψ² carried along. With x = ψ_μ, n = N − |x|², s = S − x²,
the real-noise sub-step is dx = A[2x|x|² + x*s + xn]/(|x|²+n) dt + √A[x dW + dζ], E|dζ|² = n dt, E[dζ²] = s dt.
"""

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.channel import normalized, populations
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.linear import level_sum


def sweep(
    rates: jax.Array, dt: jax.Array, psi: jax.Array, normals: jax.Array, law: str, reverse: bool
) -> jax.Array:
    """One normalised sweep of length dt over all levels, upwards or (reverse) downwards.

    rates: A_μ, (dim,); psi: (dim, *columns). normals: complex, (2·dim, *columns) for real noise, (3·dim, *columns)
    for complex noise.
    """
    dim = psi.shape[0]
    level = _real_level if law == "real" else _complex_level
    rows = tuple(normals[k * dim : (k + 1) * dim] for k in range(normals.shape[0] // dim))

    def visit(carry: tuple[jax.Array, jax.Array], row: tuple) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        norm, square = carry
        rate, x, draws = row
        others, others_square = norm - populations(x), square - x * x
        x = level(x, jnp.maximum(others, 0.0), others_square, rate * dt, draws)
        return (others + populations(x), others_square + x * x), x

    start = (level_sum(populations(psi))[0], level_sum(psi * psi)[0])
    _, psi = lax.scan(visit, start, (jnp.asarray(rates), psi, rows), reverse=reverse)
    return normalized(psi)


def _real_level(x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple) -> jax.Array:
    """Half drift, half geometric noise, the additive noise, half geometric noise, half drift; h = A dt."""

    def drift(x: jax.Array) -> jax.Array:
        weight = populations(x)
        return (x * (2 * weight + n) + x.conj() * s) / (weight + n)

    def half_drift(x: jax.Array) -> jax.Array:
        return x + 0.5 * h * drift(x + 0.25 * h * drift(x))

    geometric, additive = draws
    scale = root(0.5 * h)
    x = half_drift(x) * jnp.exp(scale * geometric.real - 0.25 * h)
    x = x + root(h) * correlated(additive, n, s)
    return half_drift(x * jnp.exp(scale * geometric.imag - 0.25 * h))


def _complex_level(x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple) -> jax.Array:
    """The same palindrome for complex noise, whose drift A x is exact and whose ζ is circular."""
    first, additive, second = draws
    scale = root(0.25 * h)
    x = x * jnp.exp(0.5 * h + scale * first)
    x = x + root(0.5 * h * n) * additive
    return x * jnp.exp(0.5 * h + scale * second)

"""The sweep over target levels: thermalizing transitions at weak order 2 and O(dim) (PHYSICS.md §1).

The generator is a sum over the target level μ. In the sub-step of μ every other component only changes by a common
factor, so ψ is kept unnormalised with N = Σ|ψ|² and S = Σψ² carried along. With x = ψ_μ, n = N − |x|², s = S − x²,
the real-noise sub-step is dx = A[2x|x|² + x*s + xn]/(|x|²+n) dt + √A[x dW + dζ], E|dζ|² = n dt, E[dζ²] = s dt.
"""

import jax
import jax.numpy as jnp
from jax import lax

from stochq.noise.normals import correlated


def sweep(
    rates: jax.Array, dt: jax.Array, psi: jax.Array, normals: jax.Array, law: str, reverse: bool
) -> jax.Array:
    """One normalised sweep of length dt over all levels, upwards or (reverse) downwards.

    rates: A_μ, (dim,). normals: complex, (2·dim,) for real noise, (3·dim,) for complex noise.
    """
    dim = psi.shape[0]
    level = _real_level if law == "real" else _complex_level
    rows = tuple(normals[k * dim : (k + 1) * dim] for k in range(normals.shape[0] // dim))

    def visit(carry: tuple[jax.Array, jax.Array], row: tuple) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        norm, square = carry
        rate, x, draws = row
        others, others_square = norm - _abs2(x), square - x * x
        x = level(x, jnp.maximum(others, 0.0), others_square, rate * dt, draws)
        return (others + _abs2(x), others_square + x * x), x

    start = (jnp.sum(_abs2(psi)), jnp.sum(psi * psi))
    _, psi = lax.scan(visit, start, (jnp.asarray(rates), psi, rows), reverse=reverse)
    return psi * lax.rsqrt(jnp.sum(_abs2(psi)))


def _abs2(x: jax.Array) -> jax.Array:
    return x.real**2 + x.imag**2


def _real_level(x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple) -> jax.Array:
    """Half drift, half geometric noise, the additive noise, half geometric noise, half drift; h = A dt."""

    def drift(x: jax.Array) -> jax.Array:
        weight = _abs2(x)
        return (x * (2 * weight + n) + x.conj() * s) / (weight + n)

    def half_drift(x: jax.Array) -> jax.Array:
        return x + 0.5 * h * drift(x + 0.25 * h * drift(x))

    geometric, additive = draws
    scale = jnp.sqrt(0.5 * h)
    x = half_drift(x) * jnp.exp(scale * geometric.real - 0.25 * h)
    x = x + jnp.sqrt(h) * correlated(additive, n, s)
    return half_drift(x * jnp.exp(scale * geometric.imag - 0.25 * h))


def _complex_level(x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple) -> jax.Array:
    """The same palindrome for complex noise, whose drift A x is exact and whose ζ is circular."""
    first, additive, second = draws
    scale = jnp.sqrt(0.25 * h)
    x = x * jnp.exp(0.5 * h + scale * first)
    x = x + jnp.sqrt(0.5 * h * n) * additive
    return x * jnp.exp(0.5 * h + scale * second)

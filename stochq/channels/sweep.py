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
from stochq.systems.linear import level_sum, times_real


def sweep(rates: jax.Array, dt: jax.Array, psi: jax.Array, normals: jax.Array, law: str, reverse: bool) -> jax.Array:
    """One normalised sweep of length dt over all levels, upwards or (reverse) downwards.

    rates: A_μ, (dim,); psi: (dim, *columns). normals: complex, (2·dim, *columns) for real noise, (3·dim, *columns)
    for complex noise.
    """
    dim = psi.shape[0]
    # Checkpointed, since a gradient through the stored intermediate values compiles and runs more slowly.
    level = jax.checkpoint(_real_level if law == "real" else _complex_level)
    rows = tuple(normals[k * dim : (k + 1) * dim] for k in range(normals.shape[0] // dim))

    # The sums without the last visited level are carried, and that level itself: were N and S carried, XLA would
    # evaluate the whole sub-step once for each of them.
    def visit(carry: tuple[jax.Array, ...], row: tuple) -> tuple[tuple[jax.Array, ...], jax.Array]:
        n, s, visited = carry
        rate, x, draws = row
        n = jnp.maximum(n + populations(visited) - populations(x), 0.0)
        s = s + visited * visited - x * x
        x = level(x, n, s, rate * dt, draws)
        return (n, s, x), x

    start = (level_sum(populations(psi))[0], level_sum(psi * psi)[0], jnp.zeros_like(psi[0]))
    _, psi = lax.scan(visit, start, (jnp.asarray(rates), psi, rows), reverse=reverse)
    return normalized(psi)


def _real_level(x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple) -> jax.Array:
    """Half drift, half geometric noise, the additive noise, half geometric noise, half drift; h = A dt."""

    def drift(x: jax.Array) -> jax.Array:
        weight = populations(x)
        share = 1 / (weight + n)
        return times_real((2 * weight + n) * share, x) + times_real(share, x.conj() * s)

    def half_drift(x: jax.Array) -> jax.Array:
        return x + times_real(0.5 * h, drift(x + times_real(0.25 * h, drift(x))))

    geometric, additive = draws
    scale = root(0.5 * h)
    x = times_real(jnp.exp(scale * geometric.real - 0.25 * h), half_drift(x))
    x = x + times_real(root(h), correlated(additive, n, s))
    return half_drift(times_real(jnp.exp(scale * geometric.imag - 0.25 * h), x))


def _complex_level(x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple) -> jax.Array:
    """The same palindrome for complex noise, whose drift A x is exact and whose ζ is circular."""
    first, additive, second = draws
    scale = root(0.25 * h)
    x = x * jnp.exp(0.5 * h + times_real(scale, first))
    x = x + times_real(root(0.5 * h * n), additive)
    return x * jnp.exp(0.5 * h + times_real(scale, second))

"""The sweep over target levels for any rates J_μν: weak order 2 at O(dim²) (PHYSICS.md §1).

In the sub-step of μ, with the operators √J_μν |μ⟩⟨ν|, a level ν ≠ μ only decays, at ½J_μν. With x = ψ_μ,
n = Σ_{ν≠μ} J_μν|ψ_ν|² and s = Σ_{ν≠μ} J_μν ψ_ν²,

    dx = [2J_μμ x|x|² + x*s + xn]/|ψ|² dt − ½J_μμ x dt + √J_μμ x dW + dζ,  E|dζ|² = n dt, E[dζ²] = s dt.

Where J_μν does not depend on ν all levels decay alike, and the sweep at O(dim) does the same with less.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.channel import normalized, populations
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.linear import column, level_sum, times_real


def sweep_matrix(
    rates: jax.Array, dt: jax.Array, psi: jax.Array, normals: jax.Array, law: str, reverse: bool
) -> jax.Array:
    """One normalised sweep of length dt over all levels, upwards or (reverse) downwards.

    rates: J, (dim, dim); psi: (dim, *columns); normals as in `sweep`.
    """
    dim = psi.shape[0]
    level = _real_level if law == "real" else _complex_level
    rows = tuple(normals[k * dim : (k + 1) * dim] for k in range(normals.shape[0] // dim))

    def visit(psi: jax.Array, row: tuple) -> tuple[jax.Array, None]:
        index, rate, draws = row
        # Half of the decay before and half after: the sub-step stays a palindrome.
        decay = column(jnp.exp(-0.25 * dt * rate), psi)
        psi = times_real(decay, psi)
        x = psi[index]
        outside = rate.at[index].set(0)
        probability = populations(psi)
        n = level_sum(column(outside, psi) * probability)[0]
        s = level_sum(times_real(column(outside, psi), psi * psi))[0] if law == "real" else None
        rest = jnp.maximum(level_sum(probability)[0] - populations(x), 0)
        x = level(x, n, s, rest, rate[index], dt, draws)
        return times_real(decay, psi.at[index].set(x)), None

    matrix = jnp.asarray(rates)
    psi, _ = lax.scan(visit, psi, (jnp.arange(dim), matrix, rows), reverse=reverse)
    return normalized(psi)


def _real_level(
    x: jax.Array, n: jax.Array, s: Any, rest: jax.Array, own: jax.Array, dt: jax.Array, draws: tuple
) -> jax.Array:
    """Half drift, half geometric noise, the additive noise, half geometric noise, half drift. own: J_μμ."""

    def drift(x: jax.Array) -> jax.Array:
        weight = populations(x)
        share = 1 / (weight + rest)
        return times_real((2 * own * weight + n) * share, x) + times_real(share, x.conj() * s)

    def half_drift(x: jax.Array) -> jax.Array:
        return x + times_real(0.5 * dt, drift(x + times_real(0.25 * dt, drift(x))))

    geometric, additive = draws
    h = own * dt
    scale = root(0.5 * h)
    x = times_real(jnp.exp(scale * geometric.real - 0.25 * h), half_drift(x))
    x = x + times_real(jnp.sqrt(dt), correlated(additive, n, s))
    return half_drift(times_real(jnp.exp(scale * geometric.imag - 0.25 * h), x))


def _complex_level(
    x: jax.Array, n: jax.Array, s: Any, rest: jax.Array, own: jax.Array, dt: jax.Array, draws: tuple
) -> jax.Array:
    """The same for complex noise: the drift is [J_μμ|x|² + n]/|ψ|² x, and ζ is circular."""

    def rate(x: jax.Array) -> jax.Array:
        weight = populations(x)
        return (own * weight + n) / (weight + rest)

    def half_drift(x: jax.Array) -> jax.Array:
        # The midpoint rule in ln x, exact where the rate does not change.
        middle = times_real(jnp.exp(0.25 * dt * rate(x)), x)
        return times_real(jnp.exp(0.5 * dt * rate(middle)), x)

    first, additive, second = draws
    scale = root(0.25 * own * dt)
    x = half_drift(x) * jnp.exp(times_real(scale, first))
    x = x + times_real(root(0.5 * dt * n), additive)
    return half_drift(x * jnp.exp(times_real(scale, second)))

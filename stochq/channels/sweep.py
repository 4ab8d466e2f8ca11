"""Transitions at O(dim) per step where the rate J_μν = A_μ does not depend on the level left behind: one sweep.

The generator is a sum over the target level μ, and the operators of one level are solved exactly in law (`arrivals`).
One sweep visits all levels, each trajectory at random upwards or downwards: of weak order 2. ψ is kept unnormalised:
in the sub-step of μ all other components change by a common factor, so that N = Σ|ψ|² and S = Σψ² are carried along.

The last level visited would keep more than its share. The rates of the visits make up for it, so that after any dt

$$E|\\psi_\\mu|^2 = e^{-a\\,dt}|\\psi_\\mu|^2 + (1-e^{-a\\,dt})A_\\mu/a, \\qquad a = \\sum_\\mu A_\\mu:$$

the mean of every operator is exact, whatever the step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.arrivals import arrival, collapse, collapse_factor
from stochq.channels.channel import normalized, populations
from stochq.noise import StepNoise
from stochq.systems.linear import level_sum, times_real


def sweep(rates: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: str) -> jax.Array:
    """One normalised sweep of length dt over all levels, upwards or downwards.

    rates: A_μ, (dim,); psi: (dim, *columns). noise: as `Transitions.flow_budget` says.
    """
    dim, down = psi.shape[0], noise.uniforms[0] < 0.5
    durations, draws = visit_durations(jnp.asarray(rates), dt), LevelNoise.of(noise)

    # The sums without the last visited level are carried, and that level itself: were N and S carried, XLA would
    # evaluate the whole sub-step once for each of them.
    def visit(carry: tuple[jax.Array, ...], row: tuple) -> tuple[tuple[jax.Array, ...], jax.Array]:
        n, s, visited = carry
        index, x, (up_h, down_h) = row
        n = jnp.maximum(n + populations(visited) - populations(x), 0.0)
        s = s + visited * visited - x * x
        x = _level(x, n, s, jnp.where(down, down_h, up_h), draws.of_level(index, law), down, law)
        return (n, s, x), x

    ordered = jnp.where(down, psi[::-1], psi)
    start = (level_sum(populations(psi))[0], level_sum(psi * psi)[0], jnp.zeros_like(psi[0]))
    _, ordered = lax.scan(visit, start, (jnp.arange(dim), ordered, durations))
    return normalized(jnp.where(down, ordered[::-1], ordered))


class LevelNoise(NamedTuple):
    """Normals of the levels' own collapse, (dim, *columns) complex, or for real noise two levels in one number;
    complex normals of the arrivals and pairs of uniforms, (dim, *columns)."""

    collapsing: jax.Array
    arriving: jax.Array
    uniforms: jax.Array

    @staticmethod
    def of(noise: StepNoise) -> "LevelNoise":
        dim = noise.uniform_pairs.shape[0]
        return LevelNoise(noise.pairs[dim:], noise.pairs[:dim], noise.uniform_pairs)

    def of_level(self, index: jax.Array, law: str) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The numbers of the level visited as number `index`."""
        if law == "real":
            both = self.collapsing[index // 2]
            return jnp.where(index % 2 == 0, both.real, both.imag), self.arriving[index], self.uniforms[index]
        return self.collapsing[index], self.arriving[index], self.uniforms[index]


def visit_durations(rates: jax.Array, dt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A'_μ dt of the visits upwards, in the order of the levels, and downwards, in the opposite one: (dim,) each.

    A visit replaces the share 1 − exp(−A'_μ dt) of all populations by the level's own. What it keeps of that to the
    end of the sweep is to be (1 − e^{−a dt})A_μ/a.
    """
    total = jnp.sum(rates) * dt
    share = -jnp.expm1(-total) / jnp.where(total > 0, total, 1)
    return tuple(_in_order(kept * share * dt) for kept in (rates, rates[::-1]))  # type: ignore[return-value]


def _in_order(kept: jax.Array) -> jax.Array:
    later = jnp.cumsum(kept[::-1])[::-1] - kept
    return -jnp.log1p(-kept / (1 - later))


def _level(
    x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array, draws: tuple, late: jax.Array, law: str
) -> jax.Array:
    """One visit of h = A'_μ dt. The others hold n and would decay by exp(−h/2): x grows instead.

    late: whether the collapse follows the arrivals; downwards it does, so that the two directions mirror each other.
    """
    collapsing, arriving, uniforms = draws
    factor = collapse_factor(h, collapsing, law)
    early, unused = collapse(x, n, h, factor, uniforms.imag, law)
    x, unused = jnp.where(late, x, early), jnp.where(late, uniforms.imag, unused)
    x, gained = times_real(jnp.exp(0.5 * h), x), jnp.expm1(h)
    relation = times_real(gained, s) if law == "real" else None
    change, unused = arrival(x, gained * n, relation, n, arriving, (uniforms.real, unused))
    x = x + change
    return jnp.where(late, collapse(x, n, h, factor, unused, law)[0], x)

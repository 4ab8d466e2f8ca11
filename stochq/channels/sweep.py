"""Transitions at O(dim) per step where the rate J_μν = A_μ does not depend on the level left behind: one sweep.

The generator is a sum over the target level μ, and the operators of one level are solved exactly in law (`arrivals`).
One sweep visits all levels, each trajectory at random upwards or downwards: of weak order 2. ψ is kept unnormalised:
in the sub-step of μ all other components change by a common factor, so that N = Σ|ψ|² and S = Σψ² are carried along.

The last level visited would keep more than its share. The rates of the visits make up for it, so that after any dt

$$E|\\psi_\\mu|^2 = e^{-a\\,dt}|\\psi_\\mu|^2 + (1-e^{-a\\,dt})A_\\mu/a, \\qquad a = \\sum_\\mu A_\\mu:$$

the mean of every operator is exact, whatever the step.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.arrivals import arrival, collapse, collapse_factor
from stochq.channels.channel import populations
from stochq.compiling import in_one_piece
from stochq.noise import StepNoise
from stochq.systems.linear import times_real

# (index of the visit, ψ of the level, |ψ|² and ψ² summed over all others, duration) -> ψ of the level.
Visit = Callable[[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


def sweep(durations: tuple[jax.Array, jax.Array], psi: jax.Array, down: jax.Array, visit: Visit) -> jax.Array:
    """One normalised sweep over all levels.

    durations: from `visit_durations`; psi: (dim, *columns); down: which columns go downwards.
    """

    # The sums without the last visited level are carried, and that level itself: were N and S carried, XLA would
    # evaluate the whole sub-step once for each of them.
    def visit_next(carry: tuple[jax.Array, ...], row: tuple) -> tuple[tuple[jax.Array, ...], jax.Array]:
        n, s, visited = carry
        index, x, (up_h, down_h) = row
        n = jnp.maximum(n + populations(visited) - populations(x), 0.0)
        s = s + visited * visited - x * x
        x = visit(index, x, n, s, jnp.where(down, down_h, up_h))
        return (n, s, x), x

    def add(sums: tuple[jax.Array, ...], x: jax.Array) -> tuple[tuple[jax.Array, ...], None]:
        return (sums[0] + populations(x), sums[1] + x * x), None

    def visit_all(ordered: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        zero = jnp.zeros_like(ordered[0])
        (n, s), _ = lax.scan(add, (zero.real, zero), ordered)
        (n, _, last), after = lax.scan(visit_next, (n, s, zero), (jnp.arange(len(ordered)), ordered, durations))
        return n, last, after

    n, last, ordered = in_one_piece(visit_all, jnp.where(down, psi[::-1], psi))
    return times_real(lax.rsqrt(n + populations(last))[None], jnp.where(down, ordered[::-1], ordered))


def downwards(noise: StepNoise) -> jax.Array:
    """Which columns sweep downwards."""
    return noise.uniforms[0] < 0.5


class LevelNoise(NamedTuple):
    """Normals of the levels' own collapse, (dim, *columns) complex, or for real noise two levels in one number;
    complex normals of the arrivals and pairs of uniforms, (dim, *columns); sign: of the collapse, (*columns).

    Downwards the collapse takes its numbers with the opposite sign. Antithetic noise then makes, level by level from
    the other end, the same moves: an image whose energy is as opposite as can be.
    """

    collapsing: jax.Array
    arriving: jax.Array
    uniforms: jax.Array
    sign: jax.Array

    @staticmethod
    def of(noise: StepNoise) -> "LevelNoise":
        dim = noise.uniform_pairs.shape[0]
        sign = jnp.where(downwards(noise), -1, 1).astype(noise.uniforms.dtype)
        return LevelNoise(noise.pairs[dim:], noise.pairs[:dim], noise.uniform_pairs, sign)

    def of_level(self, index: jax.Array, law: str) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The numbers of the level visited as number `index`."""
        collapsing = self.collapsing[index // 2 if law == "real" else index]
        if law == "real":
            collapsing = jnp.where(index % 2 == 0, collapsing.real, collapsing.imag)
        return times_real(self.sign, collapsing), self.arriving[index], self.uniforms[index]


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


def gaussian_visits(noise: StepNoise, law: str) -> Visit:
    """Visits by Gaussian noise, each exact in law. noise: as `Transitions.flow_budget` says.

    The others would decay by exp(−h/2): the visited level grows instead.
    """
    levels, down = LevelNoise.of(noise), downwards(noise)

    def visit(index: jax.Array, x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array) -> jax.Array:
        collapsing, arriving, uniforms = levels.of_level(index, law)
        factor = collapse_factor(h, collapsing, law)
        early, unused = collapse(x, n, h, factor, uniforms.imag, law)
        # Downwards the collapse follows the arrivals, so that the two directions mirror each other.
        x, unused = jnp.where(down, x, early), jnp.where(down, uniforms.imag, unused)
        x, gained = times_real(jnp.exp(0.5 * h), x), jnp.expm1(h)
        relation = times_real(gained, s) if law == "real" else None
        change, unused = arrival(x, gained * n, relation, n, arriving, (uniforms.real, unused))
        x = x + change
        return jnp.where(down, collapse(x, n, h, factor, unused, law)[0], x)

    return visit

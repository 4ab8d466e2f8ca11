"""Sweeps over the target levels of transitions through which gradients pass: one target level at a time, weak order 2.

In the sub-step of μ all other components change by a common factor and a decay that is exact. ψ is kept unnormalised,
so that x = ψ_μ alone fluctuates. With y_ν = ψ_ν for ν ≠ μ, in law and for real noise

$$dx = \\frac{2J_{\\mu\\mu}x|x|^2 + \\bar x\\,S + x\\,V}{|x|^2+\\sum|y_\\nu|^2}\\,dt
  + \\sqrt{J_{\\mu\\mu}}\\,x\\,dW + d\\zeta, \\qquad E|d\\zeta|^2 = V\\,dt,\\quad E[d\\zeta^2] = S\\,dt,$$

V = Σ J_μν|y_ν|² and S = Σ J_μν y_ν². For complex noise the drift is (J_μμ|x|² + V)x/|ψ|², dW is complex and
E[dζ²] = 0. No index is drawn that depends on the state, unlike in the sweeps that are exact in law.
"""

from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.accelerators import scan
from stochq.channels.flow import Flow, Stepped
from stochq.channels.flows.sweep import downwards, visit_durations
from stochq.compiling import apart_backwards, fused_on_cpu
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.linear import column, level_sum, normalized, populations, times_real

# Levels that an accelerator visits at a time. Gradients pass through these visits: with sixteen levels a card's program
# was compiled in 50 s one by one, in 83 s at four of them at a time, and not within 400 s at all sixteen; no card has
# shown yet that more than one is faster.
_VISITED_TOGETHER = 1


class Sources(NamedTuple):
    """What a visit of level μ needs of the other levels, (*columns,): Σ|y_ν|², and V and S times the step."""

    norm: jax.Array
    variance: jax.Array
    relation: jax.Array


def smooth_visit(x: jax.Array, h: jax.Array, sources: Sources, normals: tuple[jax.Array, ...], law: Law) -> jax.Array:
    """x after one step: half the drift, half the multiplication, the addition, and the first two again.

    h: J_μμ times the step. normals: complex with E|z|² = 2, of the addition and of the multiplication, one for real
    noise, two for complex noise.
    """
    added, *multiplied = normals
    factors = apart_backwards(partial(_factors, law=law), h, tuple(multiplied))
    x = factors[0] * _half_drift(x, h, sources, law)
    x = x + apart_backwards(correlated, added, sources.variance, sources.relation if law.has_square else None)
    return _half_drift(factors[1] * x, h, sources, law)


def _factors(h: jax.Array, normals: tuple[jax.Array, ...], law: Law) -> list[jax.Array]:
    """Of the multiplication, before and after the addition."""
    if law.has_square:
        return [jnp.exp(root(0.5 * h) * z - 0.25 * h) for z in (normals[0].real, normals[0].imag)]
    return [jnp.exp(times_real(0.5 * root(h), z)) for z in normals]


def _half_drift(x: jax.Array, h: jax.Array, sources: Sources, law: Law) -> jax.Array:
    """Half a step of the drift by the midpoint rule."""

    def slope(x: jax.Array) -> jax.Array:
        return apart_backwards(partial(_half_slope, law=law), x, h, sources)

    return x + slope(x + times_real(jnp.asarray(0.5, x.real.dtype), slope(x)))


def _half_slope(x: jax.Array, h: jax.Array, sources: Sources, law: Law) -> jax.Array:
    """Half of what the drift adds in a step."""
    own = populations(x)
    if law.has_square:
        change = times_real(2 * h * own + sources.variance, x) + x.conj() * sources.relation
    else:
        change = times_real(h * own + sources.variance, x)
    return times_real(0.5 / (own + sources.norm), change)


def _numbers(law: Law) -> int:
    """Complex normals of one visit."""
    return 2 if law.has_square else 3


def _normals_of(noise: StepNoise, index: jax.Array, dim: int) -> tuple[jax.Array, ...]:
    return tuple(noise.complex_normals[first + index] for first in range(0, len(noise.complex_normals), dim))


class SmoothTransitions(Flow):
    """A sweep in a random direction. Abstract: rates that depend on the target alone, or any."""

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return Budget(complex_normals=_numbers(self.law) * self.channel.dim, uniforms=1)

    @property
    def is_differentiable(self) -> bool:
        return True


@final
class SmoothSweep(SmoothTransitions):
    """Rates that depend on the target level alone, at O(dim)."""

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        durations = visit_durations(jnp.asarray(self.channel.target), dt)
        # Trajectories on their way down hold their levels in the opposite order.
        down = downwards(noise)
        ordered = fused_on_cpu(partial(_visit_all, law=self.law), jnp.where(down, psi[::-1], psi), noise, durations)
        return normalized(jnp.where(down, ordered[::-1], ordered)), None


def _visit_all(psi: jax.Array, noise: StepNoise, durations: tuple[jax.Array, jax.Array], law: Law) -> jax.Array:
    """Levels in the order in which they are visited.

    N and S of the others are sums over the levels before and over those behind. A difference from the sum over all
    would be rounding where nearly all is in one level, and the slope of its root anything.
    """
    # Of the levels visited, gradients remember ψ and the sums alone.
    remember_little = partial(jax.checkpoint, prevent_cse=False)
    noise = lax.stop_gradient(noise)
    down, dim = downwards(noise), len(psi)

    def add(sums: tuple[jax.Array, ...], x: jax.Array) -> tuple[jax.Array, ...]:
        return sums[0] + populations(x), sums[1] + x * x

    def add_behind(sums: tuple[jax.Array, ...], x: jax.Array) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
        return add(sums, x), sums

    def visit(carry: tuple, row: tuple) -> tuple[tuple, jax.Array]:
        # The sums without the last visited level, and that level: were the sums carried with it, XLA would evaluate
        # the whole visit once for each.
        before, visited = carry
        index, x, behind, up, other = row
        before = add(before, visited)
        n, s = before[0] + behind[0], before[1] + behind[1]
        h = apart_backwards(jnp.where, down, other, up)
        x = smooth_visit(x, h, Sources(n, h * n, times_real(h, s)), _normals_of(noise, index, dim), law)
        return (before, x), x

    nothing = (jnp.zeros_like(psi[0].real), jnp.zeros_like(psi[0]))
    _, behind = scan(remember_little(add_behind), nothing, psi, _VISITED_TOGETHER, reverse=True)
    rows = (jnp.arange(dim), psi, behind, *durations)
    return scan(remember_little(visit), (nothing, nothing[1]), rows, _VISITED_TOGETHER)[1]


@final
class SmoothMatrixSweep(SmoothTransitions):
    """Any rates J_μν, at O(dim²)."""

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        down, dim, rates = downwards(noise), self.channel.dim, jnp.asarray(self.channel.rates())

        def visit(psi: jax.Array, row: tuple) -> tuple[jax.Array, None]:
            index, up, other = row
            rate = jnp.where(down, column(other, psi), column(up, psi)) * dt
            return _visit_matrix(psi, index, rate, _normals_of(noise, index, dim), self.law), None

        rows = (jnp.arange(dim), rates, rates[::-1, ::-1])
        # Trajectories on their way down hold their levels in the opposite order.
        ordered, _ = scan(visit, jnp.where(down, psi[::-1], psi), rows, _VISITED_TOGETHER)
        return normalized(jnp.where(down, ordered[::-1], ordered)), None


def _visit_matrix(psi: jax.Array, index: jax.Array, rate: jax.Array, normals: tuple, law: Law) -> jax.Array:
    """rate: J_μν times the step, (dim, *columns)."""
    decay = jnp.exp(-0.25 * rate)
    psi = times_real(decay, psi)
    others = psi.at[index].set(0)
    probability = populations(others)
    sources = Sources(
        level_sum(probability)[0], level_sum(rate * probability)[0], level_sum(times_real(rate, others * others))[0]
    )
    x = smooth_visit(psi[index], rate[index], sources, normals, law)
    return times_real(decay, others.at[index].set(x))

"""Transitions at O(dim) per step where the rate J_μν = A_μ does not depend on the level left behind: one sweep.

The generator is a sum over the target level μ, and the operators of one level are solved exactly in law (`arrivals`).
One sweep visits all levels, each trajectory at random upwards or downwards: of weak order 2. ψ is kept unnormalised:
in the sub-step of μ all other components change by a common factor, so that N = Σ|ψ|² and S = Σψ² are carried along.

The last level visited would keep more than its share. The rates of the visits make up for it, so that after any dt

$$E|\\psi_\\mu|^2 = e^{-a\\,dt}|\\psi_\\mu|^2 + (1-e^{-a\\,dt})A_\\mu/a, \\qquad a = \\sum_\\mu A_\\mu:$$

the mean of every operator is exact, whatever the step.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import on_accelerator, scan
from stochq.channels.families.separable import Separable
from stochq.channels.flow import Flow, MeanFlow, Stepped
from stochq.channels.flows.arrivals import OwnCollapse, arrival, collapse
from stochq.compiling import fused_on_cpu
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import populations, times_real

# Levels that an accelerator visits at a time: more make programs long, and their kernels are no fewer.
VISITED_TOGETHER = 16


@final
class Sweep(Flow):
    """One sweep at O(dim) where rates do not depend on the level left behind: every visit exact in law, the mean exact,
    the whole of weak order 2."""

    channel: Separable

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return sweep_budget(self.channel.dim, self.law)

    @property
    def smallest_block(self) -> int:
        # The sweep is a loop over levels of operations on one row each. Larger blocks would leave cores without work
        # in ensembles of some hundred trajectories, and save no more than a tenth.
        return 128

    @property
    def mean_limit(self) -> float:
        """Any; single trajectories should not be stepped over more than half a relaxation time."""
        total = float(np.sum(np.asarray(self.channel.target)))
        return 0.5 / total if total > 0 else np.inf

    @property
    def mean_is_exact(self) -> bool:
        return True

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow:
        """e^{−a dt}ρ + (1 − e^{−a dt}) Tr(ρ) diag(A)/a, a = ΣA."""
        target = np.asarray(self.channel.target)
        kept = np.exp(-dt * target.sum())
        share = target / (target.sum() or 1.0)
        return lambda rho: kept * rho + (1 - kept) * np.trace(rho).real * np.diag(share)

    def terms(self, dt: jax.Array) -> "tuple[VisitTerms, VisitTerms] | None":
        """On a processor the step makes them, where they cost no time: every kernel of an accelerator does."""
        return self._visit_terms(dt) if on_accelerator() else None

    def _visit_terms(self, dt: jax.Array) -> "tuple[VisitTerms, VisitTerms]":
        """Of all levels upwards and downwards, (dim,) each."""
        durations = visit_durations(jnp.asarray(self.channel.target), dt)
        up, down = (VisitTerms.over(duration, self.law) for duration in durations)
        return up, down.of_opposite_noise()

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        return sweep(psi, noise, self._visit_terms(dt) if terms is None else terms, self.law), None


def sweep(psi: jax.Array, noise: StepNoise, terms: "tuple[VisitTerms, VisitTerms]", law: Law) -> jax.Array:
    """One normalised sweep over all levels. psi: (dim, *columns); noise: as `sweep_budget` says; terms: (dim,) upwards
    and downwards."""
    dim = len(psi)

    def visit_all(psi: jax.Array, noise: StepNoise, terms: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        down, visit = downwards(noise), visits(noise, law)

        # The sums without the last visited level are carried, and that level itself: were N and S carried, XLA would
        # evaluate the whole sub-step once for each of them.
        def visit_next(carry: tuple[jax.Array, ...], row: tuple) -> tuple[tuple[jax.Array, ...], jax.Array]:
            n, s, visited = carry
            index, (up, other) = row
            # Trajectories on their way down hold their levels in the opposite order.
            x = jnp.where(down, psi[dim - 1 - index], psi[index])
            n = jnp.maximum(n + populations(visited) - populations(x), 0.0)
            s = s + visited * visited - x * x
            x = visit(index, x, n, s, jax.tree.map(partial(jnp.where, down), other, up))
            return (n, s, x), x

        zero = jnp.zeros_like(psi[0])
        (n, _, last), after = scan(visit_next, (*_sums(psi), zero), (jnp.arange(dim), terms), VISITED_TOGETHER)
        return n, last, after

    n, last, ordered = fused_on_cpu(visit_all, psi, noise, terms)
    return times_real(lax.rsqrt(n + populations(last))[None], jnp.where(downwards(noise), ordered[::-1], ordered))


def _sums(psi: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Σ|ψ|² and Σψ² of every column. A loop over the rows: the sum over the first axis is slow on a processor."""
    if on_accelerator():
        return jnp.sum(populations(psi), axis=0), jnp.sum(psi * psi, axis=0)

    def add(sums: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        return (sums[0] + populations(x), sums[1] + x * x), None

    zero = jnp.zeros_like(psi[0])
    return lax.scan(add, (zero.real, zero), psi)[0]


def sweep_budget(dim: int, law: Law) -> Budget:
    """Random numbers of a sweep."""
    collapsing = (dim + 1) // 2 if law.has_square else dim
    return Budget(complex_normals=dim + collapsing, uniforms=1, uniform_pairs=dim)


def downwards(noise: StepNoise) -> jax.Array:
    """Which columns sweep downwards."""
    return noise.uniforms[0] < 0.5


def numbers_of_level(noise: StepNoise, index: jax.Array, law: Law) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of the level visited as number `index`: the normal of its collapse, that of the arrivals, a pair of uniforms.

    noise: complex normals of all arrivals and then of the collapse, for real noise two levels in one number.
    """
    collapsing = noise.complex_normals[len(noise.uniform_pairs) + (index // 2 if law.has_square else index)]
    if law.has_square:
        collapsing = jnp.where(index % 2 == 0, collapsing.real, collapsing.imag)
    return collapsing, noise.complex_normals[index], noise.uniform_pairs[index]


def visit_durations(rates: jax.Array, dt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A'_μ dt of the visits upwards, in the order of the levels, and downwards, in the opposite one: (dim,) each.

    A visit replaces the share 1 − exp(−A'_μ dt) of all populations by the level's own. What it keeps of that to the
    end of the sweep is to be (1 − e^{−a dt})A_μ/a.
    """
    total = jnp.sum(rates) * dt
    # 1 without any rate: gradients then say that there is none, rather than zero.
    share = jnp.where(total > 0, -jnp.expm1(-total) / jnp.where(total > 0, total, 1), 1)
    return tuple(_in_order(kept * share * dt) for kept in (rates, rates[::-1]))  # type: ignore[return-value]


def _in_order(kept: jax.Array) -> jax.Array:
    later = jnp.cumsum(kept[::-1])[::-1] - kept
    return -jnp.log1p(-kept / (1 - later))


class VisitTerms(NamedTuple):
    """What visits need of the step: of the collapse; e^{h/2} and e^h − 1."""

    own: OwnCollapse
    growth: jax.Array
    gained: jax.Array

    @staticmethod
    def over(h: jax.Array, law: Law) -> "VisitTerms":
        return VisitTerms(OwnCollapse.over(h, law), jnp.exp(0.5 * h), jnp.expm1(h))

    def of_opposite_noise(self) -> "VisitTerms":
        """Downwards the collapse takes its numbers with the opposite sign. Antithetic noise then makes, level by level
        from the other end, the same moves: an image whose energy is as opposite as can be."""
        return self._replace(own=self.own._replace(spread=-self.own.spread))


def visits(noise: StepNoise, law: Law) -> Callable[..., jax.Array]:
    """What happens at a level, exact in law: (index of the visit, ψ of the level, |ψ|² and ψ² summed over all others,
    terms) -> ψ of the level.

    The others would decay by exp(−h/2): the visited level grows instead.
    """
    down = downwards(noise)

    def visit(index: jax.Array, x: jax.Array, n: jax.Array, s: jax.Array, terms: VisitTerms) -> jax.Array:
        collapsing, arriving, uniforms = numbers_of_level(noise, index, law)
        factor = terms.own.factor(collapsing)
        early, unused = collapse(x, n, terms.own, factor, uniforms.imag)
        # Downwards the collapse follows the arrivals, so that the two directions mirror each other.
        x, unused = jnp.where(down, x, early), jnp.where(down, uniforms.imag, unused)
        x, relation = times_real(terms.growth, x), times_real(terms.gained, s) if law.has_square else None
        change, unused = arrival(x, terms.gained * n, relation, n, arriving, (uniforms.real, unused))
        x = x + change
        return jnp.where(down, collapse(x, n, terms.own, factor, unused)[0], x)

    return visit

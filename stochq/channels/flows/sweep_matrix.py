"""The sweep over target levels for any rates J_μν, at O(dim²) per step: weak order 2.

In the sub-step of μ a level ν ≠ μ only decays, at ½J_μν, and what it loses arrives at μ: ζ has the variance
Σ_{ν≠μ} (1 − e^{−J_μν dt})|ψ_ν|² and the relation Σ_{ν≠μ} (1 − e^{−J_μν dt})ψ_ν². Each sub-step is exact in law
(`arrivals`), the sweep in a random direction of weak order 2. Where J_μν does not depend on ν, the sweep at O(dim) does
the same with less, and corrects the rates.
"""

from typing import Any, final

import jax
import jax.numpy as jnp

from stochq.accelerators import scan
from stochq.channels.families.transitions import Transitions
from stochq.channels.flow import Flow, Stepped
from stochq.channels.flows.arrivals import OwnCollapse, arrival, collapse
from stochq.channels.flows.sweep import VISITED_TOGETHER, downwards, numbers_of_level, sweep_budget
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import column, level_sum, normalized, populations, times_real


@final
class MatrixSweep(Flow):
    """One sweep over the target levels in a random direction, of weak order 2."""

    channel: Transitions

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return sweep_budget(self.channel.dim, self.law)

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        return sweep_matrix(jnp.asarray(self.channel.rates()), dt, psi, noise, self.law), None


def sweep_matrix(rates: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: Law) -> jax.Array:
    """One normalised sweep of length dt over all levels, each trajectory at random upwards or downwards.

    rates: J, (dim, dim); psi: (dim, *columns). noise: as `sweep_budget` says.
    """
    down = downwards(noise)

    def visit(psi: jax.Array, row: tuple) -> tuple[jax.Array, None]:
        index, upwards, downwards = row
        # Trajectories on their way down hold their levels in the opposite order.
        rate = jnp.where(down, column(downwards, psi), column(upwards, psi)) * dt
        return _level(psi, index, rate, numbers_of_level(noise, index, law), down, law), None

    rows = (jnp.arange(psi.shape[0]), rates, rates[::-1, ::-1])
    ordered, _ = scan(visit, jnp.where(down, psi[::-1], psi), rows, VISITED_TOGETHER)
    return normalized(jnp.where(down, ordered[::-1], ordered))


def _level(psi: jax.Array, index: jax.Array, rate: jax.Array, draws: tuple, late: jax.Array, law: Law) -> jax.Array:
    """One visit. rate: J_μν dt, (dim, *columns). late: whether the collapse follows the arrivals."""
    collapsing, arriving, uniforms = draws
    x = psi[index]
    terms = OwnCollapse.over(rate[index], law)
    # The image under antithetic noise makes the same moves from the other end, as in the sweep at O(dim).
    factor = terms._replace(spread=jnp.where(late, -terms.spread, terms.spread)).factor(collapsing)
    others = psi.at[index].set(0)
    probability, lost = populations(others), -jnp.expm1(-rate)
    before = level_sum(probability)[0]
    early, unused = collapse(x, before, terms, factor, uniforms.imag)
    x, unused = jnp.where(late, x, early), jnp.where(late, uniforms.imag, unused)
    variance = level_sum(lost * probability)[0]
    relation = level_sum(times_real(lost, others * others))[0] if law.has_square else None
    after = jnp.maximum(before - variance, 0)
    change, unused = arrival(x, variance, relation, after, arriving, (uniforms.real, unused))
    x = x + change
    x = jnp.where(late, collapse(x, after, terms, factor, unused)[0], x)
    return times_real(jnp.exp(-0.5 * rate), others).at[index].set(x)

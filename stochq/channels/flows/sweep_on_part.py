r"""The sweep over target levels of a part of a composite system, at O(dim²) per state of the other parts: weak order 2.

With ψ_μσ the amplitudes of a level μ beside states σ of the other parts, what arrives at μ within h is

$$\zeta_\sigma = \sum_{\nu\ne\mu}\sqrt{1-e^{-J_{\mu\nu}h}}\,\psi_{\nu\sigma}z_\nu$$

with one normal for each ν that is left, the same for all σ. As in `arrivals` it is weighted by the squared norm that
the step ends with, |x + ζ|² and what the others keep. Its part even in ζ is a sum over σ of squares of single
Gaussians, of real and imaginary parts apart for real noise: one of them is drawn and lengthened, then the sign of ζ.
Each level is exact in law.
"""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import scan
from stochq.channels.born import draw_one
from stochq.channels.families.on_part import TransitionsOnPart
from stochq.channels.flow import Flow, MeanFlow, Stepped
from stochq.channels.flows.arrivals import OwnCollapse, decide, scaled
from stochq.channels.flows.sweep import VISITED_TOGETHER, downwards, visit_durations
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.noise.roots import root
from stochq.systems.linear import column, inner, level_sum, normalized, populations, times_real


@final
class SweepOnPart(Flow):
    """One sweep over the part's levels in a random direction. Where rates do not depend on the level that is left the
    mean is exact over any step."""

    channel: TransitionsOnPart

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        dim = self.channel.axis.dim
        normals = self.law.budget(dim * (dim + 1))
        return normals + Budget(uniforms=1, uniform_pairs=2 * dim)

    @property
    def mean_limit(self) -> float:
        """As of the sweep over levels that stand alone."""
        if not self.mean_is_exact:
            return 0.0
        total = float(np.sum(np.asarray(self.channel.channel.arrival_rates())))
        return 0.5 / total if total > 0 else np.inf

    @property
    def mean_is_exact(self) -> bool:
        return self.channel.channel.arrival_rates() is not None

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow | None:
        """e^{−a dt}ρ + (1 − e^{−a dt}) diag(A)/a ⊗ Tr_part ρ, a = ΣA."""
        axis, target = self.channel.axis, self.channel.channel.arrival_rates()
        if target is None:
            return None
        target = np.asarray(target)
        kept, share = np.exp(-dt * target.sum()), target / (target.sum() or 1.0)

        def mapped(rho: np.ndarray) -> np.ndarray:
            others = np.einsum("anbcnd->abcd", rho.reshape((axis.before, axis.dim, axis.after) * 2))
            arrived = np.einsum("abcd,nm->anbcmd", others, np.diag(share)).reshape(rho.shape)
            return kept * rho + (1 - kept) * arrived

        return mapped

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        axis, law, down = self.channel.axis, self.law, downwards(noise)
        draws = _draws(noise, axis.dim, law)

        def visit(rows: jax.Array, level: tuple) -> tuple[jax.Array, None]:
            index, up, other, own = level
            one = rows[:, 0]
            rate = jnp.where(down, column(other, one), column(up, one))
            return _visited(rows, index, rate, own, down, law), None

        rows = axis.split(psi)
        levels = (jnp.arange(axis.dim), *self._durations(dt), draws)
        # Trajectories on their way down hold their levels in the opposite order.
        ordered, _ = scan(visit, jnp.where(down, rows[::-1], rows), levels, VISITED_TOGETHER)
        return normalized(axis.joined(jnp.where(down, ordered[::-1], ordered), psi.shape[1:])), None

    def _durations(self, dt: jax.Array) -> tuple[jax.Array, jax.Array]:
        """J_μν dt by the visits upwards and downwards, (dim, dim) each."""
        channel = self.channel.channel
        target = channel.arrival_rates()
        if target is None:
            rates = jnp.asarray(channel.rates()) * dt
            return rates, rates[::-1, ::-1]
        up, other = visit_durations(jnp.asarray(target), dt)
        alike = jnp.ones((1, channel.dim), up.dtype)
        return up[:, None] * alike, other[:, None] * alike


class _Draws(NamedTuple):
    """Of every visit: a normal of its collapse, one for each level that is left, and two pairs of uniform numbers."""

    collapsing: jax.Array
    arriving: jax.Array
    first: jax.Array
    second: jax.Array


def _draws(noise: StepNoise, dim: int, law: Law) -> _Draws:
    normals = noise.real_normals if law.has_square else noise.complex_normals
    pairs = jnp.asarray(noise.uniform_pairs)
    arriving = normals[dim:].reshape(dim, dim, *normals.shape[1:])
    return _Draws(normals[:dim], arriving, pairs[:dim], pairs[dim:])


def _visited(rows: jax.Array, index: jax.Array, rate: jax.Array, draws: _Draws, late: jax.Array, law: Law) -> jax.Array:
    """One visit. rows: ψ (dim, others, *columns); rate: J_μν dt (dim, *columns). late: whether the collapse follows the
    arrivals."""
    x = rows[index]
    own = OwnCollapse.over(rate[index], law)
    # Antithetic noise then makes the same moves from the other end.
    factor = own._replace(spread=jnp.where(late, -own.spread, own.spread)).factor(draws.collapsing)
    others = rows.at[index].set(0)
    occupied = jnp.sum(populations(others), axis=1)
    before, lost = level_sum(occupied)[0], -jnp.expm1(-rate)
    early, unused = _collapse(x, before, own, factor, draws.first.imag)
    x, unused = jnp.where(late, x, early), jnp.where(late, draws.first.imag, unused)
    after = jnp.maximum(before - level_sum(lost * occupied)[0], 0)
    leaving = times_real(root(lost)[:, None], others)
    change, unused = _arrival(x, leaving, after, draws.arriving, (draws.first.real, draws.second.real, unused))
    x = x + change
    x = jnp.where(late, _collapse(x, after, own, factor, unused)[0], x)
    return times_real(jnp.exp(-0.5 * rate)[:, None], others).at[index].set(x)


def _collapse(
    x: jax.Array, rest: jax.Array, own: OwnCollapse, factor: jax.Array, uniform: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """x (others, *columns) after the collapse onto its level or away from it, and an unused uniform number."""
    chosen, unused = decide(uniform, level_sum(populations(x))[0], rest)
    return scaled(factor[None], times_real(jnp.where(chosen, own.gain, 1)[None], x)), unused


def _arrival(
    x: jax.Array, leaving: jax.Array, kept: jax.Array, normals: jax.Array, uniforms: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array]:
    """ζ (others, *columns) = Σ_ν leaving_ν z_ν, weighted by |x + ζ|² + kept; and an unused uniform number.

    leaving: (dim, others, *columns). normals: z (dim, *columns), real, or complex with E|z|² = 2.
    """
    which, fresh, sign = uniforms
    even = level_sum(populations(x))[0] + kept
    real = not jnp.iscomplexobj(normals)
    parts = jnp.concatenate([leaving.real, leaving.imag], axis=1) if real else leaving
    weights = jnp.concatenate([even[None], jnp.sum(jnp.square(parts) if real else populations(parts), axis=0)])
    chosen = draw_one(weights, which)
    direction = jnp.take_along_axis(parts, jnp.maximum(chosen - 1, 0)[None, None], axis=1)[:, 0]
    lengthened = _lengthened(normals, direction, fresh)
    z = jnp.where(chosen > 0, lengthened, normals)
    arrived = jnp.sum(leaving * z[:, None], axis=0)
    if not real:
        arrived = times_real(np.sqrt(0.5).astype(kept.dtype), arrived)
    odd = 2 * inner(x, arrived).real[0]
    even = even + level_sum(populations(arrived))[0]
    positive, unused = decide(sign, even + odd, even - odd)
    return jnp.where(positive, arrived, -arrived), unused


def _lengthened(normals: jax.Array, direction: jax.Array, uniform: jax.Array) -> jax.Array:
    """Normals z (dim, *columns) under the weight |Σ_ν a_νz_ν|²: along a* an exponential variate is added to |z|²."""
    tiny = jnp.finfo(uniform.dtype).tiny
    more = -2 * jnp.log(jnp.clip(uniform, tiny, 1))[None]
    if not jnp.iscomplexobj(normals):
        unit = direction * lax.rsqrt(jnp.maximum(level_sum(jnp.square(direction)), tiny))
        along = level_sum(unit * normals)
        longer = jnp.sqrt(jnp.square(along) + more)
        return normals + unit * (jnp.where(along < 0, -longer, longer) - along)
    unit = times_real(lax.rsqrt(jnp.maximum(level_sum(populations(direction)), tiny)), direction)
    along = level_sum(unit * normals)
    size = populations(along)
    longer = jnp.sqrt((size + more) / jnp.maximum(size, tiny))
    return normals + unit.conj() * times_real(longer - 1, along)

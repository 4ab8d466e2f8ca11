"""Steps of collapse onto levels that hold the state while the rates vary, and tell how much likelier it becomes."""

from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.channel import Channel
from stochq.channels.families.projectors import Projectors
from stochq.channels.flow import Flow, Stepped
from stochq.channels.flows.collapse import ExactCollapse, draw_index
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import column, level_sum, populations, times_real


@final
class HeldProjectors(Channel):
    """The same operators, with steps of `HeldCollapse`."""

    channel: Projectors

    def __init__(self, channel: Projectors) -> None:
        self.channel, self.basis, self.law = channel, channel.basis, channel.law

    def operators(self) -> jax.Array:
        return jnp.asarray(self.channel.operators())

    def flow(self, law: Law) -> Flow:
        return HeldCollapse(self.channel, law)


@final
class HeldCollapse(Flow):
    r"""The numbers of `ExactCollapse`, as a function of the rates r otherwise: ψ has no derivative, |ψ|² has.

    The state after a step follows from the one before and a field φ of known density,

    $$p_r(\varphi) = \sum_j|\psi_j|^2\prod_k\mathcal N(\varphi_k;\,2r_k\,dt\,\delta_{jk},\,r_k\,dt)
      \propto \prod_k\frac{e^{-\varphi_k^2/2r_k\,dt}}{\sqrt{r_k}}\;\sum_j|\psi_j|^2e^{2\varphi_j-2r_j\,dt}$$

    which for a random phase is the Gaussian alone. Held is φ − r dt, by which ψ changes, and |ψ|² is multiplied by
    p_r(φ) over its value. The record would not do: with it held ψ still moves with r,
    and so does where a function jumps.
    """

    channel: Projectors

    @property
    def budget(self) -> Budget:
        return ExactCollapse(self.channel, self.law).budget

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        start, likelihood = lax.stop_gradient(psi), level_sum(populations(psi))
        still = ExactCollapse(jax.tree.map(lax.stop_gradient, self.channel), self.law)
        end = still.step(t, dt, start, noise, terms, reverse)[0]
        density = self._log_density(dt, populations(start), noise, jax.tree.map(lax.stop_gradient, self.channel))
        likelihood = likelihood * jnp.exp(density - lax.stop_gradient(density))
        return times_real(jnp.sqrt(likelihood) * lax.rsqrt(level_sum(populations(end))), end), None

    def _log_density(self, dt: jax.Array, probability: jax.Array, noise: StepNoise, still: Projectors) -> jax.Array:
        """ln p_r of the fields that were drawn, but for a constant, (1, *columns). still: without derivatives."""
        law, normals = self.law, list(self.law.normals(noise))
        rates = column(jnp.asarray(self.channel.rates), probability)
        total = jnp.zeros_like(probability[:1])
        if law.collapses:
            elapsed = law.collapse_share * dt
            drawn = draw_index(probability, noise.uniforms[0])
            field = 2 * elapsed * still.apply_kernel(drawn) + jnp.sqrt(elapsed) * still.sample_field(normals.pop(0))
            # Held is the exponent φ − r dt, by which the state changes.
            field = field + elapsed * (rates - lax.stop_gradient(rates))
            exponent = 2 * field - 2 * rates * elapsed
            largest = lax.stop_gradient(jnp.max(exponent, axis=0, keepdims=True))
            total += jnp.log(level_sum(probability * jnp.exp(exponent - largest))) + largest
            total += _gaussian(field, rates * elapsed)
        for turning in normals:
            elapsed = law.phase_share * dt
            total += _gaussian(jnp.sqrt(elapsed) * still.sample_field(turning), rates * elapsed)
        return total


def _gaussian(field: jax.Array, variance: jax.Array) -> jax.Array:
    """ln of the density of levels' fields, but for a constant; a level without noise has none."""
    present = variance > 0
    variance = jnp.where(present, variance, 1)
    return -0.5 * level_sum(jnp.where(present, field * field / variance + jnp.log(variance), 0))

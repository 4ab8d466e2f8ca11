"""Steps of diagonal collapse that hold the state while rates vary, and tell how much likelier it becomes."""

import abc
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.channel import Channel
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.channels.flow import Flow, Stepped
from stochq.channels.flows.collapse import ExactCollapse, draw_index
from stochq.laws import Law
from stochq.module import Module
from stochq.noise import Budget, StepNoise
from stochq.noise.roots import root
from stochq.systems.linear import column, level_sum, multiply, populations, times_real

if TYPE_CHECKING:
    from stochq.channels.families.kernel import Kernel

# Waves whose part in a kernel is below this share of the largest move no state, but have rates with derivatives.
_LEAST_PART = 1e-6


class FieldDensity(Module):
    r"""The density of what moves the state in a step of diagonal collapse, at the value that was drawn. Abstract.

    $$\psi_i \leftarrow \psi_ie^{f_i-\kappa_{ii}dt},\qquad
      p_r(f) = \sum_j|\psi_j|^2\,\mathcal N(f;\,2\kappa e_jdt,\,\kappa dt)
      = \mathcal N(f;\,0,\,\kappa dt)\sum_j|\psi_j|^2e^{2f_j-2\kappa_{jj}dt}$$

    which for a random phase is the Gaussian alone. Held is $f_i-\kappa_{ii}dt$, by which ψ changes, but for a constant.
    The record would not do: with it held ψ still moves with r, and so does where a function jumps.
    """

    @abc.abstractmethod
    def of_collapse(self, dt: jax.Array, normals: jax.Array, drawn: jax.Array, probability: jax.Array) -> jax.Array:
        """ln p_r but for a constant, (1, *columns); drawn: e_j (dim, *columns), probability: |ψ_j|² before."""

    @abc.abstractmethod
    def of_phases(self, dt: jax.Array, normals: jax.Array) -> jax.Array:
        """ln of the density of a field of phases, but for a constant, (1, *columns)."""


@final
class OperatorFields(FieldDensity):
    r"""Of operators √r_k F_k whose squares' sum $\sum_kr_kF_{ki}^2$ is $\sum_ks_kF_{ki}$ and a constant.

    With $f=\sum_kF_kw_k$, w_k of variance r_k dt, held is w_k − s_k dt. matrix: F (K, dim), None for projectors.
    """

    matrix: Any
    rates: jax.Array
    shifts: jax.Array

    def of_collapse(self, dt: jax.Array, normals: jax.Array, drawn: jax.Array, probability: jax.Array) -> jax.Array:
        moved = column(self.shifts - lax.stop_gradient(self.shifts), normals) * dt
        averages = drawn if self.matrix is None else multiply(self.matrix, drawn)
        fields = self._fields(dt, normals) + 2 * dt * column(lax.stop_gradient(self.rates), normals) * averages + moved
        squares = self.rates if self.matrix is None else multiply(jnp.square(self.matrix).T, self.rates)
        spread = fields if self.matrix is None else multiply(self.matrix.T, fields)
        exponent = 2 * spread - 2 * dt * column(squares, spread)
        largest = lax.stop_gradient(jnp.max(exponent, axis=0, keepdims=True))
        mixed = jnp.log(level_sum(probability * jnp.exp(exponent - largest))) + largest
        return mixed + _gaussian(fields, column(self.rates, fields) * dt)

    def of_phases(self, dt: jax.Array, normals: jax.Array) -> jax.Array:
        return _gaussian(self._fields(dt, normals), column(self.rates, normals) * dt)

    def _fields(self, dt: jax.Array, normals: jax.Array) -> jax.Array:
        return jnp.sqrt(dt) * column(root(lax.stop_gradient(self.rates)), normals) * normals


@final
class KernelFields(FieldDensity):
    """Of a kernel of the distance on a periodic grid: waves are independent, and κ_ii is a constant."""

    kernel: "Kernel"

    def of_collapse(self, dt: jax.Array, normals: jax.Array, drawn: jax.Array, probability: jax.Array) -> jax.Array:
        still = jax.tree.map(lax.stop_gradient, self.kernel)
        total = self.of_phases(dt, normals + 2 * jnp.sqrt(dt) * still.sample_field(drawn))
        return total - 2 * dt * self.kernel.diagonal()[0]

    def of_phases(self, dt: jax.Array, normals: jax.Array) -> jax.Array:
        parts = jnp.asarray(self.kernel.rate * self.kernel.spectrum)
        held = lax.stop_gradient(parts)
        present = held > _LEAST_PART * jnp.max(held)
        ratio = (jnp.where(present, held, 1) / jnp.where(present, parts, 1)).reshape(-1)
        waves = jnp.fft.fftn(normals.reshape(*parts.shape, -1), axes=range(parts.ndim))
        power = populations(waves.reshape(parts.size, -1)) / parts.size
        each = column(ratio, power) * power - column(jnp.log(ratio), power)
        return -0.5 * level_sum(each).reshape(1, *normals.shape[1:])


@final
class HeldChannel(Channel):
    """The same operators, with steps of `HeldCollapse`."""

    channel: DiagonalCollapse
    density: FieldDensity

    def __init__(self, channel: DiagonalCollapse, density: FieldDensity) -> None:
        self.channel, self.density, self.basis, self.law = channel, density, channel.basis, channel.law

    def operators(self) -> jax.Array:
        return jnp.asarray(self.channel.operators())

    def flow(self, law: Law) -> Flow:
        return HeldCollapse(self.channel, law, self.density)


@final
class HeldCollapse(Flow):
    """The numbers of `ExactCollapse`, as a function of rates otherwise: ψ has no derivative, |ψ|² has that of the
    density of what moves ψ, and is multiplied by it over its value."""

    channel: DiagonalCollapse
    density: FieldDensity

    @property
    def budget(self) -> Budget:
        return ExactCollapse(self.channel, self.law).budget

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        start, likelihood = lax.stop_gradient(psi), level_sum(populations(psi))
        still = ExactCollapse(jax.tree.map(lax.stop_gradient, self.channel), self.law)
        end = still.step(t, dt, start, noise, terms, reverse)[0]
        density = self._log_density(dt, populations(start), noise)
        likelihood = likelihood * jnp.exp(density - lax.stop_gradient(density))
        return times_real(jnp.sqrt(likelihood) * lax.rsqrt(level_sum(populations(end))), end), None

    def _log_density(self, dt: jax.Array, probability: jax.Array, noise: StepNoise) -> jax.Array:
        law, normals = self.law, list(self.law.normals(noise))
        total = jnp.zeros_like(probability[:1])
        if law.collapses:
            drawn = draw_index(probability, noise.uniforms[0])
            total += self.density.of_collapse(law.collapse_share * dt, normals.pop(0), drawn, probability)
        for turning in normals:
            total += self.density.of_phases(law.phase_share * dt, turning)
        return total


def _gaussian(field: jax.Array, variance: jax.Array) -> jax.Array:
    """ln of the density of independent fields, but for a constant; one without noise has none."""
    present = variance > 0
    variance = jnp.where(present, variance, 1)
    return -0.5 * level_sum(jnp.where(present, field * field / variance + jnp.log(variance), 0))

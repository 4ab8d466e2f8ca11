"""Steps of diagonal collapse: a drawn level and a Gaussian field, exact in law or smooth in the state."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.accelerators import on_accelerator
from stochq.channels.born import LEVELS_TOGETHER, draw_level, draw_one
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.channels.flow import NOT_MEASURED, Flow, MeanFlow, Stepped
from stochq.noise import Budget, StepNoise
from stochq.noise.phases import unit_phase
from stochq.noise.roots import root
from stochq.systems.linear import column, largest, level_sum, populations, times_real


@eqx.filter_jit
def _compiled_decoherence(channel: DiagonalCollapse) -> jax.Array:
    """The search for a step asks for it, and operation by operation it takes longer."""
    return channel.decoherence()


# From so many levels on, a group of them is drawn first: a search level by level takes longer than all else in a step.
_LONGEST_SEARCH = 4096


class Collapse(Flow):
    """Collapse with ψ_i ← ψ_i exp(2dt κ_ij* + φ_i − dt κ_ii). Abstract: a subclass draws the level j* and the field φ.

    Complex noise is half the rate collapsing and half a random phase; unitary noise is nothing but a phase.
    """

    channel: DiagonalCollapse

    @property
    def normalises(self) -> bool:
        return self.law.collapses

    @property
    def missing_record(self) -> str:
        if not self.law.collapses:
            return NOT_MEASURED
        if self.channel.has_records:
            return ""
        return f"{type(self.channel).__name__} draws one field for all its operators and has no record of single ones"

    def decay(self, dt: float) -> MeanFlow:
        """ρ_ij exp(−Γ_ij dt)."""
        decay = np.exp(-dt * np.asarray(_compiled_decoherence(self.channel)))
        return lambda rho: decay * rho

    def turned(self, dt: jax.Array, psi: jax.Array, normals: jax.Array) -> jax.Array:
        """ψ with the phase of a field over dt."""
        return psi * unit_phase(-jnp.sqrt(dt) * self.channel.sample_field(normals))

    def collapsed(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, chosen: jax.Array) -> Stepped:
        """chosen: what stands for the unit vector e_j*, (dim, *columns)."""
        law, (normals, *phases) = self.law, self.law.normals(noise)
        psi = self._weighed(law.collapse_share * dt, psi, normals, chosen)
        record = self._record(dt, (normals, *phases), chosen) if self.channel.has_records else None
        return self.turned(law.phase_share * dt, psi, phases[0]) if phases else psi, record

    def _record(self, dt: jax.Array, normals: tuple[jax.Array, ...], chosen: jax.Array) -> jax.Array:
        """y_k = 2F_kj* dt + ∫dW_k, the outcome by which ψ_i ← ψ_i exp(Σ_k F_ki y_k − dt κ_ii).

        Of complex noise F/√2 is watched, and iF/√2, whose mean is nothing; its phase is that of −iF/√2, −dW_2.
        """
        watched = np.sqrt(self.law.collapse_share).astype(dt.dtype)
        increments = [jnp.sqrt(dt) * each for each in normals]
        increments[0] = 2 * watched * dt * self.channel.averages(chosen) + increments[0]
        return self.law.record((increments[0], *(-each for each in increments[1:])))

    def _weighed(self, dt: jax.Array, psi: jax.Array, normals: jax.Array, chosen: jax.Array) -> jax.Array:
        """j* drawn from |ψ_j|², φ Gaussian with covariance κ dt."""
        channel, probability = self.channel, populations(psi)
        drift = 2 * channel.apply_kernel(chosen) - column(channel.diagonal(), psi)
        exponent = dt * drift + jnp.sqrt(dt) * channel.sample_field(normals)
        weight = jnp.exp(exponent - largest(exponent))
        return times_real(weight * jax.lax.rsqrt(level_sum(probability * weight * weight)), psi)


@final
class ExactCollapse(Collapse):
    """Exact in law over any dt."""

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law) + Budget(uniforms=int(self.law.collapses))

    @property
    def is_differentiable(self) -> bool:
        return not self.law.collapses

    @property
    def is_exact(self) -> bool:
        return True

    @property
    def mean_limit(self) -> float:
        return np.inf

    @property
    def mean_is_exact(self) -> bool:
        return True

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow:
        return self.decay(dt)

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        if not self.law.collapses:
            return self.turned(dt, psi, noise.real_normals), None
        return self.collapsed(dt, psi, noise, draw_index(populations(psi), noise.uniforms[0]))


@final
class SmoothCollapse(Collapse):
    """Weak order 2: the drawn unit vector e_j is replaced by a Gaussian of its mean and covariance."""

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law) + Budget(real_normals=self.channel.dim)

    @property
    def is_differentiable(self) -> bool:
        return True

    @property
    def step_limit(self) -> None:
        """The state is right at either end of a collapse: means are off by 0.03 of a range at most."""

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        own, extra = noise.split(self.channel.budget(self.law))
        return self.collapsed(dt, psi, own, _gaussian_index(populations(psi), extra.real_normals))


def _gaussian_index(probability: jax.Array, normals: jax.Array) -> jax.Array:
    """Gaussian vectors with the mean p and the covariance diag(p) − ppᵀ of `draw_index`, but smooth in p."""
    amplitude = root(probability)
    return probability + amplitude * normals - probability * level_sum(amplitude * normals)


def draw_index(probability: jax.Array, uniform: jax.Array) -> jax.Array:
    """Unit vectors e_j, one for each column, with j drawn from `probability`."""
    levels = column(jnp.arange(probability.shape[0], dtype=jnp.int32), probability)
    # An accelerator launches less for a group of levels and then one of the group, where it would take a loop.
    grouped = len(probability) > (LEVELS_TOGETHER if on_accelerator() else _LONGEST_SEARCH)
    drawn = draw_one(probability, uniform) if grouped else draw_level(probability, uniform)[0]
    return (levels == drawn[None]).astype(probability.dtype)

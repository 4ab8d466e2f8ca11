"""A step of reduction written as Stratonovich does."""

from typing import Any, final

import jax
import jax.numpy as jnp

from stochq.channels.families.reduction import StratonovichCollapse
from stochq.channels.flow import Flow, Stepped
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import largest, normalized, populations, times_real


@final
class StratonovichFlow(Flow):
    """The noise alone is solved exactly by its integrals, between two half steps of the drift; weak order 2."""

    channel: StratonovichCollapse

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law)

    @property
    def is_differentiable(self) -> bool:
        return True

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        return self._drifted(0.5 * dt, _grown(self.channel.sample_field(noise, dt), self._drifted(0.5 * dt, psi))), None

    def _drifted(self, dt: jax.Array, psi: jax.Array) -> jax.Array:
        """ψ̇_i = J(p_i − Σp²)ψ_i by the midpoint rule in ln ψ."""
        rate = self.channel.drift_rate
        halfway = _grown(0.5 * dt * rate * populations(psi), psi)
        return _grown(dt * rate * populations(halfway), psi)


def _grown(exponent: jax.Array, psi: jax.Array) -> jax.Array:
    """exp(exponent)ψ, normalised."""
    return normalized(times_real(jnp.exp(exponent - largest(exponent)), psi))

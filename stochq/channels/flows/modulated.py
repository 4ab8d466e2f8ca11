"""Steps under an envelope: those of the channel without it, over another time."""

from typing import Any, final

import jax
import jax.numpy as jnp

from stochq.channels.families.modulated import Modulated
from stochq.channels.flow import Flow, StepLimit, Stepped
from stochq.noise import Budget, StepNoise


@final
class ModulatedFlow(Flow):
    """Another flow over f² dt with the envelope f in the middle of the step: the midpoint rule for the integral of f²,
    of the same order as the composition with the rest of the equation.

    No mean is known beforehand and nothing is prepared outside the time loop. It counts as inexact whatever the other
    flow is: a step that resolves the largest rate does not miss a pulse that matters.
    """

    channel: Modulated
    inner: Flow

    @property
    def normalises(self) -> bool:
        return self.inner.normalises

    @property
    def budget(self) -> Budget:
        return self.inner.budget

    @property
    def unmodulated(self) -> Flow:
        return self.inner.unmodulated

    def for_averages(self) -> Flow:
        return ModulatedFlow(self.channel, self.law, self.inner.for_averages())

    @property
    def missing_record(self) -> str:
        return self.inner.missing_record

    @property
    def is_symmetric(self) -> bool:
        return self.inner.is_symmetric

    @property
    def is_differentiable(self) -> bool:
        return self.inner.is_differentiable

    @property
    def step_limit(self) -> StepLimit | None:
        return self.inner.step_limit

    @property
    def smallest_block(self) -> int:
        return self.inner.smallest_block

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        elapsed = self.channel.elapsed(t, dt)
        psi, record = self.inner.step(t, elapsed, psi, noise, self.inner.terms(elapsed), reverse)
        if record is None or self.law.counts:
            return psi, record
        # dY = 2f⟨L⟩dt + dW, and the other flow's record is f dY = 2⟨L⟩f²dt + f dW.
        sign = jnp.where(self.channel.envelope(t) < 0, -1, 1).astype(dt.dtype)
        return psi, sign * jnp.sqrt(dt) / jnp.sqrt(elapsed) * record

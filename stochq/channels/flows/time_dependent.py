"""Steps of an operator that depends on time: those of the operator as it is in the middle of the step."""

from typing import Any, final

import equinox as eqx
import jax

from stochq.channels.families.time_dependent import TimeDependentOperator
from stochq.channels.flow import Flow, StepLimit, Stepped
from stochq.noise import Budget, StepNoise


@final
class TimeDependentFlow(Flow):
    r"""Another flow with L frozen in the middle of the step, of the same order as the composition with the rest.

    $\int L\,dW$ differs from $L(t+\tfrac h2)\Delta W$ by $\dot L\int(s-\tfrac h2)dW_s$, which is of order h^{3/2}, has
    no mean and is independent of ΔW: averages err by h³ in one step.

    discrete: whether its noise takes few values. frozen: the flow of one term alone, by which it is known what a step
    needs.
    """

    channel: TimeDependentOperator
    discrete: bool = eqx.field(static=True)
    frozen: Flow

    @property
    def normalises(self) -> bool:
        return self.frozen.normalises

    @property
    def budget(self) -> Budget:
        return self.frozen.budget

    @property
    def missing_record(self) -> str:
        return self.frozen.missing_record

    @property
    def unmodulated(self) -> Flow:
        return self.frozen

    @property
    def is_symmetric(self) -> bool:
        return self.frozen.is_symmetric

    @property
    def takes_phases(self) -> bool:
        return self.frozen.takes_phases

    @property
    def is_differentiable(self) -> bool:
        return self.frozen.is_differentiable

    @property
    def step_limit(self) -> StepLimit | None:
        return self.frozen.step_limit

    @property
    def smallest_block(self) -> int:
        return self.frozen.smallest_block

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        operator = self.channel.at(t)
        if self.law.counts:
            flow = operator.jump_flow()
        else:
            flow = operator.discrete_flow(self.law) if self.discrete else operator.flow(self.law)
        return flow.step(t, dt, psi, noise, flow.terms(dt) if terms is None else terms, reverse)

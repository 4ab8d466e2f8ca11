"""Talay and Tubaro's extrapolation on a shared path: one order more from any scheme."""

from typing import Any, final

import jax
import jax.numpy as jnp

from stochq.channels import Channel
from stochq.channels.flow import StepLimit
from stochq.equation import Equation
from stochq.noise import Budget, StepPairNoise
from stochq.schemes.frame import Frame
from stochq.schemes.scheme import Increments, Scheme, States, Stepper


@final
class Extrapolated(Scheme):
    r"""Two runs on one path, steps h and h/2, combined: $(2^p f(\psi_{h/2}) - f(\psi_h))/(2^p-1)$ for weak order p.

    The wrapped scheme's leading bias cancels in every average; the shared path keeps the variance low. The fine
    run is the same, number for number, as the wrapped scheme's run at half the step.

    >>> import stochq as sq
    >>> sq.schemes.Extrapolated(sq.schemes.EulerMaruyama()).weak_order
    2
    """

    scheme: Scheme

    def __init__(self, scheme: Scheme) -> None:
        if isinstance(scheme, Extrapolated):
            raise ValueError("scheme: expected a plain scheme to extrapolate; got one that is extrapolated already.")
        if not isinstance(scheme, Scheme):
            raise ValueError(f"scheme: expected a scheme such as sq.schemes.Strang(); got {scheme!r}.")
        self.scheme = scheme

    @property
    def name(self) -> str:
        return f"Extrapolated({self.scheme.name})"

    @property
    def weights(self) -> tuple[float, ...]:
        gain = 2.0**self.scheme.weak_order
        return (gain / (gain - 1), -1 / (gain - 1))

    @property
    def doubles_steps(self) -> bool:
        return True

    @property
    def feedback(self) -> Any:
        return self.scheme.feedback

    @property
    def averages_only(self) -> bool:
        return self.scheme.averages_only

    @property
    def strong_order(self) -> float:
        return self.scheme.strong_order

    @property
    def weak_order(self) -> int:
        # A symmetric scheme of order 2 has an error expansion in even powers, but Platen's step does not: claim one.
        # A coarse step that adds two discrete increments is not the coarse scheme's own beyond linear averages.
        return self.scheme.weak_order + (0 if self.scheme.averages_only else 1)

    def requires(self, equation: Equation) -> str:
        return self.scheme.requires(equation)

    def smallest_block(self, equation: Equation) -> int:
        return self.scheme.smallest_block(equation)

    def missing_record(self, channel: Channel) -> str:
        return self.scheme.missing_record(channel)

    def normalises(self, equation: Equation) -> bool:
        return self.scheme.normalises(equation)

    def digest(self) -> str:
        return self.scheme.digest()

    def differentiable(self, equation: Equation) -> bool:
        return self.scheme.differentiable(equation)

    @property
    def rounding_per_step(self) -> float:
        fine, coarse = (abs(weight) for weight in self.weights)
        return self.scheme.rounding_per_step * (2 * fine + coarse)

    @property
    def propagates_exactly(self) -> bool:
        return self.scheme.propagates_exactly

    def unresolved(self, frame: Frame, means: bool) -> tuple[int, ...]:
        return self.scheme.unresolved(frame, means)

    def step_limits(self, frame: Frame) -> tuple[StepLimit | None, ...]:
        return self.scheme.step_limits(frame)

    def budget(self, frame: Frame) -> Budget:
        return self.scheme.budget(frame)

    def prepare(self, frame: Frame, dt: jax.Array) -> Stepper:
        return ExtrapolatedStepper(self.scheme.prepare(frame, 0.5 * dt), self.scheme.prepare(frame, dt), dt)


@final
class ExtrapolatedStepper(Stepper):
    fine: Stepper
    coarse: Stepper
    dt: jax.Array

    def init(self, t: jax.Array, states: States) -> Any:
        return self.fine.init(t, states[:1]), self.coarse.init(t, states[1:])

    def extract(self, t: jax.Array, state: Any) -> States:
        fine, coarse = state
        return (*self.fine.extract(t, fine), *self.coarse.extract(t, coarse))

    def suspend(self, t: jax.Array, state: Any) -> Any:
        fine, coarse = state
        return self.fine.suspend(t, fine), self.coarse.suspend(t, coarse)

    def resume(self, t: jax.Array, suspended: Any) -> Any:
        fine, coarse = suspended
        return self.fine.resume(t, fine), self.coarse.resume(t, coarse)

    def step(self, t: jax.Array, state: Any, noise: StepPairNoise) -> Any:
        fine, coarse = state
        even, odd = noise.even(), noise.odd()
        fine = self.fine.step(t + 0.5 * self.dt, self.fine.step(t, fine, even), odd)
        return fine, self.coarse.step(t, coarse, even.join_half_steps(odd))

    def step_with_record(self, t: jax.Array, state: Any, noise: StepPairNoise) -> tuple[Any, Increments]:
        """The record of the fine run, whose states are those that are kept."""
        state, (first, second, _) = self.step_with_records(t, state, noise)
        return state, jax.tree.map(jnp.add, first, second)

    def step_with_records(self, t: jax.Array, state: Any, noise: StepPairNoise) -> tuple[Any, tuple[Increments, ...]]:
        """Of the two steps of the fine run, and of the one of the coarse run."""
        fine, coarse = state
        even, odd = noise.even(), noise.odd()
        fine, first = self.fine.step_with_record(t, fine, even)
        fine, second = self.fine.step_with_record(t + 0.5 * self.dt, fine, odd)
        coarse, whole = self.coarse.step_with_record(t, coarse, even.join_half_steps(odd))
        return (fine, coarse), (first, second, whole)

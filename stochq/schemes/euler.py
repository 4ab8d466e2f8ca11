"""Euler and Maruyama's scheme, normalised after every step: the simple reference for all others."""

from typing import final

import jax
import jax.numpy as jnp

from stochq.equation import Equation
from stochq.noise import Budget, StepNoise
from stochq.schemes.frame import Frame
from stochq.schemes.scheme import Scheme, States, Stepper
from stochq.systems.linear import normalized, times_real


@final
class EulerMaruyama(Scheme):
    r"""Normalised Euler-Maruyama: $\psi' \propto \psi + a(\psi)dt + b(\psi)\Delta W$, weak order 1, strong order ½.

    Steps every equation. Fast parts of the Hamiltonian force short steps; Strang has no such limit.

    >>> import stochq as sq
    >>> sq.schemes.EulerMaruyama().weak_order
    1
    """

    @property
    def strong_order(self) -> float:
        return 0.5

    @property
    def weak_order(self) -> int:
        return 1

    def requires(self, equation: Equation) -> str:
        if any(channel.law.counts for channel in equation.channels):
            return "jumps have no increments of a Wiener process. Use sq.schemes.Strang()"
        if equation.colour is None:
            return ""
        return "its Itô correction is that of white noise, and this noise is coloured. Use sq.schemes.Strang()"

    @property
    def rounding_per_step(self) -> float:
        """Measured as that of other schemes: 0.02."""
        return 0.05

    def normalises(self, equation: Equation) -> bool:
        return True

    def differentiable(self, equation: Equation) -> bool:
        return True

    def budget(self, frame: Frame) -> Budget:
        return sum((channel.budget(channel.law) for channel in frame.channels), Budget())

    def prepare(self, frame: Frame, dt: jax.Array) -> Stepper:
        return EulerStepper(frame, dt)


@final
class EulerStepper(Stepper):
    frame: Frame
    dt: jax.Array

    def init(self, t: jax.Array, states: States) -> jax.Array:
        return states[0]

    def extract(self, t: jax.Array, state: jax.Array) -> States:
        return (state,)

    def step(self, t: jax.Array, state: jax.Array, noise: StepNoise) -> jax.Array:
        frame, dt = self.frame, self.dt
        image, scaled = frame.hamiltonian.apply(t, state), dt / frame.hbar
        change = jax.lax.complex(scaled * image.imag, -scaled * image.real)
        for index, channel in enumerate(frame.channels):
            own, noise = noise.split(channel.budget(channel.law))
            psi = frame.to_channel(index, state)
            drift = channel.drift(t, psi, channel.law)
            increment = times_real(dt, drift) + channel.diffuse(t, psi, own, dt, channel.law)
            change = change + frame.from_channel(index, increment)
        return normalized(state + change.astype(jnp.result_type(state)))

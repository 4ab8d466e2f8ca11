"""Platen's explicit weak-2 step for one jump operator and one real Wiener process."""

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.channels.families.kraus_terms import Action
from stochq.channels.families.operators import Operators
from stochq.channels.flow import NOT_MEASURED, Flow, StepLimit, Stepped
from stochq.channels.flows.kraus import KrausFlow
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import inner, level_sum, normalized, populations, times_real

# Its step is explicit: a mean of two coupled levels is off by 0.1 to 0.17 of its range at one jump in a step, and from
# three in the fastest level of a ladder that level is filled by rounding.
_LIMIT = StepLimit(1.0, 3.0)


@final
class PlatenFlow(Flow):
    """One operator after another by Platen's weak-2 step, in order or (reverse) in the opposite order."""

    channel: Operators

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law)

    def for_averages(self) -> Flow:
        return KrausFlow(self.channel, self.law)

    @property
    def step_limit(self) -> StepLimit:
        """Each variant of an operator is stepped alone."""
        share = max(abs(variant) ** 2 for variant in self.law.variants)
        return StepLimit(_LIMIT.jumps / share, _LIMIT.decay / share)

    @property
    def missing_record(self) -> str:
        return "" if self.law.collapses else NOT_MEASURED

    @property
    def is_symmetric(self) -> bool:
        return self.channel.count * len(self.law.variants) == 1

    @property
    def takes_phases(self) -> bool:
        return True

    @property
    def is_differentiable(self) -> bool:
        return True

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        law, channel = self.law, self.channel
        draws = law.normals(noise)

        def visit(psi: jax.Array, operator: tuple) -> Stepped:
            parameters, normals, phase = operator
            records = list(normals)
            order = range(len(normals))
            for variant in reversed(order) if reverse else order:
                factor = law.variants[variant] if phase is None else law.variants[variant] * phase
                actions = channel.actions(parameters, factor)
                psi, records[variant] = platen_step(*actions, dt, psi, normals[variant])
            return psi, law.record(tuple(records)) if law.collapses else None

        stack = jnp.asarray(channel.stack())
        if channel.count > 1:
            return lax.scan(visit, psi, (stack, draws, terms), reverse=reverse)
        psi, record = visit(psi, (stack[0], tuple(draw[0] for draw in draws), None if terms is None else terms[0]))
        return psi, None if record is None else record[None]


def platen_step(
    apply: Action, adjoint: Action, dt: jax.Array, psi: jax.Array, normal: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One normalised step of dψ = (⟨L†⟩L − ½L†L − ½|⟨L⟩|²)ψ dt + (L − ⟨L⟩)ψ dW (Kloeden and Platen, eq. 15.1.1).

    And of dY = 2 Re⟨L⟩dt + dW, as another component of the same equation, whose noise is constant.

    apply, adjoint: ψ ↦ Lψ and ψ ↦ L†ψ. psi: (dim, *columns); normal: standard normals (*columns,).

    Returns:
        ψ (dim, *columns), and the increment of Y (*columns,).
    """
    root = jnp.sqrt(dt)
    normal = normal[None]
    increment = root * normal
    drift, noise, mean = _coefficients(apply, adjoint, psi)
    moved, spread = psi + times_real(dt, drift), times_real(root, noise)
    predicted_drift, _, predicted_mean = _coefficients(apply, adjoint, moved + times_real(increment, noise))
    up, down = _noise(apply, moved + spread), _noise(apply, moved - spread)
    psi = psi + times_real(0.5 * dt, drift + predicted_drift)
    psi = psi + times_real(0.25 * increment, up + down + noise + noise)
    record = dt * (mean.real + predicted_mean.real) + increment
    return normalized(psi + times_real(0.25 * root * (normal * normal - 1), up - down)), record[0]


def _mean(psi: jax.Array, image: jax.Array) -> jax.Array:
    return times_real(1 / level_sum(populations(psi)), inner(psi, image))


def _noise(apply: Action, psi: jax.Array) -> jax.Array:
    image = apply(psi)
    return image - _mean(psi, image) * psi


def _coefficients(apply: Action, adjoint: Action, psi: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Drift, noise and ⟨L⟩, the last (1, *columns)."""
    image = apply(psi)
    mean = _mean(psi, image)
    drift = mean.conj() * image - times_real(0.5 * populations(mean), psi) - times_real(np.float32(0.5), adjoint(image))
    return drift, image - mean * psi, mean

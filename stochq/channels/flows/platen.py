"""Platen's explicit weak-2 step for one jump operator and one real Wiener process."""

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.channels.families.kraus_terms import Action
from stochq.channels.families.operators import Operators
from stochq.channels.flow import Flow, Stepped
from stochq.channels.flows.kraus import KrausFlow
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import inner, level_sum, normalized, populations, times_real


@final
class PlatenFlow(Flow):
    """One operator after another by Platen's weak-2 step, in order or (reverse) in the opposite order."""

    channel: Operators

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law)

    def for_averages(self) -> Flow:
        return KrausFlow(self.channel, self.law)

    @property
    def is_symmetric(self) -> bool:
        return self.channel.count * len(self.law.variants) == 1

    @property
    def is_differentiable(self) -> bool:
        return True

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        factors, channel = self.law.variants, self.channel
        draws = self.law.normals(noise)

        def visit(psi: jax.Array, operator: tuple) -> tuple[jax.Array, None]:
            parameters, normals = operator
            variants = list(zip(factors, normals, strict=True))
            for factor, normal in reversed(variants) if reverse else variants:
                psi = platen_step(*channel.actions(parameters, factor), dt, psi, normal)
            return psi, None

        stack = jnp.asarray(channel.stack())
        if channel.count == 1:
            return visit(psi, (stack[0], tuple(draw[0] for draw in draws)))[0], None
        return lax.scan(visit, psi, (stack, draws), reverse=reverse)[0], None


def platen_step(apply: Action, adjoint: Action, dt: jax.Array, psi: jax.Array, normal: jax.Array) -> jax.Array:
    """One normalised step of dψ = (⟨L†⟩L − ½L†L − ½|⟨L⟩|²)ψ dt + (L − ⟨L⟩)ψ dW (Kloeden and Platen, eq. 15.1.1).

    apply, adjoint: ψ ↦ Lψ and ψ ↦ L†ψ. psi: (dim, *columns); normal: standard normals (*columns,).
    """
    root = jnp.sqrt(dt)
    normal = normal[None]
    increment = root * normal
    drift, noise = _coefficients(apply, adjoint, psi)
    moved, spread = psi + times_real(dt, drift), times_real(root, noise)
    predicted_drift, _ = _coefficients(apply, adjoint, moved + times_real(increment, noise))
    up, down = _noise(apply, moved + spread), _noise(apply, moved - spread)
    psi = psi + times_real(0.5 * dt, drift + predicted_drift)
    psi = psi + times_real(0.25 * increment, up + down + noise + noise)
    return normalized(psi + times_real(0.25 * root * (normal * normal - 1), up - down))


def _mean(psi: jax.Array, image: jax.Array) -> jax.Array:
    return times_real(1 / level_sum(populations(psi)), inner(psi, image))


def _noise(apply: Action, psi: jax.Array) -> jax.Array:
    image = apply(psi)
    return image - _mean(psi, image) * psi


def _coefficients(apply: Action, adjoint: Action, psi: jax.Array) -> tuple[jax.Array, jax.Array]:
    image = apply(psi)
    mean = _mean(psi, image)
    drift = mean.conj() * image - times_real(0.5 * populations(mean), psi) - times_real(np.float32(0.5), adjoint(image))
    return drift, image - mean * psi

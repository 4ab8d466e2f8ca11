"""Platen's explicit weak-2 step for one jump operator and one real Wiener process."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from stochq.channels.channel import normalized, populations
from stochq.systems.linear import inner, level_sum, times_real

Action = Callable[[jax.Array], jax.Array]


def platen_step(apply: Action, adjoint: Action, dt: jax.Array, psi: jax.Array, normal: jax.Array) -> jax.Array:
    """One normalised step of dψ = (⟨L†⟩L − ½L†L − ½|⟨L⟩|²)ψ dt + (L − ⟨L⟩)ψ dW (Kloeden and Platen, eq. 15.1.1).

    apply, adjoint: ψ ↦ Lψ and ψ ↦ L†ψ. psi: (dim, *columns); normal: standard normals (*columns,).
    """
    root = jnp.sqrt(dt)
    normal = normal[None]
    increment = root * normal
    drift, noise = _coefficients(apply, adjoint, psi)
    predicted_drift, _ = _coefficients(apply, adjoint, psi + dt * drift + increment * noise)
    up = _noise(apply, psi + dt * drift + root * noise)
    down = _noise(apply, psi + dt * drift - root * noise)
    psi = psi + 0.5 * dt * (drift + predicted_drift)
    psi = psi + 0.25 * increment * (up + down + 2 * noise) + 0.25 * root * (normal * normal - 1) * (up - down)
    return normalized(psi)


def _mean(psi: jax.Array, image: jax.Array) -> jax.Array:
    return inner(psi, image) / level_sum(populations(psi))


def _noise(apply: Action, psi: jax.Array) -> jax.Array:
    image = apply(psi)
    return image - _mean(psi, image) * psi


def _coefficients(apply: Action, adjoint: Action, psi: jax.Array) -> tuple[jax.Array, jax.Array]:
    image = apply(psi)
    mean = _mean(psi, image)
    drift = mean.conj() * image - 0.5 * adjoint(image) - times_real(0.5 * populations(mean), psi)
    return drift, image - mean * psi

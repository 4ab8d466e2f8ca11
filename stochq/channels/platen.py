"""Platen's explicit weak-2 step for one jump operator and one real Wiener process."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

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

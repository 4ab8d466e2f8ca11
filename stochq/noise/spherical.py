"""Bounded noise: the height of a Brownian motion on the sphere."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import ArrayLike, Number, as_real
from stochq.module import Module
from stochq.noise.coloured import Increments

# Above this concentration the mean cosine is 1 − 1/κ to rounding.
_CONCENTRATED = 1e9
# Exponential variates beyond this, three in ten million, would round to a logarithm of zero.
_RAREST = 15.0


@final
class SphericalBrownian(Module):
    r"""$\xi=\cos\vartheta$ of isotropic Brownian motion on the unit sphere: uniform on [−1, 1], correlated in time.

    $$\mathrm E\,\xi^2 = \tfrac13,\qquad \mathrm E\,\xi(t)\xi(0) = \tfrac13e^{-|t|/\tau}$$

    Not Gaussian, and not normalised as `Coloured` is: its integral's variance grows as 2τt/3. For `coloured_suv` only.
    correlation_time: τ > 0.

    >>> round(float(SphericalBrownian(0.5).correlation(0.0)), 6)
    0.333333
    """

    correlation_time: float

    def __init__(self, correlation_time: float) -> None:
        time = np.asarray(as_real(correlation_time, "correlation_time"))
        if time.ndim or not (np.isfinite(time) and time > 0):
            raise ValueError(f"correlation_time: expected a positive number; got {correlation_time}.")
        self.correlation_time = float(time)

    @property
    def memory_time(self) -> float:
        """τ."""
        return self.correlation_time

    @property
    def resolved_time(self) -> float:
        """τ/16. Runs on one path share the walk of the finer one, so that the error of its trapezoidal rule stays
        unseen; at this step it has the variance of the integral over a time τ to 0.06 %."""
        return self.correlation_time / 16

    def correlation(self, time: ArrayLike) -> np.ndarray:
        r"""$\tfrac13e^{-|t|/\tau}$."""
        return np.asarray(np.exp(-np.abs(np.asarray(time, dtype=np.float64)) / self.correlation_time) / 3)

    def increments(self, dt: float) -> "SphericalIncrements":
        """The walk in steps of length dt."""
        if not (np.isfinite(dt) and dt > 0):
            raise ValueError(f"dt: expected a positive step; got {dt}.")
        ratio = dt / self.correlation_time
        # The trapezoidal sum of the values has (h/2τ) coth(h/2τ) times the integral's long-time variance.
        scale = dt * np.sqrt(np.tanh(0.5 * ratio) / (0.5 * ratio))
        kappa = concentration(np.exp(-ratio), -np.expm1(-ratio))
        return SphericalIncrements(concentration=np.float64(kappa), scale=np.float64(scale))


@final
class SphericalIncrements(Increments):
    r"""Steps from the von Mises-Fisher law whose mean cosine is $e^{-h/\tau}$.

    The walk is isotropic, so the values of ξ at the ends of steps have the stationary law and the correlation of
    Brownian motion at any h; their integral over a step is the trapezoidal one, of second order in h, scaled so that
    its variance over many steps is right at any h as well. concentration: κ of the law; scale: length of a step.
    """

    concentration: Number
    scale: Number
    memory: int = eqx.field(static=True, default=3)
    draws: int = eqx.field(static=True, default=3)

    def start(self, normals: jax.Array) -> jax.Array:
        return _on_sphere(normals)

    def step(self, memory: jax.Array, normals: jax.Array) -> tuple[jax.Array, jax.Array]:
        """memory: the walkers (3, K, B) on the unit sphere; normals (3, K, B)."""
        tangent = normals - memory * jnp.sum(memory * normals, axis=0, keepdims=True)
        square = jnp.sum(tangent * tangent, axis=0, keepdims=True)
        # Its direction is uniform, and half its square has an exponential law: what inversion needs.
        drop = _drop(0.5 * square, jnp.asarray(self.concentration))
        turned = (1 - drop) * memory + jnp.sqrt(drop * (2 - drop)) * tangent * jax.lax.rsqrt(square)
        after = _on_sphere(turned)
        return (memory[2] + after[2]) * (0.5 * self.scale), after


def _drop(exponential: jax.Array, kappa: jax.Array) -> jax.Array:
    """1 − w for w of density ∝ exp(κw) on [−1, 1], by inversion, without cancellation at small and large κ."""
    exponential = jnp.minimum(exponential, _RAREST)
    return jnp.clip(-jnp.log1p(-jnp.expm1(-exponential) * jnp.expm1(-2 * kappa)) / kappa, 0, 2)


def _on_sphere(vectors: jax.Array) -> jax.Array:
    return vectors * jax.lax.rsqrt(jnp.sum(vectors * vectors, axis=0, keepdims=True))


def concentration(cosine: float, deficit: float) -> float:
    r"""κ of the von Mises-Fisher law on the sphere with a given mean cosine, $\coth\kappa - 1/\kappa$.

    deficit: 1 − cosine, given apart because it cancels.

    >>> round(concentration(0.5, 0.5), 5)
    1.79676
    """
    if deficit * _CONCENTRATED < 1:
        return 1 / deficit
    from scipy.optimize import brentq

    def mean(kappa: float) -> float:
        return kappa / 3 if kappa < 1e-4 else 1 / np.tanh(kappa) - 1 / kappa

    return float(brentq(lambda kappa: mean(kappa) - cosine, 0.0, 2 / deficit, xtol=1e-300, rtol=1e-14))  # type: ignore

"""Noise with a spectrum: stationary Gaussian processes and the exact chain of their integrals over time steps."""

import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from stochq.arrays import Array, ArrayLike, Number, as_real, is_concrete
from stochq.module import Module

# Numbers, or arrays of them.
Numbers = ArrayLike


class Increments(Module):
    """The integrals of K independent copies of a process over consecutive steps of one length. Abstract.

    memory: numbers that each copy carries from step to step; draws: standard normals that each takes per step.
    """

    memory: eqx.AbstractVar[int]
    draws: eqx.AbstractVar[int]

    @abc.abstractmethod
    def start(self, normals: jax.Array) -> jax.Array:
        """The stationary memory (memory, K, B) from standard normals of that shape."""

    @abc.abstractmethod
    def step(self, memory: jax.Array, normals: jax.Array) -> tuple[jax.Array, jax.Array]:
        r"""The integrals $I_n=\int\xi\,dt$ of one step, (K, B), and the memory after it.

        normals: (K, B) where `draws` is 1, else (draws, K, B).
        """


class Coloured(Module):
    r"""A stationary Gaussian process $\xi(t)$ with mean zero. Abstract.

    $$\mathrm E\,\xi(t)\xi(0) = D(t),\qquad S(\omega) = \int D(t)e^{i\omega t}dt$$

    S(0) = 1 makes its white limit the usual one, E ξ(t)ξ(t') = δ(t − t').
    """

    @abc.abstractmethod
    def spectrum(self, omega: Numbers) -> np.ndarray:
        r"""$S(\omega)$, ω in radians per unit of time."""

    @abc.abstractmethod
    def correlation(self, time: Numbers) -> np.ndarray:
        r"""$D(t)$."""

    @abc.abstractmethod
    def spread(self, time: Numbers) -> np.ndarray:
        r"""The variance of the integral, $\int_0^t\!\int_0^t D(s-s')\,ds\,ds'$: t for white noise."""

    @property
    @abc.abstractmethod
    def memory_time(self) -> float:
        r"""The mean correlation time $\int|t|D\,dt/\int D\,dt$."""

    @property
    def resolved_time(self) -> float:
        """The longest step whose error a shorter one shows: steps beyond the memory look white, and alike."""
        return self.memory_time

    @abc.abstractmethod
    def increments(self, dt: float) -> Increments:
        """What the chain of the integrals over steps of length dt needs, in double precision."""


@final
class GaussianIncrements(Increments):
    r"""Integrals of a sum of Ornstein-Uhlenbeck processes by one normal per step, exact in law at any step.

    $$I_n = \sum_j m_j + s z_n,\qquad m_j \leftarrow a_j m_j + g_j z_n$$

    m is the best prediction from all integrals before (the steady Kalman filter), s²  its error; this is the
    autoregressive moving average that the integrals form. decay: a; gain: g; scale: s; root: of the covariance of m.
    """

    decay: Array
    gain: Array
    scale: Number
    root: Array
    memory: int = eqx.field(static=True)
    draws: int = eqx.field(static=True, default=1)

    def start(self, normals: jax.Array) -> jax.Array:
        # No product of matrices: it would run at the hardware's lower precision on some accelerators.
        return jnp.sum(jnp.asarray(self.root)[:, :, None, None] * normals[None], axis=1)

    def step(self, memory: jax.Array, normals: jax.Array) -> tuple[jax.Array, jax.Array]:
        integrals = normals * self.scale
        # Written out, the sum joins the loop that uses it; a reduction would be a pass of its own.
        for part in range(self.memory):
            integrals = integrals + memory[part]
        decay, gain = (jnp.asarray(value)[:, None, None] for value in (self.decay, self.gain))
        return integrals, decay * memory + gain * normals[None]


@final
class SumOfOrnsteinUhlenbeck(Coloured):
    r"""A sum of independent Ornstein-Uhlenbeck processes: a Lorentzian spectrum for each.

    $$S(\omega) = \sum_j\frac{w_j}{1+\omega^2\tau_j^2},\qquad D(t) = \sum_j\frac{w_j}{2\tau_j}e^{-|t|/\tau_j}$$

    weights: w (J,), not negative, sum 1 for a process whose white limit is the usual one; correlation_times: τ (J,).

    Raises:
        ValueError: for negative weights or correlation times that are not positive.

    >>> process = SumOfOrnsteinUhlenbeck([0.25, 0.75], [0.1, 2.0])
    >>> float(process.spectrum(0.0))
    1.0
    """

    weights: Float[np.ndarray, " parts"]
    correlation_times: Float[np.ndarray, " parts"]

    def __init__(self, weights: ArrayLike, correlation_times: ArrayLike) -> None:
        weights = np.atleast_1d(_numbers("weights", weights))
        times = np.atleast_1d(_numbers("correlation_times", correlation_times))
        if weights.ndim != 1 or weights.shape != times.shape:
            raise ValueError(
                f"correlation_times: expected one for each of the weights {weights.shape}; got {times.shape}."
            )
        if weights.min() < 0 or weights.sum() == 0:
            raise ValueError(f"weights: expected numbers that are zero or positive, not all zero; got {weights}.")
        if times.min() <= 0:
            raise ValueError(
                f"correlation_times: expected positive times; got {times.min():g}. Use None for white noise."
            )
        self.weights, self.correlation_times = weights, times

    def spectrum(self, omega: Numbers) -> np.ndarray:
        omega = np.asarray(omega, dtype=np.float64)[..., None]
        return np.asarray(np.sum(self.weights / (1 + (omega * self.correlation_times) ** 2), axis=-1))

    def correlation(self, time: Numbers) -> np.ndarray:
        time = np.abs(np.asarray(time, dtype=np.float64))[..., None]
        peak = self.weights / (2 * self.correlation_times)
        return np.asarray(np.sum(peak * np.exp(-time / self.correlation_times), axis=-1))

    def spread(self, time: Numbers) -> np.ndarray:
        ratio = np.abs(np.asarray(time, dtype=np.float64))[..., None] / self.correlation_times
        return np.asarray(np.sum(self.weights * self.correlation_times * _remainder(ratio, 2), axis=-1))

    @property
    def memory_time(self) -> float:
        return float(self.weights @ self.correlation_times / self.weights.sum())

    def increments(self, dt: float) -> GaussianIncrements:
        if not (np.isfinite(dt) and dt > 0):
            raise ValueError(f"dt: expected a positive step; got {dt}.")
        present = self.weights > 0
        return _innovations(self.weights[present], self.correlation_times[present], float(dt))


@final
class OrnsteinUhlenbeck(Coloured):
    r"""The Ornstein-Uhlenbeck process with unit white limit: a Lorentzian cut-off at $\Omega=1/\tau$.

    $$S(\omega) = \frac{1}{1+\omega^2\tau^2},\qquad D(t) = \frac{1}{2\tau}e^{-|t|/\tau}$$

    correlation_time: τ > 0.

    >>> float(OrnsteinUhlenbeck(0.5).spread(1.0).round(6))
    0.567668
    """

    parts: SumOfOrnsteinUhlenbeck

    def __init__(self, correlation_time: float) -> None:
        time = _numbers("correlation_time", correlation_time)
        if time.ndim or time <= 0:
            raise ValueError(
                f"correlation_time: expected a positive number; got {correlation_time}. Use None for white noise."
            )
        self.parts = SumOfOrnsteinUhlenbeck(1.0, time)

    @property
    def correlation_time(self) -> float:
        """τ."""
        return float(self.parts.correlation_times[0])

    @property
    def memory_time(self) -> float:
        return self.correlation_time

    def spectrum(self, omega: Numbers) -> np.ndarray:
        return self.parts.spectrum(omega)

    def correlation(self, time: Numbers) -> np.ndarray:
        return self.parts.correlation(time)

    def spread(self, time: Numbers) -> np.ndarray:
        return self.parts.spread(time)

    def increments(self, dt: float) -> GaussianIncrements:
        return self.parts.increments(dt)


def _numbers(name: str, value: ArrayLike) -> np.ndarray:
    if not is_concrete(value):
        raise ValueError(
            f"{name}: expected numbers, since the chain of integrals is prepared on the host; got a traced value. "
            "Differentiate with respect to rates, energies and lengths only."
        )
    array = as_real(value, name)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: expected finite numbers; got {value}.")
    return array


def _remainder(x: np.ndarray, order: int) -> np.ndarray:
    """order 2: x − 1 + e^{−x}; order 3: x − 2(1 − e^{−x}) + ½(1 − e^{−2x}); by their series where they cancel."""
    k = np.arange(order, 26, dtype=np.float64)
    factorials = np.cumprod(np.arange(1.0, 26.0))[order - 1 :]
    coefficients = (-1) ** k / factorials * (1 if order == 2 else 2 - 2 ** (k - 1))
    small = np.minimum(x, 0.5)
    series = np.sum(coefficients * small[..., None] ** k, axis=-1)
    full = x + np.expm1(-x) if order == 2 else x + 2 * np.expm1(-x) - 0.5 * np.expm1(-2 * x)
    return np.where(x < 0.5, series, full)


def _innovations(weights: np.ndarray, times: np.ndarray, dt: float) -> GaussianIncrements:
    """The steady Kalman predictor of I_n = c·y_n + η_n, y_{n+1} = a y_n + ε_n, y the Ornstein-Uhlenbeck processes."""
    ratio, variance = dt / times, weights / (2 * times)
    decay, seen = np.exp(-ratio), -times * np.expm1(-ratio)
    kicks = -variance * np.expm1(-2 * ratio)
    shared = variance / times * seen**2
    unseen = float(np.sum(2 * variance * times**2 * _remainder(ratio, 3)))
    # The part of ε that η tells; what remains is noise of a filter without cross-covariance.
    transition = np.diag(decay) - np.outer(shared, seen) / unseen
    error = _riccati(transition, seen, np.diag(kicks) - np.outer(shared, shared) / unseen, unseen)
    innovation = float(seen @ error @ seen + unseen)
    gain = (decay * (error @ seen) + shared) / np.sqrt(innovation)
    covariance = seen[:, None] * (np.diag(variance) - error) * seen
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    # Nothing is left after 70 correlation times; single precision cannot hold less.
    decay = np.where(ratio < 70, decay, 0.0)
    return GaussianIncrements(
        decay=decay, gain=seen * gain, scale=np.float64(np.sqrt(innovation)), root=root, memory=len(times)
    )


def _riccati(transition: np.ndarray, seen: np.ndarray, noise: np.ndarray, unseen: float) -> np.ndarray:
    """P = F P Fᵀ − F P c cᵀ P Fᵀ/(cᵀPc + r) + Q by doubling: each round predicts from twice as many steps."""
    forward, weight, error = transition.T, np.outer(seen, seen) / unseen, noise
    identity = np.eye(len(seen))
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv(identity + weight @ error)
        change = forward.T @ error @ inverse @ forward
        weight = weight + forward @ inverse @ weight @ forward.T
        forward = forward @ inverse @ forward
        error = error + 0.5 * (change + change.T)
        if np.abs(change).max() <= 1e-16 * np.abs(error).max():
            break
    return error


# 2^60 steps are more than any process remembers.
_ROUNDS = 60

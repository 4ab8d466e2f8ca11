"""Moments over a finite time, exactly: e^{At} and the noise gathered meanwhile."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import is_concrete
from stochq.gaussian.phase_space import Array, transposed

# Taylor's series of the short-time matrices is cut where its terms, 1/(ORDER + 2)!, are below rounding.
_ORDER, _SHORT = 17, 0.5
# Doublings at most: from |A|t of a half up to 5e11.
_DOUBLINGS = 40
_SWEEPS = 4


class Propagators(NamedTuple):
    """x̄ → Ex̄ and V → EVEᵀ + Q over each of k intervals; (k, 2n, 2n) both."""

    propagator: Array
    noise: Array


@jax.jit
@jax.default_matmul_precision("highest")
def propagate(
    drift: Array, diffusion: Array, lengths: Array, which: Array, mean: Array, covariance: Array
) -> tuple[Array, Array]:
    """Means (T, ..., 2n) and covariances (T, ..., 2n, 2n); interval i is of length lengths[which[i]]."""
    steps = propagators(drift, diffusion, lengths)

    def step(moments: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        mean, covariance = moments
        propagator = steps.propagator[index].reshape((1,) * (covariance.ndim - 2) + drift.shape)
        noise = steps.noise[index].reshape(propagator.shape)
        mean = (propagator @ mean[..., None])[..., 0]
        covariance = propagator @ covariance @ transposed(propagator) + noise
        # Two roundings of one number may differ; a covariance is symmetric.
        return (mean, 0.5 * (covariance + transposed(covariance))), moments

    # Each step returns where it started, so that no copy is made to put the start in front; the last one is idle.
    return lax.scan(step, (mean, covariance), jnp.concatenate([which, which[-1:]]))[1]


def propagators(drift: Array, diffusion: Array, lengths: Array) -> Propagators:
    r"""$E=e^{At}$ and $Q=\int_0^te^{As}Be^{A^Ts}ds$ (Van Loan's integral) for each length.

    By scaling and doubling, Q(2t) = Q(t) + E Q(t) Eᵀ: sums of positive matrices, where the exponential of Van Loan's
    block matrix would hold e^{−At} as well and lose digits after a few relaxation times.
    """
    # In balanced coordinates, where SI units do not make |A| astronomical.
    scale = lax.stop_gradient(_balance(drift))
    drift = drift * scale[None, :] / scale[:, None]
    diffusion = diffusion / (scale[:, None] * scale[None, :])
    propagator, noise = lax.map(lambda length: _one(drift, diffusion, length), lengths)
    propagator = propagator * scale[None, :, None] / scale[None, None, :]
    return Propagators(propagator, noise * (scale[:, None] * scale[None, :])[None])


def _one(drift: Array, diffusion: Array, length: Array) -> tuple[Array, Array]:
    size = jnp.maximum(jnp.abs(drift).sum(axis=0).max(), jnp.abs(drift).sum(axis=1).max()) * jnp.abs(length)
    tiny = np.finfo(drift.dtype).tiny
    count = jnp.clip(jnp.ceil(jnp.log2(jnp.maximum(lax.stop_gradient(size), tiny) / _SHORT)), 0, _DOUBLINGS)
    propagator, noise = _short(drift, diffusion, length * jnp.exp2(-count))

    def double(matrices: tuple[Array, Array]) -> tuple[Array, Array]:
        propagator, noise = matrices
        return propagator @ propagator, noise + propagator @ noise @ transposed(propagator)

    def visit(matrices: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], None]:
        return lax.cond(index < count, double, lambda same: same, matrices), None

    return lax.scan(visit, (propagator, noise), jnp.arange(_DOUBLINGS))[0]


def _short(drift: Array, diffusion: Array, length: Array) -> tuple[Array, Array]:
    """Taylor's series of E and Q, |A|·length at most a half."""
    step = drift * length
    unit = jnp.eye(drift.shape[0], dtype=drift.dtype)
    first = diffusion * length

    def add(carry: tuple[Array, ...], order: Array) -> tuple[tuple[Array, ...], None]:
        propagator, noise, propagator_term, noise_term = carry
        propagator_term = step @ propagator_term / order
        half = step @ noise_term
        noise_term = (half + transposed(half)) / (order + 1)
        return (propagator + propagator_term, noise + noise_term, propagator_term, noise_term), None

    orders = jnp.arange(1, _ORDER + 1, dtype=drift.dtype)
    propagator, noise, *_ = lax.scan(add, (unit, first, unit, first), orders)[0]
    return propagator, noise


def _balance(drift: Array) -> Array:
    """Scales (2n,) of the coordinates that make rows and columns of the drift about equally large (Osborne)."""
    size = jnp.abs(drift)
    # A row or column of zeros could be scaled without end: the largest rate on the diagonal is small enough, and where
    # that vanishes, too, no scale's square leaves the range of the numbers.
    floor = jnp.diag(size).max() + np.finfo(size.dtype).tiny
    most = float(np.finfo(size.dtype).max) ** (0.25 / _SWEEPS)
    off = size - jnp.diag(jnp.diag(size))

    def visit(index: Array, scale: Array) -> Array:
        at = index % scale.shape[0]
        row = (off[at] * scale).sum() / scale[at] + floor
        column = (off[:, at] / scale).sum() * scale[at] + floor
        return scale.at[at].multiply(jnp.clip(jnp.sqrt(row / column), 1 / most, most))

    return lax.fori_loop(0, _SWEEPS * size.shape[0], visit, jnp.ones(size.shape[0], size.dtype))


def distinct(times: Array) -> tuple[Array, Array]:
    """Lengths (k,) of the intervals between times that differ by more than rounding, and which interval has which."""
    if not is_concrete(times):
        return jnp.diff(times), jnp.arange(times.shape[0] - 1)
    gaps = np.diff(times)
    rounding = 8 * np.finfo(np.float64).eps * np.max(np.abs(times))
    _, which = np.unique(np.round(gaps / rounding), return_inverse=True)
    # The mean of equal lengths keeps the end time what it is.
    return np.bincount(which, weights=gaps) / np.bincount(which), which

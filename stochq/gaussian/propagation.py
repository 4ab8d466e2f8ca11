"""Moments over a finite time, exactly: e^{At} and the noise gathered meanwhile."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import is_concrete
from stochq.gaussian.phase_space import transposed

# Taylor's series of the short-time matrices is cut where its terms, 1/(ORDER + 2)!, are below rounding.
_ORDER, _SHORT = 17, 0.5
# Doublings at most: from |A|t of a half up to 5e11.
_DOUBLINGS = 40
_SWEEPS = 4


class Propagators(NamedTuple):
    """x̄ → Ex̄ and V → EVEᵀ + Q over each of k intervals; (k, 2n, 2n) both."""

    turn: Any
    noise: Any


@jax.jit
@jax.default_matmul_precision("highest")
def propagate(drift: Any, diffusion: Any, lengths: Any, which: Any, mean: Any, covariance: Any) -> tuple[Any, Any]:
    """Means (T, ..., 2n) and covariances (T, ..., 2n, 2n); interval i is of length lengths[which[i]]."""
    steps = propagators(drift, diffusion, lengths)

    def step(moments: tuple[Any, Any], index: Any) -> tuple[Any, Any]:
        mean, covariance = moments
        turn = steps.turn[index].reshape((1,) * (covariance.ndim - 2) + drift.shape)
        noise = steps.noise[index].reshape(turn.shape)
        mean = (turn @ mean[..., None])[..., 0]
        covariance = turn @ covariance @ transposed(turn) + noise
        # Two roundings of one number may differ; a covariance is symmetric.
        return (mean, 0.5 * (covariance + transposed(covariance))), moments

    # Each step returns where it started, so that no copy is made to put the start in front; the last one is idle.
    return lax.scan(step, (mean, covariance), jnp.concatenate([which, which[-1:]]))[1]


def propagators(drift: Any, diffusion: Any, lengths: Any) -> Propagators:
    r"""$E=e^{At}$ and $Q=\int_0^te^{As}Be^{A^Ts}ds$ (Van Loan's integral) for each length.

    By scaling and doubling, Q(2t) = Q(t) + E Q(t) Eᵀ: sums of positive matrices, where the exponential of Van Loan's
    block matrix would hold e^{−At} as well and lose digits after a few relaxation times.
    """
    # In balanced coordinates, where SI units do not make |A| astronomical.
    scale = lax.stop_gradient(_balance(drift))
    drift = drift * scale[None, :] / scale[:, None]
    diffusion = diffusion / (scale[:, None] * scale[None, :])
    turn, noise = lax.map(lambda length: _one(drift, diffusion, length), lengths)
    turn = turn * scale[None, :, None] / scale[None, None, :]
    return Propagators(turn, noise * (scale[:, None] * scale[None, :])[None])


def _one(drift: Any, diffusion: Any, length: Any) -> tuple[Any, Any]:
    size = jnp.maximum(jnp.abs(drift).sum(axis=0).max(), jnp.abs(drift).sum(axis=1).max()) * jnp.abs(length)
    tiny = np.finfo(drift.dtype).tiny
    count = jnp.clip(jnp.ceil(jnp.log2(jnp.maximum(lax.stop_gradient(size), tiny) / _SHORT)), 0, _DOUBLINGS)
    turn, noise = _short(drift, diffusion, length * jnp.exp2(-count))

    def double(matrices: tuple[Any, Any]) -> tuple[Any, Any]:
        turn, noise = matrices
        return turn @ turn, noise + turn @ noise @ transposed(turn)

    def visit(matrices: tuple[Any, Any], index: Any) -> tuple[Any, None]:
        return lax.cond(index < count, double, lambda same: same, matrices), None

    return lax.scan(visit, (turn, noise), jnp.arange(_DOUBLINGS))[0]


def _short(drift: Any, diffusion: Any, length: Any) -> tuple[Any, Any]:
    """Taylor's series of E and Q, |A|·length at most a half."""
    step = drift * length
    turn_term, noise_term = jnp.eye(drift.shape[0], dtype=drift.dtype), diffusion * length

    def add(carry: tuple[Any, ...], order: Any) -> tuple[tuple[Any, ...], None]:
        turn, noise, turn_term, noise_term = carry
        turn_term, half = step @ turn_term / order, step @ noise_term
        noise_term = (half + transposed(half)) / (order + 1)
        return (turn + turn_term, noise + noise_term, turn_term, noise_term), None

    orders = jnp.arange(1, _ORDER + 1, dtype=drift.dtype)
    return lax.scan(add, (turn_term, noise_term, turn_term, noise_term), orders)[0][:2]


def _balance(drift: Any) -> Any:
    """Scales (2n,) of the coordinates that make rows and columns of the drift about equally large (Osborne)."""
    size = jnp.abs(drift)
    # A row or column of zeros could be scaled without end; the largest rate on the diagonal is small enough.
    floor = jnp.diag(size).max() + np.finfo(size.dtype).tiny
    off = size - jnp.diag(jnp.diag(size))

    def visit(index: Any, scale: Any) -> Any:
        at = index % scale.shape[0]
        row = (off[at] * scale).sum() / scale[at] + floor
        column = (off[:, at] / scale).sum() * scale[at] + floor
        return scale.at[at].multiply(jnp.sqrt(row / column))

    return lax.fori_loop(0, _SWEEPS * size.shape[0], visit, jnp.ones(size.shape[0], size.dtype))


def distinct(times: Any) -> tuple[Any, Any]:
    """Lengths (k,) of the intervals between times that differ by more than rounding, and which interval has which."""
    if not is_concrete(times):
        return jnp.diff(times), jnp.arange(times.shape[0] - 1)
    gaps = np.diff(times)
    rounding = 8 * np.finfo(np.float64).eps * np.max(np.abs(times))
    _, which = np.unique(np.round(gaps / rounding), return_inverse=True)
    # The mean of equal lengths keeps the end time what it is.
    return np.bincount(which, weights=gaps) / np.bincount(which), which

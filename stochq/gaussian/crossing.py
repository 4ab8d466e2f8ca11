"""When dynamics that are not completely positive leave the physical states."""

import warnings

import jax
import numpy as np

from stochq.callers import users_line
from stochq.gaussian.checks import UnphysicalStateWarning, is_below_bound, smallest_bound
from stochq.gaussian.phase_space import Array, Real
from stochq.gaussian.propagation import distinct, propagators
from stochq.gaussian.state import State

# Points looked at in all, between the saved times.
_POINTS = 1024


def warn_if_unphysical(drift: Array, diffusion: Array, hbar: Real, moments: State, times: np.ndarray) -> None:
    """Warn the caller of `Dynamics.evolve` if, and from when, a state breaks the uncertainty principle."""
    when = first_unphysical(drift, diffusion, hbar, moments, times)
    if when is not None:
        warnings.warn(
            "The dynamics is not completely positive: the state breaks the uncertainty principle from "
            f"t = {when:.6g} on.",
            UnphysicalStateWarning,
            stacklevel=users_line(),
        )


def first_unphysical(drift: Array, diffusion: Array, hbar: Real, moments: State, times: np.ndarray) -> float | None:
    """The first time at which one of the evolved states (time, ..., 2n, 2n) is below the bound; None if none is."""
    covariances = moments.covariance.reshape(len(times), -1, *drift.shape)
    between = max(1, _POINTS // (len(times) * covariances.shape[1]))
    fractions = np.arange(1, between + 1) / between
    lengths, which = distinct(times)
    propagator, noise = _matrices(drift, diffusion, np.outer(lengths, fractions).ravel())
    shape = (len(lengths), between, 1, *drift.shape)
    propagator, noise = propagator.reshape(shape)[which], noise.reshape(shape)[which]
    found = propagator @ covariances[:-1, None] @ propagator.swapaxes(-1, -2) + noise
    below = np.any(is_below_bound(found, hbar), axis=2)
    if not below.any():
        return None
    interval, step = (int(index) for index in np.argwhere(below)[0])
    before = covariances[interval] if step == 0 else found[interval, step - 1]
    span = float(lengths[which[interval]]) / between
    return float(times[interval] + step * span + _cross(drift, diffusion, hbar, before, span))


def _cross(drift: Array, diffusion: Array, hbar: Real, start: Array, span: float) -> float:
    """How long the states `start`, physical now, stay so; they are not after `span`."""
    from scipy.optimize import brentq

    def bound(time: float) -> float:
        propagator, noise = _matrices(drift, diffusion, np.array([time]))
        return float(np.min(smallest_bound(propagator @ start @ propagator.swapaxes(-1, -2) + noise, hbar)))

    # At the bound already, to rounding, there is nothing to find.
    return 0.0 if bound(0.0) <= 0 else float(brentq(bound, 0.0, span))  # type: ignore[arg-type]


def _matrices(drift: Array, diffusion: Array, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        propagator, noise = _propagators(drift, diffusion, lengths)
    return np.asarray(propagator), np.asarray(noise)


_propagators = jax.jit(propagators)

"""When dynamics that are not completely positive leave the physical states."""

from typing import Any

import jax
import numpy as np

from stochq.gaussian.checks import is_below_bound, smallest_bound
from stochq.gaussian.propagation import propagators
from stochq.gaussian.state import State

# Points looked at in all, between the saved times, and halvings of the interval in which the bound is crossed.
_POINTS, _HALVINGS = 4096, 40


def first_unphysical(
    drift: np.ndarray, diffusion: np.ndarray, hbar: Any, moments: State, times: np.ndarray
) -> float | None:
    """The first time at which one of the evolved states (time, ..., 2n, 2n) is below the bound; None if none is."""
    covariances = moments.covariance.reshape(len(times), -1, *drift.shape)
    between = max(1, _POINTS // (len(times) * covariances.shape[1]))
    gaps = np.diff(times)
    fractions = np.arange(1, between + 1) / between
    for index, gap in enumerate(gaps):
        found = _after(drift, diffusion, covariances[index], gap * fractions)
        below = np.any(is_below_bound(found, hbar), axis=1)
        if below.any():
            step = int(np.argmax(below))
            start = covariances[index] if step == 0 else found[step - 1]
            offset = 0.0 if step == 0 else gap * fractions[step - 1]
            return float(times[index] + offset + _cross(drift, diffusion, hbar, start, gap / between))
    return None


def _cross(drift: np.ndarray, diffusion: np.ndarray, hbar: Any, start: np.ndarray, span: float) -> float:
    """How long the states `start`, physical now, stay so; they are not after `span`."""
    low, high = 0.0, span
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if np.any(smallest_bound(_after(drift, diffusion, start, np.array([middle])), hbar) < 0):
            high = middle
        else:
            low = middle
    return high


def _after(drift: np.ndarray, diffusion: np.ndarray, covariances: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Covariances (lengths, states, 2n, 2n) after each length."""
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        turn, noise = map(np.asarray, _propagators(drift, diffusion, lengths))
    turn, noise = turn[:, None], noise[:, None]
    return turn @ covariances[None] @ turn.swapaxes(-1, -2) + noise


_propagators = jax.jit(propagators)

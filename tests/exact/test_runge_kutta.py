"""Adaptive steps through a sudden kick, which must be tried again, against the closed form."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import erf

from stochq.exact.runge_kutta import Tolerance, find_steps, make_steps

CENTRE, WIDTH = 0.53, 0.02


def _slope(strength):
    return lambda t, y: -y * (0.5 + strength * jnp.exp(-(((t - CENTRE) / WIDTH) ** 2)))


def _integral(t):
    """∫₀ᵗ of the kick."""
    return 0.5 * np.sqrt(np.pi) * WIDTH * (erf((t - CENTRE) / WIDTH) + erf(CENTRE / WIDTH))


def test_steps_are_refused_made_again_and_differentiated():
    times = np.array([0.0, 0.5, 1.0])
    strength = 40.0

    def end(strength):
        slope, start = _slope(strength), jnp.array([1.0, 2.0])
        constant = _slope(jax.lax.stop_gradient(strength))
        steps = find_steps(constant, start, jnp.asarray(times), Tolerance(1e-9, 1e-11, jnp.inf))
        return make_steps(slope, lambda t, y: y[1] * t, start, steps), steps

    with jax.enable_x64(True):
        values, steps = jax.jit(end)(strength)
        slopes = jax.jit(jax.jacrev(lambda x: end(x)[0]))(strength)
    expected = 2 * times * np.exp(-0.5 * times - strength * _integral(times))
    np.testing.assert_allclose(values, expected, atol=1e-8)
    np.testing.assert_allclose(slopes, -_integral(times) * expected, atol=1e-8)
    ends = np.asarray(steps.starts + steps.lengths)[np.asarray(steps.ends)]
    np.testing.assert_allclose(ends, times[1:], rtol=1e-14)
    # Fewer than a hundred steps: they are short at the kick alone.
    assert 10 < int(steps.count) < 100


def test_what_cannot_be_reached_is_nan():
    """1/(1 − t) has no value at t = 2."""
    with jax.enable_x64(True):
        start, times = jnp.array([1.0]), jnp.array([0.0, 0.5, 2.0])
        steps = find_steps(lambda t, y: y**2, start, times, Tolerance(1e-8, 1e-10, jnp.inf))
        values = make_steps(lambda t, y: y**2, lambda t, y: y[0], start, steps)
    assert not bool(steps.finished)
    assert np.all(np.isnan(values))

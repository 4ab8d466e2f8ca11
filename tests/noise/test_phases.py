"""Phase factors: against NumPy's in double precision, their norm in the mean, and their slope."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.noise.phases import unit_phase

EPS = 2.0**-24


@pytest.mark.parametrize("largest", [0.1, 4.0, 1e4])
def test_single_precision_is_off_by_the_rounding_of_the_angle(largest):
    angles = np.linspace(-largest, largest, 200_001, dtype=np.float32)
    found = np.asarray(jax.jit(unit_phase)(angles), complex)
    error = np.abs(found - np.exp(1j * angles.astype(float)))
    assert np.all(error <= 2 * EPS + 3 * EPS * np.abs(angles))
    # Of 10⁵ steps no more than this times 10⁵ is lost of the norm.
    assert abs(np.mean(np.abs(found) ** 2) - 1) < 2e-9


def test_every_quarter_turn():
    angles = np.array([0, np.pi / 2, np.pi, -np.pi / 2, -np.pi, 3 * np.pi / 4, 5 * np.pi / 4, 7 * np.pi / 4])
    found = unit_phase(jnp.asarray(angles, np.float32))
    np.testing.assert_allclose(found, np.exp(1j * angles), atol=4e-7)


def test_double_precision():
    with jax.enable_x64(True):
        angles = jnp.linspace(-50, 50, 1001)
        np.testing.assert_allclose(unit_phase(angles), np.exp(1j * np.asarray(angles)), atol=1e-14)


def test_the_slope_is_that_of_the_exponential():
    angles = jnp.linspace(-7, 7, 101, dtype=np.float32)
    _, slope = jax.jvp(unit_phase, (angles,), (jnp.ones_like(angles),))
    np.testing.assert_allclose(slope, 1j * np.exp(1j * np.asarray(angles)), atol=1e-6)
    pulled = jax.grad(lambda x: jnp.sum(unit_phase(x).imag))(angles)
    np.testing.assert_allclose(pulled, np.cos(angles), atol=1e-6)

"""Spins under a drive that are never matrices, against the dense chain and the integrated Schrödinger equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import stochq as sq
from stochq.systems import PauliSum, driven

SITES, DIM = 3, 8
FIELD = PauliSum(SITES, {"X0": 0.5, "X1": 0.8, "Y2": 0.3})
BIAS = PauliSum(SITES, {"Z0 Z2": 0.6})
CHAIN = sq.systems.spins(SITES, {"Z0 Z1": -1.0, "Z1 Z2": -1.0, "X1": -0.4})


def pulse(t):
    return jnp.sin(3 * t)


def ramp(t):
    return 0.5 * t


DRIVEN = driven(CHAIN, [(FIELD, pulse), (BIAS, ramp)])


def by_hand(t):
    return np.asarray(CHAIN.matrix()) + np.sin(3 * t) * FIELD.matrix() + 0.5 * t * BIAS.matrix()


def test_a_driven_chain_acts_as_its_matrix():
    psi = np.random.default_rng(0).normal(size=(DIM, 2)) + 0j
    assert DRIVEN.is_matrix_free
    with jax.enable_x64(True):
        np.testing.assert_allclose(DRIVEN.matrix(0.7), by_hand(0.7), atol=1e-14)
        np.testing.assert_allclose(DRIVEN.apply(0.7, jnp.asarray(psi)), by_hand(0.7) @ psi, atol=1e-14)


@pytest.mark.long
def test_the_midpoint_step_is_of_order_two():
    start = np.eye(DIM)[1].astype(complex)
    solution = solve_ivp(lambda t, psi: -1j * by_hand(t) @ psi, (0, 1), start, "DOP853", rtol=1e-11, atol=1e-13)
    errors = []
    with jax.enable_x64(True):
        step = jax.jit(lambda t, dt, psi: DRIVEN.propagator(dt)(t, psi))
        for steps in (10, 20, 40):
            psi = jnp.asarray(start)
            for n in range(steps):
                psi = step(n / steps, 1 / steps, psi)
            errors.append(np.linalg.norm(psi - solution.y[:, -1]))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert errors[-1] < 2e-3
    np.testing.assert_allclose(slopes, 2, atol=0.15)


def test_drives_that_do_not_fit():
    with pytest.raises(ValueError, match=r"terms\[0\]: expected a sum on states of dimension 8"):
        driven(CHAIN, [(PauliSum(2, {"X0": 1.0}), pulse)])
    with pytest.raises(ValueError, match=r"coefficients\[0\]: expected real"):
        driven(CHAIN, [(FIELD, lambda t: jnp.exp(1j * t))])

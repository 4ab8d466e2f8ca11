"""Rates of jump operators that are given apart from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from tests import liouville

LOWERING = np.diag(np.sqrt(np.arange(1.0, 12)), k=1)
HOPPING = np.diag(np.ones(11), k=1)
NUMBER = np.arange(12.0)
DENSE = np.random.default_rng(0).normal(size=(12, 12)) / 12


def model(rates, noise=None):
    return sq.models.unravel(sq.systems.levels(NUMBER), [LOWERING, NUMBER, 1j * HOPPING], rates=rates, noise=noise)


def test_traced_rates_leave_operators_their_structure():
    plain = [type(channel).__name__ for channel in model([0.5, 0.2, 0.1]).channels]
    traced = []
    jax.make_jaxpr(lambda rates: traced.append([type(c).__name__ for c in model(rates).channels]))(jnp.ones(3))
    assert plain == traced[0] == ["Features", "BandedOperators"]
    dense = sq.models.unravel(sq.systems.levels(NUMBER), [DENSE], rates=[0.4]).channels[0]
    np.testing.assert_allclose(dense.operators()[0], np.sqrt(0.4) * DENSE, rtol=1e-6)


def test_rates_multiply_the_dissipators():
    """Against the master equation of √γ L in dense matrices."""
    psi = np.ones(12) / np.sqrt(12)
    found = sq.exact.evolve(model([0.5, 0.2, 0.1]), psi, [0.0, 0.4], observables={"n": NUMBER}).expect["n"]
    jumps = [np.sqrt(0.5) * LOWERING, np.sqrt(0.2) * np.diag(NUMBER), 1j * np.sqrt(0.1) * HOPPING]
    rho = liouville.density(np.diag(NUMBER), jumps, psi, np.array([0.0, 0.4]))
    np.testing.assert_allclose(found, liouville.expectation(np.diag(NUMBER), rho), rtol=1e-6)


def test_traced_runs_have_the_noise_of_untraced_ones():
    psi, run = np.ones(12) / np.sqrt(12), {"trajectories": 16, "dt": 0.005, "scheme": sq.schemes.EulerMaruyama()}

    def mean(rates):
        return sq.expectations(model(rates), psi, [0.0, 0.1], observables={"n": NUMBER}, **run)["n"]

    rates = np.array([0.5, 0.2, 0.1])
    np.testing.assert_allclose(jax.jit(mean)(rates), mean(rates), rtol=1e-5)


def test_bad_rates():
    with pytest.raises(ValueError, match=r"^rates: expected shape \(3,\)"):
        model([0.5])
    with pytest.raises(ValueError, match="^rates: expected none below zero"):
        model([0.5, -0.1, 0.2])
    with pytest.raises(ValueError, match="^rates: expected none beside channels"):
        sq.models.unravel(sq.systems.levels(NUMBER), [model([1, 1, 1]).channels[0]], rates=[1.0])


def test_traced_rates_in_a_list_are_those_of_an_array():
    def mean(rate, together):
        equation = sq.models.unravel(np.zeros((2, 2)), [np.array([[0.0, 1.0], [0.0, 0.0]])], rates=together([rate]))
        observables = {"upper": np.array([0.0, 1.0])}
        return sq.exact.expectations(equation, [0.0, 1.0], [0.0, 1.0], observables=observables)["upper"][-1]

    for together in (list, jnp.asarray):
        assert jax.grad(mean)(0.7, together) == pytest.approx(-np.exp(-0.7), rel=1e-4)

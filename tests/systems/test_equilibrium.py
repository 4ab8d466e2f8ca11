"""Equilibria without a spectrum against full diagonalisation in NumPy."""

import jax
import numpy as np
import pytest

import stochq as sq
from stochq.systems.typicality.functions import polynomial_of, step_polynomial

SITES = 8
CHAIN = sq.systems.ising(SITES, 1.0, 0.9045, 0.809)
INTEGRABLE = sq.systems.ising(SITES, 1.0, 0.9045, periodic=True)


def of_energies(system, function):
    energies, vectors = np.linalg.eigh(np.asarray(system.matrix()))
    return (vectors * function(energies)) @ vectors.conj().T


def product_state(angle, sites=SITES):
    psi = np.ones(1)
    for _ in range(sites):
        psi = np.kron([np.cos(angle / 2), np.sin(angle / 2)], psi)
    return psi.astype(complex)


@pytest.mark.parametrize("system", [CHAIN, INTEGRABLE])
@pytest.mark.parametrize(("precision", "tolerance"), [("single", 1e-6), ("double", 1e-12)])
def test_functions_of_the_hamiltonian(system, precision, tolerance):

    def function(energies):
        return np.exp(-((energies - 1) ** 2) / 9)

    rng = np.random.default_rng(1)
    psi = rng.normal(size=(256, 3)) + 1j * rng.normal(size=(256, 3))
    expected = of_energies(system, function) @ psi
    with jax.enable_x64(precision == "double"):
        polynomial = polynomial_of(function, system.spectrum, tolerance / 10)
        value = np.asarray(polynomial(system, psi.astype(np.complex64 if precision == "single" else complex)))
    assert np.linalg.norm(value - expected) < tolerance * np.linalg.norm(psi)


def test_steps_are_positive_and_as_sharp_as_said():
    step = step_polynomial(-2.0, 3.0, (-10.0, 12.0), edge=0.25)
    energies = np.linspace(-10, 12, 4001)
    values = step.of_energies(energies)
    assert -1e-12 < values.min() and values.max() < 1 + 1e-12
    # The slope of an edge is a bump of weight 1 and of the standard deviation that was asked for.
    slope = np.gradient(values, energies)
    first = (energies > -4) & (energies < 0)
    weight = slope[first].sum()
    centre = (slope * energies)[first].sum() / weight
    spread = np.sqrt((slope * (energies - centre) ** 2)[first].sum() / weight)
    assert abs(centre + 2) < 0.02 and abs(spread - 0.25) < 0.03

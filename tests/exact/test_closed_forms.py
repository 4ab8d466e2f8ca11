"""Formulas against the equations they solve, integrated here."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import stochq as sq
from stochq import exact
from tests import oracles


@pytest.mark.parametrize("matrix", [oracles.random_hermitian(4, 1), np.array([0.5, -1.0, 2.0, 0.1])])
def test_thermalization(matrix):
    chi, times, hbar = np.array([0.1, 0.0, 0.6, 0.3]), np.array([0.5, 0.9, 3.0]), 1.4
    dense = matrix if matrix.ndim == 2 else np.diag(matrix)
    vectors = np.linalg.eigh(dense)[1].T
    operators = [np.sqrt(0.7 * chi[m]) * np.outer(vectors[m], vectors[n].conj()) for m in range(4) for n in range(4)]
    rho = oracles.random_density(4, 2)
    found = exact.oqt_closed_form(sq.systems.levels(matrix), rho, times, rate=0.7, equilibrium=chi, hbar=hbar)
    np.testing.assert_allclose(found, oracles.by_liouvillian(dense, operators, rho, times, hbar), atol=1e-12)
    target = vectors.T @ np.diag(chi) @ vectors.conj()
    distances = [np.sum(np.abs(state - target) ** 2) for state in found]
    np.testing.assert_allclose(exact.oqt_squared_distance(distances[0], 0.7, times - times[0]), distances, atol=1e-13)


@pytest.mark.parametrize(("rate", "epsilon"), [(1.0, 0.01), (0.3, 0.2)])
def test_mean_collapse_time(rate, epsilon):
    """Of dz = 2√γ(1 − z²)dW: T(0) = ∫_0^{1−ε} 2(1 − ε − z)/(4γ(1 − z²)²) dz for exits on either side."""
    edge = 1 - epsilon
    expected = quad(lambda z: 2 * (edge - z) / (4 * rate * (1 - z**2) ** 2), 0, edge)[0]
    assert exact.two_level_suv_mean_collapse_time(rate, epsilon) == pytest.approx(expected, rel=1e-8)


def test_mean_collapse_time_of_the_reference():
    assert exact.two_level_suv_mean_collapse_time(1.0, 0.01) == pytest.approx(0.65505, abs=5e-6)


def test_qmupl_widths():
    """α̇ = Λ − 2iħα²/m for ψ ∝ exp(−αx²) settles at these widths."""
    rate, mass, hbar = 0.7, 1.3, 0.9
    slope = lambda t, y: rate - 2j * hbar / mass * y**2  # noqa: E731
    alpha = solve_ivp(slope, (0, 60), np.array([0.5 + 0j]), rtol=1e-10, atol=1e-12).y[0, -1]
    widths = exact.qmupl_asymptotic_widths(rate=rate, mass=mass, hbar=hbar)
    assert widths.position == pytest.approx(1 / (4 * alpha.real), rel=1e-7)
    assert widths.momentum == pytest.approx(hbar**2 * abs(alpha) ** 2 / alpha.real, rel=1e-7)
    # Cov(q, p) = −ħ Im α / 2 Re α.
    assert widths.covariance == pytest.approx(-hbar * alpha.imag / (2 * alpha.real), rel=1e-7)


def test_csl_rates_of_the_library_and_the_formula():
    trap = sq.systems.particle(48, 16.0, 2.0)
    equation = sq.models.csl(trap, rate=0.5, length=1.0, reference_mass=4.0)
    distance = 5 * 16.0 / 48
    expected = exact.csl_decoherence_rate(distance, rate=0.5, length=1.0, mass_ratio=0.5)
    assert float(equation.channels[0].decoherence()[20, 25]) == pytest.approx(float(expected), rel=1e-5)
    assert exact.csl_energy_gain(rate=0.5, length=2.0, mass=3.0, reference_mass=1.5, hbar=2.0, dimensions=3) == 0.5

"""Oscillators in a Fock basis against closed forms and truncated matrices of a larger basis."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from stochq.systems import kerr, oscillator
from stochq.systems.banded import Banded
from stochq.systems.hamiltonian import Diagonal


def _ladder(dim):
    return np.diag(np.sqrt(np.arange(1.0, dim)), 1)


def test_levels_and_ladder():
    mode = oscillator(5, frequency=2.0, hbar=0.5)
    np.testing.assert_allclose(mode.energies, np.arange(5) + 0.5)
    np.testing.assert_allclose(mode.annihilation, _ladder(5))
    psi = np.arange(1.0, 6.0)
    np.testing.assert_allclose(mode.annihilation_band * np.append(psi[1:], 0.0), _ladder(5) @ psi)


@pytest.mark.parametrize(("mass", "frequency", "hbar"), [(1.0, 1.0, 1.0), (2.0, 0.7, 0.5)])
def test_quadratures_are_those_of_the_whole_space(mass, frequency, hbar):
    dim, a = 6, _ladder(12)
    position = np.sqrt(hbar / (2 * mass * frequency)) * (a + a.T)
    momentum = 1j * np.sqrt(hbar * mass * frequency / 2) * (a.T - a)
    operators = oscillator(dim, frequency, mass, hbar).operators
    for name, matrix in {"position": position, "momentum": momentum}.items():
        np.testing.assert_allclose(operators[name], matrix[:dim, :dim], atol=1e-14)
        np.testing.assert_allclose(operators[f"{name}_squared"], (matrix @ matrix)[:dim, :dim], atol=1e-14)
    energy = operators["momentum_squared"] / (2 * mass) + mass * frequency**2 * operators["position_squared"] / 2
    np.testing.assert_allclose(energy, np.diag(operators["energy"]), atol=1e-14)


def test_coherent_states():
    mode = oscillator(40, frequency=1.3, mass=0.6, hbar=0.9)
    alpha = 1.2 - 0.7j
    psi = mode.coherent(alpha)
    np.testing.assert_allclose((mode.annihilation @ psi)[:30], alpha * psi[:30], atol=1e-8)
    mean = np.vdot(psi, mode.operators["position"] @ psi).real
    np.testing.assert_allclose(mean, np.sqrt(2 * 0.9 / (0.6 * 1.3)) * 1.2, atol=1e-10)
    np.testing.assert_array_equal(mode.coherent(0.0), mode.fock(0))
    with jax.enable_x64(True):
        turned = mode.propagate(0.0, 0.4, jnp.asarray(psi), 0.9)
    np.testing.assert_allclose(turned, np.exp(-0.26j) * mode.coherent(alpha * np.exp(-0.52j)), atol=1e-10)


@pytest.mark.parametrize("r", [0.5, -0.5, 0.0])
def test_squeezed_states(r):
    mode = oscillator(60)
    psi = mode.squeezed(r)
    a = _ladder(160)
    exact = scipy.linalg.expm(r / 2 * (a @ a - a.T @ a.T))[:, 0]
    np.testing.assert_allclose(psi, exact[:60], atol=1e-8)
    variance = np.vdot(psi, mode.operators["position_squared"] @ psi).real
    np.testing.assert_allclose(variance, math.exp(-2 * r) / 2, rtol=1e-6)


def test_truncated_states_are_normalised_and_say_which_cutoff_serves():
    """Poisson, geometric and squeezed-vacuum weights from scipy; amplitudes keep their ratios."""
    small = oscillator(6)
    for make, alpha, weights in [
        (small.coherent, 5**0.5, scipy.stats.poisson(5).pmf(np.arange(60))),
        (small.thermal_density, 2.0, scipy.stats.geom(1 / 3, loc=-1).pmf(np.arange(60))),
    ]:
        enough = int(np.flatnonzero(1 - np.cumsum(weights) <= 1e-6)[0]) + 1
        with pytest.raises(ValueError, match=f"cutoff={enough} or larger.*truncate=True"):
            make(alpha)
        kept = make(alpha, truncate=True)
        populations = np.abs(kept) ** 2 if kept.ndim == 1 else np.diag(kept).real
        np.testing.assert_allclose(populations, weights[:6] / weights[:6].sum(), atol=1e-12)
    np.testing.assert_allclose(np.abs(oscillator(enough).thermal_density(2.0)).sum(), 1.0)
    ratio = small.squeezed(1.5, truncate=True)[2] / small.squeezed(1.5, truncate=True)[0]
    np.testing.assert_allclose(ratio, -np.tanh(1.5) / np.sqrt(2), atol=1e-12)
    phase = small.coherent(3j, truncate=True)
    np.testing.assert_allclose(phase[1] / phase[0], 3j, atol=1e-12)
    for state in (small.squeezed(2000.0, truncate=True), small.coherent(1e200, truncate=True)):
        np.testing.assert_allclose(np.linalg.norm(state), 1.0, atol=1e-12)


def test_thermal_states():
    rho = oscillator(80).thermal_density(0.8)
    np.testing.assert_allclose(np.trace(rho), 1.0)
    np.testing.assert_allclose(np.diag(rho).real @ np.arange(80), 0.8, atol=1e-10)
    np.testing.assert_allclose(oscillator(4).thermal_density(0.0)[0, 0], 1.0)


def test_kerr_matrix():
    a = _ladder(5)
    n = a.T @ a
    expected = 0.3 * n + 0.4 / 2 * n @ (n - np.eye(5)) + 0.5 * (a + a.T)
    driven_mode = kerr(5, 0.3, 0.4, 0.5)
    assert isinstance(driven_mode, Banded)
    np.testing.assert_allclose(driven_mode.matrix(), expected, atol=1e-14)
    np.testing.assert_allclose(driven_mode.operators["position"], (a + a.T) / np.sqrt(2))
    assert isinstance(kerr(5, 0.3, 0.4), Diagonal)
    assert list(kerr(5, 0.3, 0.4).conserved) == ["number"] and not driven_mode.conserved


def test_banded_matches_levels_of_a_dense_matrix_without_gathers():
    mode = kerr(8, 0.3, 0.4, 0.5)
    text = str(jax.make_jaxpr(lambda psi: mode.apply(0.0, psi))(jnp.ones(8, complex)))
    assert "slice" in text and "gather" not in text and "scatter" not in text


def test_derivative_with_respect_to_the_drive():
    @jax.jit
    def occupation(drive):
        psi = kerr(12, 0.3, 0.2, drive).propagate(0.0, 0.5, jnp.eye(12, dtype=complex)[0])
        return jnp.sum(np.arange(12.0) * jnp.abs(psi) ** 2)

    with jax.enable_x64(True):
        numeric = (occupation(0.4 + 1e-5) - occupation(0.4 - 1e-5)) / 2e-5
        np.testing.assert_allclose(jax.jit(jax.grad(occupation))(0.4), numeric, rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: oscillator(1), "cutoff: expected a whole number of at least 2"),
        (lambda: oscillator(5, frequency=-1.0), "frequency: expected a finite number greater than 0"),
        (lambda: oscillator(5).fock(5), "n: expected a whole number of at least 0 and at most 4; got 5"),
        (lambda: oscillator(5).coherent(3.0), "alpha: expected a state within the 5 Fock states.*truncate=True"),
        (lambda: oscillator(5).coherent(1e200), "alpha: expected a state within"),
        (lambda: oscillator(5).coherent(np.nan), "alpha: expected a finite complex number"),
        (lambda: oscillator(5).coherent("a"), "alpha: expected a complex number; got 'a'"),
        (lambda: oscillator(10).squeezed(2.0), "r: expected a state within the 10 Fock states"),
        (lambda: oscillator(10).squeezed(2000.0), "r: expected a state within the 10 Fock states"),
        (lambda: oscillator(10).thermal_density(5.0), "nbar: expected a state within"),
        (lambda: oscillator(10).thermal_density(-1.0), "nbar: expected a mean number of at least 0"),
        (lambda: kerr(5, np.nan, 1.0), "detuning: expected a finite real number"),
        (
            lambda: Banded((0,), np.ones((2, 3))),
            r"bands: expected one row per distinct offset; got bands of shape \(2, 3\)",
        ),
        (lambda: Banded((1,), np.ones((1, 3))), "bands: expected a Hermitian matrix"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()

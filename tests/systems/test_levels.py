"""Levels and driven Hamiltonians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from stochq.systems import driven, levels
from stochq.systems.hamiltonian import Dense, Diagonal

SIGMA_X = np.array([[0.0, 1.0], [1.0, 0.0]])
SIGMA_Z = np.diag([1.0, -1.0])


def test_the_kind_follows_the_input():
    assert isinstance(levels([1.0, 0.0]), Diagonal)
    assert isinstance(levels(np.diag([1.0, 0.0]).astype(complex)), Diagonal)
    assert isinstance(levels(SIGMA_X), Dense)
    assert np.isrealobj(levels(SIGMA_X.astype(complex)).eigenvectors)


def test_populations():
    operators = levels([1.0, 0.0, 2.0]).operators
    assert list(operators) == ["population_0", "population_1", "population_2", "energy"]
    np.testing.assert_array_equal(operators["population_1"], [0.0, 1.0, 0.0])
    assert list(levels(np.arange(100.0)).operators) == ["energy"]
    with pytest.raises(KeyError, match="population_9.*there are population_0"):
        operators["population_9"]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.0, 1.0], [0.5, 0.0]], r"matrix: expected a Hermitian matrix.*difference of 0\.5.*Symmetrise"),
        ([[0.0, 1j], [1j, 0.0]], "difference of 2"),
        ([[0.0, np.nan], [np.nan, 0.0]], r"matrix: expected finite numbers; got nan at index \(0, 1\), 2 such"),
        ([0.0, np.inf], "got inf at index"),
        ([0.0, 1j], "expected real energies; got imaginary parts up to 1"),
        (np.zeros((2, 3)), r"square matrix of shape \(dim, dim\); got shape \(2, 3\)"),
        (np.array(3.0), r"got shape \(\)"),
        ([], r"vector of shape \(dim,\); got shape \(0,\)"),
        ([[1.0, 2.0], [3.0]], "matrix: expected an array; got nested lists whose rows differ"),
        (["a", "b"], "expected an array of numbers"),
    ],
)
def test_bad_matrices(matrix, message):
    with pytest.raises(ValueError, match=message):
        levels(matrix)


def _rabi():
    """A qubit with both kinds of terms, and its matrix in plain numpy."""
    hamiltonian = driven(levels(0.8 * SIGMA_Z + 0.1 * SIGMA_X), [SIGMA_X, [1.0, -1.0]], [_drive, _sweep])

    def matrix(t):
        return 0.8 * SIGMA_Z + (0.1 + 0.6 * np.cos(1.7 * t)) * SIGMA_X + 0.3 * t * SIGMA_Z

    return hamiltonian, matrix


def _drive(t):
    return 0.6 * jnp.cos(1.7 * t)


def _sweep(t):
    return 0.3 * t


def _evolve(hamiltonian, steps, duration, hbar):
    with jax.enable_x64(True):
        dt = duration / steps
        step = hamiltonian.propagator(dt, hbar)
        start = jnp.array([1.0, 0.0], dtype=jnp.complex128)
        return np.asarray(jax.lax.fori_loop(0, steps, lambda n, psi: step(n * dt, psi), start))


@pytest.mark.parametrize("hbar", [1.0, 0.7])
def test_a_driven_qubit_converges_to_the_solution_at_second_order(hbar):
    hamiltonian, matrix = _rabi()
    exact = solve_ivp(
        lambda t, psi: -1j * matrix(t) @ psi / hbar, (0.0, 3.0), np.array([1.0, 0j]), rtol=1e-11, atol=1e-12
    ).y[:, -1]
    steps = np.array([40, 80, 160])
    errors = [np.linalg.norm(_evolve(hamiltonian, n, 3.0, hbar) - exact) for n in steps]
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert errors[-1] < 1e-3
    assert 1.9 < order < 2.1


def test_the_driven_matrix():
    hamiltonian, matrix = _rabi()
    with jax.enable_x64(True):
        np.testing.assert_allclose(hamiltonian.matrix(0.4), matrix(0.4), atol=1e-14)
    np.testing.assert_allclose(hamiltonian.energies, np.linalg.eigvalsh(0.8 * SIGMA_Z + 0.1 * SIGMA_X))
    assert "population_0" in hamiltonian.operators


@pytest.mark.parametrize(
    ("terms", "coefficients", "message"),
    [
        ([SIGMA_X], [], "coefficients: expected one function of t per term.*1 terms and 0 coefficients"),
        ([], [], "at least one"),
        ([[[0, 1], [0, 0]]], [_drive], r"terms\[0\]: expected a Hermitian matrix"),
        ([np.eye(3)], [_drive], r"terms\[0\]: expected shape \(2,\) or \(2, 2\); got \(3, 3\)"),
        ([[1.0, np.nan]], [_drive], r"terms\[0\]: expected finite"),
        ([SIGMA_X], [0.5], r"coefficients\[0\]: expected a function of the time t; got 0\.5"),
        ([SIGMA_X], [lambda t: 1j], r"coefficients\[0\]: expected real values, as terms\[0\] is Hermitian"),
        ([SIGMA_X], [lambda t: np.ones(2)], r"coefficients\[0\]: expected one finite number at each time"),
    ],
)
def test_bad_drives(terms, coefficients, message):
    with pytest.raises(ValueError, match=message):
        driven(levels([0.0, 1.0]), terms, coefficients)


def test_only_a_system_can_be_driven():
    with pytest.raises(ValueError, match="hamiltonian: expected a system"):
        driven("levels", [SIGMA_X], [_drive])

"""Sums of Pauli strings against Kronecker products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import stochq as sq
from stochq.systems.pauli.terms import parse_terms

MATRICES = {
    "I": np.eye(2),
    "X": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "Y": np.array([[0.0, -1j], [1j, 0.0]]),
    "Z": np.diag([1.0, -1.0]),
}
TERMS = {"Z0 Z1": -1.0, "X0": 0.7, "Y2": -0.4, "X0 Y1 Z3": 0.3, "Y1 Y3": 0.2, "Z2": 0.5, "": 0.25, "X0 X1": -0.6}


def kron_sum(sites: int, terms: dict[str, float]) -> np.ndarray:
    """The same sum by Kronecker products; bit j of an index is site j, so site 0 is the last factor."""
    total = np.zeros((2**sites, 2**sites), complex)
    for name, coefficient in terms.items():
        letters = {int(factor[1:]): factor[0] for factor in name.split()}
        matrix = np.eye(1)
        for site in reversed(range(sites)):
            matrix = np.kron(matrix, MATRICES[letters.get(site, "I")])
        total += coefficient * matrix
    return total


def random_states(dim: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(size=(dim, columns)) + 1j * rng.normal(size=(dim, columns))


def test_a_sum_acts_as_its_kronecker_products():
    psi, wanted = random_states(16, 3), kron_sum(4, TERMS)
    with jax.enable_x64(True):
        terms = sq.systems.PauliSum(4, TERMS)
        np.testing.assert_allclose(terms.apply(jnp.asarray(psi)), wanted @ psi, atol=1e-13)
        np.testing.assert_allclose(terms.apply(jnp.asarray(psi[:, 0])), wanted @ psi[:, 0], atol=1e-13)
    np.testing.assert_allclose(sq.systems.PauliSum(4, TERMS).matrix(), wanted, atol=1e-14)


def test_a_sum_is_its_own_expectation_value():
    psi = random_states(16, 1)[:, 0]
    psi /= np.linalg.norm(psi)
    wanted = np.vdot(psi, kron_sum(4, TERMS) @ psi).real
    assert float(sq.systems.PauliSum(4, TERMS)(psi)) == pytest.approx(wanted, abs=1e-6)


def test_bounds_hold_all_energies_closely():
    spins = sq.systems.spins(4, TERMS)
    energies = np.linalg.eigvalsh(kron_sum(4, TERMS))
    low, high = spins.spectrum
    assert low <= energies[0] and high >= energies[-1]
    assert high - low < 1.1 * np.ptp(energies)


def test_propagation_is_the_exponential():
    psi, dt = random_states(16, 2), 0.8
    with jax.enable_x64(True):
        moved = sq.systems.spins(4, TERMS).propagate(0.0, dt, jnp.asarray(psi))
    np.testing.assert_allclose(moved, scipy.linalg.expm(-1j * dt * kron_sum(4, TERMS)) @ psi, atol=1e-10)


def test_text_is_read_as_the_dictionary():
    text = "-1 Z0 Z1 + 0.7 X0 - .4*Y2 + 3e-1 X0 Y1 Z3 + 0.2 Y1 Y3 + 0.5 Z2\n0.25\n-0.6 X0 X1"
    wanted = parse_terms(4, TERMS)
    parsed = parse_terms(4, text)
    assert parsed.keys() == wanted.keys()
    assert all(parsed[key] == pytest.approx(wanted[key]) for key in wanted)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"X4": 1.0}, "sites from 0 to 3"),
        ({"X0 Z0": 1.0}, "several at one"),
        ({"X0": 1j}, "real, finite"),
        ({"X0": np.nan}, "real, finite"),
        ({"A0": 1.0}, "expected factors such as"),
        ({}, "at least one"),
        (3.0, "dictionary or text"),
    ],
)
def test_wrong_terms_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        sq.systems.spins(4, terms)

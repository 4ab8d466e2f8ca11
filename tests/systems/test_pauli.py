"""Sums of Pauli strings against Kronecker products."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

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
        matrix = scipy.sparse.identity(1)
        for site in reversed(range(sites)):
            matrix = scipy.sparse.kron(matrix, MATRICES[letters.get(site, "I")], format="coo")
        total += coefficient * matrix.toarray()
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
        ({"A0": 1.0}, "got 'A0' in 'A0'. Write a dictionary"),
        ("z0", r"Did you mean Z0\?"),
        ("0.5X0 + Z1", r"Did you mean 0.5 X0\?"),
        ({}, "at least one"),
        (3.0, "dictionary or text"),
    ],
)
def test_wrong_terms_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        sq.systems.spins(4, terms)


def decaying_pair():
    """Two spins that flip and lose energy, from both up, and their mean density matrices by SciPy."""
    sites, hamiltonian = 2, {"Z0 Z1": -1.0, "X0": 0.7, "X1": 0.7}
    jump = np.kron(np.eye(2), [[0.0, 0.0], [0.8, 0.0]])
    h, one = kron_sum(sites, hamiltonian), np.eye(4)
    squared = jump.T @ jump
    # Row-major vec: A rho B is (A kron B^T) vec(rho).
    generator = -1j * (np.kron(h, one) - np.kron(one, h.T)) + np.kron(jump, jump)
    generator = generator - (np.kron(squared, one) + np.kron(one, squared.T)) / 2
    times = np.linspace(0.0, 1.0, 5)
    start = np.outer(np.eye(4)[0], np.eye(4)[0]).reshape(-1)
    densities = [(scipy.linalg.expm(generator * t) @ start).reshape(4, 4) for t in times]
    return sq.models.unravel(sq.systems.levels(h), [jump]), times, densities


def test_sums_are_linear_observables_everywhere():
    equation, times, densities = decaying_pair()
    psi, terms = np.eye(4)[0], {"Y0 Z1": 1.0, "Z0": 0.5, "X0 X1": -0.3, "": 0.2}
    wanted = np.array([np.trace(kron_sum(2, terms) @ rho).real for rho in densities])
    watched = {"A": sq.systems.PauliSum(2, terms)}
    exact = sq.exact.evolve(equation, psi, times, observables=watched)
    assert not exact.left_out
    np.testing.assert_allclose(exact.expect["A"], wanted, atol=1e-7)
    for method in ("liouvillian", "ode"):
        means = sq.exact.expectations(equation, psi, times, observables=watched, method=method)
        np.testing.assert_allclose(means["A"], wanted, atol=1e-6)
    result = sq.simulate(equation, psi, times, observables=watched, trajectories=400, dt=0.01, seed=3)
    assert np.all(np.abs(result.mean["A"] - wanted)[1:] < 4.5 * result.stderr["A"][1:] + 1e-3)
    assert sq.compare(result, exact).p_value > 1e-3


def test_gradients_and_many_values_pass_through_coefficients():
    equation, times, densities = decaying_pair()
    z0, x0 = (np.trace(kron_sum(2, {name: 1.0}) @ densities[-1]).real for name in ("Z0", "X0"))

    def mean(c):
        observables = {"A": sq.systems.PauliSum(2, {"Z0": c, "X0": c**2})}
        return sq.exact.expectations(equation, np.eye(4)[0], times, observables=observables)["A"][-1]

    assert float(jax.grad(mean)(0.5)) == pytest.approx(z0 + 2 * 0.5 * x0, abs=1e-5)

    def applied(c):
        return sq.systems.PauliSum(2, {"Z0 Z1": c, "Y1": 2 * c, "X0 X1": 1.0}).apply(jnp.eye(4, dtype=complex))

    many = jax.jit(jax.vmap(applied))(jnp.array([0.3, -1.2]))
    for c, matrix in zip([0.3, -1.2], many, strict=True):
        np.testing.assert_allclose(matrix, kron_sum(2, {"Z0 Z1": c, "Y1": 2 * c, "X0 X1": 1.0}), atol=1e-6)

    def energy(c):
        spins = sq.systems.spins(2, {"Z0 Z1": c, "X0": 0.7})
        return spins.energies[0] + jnp.vdot(psi, spins.apply(0.0, psi)).real

    psi = random_states(4, 1)[:, 0]
    slope = -1 / np.sqrt(1 + 0.49) + np.vdot(psi, kron_sum(2, {"Z0 Z1": 1.0}) @ psi).real
    assert float(jax.grad(energy)(1.0)) == pytest.approx(slope, abs=1e-5)


def test_strings_far_apart_and_across_windows():
    terms = {"X0 Y8": 0.7, "Y3 Y4": -0.3, "Z0 X5 Z6": 1.1, "X8": 0.2, "Z0 Z8": 0.9, "Z7": -0.4, "": 0.1}
    psi, wanted = random_states(512, 1)[:, 0], kron_sum(9, terms)
    terms = sq.systems.PauliSum(9, terms)
    with jax.enable_x64(True):
        np.testing.assert_allclose(terms.apply(jnp.asarray(psi)), wanted @ psi, atol=1e-12)
    assert terms.apply(psi.astype(np.complex64)).dtype == np.complex64
    np.testing.assert_allclose(jax.jit(lambda a, psi: a.apply(psi))(terms, psi), wanted @ psi, atol=1e-4)


def test_the_diagonal_of_strings_of_z():
    terms = {"Z0 Z8": 0.9, "Z7": -0.4, "Z1 Z2 Z5": 0.6, "": 0.1}
    wanted = kron_sum(9, terms).diagonal().real
    diagonal = sq.systems.PauliSum(9, terms).diagonal
    assert diagonal is not None
    np.testing.assert_allclose(diagonal, wanted, atol=1e-14)
    assert sq.systems.PauliSum(9, terms | {"X0": 0.1}).diagonal is None


def test_sums_add_and_scale():
    one, other = {"Z0": 0.5, "X1": 1.0}, {"X1": -0.25, "Y0 Y1": 2.0}
    a, b = sq.systems.PauliSum(2, one), sq.systems.PauliSum(2, other)
    np.testing.assert_allclose((a - 2 * b).matrix(), kron_sum(2, one) - 2 * kron_sum(2, other), atol=1e-14)
    assert (a + b).norm_bound == 0.5 + 0.75 + 2.0
    assert (a + sq.systems.PauliSum(2, "0.3")).trace == 0.3
    with pytest.raises(ValueError, match="on 2 sites; got one on 3"):
        _ = a + sq.systems.PauliSum(3, one)
    with pytest.raises(ValueError, match="states \\(4,\\) of the 2 sites .* got shape \\(8,\\)"):
        a.apply(np.eye(8)[0])
    wrong: Any
    for wrong in (1j, np.nan, "2"):
        with pytest.raises(ValueError, match="factor: expected a finite real number"):
            _ = a * wrong
    with pytest.raises(TypeError):
        _ = a * b


@pytest.mark.parametrize(
    "terms",
    [
        # One level far from all others; two groups of levels; a spectrum that is dense at its edges.
        {"X0 X1 X2 X3 X4 X5 X6 X7 X8": 1.0},
        {f"Z{i} Z{j}": -1.0 for i in range(9) for j in range(i)} | {f"X{j}": 1e-3 for j in range(9)},
        {f"{p}{j} {p}{j + 1}": 1.0 for j in range(8) for p in "XYZ"} | {"Z0": 0.3},
        {f"X{j}": 1.0 for j in range(9)} | {"Z0": 1e-9},
    ],
)
def test_bounds_of_nine_sites_hold_all_energies(terms):
    energies = np.linalg.eigvalsh(kron_sum(9, terms))
    low, high = sq.systems.spins(9, terms).spectrum
    assert energies[0] - 0.03 * np.ptp(energies) <= low <= energies[0]
    assert energies[-1] <= high <= energies[-1] + 0.03 * np.ptp(energies)


def test_a_hamiltonian_shows_itself_in_a_line():
    assert repr(sq.systems.spins(2, "1.0 Z0 Z1")) == "SpinHamiltonian: 2 spins, 1 Pauli strings, energies from -1 to 1"

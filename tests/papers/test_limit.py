"""`stochq reproduce thermalization limit`: its closed forms against plain NumPy, small parts, and broken ones."""

from functools import reduce
from importlib import import_module

import numpy as np
import pytest

import stochq as sq
from stochq.papers.thermalization.limit import joined
from stochq.papers.thermalization.limit.common import all_sigma_x, over_states, spins
from stochq.papers.thermalization.limit.fermions import Modes
from tests.judging import judge_mean

LIMIT = "stochq.papers.thermalization.limit."
breaking, counterexamples, entanglement, fluctuations, modes, rate, settling = (
    import_module(LIMIT + name)
    for name in ("breaking", "counterexamples", "entanglement", "fluctuations", "modes", "rate", "settling")
)
SITES, COUPLING, TRANSVERSE, BETA = 4, 1.0, 0.6, 0.5
X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0])


def at(*letters):
    """A Pauli string; bit j of a state is site j, so that the last factor is site 0."""
    return reduce(np.kron, letters[::-1])


def single(letter, site):
    return at(*(letter if j == site else np.eye(2) for j in range(SITES)))


def chain():
    bonds = sum(single(Z, j) @ single(Z, j + 1) for j in range(SITES - 1))
    return -COUPLING * bonds - TRANSVERSE * sum(single(X, j) for j in range(SITES))


def strings():
    """Majorana operators as matrices."""
    head = [at(*[X] * j, *[np.eye(2)] * (SITES - j)) for j in range(SITES)]
    return [head[j] @ single(Z, j) for j in range(SITES)], [head[j] @ single(Y, j) for j in range(SITES)]


def test_the_modes_are_those_of_the_chain():
    fermions = Modes(SITES, COUPLING, TRANSVERSE)
    a, b = strings()
    operators = [
        sum(1j * fermions.left[j, n] * fermions.right[k, n] * a[j] @ b[k] for j in range(SITES) for k in range(SITES))
        for n in range(SITES)
    ]
    assert np.allclose(sum(s * m for s, m in zip(fermions.halves, operators, strict=True)), chain())
    rng = np.random.default_rng(1)
    psi = sq.normalize(rng.normal(size=16) + 1j * rng.normal(size=16))
    assert np.allclose(fermions.occupations(psi), [(psi.conj() @ m @ psi).real for m in operators])
    energies, vectors = np.linalg.eigh(chain())
    chi = (vectors * np.exp(-BETA * energies)) @ vectors.conj().T / np.exp(-BETA * energies).sum()
    assert np.allclose(fermions.thermal(BETA), [np.trace(chi @ m).real for m in operators])
    assert fermions.purity(BETA) == pytest.approx(np.trace(chi @ chi).real)
    shifted = [chi @ (m - np.trace(chi @ m) * np.eye(16)) for m in operators]
    expected = [np.trace(some @ some).real / (1 + np.trace(chi @ chi).real) for some in shifted]
    assert np.allclose(fermions.variance(BETA), expected)


def test_the_spins_along_x_turn_as_free_fermions():
    energies, vectors = np.linalg.eigh(chain())
    times = np.array([0.0, 0.7, 5.0])
    states = np.exp(-1j * np.outer(times, energies)) * (vectors.T @ np.full(16, 0.25)) @ vectors.T
    total = sum(single(X, j) for j in range(SITES)) / SITES
    expected = np.einsum("ti,ij,tj->t", states.conj(), total, states).real
    assert np.allclose(Modes(SITES, COUPLING, TRANSVERSE).along_x(times), expected)
    assert np.allclose(over_states(all_sigma_x, states), expected, atol=1e-6)


def test_chains_with_and_without_a_matrix_are_the_same(monkeypatch):
    dense = spins(SITES, COUPLING, TRANSVERSE, 0.3)
    predicted = fluctuations.predict(dense, sq.canonical(dense, 0.2), 1)
    monkeypatch.setattr(import_module(LIMIT + "common"), "MOST_DENSE", 2)
    free = spins(SITES, COUPLING, TRANSVERSE, 0.3)
    assert free.is_matrix_free
    assert np.allclose(free.matrix(), np.asarray(dense.matrix()))
    assert np.allclose(fluctuations.predict(free, sq.canonical(free, 0.2), 1), predicted, rtol=0.05)


def test_the_variance_is_that_of_random_states_for_an_even_equilibrium():
    system = spins(3, COUPLING, TRANSVERSE, 0.3)
    _, _, predicted = fluctuations.predict(system, np.full(8, 1 / 8), 1)
    rng = np.random.default_rng(2)
    psi = rng.normal(size=(20_000, 8)) + 1j * rng.normal(size=(20_000, 8))
    psi /= np.linalg.norm(psi, axis=1, keepdims=True)
    values = np.einsum("ni,ij,nj->n", psi.conj(), at(np.eye(2), X, np.eye(2)), psi).real ** 2
    judge_mean(values.mean(), values.std() / len(values) ** 0.5, predicted, "variance")


def test_the_entropy_of_half_a_random_state():
    # Page (1993): S_{2,2} = 1/3.
    assert entanglement.page(2) == pytest.approx(1 / 3)
    rng = np.random.default_rng(3)
    psi = rng.normal(size=(4000, 4, 4)) + 1j * rng.normal(size=(4000, 4, 4))
    weights = np.linalg.svd(psi, compute_uv=False) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    values = -np.sum(weights * np.log(weights), axis=1)
    judge_mean(values.mean(), values.std() / 4000**0.5, entanglement.page(4), "entropy")


def failed(part):
    return [check.name for check in part.checks if not check.passed]


@pytest.mark.release
def test_the_modes_equilibrate_in_single_systems_and_a_wrong_temperature_is_seen(monkeypatch):
    part = modes.occupations(1.0, sites=4)
    assert not failed(part)
    thermal = Modes.thermal
    monkeypatch.setattr(Modes, "thermal", lambda self, beta: thermal(self, 1.5 * beta))
    assert "OQT: means of all modes: largest of 32 z" in failed(modes.occupations(4.0, sites=4))


def test_the_counterexamples_are_measured_and_a_wrong_drift_is_seen(monkeypatch):
    monkeypatch.setattr(counterexamples, "SITES", 3)
    _, checks = counterexamples._norms(100)
    assert all(check.passed for check in checks)
    norm, drift, _ = counterexamples._unequal(1.25, 100)
    change = norm[-1] - 1
    # Twice the excess noise, and the norm is another one; without any it does not move.
    assert abs(np.mean(change - 2 * drift)) > 5 * change.std() / 10
    balanced, _, _ = counterexamples._unequal(1.0, 100)
    assert abs(balanced[-1].mean() - 1) < 0.01 < 0.2 < change.mean()


@pytest.mark.release
def test_all_parts_hold_at_small_sizes():
    courses = settling.all_courses(0.5, (4, 6))
    parts = {
        "(a)": fluctuations.fluctuations_part(0.5, (4, 6)),
        "(d)": breaking.breaking_part(0.25, (4, 6)),
        "(e)": entanglement.entropies(0.5, (4,)),
        "(f)": counterexamples.counterexamples_part(0.25),
        "(g)": rate.rates(courses["chaotic"]),
    }
    claim = joined(parts)
    skipped = ("falls with the size",)
    assert not [check for check in claim.checks if not check.passed and not any(some in check.name for some in skipped)]
    settled = settling.settling_part(courses)
    assert len(settled.panels) == 3
    assert not [name for name in failed(settled) if "ensemble" in name or "free fermions" in name]

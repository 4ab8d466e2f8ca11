"""Gaussian states: construction, the uncertainty bound, entropies, distances."""

import jax
import numpy as np
import pytest

import stochq as sq
from tests.gaussian import oracles

g = sq.gaussian


def test_states_of_oscillators_with_units():
    state = g.thermal([0.5, 2.0], mass=[2.0, 1.0], frequency=[3.0, 1.5], hbar=0.2)
    expected = 0.2 * np.array([1.0 / 6, 2.5 / 1.5, 6.0, 2.5 * 1.5])
    np.testing.assert_allclose(np.diag(state.covariance), expected, rtol=1e-14)
    np.testing.assert_allclose(state.symplectic_eigenvalues(), [0.2, 0.5], rtol=1e-12)
    np.testing.assert_allclose(
        g.mean_excitations(state, mass=[2.0, 1.0], frequency=[3.0, 1.5], hbar=0.2), [0.5, 2.0], rtol=1e-13
    )


def test_a_squeezed_state_is_narrow_along_its_angle():
    state = g.squeezed(0.7, 0.3, occupation=0.2, mass=2.0, frequency=0.5)
    along, across = np.array([np.cos(0.3), np.sin(0.3)]), np.array([-np.sin(0.3), np.cos(0.3)])
    np.testing.assert_allclose(along @ state.covariance @ along, 0.7 * np.exp(-1.4), rtol=1e-13)
    np.testing.assert_allclose(across @ state.covariance @ across, 0.7 * np.exp(1.4), rtol=1e-13)
    assert g.squeezed(2.0).is_physical()


def test_excitations_count_displacement_and_squeezing():
    rho, mean, covariance = oracles.fock_state(60, 0.3, 0.4, 0.8)
    expected = np.trace(rho @ np.diag(np.arange(60.0)))
    found = g.mean_excitations(g.State(mean, covariance))
    np.testing.assert_allclose(found, [expected], rtol=1e-9)
    np.testing.assert_allclose(g.displaced(mean, occupation=0.3).mean, mean)


def test_the_uncertainty_bound_says_by_how_much():
    state = g.State([0, 0], np.diag([0.5, 0.45]))
    assert not state.is_physical()
    assert state.is_physical(hbar=0.9)
    # √(.5·.45) = .474341649, .0257 below ½.
    with pytest.raises(ValueError, match=r"covariance: .*0\.474341649, which is 0\.0257 below"):
        state.check_physical()
    correlated = g.State([0, 0], [[1.0, 0.9], [0.9, 1.0]])
    assert not correlated.is_physical()
    assert g.State([0, 0], [[1.0, 0.85], [0.85, 1.0]]).is_physical()
    both = g.State(np.zeros((2, 2)), [np.eye(2) / 2, np.eye(2) / 2.1])
    assert both.is_physical().tolist() == [True, False]


@pytest.mark.parametrize(
    ("mean", "covariance", "words"),
    [
        ([0, 0], [[1, 0.1], [0.2, 1]], "covariance: expected a symmetric matrix; got .* 0.1. Symm"),
        ([0, 0], [[1, 2], [2, 1]], "covariance: expected a positive matrix; got eigenvalue -1"),
        ([0, 0, 0], np.eye(3), r"covariance: expected shape \(..., 2n, 2n\)"),
        ([0, 0], np.eye(4), r"mean: expected shape \(4,\)"),
        ([0, np.nan], np.eye(2), "mean: expected finite numbers"),
    ],
)
def test_bad_states(mean, covariance, words):
    with pytest.raises(ValueError, match=words):
        g.State(mean, covariance)


def test_bad_parameters_of_states():
    for make in (lambda: g.thermal(-0.1), lambda: g.squeezed(0.1, occupation=-0.1)):
        with pytest.raises(ValueError, match=r"occupation: expected a finite number of at least 0; got -0\.1"):
            make()
    with pytest.raises(ValueError, match="shift: expected shape"):
        g.vacuum().displaced([1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="state: expected one mode"):
        g.wigner(g.vacuum(2), [0.0], [0.0])
    with pytest.raises(ValueError, match="b: expected as many modes"):
        g.relative_entropy(g.vacuum(), g.vacuum(2))


def test_wigner_functions_and_their_entropies_by_quadrature():
    a, b = g.squeezed(0.3, 0.4, occupation=0.6).displaced([0.5, -0.2]), g.thermal(1.5).displaced([-0.1, 0.3])
    q, p, cell = oracles.grid((2.2, 2.2), 601)
    first, second = (g.wigner(state, q, p) for state in (a, b))
    np.testing.assert_allclose(first, oracles.gaussian(q, p, a.mean, a.covariance), atol=1e-14)
    assert first.sum() * cell == pytest.approx(1, abs=1e-12)
    entropy = -np.sum(first * np.log(np.maximum(first, 1e-300))) * cell
    assert g.wigner_entropy(a) == pytest.approx(entropy, rel=1e-10)
    relative = np.sum(first * (np.log(np.maximum(first, 1e-300)) - np.log(second))) * cell
    assert g.relative_entropy(a, b) == pytest.approx(relative, rel=1e-9)


def test_the_wehrl_entropy_by_quadrature_of_coherent_states():
    rho, mean, covariance = oracles.fock_state(40, 0.4, 0.3, 0.5)
    x = np.linspace(-9, 9, 121)
    alpha = (x[:, None] + 1j * x[None, :]).ravel() / np.sqrt(2)
    powers = np.ones((40, alpha.size), complex)
    for n in range(1, 40):
        powers[n] = powers[n - 1] * alpha / np.sqrt(n)
    kets = np.exp(-(np.abs(alpha) ** 2) / 2) * powers
    husimi = np.einsum("ia,ij,ja->a", kets.conj(), rho, kets).real / (2 * np.pi)
    cell = (x[1] - x[0]) ** 2
    state = g.State(mean, covariance)
    np.testing.assert_allclose(husimi, g.wigner(g.husimi(state), x, x).ravel(), atol=1e-7)
    assert g.wehrl_entropy(state) == pytest.approx(-np.sum(husimi * np.log(husimi)) * cell, rel=1e-5)


def test_the_von_neumann_entropy_in_fock_space():
    rho, mean, covariance = oracles.fock_state(70, 0.4, 0.5, 0.3)
    values = np.linalg.eigvalsh(rho)
    values = values[values > 1e-15]
    assert g.von_neumann_entropy(g.State(mean, covariance)) == pytest.approx(-np.sum(values * np.log(values)), rel=1e-8)
    assert g.von_neumann_entropy(g.vacuum(3)) == pytest.approx(0, abs=1e-12)
    two = g.thermal([0.4, 1.0])
    turn = oracles.random_symplectic(np.random.default_rng(1), 2)
    turned = turn @ two.covariance @ turn.T
    turned = g.State(np.zeros(4), (turned + turned.T) / 2)
    assert g.von_neumann_entropy(turned) == pytest.approx(g.von_neumann_entropy(two), rel=1e-10)


def test_the_gibbs_matrix_is_that_of_the_hamiltonian():
    beta, hbar = 1.3, 0.7
    frequencies = np.array([0.8, 2.0])
    state = g.thermal(1 / np.expm1(beta * hbar * frequencies), frequency=frequencies, hbar=hbar)
    expected = beta * np.diag(np.concatenate([frequencies**2, np.ones(2)]))
    np.testing.assert_allclose(g.gibbs_matrix(state.covariance, hbar), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("first", "second"),
    [((0.3, 0.2, 0.1), (0.5, -0.3, 0.6)), ((0.0, 0.5, 0.0), (0.2, 0.0, 0.4)), ((0.0, 0.3, 0.2), (0.0, 0.0, 0.0))],
)
def test_fidelity_in_fock_space(first, second):
    rho, *a = oracles.fock_state(60, *first)
    sigma, *b = oracles.fock_state(60, *second)
    found = g.fidelity(g.State(*a), g.State(*b))
    assert found == pytest.approx(oracles.fock_fidelity(rho, sigma), rel=3e-7)
    assert found == pytest.approx(g.fidelity(g.State(*b), g.State(*a)), rel=1e-12)


@pytest.mark.parametrize("modes", [2, 3])
def test_fidelity_of_many_modes_is_a_product_in_any_symplectic_frame(modes):
    rng = np.random.default_rng(modes)
    first, second, hbar = rng.uniform(0, 1, modes), rng.uniform(0, 1, modes), 0.6
    first[0] = 0.0
    shift = rng.normal(size=2 * modes) * 0.4
    expected = 1.0
    for k in range(modes):
        one = g.thermal(first[k], hbar=hbar).displaced([shift[k], shift[modes + k]])
        expected *= g.fidelity(one, g.thermal(second[k], frequency=1.5, hbar=hbar), hbar)
    turn = oracles.random_symplectic(rng, modes)

    def turned(state):
        covariance = turn @ state.covariance @ turn.T
        return g.State(turn @ state.mean, (covariance + covariance.T) / 2)

    a = turned(g.thermal(first, hbar=hbar).displaced(shift))
    b = turned(g.thermal(second, frequency=1.5, hbar=hbar))
    # A pure mode sits on a branch point of the square root: half of the digits.
    assert g.fidelity(a, b, hbar) == pytest.approx(expected, rel=3e-7)
    assert g.fidelity(a, a, hbar) == pytest.approx(1, rel=3e-7)


def test_leading_axes_go_through_everything():
    states = g.State(np.zeros((3, 2)), np.eye(2) * np.array([0.5, 1.0, 2.0])[:, None, None])
    one = g.thermal(0.3)
    for function in (g.relative_entropy, g.fidelity):
        found = function(states, one)
        assert found.shape == (3,)
        assert found[1] == pytest.approx(function(states[1], one), rel=1e-14)
        assert function(one, states)[2] == pytest.approx(function(one, states[2]), rel=1e-14)
    for function in (g.wigner_entropy, g.von_neumann_entropy, g.wehrl_entropy):
        np.testing.assert_allclose(function(states), [function(states[i]) for i in range(3)], rtol=1e-13, atol=1e-14)
    assert g.mean_excitations(states).shape == (3, 1)
    assert g.wigner(states, [0.0, 1.0], [0.0]).shape == (3, 2, 1)


def test_functions_of_states_are_differentiable():
    with jax.enable_x64(True):
        for function in (
            lambda n: g.fidelity(g.thermal(n), g.thermal(1.0)),
            lambda n: g.relative_entropy(g.thermal(n), g.thermal(1.0)),
            lambda n: g.von_neumann_entropy(g.thermal(n)),
        ):
            slope, step = jax.jit(jax.grad(function))(0.4), 1e-5
            expected = (function(0.4 + step) - function(0.4 - step)) / (2 * step)
            assert slope == pytest.approx(float(expected), rel=1e-7)

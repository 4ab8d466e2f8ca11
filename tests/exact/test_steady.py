"""Steady states against values from the theory and generators written out here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import null_space

import stochq as sq
from stochq.channels import RateMatrix
from stochq.exact import sui_qubit_steady_z
from stochq.exact.liouvillian import liouvillian
from tests import oracles

X_BASIS = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)


def _qubit(splitting=0.9):
    system = sq.systems.levels([splitting / 2, -splitting / 2])
    # The weights are over ascending energies: the lower level has σ_z = −1.
    return sq.models.sui(system, reduction=0.7, thermalization=0.4, equilibrium=[0.25, 0.75], basis=X_BASIS)


def test_qubit_between_reduction_and_thermalization():
    rho = sq.exact.steady_state(_qubit())
    z = (rho[0, 0] - rho[1, 1]).real
    assert abs(z - 0.4 * 0.5 / 1.1) < 1e-12
    assert abs(z - 0.181818) < 1e-6
    assert abs(z - sui_qubit_steady_z(0.7, 0.4, 0.5)) < 1e-12


@pytest.mark.parametrize("splitting", [0.9, 0.2])
def test_rates_of_the_qubit(splitting):
    """0, −(a + r) and −(a + r/2) ± √(r²/4 − Δ²)."""
    root = np.sqrt(complex(0.35**2 - splitting**2))
    expected = np.sort_complex([0.0, -1.1, -0.75 + root, -0.75 - root])
    with jax.enable_x64(True):
        found = np.sort_complex(np.linalg.eigvals(liouvillian(_qubit(splitting))))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_thermalization_alone_reaches_its_equilibrium():
    matrix = oracles.random_hermitian(20, 1)
    chi = np.random.default_rng(2).dirichlet(np.ones(20))
    vectors = np.linalg.eigh(matrix)[1]
    rho = sq.exact.steady_state(sq.models.oqt(sq.systems.levels(matrix), strength=0.3, equilibrium=chi))
    np.testing.assert_allclose(rho, vectors @ np.diag(chi) @ vectors.conj().T, atol=1e-12)


def test_rate_equation():
    rates = np.random.default_rng(3).uniform(0.1, 1, (20, 20))
    equation = sq.models.unravel(sq.systems.levels(np.arange(20.0)), [RateMatrix(rates)])
    weights = null_space(rates - np.diag(rates.sum(axis=0)))[:, 0]
    np.testing.assert_allclose(sq.exact.steady_state(equation), np.diag(weights / weights.sum()), atol=1e-12)


@pytest.mark.parametrize(("reduction", "thermalization"), [(0.3, 0.5), (1e-4, 1e-4), (50.0, 1.0)])
def test_chain(reduction, thermalization):
    chain = sq.systems.ising(5, 1.0, 0.9, 0.4)
    matrix = np.asarray(chain.matrix())
    energies, vectors = np.linalg.eigh(matrix)
    chi = np.exp(-0.3 * energies) / np.exp(-0.3 * energies).sum()
    equation = sq.models.sui(chain, reduction=reduction, thermalization=thermalization, equilibrium=chi, hbar=0.5)
    rho = sq.exact.steady_state(equation)
    target = vectors @ np.diag(chi) @ vectors.conj().T
    collapse = reduction * (np.diag(np.diag(rho)) - rho)
    change = -1j * (matrix @ rho - rho @ matrix) + collapse + thermalization * (target - rho)
    assert np.abs(change).max() < 1e-10 * (1 + reduction)
    assert abs(np.trace(rho) - 1) < 1e-12
    assert np.linalg.eigvalsh(rho)[0] > 0


def test_collapse_with_a_hamiltonian_ends_in_the_mixture_of_all():
    chain = sq.models.suv(sq.systems.ising(5, 1.0, 0.9, 0.4), strength=0.3)
    np.testing.assert_allclose(sq.exact.steady_state(chain), np.eye(32) / 32, atol=1e-12)


def test_kerr_cavity():
    a = oracles.lowering(20)
    matrix = 0.3 * a.T @ a + 0.1 * a.T @ a.T @ a @ a + 0.7 * (a + a.T)
    equation = sq.models.unravel(sq.systems.kerr(20, detuning=0.3, kerr=0.2, drive=0.7), [0.8 * a])
    rho = sq.exact.steady_state(equation)
    change = oracles.liouvillian(matrix, [0.8 * a]) @ rho.reshape(-1)
    assert np.abs(change).max() < 1e-11
    small = sq.models.unravel(sq.systems.kerr(9, detuning=0.3, kerr=0.2, drive=0.1), [a[:9, :9]])
    inside = 0.3 * a.T @ a + 0.1 * a.T @ a.T @ a @ a + 0.1 * (a + a.T)
    expected = null_space(oracles.liouvillian(inside[:9, :9], [a[:9, :9]]), rcond=1e-12)[:, 0].reshape(9, 9)
    np.testing.assert_allclose(sq.exact.steady_state(small), expected / np.trace(expected), atol=1e-11)


def test_brownian_motion():
    """V = (.63625 qq, −.0375 qp, .625 pp) for η = .3, β = 2."""
    oscillator = sq.systems.oscillator(40)
    rho = sq.exact.steady_state(sq.models.brownian(oscillator, friction=0.3, beta=2.0))
    q, p = (np.asarray(oscillator.operators[name]) for name in ("position", "momentum"))
    squares = [np.asarray(oscillator.operators[name]) for name in ("position_squared", "momentum_squared")]
    moments = [np.trace(operator @ rho).real for operator in (squares[0], 0.5 * (q @ p + p @ q), squares[1])]
    np.testing.assert_allclose(moments, [0.63625, -0.0375, 0.625], atol=1e-8)


def test_degenerate_steady_states_are_named():
    levels = sq.systems.levels([0.0, 1.0, 3.0])
    with pytest.raises(ValueError, match="there are 3 independent ones, because 3 populations"):
        sq.exact.steady_state(sq.models.suv(levels, strength=1.0))
    with pytest.raises(ValueError, match="3 vanishing singular values"):
        free = sq.systems.levels(np.diag([1.0, 2.0, 3.0]) + np.ones((3, 3)))
        sq.exact.steady_state(sq.models.unravel(free, [np.zeros((3, 3)), np.zeros(3)]))
    spins = sq.systems.xxz(5, 1.0, 0.5)
    with pytest.raises(ValueError, match=r"at least two, because two starts.*(total_sz|domain_walls) = "):
        sq.exact.steady_state(sq.models.suv(spins, strength=0.3))
    # Pairs of photons come and go: the energy is zero in both states but for rounding, the parity is not.
    pairs = np.diag(np.sqrt(np.arange(1.0, 23.0) * np.arange(2.0, 24.0)), 2)
    with pytest.raises(ValueError, match=r"at least two, because two starts.*population_\d+ = 0\.\d+ and 0\.\d+ for"):
        sq.exact.steady_state(sq.models.unravel(sq.systems.levels(pairs + pairs.T), [pairs]))


def test_driven_systems_never_settle():
    drive = sq.systems.driven(sq.systems.levels([0.0, 1.0]), [[0.0, 1.0]], [jnp.cos])
    with pytest.raises(ValueError, match="driven system never settles"):
        sq.exact.steady_state(sq.models.suv(drive, strength=1.0))

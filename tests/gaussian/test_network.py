"""Networks of modes: the moments' equation against the master equation, steady states, evolution, currents, entropy."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import solve_continuous_lyapunov

import stochq.gaussian as gaussian
from stochq.gaussian.models.conditioning import conditional_variances
from stochq.gaussian.transport import Damping, real_gauge
from tests.gaussian.networks import dense_steady_state, random_correlations, random_couplings, right_side

RATES, OCCUPATIONS = np.array([0.7, 0.0, 1.3, 0.4, 0.2]), np.array([0.3, 9.0, 2.0, 0.0, 1.1])
H = random_couplings(5, 11)
NETWORK = gaussian.network(H, RATES, OCCUPATIONS)


@pytest.fixture(scope="module")
def lindblad():
    """Derivatives of C and of the occupations by H alone, from a master equation in Fock space, for two modes."""
    cutoff, couplings = 6, random_couplings(2, 3)
    lower = np.diag(np.sqrt(np.arange(1, cutoff)), 1)
    a = [np.kron(lower, np.eye(cutoff)), np.kron(np.eye(cutoff), lower)]
    rates, occupations = [0.4, 1.1], [0.5, 2.0]
    # No quantum comes near the cutoff, so that the derivatives are exact.
    rng = np.random.default_rng(5)
    low = np.kron(np.arange(cutoff) < 3, np.arange(cutoff) < 3)
    root = (rng.normal(size=(cutoff**2, 4)) + 1j * rng.normal(size=(cutoff**2, 4))) * low[:, None]
    rho = root @ root.conj().T / np.linalg.norm(root) ** 2
    hamiltonian = sum(couplings[k, m] * a[k].conj().T @ a[m] for k in range(2) for m in range(2))
    unitary = -1j * (hamiltonian @ rho - rho @ hamiltonian)
    change = unitary.copy()
    for k in range(2):
        for rate, jump in ((rates[k] * (occupations[k] + 1), a[k]), (rates[k] * occupations[k], a[k].T)):
            square = jump.T @ jump
            change += rate * (jump @ rho @ jump.T - (square @ rho + rho @ square) / 2)

    def moments(state):
        return np.array([[np.trace(a[j].T @ a[i] @ state) for j in range(2)] for i in range(2)])

    return couplings, rates, occupations, moments(rho), moments(change), np.diagonal(moments(unitary)).real


def test_the_moments_follow_the_master_equation(lindblad):
    couplings, rates, occupations, correlations, change, _ = lindblad
    np.testing.assert_allclose(right_side(couplings, rates, occupations, correlations), change, atol=1e-13)


def test_currents_into_a_mode_are_what_hopping_brings_it(lindblad):
    couplings, rates, occupations, correlations, _, brought = lindblad
    currents = gaussian.network(couplings, rates, occupations).currents(correlations)
    np.testing.assert_allclose(currents.sum(axis=1), brought, atol=1e-13)
    np.testing.assert_allclose(currents, -currents.T, atol=1e-14)
    assert np.abs(brought).max() > 0.1


def test_evolution_solves_the_moments_equation():
    start, times = random_correlations(5, 2), np.array([0.0, 0.3, 0.6, 5.0])
    found = NETWORK.evolve(start, times)
    solved = solve_ivp(
        lambda t, y: right_side(H, RATES, OCCUPATIONS, y.reshape(5, 5)).ravel(),
        (0, 5), start.ravel(), t_eval=times, rtol=1e-11, atol=1e-12, method="DOP853",
    )  # fmt: skip
    np.testing.assert_allclose(found, solved.y.T.reshape(4, 5, 5), atol=1e-8)


def test_a_common_frequency_changes_nothing():
    start = random_correlations(5, 2)
    fast = gaussian.network(H + 1e6 * np.eye(5), RATES, OCCUPATIONS)
    np.testing.assert_allclose(fast.evolve(start, [0, 1.0])[1], NETWORK.evolve(start, [0, 1.0])[1], atol=1e-9)
    np.testing.assert_allclose(fast.steady_state(), NETWORK.steady_state(), atol=1e-9)


def test_a_closed_network_turns_without_damping():
    closed = gaussian.network(H, 0.0, 0.0)
    start = random_correlations(5, 2)
    energies, vectors = np.linalg.eigh(H)
    turn = vectors * np.exp(-1j * energies * 40.0) @ vectors.conj().T
    np.testing.assert_allclose(closed.evolve(start, [0.0, 40.0])[1], turn @ start @ turn.conj().T, atol=1e-11)


@pytest.mark.parametrize("real", [True, False])
def test_the_steady_state_is_the_dense_one(real):
    couplings = random_couplings(5, 4, real)
    found = gaussian.network(couplings, RATES, OCCUPATIONS).steady_state()
    np.testing.assert_allclose(found, dense_steady_state(couplings, RATES, OCCUPATIONS), atol=1e-12)
    late = gaussian.network(couplings, RATES, OCCUPATIONS).evolve(np.zeros((5, 5)), [0.0, 1e4])[1]
    np.testing.assert_allclose(found, late, atol=1e-11)


def test_the_steady_state_where_normal_modes_coalesce():
    # K has one eigenvector only.
    couplings, rates = np.array([[0.0, 0.25], [0.25, 0.0]]), np.array([1.5, 0.5])
    assert np.linalg.matrix_rank(1j * couplings + np.diag(rates) / 2 - 0.5 * np.eye(2)) == 1
    found = gaussian.network(couplings, rates, [1.0, 2.0]).steady_state()
    np.testing.assert_allclose(found, dense_steady_state(couplings, rates, [1.0, 2.0]), atol=1e-14)


@pytest.mark.parametrize("seed, real", [(0, False), (1, True), (2, None)])
def test_large_networks_are_solved_by_halves(seed, real):
    """seed 2 is a lattice in which K is real, with 2 × 2 blocks in its Schur form."""
    modes, rng = 90, np.random.default_rng(seed)
    couplings = random_couplings(modes, seed, bool(real))
    if real is None:
        phases = np.exp(2j * np.pi * rng.random(modes))
        couplings = (np.diag(rng.normal(size=modes - 1), 1) * phases[:, None]).astype(complex) * phases.conj()
        couplings += couplings.conj().T + 7.0 * np.eye(modes)
    rates, source = rng.random(modes), rng.normal(size=modes)
    damping = Damping(couplings, rates)
    assert (damping.phases is not None) == (real is None)
    matrix = 1j * couplings + np.diag(rates) / 2
    found = damping.solve(source)
    residual = matrix @ found + found @ matrix.conj().T - np.diag(source)
    assert np.abs(residual).max() < 1e-12 * np.abs(found).max() * np.abs(matrix).max()
    np.testing.assert_allclose(damping.solve_diagonal(source), np.diagonal(found).real, atol=1e-13)
    expected = np.linalg.eigvals(matrix - 1j * damping.frequency * np.eye(modes))
    np.testing.assert_allclose(np.sort(damping.eigenvalues.real), np.sort(expected.real), atol=1e-10)
    np.testing.assert_allclose(np.sort(damping.eigenvalues.imag), np.sort(expected.imag), atol=1e-10)


def test_a_loop_with_flux_has_no_real_gauge():
    ring = np.roll(np.eye(4), 1, axis=1).astype(complex)
    ring[3, 0] = np.exp(0.3j)
    assert real_gauge(ring + ring.conj().T) is None
    ring[3, 0] = 1.0
    assert real_gauge(ring + ring.conj().T) is not None


def test_phase_space_has_the_same_steady_state_and_transient():
    drift, diffusion = NETWORK.drift_and_diffusion()
    covariance = solve_continuous_lyapunov(drift, -diffusion)
    np.testing.assert_allclose(NETWORK.covariance(NETWORK.steady_state()), covariance, atol=1e-12)
    start = random_correlations(5, 8)
    matrix = NETWORK.covariance(start)
    change = NETWORK.covariance(right_side(H, RATES, OCCUPATIONS, start)) - 0.5 * np.eye(10)
    np.testing.assert_allclose(drift @ matrix + matrix @ drift.T + diffusion, change, atol=1e-13)
    # q1 and p2 by hand: a† a = (q - ip)(q + ip)/2, so that <p2 q1> = Im<a1† a2> without squeezing.
    assert matrix[5 + 1, 0] == pytest.approx(start[1, 0].imag)


def divergence(theta, bath):
    """∫ W ln(W/Weq) of two complex Gaussians without mean."""
    ratio = theta / bath[:, None]
    return np.trace(ratio).real - len(theta) - np.linalg.slogdet(ratio)[1]


def test_entropy_production_is_what_each_bath_takes_off_the_relative_entropy():
    theta = random_correlations(5, 21) + 0.5 * np.eye(5)
    bath = OCCUPATIONS + 0.5
    found = NETWORK.entropy_production(theta - 0.5 * np.eye(5))
    for k, rate in enumerate(RATES):
        gamma = np.diag(np.where(np.arange(5) == k, rate, 0.0))
        change = gamma * bath - (gamma @ theta + theta @ gamma) / 2
        step = 1e-5
        slope = (divergence(theta + step * change, bath) - divergence(theta - step * change, bath)) / (2 * step)
        assert found[k] == pytest.approx(-slope, rel=1e-6, abs=1e-8)


def test_entropy_balances_along_a_transient():
    times = np.linspace(0.0, 2.0, 201)
    states = NETWORK.evolve(random_correlations(5, 9), times)
    change = np.gradient(NETWORK.wigner_entropy(states), times, edge_order=2)
    balance = np.sum(NETWORK.entropy_production(states) - NETWORK.entropy_flux(states), axis=-1)
    assert np.abs(change - balance)[1:-1].max() < 2e-3 * np.abs(balance).max()
    assert np.all(NETWORK.entropy_production(states) >= 0)
    here = states[40]
    slope = np.trace(np.linalg.solve(here + 0.5 * np.eye(5), right_side(H, RATES, OCCUPATIONS, here))).real
    assert balance[40] == pytest.approx(slope, rel=1e-12)


def test_the_wigner_entropy_of_the_vacuum_and_of_phase_space():
    assert NETWORK.wigner_entropy(np.zeros((5, 5))) == pytest.approx(5 * np.log(np.pi * np.e))
    covariance = NETWORK.covariance(random_correlations(5, 9))
    expected = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert NETWORK.wigner_entropy(random_correlations(5, 9)) == pytest.approx(expected)


def test_in_a_steady_state_currents_times_affinities_are_the_entropy_production():
    rates, occupations = RATES + 0.1, OCCUPATIONS
    network = gaussian.network(H, rates, occupations)
    steady = network.steady_state()
    affinity = 1 / (occupations + 0.5)
    expected = 0.5 * np.sum(network.currents(steady) * (affinity[:, None] - affinity))  # eq. 26
    assert network.entropy_production(steady).sum() == pytest.approx(expected, rel=1e-12)
    assert network.entropy_flux(steady).sum() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(network.currents(steady).sum(axis=1), network.bath_currents(steady), atol=1e-13)


def test_heat_is_the_energy_that_the_network_loses():
    start = random_correlations(5, 9)
    lost = -np.trace(H @ right_side(H, RATES, OCCUPATIONS, start)).real
    assert NETWORK.heat_currents(start).sum() == pytest.approx(lost, rel=1e-12)
    assert abs(NETWORK.heat_currents(NETWORK.steady_state()).sum()) < 1e-13


def test_several_baths_at_a_mode_add():
    rates, occupations = np.stack([RATES, RATES[::-1]]), np.stack([OCCUPATIONS, OCCUPATIONS[::-1]])
    both = gaussian.network(H, rates, occupations)
    total = rates.sum(axis=0)
    mean = np.sum(rates * occupations, axis=0) / total
    steady = both.steady_state()
    np.testing.assert_allclose(steady, dense_steady_state(H, total, mean), atol=1e-12)
    production = both.entropy_production(steady)
    assert production.shape == (2, 5)
    assert production.sum() == pytest.approx(both.entropy_flux(steady).sum(), rel=1e-12)
    # Two different baths at one mode produce more than one bath of their mean.
    single = gaussian.network(H, total, mean).entropy_production(steady)
    assert np.all(production.sum(axis=0) >= single - 1e-15) and production.sum() > single.sum() + 0.1


def inverse_diagonal(matrix):
    """Of a real matrix in exact rational numbers."""
    rows = [[Fraction(x) for x in row] + [Fraction(int(i == j)) for j in range(len(matrix))]
            for i, row in enumerate(matrix.tolist())]  # fmt: skip
    for i in range(len(rows)):
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for j in range(len(rows)):
            if j != i:
                rows[j] = [x - rows[j][i] * y for x, y in zip(rows[j], rows[i], strict=True)]
    return [rows[i][len(rows) + i] for i in range(len(rows))]


def test_small_entropies_keep_their_digits():
    """Correlations of 1e-8 between modes at their baths' occupations: Π ~ 1e-16 of terms of order one, exactly."""
    rng = np.random.default_rng(4)
    occupations = np.array([1.0, 1.25, 1.5, 2.0])
    correlations = rng.integers(-9, 10, size=(4, 4)) * 2.0**-30
    correlations = np.diag(occupations) + np.triu(correlations, 1) + np.triu(correlations, 1).T
    network = gaussian.network(np.zeros((4, 4)), 1.0, occupations)
    bath = [Fraction(n) + Fraction(1, 2) for n in occupations]
    theta = correlations + 0.5 * np.eye(4)
    exact = [n * inverse - 1 for n, inverse in zip(bath, inverse_diagonal(theta), strict=True)]
    found = network.entropy_production(correlations)
    assert max(found) < 1e-14
    np.testing.assert_allclose(found, [float(value) for value in exact], rtol=1e-13)


def test_entropy_near_equilibrium_keeps_its_digits():
    def produced(difference):
        return gaussian.network([[0, 1], [1, 0]], 1.0, [1.0, 1.0 + difference])

    for difference in (2.0**-10, 2.0**-20, 2.0**-26):
        network = produced(difference)
        law = 2 * difference / 5 * (1 / 1.5 - 1 / (1.5 + difference))  # eq. 31 for two modes
        assert network.entropy_production(network.steady_state()).sum() == pytest.approx(law, rel=1e-6)


def test_what_is_explained_and_what_remains_is_all():
    correlations = random_correlations(5, 30)
    parts = conditional_variances(correlations)
    np.testing.assert_allclose(parts.explained + parts.remaining, np.diagonal(correlations).real + 0.5, rtol=1e-14)
    inverse = np.linalg.inv(correlations + 0.5 * np.eye(5))
    np.testing.assert_allclose(parts.remaining, 1 / np.diagonal(inverse).real, rtol=1e-12)


def test_at_zero_temperature_there_is_nothing():
    cold = gaussian.network(H, RATES, 0.0)
    steady = cold.steady_state()
    assert np.abs(steady).max() == 0 and np.abs(cold.entropy_production(steady)).max() == 0


def test_real_phase_space_says_the_same():
    """Steady covariance and entropy production by 2L×2L matrices that know nothing of baths."""
    with pytest.warns(UserWarning, match="couplings: they have phases"):
        state = NETWORK.dynamics.steady_state()
    correlations = NETWORK.steady_state()
    np.testing.assert_allclose(state.covariance, NETWORK.covariance(correlations), atol=1e-11)
    real = gaussian.network(np.real(H), RATES, OCCUPATIONS)
    produced = real.entropy_production(real.steady_state()).sum()
    assert real.dynamics.entropy_production(real.dynamics.steady_state()) == pytest.approx(produced, rel=1e-9)
    assert real.dynamics.is_completely_positive()


def test_phases_of_couplings_are_turned_away():
    """The chain's hopping i is that of real couplings in other modes; a loop that encloses a phase has none."""
    line = gaussian.chain(4, 1.0, rate=1.0, occupations=(1.0, 2.0)).network()
    turned = line.with_real_couplings()
    assert not np.iscomplexobj(turned.couplings)
    phases = np.exp(1j * np.array([0.3, -1.1, 2.0]))
    real = np.array([[1.0, 0.5, -0.2], [0.5, 1.2, 0.0], [-0.2, 0.0, 0.9]])
    dressed = gaussian.network(phases[:, None] * real * phases.conj(), 0.3, [1.0, 2.0, 3.0]).with_real_couplings()
    # But for signs of the modes.
    np.testing.assert_allclose(np.abs(dressed.couplings), np.abs(real), atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(dressed.couplings), np.linalg.eigvalsh(real), atol=1e-12)
    before, after = line.steady_state(), turned.steady_state()
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-12)
    produced = line.entropy_production(before).sum()
    assert turned.entropy_production(after).sum() == pytest.approx(produced, rel=1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dynamics = turned.dynamics
    # One bath at a site, so that nothing is lost where they add up.
    assert dynamics.entropy_production(dynamics.steady_state()) == pytest.approx(produced, rel=1e-9)
    loop = gaussian.network([[1.0, 1j, 1.0], [-1j, 1.0, 1.0], [1.0, 1.0, 1.0]], 1.0, 1.0)
    with pytest.raises(ValueError, match="couplings: expected phases that cancel along every loop"):
        loop.with_real_couplings()

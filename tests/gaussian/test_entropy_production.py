"""Entropy production, flux and detailed balance, by quadrature of currents and the papers' numbers."""

import jax
import numpy as np
import pytest

import stochq as sq
from tests.gaussian import oracles

g = sq.gaussian


@pytest.mark.parametrize("squeezing", [0.0, -0.06, 0.1])
def test_entropy_production_is_the_integral_over_the_irreversible_current(squeezing):
    dynamics = g.brownian(1.0, 1.0, 0.3, 2.0, squeezing=squeezing, position_diffusion=0.2)
    state = g.squeezed(0.3, 0.5, occupation=0.4).displaced([0.6, -0.4])
    expected = oracles.entropy_production(dynamics.drift, dynamics.diffusion, state.mean, state.covariance)
    assert dynamics.entropy_production(state) == pytest.approx(expected, rel=3e-4)


def test_entropy_production_without_position_noise():
    dynamics, state = g.csl_oscillator(0.4, 0.3), g.thermal(0.2).displaced([0.3, 0.5])
    expected = oracles.entropy_production(dynamics.drift, dynamics.diffusion, state.mean, state.covariance)
    assert dynamics.entropy_production(state) == pytest.approx(expected, rel=3e-4)
    bare = g.brownian(1.0, 1.0, 0.3, 2.0, position_diffusion=0.0, squeezing=-0.1)
    assert bare.entropy_production(state) == np.inf


def test_the_balance_of_entropy_along_an_evolution():
    dynamics = g.brownian(1.0, 1.4, 0.3, 0.8, cross_diffusion=0.1)
    times = np.linspace(0, 4, 4001)
    states = dynamics.evolve(g.thermal(1.0), times)
    entropy = g.wigner_entropy(states)
    slope = np.gradient(entropy, times, edge_order=2)
    rate = dynamics.entropy_production(states) - dynamics.entropy_flux(states)
    np.testing.assert_allclose(rate, slope, atol=2e-6)
    assert np.all(dynamics.entropy_production(states) > 0)


def test_relative_entropy_decays_at_its_rate():
    dynamics, target = g.csl_oscillator(0.1), g.thermal(0.51).displaced([0.1, 0.0])
    times = np.linspace(0, 6, 6001)
    states = dynamics.evolve(g.thermal(0.005).displaced([0.4, 0.2]), times)
    slope = -np.gradient(g.relative_entropy(states, target), times, edge_order=2)
    np.testing.assert_allclose(dynamics.relative_entropy_decay(states, target), slope, atol=2e-6)


def test_entropy_production_is_the_decay_towards_a_steady_state_in_balance():
    dynamics = g.csl_oscillator(0.9, 0.4)
    steady, state = dynamics.steady_state(), g.thermal(0.005)
    assert dynamics.entropy_production(state) == pytest.approx(1.071956, abs=5e-7)
    assert g.relative_entropy(state, steady) == pytest.approx(0.718572, abs=5e-7)
    moved = g.squeezed(0.4, 0.2).displaced([1.0, -0.7])
    for start in (state, moved):
        assert dynamics.entropy_production(start) == pytest.approx(
            dynamics.relative_entropy_decay(start, steady), rel=1e-11
        )


def test_minima_of_the_relative_entropy_under_csl():
    times = np.linspace(0, 25, 25001)
    states = g.csl_oscillator(0.1).evolve(g.thermal(0.005), times)
    for k, when in zip(range(2, 6), (5.563, 9.777, 15.421, 19.722), strict=True):
        target = g.thermal(1.01 * k / 2 - 0.5)
        relative = g.relative_entropy(states, target)
        assert times[relative.argmin()] == pytest.approx(when, abs=1.1e-3)
        if k == 2:
            assert relative.min() == pytest.approx(3.1825e-3, abs=5e-8)
            assert g.fidelity(states[0], target) == pytest.approx(0.71649, abs=5e-6)


def test_brownian_motion_hits_the_published_numbers():
    minimal = g.brownian(1.0, 1.0, 0.3, 2.0)
    steady = minimal.steady_state()
    np.testing.assert_allclose(steady.covariance, [[0.63625, -0.0375], [-0.0375, 0.625]], rtol=1e-12)
    for rate in (minimal.entropy_production(steady), minimal.entropy_flux(steady)):
        assert rate == pytest.approx(0.075, rel=1e-11)
    assert g.balancing_squeezing(1.0, 1.0, 0.3, 2.0) == pytest.approx(-0.06, rel=1e-12)
    cross = g.brownian(1.0, 1.0, 0.3, 0.5, cross_diffusion=0.05)
    steady = cross.steady_state()
    np.testing.assert_allclose(steady.covariance, [[2.149201, -0.013542], [-0.013542, 2.045139]], atol=5e-7)
    assert cross.entropy_production(steady) == pytest.approx(0.00646273, abs=5e-9)


@pytest.mark.parametrize(
    ("mass", "frequency", "friction", "beta", "hbar"), [(1, 1, 0.3, 2, 1), (2.5, 0.6, 1.2, 0.7, 0.4)]
)
def test_the_closed_forms_of_brownian_balance(mass, frequency, friction, beta, hbar):
    dynamics = g.brownian(mass, frequency, friction, beta, hbar=hbar)
    steady = dynamics.steady_state()
    dqq, dpp = hbar**2 * friction * beta / (16 * mass), mass * friction / beta
    assert steady.covariance[0, 1] == pytest.approx(-mass * dqq, rel=1e-10)
    assert steady.covariance[1, 1] == pytest.approx(
        (mass * frequency) ** 2 * dqq / friction + dpp / friction, rel=1e-10
    )
    produced = friction * mass**2 * frequency**2 * dqq / dpp
    assert produced == pytest.approx(friction * (beta * hbar * frequency) ** 2 / 16)
    assert dynamics.entropy_production(steady) == pytest.approx(produced, rel=1e-10)


def test_detailed_balance_in_its_two_parts():
    minimal = g.brownian(1.0, 1.0, 0.3, 1.0).detailed_balance()
    assert not minimal and not minimal.no_current and minimal.no_reversible_diffusion
    cross = g.brownian(1.0, 1.0, 0.3, 1.0, cross_diffusion=0.05).detailed_balance()
    assert not cross.no_reversible_diffusion
    for balanced in (
        g.brownian(1.0, 1.0, 0.3, 1.0, position_diffusion=0.0),
        g.brownian(1.5, 0.8, 0.3, 1.0, squeezing=g.balancing_squeezing(1.5, 0.8, 0.3, 1.0)),
        g.brownian(1.5, 0.8, 0.3, 1.0, position_friction=g.balancing_position_friction(1.5, 0.8, 0.3, 1.0)),
        g.csl_oscillator(0.5, 0.4),
    ):
        found = balanced.detailed_balance()
        assert found and found.holds_kms
        assert balanced.entropy_production(balanced.steady_state()) == pytest.approx(0, abs=1e-15)


def test_no_current_does_not_mean_balance():
    # A = −½k, B = kV: no irreversible current, but a diffusion that time reversal changes.
    covariance = np.array([[1.0, 0.2], [0.2, 1.5]])
    found = g.Dynamics(-0.15 * np.eye(2), 0.3 * covariance, hbar=0.0).detailed_balance()
    assert found.no_current and found.holds_kms and not found.no_reversible_diffusion
    assert not found


def test_the_kms_form_agrees_with_the_first_condition():
    rng = np.random.default_rng(5)
    for _ in range(5):
        drift = rng.normal(size=(4, 4)) - 4 * np.eye(4)
        noise = rng.normal(size=(4, 4))
        found = g.Dynamics(drift, noise @ noise.T, hbar=0.0).detailed_balance()
        assert found.kms == pytest.approx(found.current, rel=1e-9)


def test_entropy_production_by_channel_is_that_of_harmonic_networks():
    """`lattice-transport`: Π_k = Φ_k − γ + γ(n + ½)[Θ⁻¹]_kk, Φ_k = γ(⟨a†a⟩ − n)/(n + ½), for two coupled modes."""
    coupling, rates, occupations = 0.3, (0.1, 0.2), (1.0, 2.0)
    hopping = np.array([[1.0, coupling], [coupling, 1.0]])
    dynamics = g.unitary(np.kron(np.eye(2), hopping))
    for k, name in enumerate(("left", "right")):
        dynamics += g.thermal_bath(name, rate=rates[k], occupation=occupations[k], mode=k, modes=2)
    steady = dynamics.steady_state()
    theta = steady.covariance[:2, :2] + 1j * steady.covariance[:2, 2:]
    inverse = np.linalg.inv(theta)
    produced = dynamics.entropy_production_by_channel(steady)
    for k, name in enumerate(("left", "right")):
        flux = rates[k] * (theta[k, k].real - 0.5 - occupations[k]) / (occupations[k] + 0.5)
        expected = flux - rates[k] + rates[k] * (occupations[k] + 0.5) * inverse[k, k].real
        assert produced[name] == pytest.approx(expected, rel=1e-10)
    assert sum(produced.values()) == pytest.approx(dynamics.entropy_production(steady), rel=1e-10)
    heat = dynamics.heat_currents(steady, np.kron(np.eye(2), hopping))
    assert heat["left"] + heat["right"] == pytest.approx(0, abs=1e-14)
    assert heat["right"] > 0


def test_two_baths_on_one_mode_produce_entropy_that_their_sum_hides():
    dynamics = g.unitary(np.eye(2))
    for name, occupation in (("cold", 0.5), ("hot", 4.0)):
        dynamics += g.thermal_bath(name, rate=0.2, occupation=occupation)
    steady = dynamics.steady_state()
    assert dynamics.entropy_production(steady) == pytest.approx(0, abs=1e-14)
    # Both exchange with the mode at n̄ = 2.25: γ(n̄−n)²/((n̄+½)(n+½)) each.
    expected = [0.2 * (2.25 - n) ** 2 / (2.75 * (n + 0.5)) for n in (0.5, 4.0)]
    assert list(dynamics.entropy_production_by_channel(steady).values()) == pytest.approx(expected, rel=1e-11)


def test_the_wehrl_production_agrees_on_what_is_equilibrium():
    bath = g.unitary(np.eye(2)) + g.thermal_bath("bath", rate=0.3, occupation=1.2)
    assert bath.entropy_production(bath.steady_state(), "wehrl") == pytest.approx(0, abs=1e-14)
    minimal = g.brownian(1.0, 1.0, 0.3, 2.0)
    assert minimal.entropy_production(minimal.steady_state(), "wehrl") > 1e-3
    smooth = minimal.husimi()
    np.testing.assert_allclose(smooth.diffusion[1, 1] - minimal.diffusion[1, 1], 0.3, rtol=1e-12)
    times = np.linspace(0, 3, 4)
    q = smooth.evolve(g.husimi(g.thermal(2.0)), times).covariance
    np.testing.assert_allclose(
        q, minimal.evolve(g.thermal(2.0), times).covariance + np.eye(2) / 2, rtol=1e-12, atol=1e-13
    )


def quantum_relative_entropy(rho, sigma):
    def log(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * np.log(np.maximum(values, 1e-300))) @ vectors.conj().T

    return np.trace(rho @ (log(rho) - log(sigma))).real


def test_spohns_production_in_fock_space():
    dim, occupation, rate = 40, 0.5, 0.3
    bath = g.unitary(np.eye(2)) + g.thermal_bath("bath", rate=rate, occupation=occupation)
    rho, mean, covariance = oracles.fock_state(dim, 0.3, 0.2, 0.25)
    steady, *_ = oracles.fock_state(dim, occupation)
    a = oracles.ladder(dim)

    def dissipate(operator):
        number = operator.T @ operator
        return operator @ rho @ operator.T - 0.5 * (number @ rho + rho @ number)

    # The Hamiltonian part changes neither entropy nor ⟨ln ρ_S⟩.
    slope = rate * ((occupation + 1) * dissipate(a) + occupation * dissipate(a.T))
    step = 1e-4
    change = quantum_relative_entropy(rho + step * slope, steady) - quantum_relative_entropy(rho - step * slope, steady)
    found = bath.entropy_production(g.State(mean, covariance), "von_neumann")
    assert found == pytest.approx(-change / (2 * step), rel=1e-5)


def test_the_ultracold_catastrophe_is_spohns_alone():
    state = g.thermal(0.5)
    wigner, spohn = [], []
    for occupation in (1e-2, 1e-4, 1e-8):
        bath = g.unitary(np.eye(2)) + g.thermal_bath("bath", rate=0.3, occupation=occupation)
        wigner.append(bath.entropy_production(state))
        spohn.append(bath.entropy_production(state, "von_neumann"))
    # γ(n̄ − n)·[ln((1+n)/n) − ..]: grows as −γ n̄ ln n without end.
    assert spohn[2] - spohn[1] == pytest.approx(0.3 * 0.5 * np.log(1e4), rel=1e-3)
    assert wigner[2] == pytest.approx(wigner[1], rel=1e-3)


COLD = g.unitary(np.eye(2)) + g.thermal_bath("bath", rate=0.3, occupation=0.0)


@pytest.mark.parametrize(
    ("dynamics", "state", "expected"),
    [
        # A mixed state that relaxes to the vacuum; coherent and squeezed ones too, which keep or lose their purity.
        (COLD, g.thermal(1.0), np.inf),
        (COLD, g.displaced([1.0, 0.0]), np.inf),
        (COLD, g.squeezed(0.3), np.inf),
        # The vacuum itself stays: nothing is produced.
        (COLD, g.vacuum(), 0.0),
        # A pure state gains entropy at an infinite rate at first, whatever the bath.
        (g.unitary(np.eye(2)) + g.thermal_bath("bath", rate=0.3, occupation=1.0), g.vacuum(), np.inf),
        # Not completely positive: d⟨n⟩/dt = δ - f⟨p²⟩ is above 0 with f = 2δ and ⟨p²⟩ < ½, away from the vacuum.
        (g.csl_oscillator(0.5, 1.0), g.squeezed(0.3, np.pi / 2, occupation=0.2), -np.inf),
        (g.csl_oscillator(0.5, 1.0), g.squeezed(0.3, 0.0, occupation=0.2), np.inf),
    ],
)
def test_spohns_production_at_pure_states(dynamics, state, expected):
    assert dynamics.entropy_production(state, "von_neumann") == pytest.approx(expected, abs=1e-14)


def test_a_pure_mode_at_rest_adds_nothing_to_another():
    # The first mode is in the vacuum of its cold bath; of the second, n = .4 goes to n̄ = 1.5 at γ = .2.
    cold = g.thermal_bath("cold", rate=0.3, occupation=0.0, mode=0, modes=2)
    hot = g.thermal_bath("hot", rate=0.2, occupation=1.5, mode=1, modes=2)
    dynamics = g.unitary(np.diag([1.0, 1.7, 1.0, 1.7])) + cold + hot
    states = dynamics.evolve(g.thermal([0.0, 0.4]), [0.0, 0.5, 1.0])
    occupation = 1.5 - 1.1 * np.exp(-0.2 * np.array([0.0, 0.5, 1.0]))
    slope = 0.2 * (1.5 - occupation)
    expected = slope * (np.log1p(1 / occupation) - np.log1p(1 / 1.5))
    np.testing.assert_allclose(dynamics.entropy_production(states, "von_neumann"), expected, rtol=1e-10)


def test_below_the_uncertainty_bound_there_is_no_von_neumann_entropy():
    below = g.State([0.0, 0.0], 0.4 * np.eye(2))
    assert np.isnan(COLD.entropy_production(below, "von_neumann"))
    with pytest.raises(ValueError, match="above ħ/2, ħ = 1; got 0.5. A pure state has no finite Gibbs matrix"):
        g.gibbs_matrix(g.vacuum().covariance)


def test_rates_are_differentiable():
    def produced(beta):
        dynamics = g.brownian(1.0, 1.0, 0.3, beta)
        return dynamics.entropy_production(dynamics.steady_state())

    with jax.enable_x64(True):
        assert jax.jit(jax.grad(produced))(2.0) == pytest.approx(0.3 * 2 * 2.0 / 16, rel=1e-8)
        both = jax.jit(jax.vmap(produced))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(both, [0.3 / 16, 0.075], rtol=1e-10)

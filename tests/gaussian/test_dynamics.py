"""Linear dynamics: evolution, steady states, complete positivity, warnings and bad input."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

import stochq as sq
from tests.gaussian import oracles

g = sq.gaussian


def random_dynamics(rng, modes, hbar=0.0):
    drift = rng.normal(size=(2 * modes, 2 * modes))
    drift -= (np.max(np.linalg.eigvals(drift).real) + 0.2) * np.eye(2 * modes)
    noise = rng.normal(size=(2 * modes, 2 * modes))
    return g.Dynamics(drift, noise @ noise.T, hbar)


def test_csl_hits_the_published_numbers_and_the_closed_form():
    times = np.linspace(0, 5, 101)
    state = g.csl_oscillator(0.1).evolve(g.thermal(0.005), times)
    found = np.array(g.precision_parameters(state))
    np.testing.assert_allclose(found[:, -1], [0.4884942, 0.5156727, -0.0459387], atol=5e-8)
    np.testing.assert_allclose(state.covariance, g.csl_covariance(0.1, 0.505, times), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found, oracles.csl_precision(0.1, 0.0, [1 / 1.01, 1 / 1.01, 0], times), atol=1e-10)


def test_dissipative_csl_hits_the_published_numbers_and_its_equations():
    times = np.linspace(0, 1, 11)
    state = g.csl_oscillator(0.5, 0.7).evolve(g.thermal(0.005), times)
    found = np.array(g.precision_parameters(state))
    np.testing.assert_allclose(found[:, -1], [0.9093353, 0.8020954, -0.0778431], atol=5e-8)
    np.testing.assert_allclose(found, oracles.csl_precision(0.5, 0.7, [1 / 1.01, 1 / 1.01, 0], times), atol=1e-10)
    steady = g.precision_parameters(g.csl_oscillator(0.5, 0.7).steady_state())
    np.testing.assert_allclose(steady, [0.7, 0.7, 0.0], atol=1e-12)


def test_the_energy_of_csl_grows_by_half_its_diffusion_over_mass():
    mass, frequency, diffusion = 2.0, 1.7, 0.3
    dynamics = g.csl_oscillator(diffusion, mass=mass, frequency=frequency)
    state = dynamics.evolve(g.vacuum(mass=mass, frequency=frequency), [0.0, 3.0, 7.0])
    energy = state.covariance[:, 1, 1] / (2 * mass) + 0.5 * mass * frequency**2 * state.covariance[:, 0, 0]
    np.testing.assert_allclose(energy, frequency / 2 + diffusion / mass * state_times(3, 7), rtol=1e-12)


def state_times(*times):
    return np.array([0.0, *times])


@pytest.mark.parametrize("modes", [1, 3])
def test_evolution_solves_the_moment_equations_at_uneven_times(modes):
    rng = np.random.default_rng(modes)
    dynamics = random_dynamics(rng, modes)
    times = np.array([0.5, 0.6, 1.0, 1.1, 2.5])
    state = g.State(rng.normal(size=2 * modes), np.eye(2 * modes) * 0.7)
    found = dynamics.evolve(state, times)
    mean, covariance = oracles.moments(dynamics.drift, dynamics.diffusion, state.mean, state.covariance, times)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-9)
    batch = g.State(np.stack([state.mean, -state.mean]), np.stack([state.covariance, 2 * state.covariance]))
    both = dynamics.evolve(batch, times)
    assert both.covariance.shape == (5, 2, 2 * modes, 2 * modes)
    np.testing.assert_allclose(both[:, 0].covariance, found.covariance, rtol=1e-13)
    np.testing.assert_allclose(both[:, 1].mean, -found.mean, rtol=1e-13)


def test_a_long_time_leads_to_the_steady_state_and_one_interval_equals_many():
    dynamics = g.brownian(1.0, 1.0, 0.3, 2.0, cross_diffusion=0.05)
    steady = dynamics.steady_state().covariance
    found = dynamics.evolve(g.thermal(3.0), [0.0, 400.0, 1e6])
    np.testing.assert_allclose(found.covariance[1:], np.stack([steady, steady]), rtol=1e-12)
    many = dynamics.evolve(g.thermal(3.0), np.linspace(0, 7, 702)).covariance[-1]
    np.testing.assert_allclose(many, dynamics.evolve(g.thermal(3.0), [0, 7]).covariance[-1], rtol=1e-12)


def test_si_units_lose_no_digits():
    # A nanogram at 100 kHz: matrix elements 30 orders of magnitude apart.
    mass, frequency, hbar, kelvin = 1e-12, 2 * np.pi * 1e5, 1.054571817e-34, 1.380649e-23
    beta = 1 / (kelvin * 4e-3)
    times = np.linspace(0, 2e-4, 9)
    si = g.brownian(mass, frequency, 3e4, beta, hbar=hbar)
    plain = g.brownian(1.0, 1.0, 3e4 / frequency, beta * hbar * frequency)
    start = g.vacuum(mass=mass, frequency=frequency, hbar=hbar)
    length = np.sqrt(hbar / (mass * frequency))
    units = np.outer([length, hbar / length], [length, hbar / length])
    np.testing.assert_allclose(
        si.evolve(start, times).covariance / units, plain.evolve(g.vacuum(), times * frequency).covariance, rtol=1e-11,
        atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        si.steady_state().covariance / units, plain.steady_state().covariance, rtol=1e-11, atol=1e-9
    )
    assert si.is_completely_positive()


@pytest.mark.parametrize("modes", [1, 3])
def test_steady_states_solve_the_lyapunov_equation(modes):
    dynamics = random_dynamics(np.random.default_rng(modes), modes)
    expected = solve_continuous_lyapunov(dynamics.drift, -dynamics.diffusion)
    np.testing.assert_allclose(dynamics.steady_state().covariance, expected, rtol=1e-9)
    with jax.enable_x64(True):
        traced = jax.jit(lambda a, b: g.Dynamics(a, b).steady_state().covariance)(dynamics.drift, dynamics.diffusion)
    np.testing.assert_allclose(traced, expected, rtol=1e-9)


def test_steady_states_are_differentiable_and_batched():
    def spread(friction):
        return g.brownian(1.0, 1.3, friction, 0.7).steady_state().covariance[0, 0]

    frictions = np.array([0.2, 0.5, 1.1])
    with jax.enable_x64(True):
        values = jax.jit(jax.vmap(spread))(jnp.asarray(frictions))
        slopes = jax.jit(jax.vmap(jax.grad(spread)))(jnp.asarray(frictions))
    # σ_qq = ηD_qq/ω² + D_qq/η + D_pp/ηω² with D_qq = ηβ/16, D_pp = η/β.
    d = 0.7 / 16
    np.testing.assert_allclose(values, frictions**2 * d / 1.69 + d + 1 / 0.7 / 1.69, rtol=1e-11)
    np.testing.assert_allclose(slopes, 2 * frictions * d / 1.69, rtol=1e-10)


def test_evolution_is_differentiable_jitted_and_batched():
    times = np.linspace(0, 3, 7)

    def final(diffusion, friction):
        return g.csl_oscillator(diffusion, friction).evolve(g.thermal(0.005), times).covariance[-1]

    def later(time):
        times = jnp.stack([jnp.zeros(()), time])
        return g.csl_oscillator(0.1).evolve(g.thermal(0.005), times).covariance[-1, 0, 0]

    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(final))(jnp.array([0.3, 0.5]), jnp.array([0.2, 0.4]))
        forward = jax.jit(jax.jacfwd(final, 1))(0.3, 0.2)
        backward = jax.jit(jax.jacrev(final, 1))(0.3, 0.2)
        slope = jax.jit(jax.grad(later))(2.0)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[1], final(0.5, 0.4), rtol=1e-12)
    numeric = (final(0.3, 0.2 + 1e-5) - final(0.3, 0.2 - 1e-5)) / 2e-5
    np.testing.assert_allclose(forward, numeric, rtol=1e-8)
    np.testing.assert_allclose(backward, forward, rtol=1e-12)
    assert slope == pytest.approx(0.1 * (1 - np.cos(4.0)), rel=1e-11)


def test_without_double_precision_gradients_are_single_and_silent():
    def final(friction):
        return g.csl_oscillator(0.3, friction).evolve(g.thermal(0.005), [0.0, 3.0]).covariance[-1, 0, 0]

    numeric = (final(0.2 + 1e-5) - final(0.2 - 1e-5)) / 2e-5
    assert jax.jit(jax.grad(final))(0.2) == pytest.approx(numeric, rel=1e-4)
    constant = jax.jit(lambda: jnp.asarray(final(0.2), jnp.float32))()
    assert constant == pytest.approx(final(0.2), rel=1e-6)


def test_complete_positivity_of_one_mode_is_the_bound_on_diffusion():
    for hbar in (1.0, 0.3):
        least = hbar**2 * 0.3**2 / 16 / (0.3 / 2)
        assert g.brownian(1.0, 1.0, 0.3, 2.0, position_diffusion=least * (1 + 1e-6), hbar=hbar).is_completely_positive()
        assert not g.brownian(
            1.0, 1.0, 0.3, 2.0, position_diffusion=least * (1 - 1e-6), hbar=hbar
        ).is_completely_positive()
    assert g.csl_oscillator(0.1).is_completely_positive()
    assert not g.csl_oscillator(0.1, 1e-3).is_completely_positive()
    two = g.unitary(np.eye(4)) + g.thermal_bath("left", rate=0.1, occupation=0.0, mode=0, modes=2)
    assert two.is_completely_positive()
    assert not (two + g.Dissipation("bare friction", -0.1 * np.eye(4), 0 * np.eye(4))).is_completely_positive()


def test_an_unphysical_state_is_warned_of_with_its_time():
    # The paper's own example: det V, 1 in the vacuum, falls to .81123.
    dynamics, pure = g.csl_oscillator(0.5, 0.9), g.State([0, 0], np.diag([0.25, 1.0]))
    with pytest.warns(g.UnphysicalStateWarning, match="from t = ") as caught:
        state = dynamics.evolve(pure, np.linspace(0, 20, 2001))
    assert caught[0].filename == __file__
    assert 4 * np.linalg.det(state.covariance).min() == pytest.approx(0.81123, abs=5e-6)
    # From a mixed state, the time is that at which the determinant passes the bound, also between saved times.
    mixed = g.State([0, 0], np.diag([0.28, 0.95]))
    fine = np.linspace(0, 1, 1001)
    _, exact = oracles.moments(dynamics.drift, dynamics.diffusion, mixed.mean, mixed.covariance, fine)
    assert np.linalg.det(exact).min() < 0.25
    crossing = fine[np.argmax(np.linalg.det(exact) < 0.25)]
    with pytest.warns(g.UnphysicalStateWarning) as caught:
        dynamics.evolve(mixed, [0.0, 30.0])
    when = float(str(caught[0].message).split("t = ")[1].split()[0])
    assert when == pytest.approx(crossing, abs=2e-3)


def test_dynamics_that_stay_physical_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g.csl_oscillator(0.5, 0.9).evolve(g.thermal(0.005), np.linspace(0, 30, 50))
        g.csl_oscillator(0.5, 0.9, hbar=0.0).evolve(g.State([0, 0], np.diag([0.25, 1.0])), [0.0, 5.0])


def test_dynamics_add_and_keep_the_names_of_channels():
    left = g.thermal_bath("left", rate=0.2, occupation=0.5)
    right = g.thermal_bath("right", rate=0.1, occupation=3.0)
    both = g.unitary(np.diag([1.0, 1.0])) + left + right
    assert [part.name for part in both.channels] == ["left", "right"]
    np.testing.assert_allclose(both.steady_state().covariance, np.eye(2) * (0.2 * 1.0 + 0.1 * 3.5) / 0.3, atol=1e-12)
    again = (g.unitary(np.diag([1.0, 1.0])) + left) + (g.unitary(np.zeros((2, 2))) + right)
    np.testing.assert_allclose(again.diffusion, both.diffusion)
    assert len(again.channels) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: g.Dynamics(np.eye(3), np.eye(3)), "drift: expected an even size 2n"),
        (lambda: g.Dynamics(np.ones((2, 3)), np.eye(2)), "drift: expected a square matrix"),
        (lambda: g.Dynamics(np.eye(2), np.eye(4)), r"diffusion: expected the drift's shape \(2, 2\); got \(4, 4\)"),
        (lambda: g.Dynamics(np.eye(2), [[1, 0], [0.5, 1]]), "diffusion: expected a symmetric matrix; got .*0.5"),
        (lambda: g.Dynamics(np.eye(2), np.diag([1, -0.25])), "diffusion: expected a positive semi-.* -0.25"),
        (lambda: g.Dynamics(np.eye(2), np.eye(2), hbar=-1.0), "hbar: expected a finite number of at least 0"),
        (lambda: g.csl_oscillator(0.1).steady_state(), r"drift: .*got 0 ± 1i. Add friction"),
        (lambda: g.Dynamics(np.diag([0.25, -1]), np.eye(2)).steady_state(), r"drift: .*got 0\.25\."),
        (lambda: g.brownian(1.0, 0.0, 0.3, 2.0).steady_state(), r"drift: .*got 0\."),
        (lambda: g.csl_oscillator(-0.1), "diffusion: expected a finite number of at least 0"),
        (lambda: g.csl_oscillator(0.1, -0.1), "friction: expected a finite number of at least 0"),
        (lambda: g.brownian(1.0, 1.0, 0.3, -2.0), "beta: expected a finite number above 0; got -2"),
        (lambda: g.brownian(1.0, 1.0, 0.3, 2.0, position_diffusion="none"), "position_diffusion: .*or 'minimal'"),
        (lambda: g.brownian(1.0, 1.0, 0.3, 2.0, 0.5, 0.1), "position_diffusion: expected at least D_qp²/D_pp = 1.66"),
        (lambda: g.balancing_position_friction(1.0, 1.0, 0.3, 2.5), "beta: expected βħω ≤ 2"),
        (lambda: g.thermal_bath("hot", rate=0.1, occupation=-1.0), "occupation: expected a finite"),
        (lambda: g.thermal_bath("hot", rate=0.1, occupation=1.0, mode=1), r"mode: expected one of 0\.\.0"),
        (lambda: g.unitary([[1.0, 1.0], [0.0, 1.0]]), "hamiltonian: expected a symmetric"),
        (lambda: g.csl_oscillator(0.1).evolve(g.vacuum(2), [0, 1]), "state: expected 1 modes"),
        (lambda: g.csl_oscillator(0.1).evolve(g.vacuum(), [0, 1, 1]), "times: expected increasing"),
        (lambda: g.csl_oscillator(0.1).evolve(g.State([0, 0], np.eye(2) * 0.4), [0, 1]), "0.1 below ħ/2"),
        (lambda: g.csl_oscillator(0.1, hbar=1.0) + g.csl_oscillator(0.1, hbar=2.0), "hbar: expected the same"),
        (lambda: g.csl_oscillator(0.1) + g.unitary(np.eye(4)), "drift: expected the shapes of both"),
        (lambda: g.csl_oscillator(0.1).entropy_production(g.vacuum(), "shannon"), "entropy: expected 'wigner'"),
    ],
)
def test_bad_input(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_noise_of_a_long_step_is_van_loans_integral():
    dynamics = random_dynamics(np.random.default_rng(8), 2)
    size, time = 4, 1.7
    block = np.block([[-dynamics.drift, dynamics.diffusion], [np.zeros((size, size)), dynamics.drift.T]])
    found = expm(block * time)
    turn = found[size:, size:].T
    expected = turn @ (np.eye(size) * 0.5) @ turn.T + turn @ found[:size, size:]
    state = dynamics.evolve(g.State(np.zeros(4), np.eye(4) * 0.5), [0.0, time])
    np.testing.assert_allclose(state.covariance[-1], expected, rtol=1e-10, atol=1e-11)


def test_detailed_balance_says_which_part_is_broken():
    text = str(sq.gaussian.brownian(1.0, 1.0, 0.3, 2.0).detailed_balance())
    assert text.startswith("detailed balance is broken: irreversible current 0.0487, reversible diffusion 0,")

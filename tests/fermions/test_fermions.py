"""Fermions in a random potential: closed forms, single trajectories in Fock space, and ensembles."""

from functools import reduce
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.linalg import expm

import stochq as sq
from stochq.fermions.canonical import draw_occupied
from stochq.noise.coloured import OrnsteinUhlenbeck
from stochq.noise.counter import Budget, draw_complex_normals, seed_words
from tests.judging import judge_mean

RATE, WIDTH, MASS, HBAR, REFERENCE = 0.3, 1.2, 1.5, 0.8, 1.1
PREFACTOR = RATE * (MASS / REFERENCE) ** 2


def make(points=64, box=24.0, colour=None, rate=RATE):
    particle = sq.systems.particle(points, box, MASS, hbar=HBAR)
    return sq.models.fermion_gas(particle, rate=rate, length=WIDTH, reference_mass=REFERENCE, colour=colour)


def kernel(distance, box):
    """λ(m/m0)² e^{−x²/4r²} and its images."""
    return sum(PREFACTOR * np.exp(-((distance + n * box) ** 2) / (4 * WIDTH**2)) for n in range(-8, 9))


def kinetic_matrix(points, box):
    waves = 2 * np.pi * np.fft.fftfreq(points, box / points)
    turn = np.fft.fft(np.eye(points), norm="ortho")
    return turn.conj().T @ np.diag(HBAR**2 * waves**2 / (2 * MASS)) @ turn, turn


def master_equation(points, box, occupied, times):
    """Energy per particle of the one-body density matrix, dρ/dt = −i[T, ρ]/ħ − (κ(0) − κ(x − y))ρ, all M² elements."""
    energy, turn = kinetic_matrix(points, box)
    x = np.arange(points) * box / points
    decay = kernel(0.0, box) - kernel(x[:, None] - x[None, :], box)
    one = np.eye(points)
    generator = -1j / HBAR * (np.kron(energy, one) - np.kron(one, energy.T)) - np.diag(decay.ravel())
    orbitals = turn.conj().T[:, np.asarray(occupied) % points]
    rho = orbitals @ orbitals.conj().T / len(occupied)
    return np.array([np.trace(energy @ (expm(generator * t) @ rho.ravel()).reshape(rho.shape)).real for t in times])


TINY = {"points": 16, "box": 7.0}


def test_white_gain_is_the_one_body_master_equation():
    gas, occupied, times = make(**TINY), [0, 1], np.array([0.0, 0.7, 200.0])
    exact = master_equation(**TINY, occupied=occupied, times=times)
    np.testing.assert_allclose(gas.energy_gain(occupied, times), exact - exact[0], rtol=1e-8)
    # At the last time momenta have left the grid and folded back, and heating is no longer constant.
    assert gas.energy_gain(occupied, times)[2] < 0.9 * gas.heating(occupied) * times[2]


def test_white_heating_is_the_papers_whatever_the_occupation():
    gas = make()
    per_dimension = PREFACTOR * HBAR**2 / (4 * MASS * WIDTH**2)
    for occupied in ([0], gas.fermi_sea(6), gas.thermal(5, 1.0, seed=3), [4, -2]):
        assert gas.heating(occupied) == pytest.approx(per_dimension, rel=1e-9)
        assert gas.energy_gain(occupied, [0.0, 0.5])[1] == pytest.approx(0.5 * per_dimension, rel=1e-5)


@pytest.mark.parametrize("k", [0, 3])
def test_coloured_heating_is_the_integral_of_equation_13(k):
    """P = (m²/2πm0²) ∫dq ħω̄ e^{−q²r²} γ(ω̄), γ = λ√(4π) r S, in one dimension."""
    box, tau = 60.0, 0.6
    gas, wave = make(160, box, OrnsteinUhlenbeck(tau)), 2 * np.pi * k / box

    def power(q):
        omega = HBAR / (2 * MASS) * (q * q + 2 * wave * q)
        spectrum = RATE * np.sqrt(4 * np.pi) * WIDTH / (1 + (omega * tau) ** 2)
        return HBAR * omega * np.exp(-((q * WIDTH) ** 2)) * spectrum

    total = quad(power, -10, 10, epsabs=1e-13, limit=400)[0]
    assert gas.heating([k]) == pytest.approx((MASS / REFERENCE) ** 2 / (2 * np.pi) * total, rel=1e-8)


def coloured_sums(gas, occupied):
    """ω̄ and κ_q ħω̄ / N by loops, κ_q the Fourier coefficients of the kernel by quadrature on a fine grid."""
    x = np.arange(4096) * gas.box / 4096
    coefficients = np.fft.fft(kernel(x, gas.box)).real / 4096
    unit = 2 * np.pi / gas.box
    pairs = []
    for n in occupied:
        for j in range(-gas.waves, gas.waves + 1):
            q, k = unit * j, unit * n
            omega = HBAR / (2 * MASS) * (q * q + 2 * k * q)
            pairs.append((omega, coefficients[j] * HBAR * omega / len(occupied)))
    return np.array(pairs).T


def test_coloured_gain_is_first_order_perturbation_theory():
    """For Ornstein-Uhlenbeck noise 2∫(t − s)C cos ωs ds = Re[(t/a − (1 − e^{−at})/a²)/τ], a = 1/τ − iω."""
    tau, times, occupied = 0.6, np.array([1.0, 1.3, 2.0, 9.0]), [0, 2, -3]
    gas = make(colour=OrnsteinUhlenbeck(tau))
    omega, weights = coloured_sums(gas, occupied)
    a, t = 1 / tau - 1j * omega, (times - times[0])[:, None]
    growth = ((t / a - (1 - np.exp(-a * t)) / a**2) / tau).real
    np.testing.assert_allclose(gas.energy_gain(occupied, times), growth @ weights, rtol=1e-7, atol=1e-15)


def test_coloured_gain_does_not_depend_on_the_unit_of_time():
    """In a unit 10¹³ times longer frequencies are as many times smaller; they were rounded to 12 places."""
    gains = []
    for unit in (1.0, 1e13):
        particle = sq.systems.particle(64, 20.0, unit)
        made = {"rate": 0.02 / unit, "length": 1.0, "reference_mass": unit, "colour": OrnsteinUhlenbeck(0.7 * unit)}
        gas = sq.models.fermion_gas(particle, **made)
        gains.append(unit * gas.energy_gain([0, 1, -1, 2, 5], np.array([0.0, 3.0, 30.0]) * unit))
    np.testing.assert_allclose(gains[1], gains[0], rtol=1e-9)


@pytest.mark.parametrize("dt", [0.05, 1.5])
def test_step_bias_is_that_of_the_integrated_noise(dt):
    """From the covariances of consecutive integrals, (1/dt) Σ_j c_j cos jωdt, instead of a sum over images."""
    tau, occupied = 0.6, [0, 2, -3]
    gas = make(colour=OrnsteinUhlenbeck(tau))
    omega, weights = coloured_sums(gas, occupied)
    a, lags = np.exp(-dt / tau), np.arange(1, 1200)
    covariance = 0.5 * tau * (1 - a) ** 2 * a ** (lags - 1.0)
    own = tau * (dt / tau - 1 + a)
    stepped = (own + 2 * covariance @ np.cos(np.outer(lags, omega) * dt)) / dt
    exact = np.sum(weights / (1 + (omega * tau) ** 2))
    # The sum over 64 images on either side leaves out the dt³/1e6 of it.
    assert gas.step_bias(occupied, dt) == pytest.approx(np.sum(weights * stepped) / exact - 1, rel=2e-4)


def test_thermal_occupations_are_canonical():
    reduced, rng = np.array([0.0, 0.3, 0.3, 1.2, 2.5, 0.9]), np.random.default_rng(8)
    chosen = list(combinations(range(6), 3))
    weights = np.array([np.exp(-reduced[list(c)].sum()) for c in chosen])
    draws = [tuple(draw_occupied(reduced, 3, rng).tolist()) for _ in range(4000)]
    counts = [draws.count(c) for c in chosen]
    assert sum(counts) == 4000
    assert stats.chisquare(counts, 4000 * weights / weights.sum()).pvalue > 1e-3


# --- single trajectories


def annihilators(modes):
    """b_j of every mode, from states of two fermions to states of one, and from those to the vacuum."""
    lower, sign, one = np.array([[0.0, 1.0], [0.0, 0.0]]), np.diag([1.0, -1.0]), np.eye(2)
    whole = np.array([reduce(np.kron, [sign] * j + [lower] + [one] * (modes - j - 1)) for j in range(modes)])
    count = np.array([bin(state).count("1") for state in range(2**modes)])
    return whole[:, count == 1][:, :, count == 2], whole[:, count == 0][:, :, count == 1]


def potentials(gas, dt, steps, seed, trajectory):
    """Integrals of the potential over steps, (steps, M), from the stream of one trajectory."""
    x, waves = np.arange(gas.modes) * gas.box / gas.modes, np.arange(1, gas.waves + 1)
    fine = np.fft.fft(kernel(np.arange(4096) * gas.box / 4096, gas.box)).real / 4096
    size = np.sqrt(2 * fine[waves])
    angles = 2 * np.pi / gas.box * np.outer(x, waves)

    def draw(index):
        with jax.enable_x64(True):
            words = [jnp.asarray(word, jnp.uint32) for word in (seed_words(seed), [trajectory], index)]
            return np.asarray(draw_complex_normals(*words, Budget(complex_normals=gas.waves), np.dtype(np.float64)))[
                :, 0
            ]

    if gas.colour is None:
        amplitudes = np.array([np.sqrt(dt) * draw(n) for n in range(steps)])
    else:
        # The recursion of one process, in its own words: I = m + s z, m ← a m + g z.
        chain = gas.colour.increments(dt)
        memory, amplitudes = np.asarray(chain.root)[0, 0] * draw(0), []
        for n in range(steps):
            z = draw(n + 1)
            amplitudes.append(memory + chain.scale * z)
            memory = chain.decay[0] * memory + chain.gain[0] * z
        amplitudes = np.array(amplitudes)
    return (amplitudes.real * size) @ np.cos(angles).T + (amplitudes.imag * size) @ np.sin(angles).T


@pytest.mark.parametrize("coloured", [None, OrnsteinUhlenbeck(0.4)], ids=["white", "coloured"])
def test_the_determinant_is_the_second_quantised_state(coloured):
    """Two fermions in eight modes: exp(−iHdt/2) exp(−iΣφ n_j) exp(−iHdt/2) on all occupations of the points."""
    gas, occupied, dt, steps, seed = make(8, 4.8, coloured), [0, 1], 0.25, 3, 11
    energy, turn = kinetic_matrix(8, 4.8)
    second, first = annihilators(8)
    hamiltonian = np.einsum("ij,iab,jac->bc", energy, second, second)
    half = expm(-0.5j * dt / HBAR * hamiltonian)
    numbers = np.einsum("jab,jab->jb", second, second)
    waves = turn.conj().T[:, occupied]
    pairs = np.einsum("iab,jca->ijb", second, first)  # b_j b_i, whose adjoints make pairs of the vacuum
    state = np.einsum("i,j,ijb->b", waves[:, 1], waves[:, 0], pairs)
    energies = [np.vdot(state, hamiltonian @ state).real / 2]
    for phi in potentials(gas, dt, steps, seed, trajectory=1):
        state = half @ (np.exp(-1j * phi @ numbers) * (half @ state))
        energies.append(np.vdot(state, hamiltonian @ state).real / 2)
    watched = {"rest": (gas.wave_numbers == 0).astype(float), "all": np.ones(8)}
    run = {"trajectories": 2, "keep": 2, "precision": "double", "observables": watched}
    result = sq.simulate_fermions(gas, occupied, np.arange(steps + 1) * dt, dt=dt, seed=seed, **run)
    amplitudes = result.kept[1]
    seen = np.einsum("tnk,k->t", np.abs(amplitudes) ** 2, gas.kinetic) / 2
    np.testing.assert_allclose(seen, energies, rtol=1e-10)
    orbitals = np.fft.ifft(amplitudes[-1], axis=-1, norm="ortho")
    for i, j in combinations(range(8), 2):
        determinant = orbitals[0, i] * orbitals[1, j] - orbitals[1, i] * orbitals[0, j]
        assert abs(pairs[j, i] @ state - determinant) < 1e-11
    check_occupations(result)


def check_occupations(result):
    """Orbitals stay orthonormal, no wave holds more than one, and what is watched is what there is."""
    grams = np.einsum("rtnk,rtmk->rtnm", result.kept.conj(), result.kept)
    np.testing.assert_allclose(grams, np.broadcast_to(np.eye(2), grams.shape), atol=1e-12)
    occupations = np.sum(np.abs(result.kept) ** 2, axis=2)
    assert np.max(occupations) < 1 + 1e-12 and np.min(occupations[:, -1, :2]) < 0.99
    np.testing.assert_allclose(result.mean["rest"], occupations[..., 0].mean(axis=0) / 2, rtol=1e-12)
    np.testing.assert_allclose(result.mean["all"], 1.0, rtol=1e-12)


# --- ensembles


@pytest.fixture(scope="module")
def white():
    gas = make(**TINY)
    times = np.array([0.0, 0.6, 3.0])
    return gas, times, sq.simulate_fermions(gas, [0, 1], times, trajectories=6000, dt=0.3, seed=4)


def test_simulated_energies_are_those_of_the_master_equation(white):
    """Steps of any length: white noise does not mix momenta with coherences."""
    gas, times, result = white
    exact = master_equation(**TINY, occupied=[0, 1], times=times)
    judge_mean(result.mean["gain"][1:], result.stderr["gain"][1:], exact[1:] - exact[0], "gain")
    np.testing.assert_allclose(result.mean["energy"], exact[0] + result.mean["gain"], rtol=1e-5)


OCCUPIED = {"sea": lambda gas: gas.fermi_sea(6), "hot": lambda gas: gas.thermal(6, 1.0, 5), "rest": lambda gas: [0]}


@pytest.mark.parametrize("name", OCCUPIED)
def test_white_heating_does_not_depend_on_the_occupation(name):
    gas, per_dimension = make(), PREFACTOR * HBAR**2 / (4 * MASS * WIDTH**2)
    occupied = OCCUPIED[name](gas)
    result = sq.simulate_fermions(gas, occupied, [0, 0.5, 2], trajectories=1500, dt=0.25, seed=6)
    judge_mean(result.mean["gain"][1:], result.stderr["gain"][1:], per_dimension * np.array([0.5, 2.0]), name)


@pytest.mark.parametrize("name", OCCUPIED)
@pytest.mark.sweep(1)
def test_coloured_heating_is_that_of_the_occupied_waves(name):
    # At this rate the second order is a thousandth of a standard error.
    tau, times = 0.5, np.array([0.0, 0.5, 2.5, 5.0])
    gas = make(colour=OrnsteinUhlenbeck(tau), rate=1e-3 * RATE)
    occupied = OCCUPIED[name](gas)
    omega, weights = coloured_sums(gas, occupied)
    a, t = 1 / tau - 1j * omega, times[:, None]
    exact = 1e-3 * ((t / a - (1 - np.exp(-a * t)) / a**2) / tau).real @ weights
    result = sq.simulate_fermions(gas, occupied, times, trajectories=1500, dt=0.0625, seed=7)
    bias = result.bias["gain"]
    assert np.all(np.abs(bias[1:]) < 0.2 * result.stderr["gain"][1:])
    judge_mean(result.mean["gain"][1:], result.stderr["gain"][1:], exact[1:], name)


def test_batch_and_saved_times_change_nothing():
    gas = make(colour=OrnsteinUhlenbeck(0.5))
    run = {"trajectories": 150, "dt": 0.1, "seed": 2}
    a = sq.simulate_fermions(gas, [0], [0, 0.2, 0.6, 1], **run)
    b = sq.simulate_fermions(gas, [0], [0, 0.3, 0.4, 1], batch=1, **run)
    c = sq.simulate_fermions(gas, [0], [0, 0.2, 0.6, 1], **(run | {"seed": 3}))
    assert a.mean["gain"][-1] == b.mean["gain"][-1] != c.mean["gain"][-1]


def test_a_step_is_chosen_and_divides_the_times():
    gas = make()
    result = sq.simulate_fermions(gas, [0], [0, 0.5, 1.5], trajectories=1500)
    assert result.dt * gas.frequency_scale([0]) <= 0.2 and result.info["steps"] == round(1.5 / result.dt)


def test_momenta_that_leave_the_grid_are_reported():
    gas = make(**TINY)
    with pytest.warns(UserWarning, match="largest momenta"):
        sq.simulate_fermions(gas, [0, 1], [0, 100, 200], trajectories=10, dt=5.0)

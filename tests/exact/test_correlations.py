"""Two-time correlations against closed forms, plain integration of the regression theorem, and simulated records."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from tests import oracles

LOWER = np.array([[0.0, 0.0], [1.0, 0.0]])
LAGS = np.array([0.0, 0.4, 1.0, 2.5, 6.0])


def _atom(rabi, rate):
    """The excited state is (1, 0)."""
    drive = 0.5 * rabi * np.array([[0.0, 1.0], [1.0, 0.0]])
    return sq.models.unravel(sq.systems.levels(drive), [np.sqrt(rate) * LOWER])


def test_coincidences_of_resonance_fluorescence():
    """g²(τ) = 1 − e^{−3γτ/4}(cos κτ + (3γ/4κ) sin κτ), κ² = Ω² − γ²/16 (Carmichael and Walls 1976)."""
    rabi, rate = 2.3, 1.4
    atom = _atom(rabi, rate)
    steady = sq.exact.steady_state(atom)
    excited = rabi**2 / (rate**2 + 2 * rabi**2)
    found = sq.exact.correlation(atom, steady, LAGS, left=LOWER.T, later=LOWER.T @ LOWER, right=LOWER)
    kappa = np.sqrt(rabi**2 - rate**2 / 16)
    decay = np.exp(-0.75 * rate * LAGS)
    expected = 1 - decay * (np.cos(kappa * LAGS) + 0.75 * rate / kappa * np.sin(kappa * LAGS))
    np.testing.assert_allclose(found, excited**2 * expected, atol=1e-10)


def test_thermal_oscillator():
    """⟨a†(t)a(t+τ)⟩ = n̄ e^{−iωτ−κτ/2}, ⟨a(t+τ)a†(t)⟩ = (n̄+1) times the same, and bunching n̄²(1 + e^{−κτ})."""
    cutoff, omega, kappa, mean = 24, 1.7, 0.6, 0.4
    a = oracles.lowering(cutoff)
    system = sq.systems.oscillator(cutoff, omega)
    equation = sq.models.unravel(system, [np.sqrt(kappa * (mean + 1)) * a, np.sqrt(kappa * mean) * a.T])
    rho = system.thermal_density(mean)
    lags = LAGS[1:]
    turned = np.exp(-(1j * omega + kappa / 2) * lags)
    np.testing.assert_allclose(sq.exact.correlation(equation, rho, lags, left=a.T, later=a), mean * turned, atol=1e-7)
    found = sq.exact.correlation(equation, rho, lags, later=a, right=a.T)
    np.testing.assert_allclose(found, (mean + 1) * turned, atol=1e-7)
    found = sq.exact.correlation(equation, rho, lags, left=a.T, later=np.arange(float(cutoff)), right=a)
    np.testing.assert_allclose(found, mean**2 * (1 + np.exp(-kappa * lags)), atol=1e-7)


def test_operators_without_structure_by_splitting():
    """Collapse and a Hamiltonian in several bases, above the size of the generator's exponential."""
    dim, strength, hbar = 20, 0.6, 0.8
    matrix, columns = oracles.random_hermitian(dim, 1) / 3, oracles.random_unitary(dim, 2)
    equation = sq.models.suv(sq.systems.levels(matrix), strength=strength, basis=columns, hbar=hbar)
    jumps = [np.sqrt(strength / hbar) * oracles.projector(columns[:, k]) for k in range(dim)]
    rng = np.random.default_rng(3)
    left, later, right = rng.normal(size=(3, dim, dim)) + 1j * rng.normal(size=(3, dim, dim))
    rho, lags = oracles.random_density(dim, 4), np.array([0.5, 1.2])

    def slope(t, x):
        return -1j / hbar * (matrix @ x - x @ matrix) + sum(oracles.dissipator(jump, x) for jump in jumps)

    expected = oracles.by_integration(slope, right @ rho @ left, np.append(0.0, lags))[1:]
    found = sq.exact.correlation(equation, rho, lags, left=left, later=later, right=right)
    np.testing.assert_allclose(found, np.einsum("ij,tji->t", later, expected), rtol=1e-6)


def test_driven_system_from_a_later_time():
    matrix, jump = oracles.random_hermitian(3, 5), 0.7 * oracles.random_hermitian(3, 6) + 0.3j * np.diag([1, 2, 0])
    drive = oracles.random_hermitian(3, 7)
    system = sq.systems.driven(sq.systems.levels(matrix), [drive], [lambda t: jnp.cos(3 * t)])
    equation = sq.models.unravel(system, [jump])
    rho, later, right = oracles.random_density(3, 8), *(oracles.random_unitary(3, seed) for seed in (9, 10))

    def slope(t, x):
        total = matrix + np.cos(3 * t) * drive
        return -1j * (total @ x - x @ total) + oracles.dissipator(jump, x)

    expected = oracles.by_integration(slope, right @ rho, 0.7 + LAGS)
    found = sq.exact.correlation(equation, rho, LAGS, later=later, right=right, time=0.7)
    np.testing.assert_allclose(found, np.einsum("ij,tji->t", later, expected), atol=1e-7)


def test_records_of_simulated_trajectories():
    """E[∫I₁∫I₂] over neighbouring windows, from trajectories stepped here by Euler's rule."""
    rate, steps, dt, trajectories = 1.3, 40, 0.01, 40_000
    first = np.sqrt(0.6 * rate) * LOWER
    second = 1j * np.sqrt(0.4 * rate) * LOWER
    drive = 0.5 * 2.0 * np.array([[0.0, 1.0], [1.0, 0.0]])
    # Both quadratures at once, as behind a beam splitter.
    equation = sq.models.unravel(sq.systems.levels(drive), [first, second])
    psi0 = np.array([0.8, 0.6])
    rng = np.random.default_rng(1)
    psi = np.tile(psi0.astype(complex)[:, None], trajectories)
    windows = np.zeros((2, trajectories))
    for step in range(2 * steps):
        watched = first if step < steps else second
        noise = np.sqrt(dt) * rng.normal(size=(2, trajectories))
        change = -1j * drive @ psi * dt
        for operator, dw in zip((first, second), noise, strict=True):
            image = operator @ psi
            current = 2 * np.real(np.sum(psi.conj() * image, axis=0))
            dy = current * dt + dw
            change += image * dy - 0.5 * (operator.conj().T @ image) * dt
            if operator is watched:
                windows[step // steps] += dy
        psi = psi + change
        psi /= np.linalg.norm(psi, axis=0)
    products = windows[0] * windows[1]

    # The double integral by Gauss's rule in both times.
    nodes, weights = np.polynomial.legendre.leggauss(4)
    length = steps * dt
    nodes, weights = 0.5 * length * (nodes + 1), 0.5 * length * weights
    times = np.concatenate([[0.0], nodes])
    density = sq.exact.evolve(equation, psi0, times).density[1:]
    expected = 0.0
    for start, rho, weight in zip(nodes, density, weights, strict=True):
        found = sq.exact.record_correlation(equation, rho, length + nodes - start, first=first, second=second)
        expected += weight * found @ weights
    error = products.std() / np.sqrt(trajectories)
    assert abs(expected) > 10 * error
    assert abs(products.mean() - expected) < 4 * error + 0.003 * abs(expected)


def test_record_of_a_system_that_does_not_move():
    """A conserved quantity in the record is remembered: E[I(t)I(t+τ)] = ⟨(c + c†)²⟩."""
    watched = np.diag([0.9, -0.4])
    equation = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [watched])
    found = sq.exact.record_correlation(equation, [0.6, 0.8], [0.0, 3.0], first=watched)
    np.testing.assert_allclose(found, 0.36 * 1.8**2 + 0.64 * 0.8**2, atol=1e-12)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"later": LOWER}, "right: expected an operator at the earlier time"),
        ({"later": np.eye(3), "right": LOWER}, "later: expected an operator of shape"),
        ({"later": LOWER, "right": LOWER, "lags": [-1.0, 0.0]}, "lags: expected delays that are zero or positive"),
        ({"later": LOWER, "right": LOWER, "lags": [1.0, 0.5]}, "lags: expected increasing"),
        ({"later": LOWER, "right": LOWER, "time": [0.0]}, "time: expected"),
    ],
)
def test_bad_input(arguments, message):
    lags = arguments.pop("lags", [0.0, 1.0])
    with pytest.raises(ValueError, match=message):
        sq.exact.correlation(_atom(1.0, 1.0), [1.0, 0.0], lags, **arguments)


def test_records_by_name():
    """Gain, offset and noise of named detectors, and both quadratures, against the operators given as such."""
    operator, rho, lags = np.sqrt(1.3) * LOWER, oracles.random_density(2, 1), [0.2, 0.9]
    detectors = {
        "x": sq.measurement.homodyne(operator, phase=0.3, efficiency=0.5, gain=2.0, offset=0.7, noise=0.25),
        "z": sq.measurement.heterodyne([0.5, -0.5], offset=0.2),
    }
    equation = sq.models.monitored(np.array([[0.2, 1.0], [1.0, -0.2]]), detectors)
    first = np.sqrt(0.5) * np.exp(-0.3j) * operator
    second = np.diag([0.5, -0.5]) / np.sqrt(2)
    plain = sq.exact.record_correlation(equation, rho, lags, first=first, second=second)
    watched = {"x": first + first.conj().T, "y": 2 * second}
    means = sq.exact.evolve(equation, rho, [0.0, *lags], observables=watched).expect
    x, y = means["x"][0], means["y"][1:]
    found = sq.exact.record_correlation(equation, rho, lags, first="x", second="z:1")
    offset = 0.2 * np.sqrt(2)
    np.testing.assert_allclose(found, 2 * plain + 2 * x * offset + 0.7 * y + 0.7 * offset, atol=1e-10)
    # The other quadrature of a Hermitian operator carries its offset's noise alone.
    found = sq.exact.record_correlation(equation, rho, lags, first="z:2", second="z:1")
    turned = 1j * second
    plain = sq.exact.record_correlation(equation, rho, lags, first=turned, second=second)
    np.testing.assert_allclose(found, plain, atol=1e-10)
    with pytest.raises(ValueError, match="first: expected one of 'x', 'z:1', 'z:2', or an operator; got 'z'"):
        sq.exact.record_correlation(equation, rho, lags, first="z")


def test_records_of_models_by_their_places():
    equation = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [LOWER, np.diag([1.0, -1.0])])
    rho = oracles.random_density(2, 1)
    names = [line.name for line in equation.lines]
    operators = [
        equation.channels[channel].operators()[k] for ((channel, k),) in (one.sources for one in equation.lines)
    ]
    for name, operator in zip(names, operators, strict=True):
        found = sq.exact.record_correlation(equation, rho, [0.5], first=name)
        np.testing.assert_allclose(found, sq.exact.record_correlation(equation, rho, [0.5], first=operator))


def test_a_phase_that_turns_while_the_system_rests():
    """σ_z is conserved and watched with the phase t: the current is 2g cos t σ_z, with itself at two times."""
    detector = sq.measurement.homodyne(0.7 * np.array([1.0, -1.0]), phase=lambda t: t)
    equation = sq.models.monitored(np.diag([0.3, -0.3]), {"x": detector})
    lags = np.array([0.0, 0.5, 2.0])
    found = sq.exact.record_correlation(equation, [0.6, 0.8], lags, first="x", time=0.4)
    np.testing.assert_allclose(found, (2 * 0.7) ** 2 * np.cos(0.4) * np.cos(0.4 + lags), atol=1e-8)


@pytest.mark.release
def test_records_of_simulate():
    """Products of mean currents over separate intervals, with all of a detector's electronics: z below 4."""
    detector = sq.measurement.homodyne(
        np.sqrt(1.3) * LOWER, phase=np.pi / 2, efficiency=0.7, gain=1.5, offset=0.3, noise=0.2
    )
    equation = sq.models.monitored(np.array([[0.0, 1.0], [1.0, 0.0]]), {"x": detector})
    times, psi0, count = np.linspace(0, 2, 5), [0.6, 0.8], 40_000
    run = {"observables": {"p": [1.0, 0.0]}, "trajectories": count, "dt": 0.0125, "seed": 3}
    current = np.asarray(sq.simulate(equation, psi0, times, records=True, **run).records["x"], float)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    nodes, weights = 0.25 * (nodes + 1), 0.5 * weights
    for first, second in ((0, 1), (1, 2), (0, 3)):
        inside = times[first] + nodes
        density = sq.exact.evolve(equation, psi0, np.concatenate([times[:1], inside])).density[1:]
        expected = 0.0
        for start, rho, weight in zip(inside, density, weights, strict=True):
            lags = times[second] + nodes - start
            expected += weight * sq.exact.record_correlation(equation, rho, lags, first="x") @ weights
        products = current[:, first] * current[:, second]
        assert abs(products.mean() - expected) < 4 * products.std() / np.sqrt(count), (first, second)

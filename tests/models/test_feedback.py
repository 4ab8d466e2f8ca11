"""Markovian feedback against closed forms and trajectories that are stepped and fed back here."""

import jax
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from tests import oracles

LOWER = np.array([[0.0, 0.0], [1.0, 0.0]])
X, Y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, -1j], [1j, 0.0]])


@pytest.mark.parametrize("efficiency", [1.0, 0.7])
def test_feedback_on_the_quadrature_of_a_cavity(efficiency):
    """With F = λP, dX = (−κ/2 + 2λ√(ηκ))X dt + …, Var X = 1 + 4λ²/(κ − 4λ√(ηκ)) in units of the vacuum's."""
    cutoff, kappa, gain = 16, 0.9, -0.2
    a = oracles.lowering(cutoff)
    x, p = a + a.T, -1j * (a - a.T)
    cavity = sq.models.monitored(
        np.zeros((cutoff, cutoff)), {"x": sq.measurement.homodyne(np.sqrt(kappa) * a, efficiency=efficiency)}
    )
    equation = sq.models.markovian_feedback(cavity, {"x": gain * p})
    variance = 1 + 4 * gain**2 / (kappa - 4 * gain * np.sqrt(efficiency * kappa))
    steady = sq.exact.steady_state(equation)
    np.testing.assert_allclose(np.trace(x @ x @ steady).real, variance, rtol=1e-6)

    times = np.array([0.0, 0.7, 1.5])
    found = sq.exact.evolve(equation, sq.systems.oscillator(cutoff).coherent(0.5), times, observables={"x": x})
    decay = np.exp((-kappa / 2 + 2 * gain * np.sqrt(efficiency * kappa)) * times)
    np.testing.assert_allclose(found.expect["x"], decay, atol=1e-5)


def test_every_click_kicks_at_once():
    """A photon that is counted flips the atom back, dP/dt = −(1 − η)γP, without a step; half a flip, exp(−iπσ_x/4),
    makes an eigenstate of σ_y of it; ħ = 2."""
    rate, efficiency, times = 1.5, 0.6, np.array([0.0, 0.4, 1.1])
    counter = sq.measurement.counting(np.sqrt(rate) * LOWER, efficiency=efficiency)
    atom = sq.models.monitored(np.zeros((2, 2)), {"photon": counter}, hbar=2.0)
    held = sq.models.markovian_feedback(atom, {"photon": np.pi * X})
    decay = np.exp(-(1 - efficiency) * rate * times)
    up = {"up": np.array([1.0, 0.0]), "y": Y}
    exact = sq.exact.evolve(held, [1.0, 0.0], times, observables=up)
    np.testing.assert_allclose(exact.expect["up"], decay, atol=1e-7)
    run = sq.simulate(held, [1.0, 0.0], times, observables=up, trajectories=4000, records=True, seed=1)
    assert np.all(np.abs(run.mean["up"] - decay) < 4 * run.stderr["up"] + 1e-6)
    assert run.records is not None and run.records.fed_back and run.records["photon"].max() > 1
    half = sq.models.markovian_feedback(atom, {"photon": 0.5 * np.pi * X})
    start = sq.exact.evolve(half, [1.0, 0.0], [0.0, 1e-4], observables=up).expect["y"][-1]
    # What is counted in so short a time is in an eigenstate of σ_y.
    np.testing.assert_allclose(start, efficiency * rate * 1e-4, rtol=1e-3)


@pytest.mark.parametrize("direction", [X, np.array([0.4, 1.7])])
def test_kicks_have_derivatives(direction):
    """By the strength of the kick and by ħ, against differences of the master equation that is written here."""
    start, times = np.array([0.8, 0.6]), np.array([0.0, 0.9])
    matrix = direction if direction.ndim == 2 else np.diag(direction)

    def mean(strength, hbar):
        atom = sq.models.monitored(0.7 * X, {"photon": sq.measurement.counting(X + LOWER)}, hbar=hbar)
        held = sq.models.markovian_feedback(atom, {"photon": strength * direction})
        return sq.expectations(held, start, times, observables={"y": Y})["y"][-1]

    def known(strength, hbar):
        operator = expm(-1j * strength * matrix / hbar) @ (X + LOWER)
        rho = oracles.by_liouvillian(0.7 * X / hbar, [operator], np.outer(start, start), times)[-1]
        return np.trace(Y @ rho).real

    with jax.enable_x64(True):
        found = jax.jit(jax.grad(mean, argnums=(0, 1)))(0.3, 1.2)
    by_strength = (known(0.3 + 1e-5, 1.2) - known(0.3 - 1e-5, 1.2)) / 2e-5
    by_hbar = (known(0.3, 1.2 + 1e-5) - known(0.3, 1.2 - 1e-5)) / 2e-5
    np.testing.assert_allclose(found, [by_strength, by_hbar], rtol=1e-5)


def test_a_traced_rate_of_dark_counts_is_refused_as_such():
    def kicked(dark):
        atom = sq.models.monitored(X, {"photon": sq.measurement.counting(LOWER, dark=dark)})
        return sq.models.markovian_feedback(atom, {"photon": X}).hbar

    with pytest.raises(ValueError, match=r"^feedback\['photon'\]: .* without dark counts; got a traced dark"):
        jax.jit(kicked)(0.1)


def test_trajectories_that_are_fed_back():
    """Conditional density matrices, measured in small steps and turned by exp(−iF dI/ħ), with all of a detector's
    electronics and a second detector that nobody uses."""
    rate, efficiency, gain, offset, noise, hbar = 1.1, 0.6, 1.3, 0.4, 0.5, 0.8
    hamiltonian, force = 0.7 * X + 0.2 * np.diag([1, -1]), 0.5 * Y + 0.2 * X
    operator, other = np.sqrt(rate) * LOWER, 0.5 * np.diag([1.0, -1.0])
    detector = sq.measurement.homodyne(
        operator, phase=0.4, efficiency=efficiency, gain=gain, offset=offset, noise=noise
    )
    watched = {"fed": detector, "z": sq.measurement.heterodyne(other), "lost": sq.measurement.unread(0.3 * X)}
    equation = sq.models.monitored(hamiltonian, watched, hbar=hbar)
    equation = sq.models.markovian_feedback(equation, {"fed": force})
    assert [line.name for line in equation.lines] == ["fed", "z"]

    rng = np.random.default_rng(1)
    steps, dt, trajectories = 80, 0.0125, 4000
    c = np.sqrt(efficiency) * np.exp(-0.4j) * operator
    free = -1j / hbar * hamiltonian - 0.5 * (operator.T @ operator + other @ other + 0.09 * np.eye(2))
    values, vectors = np.linalg.eigh(force)
    # Psi0 is (1, 1)/√2; all density matrices at once.
    rho = np.full((trajectories, 2, 2), 0.5 + 0j)
    for _ in range(steps):
        shot, electronic = np.sqrt(dt) * rng.normal(size=(2, trajectories))
        dy = 2 * np.einsum("ij,tji->t", c, rho).real * dt + shot
        kraus = np.eye(2) + free * dt + c * dy[:, None, None]
        measured = kraus @ rho @ kraus.conj().transpose(0, 2, 1)
        for lost in (np.sqrt(1 - efficiency) * operator, other, 0.3 * X):
            measured += dt * lost @ rho @ lost.conj().T
        current = gain * (dy + np.sqrt(noise) * electronic) + offset * dt
        turn = (vectors * np.exp(-1j / hbar * np.multiply.outer(current, values))[:, None, :]) @ vectors.conj().T
        rho = turn @ measured @ turn.conj().transpose(0, 2, 1)
        rho /= np.trace(rho, axis1=1, axis2=2)[:, None, None]
    found = sq.exact.evolve(equation, np.full(2, 0.5**0.5), [0.0, steps * dt]).density[-1]
    without = sq.exact.evolve(sq.models.monitored(hamiltonian, watched, hbar=hbar), np.full(2, 0.5**0.5), [0, 1.0])
    assert np.abs(found - without.density[-1]).max() > 0.1
    for pauli in (X, Y, np.diag([1.0, -1.0])):
        sample = np.einsum("ij,tji->t", pauli, rho).real
        difference = sample.mean() - np.trace(pauli @ found).real
        # The steps' bias is about dt.
        assert abs(difference) < 4 * sample.std() / np.sqrt(trajectories) + dt


def test_names_that_look_like_those_of_what_is_lost():
    """Every dissipator stays, whatever the detectors are called: populations and coherences decay as Lindblad says."""
    detectors = {
        "a": sq.measurement.homodyne(0.9 * LOWER, efficiency=0.5),
        "a lost": sq.measurement.heterodyne(0.7 * LOWER.T),
        "unread 1": sq.measurement.homodyne(np.diag([0.8, -0.8])),
        "unread 2": sq.measurement.unread(0.6 * X),
    }
    force = 0.3 * Y
    equation = sq.models.markovian_feedback(sq.models.monitored(0.4 * X, detectors), {"a": force})
    assert [line.name for line in equation.lines] == ["a", "a lost", "unread 1"]
    watched = np.sqrt(0.5) * 0.9 * LOWER
    crossed = force @ watched
    operators = [watched - 1j * force, watched, 0.7 * LOWER.T, np.diag([0.8, -0.8]), 0.6 * X]
    whole = 0.4 * X + 0.5 * (crossed + crossed.conj().T)
    expected = oracles.by_liouvillian(whole, operators, np.diag([1.0, 0.0]), np.array([0.0, 0.8]))[-1]
    found = sq.exact.evolve(equation, [1.0, 0.0], [0.0, 0.8]).density
    assert found is not None
    np.testing.assert_allclose(found[-1], expected, atol=1e-8)


@pytest.mark.parametrize(
    "feedback, message",
    [
        ({}, "feedback: expected {name: F}"),
        ({"other": X}, "feedback: expected names of homodyne detectors and counters, x, dark; got 'other'"),
        ({"z": X}, "feedback: expected names of homodyne detectors and counters, x, dark; got 'z'"),
        ({"dark": X}, "feedback\\['dark'\\]: expected a counter without dark counts"),
        ({"x": LOWER}, "feedback.*Hermitian"),
        ({"x": np.eye(3)}, "feedback.*expected shape"),
    ],
)
def test_bad_feedback(feedback, message):
    detectors = {
        "x": sq.measurement.homodyne(LOWER),
        "z": sq.measurement.heterodyne(LOWER),
        "dark": sq.measurement.counting(LOWER, dark=0.1),
    }
    with pytest.raises(ValueError, match=message):
        sq.models.markovian_feedback(sq.models.monitored(X, detectors), feedback)
    with pytest.raises(ValueError, match="equation: expected one with homodyne"):
        sq.models.markovian_feedback(sq.models.unravel(sq.systems.levels(X), [LOWER]), {"L0": X})

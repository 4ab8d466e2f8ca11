"""Counting statistics against closed forms and plain tilted generators."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from tests import oracles

LOWER = np.array([[0.0, 0.0], [1.0, 0.0]])
RABI, RATE = 1.7, 1.2
DRIVE = 0.5 * RABI * np.array([[0.0, 1.0], [1.0, 0.0]])


def _atom():
    """The excited state is (1, 0)."""
    return sq.models.unravel(sq.systems.levels(DRIVE), [np.sqrt(RATE) * LOWER])


def test_waiting_times_of_resonance_fluorescence():
    """w(t) = γ(Ω²/4λ²) e^{−γt/2} sin²λt, λ = ½√(Ω² − γ²/4), from the ground state, which every click leaves."""
    lags = np.linspace(0.2, 8.0, 7)
    root = 0.5 * np.sqrt(RABI**2 - RATE**2 / 4)
    expected = RATE * RABI**2 / (4 * root**2) * np.exp(-RATE * lags / 2) * np.sin(root * lags) ** 2
    for start in ([0.0, 1.0], None):
        found = sq.exact.waiting_time(_atom(), start, lags, operator=np.sqrt(RATE) * LOWER)
        np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("efficiency", [1.0, 0.3])
def test_mandel_q_of_resonance_fluorescence(efficiency):
    """Q → −6ηΩ²γ²/(γ² + 2Ω²)², the rate ηγΩ²/(γ² + 2Ω²)."""
    counted = np.sqrt(efficiency * RATE) * LOWER
    rate, mandel_q = sq.exact.stationary_counting(_atom(), operator=counted)
    total = RATE**2 + 2 * RABI**2
    np.testing.assert_allclose(rate, efficiency * RATE * RABI**2 / total, rtol=1e-10)
    np.testing.assert_allclose(mandel_q, -6 * efficiency * RABI**2 * RATE**2 / total**2, rtol=1e-9)


def test_statistics_at_finite_times():
    """The distribution by Fourier's transform of Tr e^{(ℒ + (e^{iφ}−1)𝒥)t}ρ with plain scipy, two operators counted."""
    matrix, rho = oracles.random_hermitian(3, 1), oracles.random_density(3, 2)
    rng = np.random.default_rng(3)
    jumps = rng.normal(size=(3, 3, 3)) + 1j * rng.normal(size=(3, 3, 3))
    jumps = 0.4 * jumps
    counted = np.stack([jumps[0], np.sqrt(0.5) * jumps[1]])
    equation = sq.models.unravel(sq.systems.levels(matrix), list(jumps))
    times, phases = np.array([0.3, 0.8, 2.3]), 64
    generator = oracles.liouvillian(matrix, jumps)
    jump = sum(np.kron(c, c.conj()) for c in counted)
    trace, start = np.eye(3).reshape(-1), rho.reshape(-1)
    tilted = [generator + (np.exp(2j * np.pi * k / phases) - 1) * jump for k in range(phases)]
    moments = np.array([[trace @ expm(one * (t - times[0])) @ start for one in tilted] for t in times])
    expected = np.fft.fft(moments, axis=1).real / phases
    numbers = np.arange(phases)
    mean = expected @ numbers
    variance = expected @ numbers**2 - mean**2

    found = sq.exact.counting(equation, rho, times, operator=list(counted), most=8)
    np.testing.assert_allclose(found.mean, mean, atol=1e-7)
    np.testing.assert_allclose(found.variance, variance, atol=1e-6)
    np.testing.assert_allclose(found.probabilities, expected[:, :9], atol=1e-7)
    np.testing.assert_allclose(found.mandel_q[1:], variance[1:] / mean[1:] - 1, atol=1e-6)
    assert found.mandel_q[0] == 0
    head, *_, last = str(found).splitlines()
    assert head == "Counts: clicks at 3 times in [0.3, 2.3]" and last.startswith(
        "  probabilities: of 0 to 8, in all 0.99"
    )


def test_long_times_approach_the_stationary_statistics():
    times = np.array([0.0, 200.0])
    counted = np.sqrt(RATE) * LOWER
    rate, mandel_q = sq.exact.stationary_counting(_atom(), operator=counted)
    found = sq.exact.counting(_atom(), [0.0, 1.0], times, operator=counted)
    assert abs(found.mean[-1] / (rate * 200) - 1) < 0.01
    assert abs(found.mandel_q[-1] - mandel_q) < 0.01


def test_thermal_light_of_a_large_oscillator():
    """Photons that leave a thermal cavity on one side bunch: Q = 2·η-weighted n̄, above the size of dense generators.

    Rate κ₁n̄; ∫g²−1 = 1/κ, so that Q = 2 κ₁n̄/κ.
    """
    cutoff, kappa, mean, share = 40, 0.7, 0.5, 0.4
    a = oracles.lowering(cutoff)
    system = sq.systems.oscillator(cutoff, 1.0)
    equation = sq.models.unravel(system, [np.sqrt(kappa * (mean + 1)) * a, np.sqrt(kappa * mean) * a.T])
    counted = np.sqrt(share * kappa) * a
    rate, mandel_q = sq.exact.stationary_counting(equation, operator=counted)
    np.testing.assert_allclose(rate, share * kappa * mean, rtol=1e-7)
    np.testing.assert_allclose(mandel_q, 2 * share * mean, rtol=1e-6)


def test_driven_emission():
    """Mean counts of a driven atom are γ∫⟨σ₊σ₋⟩; the variance from pairs of times by plain integration."""
    system = sq.systems.driven(sq.systems.levels([0.0, 0.0]), [DRIVE], [lambda t: jnp.exp(-((t - 1) ** 2))])
    counted = np.sqrt(RATE) * LOWER
    times = np.array([0.0, 1.0, 3.0])
    found = sq.exact.counting(sq.models.unravel(system, [counted]), [0.0, 1.0], times, operator=counted, most=2)

    def slope(t, y):
        """ρ with 0, 1, 2, 3 clicks one below the other."""
        h = np.exp(-((t - 1) ** 2)) * DRIVE
        rho = y.reshape(4, 2, 2)
        kept = -1j * (h @ rho - rho @ h) - 0.5 * RATE * (LOWER.T @ LOWER @ rho + rho @ LOWER.T @ LOWER)
        kept[1:] += RATE * LOWER @ rho[:-1] @ LOWER.T
        return kept.reshape(-1, 2)

    start = np.zeros((8, 2), complex)
    start[1, 1] = 1
    expected = oracles.by_integration(slope, start, times).reshape(3, 4, 2, 2).trace(axis1=2, axis2=3).real
    np.testing.assert_allclose(found.probabilities, expected[:, :3], atol=1e-8)
    # More than three clicks are rare in this pulse.
    np.testing.assert_allclose(found.mean, expected @ np.arange(4), atol=2e-3)


@pytest.mark.parametrize(
    "operator, message",
    [
        (1.01 * np.sqrt(RATE) * LOWER, "operator: expected jump operators of the equation"),
        (0.1 * np.eye(2)[::-1], "operator: expected jump operators of the equation"),
        (np.eye(3), "operator: expected an operator of shape"),
        ([LOWER, np.eye(3)], r"operator\[1\]: expected an operator of shape"),
    ],
)
def test_bad_operators(operator, message):
    with pytest.raises(ValueError, match=message):
        sq.exact.counting(_atom(), [1.0, 0.0], [0.0, 1.0], operator=operator)


def test_nothing_clicks():
    decay = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [LOWER])
    assert sq.exact.stationary_counting(decay, operator=LOWER) == (0.0, 0.0)
    with pytest.raises(ValueError, match="operator: expected one that clicks"):
        sq.exact.waiting_time(decay, None, [1.0], operator=LOWER)


def test_a_rate_that_is_rounding_is_none():
    """In a basis that is turned the dark state is known to rounding alone."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(2, 2, 2)) @ [1, 1j])[0]
    lower = turn @ LOWER @ turn.conj().T
    decay = sq.models.unravel(sq.systems.levels(turn @ np.diag([0.3, 1.0]) @ turn.conj().T), [lower])
    steady = sq.exact.steady_state(decay)
    assert np.trace(lower @ steady @ lower.conj().T) != 0
    assert sq.exact.stationary_counting(decay, operator=lower) == (0.0, 0.0)


def test_a_rate_that_is_small_is_not_rounding():
    """Resonance fluorescence at Ω = 10⁻⁵γ: γΩ²/(γ² + 2Ω²); and nothing from a dark state, however fast H is."""
    drive = 1e-5 * RATE
    weak = sq.models.unravel(sq.systems.levels([[0.0, drive / 2], [drive / 2, 0.0]]), [np.sqrt(RATE) * LOWER])
    rate, mandel_q = sq.exact.stationary_counting(weak, operator=np.sqrt(RATE) * LOWER)
    assert rate == pytest.approx(RATE * 1e-10, rel=1e-5) and abs(mandel_q) < 1e-6
    matrix = 1e8 * np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.5, 0.5, 0.3]])
    jumps = [np.eye(3)[:, [0]] @ np.eye(3)[[2]], 0.7 * np.eye(3)[:, [1]] @ np.eye(3)[[2]]]
    dark = sq.models.unravel(sq.systems.levels(matrix), jumps)
    assert np.trace(jumps[0] @ sq.exact.steady_state(dark) @ jumps[0].T).real > 1e-9
    assert sq.exact.stationary_counting(dark, operator=jumps) == (0.0, 0.0)


def test_counters_by_name():
    """Dark counts are a Poisson process of their own: they add the same to the mean and the variance."""
    counter = sq.measurement.counting(np.sqrt(RATE) * LOWER, efficiency=0.4, dark=0.3)
    equation = sq.models.monitored(DRIVE, {"clicks": counter})
    times = np.array([0.0, 0.7, 2.0])
    plain = sq.exact.counting(_atom(), [1.0, 0.0], times, operator=np.sqrt(0.4 * RATE) * LOWER)
    found = sq.exact.counting(equation, [1.0, 0.0], times, operator="clicks")
    np.testing.assert_allclose(found.mean, plain.mean + 0.3 * times, atol=1e-8)
    np.testing.assert_allclose(found.variance, plain.variance + 0.3 * times, atol=1e-8)
    with pytest.raises(ValueError, match="operator: expected one of 'clicks', or an operator; got 'click'"):
        sq.exact.counting(equation, [1.0, 0.0], times, operator="click")

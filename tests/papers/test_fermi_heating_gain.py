"""Heating by trajectories: the formulas against independent sums, small runs of the claims against the formulas."""

import numpy as np
import pytest
from scipy import integrate

from stochq.papers.fermi_heating import decoherence, gain, heating
from stochq.papers.fermi_heating.spectra import gain_ratio
from tests.judging import judge_mean


@pytest.mark.parametrize(("x", "expected"), [(0.1, 0.927850), (1.0, 0.253966), (10.0, 0.00842529)])
def test_printed_ratios(x, expected):
    assert gain_ratio(gain.lorentzian, x, 3) == pytest.approx(expected, rel=3e-6)


def test_ratios_in_any_dimension():
    """As an integral over vectors q; and an exponential cut-off, which gives (1 + x)^{−(D+2)/2}."""
    for dimensions in (1, 2, 3):
        assert gain_ratio(lambda w: np.exp(-w), 1.0, dimensions) == pytest.approx(2 ** (-(dimensions + 2) / 2))
    q = np.linspace(-7, 7, 701)
    square = q[:, None] ** 2 + q[None, :] ** 2
    weight = square * np.exp(-square)
    plane = np.sum(weight / (1 + (0.7 * square) ** 2)) / np.sum(weight)
    assert gain_ratio(gain.lorentzian, 0.7, 2) == pytest.approx(plane, rel=1e-8)


def _perturbed(times, box, correlation_time):
    """Energy/λ of a plane wave at rest to second order: Σ_q ω_q A_q ∫∫ D(s−s') cos ω_q(s−s'), A_q of the box."""
    q = 2 * np.pi * np.arange(1, 40) / box
    share = 2 * 2 * np.sqrt(np.pi) / box * np.exp(-(q**2))
    total = np.zeros(len(times))
    for index, t in enumerate(times):
        for wave, weight in zip(q, share, strict=True):
            omega = wave**2 / 2

            def lag(s, t=t, omega=omega):
                return (t - s) * np.exp(-s / correlation_time) / correlation_time * np.cos(omega * s)

            total[index] += omega * weight * integrate.quad(lag, 0, t, limit=300)[0]
    return total


def test_eq_13_is_the_steady_slope_of_perturbation_theory():
    for x, box in ((0.1, 16.0), (1.0, 16.0)):
        times = np.array([10.0, 14.0]) * 2 * x
        slope = np.diff(_perturbed(times, box, 2 * x))[0] / np.diff(times)[0] / 0.25
        assert slope == pytest.approx(gain_ratio(gain.lorentzian, x, 1), rel=2e-3)


@pytest.mark.release
@pytest.mark.parametrize(("x", "box", "points", "dt"), [gain.SWEEP[0], gain.SWEEP[2]])
def test_simulated_gain_of_a_particle_at_rest(x, box, points, dt):
    value, error = gain.simulated_ratio(x, box, points, dt, trajectories=6000)
    judge_mean(value, error, gain_ratio(gain.lorentzian, x, 1), "gain")
    assert error < 0.02


@pytest.mark.release
def test_claims():
    for claim in (decoherence.decoherence_claim(0.05), _small_white_gain()):
        assert claim.checks and all(check.passed for check in claim.checks), claim.checks


def _small_white_gain():
    kept = dict(gain.GRIDS)
    gain.GRIDS.clear()
    gain.GRIDS.update({2: (18, 400)})
    try:
        return gain.white_gain.__wrapped__()
    finally:
        gain.GRIDS.clear()
        gain.GRIDS.update(kept)


def test_all_parts_are_in_one_table(monkeypatch):
    """Without the simulations: each part's checks that carry a standard error become rows."""
    from stochq.papers import checks
    from stochq.papers.output import Claim, Table

    made = Claim(Table({}, {}), [checks.by_error("case", 1.1, 0.1, 1.0), checks.Check("other", 0.0, 0.0, 1.0)], None)
    monkeypatch.setattr(heating, "PARTS", {"(a)": lambda effort: made, "(b)": lambda effort: made})
    claim = heating.heating_claim(1.0)
    assert list(claim.numbers.columns["part"]) == ["(a)", "(b)"]
    np.testing.assert_allclose(claim.numbers.columns["z"], [1.0, 1.0])
    assert [check.name for check in claim.checks] == ["χ² of all 2 cases, too large or too small: p-value"]

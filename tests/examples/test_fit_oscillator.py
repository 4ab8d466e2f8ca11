"""The example that fits a watched oscillator finds what its records were made with, and the maximum of a likelihood
that a plain Kalman filter has too."""

import re

import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from tests.examples.loading import EXAMPLES, load_example

PATH = EXAMPLES / "fit-oscillator.py"


@pytest.fixture(scope="module")
def example():
    return load_example(PATH)


@pytest.fixture(scope="module")
def records(example):
    return example.measure()


@pytest.fixture(scope="module")
def fit(example, records):
    return sq.fit(example.model, records, example.START, bounds=example.BOUNDS, intervals="profile")


def kalman(frequency, rate, record, efficiency=0.6):
    """ln p of all records: dq = ωp dt, dp = −ωq dt + √κ dV, dY = 2√(ηκ) q dt + dW, in steps of one bin, exactly."""
    h = record.times[1] - record.times[0]
    drift = np.array([[0, frequency, 0], [-frequency, 0, 0], [2 * np.sqrt(efficiency * rate), 0, 0]])
    noise = np.diag([0, rate, 1.0])
    # Van Loan's exponential: the noise of a bin stands in the upper right.
    block = expm(h * np.block([[-drift, noise], [np.zeros((3, 3)), drift.T]]))
    flow = block[3:, 3:].T
    added = flow @ block[:3, 3:]
    mean, covariance, total = np.repeat([[2.0, 0.0]], len(record), axis=0), np.eye(2) / 2, 0.0
    for y in record.increments[..., 0].T:
        joint = flow[:, :2] @ covariance @ flow[:, :2].T + added
        ahead = mean @ flow[:, :2].T
        off = y - ahead[:, 2]
        total += np.sum(-(off**2) / (2 * joint[2, 2]) + y**2 / (2 * h)) - 0.5 * len(y) * np.log(joint[2, 2] / h)
        gain = joint[:2, 2] / joint[2, 2]
        mean = ahead[:, :2] + off[:, None] * gain
        covariance = joint[:2, :2] - np.outer(gain, joint[2, :2])
    return total


@pytest.mark.release
def test_both_are_found_as_in_the_committed_output(example, fit, capsys):
    for name, truth in example.TRUTH.items():
        assert abs(fit.parameters[name] - truth) < 3.5 * fit.stderr[name], name
    example.report(fit)
    found, committed = (
        np.array(re.findall(r"\d+\.\d+", text), float)
        for text in (capsys.readouterr().out, PATH.with_suffix(".txt").read_text())
    )
    # Records are drawn in single precision, which rounds otherwise elsewhere.
    np.testing.assert_allclose(found, committed, atol=0.02, rtol=1e-3)


@pytest.mark.long
def test_the_fit_is_at_the_maximum_that_a_plain_filter_has(fit, records):
    frequency, rate = fit.parameters["frequency"], fit.parameters["rate"]
    assert fit.log_likelihood == pytest.approx(kalman(frequency, rate, records), abs=2e-3)
    steps = 0.1 * np.array([fit.stderr["frequency"], fit.stderr["rate"]])
    for step in np.diag(steps):
        ahead, behind = (kalman(*([frequency, rate] + sign * step), records) for sign in (1, -1))
        # Within a twentieth of the error of the maximum of a parabola of unit curvature.
        assert abs(ahead - behind) / 0.2 < 0.05
        assert 0.5 < (2 * fit.log_likelihood - ahead - behind) / 0.01 < 2


def test_its_picture_is_the_mean_record(fit, records):
    """⟨q⟩ = 2 cos ωt, averaged over each bin."""
    upper = fit.plot().axes[0]
    line = upper.lines[0].get_ydata()
    ends = np.sin(fit.parameters["frequency"] * records.times) / fit.parameters["frequency"]
    expected = 2 * np.sqrt(0.6 * fit.parameters["rate"]) * 2 * np.diff(ends) / np.diff(records.times)
    np.testing.assert_allclose(line, expected, atol=1e-6)


@pytest.mark.release
def test_intervals_hold_the_truth_as_often_as_they_say(example):
    scores = []
    for seed in range(1, 101):
        fit = sq.fit(example.model, example.measure(seed=seed), example.START, bounds=example.BOUNDS)
        scores.append([(fit.parameters[name] - truth) / fit.stderr[name] for name, truth in example.TRUTH.items()])
    for within, share in ((1.0, 0.683), (1.96, 0.95)):
        inside = np.mean(np.abs(scores) < within, axis=0)
        assert np.all(np.abs(inside - share) < 3.5 * np.sqrt(share * (1 - share) / 100)), (within, inside)

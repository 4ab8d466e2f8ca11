"""A prediction that is itself sampled: its errors are part of χ² and of the parameters' errors."""

import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.ensemble.sampling import Sampling
from stochq.inference.data import Data, effective_samples
from stochq.inference.goodness import inflation, p_value
from stochq.inference.intervals import quantile
from tests.judging import judge

QUBIT, UP = sq.systems.levels([0.0, 1.0]), {"p": np.array([1.0, 0.0])}
TIMES = np.linspace(0.0, 2.0, 6)


def means(rate, seed, trajectories=512):
    equation = sq.models.oqt(QUBIT, strength=rate, equilibrium=[0.7, 0.3])
    run = {"observables": UP, "trajectories": trajectories, "dt": 0.2, "seed": seed}
    return sq.expectations(equation, np.sqrt([0.1, 0.9]), TIMES, **run)["p"]


@pytest.fixture(scope="module")
def runs():
    """Means of 80 runs with other seeds, whose scatter is the error of one."""
    return np.array([means(0.6, seed)[1:] for seed in range(1, 81)])


@pytest.mark.release
def test_groups_of_trajectories_tell_the_covariance_of_a_function_of_means(runs):
    central, *varied = (np.asarray(each) for each in Sampling().variations(lambda: means(0.6, 0)[1:] ** 2))
    np.testing.assert_allclose(central, np.asarray(means(0.6, 0)[1:]) ** 2, rtol=1e-5)
    found = (np.stack(varied) - central).T @ (np.stack(varied) - central)
    # Both variances are known to √(2/64) and √(2/80).
    np.testing.assert_allclose(np.diag(found), np.var(runs**2, axis=0, ddof=1), rtol=5 * np.sqrt(2 / 64 + 2 / 80))
    correlation = found[3, 4] / np.sqrt(found[3, 3] * found[4, 4])
    assert np.corrcoef(runs.T**2)[3, 4] == pytest.approx(correlation, abs=0.15)


@pytest.mark.long
def test_errors_and_the_p_value_count_the_prediction(runs):
    """Data with so small errors that what a fit is off by comes from the prediction's trajectories."""
    data = 0.7 - 0.6 * np.exp(-0.6 * TIMES[1:]) + 0.002 * np.random.default_rng(1).normal(size=5)
    fit = sq.fit(lambda rate: means(rate, 0)[1:], (data, 0.002), 0.5)
    slope = 0.6 * TIMES[1:] * np.exp(-0.6 * TIMES[1:])
    variance = np.cov(runs.T) + 0.002**2 * np.eye(5)
    error = 1 / np.sqrt(slope @ np.linalg.solve(variance, slope))
    alone = 0.002 / np.linalg.norm(slope)
    assert fit.stderr == pytest.approx(error, rel=0.35) and error > 4 * alone
    assert abs(fit.parameters - 0.6) < 4 * fit.stderr
    judge(fit.p_value, "of a sampled prediction")


def spread_and_error(rng, root):
    """Deviations of 64 groups whose mean has the covariance RRᵀ, and what that mean is off by."""
    groups = 8 * rng.normal(size=(64, len(root))) @ root.T
    mean = groups.mean(axis=0)
    return (groups - mean) / 64 * np.sqrt(64 / 63), mean


@pytest.mark.parametrize("error", [0.02, 3.0], ids=["the prediction's errors dominate", "the data's do"])
@pytest.mark.parametrize("samples", [np.inf, 400.0], ids=["known errors", "an ensemble's"])
def test_p_values_are_uniform_and_intervals_hold_the_truth_at_many_points(error, samples):
    """A slope fitted to 30 points, whose prediction comes from 64 groups of Gaussian trajectories."""
    points = np.linspace(0.1, 3.0, 30)
    root = np.linalg.cholesky(np.exp(-np.abs(np.subtract.outer(points, points))))
    rng, chances, scores = np.random.default_rng(5), [], []
    for _ in range(200):
        spread, off = spread_and_error(rng, root)
        estimate = None
        if np.isfinite(samples):
            values = error * rng.normal(size=(int(samples) - 1, 30))
            estimate = values.T @ values / len(values)
        stderr = np.full(30, error) if estimate is None else np.sqrt(np.diagonal(estimate))
        measured = 2 * points + error * rng.normal(size=30)
        data = Data(measured, stderr, (np.arange(30),), samples=samples, variance=estimate).with_prediction(spread, 1)
        offset = np.asarray(data.residuals(off))
        slope = np.asarray(data.residuals(points + off)) - offset
        found = -(slope @ offset) / (slope @ slope)
        dof = len(offset) - 1
        chances.append(p_value(float(np.sum((offset + found * slope) ** 2)), dof, data.samples))
        stderr = np.sqrt(inflation(dof, data.samples) / (slope @ slope))
        scores.append((found - 2) / stderr / quantile(0.95, data.samples, dof))
    assert (len(data.mean) < 10 and data.samples < 100) == (error < 1)
    assert (len(data.mean) == 30) == (error > 1 and samples == np.inf)
    judge(stats.kstest(chances, "uniform").pvalue)
    assert abs(np.mean(np.abs(scores) < 1) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200)


def test_effective_samples_of_a_sum_are_satterthwaite_s():
    spread = spread_and_error(np.random.default_rng(1), np.eye(1))[0]
    variance = float(np.sum(spread**2))
    for own, samples in ((0.5, np.inf), (2.0, 101.0)):
        known = (own + variance) ** 2 / (own**2 / (samples - 1) + variance**2 / 63)
        assert effective_samples(np.array([[own]]), samples, spread) == pytest.approx(1 + known)


def test_predictions_without_errors_and_sums_that_are_one_leave_the_data_as_they_are():
    """Points that the prediction knows, such as the start, and populations that sum to one in every trajectory."""
    own = np.array([[1.0, -1.0], [-1.0, 1.0]]) + 1e-20 * np.eye(2)
    assert effective_samples(own, 50.0, np.zeros((64, 2))) == pytest.approx(50.0)
    known = Data(np.zeros(2), np.ones(2), (np.arange(2),)).with_prediction(np.zeros((64, 2)), 1)
    np.testing.assert_array_equal(known.known, np.eye(2))
    assert known.samples == np.inf
    both = Data(np.zeros(2), np.ones(2), (np.arange(2),), samples=4000.0, variance=own)
    both = both.with_prediction(np.array([[1.0, -1.0]]) * np.random.default_rng(1).normal(size=(64, 1)) / 8, 1)
    assert both.known.shape == both.rest.shape == (1, 2)

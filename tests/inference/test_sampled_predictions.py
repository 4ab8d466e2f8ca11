"""A prediction that is itself sampled: its errors are part of χ² and of the parameters' errors."""

import numpy as np
import pytest

import stochq as sq
from stochq.ensemble.sampling import Sampling
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


def test_groups_of_trajectories_tell_the_covariance_of_a_function_of_means(runs):
    central, *varied = (np.asarray(each) for each in Sampling().variations(lambda: means(0.6, 0)[1:] ** 2))
    np.testing.assert_allclose(central, np.asarray(means(0.6, 0)[1:]) ** 2, rtol=1e-5)
    found = (np.stack(varied) - central).T @ (np.stack(varied) - central)
    # Both variances are known to √(2/64) and √(2/80).
    np.testing.assert_allclose(np.diag(found), np.var(runs**2, axis=0, ddof=1), rtol=5 * np.sqrt(2 / 64 + 2 / 80))
    correlation = found[3, 4] / np.sqrt(found[3, 3] * found[4, 4])
    assert np.corrcoef(runs.T**2)[3, 4] == pytest.approx(correlation, abs=0.15)


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

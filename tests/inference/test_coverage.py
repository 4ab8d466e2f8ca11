"""Fits of right models: p-values are even, and intervals hold what they say, though times are correlated."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.inference.goodness import inflation
from tests.inference.ensembles import ensemble
from tests.judging import judge

TIMES = np.linspace(0.0, 3.0, 11)
TRUTH = {"ground": 0.7, "rate": 0.6}


def population(parameters):
    """p_0 of a qubit that thermalizes from p_0 = .1, in closed form."""
    decay = jnp.exp(-parameters["rate"] * TIMES)
    return {"p": parameters["ground"] + (0.1 - parameters["ground"]) * decay}


@pytest.fixture(scope="module")
def fits():
    equation = sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=0.6, equilibrium=[0.7, 0.3])
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 500, "dt": 0.3}
    results = [sq.simulate(equation, np.sqrt([0.1, 0.9]), TIMES, seed=seed, **run) for seed in range(200)]
    return [sq.fit(population, result, {"ground": 0.5, "rate": 1.0}) for result in results]


@pytest.mark.release
def test_p_values_are_even(fits):
    p_values = [fit.p_value for fit in fits]
    assert all(fit.dof == 8 for fit in fits)
    judge(stats.kstest(p_values, "uniform").pvalue, "p-values of fits")
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", TRUTH)
@pytest.mark.long
def test_intervals_hold_the_truth_as_often_as_they_say(fits, name):
    scores = np.array([(fit.parameters[name] - TRUTH[name]) / fit.stderr[name] for fit in fits])
    for within, share in ((1.0, 0.683), (1.96, 0.95)):
        inside = np.mean(np.abs(scores) < within)
        assert abs(inside - share) < 3.5 * np.sqrt(share * (1 - share) / len(fits)), (within, inside)


@pytest.mark.release
def test_estimated_weights_are_counted_in_the_errors():
    """From 12 samples, errors by (JᵀΣ⁻¹J)⁻¹ alone would be too small by √2."""
    rng = np.random.default_rng(2)
    root = np.linalg.cholesky(np.exp(-np.abs(np.arange(4)[:, None] - np.arange(4))))
    scores, p_values = [], []
    for _ in range(300):
        values = np.concatenate([np.zeros((12, 1)), rng.normal(size=(12, 4)) @ root.T], axis=1)
        fit = sq.fit(level, ensemble(values[:, None]), 0.5)
        scores.append(fit.parameters / fit.stderr)
        p_values.append(fit.p_value)
    assert fit.dof == 3
    # Student's t of 12 - 1 - 3 degrees of freedom, variance 8/6.
    assert 1.0 < np.std(scores) < 1.33
    judge(stats.kstest(p_values, "uniform").pvalue, "p-values from few samples")


def level(value):
    return {"a": value * jnp.ones(5)}


def test_what_does_not_fluctuate_must_be_right():
    """Two populations that sum to one in every sample, and a model in which they do not."""
    first = 0.5 + 0.1 * np.random.default_rng(4).normal(size=(100, 4))
    result = ensemble(np.stack([first, 1 - first], axis=1))

    def model(x):
        return {"a": x[0] * jnp.ones(4), "b": x[1] * jnp.ones(4)}

    with pytest.warns(UserWarning, match="^fit: chi2"):
        fit = sq.fit(lambda x: model([x, 1.1 - x]), result, 0.5)
    assert fit.p_value < 1e-10 and fit.dof == 2
    assert sq.fit(lambda x: model([x, 1 - x]), result, 0.5).p_value > 1e-3


def test_weights_from_few_values_widen_errors_by_as_much_as_is_said():
    """A slope through ten points that 30 values in NumPy tell the covariance of: its scatter, and what JᵀJ says."""
    rng, slope = np.random.default_rng(2), np.linspace(0.2, 1.0, 10)
    root = np.linalg.cholesky(np.exp(-np.abs(np.subtract.outer(np.arange(10), np.arange(10))) / 2))
    estimates, variances = [], []
    for _ in range(4000):
        off, weights = root @ rng.normal(size=10), np.linalg.inv(np.cov(root @ rng.normal(size=(10, 30))))
        variances.append(1 / (slope @ weights @ slope))
        estimates.append(variances[-1] * (slope @ weights @ off))
    assert np.var(estimates) / np.mean(variances) == pytest.approx(inflation(9, 30), rel=0.1)

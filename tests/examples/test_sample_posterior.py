"""The example that samples a posterior: its density by hand, and where blackjax is installed the draws themselves."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from tests.examples.loading import EXAMPLES, load_example

PATH = EXAMPLES / "sample-posterior.py"


@pytest.fixture(scope="module")
def example():
    return load_example(PATH)


def test_the_density_is_the_likelihood_times_the_priors(example):
    """In u the volume of the logit's coordinate is that of η times 1/η(1 − η)."""
    best = {"detuning": 0.9, "efficiency": 0.7, "log_decay": 0.1, "rabi": 2.8}
    covariance = np.diag([0.04, 0.01, 0.03, 0.02]) + 0.002
    fit = types.SimpleNamespace(parameters=best, names=tuple(best), covariance=covariance)
    record = sq.inference.Record(example.TIMES[:11], 0.3 * np.random.default_rng(1).normal(size=(4, 10)), ["current"])
    with jax.enable_x64(True):
        log_density, parameters = example.posterior(record, fit)
        points = jax.device_get([parameters(jnp.asarray(u)) for u in (np.zeros(4), np.array([0.3, -0.5, 0.2, 0.4]))])
        found = np.diff([float(log_density(jnp.asarray(u))) for u in (np.zeros(4), np.array([0.3, -0.5, 0.2, 0.4]))])
    assert points[0] == pytest.approx(best)
    want = []
    for at in points:
        prior = sum(-0.5 * (at[name] - mean) ** 2 / error**2 for name, (mean, error) in example.PRIORS.items())
        of_logit = np.log(at["efficiency"] * (1 - at["efficiency"]))
        with jax.enable_x64(True):
            want.append(sq.inference.log_likelihood(*example.model(at), record) + prior + of_logit)
    np.testing.assert_allclose(found, np.diff(want), rtol=1e-9)
    # To first order u has the fit's covariance.
    small = 1e-5
    with jax.enable_x64(True):
        moved = [jax.device_get(parameters(jnp.asarray(small * axis))) for axis in np.eye(4)]
    slopes = np.array([[(one[name] - best[name]) / small for name in fit.names] for one in moved])
    np.testing.assert_allclose(slopes.T @ slopes, covariance, rtol=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_draws_spread_as_the_information_says(example):
    pytest.importorskip("blackjax", reason="the example needs blackjax, of the extra [bayes]")
    record = example.measure()
    drawn, effective = example.sample(record, example.fitted(record))
    assert effective > 150
    known = sq.inference.information(example.model, example.TRUTH, example.TIMES, records=3000)
    matrix = len(record) * known.classical
    for name, (_, error) in example.PRIORS.items():
        matrix[known.names.index(name), known.names.index(name)] += 1 / error**2
    expected = dict(zip(known.names, np.sqrt(np.diagonal(np.linalg.inv(matrix))), strict=True))
    for name in ("rabi", "detuning", "log_decay"):
        assert np.std(drawn[name]) == pytest.approx(expected[name], rel=0.15)
        assert abs(np.mean(drawn[name]) - example.TRUTH[name]) < 4 * expected[name]

"""Fits of means of which few trajectories have seen the event: finite errors that hold the truth as often as told."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.inference.goodness import inflation
from tests.ensembles import ensemble_of

TIMES = np.linspace(0.0, 2.0, 21)
RATE, COUNT, SEEDS = 0.5, 500, 60


def _ensemble(seed):
    """Of values t² before an event, −1 after it; the chance that there was none is exp(−r t³)."""
    happens = (np.random.default_rng(seed).exponential(size=(COUNT, 1)) / RATE) ** (1 / 3)
    values = np.where(happens > TIMES, TIMES**2, -1.0)
    return ensemble_of(values, TIMES, seed=seed)


def _predicted(rate):
    none = jnp.exp(-rate * TIMES**3)
    return {"n": none * TIMES**2 - (1 - none)}


@pytest.mark.filterwarnings("ignore:fit. n is left out")
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 60 intervals of 95 % fewer than 51 hold it once in 500; times of events give 1/r² to each: r/√N at best."""
    fits = [sq.fit(_predicted, _ensemble(seed), 0.8) for seed in range(SEEDS)]
    errors = np.array([fit.stderr for fit in fits])
    ends = np.array([fit.intervals(0.95) for fit in fits])
    assert np.sum((ends[:, 0] < RATE) & (RATE < ends[:, 1])) >= 51
    assert np.all(errors > 0.9 * RATE / np.sqrt(COUNT)) and np.all(errors < 2 * RATE / np.sqrt(COUNT))
    pulls = (np.array([fit.parameters for fit in fits]) - RATE) / errors
    assert 0.7 < np.sqrt(np.mean(pulls**2)) < 1.3
    p_values = np.array([fit.p_value for fit in fits])
    assert np.sum(p_values < 0.01) <= 4 and p_values.min() > 1e-6
    assert any("n is left out at t = 0.1, 0.2" in note for fit in fits for note in fit.notes)


def test_weights_that_hardly_anything_tells_make_errors_larger():
    assert all(inflation(dof, samples) >= 1 for dof in range(6) for samples in (2, 3, 4, 5, 50))


SIGMA = np.array([[0.0, 0.0], [1.0, 0.0]])


@pytest.mark.parametrize("seed", [0, 5])
def test_the_frequency_of_a_driven_qubit_that_few_have_seen_click(seed):
    """At t = .1 one of 500 trajectories has clicked with seed 0, none with seed 5."""
    times, observables = np.linspace(0, 5, 51), {"excited": np.array([1.0, 0.0])}

    def driven(frequency):
        photons = sq.measurement.counting(SIGMA, efficiency=0.5)
        return sq.models.monitored(frequency / 2 * (SIGMA + SIGMA.T), {"photons": photons})

    run = sq.simulate(driven(3.0), [0, 1.0], times, observables=observables, trajectories=500, seed=seed)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit = sq.fit(lambda f: sq.expectations(driven(f), [0, 1.0], times, observables=observables), run, 2.5)
    low, high = fit.intervals(0.999)
    assert low < 3.0 < high and 0.02 < fit.stderr < 0.05
    assert fit.p_value > 1e-3 and fit.dof >= 20
    assert any("excited is left out at t = 0.1, 0.2" in str(one.message) for one in told)

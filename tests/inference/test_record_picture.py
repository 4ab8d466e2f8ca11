"""What is drawn beside the mean of records: the mean record of a decaying atom, in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.inference.record_picture import counting_errors, mean_of_fit, mean_record

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
TIMES = np.array([0.0, 0.1, 0.3, 0.4])


def test_means_of_all_kinds_of_records_over_their_bins():
    """⟨σ_x⟩ = e^{−t/2} and an excited population of e^{−t}/2, of three tenths, three tenths and four tenths of it."""
    atom = sq.models.monitored(
        np.zeros((2, 2)),
        {
            "x": sq.measurement.homodyne(np.sqrt(0.3) * LOWERING, efficiency=0.5, gain=2.0, offset=0.1),
            "z": sq.measurement.heterodyne(np.sqrt(0.3) * LOWERING, offset=0.2),
            "c": sq.measurement.counting(np.sqrt(0.4) * LOWERING, efficiency=0.25, dark=0.7),
        },
    )
    columns, kinds = ["x", "z", "c"], ["homodyne", "heterodyne", "counting"]
    record = sq.inference.Record(TIMES, np.zeros((1, 3, 4)), columns, kinds)
    found = mean_record(atom, np.sqrt([0.5, 0.5]), record)
    widths = np.diff(TIMES)
    coherence = -np.diff(2 * np.exp(-TIMES / 2)) / widths
    photons = -np.diff(np.exp(-TIMES)) / 2
    expected = [
        2 * np.sqrt(0.5 * 0.3) * coherence + 0.1,
        np.sqrt(0.3 / 2) * coherence + np.sqrt(2) * 0.2,
        np.zeros(3),
        0.25 * 0.4 * photons + 0.7 * widths,
    ]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-8)


def test_band_of_a_mean_count_is_that_of_its_rate():
    """Counts of rate κ alone: the fitted κ is their mean, its error √(variance/records), and a bin's mean is κ/2."""
    jump = np.diag([1.0, 1.0])
    counts = np.random.default_rng(3).poisson(0.5, size=(60, 4, 1)).astype(float)
    record = sq.inference.Record(np.arange(5) * 0.5, counts, ["c"], ["counting"])

    def model(rate):
        counter = sq.measurement.counting(jnp.sqrt(rate) * jump)
        return sq.models.monitored(np.zeros((2, 2)), {"c": counter}), np.array([1.0, 0.0])

    fit = sq.fit(model, record, 0.9, bounds=(0, None))
    band = mean_of_fit(fit, fit.problem.objective)
    sums = counts.sum(axis=(1, 2))
    np.testing.assert_allclose(band.mean, counts.mean(), rtol=2e-3)
    np.testing.assert_allclose(band.stderr, sums.std() / np.sqrt(60) / 4, rtol=0.02)
    assert len(fit.plot().axes) == 2
    with pytest.warns(UserWarning, match="at the bound"):
        held = sq.fit(model, record, 0.8, bounds=(0, 0.85))
    band = mean_of_fit(held, held.problem.objective)
    np.testing.assert_allclose(band.mean, 0.425, rtol=1e-3)
    np.testing.assert_allclose(band.stderr, held.stderr / 2, rtol=1e-3)


def test_errors_of_counts_come_from_the_predicted_mean():
    """Poisson: variance and mean agree, so an empty bin of the mean 0.5 over 25 records has the error √0.5/5."""
    measured, mean = np.array([[0.0], [1.0]]), np.array([[0.5], [0.5]])
    found = counting_errors(measured, np.sqrt(measured / 25), mean)
    np.testing.assert_allclose(found, np.sqrt(0.5) / 5)

"""Statistical verdicts, all of them at one level, so that the whole suite's false-alarm rate is stated once.

Seeds are fixed: a suite that passes keeps passing on the same machine. The rate says how often a correct program would
fail after a change of the random numbers, of the compiler or of rounding.
"""

import itertools

import numpy as np
from scipy import stats

# The chance that any of the verdicts below is a false alarm, all of them together (Bonferroni).
FALSE_ALARMS = 1e-4
VERDICTS = 1000
LEVEL = FALSE_ALARMS / VERDICTS
_verdicts = itertools.count(1)


def judge(p_value, what=""):
    """One verdict: fail when the p-value of a correct program is below the suite's level."""
    assert next(_verdicts) <= VERDICTS, "more verdicts than the stated false-alarm rate allows: raise VERDICTS"
    assert np.isfinite(p_value), f"{what}: the p-value is {p_value}"
    assert p_value > LEVEL, f"{what}: p-value {p_value:.2g} is below {LEVEL:.0e}"


def judge_mean(value, error, expected, what=""):
    """One verdict on any number of means with their standard errors: the largest |z|, Bonferroni over the points.

    Points without spread must agree to rounding (1e-5, single precision).
    """
    value, error, expected = np.broadcast_arrays(value, error, expected)
    difference = np.abs(value - expected)
    sharp = error <= 1e-6 * np.maximum(1, np.abs(expected))
    np.testing.assert_allclose(difference[sharp], 0, atol=2e-5 * max(1, np.abs(expected).max()), err_msg=what)
    z = difference[~sharp] / error[~sharp]
    if z.size:
        judge(min(1.0, 2 * stats.norm.sf(z.max()) * z.size), f"{what} (largest z {z.max():.2f} of {z.size})")


def judge_sample(sample, expected, what=""):
    """One verdict on the mean of samples, (trajectories, *points) real or complex, against expected (*points)."""
    sample = np.asarray(sample).astype(np.complex128 if np.iscomplexobj(sample) else np.float64)
    if np.iscomplexobj(sample):
        sample = np.stack([sample.real, sample.imag], axis=-1)
        expected = np.stack([np.real(expected), np.imag(expected)], axis=-1)
    error = sample.std(axis=0, ddof=1) / np.sqrt(len(sample))
    judge_mean(sample.mean(axis=0), error, expected, what)


def judge_chi2(difference, covariance, what=""):
    """One verdict on deviations whose errors have this covariance; directions without spread are dropped."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-6 * values.max()
    chi2 = np.sum((vectors.T @ difference)[kept] ** 2 / values[kept])
    judge(stats.chi2.sf(chi2, kept.sum()), f"{what} (χ² = {chi2:.1f} with {kept.sum()} degrees of freedom)")


def judge_ensemble(result, expected, what=""):
    """Two verdicts on an ensemble: every point, and all points together with the covariance between times."""
    for name, curve in expected.items():
        np.testing.assert_allclose(result.mean[name][0], curve[0], atol=1e-5, err_msg=f"{what} {name} at the start")
    stacked = [np.stack([part[name] for name in expected]) for part in (result.mean, result.stderr, expected)]
    judge_mean(*stacked, what)
    points = result.covariance_points
    difference = np.array([result.mean[name][time] - expected[name][time] for name, time in points])
    judge_chi2(difference, result.covariance / result.trajectories, what)

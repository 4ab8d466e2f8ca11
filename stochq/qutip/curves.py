"""Means, spreads and errors of e_ops, from moments of operators or from the values of every run."""

from typing import NamedTuple

import numpy as np

from stochq.ensemble import EnsembleResult
from stochq.qutip.expectations import Expectation


class Curve(NamedTuple):
    """Of one of the e_ops, (T,) each.

    mean: real or complex. std: √(E|x|² − |E x|²) over the trajectories, as QuTiP divides by their number. stderr: of
    the mean; of a complex one that of the real part in its real part, of the imaginary part in its imaginary part.
    """

    mean: np.ndarray
    std: np.ndarray
    stderr: np.ndarray


def curve_of_moments(each: Expectation, ensemble: EnsembleResult) -> Curve:
    """Of an operator, from the ensemble."""
    mean, variance = ensemble.mean[each.label], ensemble.variance[each.label]
    total = variance.real + variance.imag if np.iscomplexobj(variance) else variance
    count = ensemble.trajectories
    std = np.zeros(len(mean)) if count < 2 else np.sqrt(total * (count - 1) / count)
    return Curve(mean, std, ensemble.stderr[each.label])


def curve_of_values(values: np.ndarray) -> Curve:
    """From every run, (run, T); those that failed are NaN."""
    kept = values[np.isfinite(values).all(axis=1)]
    mean = kept.mean(axis=0, dtype=np.result_type(kept, np.float64))
    std = np.sqrt(np.mean(np.abs(kept - mean) ** 2, axis=0))
    return Curve(mean, std, _stderr(kept))


def _stderr(values: np.ndarray) -> np.ndarray:
    if np.iscomplexobj(values):
        return _stderr(values.real) + 1j * _stderr(values.imag)
    count = len(values)
    return np.std(values, axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(values.shape[1], np.nan)


def merged(one: Curve, ones: int, other: Curve, others: int) -> Curve:
    """Of so many trajectories together with so many others."""
    total = ones + others
    mean = (ones * one.mean + others * other.mean) / total
    second = (ones * (one.std**2 + np.abs(one.mean) ** 2) + others * (other.std**2 + np.abs(other.mean) ** 2)) / total
    std = np.sqrt(np.maximum(second - np.abs(mean) ** 2, 0.0))
    return Curve(mean, std, _merged_stderr(one, ones, other, others))


def _merged_stderr(one: Curve, ones: int, other: Curve, others: int) -> np.ndarray:
    if np.iscomplexobj(one.mean):
        parts = [
            _merged_stderr(
                Curve(part(one.mean), one.std, part(one.stderr)), ones,
                Curve(part(other.mean), other.std, part(other.stderr)), others,
            )
            for part in (np.real, np.imag)
        ]  # fmt: skip
        return parts[0] + 1j * parts[1]
    total = ones + others
    squares = sum(n * (n - 1) * np.nan_to_num(each.stderr) ** 2 for each, n in ((one, ones), (other, others)))
    squares = squares + ones * others / total * (one.mean - other.mean) ** 2
    return np.sqrt(squares / (total * (total - 1)))

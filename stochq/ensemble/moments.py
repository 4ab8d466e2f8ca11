"""Moments of samples, and those of two samples together."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Number of trajectories, mean, and sums of second, third and fourth powers of the deviations from it.

    On the device deviations are in units of a scale, a power of two, so that no power leaves single precision.
    """

    count: Any
    mean: Any
    squares: Any
    cubes: Any = 0.0
    fourths: Any = 0.0
    scale: Any = 1.0


def merged_moments(a: Moments, b: Moments) -> Moments:
    """Moments of two samples together; Pébay (2008), Sandia report 2008-6212, eqs. 2.1 and 3.1."""
    count = a.count + b.count
    total = max(count, 1.0)
    shift, share = b.mean - a.mean, b.count / total
    squares = a.squares + b.squares + shift * shift * a.count * share
    cubes = (
        a.cubes
        + b.cubes
        + shift**3 * a.count * share * (a.count - b.count) / total
        + 3 * shift * (a.count * b.squares - b.count * a.squares) / total
    )
    fourths = (
        a.fourths
        + b.fourths
        + shift**4 * a.count * share * (a.count**2 - a.count * b.count + b.count**2) / total**2
        + 6 * shift**2 * (a.count**2 * b.squares + b.count**2 * a.squares) / total**2
        + 4 * shift * (a.count * b.cubes - b.count * a.cubes) / total
    )
    return Moments(count, a.mean + shift * share, squares, cubes, fourths)


def largest_errors(names: Iterable[str], moments: Moments) -> dict[str, float]:
    """The standard errors of the means (T, observables) at the time at which they are largest, by name."""
    variance = moments.squares / max(moments.count - 1.0, 1.0)
    errors = np.sqrt(variance / max(float(moments.count), 1.0)).max(axis=0)
    return dict(zip(names, map(float, errors), strict=True))


def merged_covariances(a: Moments, b: Moments) -> Moments:
    """Means (P,) and products of deviations (P, P) of two samples together."""
    count = a.count + b.count
    shift, share = b.mean - a.mean, b.count / max(count, 1.0)
    return Moments(count, a.mean + shift * share, a.squares + b.squares + np.outer(shift, shift) * a.count * share)


def merged_sums(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    """Counts and sums of two samples together."""
    return a[0] + b[0], a[1] + b[1]


def excess_kurtosis(moments: Moments) -> np.ndarray:
    """Σd⁴ N/(Σd²)² − 3, zero for a Gaussian; 0 where nothing fluctuates."""
    squares = np.asarray(moments.squares)
    still = squares <= 0
    return np.where(still, 0.0, moments.count * moments.fourths / np.where(still, 1.0, squares) ** 2 - 3.0)


def skewness(moments: Moments) -> np.ndarray:
    """Σd³ √N/(Σd²)^{3/2}, zero for a symmetric law; 0 where nothing fluctuates."""
    squares = np.asarray(moments.squares)
    still = squares <= 0
    return np.where(still, 0.0, np.sqrt(moments.count) * moments.cubes / np.where(still, 1.0, squares) ** 1.5)

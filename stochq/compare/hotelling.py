"""Whether a mean of many correlated values differs from what it should be (Hotelling 1931)."""

import math
from typing import NamedTuple

import numpy as np

# A direction counts if at least this many trajectories' worth of variance lies in it: below, the sample variance of
# bounded values may come from a few trajectories, and the mean is not Gaussian.
_EFFECTIVE_TRAJECTORIES = 20
_LARGEST_THRESHOLD = 0.1
# Directions that do not count may still be off by no more than so many times the error of the least that does.
CERTAINLY_OFF = 10.0
# Points beyond this fraction of the number of trajectories are thinned, before anything is known of their values:
POINTS_PER_TRAJECTORY = 0.05


class Verdict(NamedTuple):
    """T² (a χ² for many trajectories), the directions it is made of, and the p-value."""

    chi2: float
    dof: int
    p_value: float


def thinned(points: int, trajectories: float) -> np.ndarray:
    """Indices of at most a twentieth as many points as there are trajectories, spread evenly, the last included."""
    most = max(1, int(POINTS_PER_TRAJECTORY * trajectories))
    return np.unique(np.linspace(points - 1, 0, min(points, most)).round().astype(int))


def hotelling(
    difference: np.ndarray,
    covariance: np.ndarray,
    floor: np.ndarray,
    trajectories: int,
    rounding: float,
    effective: int | None = None,
) -> Verdict:
    r"""Test of E[difference] = 0 that knows how the differences hang together.

    $$T^2 = \Delta^{\mathsf T}\Big(\frac{C}{N} + \mathrm{diag}(f^2)\Big)^{-1}\Delta,\qquad
      \frac{N-k}{k(N-1)}\,T^2 \sim F_{k,\,N-k}$$

    difference: Δ (P,), mean minus truth; covariance: C (P, P) of single values, unbiased; floor: f (P,), errors that
    do not shrink with N; rounding: relative error of the elements of C. Directions whose eigenvalue in the
    correlation matrix is below max(20/N, P·rounding) are left out, unless the difference along one is over ten times
    what that eigenvalue would allow: populations that sum to one in every trajectory have to sum to one in the
    reference. Without such directions, and for Gaussian values, the p-value is uniform for any N. effective: how many
    Gaussian values would tell the covariance as well, N unless tails are heavy; it stands for N in all but C/N.
    """
    effective = trajectories if effective is None else effective
    directions = known_directions(covariance / trajectories + np.diag(floor**2), effective, rounding)
    squares, rest = (directions.known @ difference) ** 2, (directions.rest @ difference) ** 2
    farthest = float(np.max(rest, initial=0.0))
    if farthest > CERTAINLY_OFF**2:
        total = float(squares.sum() + rest.sum())
        return Verdict(total, len(difference), math.erfc(math.sqrt(farthest / 2)) * len(difference))
    return _verdict(squares, effective)


class Directions(NamedTuple):
    """Combinations of P correlated values, one a row, in units of their errors.

    known: (k, P) independent ones whose error is known. rest: (P-k, P) those whose error is too small to be known, in
    units of the largest that it may be.
    """

    known: np.ndarray
    rest: np.ndarray


def known_directions(variance: np.ndarray, effective: float, rounding: float) -> Directions:
    """The directions of values whose covariance `variance` (P, P) is from `effective` samples, infinite where known.

    rounding: relative error of the elements of the covariance.
    """
    widths = np.sqrt(np.diagonal(variance))
    values, directions = np.linalg.eigh(variance / np.outer(widths, widths))
    statistical = min(_EFFECTIVE_TRAJECTORIES / effective, _LARGEST_THRESHOLD)
    threshold = max(statistical, rounding * len(values))
    rows = directions.T / np.sqrt(np.maximum(values, threshold))[:, None] / widths
    return Directions(rows[values > threshold], rows[values <= threshold])


def _verdict(squares: np.ndarray, trajectories: int) -> Verdict:
    from scipy.stats import f

    total, k = float(squares.sum()), len(squares)
    if k == 0:
        return Verdict(0.0, 0, 1.0)
    if trajectories <= k:
        raise ValueError(f"trajectories: expected more than {k}, the directions compared; got {trajectories}.")
    scaled = total * (trajectories - k) / (k * (trajectories - 1))
    return Verdict(total, k, float(f.sf(scaled, k, trajectories - k)))

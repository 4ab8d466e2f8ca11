"""Means, errors and covariances of a result from the summaries of its trajectories."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from stochq.ensemble.moments import Moments, excess_kurtosis, merged_covariances, merged_moments, merged_sums, skewness
from stochq.ensemble.statistics import COVARIANCE, MEAN, PAIR_SPREAD
from stochq.ensemble.tree import Part
from stochq.real_parts import by_observable

# The name under which the parts of a result hold what its density matrix is made of.
DENSITY = "density matrix"
# How the summaries merge that parts of a result hold.
MERGES: dict[str, Callable[[Any, Any], Any]] = {
    MEAN: merged_moments,
    COVARIANCE: merged_covariances,
    PAIR_SPREAD: merged_sums,
    DENSITY: merged_sums,
}


def means_of(summaries: Mapping[str, Any], rows: Iterable[str], observables: Iterable[str]) -> dict[str, Any]:
    """The fields of a result that its moments tell, by observable. rows: what the columns of the moments are of."""
    moments, rows, observables = summaries[MEAN], list(rows), list(observables)
    variances = unbiased(moments.squares, moments.count)
    single = variances
    if PAIR_SPREAD in summaries:
        count, squares = summaries[PAIR_SPREAD]
        single = variances + squares / max(float(count), 1.0)
    fields = {
        "mean": moments.mean if moments.count else np.full_like(moments.mean, np.nan),
        "variance": single,
        "stderr": np.sqrt(variances / max(float(moments.count), 1.0)),
        "skewness": skewness(moments),
        "kurtosis": excess_kurtosis(moments),
    }
    return {field: by_observable(dict(zip(rows, array.T, strict=True)), observables) for field, array in fields.items()}


def unbiased(squares: np.ndarray, count: float) -> np.ndarray:
    """The variance from sums of squared deviations; NaN of a value alone."""
    return squares / (count - 1.0) if count > 1 else np.full_like(squares, np.nan)


def covariance_of(summaries: Mapping[str, Any]) -> np.ndarray:
    """The covariance of single-trajectory values."""
    moments, trajectories = summaries[COVARIANCE], 2 if PAIR_SPREAD in summaries else 1
    return trajectories * unbiased(moments.squares, moments.count)


def density_of(summaries: Mapping[str, Any]) -> np.ndarray:
    """The ensemble's density matrix at every time."""
    count, total = summaries[DENSITY]
    return total / float(count) if count else np.full_like(total, np.nan)


def shown(part: Part, columns: list[int], points: list[int], density: str | None, others: Iterable[str]) -> Part:
    """A part of a run with what a result shows of it alone.

    columns: of the values; points: of the covariance; density: the name of the statistic, if any; others: the names of
    more that are kept.
    """
    moments, covariance = part.summaries[MEAN], part.summaries[COVARIANCE]
    summaries: dict[str, Any] = {
        MEAN: Moments(moments.count, *(array[:, columns] for array in moments[1:5])),
        COVARIANCE: Moments(covariance.count, covariance.mean[points], covariance.squares[np.ix_(points, points)]),
    }
    if PAIR_SPREAD in part.summaries:
        count, squares = part.summaries[PAIR_SPREAD]
        summaries[PAIR_SPREAD] = count, squares[:, columns]
    if density is not None:
        summaries[DENSITY] = part.summaries[density]
    return part._replace(summaries=summaries | {name: part.summaries[name] for name in others})

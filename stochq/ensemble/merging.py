"""Two runs of one problem as one: their moments pooled, their trajectories in the order of their ranges."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stochq.ensemble.failures import joined_failures
from stochq.ensemble.fingerprint import different_parts
from stochq.ensemble.means import DENSITY, MERGES, covariance_of, density_of, means_of
from stochq.ensemble.moments import Moments, excess_kurtosis, merged_moments, skewness
from stochq.ensemble.physical_states import worst
from stochq.ensemble.statistics import Statistic
from stochq.ensemble.tree import joined, total
from stochq.measurement import Clicks, Record
from stochq.real_parts import by_observable, in_rows

if TYPE_CHECKING:
    from stochq.ensemble.result import EnsembleResult

# The (seed, start, stop) of trajectories.
Range = tuple[int, int, int]
Part = TypeVar("Part")

# What `_pooled` makes.
_POOLED = (
    "mean", "stderr", "variance", "skewness", "kurtosis", "covariance", "density", "summaries", "parts",
)  # fmt: skip
# What is said in `info` of the trajectories of one run alone.
_OF_ONE_RUN = ("tolerance", "reached", "decided_by")


def merged(a: "EnsembleResult", b: "EnsembleResult") -> "EnsembleResult":
    """Both ensembles as one; ValueError where they are of different problems or share trajectories."""
    _check_mergeable(a, b)
    ranges = sorted(a.ranges + b.ranges)
    rows = np.concatenate([_rows_among(a, ranges), _rows_among(b, ranges)])
    order = np.argsort(rows)
    statistics = _common_statistics(a, b)
    fields = (_of_parts if a.parts and b.parts else _pooled)(a, b, statistics)
    return replace(
        a,
        **fields,
        trajectories=a.trajectories + b.trajectories,
        failed=a.failed + b.failed,
        failed_trajectories=joined_failures(a.failed_trajectories, b.failed_trajectories),
        ranges=_without_seams(ranges),
        statistics={name: statistic.finish(summary) for name, (statistic, summary) in fields["summaries"].items()},
        kept=_kept_of_both(a, b, a.kept, b.kept, order),
        kept_values=_kept_values_of_both(a, b, order),
        kept_rows=rows[order],
        records=_merged_records(a, b),
        clicks=_merged_clicks(a, b),
        histograms={name: (edges, counts + b.histograms[name][1]) for name, (edges, counts) in a.histograms.items()},
        info=_merged_info(a.info, b.info),
    )


def _of_parts(a: "EnsembleResult", b: "EnsembleResult", statistics: Mapping[str, Statistic]) -> dict[str, Any]:
    """What is made of summaries, to the last bit as in one run where both consist of whole blocks."""
    there = set(a.parts[0].summaries) & set(b.parts[0].summaries)
    known = MERGES | {name: statistic.merge for name, statistic in statistics.items()}
    merges = {name: merge for name, merge in known.items() if name in there}
    parts = joined((*a.parts, *b.parts), merges)
    summaries = total(parts, merges)
    return {
        **means_of(summaries, in_rows(a.mean), a.mean),
        "covariance": covariance_of(summaries) if a.covariance_points == b.covariance_points else None,
        "density": density_of(summaries) if DENSITY in summaries else None,
        "summaries": {name: (statistic, summaries[name]) for name, statistic in statistics.items()},
        "parts": parts,
    }


def _pooled(a: "EnsembleResult", b: "EnsembleResult", statistics: Mapping[str, Statistic]) -> dict[str, Any]:
    """The same to rounding, of results that do not tell what they are made of."""
    if not (a.trajectories and b.trajectories):
        left = a if a.trajectories else b
        return {name: getattr(left, name) for name in _POOLED}
    a, b = _without_nan(a), _without_nan(b)
    return {
        **_merged_means(a, b),
        **_merged_shapes(a, b),
        "covariance": _pool_covariance(a, b),
        "density": _weighted(a, b, a.density, b.density),
        "summaries": {
            name: (statistic, statistic.merge(a.summaries[name][1], b.summaries[name][1]))
            for name, statistic in statistics.items()
        },
        "parts": (),
    }


def _without_nan(run: "EnsembleResult") -> "EnsembleResult":
    """A run of one trajectory with zeros in place of the errors that it does not know, which count for nothing."""
    if run.samples > 1:
        return run
    stderr, variance = (
        {name: np.zeros_like(values) for name, values in by_name.items()} for by_name in (run.stderr, run.variance)
    )
    covariance = None if run.covariance is None else np.zeros_like(run.covariance)
    return replace(run, stderr=stderr, variance=variance, covariance=covariance)


def _without_seams(ranges: Sequence[Range]) -> list[Range]:
    """Ranges in their order, those that follow each other as one."""
    done: list[Range] = []
    for seed, start, stop in ranges:
        if done and done[-1][0] == seed and done[-1][2] == start:
            start = done.pop()[1]
        done.append((seed, start, stop))
    return done


def _check_mergeable(a: "EnsembleResult", b: "EnsembleResult") -> None:
    different = different_parts(a.fingerprint, b.fingerprint) if a.precision == b.precision else "precision"
    if different:
        raise ValueError(
            f"merge: expected two runs of one problem; these differ in {different}. Run both with the same arguments "
            "but seed and trajectories."
        )
    for seed, start, stop in a.ranges:
        for other_seed, other_start, other_stop in b.ranges:
            if seed == other_seed and max(start, other_start) < min(stop, other_stop):
                raise ValueError(
                    f"merge: trajectories {max(start, other_start)} to {min(stop, other_stop) - 1} of seed {seed} are "
                    "in both runs; counting them twice would understate the error. Run with another seed, or with "
                    f"first={max(stop, other_stop)}."
                )


def _merged_means(a: "EnsembleResult", b: "EnsembleResult") -> dict[str, dict[str, np.ndarray]]:
    """Means, variances and standard errors, by observable."""
    one, two = a.in_real_rows(), b.in_real_rows()
    total = a.trajectories + b.trajectories
    mean, variance, stderr = {}, {}, {}
    for row in one.mean:
        mean[row], variance[row] = _pool(one, two, row, [one.variance[row], two.variance[row]])
        _, effective = _pool(one, two, row, [run.trajectories * run.stderr[row] ** 2 for run in (one, two)])
        stderr[row] = np.sqrt(effective / total)
    rows = {"mean": mean, "variance": variance, "stderr": stderr}
    return {name: by_observable(values, a.mean) for name, values in rows.items()}


def _merged_shapes(a: "EnsembleResult", b: "EnsembleResult") -> dict[str, dict[str, np.ndarray]]:
    """Skewness and excess kurtosis, by observable."""
    one, two = a.in_real_rows(), b.in_real_rows()
    moments = {
        row: merged_moments(_moments(one, row), _moments(two, row)) for row in one.kurtosis if row in two.kurtosis
    }
    return {
        "skewness": by_observable({row: skewness(both) for row, both in moments.items()}, a.skewness),
        "kurtosis": by_observable({row: excess_kurtosis(both) for row, both in moments.items()}, a.kurtosis),
    }


def _moments(run: "EnsembleResult", row: str) -> Moments:
    """The moments of a real row that its errors, skewness and kurtosis tell of."""
    count = float(run.samples)
    squares = run.stderr[row] ** 2 * count * (count - 1)
    cubes = run.skewness[row] * squares**1.5 / np.sqrt(count)
    return Moments(count, run.mean[row], squares, cubes, (run.kurtosis[row] + 3) * squares**2 / count)


def _common_statistics(a: "EnsembleResult", b: "EnsembleResult") -> dict[str, Statistic]:
    for name in {**a.statistics, **b.statistics}:
        if name not in a.summaries or name not in b.summaries:
            raise ValueError(
                f"merge: expected runs of this process with the statistic {name!r}, whose summary no file holds; "
                "got one without it or that was loaded. Merge before saving, or drop the statistics of both: "
                "dataclasses.replace(result, statistics={}, summaries={})."
            )
    return {name: statistic for name, (statistic, _) in a.summaries.items() if name in a.statistics}


def _merged_info(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    info = {key: value for key, value in a.items() if key in b and b[key] == value and key not in _OF_ONE_RUN}
    info |= worst(a, b)
    info["interrupted"] = False
    if "seconds" in a and "seconds" in b:
        info["seconds"] = a["seconds"] + b["seconds"]
    return info


def _pool(
    a: "EnsembleResult", b: "EnsembleResult", name: str, variances: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over both."""
    total = a.trajectories + b.trajectories
    shift = b.mean[name] - a.mean[name]
    squares = variances[0] * (a.trajectories - 1) + variances[1] * (b.trajectories - 1)
    squares = squares + shift**2 * a.trajectories * b.trajectories / total
    return a.mean[name] + shift * b.trajectories / total, squares / (total - 1)


def _pool_covariance(a: "EnsembleResult", b: "EnsembleResult") -> np.ndarray | None:
    if a.covariance is None or b.covariance is None or a.covariance_points != b.covariance_points:
        return None
    total = a.trajectories + b.trajectories
    first, second = in_rows(a.mean), in_rows(b.mean)
    shift = np.array([second[row][index] - first[row][index] for row, index in a.covariance_points])
    squares = a.covariance * (a.trajectories - 1) + b.covariance * (b.trajectories - 1)
    return (squares + np.outer(shift, shift) * a.trajectories * b.trajectories / total) / (total - 1)


def _weighted(
    a: "EnsembleResult", b: "EnsembleResult", first: np.ndarray | None, second: np.ndarray | None
) -> np.ndarray | None:
    if first is None or second is None:
        return None
    return (a.trajectories * first + b.trajectories * second) / (a.trajectories + b.trajectories)


def _by_range(run: "EnsembleResult", part: Callable[[int, int], Part]) -> dict[Range, Part]:
    """The parts of a run that belong to its ranges of trajectories, from their first and last rows."""
    begins = np.cumsum([0, *(stop - start for _, start, stop in run.ranges)])
    return {one: part(int(a), int(b)) for one, a, b in zip(run.ranges, begins[:-1], begins[1:], strict=True)}


def _in_order(parts: Mapping[Range, Part]) -> list[Part]:
    return [parts[one] for one in sorted(parts)]


def _merged_records(a: "EnsembleResult", b: "EnsembleResult") -> Record | None:
    """Records in the order of the ranges of trajectories."""
    first, second = a.records, b.records
    if first is None or second is None:
        return None
    rows = _by_range(a, lambda i, j: first.increments[i:j]) | _by_range(b, lambda i, j: second.increments[i:j])
    return Record.of_run(first.times, np.concatenate(_in_order(rows)), first.names, first.kinds, first.fed_back)


def _merged_clicks(a: "EnsembleResult", b: "EnsembleResult") -> dict[str, Clicks]:
    """Clicks in the order of the ranges of trajectories."""
    return {
        name: reduce(Clicks.joined, _in_order(_by_range(a, a.clicks[name].part) | _by_range(b, b.clicks[name].part)))
        for name in a.clicks
        if name in b.clicks
    }


def _rows_among(run: "EnsembleResult", ranges: Sequence[Range]) -> np.ndarray:
    """The rows of a run's kept states among all ranges of trajectories, of which its own are some."""
    begins, new_begins = (np.cumsum([0, *(stop - start for _, start, stop in parts)]) for parts in (run.ranges, ranges))
    moved = new_begins[[ranges.index(part) for part in run.ranges]] - begins[:-1]
    return run.kept_rows + moved[np.searchsorted(begins, run.kept_rows, side="right") - 1]


def _kept_of_both(
    a: "EnsembleResult", b: "EnsembleResult", first: np.ndarray | None, second: np.ndarray | None, order: np.ndarray
) -> np.ndarray | None:
    """What is kept of both in this order; None where one that keeps trajectories lacks it."""
    parts = [part for run, part in ((a, first), (b, second)) if len(run.kept_rows)]
    kept = [part for part in parts if part is not None]
    return np.concatenate(kept)[order] if kept and len(kept) == len(parts) else None


def _kept_values_of_both(a: "EnsembleResult", b: "EnsembleResult", order: np.ndarray) -> dict[str, np.ndarray]:
    kept = {
        name: _kept_of_both(a, b, a.kept_values.get(name), b.kept_values.get(name), order)
        for name in {**a.kept_values, **b.kept_values}
    }
    return {name: values for name, values in kept.items() if values is not None}

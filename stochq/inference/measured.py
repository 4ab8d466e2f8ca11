"""What is measured, checked against what is predicted: pairs, an ensemble, correlations of a record."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from stochq.arrays import UNIT, ArrayLike, rounding
from stochq.compare.hotelling import known_directions
from stochq.compare.rare import chosen_points, left_out, told
from stochq.ensemble import EnsembleResult
from stochq.inference.coordinates import near
from stochq.inference.data import LEAST_POINTS, Data, parts_of
from stochq.inference.long_records import Correlations
from stochq.real_parts import in_rows, row_names

# Blocks of a record that are needed for each point: with fewer their covariance is too uncertain to weigh them by.
_BLOCKS_PER_POINT = 4
# Below this fraction of an observable's size its spread is rounding: the point is exact and has no weight to give.
_ROUNDING = {"single": 1e-5, "double": 1e-11}


def read_data(data: Any, predicted: Any, parameters: int) -> Data:
    """The data for a prediction of the given shapes and number of parameters; ValueError where they do not match."""
    if isinstance(data, EnsembleResult):
        return _from_ensemble(data, predicted, parameters)
    if isinstance(data, Correlations):
        return _from_correlations(data, predicted)
    return _from_pairs(data, predicted)


def _name(path: Any) -> str:
    return "the prediction" + jax.tree_util.keystr(path)


def _from_pairs(data: Any, predicted: Any) -> Data:
    """Independent points from pairs (mean, stderr) in the structure of the prediction."""
    structure = jax.tree_util.tree_structure(predicted)
    try:
        pairs = structure.flatten_up_to(data)
    except (ValueError, TypeError) as problem:
        raise ValueError(
            f"data: expected (mean, stderr) pairs in the structure that predict returns; {problem}"
        ) from None
    means, errors = [], []
    for (path, leaf), pair in zip(jax.tree_util.tree_leaves_with_path(predicted), pairs, strict=True):
        mean, error = _pair(_name(path), pair, leaf)
        means.append(mean)
        errors.append(error)
    keep = tuple(np.arange(mean.size) for mean in means)
    return Data(np.concatenate(means), np.concatenate(errors), keep)


def _pair(name: str, pair: Any, leaf: jax.ShapeDtypeStruct) -> tuple[np.ndarray, np.ndarray]:
    """One (mean, stderr), checked, as real vectors (n,)."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"data: expected a pair (mean, stderr) for {name}; got {type(pair).__name__}.")
    mean, error = (_as_double(part) for part in pair)
    if mean.shape != leaf.shape or error.shape not in ((), leaf.shape):
        raise ValueError(
            f"data: expected mean and stderr of shape {leaf.shape} for {name}; got {mean.shape} and {error.shape}."
        )
    _check_kind(name, mean, leaf)
    if np.iscomplexobj(error) != np.iscomplexobj(mean):
        raise ValueError(
            f"data: expected a stderr for {name} that is complex where the mean is and nowhere else: its real part is "
            f"the error of the real part, its imaginary part that of the imaginary part; got {error.dtype} for a mean "
            f"of {mean.dtype}."
        )
    mean, error = (np.concatenate(parts_of(array)) for array in (mean, np.broadcast_to(error, leaf.shape)))
    if not np.all(np.isfinite(mean)):
        where, count = _first(~np.isfinite(mean), leaf.shape)
        raise ValueError(
            f"data: expected finite means; that for {name} at index {where} is NaN or infinite, {count} such in all. "
            "Leave these points out."
        )
    good = np.isfinite(error) & (error > 0)
    if not np.all(good):
        where, count = _first(~good, leaf.shape)
        raise ValueError(
            f"data: expected positive standard errors; that for {name} at index {where} is not, {count} such in all. A "
            "point known exactly, such as the start, tells nothing: leave it out."
        )
    return mean, error


def _first(bad: np.ndarray, shape: tuple[int, ...]) -> tuple[str, int]:
    """The index of the first marked point, and how many there are; imaginary parts follow after the real ones."""
    size = int(np.prod(shape))
    index = np.unravel_index(int(np.argmax(bad)) % size, shape) if shape else ()
    return ", ".join(map(str, index)) or "0", int(bad.sum())


def _as_double(array: Any) -> np.ndarray:
    return np.asarray(array, dtype=np.complex128 if np.iscomplexobj(array) else np.float64)


def _check_kind(name: str, mean: np.ndarray, leaf: jax.ShapeDtypeStruct) -> None:
    """ValueError where one of measured and predicted means is complex and the other is real."""
    is_complex = np.issubdtype(leaf.dtype, np.complexfloating)
    if np.iscomplexobj(mean) and not is_complex:
        raise ValueError(f"predict: expected complex numbers for {name}, as the data are; got {leaf.dtype}.")
    if is_complex and not np.iscomplexobj(mean):
        raise ValueError(
            f"predict: expected real numbers for {name}, as the data are; got {leaf.dtype}. Return its .real."
        )


def _checked_names(predicted: Mapping[str, Any], means: Mapping[str, ArrayLike], which: str, repair: str) -> list[str]:
    """The predicted names in order; ValueError for those of no mean, and for other shapes and kinds of numbers."""
    names = sorted(predicted)
    for name in names:
        if name not in means:
            known = ", ".join(means)
            raise ValueError(f"predict: expected names among {known}; got {name!r}.{near(name, means)}")
        shape = np.shape(means[name])
        if predicted[name].shape != shape:
            raise ValueError(
                f"predict: expected shape {shape} for {name!r}, {which}; got {predicted[name].shape}.{repair}"
            )
        _check_kind(repr(name), np.asarray(means[name]), predicted[name])
    return names


def _from_ensemble(result: EnsembleResult, predicted: Any, parameters: int) -> Data:
    """The means of a run for the predicted names, without points that do not fluctuate, such as the start."""
    if not isinstance(predicted, dict) or not predicted:
        raise ValueError("predict: expected a dict {name: (T,)} to compare with an EnsembleResult.")
    names = _checked_names(predicted, result.mean, "one value for each of the result's times", "")
    rows = {name: row_names(name, np.iscomplexobj(result.mean[name])) for name in names}
    real = result.in_real_rows()
    points = _points(result, rows)
    samples, notes = result.samples, ()
    if result.covariance is not None:
        # As many values as this tell the covariance; those of more points than a share of them would not be known.
        effective = np.array([real.effective_samples(row)[time] for row, time in points])
        chosen = chosen_points(effective, LEAST_POINTS * parameters)
        samples = chosen.effective
        notes = tuple(told(left_out(points, effective, chosen, result.covariance_points), result.times))
        points = [points[index] for index in chosen.places]
    keep = tuple(_positions(points, rows[name], len(result.times)) for name in names)
    mean, stderr = (np.array([values[row][time] for row, time in points]) for values in (real.mean, real.stderr))
    if not np.all(np.isfinite(mean)):
        raise ValueError("data: expected finite means; the result holds NaN or infinity.")
    if result.covariance is None:
        return Data(mean, stderr, keep, result.times)
    variance = _variance(result, points, rows)
    directions = known_directions(variance, samples, 16 * UNIT[result.precision])
    known = {"known": directions.known, "rest": directions.rest, "samples": samples, "variance": variance}
    return Data(mean, stderr, keep, result.times, **known, notes=notes)


def _from_correlations(measured: Correlations, predicted: Any) -> Data:
    """The means and correlations of the predicted names, with the covariance that blocks tell."""
    if not isinstance(predicted, dict) or not predicted:
        raise ValueError(
            "predict: expected what sq.exact.correlations returns, to compare with sq.inference.correlations."
        )
    repair = " Take sq.exact.correlations(equation, data.lags, interval=data.interval)."
    names = _checked_names(predicted, measured.mean, "as the data's lags are", repair)
    keep = tuple(np.arange(np.size(measured.mean[name])) for name in names)
    mean = np.concatenate([np.ravel(measured.mean[name]) for name in names])
    if len(mean) > measured.blocks / _BLOCKS_PER_POINT:
        raise ValueError(
            f"data: expected at most {measured.blocks // _BLOCKS_PER_POINT} means and correlations, whose covariance "
            f"{measured.blocks} blocks tell; got {len(mean)}. Take fewer lags, or more blocks."
        )
    chosen = np.concatenate([measured.places[name] for name in names])
    variance = measured.covariance[np.ix_(chosen, chosen)]
    directions = known_directions(variance, measured.blocks, 16 * UNIT["double"])
    stderr = np.sqrt(np.diagonal(variance))
    times = measured.lags * measured.interval
    return Data(
        mean, stderr, keep, times, directions.known, directions.rest, measured.blocks, variance, axis=r"lag $\tau$"
    )


def _positions(points: list[tuple[str, int]], rows: tuple[str, ...], times: int) -> np.ndarray:
    """Where the points of these rows stand in the rows one after the other."""
    return np.array([rows.index(row) * times + time for row, time in points if row in rows], dtype=int)


def _points(result: EnsembleResult, rows: dict[str, tuple[str, ...]]) -> list[tuple[str, int]]:
    """The (row, time index) to fit, rows in order: those of the covariance where there is one."""
    order = [row for parts in rows.values() for row in parts]
    points = [(row, time) for row in order for time in range(1, len(result.times))]
    if result.covariance is not None:
        known = [point for point in result.covariance_points if point[0] in order]
        points = sorted(known, key=lambda point: (order.index(point[0]), point[1]))
    # A part is rounding by the size of the whole: that of a mean on the real axis fluctuates by rounding only.
    share = _ROUNDING[result.precision]
    limit = {row: share * max(np.abs(result.mean[name]).max(), 1e-300) for name in rows for row in rows[name]}
    # Pairs with opposite noise may agree where single trajectories do not: the error of the mean counts.
    error = {row: value * np.sqrt(result.trajectories) for row, value in in_rows(result.stderr).items()}
    points = [(row, time) for row, time in points if error[row][time] > limit[row]]
    if not points:
        raise ValueError(f"data: expected observables that fluctuate; none of {', '.join(rows)} does at any time.")
    return points


def _variance(result: EnsembleResult, points: list[tuple[str, int]], rows: dict[str, tuple[str, ...]]) -> np.ndarray:
    """The covariance (n, n) of the means at the points, rounding errors included."""
    index = {point: number for number, point in enumerate(result.covariance_points)}
    chosen = [index[point] for point in points]
    assert result.covariance is not None
    variance = result.covariance[np.ix_(chosen, chosen)] / result.trajectories
    relative = rounding(result.precision, float(result.info.get("steps", 0)))
    size = {row: np.abs(result.mean[name]).max() for name in rows for row in rows[name]}
    return variance + np.diag([(relative * size[row]) ** 2 for row, _ in points])

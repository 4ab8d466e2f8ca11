"""Measured means in one vector: checked against what is predicted, ready to be compared with it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import UNIT, Array, ArrayLike, is_concrete, rounding
from stochq.compare.hotelling import POINTS_PER_TRAJECTORY, known_directions, thinned
from stochq.compare.rare import chosen_points, left_out, told
from stochq.ensemble import EnsembleResult
from stochq.inference.coordinates import near
from stochq.inference.long_records import Correlations
from stochq.real_parts import in_rows, row_names

# Points to a parameter that are fitted at least, however few the values are that tell their errors.
_LEAST_POINTS = 4


class Data(NamedTuple):
    """Means of the fitted points (n,) and how they are weighted; the parts of a complex mean are two points.

    stderr: of each point. keep: for every predicted array in order, the indices that are fitted, of its elements or of
    their real parts followed by their imaginary ones. times: (T,) of the points, where they have such. known: (k, n)
    combinations of points whose errors are independent, in units of them; None where the points are themselves. rest:
    (m, n) combinations that do not fluctuate, in units of the error that they may have. samples: Gaussian values by
    which the errors are known. variance: (n, n) of the means; None where the points are independent. axis: what times
    are called in a picture. notes: what must be said of points that are left out.
    """

    mean: np.ndarray
    stderr: np.ndarray
    keep: tuple[np.ndarray, ...]
    times: np.ndarray | None = None
    known: np.ndarray | None = None
    rest: np.ndarray | None = None
    samples: float = np.inf
    variance: np.ndarray | None = None
    axis: str = "time $t$"
    notes: tuple[str, ...] = ()

    def residuals(self, predicted: Any) -> Array:
        """What the prediction is off by in each independent combination, in units of its error, (k,)."""
        return self._weighted(self.deviations(predicted))

    def deviations(self, predicted: Any) -> Array:
        """prediction − mean at each point, (n,)."""
        leaves = jax.tree_util.tree_leaves(predicted)
        # Of numbers by NumPy: JAX would compile each of these operations.
        xp: Any = np if is_concrete(leaves) else jnp
        chosen = [
            xp.concatenate(_parts(xp.asarray(leaf)))[index] for leaf, index in zip(leaves, self.keep, strict=True)
        ]
        return xp.concatenate(chosen) - self.mean

    def linearized(self, predicted: Any, derivatives: Any) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (k,) and their Jacobian (k, P), of a prediction and derivatives with an axis (P,) at their end."""
        slopes = [
            np.concatenate(_parts(np.asarray(leaf), np.shape(leaf)[-1:]))[index]
            for leaf, index in zip(jax.tree_util.tree_leaves(derivatives), self.keep, strict=True)
        ]
        jacobian = self._weighted(np.concatenate(slopes).astype(np.float64))
        return np.asarray(self.residuals(predicted), np.float64), jacobian

    def by_point(self, predicted: Any, values: ArrayLike) -> Any:
        """Values (n,) of the fitted points in the structure of a prediction, NaN at all others."""
        leaves, structure = jax.tree_util.tree_flatten(predicted)
        ends = np.cumsum([len(index) for index in self.keep])
        filled = [
            _filled(np.asarray(leaf), index, np.asarray(values)[end - len(index) : end])
            for leaf, index, end in zip(leaves, self.keep, ends, strict=True)
        ]
        return jax.tree_util.tree_unflatten(structure, filled)

    def with_prediction(self, spread: np.ndarray, parameters: int) -> "Data":
        """The same with the errors of a sampled prediction, from deviations (groups, n) whose squares add up.

        No more points than their errors are known for, as of an ensemble.
        """
        own = np.diag(self.stderr**2) if self.variance is None else self.variance
        enough = max(effective_samples(own, self.samples, spread), _LEAST_POINTS * parameters / POINTS_PER_TRAJECTORY)
        chosen = thinned(len(self.mean), min(enough, len(self.mean) / POINTS_PER_TRAJECTORY))
        own, spread = own[np.ix_(chosen, chosen)], spread[:, chosen]
        fewer = self._at(chosen)._replace(samples=effective_samples(own, self.samples, spread))
        variance = own + spread.T @ spread
        if self.variance is None:
            # Errors of the data on the diagonal: all directions are known.
            root = np.linalg.cholesky(variance)
            return fewer._replace(known=np.linalg.solve(root, np.eye(len(root))))
        directions = known_directions(variance, int(fewer.samples), 16 * UNIT["single"])
        return fewer._replace(known=directions.known, rest=directions.rest)

    def _at(self, chosen: np.ndarray) -> "Data":
        """Some of the points, (m,) sorted; without their combinations."""
        starts = np.cumsum([0, *(len(index) for index in self.keep)])
        keep = tuple(
            index[chosen[(chosen >= first) & (chosen < last)] - first]
            for index, first, last in zip(self.keep, starts[:-1], starts[1:], strict=True)
        )
        variance = None if self.variance is None else self.variance[np.ix_(chosen, chosen)]
        return self._replace(
            mean=self.mean[chosen], stderr=self.stderr[chosen], keep=keep, known=None, rest=None, variance=variance
        )

    def off(self, predicted: Any) -> np.ndarray:
        """What the prediction is off by in the combinations that do not fluctuate, (m,)."""
        if self.rest is None:
            return np.zeros(0)
        return self.rest @ np.asarray(self.deviations(predicted), np.float64)

    def _weighted(self, values: Any) -> Any:
        """Values (n, ...) of the points in the independent combinations."""
        if self.known is None:
            return values / self.stderr.reshape(-1, *[1] * (values.ndim - 1))
        return self.known @ values


def effective_samples(own: np.ndarray, samples: float, spread: np.ndarray) -> float:
    r"""Gaussian values that would tell the sum of the data's covariance and a prediction's as well as they are told.

    $$\nu = \frac{n + n^2}{\sum_i(\mathrm{Tr}\,W_i^2 + (\mathrm{Tr}\,W_i)^2)/\nu_i},\qquad
      W_i = \Sigma^{-1/2}\Sigma_i\Sigma^{-1/2}$$

    of all n directions together (Nel and van der Merwe 1986), or of the point that is known worst, where Σ is a number
    (Satterthwaite 1946), whichever is less.

    Args:
        own: covariance (n, n) of the data.
        samples: by which it is known, infinite where it is.
        spread: (groups, n) deviations of the prediction.
    """
    predicted = spread.T @ spread
    groups = np.count_nonzero(np.any(spread != 0, axis=1))
    known = np.array([samples - 1, max(1, groups - 1)])
    rows = known_directions(own + predicted, np.inf, 16 * UNIT["single"]).known
    shares = [rows @ part @ rows.T for part in (own, predicted)]
    traces = [np.sum(share**2) + np.trace(share) ** 2 for share in shares]
    with np.errstate(divide="ignore"):
        together = (len(rows) + len(rows) ** 2) / np.sum(traces / known)
        each = np.stack([np.diagonal(own), np.diagonal(predicted)]) / np.diagonal(own + predicted)
        alone = 1 / np.sum(each**2 / known[:, None], axis=0)
    return 1 + float(min(together, alone.min()))


def _parts(array: Any, last: tuple[int, ...] = ()) -> tuple[Any, ...]:
    """The elements of an array, (n, *last), or their real and their imaginary parts."""
    flat = array.reshape(-1, *last)
    return (flat.real, flat.imag) if np.iscomplexobj(flat) else (flat,)


def _filled(like: np.ndarray, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    """An array like another with these values at the indices of its elements, or of its parts, and NaN elsewhere."""
    parts = np.full((2 if np.iscomplexobj(like) else 1, like.size), np.nan)
    parts.reshape(-1)[index] = values
    filled = np.empty(like.shape, like.dtype if np.iscomplexobj(like) else np.float64)
    filled.real = parts[0].reshape(like.shape)
    if len(parts) == 2:
        filled.imag = parts[1].reshape(like.shape)
    return filled


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
    mean, error = (np.concatenate(_parts(array)) for array in (mean, np.broadcast_to(error, leaf.shape)))
    if not np.all(np.isfinite(mean)):
        place, count = _first(~np.isfinite(mean), leaf.shape)
        raise ValueError(
            f"data: expected finite means; that for {name} at index {place} is NaN or infinite, {count} such in all. "
            "Leave these points out."
        )
    good = np.isfinite(error) & (error > 0)
    if not np.all(good):
        place, count = _first(~good, leaf.shape)
        raise ValueError(
            f"data: expected positive standard errors; that for {name} at index {place} is not, {count} such in all. A "
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


def _from_ensemble(result: EnsembleResult, predicted: Any, parameters: int) -> Data:
    """The means of a run for the predicted names, without points that do not fluctuate, such as the start."""
    if not isinstance(predicted, dict) or not predicted:
        raise ValueError("predict: expected a dict {name: (T,)} to compare with an EnsembleResult.")
    names = sorted(predicted)
    for name in names:
        if name not in result.mean:
            known = ", ".join(result.mean)
            raise ValueError(f"predict: expected names among {known}; got {name!r}.{near(name, result.mean)}")
        if predicted[name].shape != result.times.shape:
            raise ValueError(
                f"predict: expected shape {result.times.shape} for {name!r}, one value for each of the result's times; "
                f"got {predicted[name].shape}."
            )
        _check_kind(repr(name), result.mean[name], predicted[name])
    rows = {name: row_names(name, np.iscomplexobj(result.mean[name])) for name in names}
    real = result.in_real_rows()
    points = _points(result, rows)
    samples, notes = result.samples, ()
    if result.covariance is not None:
        # As many values as this tell the covariance; those of more points than a share of them would not be known.
        effective = np.array([real.effective_samples(row)[time] for row, time in points])
        chosen = chosen_points(effective, _LEAST_POINTS * parameters)
        samples = chosen.effective
        notes = tuple(told(left_out(points, effective, chosen, result.covariance_points), result.times))
        points = [points[index] for index in chosen.places]
    keep = tuple(_places(points, rows[name], len(result.times)) for name in names)
    mean, stderr = (np.array([values[row][time] for row, time in points]) for values in (real.mean, real.stderr))
    if not np.all(np.isfinite(mean)):
        raise ValueError("data: expected finite means; the result holds NaN or infinity.")
    if result.covariance is None:
        return Data(mean, stderr, keep, result.times)
    variance = _variance(result, points, rows)
    directions = known_directions(variance, samples, 16 * UNIT[result.precision])
    known = {"known": directions.known, "rest": directions.rest, "samples": samples, "variance": variance}
    return Data(mean, stderr, keep, result.times, **known, notes=notes)


def _from_correlations(found: Correlations, predicted: Any) -> Data:
    """The means and correlations of the predicted names, with the covariance that blocks tell."""
    if not isinstance(predicted, dict) or not predicted:
        raise ValueError(
            "predict: expected what sq.exact.correlations returns, to compare with sq.inference.correlations."
        )
    names = sorted(predicted)
    for name in names:
        if name not in found.mean:
            known = ", ".join(found.mean)
            raise ValueError(f"predict: expected names among {known}; got {name!r}.{near(name, found.mean)}")
        if predicted[name].shape != np.shape(found.mean[name]):
            raise ValueError(
                f"predict: expected shape {np.shape(found.mean[name])} for {name!r}, as the data's lags are; got "
                f"{predicted[name].shape}. Take sq.exact.correlations(equation, data.lags, interval=data.interval)."
            )
        _check_kind(repr(name), found.mean[name], predicted[name])
    keep = tuple(np.arange(np.size(found.mean[name])) for name in names)
    mean = np.concatenate([np.ravel(found.mean[name]) for name in names])
    if len(mean) > found.blocks / _BLOCKS_PER_POINT:
        raise ValueError(
            f"data: expected at most {found.blocks // _BLOCKS_PER_POINT} means and correlations, whose covariance "
            f"{found.blocks} blocks tell; got {len(mean)}. Take fewer lags, or more blocks."
        )
    chosen = np.concatenate([found.places[name] for name in names])
    variance = found.covariance[np.ix_(chosen, chosen)]
    directions = known_directions(variance, found.blocks, 16 * UNIT["double"])
    stderr = np.sqrt(np.diagonal(variance))
    times = found.lags * found.interval
    return Data(
        mean, stderr, keep, times, directions.known, directions.rest, found.blocks, variance, axis=r"lag $\tau$"
    )


def _places(points: list[tuple[str, int]], rows: tuple[str, ...], times: int) -> np.ndarray:
    """Where the points of these rows stand in the rows one after the other."""
    return np.array([rows.index(row) * times + time for row, time in points if row in rows], dtype=int)


# Blocks of a record that are needed for each point: with fewer their covariance is too uncertain to weigh them by.
_BLOCKS_PER_POINT = 4
# Below this fraction of an observable's size its spread is rounding: the point is exact and has no weight to give.
_ROUNDING = {"single": 1e-5, "double": 1e-11}


def _points(result: EnsembleResult, rows: dict[str, tuple[str, ...]]) -> list[tuple[str, int]]:
    """The (row, time index) to fit, rows in order: those of the covariance where there is one."""
    order = [row for own in rows.values() for row in own]
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
    index = {point: place for place, point in enumerate(result.covariance_points)}
    chosen = [index[point] for point in points]
    assert result.covariance is not None
    variance = result.covariance[np.ix_(chosen, chosen)] / result.trajectories
    relative = rounding(result.precision, float(result.info.get("steps", 0)))
    size = {row: np.abs(result.mean[name]).max() for name in rows for row in rows[name]}
    return variance + np.diag([(relative * size[row]) ** 2 for row, _ in points])

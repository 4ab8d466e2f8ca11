"""Measured means in one vector: checked against what is predicted, ready to be compared with it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble import EnsembleResult


class Data(NamedTuple):
    """Means and standard errors of the fitted points, (n,) each.

    keep: for every predicted array in order, the flat indices that are fitted. correlation: (n, n) between the
    points, or None where they are independent.
    """

    mean: np.ndarray
    stderr: np.ndarray
    keep: tuple[np.ndarray, ...]
    correlation: np.ndarray | None

    def residuals(self, predicted: Any) -> jax.Array:
        """(prediction − mean)/stderr, (n,)."""
        leaves = jax.tree_util.tree_leaves(predicted)
        chosen = [jnp.reshape(leaf, -1)[index] for leaf, index in zip(leaves, self.keep, strict=True)]
        return (jnp.concatenate(chosen) - self.mean) / self.stderr

    def linearized(self, predicted: Any, derivatives: Any) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n,) and their Jacobian (n, P), of a prediction and derivatives with an axis (P,) at their end."""
        slopes = [
            np.reshape(leaf, (-1, np.shape(leaf)[-1]))[index]
            for leaf, index in zip(jax.tree_util.tree_leaves(derivatives), self.keep, strict=True)
        ]
        jacobian = np.concatenate(slopes).astype(np.float64) / self.stderr[:, None]
        return np.asarray(self.residuals(predicted), np.float64), jacobian


def read_data(data: Any, predicted: Any) -> Data:
    """The data for a prediction of the given shapes; ValueError where the two do not match."""
    return _from_ensemble(data, predicted) if isinstance(data, EnsembleResult) else _from_pairs(data, predicted)


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
        mean, error = _pair(_name(path), pair, leaf.shape)
        means.append(mean)
        errors.append(error)
    keep = tuple(np.arange(mean.size) for mean in means)
    return Data(np.concatenate(means), np.concatenate(errors), keep, None)


def _pair(name: str, pair: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """One (mean, stderr), flat and checked."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"data: expected a pair (mean, stderr) for {name}; got {type(pair).__name__}.")
    mean, error = (np.asarray(part, dtype=np.float64) for part in pair)
    if mean.shape != shape or error.shape not in ((), shape):
        raise ValueError(
            f"data: expected mean and stderr of shape {shape} for {name}; got {mean.shape} and {error.shape}."
        )
    if not np.all(np.isfinite(mean)):
        raise ValueError(f"data: expected finite means; those for {name} hold NaN or infinity. Leave these points out.")
    if not np.all(np.isfinite(error) & (error > 0)):
        raise ValueError(
            f"data: expected positive standard errors; the smallest for {name} is {np.min(error)}. A point known "
            "exactly, such as the start, tells nothing: leave it out."
        )
    return mean.reshape(-1), np.broadcast_to(error, shape).reshape(-1)


def _from_ensemble(result: EnsembleResult, predicted: Any) -> Data:
    """The means of a run for the predicted names, without points that do not fluctuate, such as the start."""
    if not isinstance(predicted, dict) or not predicted:
        raise ValueError("predict: expected a dict {name: (T,)} to compare with an EnsembleResult.")
    names = sorted(predicted)
    for name in names:
        if name not in result.mean:
            raise ValueError(f"predict: expected names among {', '.join(result.mean)}; got {name!r}.")
        if predicted[name].shape != result.times.shape:
            raise ValueError(
                f"predict: expected shape {result.times.shape} for {name!r}, one value for each of the result's times; "
                f"got {predicted[name].shape}."
            )
    points = _points(result, names)
    keep = tuple(np.array([time for own, time in points if own == name], dtype=int) for name in names)
    mean, stderr = (
        np.concatenate([values[name][index] for name, index in zip(names, keep, strict=True)])
        for values in (result.mean, result.stderr)
    )
    if not np.all(np.isfinite(mean)):
        raise ValueError("data: expected finite means; the result holds NaN or infinity.")
    return Data(mean, stderr, keep, _correlation(result, points))


# Below this fraction of an observable's size its spread is rounding: the point is exact and has no weight to give.
_ROUNDING = {"single": 1e-5, "double": 1e-11}


def _points(result: EnsembleResult, names: list[str]) -> list[tuple[str, int]]:
    """The (name, time index) to fit, names in order: those of the covariance where there is one."""
    later = [(name, time) for name in names for time in range(1, len(result.times))]
    points = later if result.covariance is None else sorted(p for p in result.covariance_points if p[0] in names)
    limit = {name: _ROUNDING[result.precision] * max(np.abs(result.mean[name]).max(), 1e-300) for name in names}
    # Pairs with opposite noise may agree where single trajectories do not: the error of the mean counts.
    error = {name: result.stderr[name] * np.sqrt(result.trajectories) for name in names}
    points = [(name, time) for name, time in points if error[name][time] > limit[name]]
    if not points:
        raise ValueError(f"data: expected observables that fluctuate; none of {', '.join(names)} does at any time.")
    return points


def _correlation(result: EnsembleResult, points: list[tuple[str, int]]) -> np.ndarray | None:
    if result.covariance is None:
        return None
    index = {point: place for place, point in enumerate(result.covariance_points)}
    chosen = [index[point] for point in points]
    covariance = result.covariance[np.ix_(chosen, chosen)]
    scale = np.sqrt(np.diagonal(covariance))
    return covariance / np.outer(scale, scale)

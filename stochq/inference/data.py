"""Measured means in one vector: checked against what is predicted, ready to be compared with it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import UNIT, Array, ArrayLike, is_concrete
from stochq.compare.hotelling import POINTS_PER_TRAJECTORY, known_directions, thinned

# Points to a parameter that are fitted at least, however few the values are that tell their errors.
LEAST_POINTS = 4


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
            xp.concatenate(parts_of(xp.asarray(leaf)))[index] for leaf, index in zip(leaves, self.keep, strict=True)
        ]
        return xp.concatenate(chosen) - self.mean

    def linearized(self, predicted: Any, derivatives: Any) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (k,) and their Jacobian (k, P), of a prediction and derivatives with an axis (P,) at their end."""
        slopes = [
            np.concatenate(parts_of(np.asarray(leaf), np.shape(leaf)[-1:]))[index]
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
        measured = np.diag(self.stderr**2) if self.variance is None else self.variance
        enough = max(
            effective_samples(measured, self.samples, spread), LEAST_POINTS * parameters / POINTS_PER_TRAJECTORY
        )
        chosen = thinned(len(self.mean), min(enough, len(self.mean) / POINTS_PER_TRAJECTORY))
        measured, spread = measured[np.ix_(chosen, chosen)], spread[:, chosen]
        fewer = self._at(chosen)._replace(samples=effective_samples(measured, self.samples, spread))
        variance = measured + spread.T @ spread
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


def effective_samples(measured: np.ndarray, samples: float, spread: np.ndarray) -> float:
    r"""Gaussian values that would tell the sum of the data's covariance and a prediction's as well as they are told.

    $$\nu = \frac{n + n^2}{\sum_i(\mathrm{Tr}\,W_i^2 + (\mathrm{Tr}\,W_i)^2)/\nu_i},\qquad
      W_i = \Sigma^{-1/2}\Sigma_i\Sigma^{-1/2}$$

    of all n directions together (Nel and van der Merwe 1986), or of the point that is known worst, where Σ is a number
    (Satterthwaite 1946), whichever is less.

    Args:
        measured: covariance (n, n) of the data.
        samples: by which it is known, infinite where it is.
        spread: (groups, n) deviations of the prediction.
    """
    predicted = spread.T @ spread
    groups = np.count_nonzero(np.any(spread != 0, axis=1))
    known = np.array([samples - 1, max(1, groups - 1)])
    rows = known_directions(measured + predicted, np.inf, 16 * UNIT["single"]).known
    shares = [rows @ part @ rows.T for part in (measured, predicted)]
    traces = [np.sum(share**2) + np.trace(share) ** 2 for share in shares]
    with np.errstate(divide="ignore"):
        together = (len(rows) + len(rows) ** 2) / np.sum(traces / known)
        parts = np.stack([np.diagonal(measured), np.diagonal(predicted)]) / np.diagonal(measured + predicted)
        alone = 1 / np.sum(parts**2 / known[:, None], axis=0)
    return 1 + float(min(together, alone.min()))


def parts_of(array: Any, last: tuple[int, ...] = ()) -> tuple[Any, ...]:
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

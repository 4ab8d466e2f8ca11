r"""Whether innovations are the white noise that they are of the right model.

Of each record t holds means over parts of its time, the mean square, products of neighbours at some lags, and of
columns, each of mean 0 and variance 1 and uncorrelated with all others if the model is right. An estimate of parameters
takes part of what they are off by with it (Newey, Econometrica 53, 1047 (1985)): over R records

$$\tau = \frac1{\sqrt R}\sum_rt_r,\quad C = 1 - A\,\mathrm{cov}(\theta)A^T,\quad
  A = \frac1{\sqrt R}\sum_rt_rs_r^T,\quad \tau^TC^{-1}\tau\sim\chi^2$$

with the scores s. τ is taken in units in which few short records, too, have it Gaussian (`totals`).
"""

import numpy as np

# Parts of the time with means of their own, and lags in bins.
_PARTS = 6
_LAGS = (1, 2, 4, 8, 16)
# Directions of which the estimate takes more than the rest of this share say nothing.
_LEFT = 0.3


def chance_of_innovations(z: np.ndarray, scores: np.ndarray, covariance: np.ndarray) -> float:
    """The chance that those of the right model are further from white noise.

    Args:
        z: (record, interval, column) standard normal numbers, if the model is right.
        scores: (record, P) at the estimate.
        covariance: (P, P) of the estimate, zero for parameters that were not estimated.
    """
    from scipy.special import chdtrc

    t, total = features(z), totals(z)
    with_scores = t.T @ scores / np.sqrt(len(t))
    taken = with_scores @ covariance @ with_scores.T
    # By chance alone as much as this share of each direction lies along the scores.
    share = np.sum(covariance * (scores.T @ scores)) / len(t)
    left, axes = np.linalg.eigh(np.eye(len(total)) - (taken - share * np.eye(len(total))) / (1 - share))
    known = left > _LEFT
    squares = np.square(axes.T @ total)[known] / np.minimum(left[known], 1.0)
    return float(chdtrc(known.sum(), squares.sum()))


def features(z: np.ndarray) -> np.ndarray:
    """t (record, features) of innovations (record, interval, column)."""
    columns = np.moveaxis(z, 2, 0)
    bins = columns.shape[2]
    found = []
    for column in columns:
        parts = np.array_split(column, min(_PARTS, bins), axis=1)
        found += [part.sum(axis=1) / np.sqrt(part.shape[1]) for part in parts]
        found.append((np.square(column) - 1).sum(axis=1) / np.sqrt(2 * bins))
        for lag in _LAGS:
            if lag < bins:
                found.append((column[:, lag:] * column[:, :-lag]).sum(axis=1) / np.sqrt(bins - lag))
    for first in range(len(columns)):
        found += [(columns[first] * other).sum(axis=1) / np.sqrt(bins) for other in columns[:first]]
    return np.stack(found, axis=1)


def totals(z: np.ndarray) -> np.ndarray:
    """τ (features,) of innovations (record, interval, column), with tails that are Gaussian for few of them, too.

    Means are as they are. The square about them is independent of them and has the law of χ², of which the third root
    is normal (Wilson and Hilferty 1931); products go with the squares, by which they do not have their heavy tails.
    """
    columns = np.moveaxis(z, 2, 0)
    bins, count = columns.shape[2], columns[0].size
    squares = np.square(columns).sum(axis=(1, 2))
    found = []
    for column, square in zip(columns, squares, strict=True):
        parts = np.array_split(column, min(_PARTS, bins), axis=1)
        means = [part.sum() / np.sqrt(part.size) for part in parts]
        dof = count - len(means)
        width = 2 / (9 * dof)
        found += [*means, (np.cbrt((square - np.square(means).sum()) / dof) - (1 - width)) / np.sqrt(width)]
        for lag in _LAGS:
            if lag < bins:
                product = (column[:, lag:] * column[:, :-lag]).sum()
                found.append(product / square * np.sqrt(count * (count + 2) / (len(column) * (bins - lag))))
    for first in range(len(columns)):
        for other in range(first):
            product = (columns[first] * columns[other]).sum()
            found.append(product * np.sqrt(count / (squares[first] * squares[other])))
    return np.array(found)

r"""Whether innovations are the white noise that they are of the right model.

Of each record t holds means over parts of its time, the mean square, products of neighbours at some lags, and of
columns, each of mean 0 and variance 1 and uncorrelated with all others if the model is right. An estimate of parameters
takes part of what they are off by with it (Newey, Econometrica 53, 1047 (1985)): over R records

$$\tau = \frac1{\sqrt R}\sum_rt_r,\quad C = 1 - D\,\mathrm{cov}(\theta)D^T,\quad
  D = \frac{\partial\tau}{\partial\theta},\quad \tau^TC^{-1}\tau\sim\chi^2$$

as −D is the covariance of τ with the score. Estimated so, by derivatives, D has little scatter of its own; from the
scores of records, Σt_rs_r/√R, p would come out wrong where records are few (Davidson and MacKinnon, J. Econometrics 25,
241 (1984)), and so it would with a covariance from them. τ is taken in units in which few short records, too, have it
Gaussian (`totals`).
"""

import numpy as np

# Parts of the time with means of their own, and lags in bins.
_PARTS = 6
_LAGS = (1, 2, 4, 8, 16)
# Directions of which the estimate takes more than the rest of this share say nothing.
_LEFT = 0.3


def chance_of_innovations(total: np.ndarray, slopes: np.ndarray) -> float:
    """The chance that those of the right model are further from white noise; NaN where slopes are not known.

    Args:
        total: τ (features,) of the innovations at the estimate, as of `totals`.
        slopes: (features, m) its derivatives along the columns of L, where LLᵀ is the covariance of the estimate.
    """
    from scipy.special import chdtrc

    if not np.all(np.isfinite(slopes)):
        return np.nan
    left, axes = np.linalg.eigh(np.eye(len(total)) - slopes @ slopes.T)
    known = left > _LEFT
    squares = np.square(axes.T @ total)[known] / np.minimum(left[known], 1.0)
    return float(chdtrc(known.sum(), squares.sum()))


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

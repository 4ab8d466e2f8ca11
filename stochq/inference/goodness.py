"""How likely a right model has a χ² as large as the one found, with correlated points too."""

import numpy as np

# Below this, an eigenvalue of a correlation matrix, or a singular value of derivatives of size 1, is rounding.
_ROUNDING = 1e-6


def p_value(chi2: float, jacobian: np.ndarray, correlation: np.ndarray | None) -> float:
    r"""The chance that a fit of the right model has a larger sum of squared residuals; NaN without degrees of freedom.

    With Gaussian errors of correlation R the residuals at the minimum are $Mr$, $M = 1 - J(J^TJ)^{-1}J^T$, and

    $$\chi^2 = \sum_i\lambda_i z_i^2, \qquad \lambda = \text{eigenvalues of } MRM,\quad z_i \text{ standard normal}.$$

    Args:
        chi2: the sum at the minimum.
        jacobian: J (n, P), derivatives of the residuals in units of the errors.
        correlation: R (n, n), or None for independent points.
    """
    from scipy import stats

    points = len(jacobian)
    scale = np.linalg.norm(jacobian, axis=0)
    directions, sizes, _ = np.linalg.svd(jacobian[:, scale > 0] / scale[scale > 0], full_matrices=False)
    directions = directions[:, sizes > _ROUNDING]
    dof = points - directions.shape[1]
    if dof <= 0:
        return np.nan
    if correlation is None:
        return float(stats.chi2.sf(chi2, dof))
    projector = np.eye(points) - directions @ directions.T
    weights = np.linalg.eigvalsh(projector @ correlation @ projector)
    weights = weights[weights > _ROUNDING]
    return chance_of_more(chi2, weights) if weights.size else np.nan


def chance_of_more(value: float, weights: np.ndarray) -> float:
    r"""P(Σ λ_i z_i² > value) by the saddle point of its cumulants, good to some percent in the tail.

    $$K(\zeta) = -\tfrac12\sum_i\ln(1-2\zeta\lambda_i),\quad K'(\zeta) = x,\quad
      w = \mathrm{sgn}\,\zeta\sqrt{2(\zeta x-K)},\quad v = \zeta\sqrt{K''},\quad
      P \approx 1-\Phi\Big(w+\frac1w\ln\frac vw\Big)$$

    (Kuonen, Biometrika 86, 929, 1999).

    >>> round(chance_of_more(11.07, np.ones(5)), 3)  # the 95th percentile of χ² with 5 degrees of freedom
    0.05
    """
    from scipy import optimize, stats

    if value <= 0:
        return 1.0

    def slope(zeta: float) -> float:
        return float(np.sum(weights / (1 - 2 * zeta * weights))) - value

    largest = weights.max()
    # Where all terms together are less than the value, and where the largest alone is more.
    low, high = -len(weights) / (1.98 * value), (1 - largest / (1.01 * value)) / (2 * largest)
    zeta = float(optimize.brentq(slope, low, high, xtol=1e-14))  # type: ignore[arg-type]
    shrunk = weights / (1 - 2 * zeta * weights)
    curvature = 2 * float(np.sum(shrunk**2))
    if abs(zeta) * np.sqrt(curvature) < 1e-4:
        skewness = 8 * np.sum(shrunk**3) / curvature**1.5
        return float(0.5 - skewness / (6 * np.sqrt(2 * np.pi)))
    exponent = zeta * value + 0.5 * float(np.sum(np.log1p(-2 * zeta * weights)))
    w = np.sign(zeta) * np.sqrt(2 * max(exponent, 0.0))
    return float(stats.norm.sf(w + np.log(zeta * np.sqrt(curvature) / w) / w))

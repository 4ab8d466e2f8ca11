"""How likely a right model has a χ² as large as the one found, and what the estimated weights cost."""

import math

import numpy as np

from stochq.compare.hotelling import CERTAINLY_OFF

# Gaussian values that tell at least one degree of freedom.
_FEWEST = 4


def p_value(chi2: float, dof: int, samples: float) -> float:
    r"""The chance that a fit of the right model has a larger χ²; NaN without degrees of freedom.

    $$\frac{N-q}{q(N-1)}\,\chi^2 \sim F_{q,\,N-q}$$

    with q degrees of freedom and weights from the covariance of N Gaussian values (Hotelling 1931): a minimum over
    parameters is the T² of the q combinations of the data that they leave alone.

    >>> round(p_value(11.07, 5, np.inf), 3)  # the 95th percentile of χ² with 5 degrees of freedom
    0.05
    """
    from scipy.special import chdtrc, fdtrc

    if dof <= 0 or samples <= dof:
        return np.nan
    if not np.isfinite(samples):
        return float(chdtrc(dof, chi2))
    return float(fdtrc(dof, samples - dof, chi2 * (samples - dof) / (dof * (samples - 1))))


def chance_of_rest(rest: np.ndarray) -> float:
    """The chance that combinations of points that do not fluctuate are off by so much, 1 where rounding may be it.

    rest: (m,) in units of the largest error that they may have: probabilities that sum to one in every trajectory must
    sum to one in the prediction.
    """
    farthest = float(np.max(np.abs(rest), initial=0.0))
    return min(1.0, math.erfc(farthest / math.sqrt(2)) * len(rest)) if farthest > CERTAINLY_OFF else 1.0


def inflation(dof: int, samples: float) -> float:
    r"""By how much the covariance (JᵀJ)⁻¹ of parameters is too small when weights come from N Gaussian values.

    $$\frac{N-1}{N-1-q}\cdot\frac{N-2}{N-2-q}$$

    for q degrees of freedom (Gleser and Olkin 1970: weights that follow the data's own scatter make the estimate worse
    and its error look better).
    """
    if not np.isfinite(samples):
        return 1.0
    # Below, the estimate has no variance at all.
    samples = max(samples, _FEWEST)
    most = samples - 3
    dof = min(dof, int(most))
    return (samples - 1) / (samples - 1 - dof) * (samples - 2) / (samples - 2 - dof)

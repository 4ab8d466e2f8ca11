"""Processes with a spectrum that is given: fitted by Ornstein-Uhlenbeck processes."""

from collections.abc import Callable

import numpy as np

from stochq.noise.coloured import SumOfOrnsteinUhlenbeck

_POINTS_PER_PART = 8
# Candidate processes reach beyond the fitted band by this factor on both sides.
_MARGIN = 4.0


def fitted(
    spectrum: Callable[[np.ndarray], np.ndarray], band: tuple[float, float], *, parts: int = 24, tolerance: float = 0.01
) -> SumOfOrnsteinUhlenbeck:
    r"""The sum of Ornstein-Uhlenbeck processes whose spectrum is nearest to a given one on a band of frequencies.

    $$\min_{w\ge0}\ \sum_i\Big[S(\omega_i) - \sum_j\frac{w_j}{1+\omega_i^2\tau_j^2}\Big]^2$$

    spectrum: S(ω), a function of an array; band: (lowest, highest) positive frequency; zero is fitted as well.
    parts: candidates of correlation times, evenly spaced in their logarithm, most of which get no weight. tolerance:
    the largest error allowed, relative to the largest value of S. No such sum falls faster than 1/ω²:
    spectra that do, such as Gaussian ones, are refused.

    Raises:
        ValueError: for a negative spectrum, a band that is none, or a fit worse than the tolerance.

    >>> import numpy as np
    >>> process = fitted(lambda w: 0.5 / (1 + w**2) + 0.5 / (1 + 100 * w**2), (0.01, 10.0))
    >>> bool(abs(process.spectrum(0.3) - 0.5 / 1.09 - 0.05) < 1e-2)
    True
    """
    from scipy.optimize import nnls  # slow to import

    low, high = (float(edge) for edge in band)
    if not 0 < low < high < np.inf:
        raise ValueError(f"band: expected two positive, increasing frequencies; got {band}.")
    omega = np.concatenate([[0.0], np.geomspace(low, high, _POINTS_PER_PART * parts)])
    wanted = sampled_spectrum(spectrum, omega)
    times = np.geomspace(1 / (_MARGIN * high), _MARGIN / low, parts)
    weights, _ = nnls(1 / (1 + np.square(np.multiply.outer(omega, times))), wanted)
    process = SumOfOrnsteinUhlenbeck(weights[weights > 0], times[weights > 0])
    error = float(np.abs(process.spectrum(omega) - wanted).max() / wanted.max())
    if error > tolerance:
        raise ValueError(
            f"spectrum: expected one that {parts} Ornstein-Uhlenbeck processes reach within {tolerance:g} of its peak; "
            f"the best is off by {error:.2g}. Take more parts or a larger tolerance; no sum of them falls faster than "
            "1/ω²."
        )
    return process


def sampled_spectrum(spectrum: Callable[[np.ndarray], np.ndarray], omega: np.ndarray) -> np.ndarray:
    """A spectrum at some frequencies; ValueError where it is not finite or negative, or zero everywhere."""
    values = np.asarray(spectrum(omega), dtype=np.float64) * np.ones_like(omega)
    if not np.all(np.isfinite(values)) or values.min() < 0 or values.max() <= 0:
        raise ValueError(
            "spectrum: expected finite values that are zero or positive, not all zero; got values from "
            f"{values.min():.3g} to {values.max():.3g}."
        )
    return values

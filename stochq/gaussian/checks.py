"""Checks of what a user gives to phase space: shapes, symmetry, positivity, the uncertainty bound."""

import numpy as np

from stochq.arrays import ArrayLike, Number, is_concrete
from stochq.gaussian.phase_space import symplectic_form
from stochq.systems.checks import check_finite, shape_of
from stochq.systems.checks import check_number as check_concrete_number

# Relative to the largest element: what is left of symmetry or positivity after a few hundred products in float64.
TOLERANCE = 1e-10
_LARGEST_ELEMENT = 1e150


class UnphysicalStateWarning(UserWarning):
    """Dynamics that are not completely positive took a state below the uncertainty bound."""


def check_square(name: str, value: ArrayLike) -> None:
    """ValueError unless `value` is (2n, 2n) and finite."""
    if np.ndim(value) != 2 or np.shape(value)[0] != np.shape(value)[1] or not np.shape(value)[0]:
        raise ValueError(f"{name}: expected a square matrix (2n, 2n) for n modes; got shape {np.shape(value)}.")
    if np.shape(value)[0] % 2:
        raise ValueError(
            f"{name}: expected an even size 2n, a position and a momentum per mode; got shape {np.shape(value)}. "
            "Order coordinates as (q1..qn, p1..pn)."
        )
    check_finite(name, value)


def check_symmetric(name: str, value: ArrayLike) -> None:
    """ValueError unless concrete matrices on the last two axes are symmetric."""
    if not is_concrete(value):
        return
    array = np.asarray(value)
    violation = np.max(np.abs(array - array.swapaxes(-1, -2)))
    if violation > TOLERANCE * np.max(np.abs(array)):
        raise ValueError(
            f"{name}: expected a symmetric matrix; got elements that differ from their mirror images by up to "
            f"{violation:.3g}. Symmetrise it: (M + M.T) / 2."
        )


def check_covariance(covariance: ArrayLike) -> None:
    """ValueError unless concrete covariances (..., 2n, 2n) are finite, symmetric and positive."""
    check_finite("covariance", covariance)
    check_symmetric("covariance", covariance)
    if not is_concrete(covariance):
        return
    least = np.linalg.eigvalsh(np.asarray(covariance))[..., 0]
    if np.any(least <= 0):
        raise ValueError(
            f"covariance: expected a positive matrix; got {_how_many(least <= 0)}eigenvalue {least.min():.6g}. "
            "Variances are positive and |covariance| is below the geometric mean of the two variances."
        )


def check_semi_definite(name: str, value: ArrayLike) -> None:
    """ValueError unless a concrete symmetric matrix has no eigenvalue below zero."""
    if not is_concrete(value):
        return
    spectrum = np.linalg.eigvalsh(np.asarray(value))
    if spectrum[0] < -TOLERANCE * max(abs(spectrum[-1]), abs(spectrum[0])):
        raise ValueError(
            f"{name}: expected a positive semi-definite matrix; got eigenvalue {spectrum[0]:.6g}. Diffusion cannot "
            "take spread away: look for a missing factor 2 or a D_qp² above D_qq D_pp."
        )


def check_number(name: str, value: ArrayLike, *, least: float, open_end: bool = False, why: str = "") -> None:
    """ValueError for a concrete number that is not finite or below `least` (or equal to it, if `open_end`)."""
    if not is_concrete(value):
        return
    shape_of(name, value)
    array = np.asarray(value)
    bad = array.dtype.kind not in "iuf" or not np.all(np.isfinite(array))
    if bad or np.any(array <= least if open_end else array < least):
        bound = "above" if open_end else "of at least"
        raise ValueError(f"{name}: expected a finite number {bound} {least:g}{why and ', ' + why}; got {value!r}.")


def check_one_number(name: str, value: ArrayLike, *, least: float, open_end: bool = False) -> None:
    """As `check_number`, for what is an element of a matrix: ValueError for arrays, and where its square overflows."""
    check_concrete_number(name, value)
    if is_concrete(value) and abs(float(np.asarray(value))) > _LARGEST_ELEMENT:
        raise ValueError(f"{name}: expected a number whose square is finite; got {value!r}.")
    check_number(name, value, least=least, open_end=open_end)


def smallest_bound(covariance: ArrayLike, hbar: Number) -> np.ndarray:
    """The smallest eigenvalue of V + (iħ/2)Ω for covariances (..., 2n, 2n): zero or more in a physical state."""
    array = np.asarray(covariance)
    return np.linalg.eigvalsh(array + 0.5j * hbar * symplectic_form(array.shape[-1] // 2))[..., 0]


def is_below_bound(covariance: ArrayLike, hbar: Number) -> np.ndarray:
    """Whether covariances (..., 2n, 2n) break the uncertainty principle by more than rounding."""
    array = np.asarray(covariance)
    return smallest_bound(array, hbar) < -TOLERANCE * np.max(np.abs(array), axis=(-1, -2))


def _how_many(bad: np.ndarray) -> str:
    return f"{np.count_nonzero(bad)} of {bad.size} matrices with one that is not, the worst with " if bad.ndim else ""

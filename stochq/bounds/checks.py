"""Checks of the numbers that experiments are made of: positive, and of the size that their kind has."""

import warnings

import jax
import numpy as np

from stochq.arrays import ArrayLike, as_real
from stochq.callers import users_line


def positive(unit: str, **numbers: float) -> None:
    """Raises: ValueError for a number that is not positive and finite."""
    for name, value in numbers.items():
        if not is_positive(value):
            raise ValueError(f"{name}: expected a positive number, in {unit}; got {value!r}.")


def is_positive(value: object) -> bool:
    """Whether this is one real number, finite and above zero."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number, np.ndarray, jax.Array)):
        return False
    return np.ndim(value) == 0 and np.isrealobj(value) and bool(value > 0 and np.isfinite(float(value)))


def positive_lengths(length: ArrayLike) -> np.ndarray:
    """r_C as an array. Raises: ValueError for lengths that are not positive, or whose powers are not finite."""
    lengths = np.asarray(as_real(length, "length"))
    if not np.all((lengths > 1e-60) & (lengths < 1e60)):
        raise ValueError(f"length: expected positive correlation lengths r_C, in metres; got {length!r}.")
    return lengths


def warn_outside(place: str, unit: str, low: float, high: float, value: float) -> None:
    """A UserWarning for a number far from all that has been measured of its kind: most likely another unit."""
    if not low <= value <= high:
        warnings.warn(
            f"{place} = {value:.4g} is outside of {low:g} to {high:g}, which experiments of this kind have had: "
            f"expected {unit}. Check the unit.",
            UserWarning,
            stacklevel=users_line(),
        )

"""Checks of the numbers that experiments are made of: positive, and of the size that their kind has."""

import warnings

import numpy as np

from stochq.arrays import ArrayLike


def positive(unit: str, **numbers: float) -> None:
    """Raises: ValueError for a number that is not positive and finite."""
    for name, value in numbers.items():
        if isinstance(value, str) or np.ndim(value) or not (value > 0 and np.isfinite(value)):
            raise ValueError(f"{name}: expected a positive number, in {unit}; got {value!r}.")


def positive_lengths(length: ArrayLike) -> np.ndarray:
    """r_C as an array. Raises: ValueError for lengths that are not positive and finite."""
    lengths = np.asarray(length, dtype=np.float64)
    if not (np.all(lengths > 0) and np.all(np.isfinite(lengths))):
        raise ValueError(f"length: expected positive correlation lengths r_C, in metres; got {length!r}.")
    return lengths


def warn_outside(place: str, unit: str, low: float, high: float, value: float) -> None:
    """A UserWarning for a number far from all that has been measured of its kind: most likely another unit."""
    if not low <= value <= high:
        warnings.warn(
            f"{place} = {value:.4g} is outside of {low:g} to {high:g}, which experiments of this kind have had: "
            f"expected {unit}. Check the unit.",
            UserWarning,
            stacklevel=3,
        )

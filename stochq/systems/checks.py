"""Checks of what a user gives: every message names the argument, what was expected, what came and what to do.

What comes may be anything; it is an array, a number or a list only after the check.
"""

import math
import operator
from typing import Any

import numpy as np

from stochq.arrays import ArrayLike, Times, as_real, is_concrete
from stochq.operators import refuse_foreign
from stochq.systems.observables import LinearObservable

# Squares of what is larger leave double precision.
_LARGEST_ELEMENT = 1e150
# Largest |H - H^dagger| accepted, relative to the largest element.
HERMITIAN_TOLERANCE = {"single": 1e-5, "double": 1e-10}


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """Shape of an array or of nested lists; ValueError if the rows differ in length."""
    refuse_foreign(name, value)
    if isinstance(value, LinearObservable):
        raise ValueError(f"{name}: expected an array; got {type(value).__name__}. Write .matrix() behind it.")
    try:
        return np.shape(value)
    except ValueError:
        raise ValueError(f"{name}: expected an array; got nested lists whose rows differ in length.") from None


def check_number(name: str, value: Any, *, positive: bool = False) -> None:
    """Raise ValueError unless `value` is a finite real number (greater than zero if `positive`)."""
    if not is_concrete(value):
        return
    expected = "a finite number greater than 0" if positive else "a finite real number"
    if shape_of(name, value) != () or np.asarray(value).dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected {expected}; got {value!r}. Give one real number.")
    number = float(value)
    if not math.isfinite(number) or (positive and number <= 0):
        raise ValueError(f"{name}: expected {expected}; got {number!r}.")


def as_number(name: str, value: Any) -> Any:
    """`value` as float64, a traced one as it is. Raises: ValueError unless it is one finite real number."""
    check_number(name, value)
    return as_real(value)


def check_count(name: str, value: Any, least: int, *, most: int | None = None) -> int:
    """`value` as an int, 1e5 too; ValueError unless it is a whole number from `least` to `most`."""
    expected = f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}")
    try:
        whole: Any = int(value) if isinstance(value, float) and value.is_integer() else value
        count = operator.index(whole)
    except TypeError:
        raise ValueError(f"{name}: expected {expected}; got {value!r}.") from None
    if isinstance(value, bool) or count < least or (most is not None and count > most):
        raise ValueError(f"{name}: expected {expected}; got {value!r}.")
    return count


def check_flag(name: str, value: Any) -> bool:
    """A value as a bool; ValueError for anything else, which may be true by accident as "no" is."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}: expected True or False; got {value!r}.")
    return bool(value)


def check_finite(name: str, value: Any) -> None:
    """Raise ValueError if an array has a NaN, an infinity or something that is not a number."""
    if not is_concrete(value):
        return
    shape_of(name, value)
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.number):
        raise ValueError(f"{name}: expected an array of numbers; got dtype {array.dtype}.")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = ", ".join(str(index) for index in bad[0])
        raise ValueError(
            f"{name}: expected finite numbers; got {array[tuple(bad[0])]} at index ({place}), "
            f"{len(bad)} such in all. Remove NaN and infinity."
        )


def check_rates(name: str, value: Any, shape: str) -> None:
    """Raise ValueError unless `value` is of finite numbers, zero or positive, (dim,) or (dim, dim) as `shape` says."""
    found = shape_of(name, value)
    if len(found) != shape.count("dim") + shape.count("sites") or len(set(found)) != 1:
        raise ValueError(f"{name}: expected rates of shape {shape}; got shape {found}.")
    if not found[0]:
        raise ValueError(f"{name}: expected rates of shape {shape}; got none.")
    check_finite(name, value)
    if is_concrete(value) and (np.iscomplexobj(value) or np.min(value) < 0):
        raise ValueError(f"{name}: expected rates, zero or positive; got {np.min(np.real(value)):.6g} or complex ones.")


def check_operators(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is finite matrices (K, dim, dim), a list of one where it is one operator."""
    shape = shape_of(name, value)
    if len(shape) != 3 or shape[1] != shape[2]:
        repair = " Write [L] for the one operator L." if len(shape) == 2 else ""
        raise ValueError(f"{name}: expected operators of shape (K, dim, dim); got shape {shape}.{repair}")
    check_finite(name, value)
    largest = float(np.max(np.abs(np.asarray(value)), initial=0.0)) if is_concrete(value) else 0.0
    if largest > _LARGEST_ELEMENT:
        raise ValueError(f"{name}: expected operators whose squares are finite; got an element of {largest:.3g}.")


def check_features(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is finite real diagonals (K, dim), a list of one where it is one."""
    shape = shape_of(name, value)
    if len(shape) != 2:
        repair = " Write [F] for the one diagonal F." if len(shape) == 1 else ""
        raise ValueError(f"{name}: expected real diagonals of shape (K, dim); got shape {shape}.{repair}")
    check_finite(name, value)
    if is_concrete(value) and np.any(np.imag(value)):
        raise ValueError(
            f"{name}: expected real diagonals; got complex ones. Give sq.models.unravel(hamiltonian, [diagonal])."
        )


def check_diagonal(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a vector (dim,) of finite real numbers."""
    shape = shape_of(name, value)
    if len(shape) != 1 or shape[0] < 1:
        raise ValueError(f"{name}: expected a vector of shape (dim,); got shape {shape}.")
    check_finite(name, value)
    if is_concrete(value) and np.any(np.imag(value)):
        largest = np.max(np.abs(np.imag(value)))
        raise ValueError(
            f"{name}: expected real energies; got imaginary parts up to {largest:.3g}. Take the real part."
        )


def check_hermitian(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a finite Hermitian matrix (dim, dim)."""
    shape = shape_of(name, value)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
        raise ValueError(f"{name}: expected a square matrix of shape (dim, dim); got shape {shape}.")
    check_finite(name, value)
    if not is_concrete(value):
        return
    if not is_hermitian(value):
        violation = np.max(np.abs(np.asarray(value) - np.asarray(value).conj().T))
        raise ValueError(
            f"{name}: expected a Hermitian matrix, |H - H^dagger| = 0; got a largest difference of {violation:.3g}. "
            "Symmetrise it: (H + H.conj().T) / 2."
        )


def is_hermitian(matrix: ArrayLike) -> bool:
    """Whether a matrix (dim, dim) is its own Hermitian conjugate, to the precision of its numbers."""
    array = np.asarray(matrix)
    tolerance = HERMITIAN_TOLERANCE["single" if array.dtype in (np.float32, np.complex64) else "double"]
    violation = np.max(np.abs(array - array.conj().T))
    return bool(violation <= tolerance * max(np.max(np.abs(array)), np.finfo(float).tiny))


def check_times(times: Times) -> np.ndarray:
    """The times as float64 (T,), at least two, finite and increasing; ValueError otherwise."""
    try:
        times = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"times: expected real numbers; got {times!r}.") from None
    if times.ndim != 1 or times.size < 2:
        raise ValueError(f"times: expected at least two times, the start included; got shape {times.shape}.")
    check_finite("times", times)
    falling = np.flatnonzero(np.diff(times) <= 0)
    if len(falling):
        where = int(falling[0])
        raise ValueError(
            f"times: expected increasing times; got {times[where]:g} followed by {times[where + 1]:g} "
            f"at position {where}. Sort them and drop repeats."
        )
    return times

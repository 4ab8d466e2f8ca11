"""What a network is given, checked."""

import numpy as np

from stochq.arrays import ArrayLike, as_real
from stochq.systems.checks import check_finite, check_hermitian, shape_of

# How negative an eigenvalue of correlations may be by rounding, relative to the largest.
_NEGATIVE = 1e-10
_HERMITIAN = 1e-10


def couplings(matrix: np.ndarray) -> np.ndarray:
    """A Hermitian matrix (modes, modes), made exactly so."""
    check_hermitian("couplings", matrix)
    return (matrix + matrix.conj().T) / 2


def rates(values: ArrayLike, modes: int, name: str = "rates") -> np.ndarray:
    """Rates (modes,) or (baths, modes), zero or positive; one number is spread over the modes."""
    shape = shape_of(name, values)
    given = as_real(values, name)
    check_finite(name, given)
    if shape not in ((), (modes,)) and not (name == "rates" and len(shape) == 2 and shape[1] == modes):
        raise ValueError(
            f"{name}: expected a number or shape ({modes},), one per mode"
            f"{f', or (baths, {modes})' if name == 'rates' else ''}; got shape {shape}."
        )
    _not_negative(name, given, "Zero leaves a bath out.")
    return np.broadcast_to(given, shape or (modes,)).copy()


def occupations(values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Mean numbers of quanta in the shape of the rates."""
    given = as_real(values, "occupations")
    check_finite("occupations", given)
    if given.shape not in ((), shape):
        raise ValueError(f"occupations: expected a number or the shape of the rates, {shape}; got shape {given.shape}.")
    _not_negative("occupations", given, "They are 1/(exp(ω/T) - 1), zero at T = 0.")
    return np.broadcast_to(given, shape).copy()


def _not_negative(name: str, given: np.ndarray, advice: str) -> None:
    if given.size and given.min() < 0:
        place = tuple(int(index) for index in np.unravel_index(given.argmin(), given.shape))
        raise ValueError(f"{name}: expected numbers of at least 0; got {given.min():g} at index {place}. {advice}")


def shape_of_correlations(values: ArrayLike, modes: int) -> np.ndarray:
    """Correlations (..., modes, modes) as they are."""
    given = np.asarray(values)
    if given.ndim < 2 or given.shape[-2:] != (modes, modes):
        raise ValueError(f"correlations: expected shape (..., {modes}, {modes}); got {given.shape}.")
    return given


def correlations(values: ArrayLike, modes: int) -> np.ndarray:
    """Correlations (modes, modes) of some state: Hermitian without a negative eigenvalue, complex128."""
    given = shape_of_correlations(values, modes).astype(complex)
    if given.ndim != 2:
        raise ValueError(f"correlations: expected one matrix ({modes}, {modes}) to start from; got {given.shape}.")
    check_finite("correlations", given)
    size = np.abs(given).max()
    violation = np.abs(given - given.conj().T).max()
    if violation > _HERMITIAN * size:
        raise ValueError(
            f"correlations: expected a Hermitian matrix; it differs from its adjoint by {violation:.3g}. "
            "Symmetrise it: (C + C.conj().T) / 2."
        )
    given = (given + given.conj().T) / 2
    lowest = np.linalg.eigvalsh(given)[0]
    if lowest < -_NEGATIVE * size:
        raise ValueError(
            f"correlations: expected no negative eigenvalue, as the uncertainty principle demands; the lowest is "
            f"{lowest:.3g}. The vacuum is all zeros."
        )
    return given

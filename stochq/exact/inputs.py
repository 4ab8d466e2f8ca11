"""What `evolve` is given, checked: the initial density matrix and the times."""

import numpy as np

from stochq.arrays import ArrayLike, OperatorLike, StateLike
from stochq.operators import as_array, as_operator
from stochq.systems.checks import check_finite, shape_of
from stochq.systems.states import check_density, check_state, numbers

# A density matrix of this dimension takes 256 MiB.
LARGEST_DIM = 4096


def initial_density(state: StateLike, dim: int) -> np.ndarray:
    """A ket (dim,) or a density matrix (dim, dim) as a density matrix, complex128; ValueError if it is neither."""
    if dim > LARGEST_DIM:
        raise ValueError(
            f"equation: expected at most {LARGEST_DIM} basis states, or the density matrix does not fit; got {dim}. "
            "Use sq.simulate, whose memory grows with the dimension and not with its square."
        )
    array = numbers("psi0", as_array("psi0", state))
    if array.ndim != 2:
        psi = check_state(array, dim)
        return np.outer(psi, psi.conj())
    return check_density("rho0", array, dim)


def intervals(times: np.ndarray) -> np.ndarray:
    """The lengths (T-1,) between times, equal ones made exactly equal so that one propagator serves them all.

    Lengths change by no more than the rounding of the times themselves.
    """
    quantum = 16 * np.finfo(float).eps * max(abs(times[0]), abs(times[-1]))
    return np.round(np.diff(times) / quantum) * quantum


def operator_matrix(name: str, value: OperatorLike, dim: int) -> np.ndarray:
    """An operator (dim, dim), or a diagonal one (dim,), as a complex matrix; ValueError if it is neither."""
    value = as_operator(name, value)
    shape = shape_of(name, value)
    if shape not in ((dim,), (dim, dim)):
        raise ValueError(f"{name}: expected an operator of shape ({dim}, {dim}) or ({dim},); got {shape}.")
    check_finite(name, value)
    array = np.asarray(value, np.complex128)
    return np.diag(array) if array.ndim == 1 else array


def check_lags(lags: ArrayLike) -> np.ndarray:
    """Delays as float64 (T,), at least one, none negative, increasing; ValueError otherwise."""
    array = np.asarray(lags, np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"lags: expected delays of shape (T,), at least one; got shape {array.shape}.")
    check_finite("lags", array)
    if array[0] < 0:
        raise ValueError(
            f"lags: expected delays that are zero or positive; got {array[0]:g}. Swap the operators and take the "
            "adjoint for a negative one."
        )
    if np.any(np.diff(array) <= 0):
        raise ValueError("lags: expected increasing delays. Sort them and drop repeats.")
    return array

"""The initial state: checked, or normalised on request."""

from typing import Any

import numpy as np

from stochq.arrays import OperatorLike, StateLike
from stochq.operators import as_array
from stochq.systems.checks import check_finite, shape_of

NORM_TOLERANCE = 1e-6
TRACE_TOLERANCE = 1e-6
HERMITIAN_TOLERANCE = 1e-8
# Eigenvalues of a density matrix that is known to single precision may be this negative.
NEGATIVE_TOLERANCE = 1e-6
# Eigenvalues of a density matrix below this are left out of its spectrum.
_SMALLEST_WEIGHT = 1e-12


def normalize(psi: OperatorLike) -> np.ndarray:
    """ψ/|ψ| as complex128, (dim,).

    >>> normalize([3.0, 4.0]).real.round(12).tolist()
    [0.6, 0.8]
    """
    array = numbers("psi", as_array("psi", psi)).astype(np.complex128)
    norm = np.linalg.norm(array)
    if not (np.isfinite(norm) and norm > 0):
        raise ValueError(f"psi: expected a finite, non-zero vector; its norm is {norm}.")
    return array / norm


def numbers(name: str, value: Any) -> np.ndarray:
    """An array of numbers; ValueError for nested lists whose rows differ in length, and for anything else."""
    shape_of(name, value)
    array = np.asarray(value)
    if array.dtype.kind not in "iufc":
        got = repr(value) if isinstance(value, str) else type(value).__name__
        raise ValueError(f"{name}: expected an array of numbers; got {got}.")
    return array


def check_state(psi0: StateLike, dim: int, name: str = "psi0") -> np.ndarray:
    """A ket as complex128 (dim,), finite and normalised; ValueError otherwise. name: the argument."""
    psi = numbers(name, as_array(name, psi0))
    _refuse_column(name, psi, dim)
    if psi.shape != (dim,):
        raise ValueError(f"{name}: expected shape ({dim},), one ket of the equation's dimension; got {psi.shape}.")
    psi = psi.astype(np.complex128)
    if not np.all(np.isfinite(psi)):
        raise ValueError(f"{name}: expected finite amplitudes; entry {int(np.argmin(np.isfinite(psi)))} is not.")
    norm = float(np.linalg.norm(psi))
    if abs(norm - 1) > NORM_TOLERANCE:
        raise ValueError(
            f"{name}: expected a normalised state, |{name}| = 1 within {NORM_TOLERANCE:g}; got |{name}| = {norm:.6g}. "
            f"Divide it by its norm: sq.normalize({name})."
        )
    return psi / norm


def _refuse_column(name: str, array: np.ndarray, dim: int) -> None:
    """ValueError for a ket as a column, as textbooks and QuTiP write it."""
    if dim > 1 and array.shape == (dim, 1):
        raise ValueError(f"{name}: expected a ket of shape ({dim},); got a column ({dim}, 1). Write [:, 0] behind it.")


def check_density(name: str, rho: OperatorLike, dim: int) -> np.ndarray:
    """A density matrix as complex128 (dim, dim), Hermitian and of trace 1; ValueError otherwise. name: the argument."""
    array = np.asarray(as_array(name, rho))
    _refuse_column(name, array, dim)
    if array.shape != (dim, dim):
        raise ValueError(f"{name}: expected shape ({dim}, {dim}), or a ket of shape ({dim},); got {array.shape}.")
    check_finite(name, array)
    array = array.astype(np.complex128)
    violation = float(np.abs(array - array.conj().T).max())
    if violation > HERMITIAN_TOLERANCE:
        raise ValueError(
            f"{name}: expected a Hermitian matrix; it differs from its adjoint by {violation:.3g}. "
            f"Symmetrise it: ({name} + {name}.conj().T) / 2."
        )
    trace = float(np.trace(array).real)
    if abs(trace - 1) > TRACE_TOLERANCE:
        raise ValueError(
            f"{name}: expected trace 1 within {TRACE_TOLERANCE:g}; got {trace:.6g}. Divide it by its trace."
        )
    array = (array + array.conj().T) / (2 * trace)
    try:
        np.linalg.cholesky(array + NEGATIVE_TOLERANCE * np.eye(dim))
    except np.linalg.LinAlgError:
        lowest = float(np.linalg.eigvalsh(array)[0])
        raise ValueError(f"{name}: expected no negative eigenvalue; the lowest is {lowest:.3g}.") from None
    return array


def weighted_states(psi0: StateLike, dim: int) -> np.ndarray:
    """A ket as (dim,), a density matrix as its eigenvectors times the roots of their weights, (dim, rank).

    Either is ψ with ρ = ψψ†, one column for each state that a trajectory may start from.

    >>> weighted_states([[0.75, 0.0], [0.0, 0.25]], 2).real.round(3).tolist()
    [[0.0, 0.866], [0.5, 0.0]]
    """
    array = numbers("psi0", as_array("psi0", psi0))
    if np.ndim(array) != 2:
        return check_state(array, dim)
    weights, vectors = np.linalg.eigh(check_density("psi0", array, dim))
    kept = weights > _SMALLEST_WEIGHT
    columns = np.sqrt(weights[kept] / weights[kept].sum()) * vectors[:, kept]
    return columns[:, 0] if columns.shape[1] == 1 else columns

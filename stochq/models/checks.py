"""Checks of parameters that models share."""

from typing import Any

import numpy as np

from stochq.arrays import Array, ArrayLike, Number, OperatorLike, as_complex, as_real, is_concrete
from stochq.operators import as_operator
from stochq.systems.basis import Basis, Columns, Given, ProductBasis
from stochq.systems.hamiltonian import Hamiltonian

_UNITARITY = 1e-8
_WEIGHT_SUM = 1e-8


def rate(name: str, value: Number) -> Number:
    """A finite, non-negative number as float64; traced values pass."""
    value = _real(name, value, "a finite rate, zero or positive")
    if is_concrete(value) and not (value.ndim == 0 and np.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: expected a finite rate, zero or positive; got {value}.")
    return value


def positive(name: str, value: Number) -> Number:
    """A finite, positive number as float64; traced values pass."""
    value = _real(name, value, "a finite, positive number")
    if is_concrete(value) and not (value.ndim == 0 and np.isfinite(value) and value > 0):
        raise ValueError(f"{name}: expected a finite, positive number; got {value}.")
    return value


def _real(name: str, value: ArrayLike, expected: str) -> Any:
    try:
        return as_real(value, name)
    except (TypeError, ValueError):
        got = repr(value) if isinstance(value, str) else type(value).__name__
        raise ValueError(f"{name}: expected {expected}; got {got}.") from None


def unitary_basis(basis: OperatorLike | str | ProductBasis | None, hamiltonian: Hamiltonian) -> Basis:
    """The basis given by the columns of a unitary matrix or as a product of spins, or the given basis for None."""
    if basis is None:
        return Given()
    if isinstance(basis, (str, ProductBasis)):
        return _product_basis(basis, hamiltonian)
    dim = hamiltonian.dim
    matrix = np.asarray(as_complex(as_operator("basis", basis, hamiltonian.dims), "basis"))
    if matrix.shape != (dim, dim):
        raise ValueError(f"basis: expected a ({dim}, {dim}) unitary, columns |k⟩; got shape {matrix.shape}.")
    matrix = matrix.astype(complex) if np.iscomplexobj(matrix) and np.any(matrix.imag) else matrix.real.astype(float)
    violation = float(np.abs(matrix.conj().T @ matrix - np.eye(dim)).max())
    if not violation <= _UNITARITY:
        raise ValueError(f"basis: expected orthonormal columns; B†B differs from 1 by {violation:.2g}. Use numpy's qr.")
    return Columns(matrix)


def _product_basis(basis: str | ProductBasis, hamiltonian: Hamiltonian) -> Basis:
    if isinstance(basis, str):
        if hamiltonian.spins is None:
            raise ValueError(
                f"basis: expected a unitary ({hamiltonian.dim}, {hamiltonian.dim}), columns |k⟩; got {basis!r}, which "
                "is for systems of spins 1/2 such as sq.systems.ising. For a matrix in their product basis write "
                'sq.channels.ProductBasis("x", sites).'
            )
        basis = ProductBasis(basis, hamiltonian.spins)
    if basis.dim != hamiltonian.dim:
        raise ValueError(
            f"basis: expected a product basis of dimension {hamiltonian.dim}, that of the Hamiltonian; got "
            f"{len(basis.unitaries)} sites, of dimension {basis.dim}."
        )
    if np.array_equal(basis.unitaries, np.broadcast_to(np.eye(2), basis.unitaries.shape)):
        return Given()
    return basis if hamiltonian.is_matrix_free else Columns(basis.columns(hamiltonian))


def equilibrium_weights(equilibrium: ArrayLike, dim: int) -> Array:
    """χ as float64 (dim,), non-negative with unit sum; traced values pass."""
    weights = _real("equilibrium", equilibrium, f"weights of shape ({dim},) over the energies")
    if not is_concrete(weights):
        return weights
    weights = np.asarray(weights)
    if weights.shape != (dim,):
        raise ValueError(f"equilibrium: expected weights of shape ({dim},) over the energies; got {weights.shape}.")
    if not np.all(np.isfinite(weights)) or weights.min() < 0:
        raise ValueError(f"equilibrium: expected weights that are zero or positive; the smallest is {weights.min()}.")
    if abs(weights.sum() - 1) > _WEIGHT_SUM:
        raise ValueError(f"equilibrium: expected weights that sum to 1; they sum to {weights.sum():.9g}. Divide by it.")
    return weights

"""Orthonormal bases: the given one, the energy basis of a Hamiltonian, products of one of every spin, and any other.

A basis is held as columns (dim, dim) in the given basis, or None for the given basis itself; where that is too large,
as a rotation of every spin. `Basis` says which one is meant before a Hamiltonian is at hand.
"""

import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, SameArray, as_matrix, is_concrete
from stochq.module import Module
from stochq.systems.checks import check_count
from stochq.systems.eigen import dagger
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.linear import apply_matrix
from stochq.systems.part_axis import PartAxis
from stochq.systems.propagation.windows import apply_window, kron, planes_of, windows_of

# Eigenvectors of the Pauli matrices as columns, +1 first.
_EIGENVECTORS = {
    "x": np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2),
    "y": np.array([[1.0, 1.0], [1j, -1j]]) / np.sqrt(2),
    "z": np.eye(2),
}
_UNITARITY = 1e-8
# Columns of a product of single spins are written out up to so many spins.
_MOST_SITES = 12
# Of a product basis that is never a matrix.
_MOST_SPINS = 64


class Basis(Module):
    """An orthonormal basis, named before a Hamiltonian is at hand."""

    @abc.abstractmethod
    def columns(self, hamiltonian: Hamiltonian) -> Array | None:
        """Its vectors as columns (dim, dim) in the given basis; None for the given basis itself."""

    def rotation(self) -> "Rotation | None":
        """What takes amplitudes in it to the given basis without a matrix; None where there is no such thing."""
        return None


class Given(Basis):
    """The basis in which states are given."""

    def columns(self, hamiltonian: Hamiltonian) -> None:
        return None


class Energy(Basis):
    """The eigenbasis of the equation's Hamiltonian, energies ascending."""

    def columns(self, hamiltonian: Hamiltonian) -> Array | None:
        vectors, order = hamiltonian.eigenvectors, hamiltonian.order
        if vectors is not None or not is_concrete(order) or np.array_equal(order, np.arange(hamiltonian.dim)):
            return vectors
        # The given basis is an eigenbasis, but its energies do not ascend.
        return energy_columns(hamiltonian)


class Columns(Basis):
    """The columns of a unitary matrix (dim, dim)."""

    matrix: Array

    def columns(self, hamiltonian: Hamiltonian) -> Array | None:
        return self.matrix


class Rotation(Module):
    """A change of basis that is no matrix. Abstract: a subclass says what it does to states."""

    @abc.abstractmethod
    def __call__(self, psi: jax.Array) -> jax.Array:
        """Amplitudes (dim, *columns) after it."""

    @abc.abstractmethod
    def matrix(self) -> Array:
        """As a matrix (dim, dim), for few states."""

    @abc.abstractmethod
    def inverse(self) -> "Rotation":
        """The Hermitian conjugate."""


@final
class SpinRotation(Rotation):
    """A unitary of every spin, (sites, 2, 2), applied to a few neighbouring spins at a time."""

    unitaries: Array

    def __call__(self, psi: jax.Array) -> jax.Array:
        """The product of all of them on states (dim, *columns)."""
        planes = planes_of(psi)
        for first, count in windows_of(len(self.unitaries)):
            planes = apply_window(kron(list(self.unitaries[first : first + count])), planes, first)
        return jax.lax.complex(*planes)

    def matrix(self) -> Array:
        return kron(list(self.unitaries))

    def inverse(self) -> "SpinRotation":
        return SpinRotation(self.unitaries.conj().swapaxes(1, 2))


@final
class PartRotation(Rotation):
    """A unitary (d, d) of one part of a composite system, along whose axis it acts."""

    unitary: Array
    axis: PartAxis = eqx.field(static=True)

    def __call__(self, psi: jax.Array) -> jax.Array:
        return self.axis.act(lambda rows: apply_matrix(self.unitary, rows), psi)

    def matrix(self) -> Array:
        return self.axis.matrix(self.unitary)

    def inverse(self) -> "PartRotation":
        return PartRotation(dagger(self.unitary), self.axis)


@final
class PartBasis(Basis):
    """A basis of one part of a composite system, columns of a unitary (d, d), beside the given ones of others."""

    unitary: Array
    axis: PartAxis = eqx.field(static=True)

    def columns(self, hamiltonian: Hamiltonian) -> Array:
        return self.axis.matrix(self.unitary)

    def rotation(self) -> PartRotation:
        return PartRotation(self.unitary, self.axis)


@final
class ProductBasis(Basis):
    r"""Products of one basis of every spin, $|k\rangle = \bigotimes_j U_j|k_j\rangle$: site j is bit j of k.

    Changes to it are rotations of single spins, so that no matrix is as large as the states.

    Args:
        unitary: "x", "y" or "z" for the eigenvectors of a Pauli matrix, +1 first; a unitary (2, 2) whose columns are
            the basis of every spin; or one for each, (sites, 2, 2).
        sites: number of spins; not needed with (sites, 2, 2).

    Raises:
        ValueError: for another name or shape, and for what is not unitary.

    >>> ProductBasis("x", 2).columns(None).round(2).tolist()[1]
    [0.5, -0.5, 0.5, -0.5]
    """

    unitaries: Array

    def __init__(self, unitary: str | ArrayLike, sites: int | None = None) -> None:
        if isinstance(unitary, str):
            if unitary not in _EIGENVECTORS:
                raise ValueError(f'unitary: expected "x", "y", "z" or a unitary (2, 2); got {unitary!r}.')
            unitaries = as_matrix(_EIGENVECTORS[unitary])
        else:
            unitaries = as_matrix(unitary, "unitary")
        if unitaries.ndim == 2 and sites is not None:
            unitaries = np.stack([unitaries] * check_count("sites", sites, 1, most=_MOST_SPINS))
        if unitaries.ndim != 3 or unitaries.shape[1:] != (2, 2):
            raise ValueError(
                "unitary: expected a unitary (2, 2) with the number of sites, or one for each site, (sites, 2, 2); got "
                f"shape {np.shape(unitary)} and sites={sites}."
            )
        if sites not in (None, len(unitaries)):
            raise ValueError(f"sites: expected {len(unitaries)}, as many as there are unitaries; got {sites}.")
        violation = np.abs(unitaries.conj().swapaxes(1, 2) @ unitaries - np.eye(2)[None]).max()
        if not violation <= _UNITARITY:
            raise ValueError(f"unitary: expected unitaries; U†U differs from 1 by {violation:.2g}. Use numpy's qr.")
        self.unitaries = unitaries

    @property
    def dim(self) -> int:
        """Number of its vectors."""
        return 2 ** len(self.unitaries)

    def columns(self, hamiltonian: Hamiltonian | None) -> Array:
        if len(self.unitaries) > _MOST_SITES:
            raise ValueError(
                f"basis: expected at most {_MOST_SITES} sites for the columns of a product basis as a matrix; got "
                f"{len(self.unitaries)}. Runs of Hamiltonians that are never matrices rotate single spins instead."
            )
        return kron(list(self.unitaries))

    def rotation(self) -> SpinRotation:
        return SpinRotation(self.unitaries)


def change_basis(change: Array | Rotation | None, psi: jax.Array) -> jax.Array:
    """Amplitudes (dim, *columns) after a change of basis: a unitary (dim, dim), rotations, or None for none."""
    if change is None:
        return psi
    return change(psi) if isinstance(change, Rotation) else apply_matrix(change, psi)


def matrix_of(change: Array | Rotation | None) -> Array | None:
    """A change of basis as a unitary (dim, dim), for small dimensions; None for none."""
    return change.matrix() if isinstance(change, Rotation) else change


def inverse_of(change: Array | Rotation | None) -> Array | Rotation | None:
    """The change of basis backwards."""
    if change is None:
        return None
    return change.inverse() if isinstance(change, Rotation) else dagger(change)


def energy_columns(hamiltonian: Hamiltonian) -> np.ndarray:
    """The energy eigenvectors (dim, dim), energies ascending, also where the given basis is one.

    >>> from stochq.systems import levels
    >>> energy_columns(levels([2.0, 1.0])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    vectors = hamiltonian.eigenvectors
    return np.eye(hamiltonian.dim)[:, np.asarray(hamiltonian.order)] if vectors is None else np.asarray(vectors)


def energy_basis(hamiltonian: Hamiltonian) -> Basis:
    """The energy basis; the given one, in its own order, where that is an eigenbasis already."""
    return Given() if hamiltonian.eigenvectors is None else Energy()


def on_energies(hamiltonian: Hamiltonian, values: Array) -> Array:
    """Values (dim,) over the energy eigenstates, ascending, in the order of `energy_basis`."""
    if hamiltonian.eigenvectors is not None:
        return values
    if not is_concrete((hamiltonian.order, values)):
        return jnp.asarray(values)[jnp.argsort(hamiltonian.order)]
    return np.asarray(values)[np.argsort(hamiltonian.order)]


def into(columns: SameArray, operator: SameArray) -> SameArray:
    """An operator or density matrix (dim, dim), or a diagonal operator (dim,), written in the basis, (dim, dim)."""
    return dagger(columns) @ (operator[:, None] * columns if operator.ndim == 1 else operator @ columns)


def overlap(first: Array | None, second: Array | None) -> Array | None:
    """The vectors of the second basis written in the first, as columns (dim, dim); None where both are the given one.

    It takes amplitudes from the second basis to the first.
    """
    if first is None or second is None:
        return second if first is None else dagger(first)
    return dagger(first) @ second


def out_of(columns: SameArray, operator: SameArray) -> SameArray:
    """The operator in the given basis of one written in the basis, (..., dim, dim)."""
    return columns @ operator @ dagger(columns)


def given_from(columns: Array | None, operators: Array) -> Array:
    """Operators (..., dim, dim) in the given basis of some that are written in a basis, None for the given one."""
    return operators if columns is None else out_of(columns, operators)

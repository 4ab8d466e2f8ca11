"""Orthonormal bases: the given one, the energy basis of a Hamiltonian, and any other; what is written in them.

A basis is held as columns (dim, dim) in the given basis, or None for the given basis itself. `Basis` says which one is
meant before a Hamiltonian is at hand.
"""

import abc

import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, SameArray, is_concrete
from stochq.module import Module
from stochq.systems.eigen import dagger
from stochq.systems.hamiltonian import Hamiltonian


class Basis(Module):
    """An orthonormal basis, named before a Hamiltonian is at hand."""

    @abc.abstractmethod
    def columns(self, hamiltonian: Hamiltonian) -> Array | None:
        """Its vectors as columns (dim, dim) in the given basis; None for the given basis itself."""


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

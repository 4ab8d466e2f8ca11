"""The basis in which a run holds its states, chosen so that the fewest basis changes are made per step."""

import dataclasses
from typing import Any, final

import jax
import numpy as np

from stochq.arrays import Array, Number, is_concrete
from stochq.channels import Channel, Columns, Energy, Given
from stochq.equation import Equation
from stochq.module import Module
from stochq.systems.basis import PartBasis, Rotation, change_basis, into, inverse_of, overlap
from stochq.systems.hamiltonian import Dense, Diagonal, Hamiltonian
from stochq.systems.linear import apply_matrix

# The name under which an equation keeps its frame.
_KEPT = "_frame"


@final
class Frame(Module):
    """An equation rewritten in the held basis.

    columns: the held basis in the given one, or None. changes[c]: the matrix from the held basis to channel c's
    basis, or rotations of single spins, or None where they agree. energy: what was taken out of the Hamiltonian.
    """

    hamiltonian: Hamiltonian
    channels: tuple[Channel, ...]
    columns: Array | None
    changes: tuple[Array | Rotation | None, ...]
    hbar: Number
    energy: Number = 0.0

    @property
    def dim(self) -> int:
        return self.hamiltonian.dim

    def to_frame(self, psi: jax.Array) -> jax.Array:
        """From the given basis to the held one."""
        return psi if self.columns is None else apply_matrix(self.columns.conj().T, psi)

    def for_steps(self, lengths: Array) -> "Frame":
        """The same, with what is known beforehand of steps of these lengths."""
        if not self.hamiltonian.is_matrix_free or not is_concrete((lengths, self.hbar)):
            return self
        longest = float(np.max(lengths)) / float(self.hbar)
        return dataclasses.replace(self, hamiltonian=self.hamiltonian.for_steps(longest))

    def from_frame(self, psi: jax.Array) -> jax.Array:
        """From the held basis to the given one."""
        return psi if self.columns is None else apply_matrix(self.columns, psi)

    def to_channel(self, index: int, psi: jax.Array) -> jax.Array:
        """From the held basis to that of channel `index`."""
        return change_basis(self.changes[index], psi)

    def from_channel(self, index: int, psi: jax.Array) -> jax.Array:
        """From the basis of channel `index` to the held one."""
        return change_basis(inverse_of(self.changes[index]), psi)


def frame_of(equation: Equation) -> Frame:
    """The frame of an equation: the energy basis where a channel lives there, a common basis, or the given one.

    Of a Hamiltonian that is never a matrix it is the given one always.
    The median or the lowest energy is taken out of the Hamiltonian: it has no physics and costs digits.
    Made once per equation, since it may diagonalise the Hamiltonian, and kept there.
    """
    kept = vars(equation)
    if _KEPT not in kept:
        kept[_KEPT] = _make_frame(equation)
    return kept[_KEPT]


def _make_frame(equation: Equation) -> Frame:
    hamiltonian, channels = equation.hamiltonian, equation.channels
    if hamiltonian.is_matrix_free:
        changes = tuple(_rotation(equation, channel) for channel in channels)
        return Frame(hamiltonian.centred(), channels, None, changes, equation.hbar, hamiltonian.centre)
    columns: Any = None
    energy = [channel for channel in channels if isinstance(channel.basis, Energy)]
    if energy and not hamiltonian.time_dependent:
        columns = equation.basis_matrix(energy[0])
        hamiltonian = Diagonal(hamiltonian.energies)
    elif _share_columns(equation):
        columns = equation.basis_matrix(channels[0])
        hamiltonian = Dense(into(columns, hamiltonian.matrix()))
    changes = tuple(_change(equation, channel, columns) for channel in channels)
    constant = hamiltonian.centre
    return Frame(hamiltonian.centred(), channels, columns, changes, equation.hbar, constant)


def _share_columns(equation: Equation) -> bool:
    """Whether all channels are written in one rotated basis and the Hamiltonian can be rotated to it."""
    first = equation.channels[0].basis if equation.channels else Given()
    return (
        isinstance(first, Columns)
        and all(
            isinstance(channel.basis, Columns) and channel.basis.matrix is first.matrix for channel in equation.channels
        )
        and isinstance(equation.hamiltonian, (Dense, Diagonal))
    )


def _rotation(equation: Equation, channel: Channel) -> Array | Rotation | None:
    """From the given basis to the channel's, by rotations of single spins where that does it."""
    rotation = channel.basis.rotation()
    return overlap(equation.basis_matrix(channel), None) if rotation is None else rotation.inverse()


def _change(equation: Equation, channel: Channel, columns: Array | None) -> Array | Rotation | None:
    if columns is None and isinstance(channel.basis, PartBasis):
        return channel.basis.rotation().inverse()
    own = equation.basis_matrix(channel)
    if own is columns or (isinstance(channel.basis, Energy) and columns is not None):
        return None
    return overlap(own, columns)

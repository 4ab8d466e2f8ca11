"""The generator of the master equation as an action on one density matrix, at O(dim³) and without structure lost.

$$\\mathcal L(\\rho) = -\\tfrac{i}{\\hbar}[H(t), \\rho] + \\sum_k \\big(L_k\\rho L_k^\\dagger
  - \\tfrac12\\{L_k^\\dagger L_k, \\rho\\}\\big)$$
"""

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, SameArray
from stochq.equation import Equation
from stochq.systems.eigen import dagger
from stochq.systems.linear import apply_matrix

ChannelBases = tuple[Array | None, ...]


def channel_bases(equation: Equation) -> ChannelBases:
    """The basis of every channel as columns (dim, dim), on the host; None for the given basis."""
    bases = (equation.basis_matrix(channel) for channel in equation.channels)
    return tuple(None if basis is None else np.asarray(basis) for basis in bases)


def generator(
    equation: Equation, bases: ChannelBases, t: jax.Array, rho: jax.Array, hamiltonian: bool = True
) -> jax.Array:
    """L(ρ) at time t in the given basis, (dim, dim), or its part of the channels; bases from `channel_bases`."""
    if hamiltonian:
        total = equation.hamiltonian.commutator(t, rho) * (-1j / equation.hbar)
    else:
        total = jnp.zeros_like(rho)
    for channel, basis in zip(equation.channels, bases, strict=True):
        if basis is None:
            total = total + channel.dissipator(t, rho)
        else:
            rotated = conjugate(dagger(basis), rho)
            total = total + conjugate(basis, channel.dissipator(t, rotated))
    return total


def conjugate(matrix: Array, rho: jax.Array) -> jax.Array:
    """M ρ M†."""
    return dagger(apply_matrix(matrix, dagger(apply_matrix(matrix, rho))))


def pack(rho: SameArray) -> SameArray:
    """A Hermitian matrix as one real matrix of the same shape, Re ρ + Im ρ: symmetric plus antisymmetric part."""
    return rho.real + rho.imag  # pyright: ignore[reportReturnType] JAX's stubs do not type .real


def unpack(packed: SameArray) -> SameArray:
    """The Hermitian matrix from what `pack` makes of it."""
    transposed = packed.swapaxes(-1, -2)
    return 0.5 * (packed + transposed) + 0.5j * (packed - transposed)


def packed_generator(equation: Equation, bases: ChannelBases, t: jax.Array, packed: jax.Array) -> jax.Array:
    """The generator on packed matrices, real (dim, dim) to real (dim, dim)."""
    return pack(generator(equation, bases, t, unpack(jnp.asarray(packed))))

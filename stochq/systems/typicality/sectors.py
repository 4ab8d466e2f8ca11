"""Sectors of conserved quantities of spins, as projectors that are never matrices."""

import abc
from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from stochq.arrays import Array
from stochq.module import Module
from stochq.systems.linear import scale, times_real

State = Num[Array, "dim *columns"]
StateOut = Num[jax.Array, "dim *columns"]

# Values on the rim of a window count as inside, within this fraction of their range.
RIM_RTOL = 1e-9


class Projector(Module):
    """The projector onto some eigenspaces of a symmetry."""

    @abc.abstractmethod
    def __call__(self, psi: State) -> StateOut:
        """The part of the states (dim, *columns) in the eigenspaces."""


class Symmetry(Module):
    """A conserved quantity whose eigenvalues are known."""

    @property
    @abc.abstractmethod
    def values(self) -> np.ndarray:
        """The eigenvalues (n,), each once, ascending."""

    @abc.abstractmethod
    def apply(self, psi: State) -> StateOut:
        """The quantity, or the unitary operation that it generates, applied to states (dim, *columns)."""

    @abc.abstractmethod
    def projector(self, inside: np.ndarray) -> Projector:
        """Onto the eigenspaces that `inside` (n,) marks."""

    def sector_of(self, psi: np.ndarray) -> Projector:
        """Onto the values within ⟨S⟩ ± δS, the mean and standard deviation in a state (dim,)."""
        values = self.values
        parts = [self.projector(np.arange(len(values)) == index)(psi) for index in range(len(values))]
        weights = np.array([float(np.linalg.norm(np.asarray(part)) ** 2) for part in parts])
        mean = float(weights @ values)
        spread = float(weights @ (values - mean) ** 2) ** 0.5
        rim = RIM_RTOL * max(float(np.ptp(values)), abs(mean))
        return self.projector(np.abs(values - mean) <= spread + rim)


@final
class Mask(Projector):
    """Keeps the basis states that a mask (dim,) marks."""

    mask: Array

    def __call__(self, psi: State) -> StateOut:
        return scale(jnp.asarray(self.mask, jnp.finfo(jnp.asarray(psi).dtype).dtype), psi)


@final
class DiagonalSymmetry(Symmetry):
    """A quantity that is diagonal in the given basis, (dim,)."""

    diagonal: Array

    @property
    def values(self) -> np.ndarray:
        return np.unique(np.round(self.diagonal, 9))

    def apply(self, psi: State) -> StateOut:
        return scale(jnp.asarray(self.diagonal, jnp.finfo(jnp.asarray(psi).dtype).dtype), psi)

    def projector(self, inside: np.ndarray) -> Projector:
        return Mask(np.isin(np.round(self.diagonal, 9), self.values[inside]))

    def sector_of(self, psi: np.ndarray) -> Projector:
        weights = np.abs(psi) ** 2
        mean = float(weights @ self.diagonal)
        spread = float(weights @ (self.diagonal - mean) ** 2) ** 0.5
        rim = RIM_RTOL * max(float(np.ptp(self.diagonal)), abs(mean))
        return Mask(np.abs(self.diagonal - mean) <= spread + rim)


@final
class Parity(Projector):
    """(1 + sign S)/2 of an operation S that is its own inverse."""

    operation: Callable[[State], StateOut]
    sign: Array

    def __call__(self, psi: State) -> StateOut:
        half = jnp.asarray(self.sign / 2, jnp.finfo(jnp.asarray(psi).dtype).dtype)
        return times_real(0.5, psi) + times_real(half, self.operation(psi))


@final
class Whole(Projector):
    """Leaves states as they are."""

    def __call__(self, psi: State) -> StateOut:
        return jnp.asarray(psi)


@final
class Involution(Symmetry):
    """An operation that is its own inverse, with the eigenvalues -1 and 1."""

    operation: Callable[[State], StateOut]

    @property
    def values(self) -> np.ndarray:
        return np.array([-1.0, 1.0])

    def apply(self, psi: State) -> StateOut:
        return self.operation(psi)

    def projector(self, inside: np.ndarray) -> Projector:
        return Whole() if np.all(inside) else Parity(self.operation, np.asarray(1.0 if inside[1] else -1.0))


class SpinFlip(Module):
    """The flip of all spins, the product of all σ_x: a basis state's index goes to dim - 1 - index."""

    def __call__(self, psi: State) -> StateOut:
        return jnp.flip(jnp.asarray(psi), axis=0)


class Reflection(Module):
    """The mirror image of a chain, site j to sites - 1 - j."""

    sites: int = eqx.field(static=True)

    def __call__(self, psi: State) -> StateOut:
        psi = jnp.asarray(psi)
        columns = psi.shape[1:]
        spins = psi.reshape((2,) * self.sites + columns)
        order = (*range(self.sites)[::-1], *range(self.sites, self.sites + len(columns)))
        return spins.transpose(order).reshape(psi.shape)


def translate(psi: State) -> StateOut:
    """The states of a ring with every spin moved from site j to j + 1."""
    psi = jnp.asarray(psi)
    halves = psi.reshape(2, psi.shape[0] // 2, *psi.shape[1:])
    return jnp.swapaxes(halves, 0, 1).reshape(psi.shape)


@final
class Momenta(Projector):
    r"""$\sum_j c_j T^j$ of the translation T of a ring, (sites,) coefficients."""

    coefficients: Array

    def __call__(self, psi: State) -> StateOut:
        psi = jnp.asarray(psi)
        coefficients = jnp.asarray(self.coefficients, psi.dtype)

        def add(j: jax.Array, states: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            moved, total = states
            moved = translate(moved)
            return moved, total + coefficients[j] * moved

        return jax.lax.fori_loop(1, len(self.coefficients), add, (psi, coefficients[0] * psi))[1]


@final
class Momentum(Symmetry):
    """The lattice momentum of a ring, 2πn/sites above -π up to π; exp(iK) moves every spin from site j to j + 1."""

    sites: int = eqx.field(static=True)

    @property
    def values(self) -> np.ndarray:
        return 2 * np.pi * (np.arange(self.sites) - (self.sites - 1) // 2) / self.sites

    def apply(self, psi: State) -> StateOut:
        return translate(psi)

    def projector(self, inside: np.ndarray) -> Projector:
        distances = np.arange(self.sites)
        return Momenta(np.exp(-1j * np.outer(distances, self.values[inside])).sum(axis=1) / self.sites)

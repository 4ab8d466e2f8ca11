"""Changes of basis of Hermitian matrices in double precision."""

import abc
from collections.abc import Callable
from typing import Any, cast, final

import jax
import numpy as np

from stochq.arrays import ArrayLike
from stochq.exact.action import conjugate, pack, unpack
from stochq.systems.eigen import dagger
from stochq.systems.linear import multiply


class Rotation(abc.ABC):
    """From one orthonormal basis to another and back."""

    @abc.abstractmethod
    def to_basis(self, rho: np.ndarray) -> np.ndarray:
        """ρ written in the other basis, (dim, dim)."""

    @abc.abstractmethod
    def from_basis(self, rho: np.ndarray) -> np.ndarray:
        """ρ written in the first basis again, (dim, dim)."""


@final
class Same(Rotation):
    """No change."""

    def to_basis(self, rho: np.ndarray) -> np.ndarray:
        return rho

    def from_basis(self, rho: np.ndarray) -> np.ndarray:
        return rho


@final
class Unitary(Rotation):
    """To the columns of a unitary matrix B (dim, dim): B†ρB. A real B costs a quarter of a complex one."""

    def __init__(self, matrix: ArrayLike) -> None:
        matrix = np.asarray(matrix)
        real = not np.iscomplexobj(matrix) or not np.any(matrix.imag)
        self.matrix = np.ascontiguousarray(matrix.real if real else matrix)

    def to_basis(self, rho: np.ndarray) -> np.ndarray:
        return _sandwich(self.matrix.conj().T, rho)

    def from_basis(self, rho: np.ndarray) -> np.ndarray:
        return _sandwich(self.matrix, rho)


def _sandwich(matrix: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """M ρ M† by JAX, whose products share busy cores better than those of a threaded BLAS."""
    with jax.enable_x64(True):
        return np.asarray((_complex_sandwich if np.iscomplexobj(matrix) else _real_sandwich)(matrix, rho))


@jax.jit
def _real_sandwich(matrix: jax.Array, rho: jax.Array) -> jax.Array:
    # A real M acts on Re ρ and Im ρ alike, so that both fit into one real matrix.
    return unpack(multiply(multiply(matrix, pack(rho)), matrix.T))


_complex_sandwich = jax.jit(conjugate)


@final
class Momentum(Rotation):
    """From the points of a periodic grid to its plane waves, by fast Fourier transforms on both sides of ρ."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._rows = tuple(range(len(shape)))
        self._columns = tuple(range(len(shape), 2 * len(shape)))

    def to_basis(self, rho: np.ndarray) -> np.ndarray:
        from scipy.fft import fftn, ifftn

        # A column belongs to a bra, whose wave runs the other way.
        return self._transform(cast(Any, fftn), cast(Any, ifftn), rho)

    def from_basis(self, rho: np.ndarray) -> np.ndarray:
        from scipy.fft import fftn, ifftn

        return self._transform(cast(Any, ifftn), cast(Any, fftn), rho)

    def _transform(
        self, on_rows: Callable[..., np.ndarray], on_columns: Callable[..., np.ndarray], rho: np.ndarray
    ) -> np.ndarray:
        tensor = on_rows(rho.reshape(self._shape * 2), axes=self._rows, norm="ortho")
        return on_columns(tensor, axes=self._columns, norm="ortho", overwrite_x=True).reshape(rho.shape)


def relative(first: Rotation, second: Rotation) -> Rotation:
    """From the basis that `first` leads to, to the one that `second` leads to, both from the same basis."""
    if first is second:
        return Same()
    if isinstance(first, Same):
        return second
    if isinstance(first, Unitary) and isinstance(second, Same):
        return Unitary(dagger(first.matrix))
    if isinstance(first, Unitary) and isinstance(second, Unitary):
        return Unitary(dagger(first.matrix) @ second.matrix)
    raise TypeError("A Fourier transform can be combined with the given basis only.")

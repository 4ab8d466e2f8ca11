"""Operators of one part of a composite system, or products of them, held as the diagonals of the joint matrix."""

from collections.abc import Mapping, Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from stochq.arrays import Array, ComplexNumber, as_matrix, is_concrete
from stochq.operators import Bands
from stochq.systems.linear import apply_bands
from stochq.systems.observables import LinearObservable

# A dense joint matrix is made up to here.
LARGEST_MATRIX = 4096
# {offset: band}, with band[i] the element in row i and column i + offset.
Diagonals = Mapping[int, Array]


@final
class Embedded(LinearObservable):
    """An operator on a composite system, made by `Composite.embed`; a jump operator, an observable, or in a coupling.

    offsets, bands: bands[b, i] is the element in row i and column i + offsets[b] of the joint matrix.
    """

    bands: Array
    offsets: tuple[int, ...] = eqx.field(static=True)
    hermitian: bool = eqx.field(static=True)

    @property
    def dim(self) -> int:
        return self.bands.shape[1]

    def __mul__(self, factor: ComplexNumber) -> "Embedded":
        if isinstance(factor, Embedded) or np.ndim(factor):
            raise ValueError(
                f"factor: expected a number; got {type(factor).__name__}. A product of two operators is "
                "A.matrix() @ B.matrix()."
            )
        hermitian = self.hermitian and is_concrete(factor) and not np.iscomplexobj(factor)
        return Embedded(factor * self.bands, self.offsets, hermitian)

    __rmul__ = __mul__

    def apply(self, psi: Num[Array, "dim *columns"]) -> jax.Array:
        """The operator on states (dim, *columns)."""
        return apply_bands(self.offsets, self.bands, psi)

    def __call__(self, psi: Num[Array, " dim"]) -> jax.Array:
        mean = jnp.vdot(psi, self.apply(psi))
        return mean.real if self.hermitian else mean

    def of_density(self, rho: Num[Array, "dim dim"]) -> jax.Array:
        mean = jnp.trace(apply_bands(self.offsets, self.bands, jnp.asarray(rho)))
        return mean.real if self.hermitian else mean

    def as_jump_operator(self) -> Array | Bands:
        """Its real diagonal (dim,) where it is that, else its diagonals, or a matrix where numbers are traced."""
        if self.offsets == (0,) and self.hermitian:
            return self.bands[0].real
        return Bands(self.offsets, np.asarray(self.bands)) if is_concrete(self.bands) else self.matrix()

    def hermitian_parts(self) -> tuple["Embedded", ...]:
        """Itself where it is Hermitian, else (A + A†)/2 and (A − A†)/2i."""
        if self.hermitian:
            return (self,)
        own = dict(zip(self.offsets, self.bands, strict=True))
        adjoint = {-offset: _moved(band, -offset).conj() for offset, band in own.items()}
        real = embedded(added(times(0.5, own), times(0.5, adjoint)))
        imaginary = embedded(added(times(-0.5j, own), times(0.5j, adjoint)))
        return real, imaginary

    def matrix(self) -> Array:
        if self.dim > LARGEST_MATRIX:
            raise ValueError(
                f"operator: expected at most {LARGEST_MATRIX} states for a matrix; got {self.dim}. Give the operator "
                "as it is: as an observable, or as a jump operator of sq.models.unravel."
            )
        if is_concrete(self.bands):
            return Bands(self.offsets, np.asarray(self.bands)).matrix()
        return as_matrix(apply_bands(self.offsets, self.bands, np.eye(self.dim)))


def embedded(bands: Diagonals) -> Embedded:
    """The operator with these diagonals, those of zeros left out where that is known."""
    kept = {offset: band for offset, band in sorted(bands.items()) if not is_concrete(band) or np.any(band)}
    kept = kept or {0: np.zeros_like(next(iter(bands.values())))}
    stack = (np if is_concrete(list(kept.values())) else jnp).stack(list(kept.values()))
    return Embedded(stack, tuple(kept), is_hermitian(kept))


def local_bands(matrix: Array, axis: int, dims: Sequence[int]) -> dict[int, Array]:
    r"""The diagonals of $1\otimes\cdots\otimes A\otimes\cdots\otimes1$.

    Args:
        matrix: A, a diagonal (d,) or a matrix (d, d) of the part.
        axis: which part; the last one changes fastest, as in `numpy.kron`.
        dims: of all parts.
    """
    size, after = dims[axis], int(np.prod(dims[axis + 1 :], dtype=int))
    level = np.arange(int(np.prod(dims, dtype=int))) // after % size
    if matrix.ndim == 1:
        return {0: matrix[level]}
    xp = np if is_concrete(matrix) else jnp
    bands = {}
    for offset in range(1 - size, size):
        values = xp.diagonal(matrix, offset)
        if is_concrete(matrix) and not np.any(values):
            continue
        beyond = (max(0, -offset), max(0, offset))
        bands[offset * after] = xp.pad(values, beyond)[level]
    return bands or {0: np.zeros(len(level))}


def added(*terms: Diagonals) -> dict[int, Array]:
    """The diagonals of a sum."""
    total: dict[int, Array] = {}
    for term in terms:
        for offset, band in term.items():
            total[offset] = total[offset] + band if offset in total else band
    return total


def times(factor: ComplexNumber, bands: Diagonals) -> dict[int, Array]:
    """The diagonals of a multiple."""
    return {offset: factor * band for offset, band in bands.items()}


def product_of_parts(factors: Sequence[Diagonals]) -> dict[int, Array]:
    """The diagonals of a product of operators of different parts, which commute."""
    total = dict(factors[0])
    for factor in factors[1:]:
        # An operator of another part does not see in which row of it the first one has arrived.
        total = added(*({a + b: one * other for b, other in factor.items()} for a, one in total.items()))
    return total


def is_hermitian(bands: Diagonals) -> bool:
    """Whether it is seen that the diagonals are those of a Hermitian matrix; of traced ones it is not."""
    if not is_concrete(list(bands.values())):
        return False
    size = max(float(np.abs(np.asarray(band)).max(initial=0.0)) for band in bands.values())
    zero = np.zeros_like(np.asarray(next(iter(bands.values()))))
    return all(
        np.abs(_moved(np.asarray(bands.get(-offset, zero)), offset).conj() - _inside(band, offset)).max(initial=0.0)
        <= 1e-12 * size
        for offset, band in bands.items()
    )


def _moved(band: np.ndarray, offset: int) -> np.ndarray:
    moved = np.zeros_like(band)
    inside = np.arange(max(0, -offset), min(len(band), len(band) - offset))
    moved[inside] = band[inside + offset]
    return moved


def _inside(band: Array, offset: int) -> np.ndarray:
    """The band without elements that would lie outside the matrix."""
    values = np.array(band)
    index = np.arange(len(values)) + offset
    values[(index < 0) | (index >= len(values))] = 0
    return values

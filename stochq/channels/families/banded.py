"""Jump operators of which only a few diagonals are not zero."""

from typing import TYPE_CHECKING, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, as_matrix, is_concrete
from stochq.channels.families.kraus_terms import (
    Terms,
    apply_band_kraus,
    apply_dense_kraus,
    apply_taylor_kraus,
    band_terms,
    bands_as_rows,
    dense_terms,
)
from stochq.channels.families.operators import Operators, weighted_sum
from stochq.channels.flow import LARGEST_MEAN_MAP
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import check_finite
from stochq.systems.linear import apply_bands, level_sum, scale, shift

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


@final
class BandedOperators(Operators):
    """Jump operators with few diagonals: (L_k ψ)_i = Σ_b bands[k, b, i] ψ_{i + offsets[b]}."""

    bands: Array
    offsets: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, offsets: tuple[int, ...], bands: ArrayLike, basis: Basis | None = None) -> None:
        whole = isinstance(offsets, (tuple, list)) and all(isinstance(offset, (int, np.integer)) for offset in offsets)
        if not whole:
            raise ValueError(f"offsets: expected whole numbers, one for each diagonal; got {offsets!r}.")
        check_finite("bands", bands)
        self.offsets, self.bands = tuple(int(offset) for offset in offsets), as_matrix(bands, "bands")
        if self.bands.ndim != 3 or self.bands.shape[1] != len(self.offsets):
            raise ValueError(
                f"bands: expected shape (K, {len(self.offsets)}, dim) for offsets {self.offsets}; "
                f"got {self.bands.shape}."
            )
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.bands.shape[-1]

    @property
    def count(self) -> int:
        return self.bands.shape[0]

    def stack(self) -> Array:
        return self.bands

    def combined(self, factors: Array) -> "BandedOperators":
        return BandedOperators(self.offsets, weighted_sum(factors, self.bands), self.basis)

    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return apply_bands(self.offsets, parameters, psi)

    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        terms = [shift(scale(band.conj(), psi), -offset) for band, offset in zip(parameters, self.offsets, strict=True)]
        return sum(terms[1:], terms[0])

    def apply_square(self, psi: jax.Array, L_psi: jax.Array) -> jax.Array:
        if self.count == 1:
            return self.apply_one_adjoint(jnp.asarray(self.bands[0]), L_psi[0])
        return level_sum(jax.vmap(self.apply_one_adjoint)(jnp.asarray(self.bands), L_psi))[0]

    @property
    def _kraus_is_dense(self) -> bool:
        """Whether the Kraus maps of several bands are held as matrices: they keep the trace whatever the step."""
        return len(self.offsets) > 1 and self.dim <= LARGEST_MEAN_MAP

    @property
    def kraus_is_linear(self) -> bool:
        return len(self.offsets) == 1 or self._kraus_is_dense

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> jax.Array:
        if self._kraus_is_dense:
            return dense_terms(jax.vmap(self._matrix)(stack), dt, square)
        return band_terms(self.offsets[0], stack[:, 0], dt) if len(self.offsets) == 1 else stack

    def _matrix(self, bands: jax.Array) -> jax.Array:
        """One operator as a matrix."""
        parts = [jnp.eye(self.dim, k=offset) * band[:, None] for band, offset in zip(bands, self.offsets, strict=True)]
        return jnp.sum(jnp.stack(parts), axis=0)

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        return terms if self._kraus_is_dense else bands_as_rows(self.offsets[0], terms, square)

    def apply_kraus(self, terms: jax.Array, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        if self._kraus_is_dense:
            return apply_dense_kraus(terms, psi)
        if len(self.offsets) == 1:
            return apply_band_kraus(self.offsets[0], terms, psi, square)
        return apply_taylor_kraus(*self.actions(terms, 1 + 0j), dt, psi, square)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import BandJumps

        if self.count == 1 or not is_concrete(self.bands):
            return super().jumps()
        used = np.any(np.asarray(self.bands) != 0, axis=2)
        if used.sum(axis=1).max() > 1:
            return super().jumps()
        return BandJumps(self.bands, self._rates(), self.offsets)

    def _rates(self) -> np.ndarray:
        """The diagonals of L_k†L_k of operators of one diagonal each, (K, dim)."""
        rates, squares = np.zeros((self.count, self.dim)), np.abs(np.asarray(self.bands)) ** 2
        for place, offset in enumerate(self.offsets):
            inside = np.arange(max(0, -offset), min(self.dim, self.dim - offset))
            rates[:, inside + offset] += squares[:, place, inside]
        return rates

    def total_loss(self) -> np.ndarray:
        """Exact for operators of one diagonal, else the row sums of |L_k|†|L_k|, a diagonal that is never less."""
        return self._loss_bounds().sum(axis=0)

    def _loss_bounds(self) -> np.ndarray:
        """The row sums of |L_k|†|L_k|, (K, dim)."""
        bands = np.abs(np.asarray(self.bands))
        rows, bounds = bands.sum(axis=1), np.zeros((self.count, self.dim))
        for place, offset in enumerate(self.offsets):
            inside = np.arange(max(0, -offset), min(self.dim, self.dim - offset))
            bounds[:, inside + offset] += bands[:, place, inside] * rows[:, inside]
        return bounds

    def losses(self) -> list[np.ndarray]:
        """Of one operator after another, as they are stepped; in large dimensions the bounds."""
        if len(self.offsets) == 1 or self.dim > LARGEST_MEAN_MAP:
            return list(self._loss_bounds())
        return [matrix.conj().T @ matrix for matrix in self.operators()]

    def fastest_bound(self) -> float:
        return float(self._loss_bounds().max())

    def operators(self) -> np.ndarray:
        dense = np.zeros((self.count, self.dim, self.dim), complex)
        for band, offset in enumerate(self.offsets):
            rows = np.arange(max(0, -offset), min(self.dim, self.dim - offset))
            dense[:, rows, rows + offset] += np.asarray(self.bands)[:, band, rows]
        return dense

"""Hamiltonians with a few diagonals, such as those made of ladder operators."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, as_complex, as_matrix, is_concrete
from stochq.systems.checks import HERMITIAN_TOLERANCE, check_finite
from stochq.systems.eigen import dagger, eigh
from stochq.systems.hamiltonian import Dense, Hamiltonian, Matrix, Propagator, State, dims_of, lowest, named
from stochq.systems.linear import apply_bands, phases, scale, taylor_exponential
from stochq.systems.margins import Margin
from stochq.systems.observables import Catalogue

# Up to here the exact propagator of a banded matrix is kept as a dense matrix.
BANDED_DENSE_LIMIT = 512


def check_hermitian_bands(name: str, offsets: tuple[int, ...], bands: Array) -> None:
    """ValueError unless finite bands (b, dim) make a Hermitian matrix: each is the conjugate of the one opposite."""
    if not is_concrete(bands):
        return
    dim, opposite, violation, largest = bands.shape[1], dict(zip(offsets, bands, strict=True)), 0.0, 0.0
    for offset, band in opposite.items():
        rows = np.arange(max(0, -offset), min(dim, dim - offset))
        check_finite(name, band[rows])
        mirrored = opposite[-offset][rows + offset].conj() if -offset in opposite else np.zeros(len(rows))
        violation = max(violation, np.abs(band[rows] - mirrored).max(initial=0.0))
        largest = max(largest, np.abs(band[rows]).max(initial=0.0))
    precision = "single" if bands.dtype in (np.float32, np.complex64) else "double"
    if violation > HERMITIAN_TOLERANCE[precision] * largest:
        raise ValueError(
            f"{name}: expected a Hermitian matrix, |H - H^dagger| = 0; got a largest difference of {violation:.3g}. "
            "Symmetrise it: (H + H.conj().T) / 2."
        )


class Banded(Hamiltonian):
    """H with a few diagonals: bands[b, i] is the element in row i and column i + offsets[b].

    Elements that would lie outside the matrix are ignored. The propagator is exact up to dim = 512; above, it is
    exp(-i D dt/2) T exp(-i D dt/2) with D the main diagonal and T the fourth-order Taylor series of the rest, of
    weak and strong order 2 in dt, which needs (norm of the rest) * dt < 1.

    Raises:
        ValueError: if the bands do not make a Hermitian matrix or do not match the offsets.

    >>> Banded((-1, 1), [[0.0, 1.0], [1.0, 0.0]]).energies.round(12).tolist()
    [-1.0, 1.0]
    """

    bands: Array
    dense: Dense | None
    offsets: tuple[int, ...] = eqx.field(static=True)
    catalogue: Catalogue | None = eqx.field(static=True)

    def __init__(self, offsets: tuple[int, ...], bands: ArrayLike, catalogue: Catalogue | None = None):
        self.offsets = tuple(int(offset) for offset in offsets)
        self.bands = as_matrix(bands)
        if self.bands.ndim != 2 or len(self.offsets) != self.bands.shape[0] or len(set(offsets)) != len(offsets):
            raise ValueError(
                f"bands: expected one row per distinct offset; got bands of shape {self.bands.shape} "
                f"for the offsets {self.offsets}. Give bands[b, i] = H[i, i + offsets[b]]."
            )
        self.catalogue = catalogue
        check_hermitian_bands("bands", self.offsets, self.bands)
        self.dense = Dense(self._elements()) if self.dim <= BANDED_DENSE_LIMIT else None

    def _elements(self) -> Array:
        """The dense matrix; made by shifting the columns of the identity, so that traced bands pass."""
        if is_concrete(self.bands):
            result = np.zeros((self.dim, self.dim), self.bands.dtype)
            for offset, band in zip(self.offsets, self.bands, strict=True):
                rows = np.arange(max(0, -offset), min(self.dim, self.dim - offset))
                result[rows, rows + offset] = band[rows]
            return result
        return apply_bands(self.offsets, self.bands, jnp.eye(self.dim, dtype=self.bands.dtype))

    @property
    def dim(self) -> int:
        return self.bands.shape[1]

    @property
    def margins(self) -> Mapping[str, Margin]:
        return self.catalogue.margins if self.catalogue else {}

    @property
    def dims(self) -> tuple[int, ...]:
        return dims_of(self.catalogue, self.dim)

    @property
    def energies(self) -> Array:
        return eigh(self._elements())[0] if self.dense is None else self.dense.energies

    @property
    def eigenvectors(self) -> Array | None:
        return eigh(self._elements())[1] if self.dense is None else self.dense.eigenvectors

    @property
    def bandwidth(self) -> Number:
        """Largest difference of two energies; above dim = 512 its bound by Gershgorin's circles."""
        if self.dense is not None:
            return self.dense.bandwidth
        main = np.array([offset == 0 for offset in self.offsets])
        radii = abs(self.bands[~main]).sum(axis=0)
        centres = self.bands[main].real.sum(axis=0)
        return (centres + radii).max() - (centres - radii).min()

    @property
    def operators(self) -> Mapping[str, Any]:
        return named(self.catalogue, self._elements)

    def with_eigenvectors(self, vectors: ArrayLike) -> "Banded":
        dense = Dense(self._elements(), None, (self.energies, as_matrix(vectors)))
        return eqx.tree_at(lambda system: system.dense, self, dense, is_leaf=lambda leaf: leaf is None)

    def matrix(self, t: Number = 0.0) -> Array:
        return as_complex(self._elements())

    def apply(self, t: Number, psi: State) -> State:
        return apply_bands(self.offsets, self.bands, psi)

    @property
    def centre(self) -> Number:
        """The least diagonal element: cut-off spectra are occupied near their lower end."""
        # Without a main diagonal there is nothing to take out.
        if 0 not in self.offsets:
            return 0.0
        return lowest(self.bands[self.offsets.index(0)].real)

    def centred(self) -> "Banded":
        energy = self.centre
        shifts = energy * np.array([[float(offset == 0)] for offset in self.offsets])
        dense = None if self.dense is None else self.dense.less(energy)
        return eqx.tree_at(
            lambda banded: (banded.bands, banded.dense), self, (self.bands - shifts, dense), is_leaf=lambda x: x is None
        )

    def commutator(self, t: Number, rho: Matrix) -> Matrix:
        left = apply_bands(self.offsets, self.bands, rho)
        return left - dagger(apply_bands(self.offsets, self.bands, dagger(rho)))

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        if self.dense is not None:
            return self.dense.propagator(dt, hbar)
        return _BandedPropagator(self.offsets, self.bands, dt / hbar)


class _BandedPropagator(Propagator):
    """Symmetric splitting of a banded Hamiltonian too large for a dense propagator."""

    half: Array
    bands: Array
    dt: Number
    offsets: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, offsets: tuple[int, ...], bands: Array, dt: Number):
        main = [b for b, offset in enumerate(offsets) if offset == 0]
        others = [b for b, offset in enumerate(offsets) if offset != 0]
        diagonal = bands[main[0]].real if main else jnp.zeros_like(bands[0].real)
        self.half = phases(diagonal, dt / 2)
        self.offsets = tuple(offsets[b] for b in others)
        self.bands = bands[np.array(others, dtype=int)]
        self.dt = dt

    def __call__(self, t: Number, psi: State) -> State:
        psi = scale(self.half, psi)
        if self.offsets:
            psi = taylor_exponential(lambda phi: apply_bands(self.offsets, self.bands, phi), self.dt, psi)
        return scale(self.half, psi)

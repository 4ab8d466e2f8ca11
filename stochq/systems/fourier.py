"""Fourier transforms of states on a grid, and observables that are diagonal in momentum."""

from functools import reduce
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Num

from stochq.arrays import Array, as_complex, is_concrete
from stochq.systems.observables import LinearObservable


def wave_numbers(points: int, dimensions: int) -> list[np.ndarray]:
    """Integers n of the waves exp(2 pi i n x / length), in the order of the transform; one grid per dimension."""
    integers = np.rint(np.fft.fftfreq(points, 1 / points)).astype(int)
    return list(np.meshgrid(*[integers] * dimensions, indexing="ij"))


def forward(psi: Num[Array, "dim *columns"], shape: tuple[int, ...]) -> Complex[Array, "..."]:
    """Fourier coefficients (*shape, *columns) of states (dim, *columns)."""
    psi = jnp.asarray(psi)
    return jnp.fft.fftn(psi.reshape(shape + psi.shape[1:]), axes=tuple(range(len(shape))))


def inverse(coefficients: Complex[Array, "..."], dimensions: int) -> Complex[Array, "dim *columns"]:
    """The states (dim, *columns) with the given Fourier coefficients (*shape, *columns)."""
    states = jnp.fft.ifftn(coefficients, axes=tuple(range(dimensions)))
    return states.reshape((-1,) + coefficients.shape[dimensions:])


def filtered(spectrum: Num[Array, "..."], psi: Num[Array, "dim *columns"]) -> Complex[Array, "dim *columns"]:
    """States (dim, *columns) multiplied by a function of momentum, grid-shaped."""
    spectrum = jnp.asarray(spectrum)
    factors = spectrum.reshape(spectrum.shape + (1,) * (psi.ndim - 1))
    return inverse(factors * forward(psi, spectrum.shape), spectrum.ndim)


def kinetic_matrix(kinetic: Num[Array, "..."], points: int, dimensions: int) -> Num[Array, "dim dim"]:
    """Dense matrix (dim, dim) of an operator diagonal in momentum, even in each wave number; real symmetric."""
    xp = np if is_concrete(kinetic) else jnp
    # Even in momentum: only cosines remain and the elements depend on the distance of the points alone.
    elements = xp.fft.ifftn(kinetic).real
    index = np.indices((points,) * dimensions).reshape(dimensions, -1)
    distance = tuple((axis[:, None] - axis[None, :]) % points for axis in index)
    return elements[distance]


@final
class Spectral(LinearObservable):
    """Expectation value of f(p) + V(x), as a callable psi -> float for states with sum |psi|^2 = 1.

    spectrum: f over the momenta, grid-shaped; potential: V (dim,) or None.
    """

    spectrum: Array
    potential: Array | None

    def __call__(self, psi: Num[Array, " dim"]) -> jax.Array:
        weights = jnp.abs(forward(psi, self.spectrum.shape)) ** 2
        value = jnp.sum(self.spectrum * weights) / weights.size
        return value if self.potential is None else value + jnp.sum(self.potential * jnp.abs(psi) ** 2)

    def of_density(self, rho: Num[Array, "dim dim"]) -> jax.Array:
        """The same for a density matrix (dim, dim), Tr[rho (f(p) + V(x))]."""
        shape = self.spectrum.shape
        rows, columns = tuple(range(len(shape))), tuple(range(len(shape), 2 * len(shape)))
        tensor = jnp.fft.ifftn(jnp.fft.fftn(jnp.asarray(rho).reshape(shape * 2), axes=rows), axes=columns)
        value = jnp.sum(self.spectrum.reshape(-1) * jnp.diagonal(tensor.reshape(rho.shape)).real)
        return value if self.potential is None else value + jnp.sum(self.potential * jnp.diagonal(rho).real)

    def matrix(self) -> Array:
        """The operator as a dense complex matrix (dim, dim), for tests and small grids."""
        shape = self.spectrum.shape
        transform = reduce(np.kron, [np.fft.fft(np.eye(points), norm="ortho") for points in shape])
        matrix = transform.conj().T @ (np.ravel(self.spectrum)[:, None] * transform)
        return as_complex(matrix if self.potential is None else matrix + np.diag(self.potential))

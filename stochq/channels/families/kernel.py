"""Diagonal collapse on a periodic grid by a kernel of the distance: CSL, Diósi-Penrose."""

from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, ArrayLike, Number, as_real, is_concrete
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.noise.roots import root
from stochq.systems.basis import Given
from stochq.systems.checks import as_number, check_finite, shape_of
from stochq.systems.fourier import filtered
from stochq.systems.linear import multiply

if TYPE_CHECKING:
    from stochq.channels.channel import Channel
    from stochq.channels.jumps import Jumps


@final
class Kernel(DiagonalCollapse):
    """Collapse on a periodic grid with a kernel that depends on the distance only: κ_ij = rate · shape(x_i − x_j).

    `profile` holds the shape function on the grid, distances in the order of the FFT (zero first), with the grid's
    own shape. Actions are dense products on small grids and fast Fourier transforms on large ones.
    """

    spectrum: Array
    rate: Number
    peak: Number
    root_matrix: Array | None
    kernel_matrix: Array | None

    def __init__(self, profile: ArrayLike, rate: Number) -> None:
        if min(shape_of("profile", profile), default=0) < 1:
            raise ValueError(f"profile: expected an array over a grid; got shape {shape_of('profile', profile)}.")
        check_finite("profile", profile)
        profile = as_real(profile, "profile")
        xp: Any = np if is_concrete(profile) else jnp
        spectrum: Any = xp.fft.fftn(profile).real
        if is_concrete(spectrum) and spectrum.min() < -1e-9 * spectrum.max():
            raise ValueError(
                "profile: expected a positive semi-definite kernel on the periodic grid; its Fourier transform "
                f"reaches {spectrum.min():.3g} (largest {spectrum.max():.3g}). Symmetrise it or lengthen the box."
            )
        self.spectrum = xp.maximum(spectrum, 0.0) if is_concrete(spectrum) else _resolved(spectrum)
        self.rate, self.peak = as_number("rate", rate), profile.reshape(-1)[0]
        dense = profile.size <= DENSE_KERNEL_POINTS
        self.root_matrix = circulant(_root(self.spectrum)) if dense else None
        self.kernel_matrix = circulant(self.spectrum) if dense else None
        self.basis = Given()

    @property
    def dim(self) -> int:
        return self.spectrum.size

    @property
    def noises(self) -> int:
        return self.dim

    def sample_field(self, normals: jax.Array) -> jax.Array:
        if self.root_matrix is not None:
            return root(self.rate) * multiply(self.root_matrix, normals)
        return root(self.rate) * filtered(root(self.spectrum), normals).real

    def apply_kernel(self, weights: jax.Array) -> jax.Array:
        if self.kernel_matrix is not None:
            return multiply(self.kernel_matrix, weights) * self.rate
        return filtered(self.spectrum, weights).real * self.rate

    def diagonal(self) -> jax.Array:
        return jnp.ones(self.dim) * (self.rate * self.peak)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import PositionJumps

        library: Any = np if is_concrete((self.spectrum, self.rate)) else jnp
        profile = library.sqrt(self.rate) * library.fft.ifftn(library.sqrt(self.spectrum)).real
        weights = library.cumsum((profile**2).ravel())
        return PositionJumps(profile, weights / weights[-1], uniforms=2)

    @property
    def missing_density(self) -> str:
        return ""

    def held(self) -> "Channel":
        from stochq.channels.flows.held import HeldChannel, KernelFields

        return HeldChannel(self, KernelFields(self))

    def kernel(self) -> jax.Array:
        matrix = circulant(self.spectrum) if self.kernel_matrix is None else self.kernel_matrix
        return jnp.asarray(matrix) * self.rate

    def features(self) -> np.ndarray:
        return np.sqrt(np.asarray(self.rate)) * circulant(np.sqrt(np.asarray(self.spectrum)))


def _resolved(spectrum: jax.Array) -> jax.Array:
    """The spectrum without slopes where it is nothing but rounding, by whose root they would be divided."""
    # Of a gradient in single precision 10⁻⁵ is wrong with this; 5·10⁻⁴ of it were left out at the rounding of a sum.
    floor = 0.1 * jnp.finfo(spectrum.dtype).eps * jnp.max(spectrum)
    return jnp.where(spectrum > floor, spectrum, lax.stop_gradient(jnp.maximum(spectrum, 0.0)))


def _root(spectrum: Array) -> Array:
    return np.sqrt(spectrum) if is_concrete(spectrum) else root(spectrum)


# Below this many grid points a real dense product is faster than a fast Fourier transform on 2 CPU cores.
DENSE_KERNEL_POINTS = 512


def circulant(spectrum: Array) -> Array:
    """The real matrix M_ij = m(x_i − x_j) on a periodic grid of any dimension whose transform is `spectrum`."""
    profile = (np if is_concrete(spectrum) else jnp).fft.ifftn(spectrum).real
    index = np.indices(profile.shape).reshape(profile.ndim, -1)
    difference = (index[:, :, None] - index[:, None, :]) % np.array(profile.shape)[:, None, None]
    return profile[tuple(difference)]

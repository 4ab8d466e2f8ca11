"""Diagonal collapse: L_k = diag(F_k) with real features, fully described by the kernel κ_ij = Σ_k F_ki F_kj.

SUV, CSL, QMUPL, Diósi-Penrose, energy-driven and lattice collapse all belong here (PHYSICS.md §1, family 1).
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import as_real, is_concrete
from stochq.channels.born import draw_level
from stochq.channels.channel import Basis, Channel, Given, MeanFlow, NoiseLaw, populations
from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import dyadic_normals, dyadic_words, mark
from stochq.noise.roots import root
from stochq.systems.fourier import filtered
from stochq.systems.linear import column, level_sum, multiply, times_real


class DiagonalCollapse(Channel):
    """Collapse towards the vectors of one basis. Abstract: a subclass gives κ as an action.

    Decoherence: dρ_ij/dt = −Γ_ij ρ_ij with Γ_ij = ½(κ_ii + κ_jj) − κ_ij.
    """

    @property
    def noises(self) -> int:
        """Number of real Wiener processes."""
        raise NotImplementedError

    def field(self, normals: jax.Array) -> jax.Array:
        """A Gaussian vector with covariance κ, (dim, *columns), from standard normals, (K, *columns)."""
        raise NotImplementedError

    def smooth(self, weights: jax.Array) -> jax.Array:
        """κ @ weights, (dim, *columns)."""
        raise NotImplementedError

    def diagonal(self) -> jax.Array:
        """κ_ii, (dim,)."""
        raise NotImplementedError

    def kernel(self) -> jax.Array:
        """κ as a matrix, (dim, dim)."""
        raise NotImplementedError

    def features(self) -> np.ndarray:
        """F as a matrix, (K, dim)."""
        raise NotImplementedError

    def decoherence(self) -> jax.Array:
        """Γ_ij = ½(κ_ii + κ_jj) − κ_ij, (dim, dim)."""
        kernel, diagonal = self.kernel(), self.diagonal()
        return 0.5 * (diagonal[:, None] + diagonal[None, :]) - kernel

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        return -self.decoherence() * rho

    def operators(self) -> np.ndarray:
        return np.stack([np.diag(row).astype(complex) for row in self.features()])

    def unsupported(self, law: NoiseLaw) -> str:
        return ""

    def unsupported_colour(self, law: NoiseLaw) -> str:
        return "" if law == "unitary" else f"coloured {law} noise would need memory terms, a random potential none"

    def budget(self, law: NoiseLaw) -> Budget:
        return Budget(pairs=self.noises) if law == "complex" else Budget(singles=self.noises)

    def flow_budget(self, law: NoiseLaw) -> Budget:
        return self.budget(law) + Budget(uniforms=0 if law == "unitary" else 1)

    def flow_is_symmetric(self, law: NoiseLaw) -> bool:
        return True

    def mean_step(self, law: NoiseLaw) -> float:
        return np.inf

    def discrete_mean_step(self, law: NoiseLaw) -> float:
        return 0.0

    def mean_flow(self, dt: float) -> MeanFlow:
        """ρ_ij exp(−Γ_ij dt)."""
        decay = np.exp(-dt * np.asarray(self.decoherence()))
        return lambda rho: decay * rho

    def flow_draws_index(self, law: NoiseLaw) -> bool:
        return law != "unitary"

    def drift(self, t: jax.Array, psi: jax.Array, law: NoiseLaw) -> jax.Array:
        if law == "unitary":
            return times_real(-0.5 * column(self.diagonal(), psi), psi)
        probability = populations(psi)
        smooth = self.smooth(probability)
        mean = level_sum(probability * smooth)
        return times_real(smooth - 0.5 * column(self.diagonal(), psi) - 0.5 * mean, psi)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        if law == "complex":
            scale, probability = jnp.sqrt(0.5 * dt), populations(psi)
            parts = (self.field(noise.pairs.real) * scale, self.field(noise.pairs.imag) * scale)
            return jax.lax.complex(*(part - level_sum(probability * part) for part in parts)) * psi
        field = self.field(noise.singles) * jnp.sqrt(dt)
        if law == "unitary":
            return jax.lax.complex(field * psi.imag, -field * psi.real)
        return times_real(field - level_sum(populations(psi) * field), psi)

    def flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """Exact in law over any dt: complex noise is half the rate collapsing and half a random phase."""
        if law == "unitary":
            return psi * _phase(self.field(noise.singles) * jnp.sqrt(dt))
        return self._collapse(dt, psi, noise, law, _draw_index(populations(psi), noise.uniforms[0]))

    def smooth_flow_budget(self, law: NoiseLaw) -> Budget:
        return self.budget(law) + Budget(singles=0 if law == "unitary" else self.dim)

    def smooth_flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """Weak order 2: the drawn unit vector e_j is replaced by a Gaussian of its mean and covariance."""
        if law == "unitary":
            return self.flow(t, dt, psi, noise, law, reverse)
        own, extra = noise.split(self.budget(law))
        return self._collapse(dt, psi, own, law, _gaussian_index(populations(psi), extra.singles))

    def discrete_flow_budget(self, law: NoiseLaw) -> Budget:
        return Budget(words=dyadic_words(self.cells(law), law != "unitary"))

    def cells(self, law: NoiseLaw) -> int:
        """Increments of four values in one discrete flow."""
        return 2 * self.noises if law == "complex" else self.noises

    def discrete_flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool, terms: Any
    ) -> jax.Array:
        """As `flow`, with normals of four values: of weak order 2 instead of exact."""
        dtype, count = psi.real.dtype, self.cells(law)
        normals = dyadic_normals(noise.words, count, dtype)
        own = StepNoise(normals, normals[:0].astype(psi.dtype), normals[:0])
        if law == "unitary":
            return self.flow(t, dt, psi, own, law, reverse)
        if law == "complex":
            own = own._replace(pairs=jax.lax.complex(normals[: self.noises], normals[self.noises :]))
        return self._collapse(dt, psi, own, law, _draw_index(populations(psi), mark(noise.words[0], count, dtype)))

    def _collapse(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, chosen: jax.Array) -> jax.Array:
        if law == "real":
            return self._weigh(dt, psi, noise.singles, chosen)
        psi = self._weigh(0.5 * dt, psi, noise.pairs.real, chosen)
        return psi * _phase(self.field(noise.pairs.imag) * jnp.sqrt(0.5 * dt))

    def _weigh(self, dt: jax.Array, psi: jax.Array, normals: jax.Array, chosen: jax.Array) -> jax.Array:
        """ψ_i ← ψ_i exp(2dt κ_ij* + φ_i − dt κ_ii), j* drawn from |ψ_j|², φ Gaussian with covariance κ dt."""
        probability = populations(psi)
        exponent = dt * (2 * self.smooth(chosen) - column(self.diagonal(), psi)) + jnp.sqrt(dt) * self.field(normals)
        weight = jnp.exp(exponent - jnp.max(exponent, axis=0, keepdims=True))
        return times_real(weight * jax.lax.rsqrt(level_sum(probability * weight * weight)), psi)


def _phase(angle: jax.Array) -> jax.Array:
    return jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))


def _gaussian_index(probability: jax.Array, normals: jax.Array) -> jax.Array:
    """Gaussian vectors with the mean p and the covariance diag(p) − ppᵀ of `_draw_index`, but smooth in p."""
    amplitude = root(probability)
    return probability + amplitude * normals - probability * level_sum(amplitude * normals)


def _draw_index(probability: jax.Array, uniform: jax.Array) -> jax.Array:
    """Unit vectors e_j, one for each column, with j drawn from `probability`."""
    levels = column(jnp.arange(probability.shape[0], dtype=jnp.int32), probability)
    return (levels == draw_level(probability, uniform)[0][None]).astype(probability.dtype)


@final
class Features(DiagonalCollapse):
    """L_k = √rate diag(F_k) with real features F, (K, dim)."""

    matrix: Any
    rate: Any
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, matrix: Any, rate: Any = 1.0, basis: Basis | None = None) -> None:
        self.matrix, self.rate = as_real(matrix), as_real(rate)
        if is_concrete(self.matrix) and (self.matrix.ndim != 2 or not np.all(np.isfinite(self.matrix))):
            raise ValueError(f"matrix: expected finite features of shape (K, dim), got shape {self.matrix.shape}.")
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrix.shape[1]

    @property
    def noises(self) -> int:
        return self.matrix.shape[0]

    def field(self, normals: jax.Array) -> jax.Array:
        return root(self.rate) * multiply(self.matrix.T, normals)

    def smooth(self, weights: jax.Array) -> jax.Array:
        return self.rate * multiply(self.matrix.T, multiply(self.matrix, weights))

    def diagonal(self) -> jax.Array:
        return self.rate * jnp.sum(jnp.square(self.matrix), axis=0)

    def kernel(self) -> jax.Array:
        return jnp.asarray(self.rate * (self.matrix.T @ self.matrix))

    def features(self) -> np.ndarray:
        return np.sqrt(np.asarray(self.rate)) * np.asarray(self.matrix)


@final
class Kernel(DiagonalCollapse):
    """Collapse on a periodic grid with a kernel that depends on the distance only: κ_ij = rate · shape(x_i − x_j).

    `profile` holds the shape function on the grid, distances in the order of the FFT (zero first), with the grid's
    own shape. Actions are dense products on small grids and fast Fourier transforms on large ones.
    """

    spectrum: Any
    rate: Any
    peak: Any
    root_matrix: Any
    kernel_matrix: Any
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, profile: Any, rate: Any) -> None:
        profile = np.asarray(profile, dtype=np.float64)
        spectrum = np.fft.fftn(profile).real
        if spectrum.min() < -1e-9 * spectrum.max():
            raise ValueError(
                "profile: expected a positive semi-definite kernel on the periodic grid; its Fourier transform "
                f"reaches {spectrum.min():.3g} (largest {spectrum.max():.3g}). Symmetrise it or lengthen the box."
            )
        self.spectrum = np.maximum(spectrum, 0.0)
        self.rate, self.peak = as_real(rate), np.float64(profile.flat[0])
        dense = profile.size <= DENSE_KERNEL_POINTS
        self.root_matrix = circulant(np.sqrt(self.spectrum)) if dense else None
        self.kernel_matrix = circulant(self.spectrum) if dense else None
        self.basis = Given()

    @property
    def dim(self) -> int:
        return self.spectrum.size

    @property
    def noises(self) -> int:
        return self.dim

    def field(self, normals: jax.Array) -> jax.Array:
        if self.root_matrix is not None:
            return root(self.rate) * multiply(self.root_matrix, normals)
        return root(self.rate) * filtered(jnp.sqrt(self.spectrum), normals).real

    def smooth(self, weights: jax.Array) -> jax.Array:
        if self.kernel_matrix is not None:
            return self.rate * multiply(self.kernel_matrix, weights)
        return self.rate * filtered(self.spectrum, weights).real

    def diagonal(self) -> jax.Array:
        return self.rate * self.peak * jnp.ones(self.dim)

    def kernel(self) -> jax.Array:
        matrix = circulant(self.spectrum) if self.kernel_matrix is None else self.kernel_matrix
        return self.rate * jnp.asarray(matrix)

    def features(self) -> np.ndarray:
        return np.sqrt(np.asarray(self.rate)) * circulant(np.sqrt(np.asarray(self.spectrum)))


# Below this many grid points a real dense product is faster than a fast Fourier transform on 2 CPU cores.
DENSE_KERNEL_POINTS = 512


def circulant(spectrum: Any) -> Any:
    """The real matrix M_ij = m(x_i − x_j) on a periodic grid of any dimension whose transform is `spectrum`."""
    profile = (np if is_concrete(spectrum) else jnp).fft.ifftn(spectrum).real
    index = np.indices(profile.shape).reshape(profile.ndim, -1)
    difference = (index[:, :, None] - index[:, None, :]) % np.array(profile.shape)[:, None, None]
    return profile[tuple(difference)]

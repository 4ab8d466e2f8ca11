"""Diagonal collapse: L_k = diag(F_k) with real features, fully described by the kernel κ_ij = Σ_k F_ki F_kj.

SUV, CSL, QMUPL, Diósi-Penrose, energy-driven and lattice collapse all belong here.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.channels.born import draw_level
from stochq.channels.channel import Channel, Flow, MeanFlow, NoiseLaw, populations
from stochq.noise import Budget, StepNoise
from stochq.noise.roots import root
from stochq.systems.linear import column, level_sum, times_real


class DiagonalCollapse(Channel):
    """Collapse towards the vectors of one basis. Abstract: a subclass gives κ as an action.

    Decoherence: dρ_ij/dt = −Γ_ij ρ_ij with Γ_ij = ½(κ_ii + κ_jj) − κ_ij.
    """

    @property
    def moves_populations(self) -> bool:
        return False

    @property
    def is_secular(self) -> bool:
        return True

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

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.abs(vectors) ** 2
        rates = np.zeros((vectors.shape[1],) * 2)
        for row in self.features():
            rates += np.abs(vectors.conj().T @ (row[:, None] * vectors)) ** 2
        return rates, weights.T @ np.asarray(self.decoherence()) @ weights

    def unsupported(self, law: NoiseLaw) -> str:
        return ""

    def unsupported_colour(self, law: NoiseLaw) -> str:
        return "" if law == "unitary" else f"coloured {law} noise would need memory terms, a random potential none"

    def budget(self, law: NoiseLaw) -> Budget:
        return Budget(pairs=self.noises) if law == "complex" else Budget(singles=self.noises)

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

    def flow(self, law: NoiseLaw) -> Flow:
        return ExactCollapse(self, law)

    def smooth_flow(self, law: NoiseLaw) -> Flow:
        return ExactCollapse(self, law) if law == "unitary" else SmoothCollapse(self, law)


@eqx.filter_jit
def _compiled_decoherence(channel: DiagonalCollapse) -> jax.Array:
    """The search for a step asks for it, and operation by operation it takes longer."""
    return channel.decoherence()


class Collapse(Flow):
    """Collapse with ψ_i ← ψ_i exp(2dt κ_ij* + φ_i − dt κ_ii). Abstract: a subclass draws the level j* and the field φ.

    Complex noise is half the rate collapsing and half a random phase; unitary noise is nothing but a phase.
    """

    channel: DiagonalCollapse

    def decay(self, dt: float) -> MeanFlow:
        """ρ_ij exp(−Γ_ij dt)."""
        decay = np.exp(-dt * np.asarray(_compiled_decoherence(self.channel)))
        return lambda rho: decay * rho

    def turned(self, dt: jax.Array, psi: jax.Array, normals: jax.Array) -> jax.Array:
        """ψ with the phase of a field over dt."""
        angle = self.channel.field(normals) * jnp.sqrt(dt)
        return psi * jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))

    def collapsed(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, chosen: jax.Array) -> jax.Array:
        """chosen: what stands for the unit vector e_j*, (dim, *columns)."""
        if self.law == "real":
            return self._weighed(dt, psi, noise.singles, chosen)
        return self.turned(0.5 * dt, self._weighed(0.5 * dt, psi, noise.pairs.real, chosen), noise.pairs.imag)

    def _weighed(self, dt: jax.Array, psi: jax.Array, normals: jax.Array, chosen: jax.Array) -> jax.Array:
        """j* drawn from |ψ_j|², φ Gaussian with covariance κ dt."""
        channel, probability = self.channel, populations(psi)
        drift = 2 * channel.smooth(chosen) - column(channel.diagonal(), psi)
        exponent = dt * drift + jnp.sqrt(dt) * channel.field(normals)
        weight = jnp.exp(exponent - jnp.max(exponent, axis=0, keepdims=True))
        return times_real(weight * jax.lax.rsqrt(level_sum(probability * weight * weight)), psi)


@final
class ExactCollapse(Collapse):
    """Exact in law over any dt."""

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law) + Budget(uniforms=0 if self.law == "unitary" else 1)

    @property
    def is_differentiable(self) -> bool:
        return self.law == "unitary"

    @property
    def mean_limit(self) -> float:
        return np.inf

    @property
    def mean_is_exact(self) -> bool:
        return True

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow:
        return self.decay(dt)

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        if self.law == "unitary":
            return self.turned(dt, psi, noise.singles)
        return self.collapsed(dt, psi, noise, _draw_index(populations(psi), noise.uniforms[0]))


@final
class SmoothCollapse(Collapse):
    """Weak order 2: the drawn unit vector e_j is replaced by a Gaussian of its mean and covariance."""

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law) + Budget(singles=self.channel.dim)

    @property
    def is_differentiable(self) -> bool:
        return True

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        own, extra = noise.split(self.channel.budget(self.law))
        return self.collapsed(dt, psi, own, _gaussian_index(populations(psi), extra.singles))


def _gaussian_index(probability: jax.Array, normals: jax.Array) -> jax.Array:
    """Gaussian vectors with the mean p and the covariance diag(p) − ppᵀ of `_draw_index`, but smooth in p."""
    amplitude = root(probability)
    return probability + amplitude * normals - probability * level_sum(amplitude * normals)


def _draw_index(probability: jax.Array, uniform: jax.Array) -> jax.Array:
    """Unit vectors e_j, one for each column, with j drawn from `probability`."""
    levels = column(jnp.arange(probability.shape[0], dtype=jnp.int32), probability)
    return (levels == draw_level(probability, uniform)[0][None]).astype(probability.dtype)

"""Transitions: L_μν = √J_μν |μ⟩⟨ν| for all pairs of levels (PHYSICS.md §1, family 2).

There are dim² operators, but given ψ the noise enters one step only as η_μ = Σ_ν √J_μν ψ_ν dW_μν: Gaussian and
independent over μ, E|η_μ|² = dt Σ_ν J_μν|ψ_ν|², E[η_μ²] = dt Σ_ν J_μν ψ_ν² (real noise) or 0 (complex noise).
Two normals per level replace dim² Wiener processes exactly in law.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import as_real
from stochq.channels.channel import LARGEST_MEAN_MAP, Basis, Channel, Given, MeanFlow, NoiseLaw, populations
from stochq.channels.sweep import GaussianTerms, gaussian_visits, sweep, visit_durations
from stochq.channels.sweep_discrete import DiscreteTerms, discrete_visits
from stochq.channels.sweep_matrix import sweep_matrix
from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import dyadic_words
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.linear import apply_matrix, column, inner, level_sum, times_real


class Transitions(Channel):
    """All transitions ν → μ at rates J_μν. Abstract: a subclass gives J as an action."""

    def gain(self, weights: jax.Array) -> jax.Array:
        """Σ_ν J_μν w_ν, (dim, *columns)."""
        raise NotImplementedError

    def loss(self) -> jax.Array:
        """Σ_μ J_μν, (dim,)."""
        raise NotImplementedError

    def rates(self) -> np.ndarray:
        """J as a matrix, (dim, dim)."""
        raise NotImplementedError

    def unsupported(self, law: NoiseLaw) -> str:
        if law == "unitary":
            return "noise: 'unitary' needs Hermitian jump operators, and |μ⟩⟨ν| is not. Use 'real' or 'complex'."
        return ""

    def budget(self, law: NoiseLaw) -> Budget:
        return Budget(pairs=self.dim)

    def flow_budget(self, law: NoiseLaw) -> Budget:
        collapsing = (self.dim + 1) // 2 if law == "real" else self.dim
        return Budget(pairs=self.dim + collapsing, uniforms=1, uniform_pairs=self.dim)

    def flow_is_symmetric(self, law: NoiseLaw) -> bool:
        return True

    def flow_draws_index(self, law: NoiseLaw) -> bool:
        return True

    def flow_has_gradient(self, law: NoiseLaw) -> bool:
        return False

    def drift(self, t: jax.Array, psi: jax.Array, law: NoiseLaw) -> jax.Array:
        """(Σ_ν J_μν|ψ_ν|² − ½ Σ_ν J_νμ − ½ Σ_κν J_κν|ψ_κ|²|ψ_ν|²) ψ_μ."""
        probability = populations(psi)
        gain = self.gain(probability)
        return times_real(gain - 0.5 * column(self.loss(), psi) - 0.5 * level_sum(probability * gain), psi)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        """η_μ − (Σ_κ ψ_κ* η_κ) ψ_μ."""
        variance = self.gain(populations(psi))
        relation = self.gain(psi * psi) if law == "real" else None
        increment = times_real(jnp.sqrt(dt), correlated(noise.pairs, variance, relation))
        return increment - inner(psi, increment) * psi

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        loss = self.loss()
        gained = self.gain(jnp.diagonal(rho))
        return jnp.diag(gained) - 0.5 * (loss[:, None] + loss[None, :]) * rho

    def operators(self) -> np.ndarray:
        amplitudes = np.sqrt(self.rates())
        operators = np.zeros((self.dim, self.dim, self.dim, self.dim), complex)
        index = np.arange(self.dim)
        operators[index[:, None], index[None, :], index[:, None], index[None, :]] = amplitudes
        return operators.reshape(-1, self.dim, self.dim)


@final
class Separable(Transitions):
    """J_μν = A_μ B_ν at O(dim) per step. OQT is A = (α𝒩/ħ)χ, B = 1 (`thermalization` eq. 5)."""

    target: Any
    source: Any
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, target: Any, source: Any = None, basis: Basis | None = None) -> None:
        self.target = as_real(target)
        self.source = None if source is None else as_real(source)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.target.shape[0]

    def gain(self, weights: jax.Array) -> jax.Array:
        return column(self.target, weights) * self._sum(weights)

    def _sum(self, weights: jax.Array) -> jax.Array:
        """Σ_ν B_ν w_ν, (1, *columns)."""
        return level_sum(weights if self.source is None else column(self.source, weights) * weights)

    def loss(self) -> jax.Array:
        total = jnp.sum(self.target)
        return total * (jnp.ones_like(self.target) if self.source is None else self.source)

    def rates(self) -> np.ndarray:
        source = np.ones(self.dim) if self.source is None else np.asarray(self.source)
        return np.outer(np.asarray(self.target), source)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        """As for any rates; the correlation of η is one scalar for all levels."""
        variance = self._sum(populations(psi))
        relation = self._square_sum(psi) if law == "real" else None
        scale = column(root(self.target * dt), psi)
        increment = times_real(scale, correlated(noise.pairs, variance, relation))
        return increment - inner(psi, increment) * psi

    def _square_sum(self, psi: jax.Array) -> jax.Array:
        """Σ_ν B_ν ψ_ν², (1, *columns)."""
        return jax.lax.complex(self._sum(psi.real * psi.real - psi.imag * psi.imag), 2 * self._sum(psi.real * psi.imag))

    @property
    def flow_block(self) -> int:
        # The sweep is a loop over levels of operations on one row each.
        return 512

    def mean_step(self, law: NoiseLaw) -> float:
        """Any, without a source; single trajectories should not be stepped over more than half a relaxation time."""
        total = float(np.sum(np.asarray(self.target)))
        return 0.0 if self.source is not None else 0.5 / total if total > 0 else np.inf

    def mean_flow(self, dt: float) -> MeanFlow:
        """e^{−a dt}ρ + (1 − e^{−a dt}) Tr(ρ) diag(A)/a, a = ΣA."""
        target = np.asarray(self.target)
        kept = np.exp(-dt * target.sum())
        share = target / (target.sum() or 1.0)
        return lambda rho: kept * rho + (1 - kept) * np.trace(rho).real * np.diag(share)

    def flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """As for any rates; at O(dim) where they do not depend on the level left behind."""
        if self.source is None:
            up, down = self._terms(GaussianTerms, dt, law)
            return sweep((up, down.of_opposite_noise()), psi, noise, gaussian_visits, law)
        return sweep_matrix(jnp.outer(self.target, self.source), dt, psi, noise, law)

    @property
    def discrete_is_sooner(self) -> bool:
        # Joined steps share little of their noise: not where pilot runs tell the bias.
        return self.source is None and self.dim <= LARGEST_MEAN_MAP

    def discrete_flow_budget(self, law: NoiseLaw) -> Budget:
        if self.source is not None:
            return self.flow_budget(law)
        return Budget(
            uniforms=1,
            words=0 if law == "real" else dyadic_words(self.dim, marked=False),
            uniform_pairs=self.dim + (self.dim + 1) // 2,
        )

    def discrete_terms(self, dt: jax.Array, law: NoiseLaw) -> Any:
        return None if self.source is not None else self._terms(DiscreteTerms, dt, law)

    def _terms(self, kind: type[GaussianTerms] | type[DiscreteTerms], dt: jax.Array, law: NoiseLaw) -> Any:
        """What the step says of the visits upwards and of those downwards."""
        return tuple(kind.over(duration, law) for duration in visit_durations(jnp.asarray(self.target), dt))

    def discrete_flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool, terms: Any
    ) -> jax.Array:
        """The sweep with few values where it takes O(dim); as exact in the mean, for others of weak order 2."""
        if self.source is not None:
            return self.flow(t, dt, psi, noise, law, reverse)
        return sweep(terms, psi, noise, discrete_visits, law)


@final
class RateMatrix(Transitions):
    """Any rates J_μν of ν → μ, (dim, dim), at O(dim²) per step: Davies generators of thermal baths."""

    matrix: Any
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, matrix: Any, basis: Basis | None = None) -> None:
        self.matrix = as_real(matrix)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrix.shape[0]

    def gain(self, weights: jax.Array) -> jax.Array:
        return apply_matrix(self.matrix, weights)

    def loss(self) -> jax.Array:
        return jnp.sum(jnp.asarray(self.matrix), axis=0)

    def rates(self) -> np.ndarray:
        return np.asarray(self.matrix)

    def flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """One sweep over the target levels in a random direction, of weak order 2."""
        return sweep_matrix(jnp.asarray(self.matrix), dt, psi, noise, law)

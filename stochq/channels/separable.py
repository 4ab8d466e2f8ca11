"""Transitions whose rates are products, J_μν = A_μ B_ν, at O(dim) per step: thermalization."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import as_real, is_concrete
from stochq.channels.channel import JUST, LARGEST_MEAN_MAP, Basis, Flow, Given, MeanFlow, NoiseLaw, populations
from stochq.channels.sweep import GaussianTerms, gaussian_visits, sweep, sweep_budget, visit_durations
from stochq.channels.sweep_discrete import DiscreteTerms, discrete_visits
from stochq.channels.transitions import MatrixSweep, Transitions
from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import dyadic_words
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.systems.linear import column, inner, level_sum, times_real


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

    def arrival_rates(self) -> np.ndarray | None:
        return np.asarray(self.target) if self.source is None else None

    def rates(self) -> Any:
        source = np.ones(self.dim) if self.source is None else self.source
        library: Any = np if is_concrete(self.target) and is_concrete(source) else jnp
        return library.outer(self.target, source)

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

    def flow(self, law: NoiseLaw) -> Flow:
        return Sweep(self, law) if self.source is None else MatrixSweep(self, law)

    def discrete_flow(self, law: NoiseLaw) -> Flow:
        return DiscreteSweep(self, law) if self.source is None else MatrixSweep(self, law)


class LevelSweep(Flow):
    """One sweep at O(dim) where rates do not depend on the level left behind, exact in the mean. Abstract: Gaussian
    noise or noise of few values."""

    channel: Separable

    @property
    def smallest_block(self) -> int:
        # The sweep is a loop over levels of operations on one row each. Larger blocks would leave cores without work
        # in ensembles of some hundred trajectories, and save no more than a tenth.
        return 128

    @property
    def mean_limit(self) -> float:
        """Any; single trajectories should not be stepped over more than half a relaxation time."""
        total = float(np.sum(np.asarray(self.channel.target)))
        return 0.5 / total if total > 0 else np.inf

    @property
    def mean_is_exact(self) -> bool:
        return True

    def relaxed(self, dt: float) -> MeanFlow:
        """e^{−a dt}ρ + (1 − e^{−a dt}) Tr(ρ) diag(A)/a, a = ΣA."""
        target = np.asarray(self.channel.target)
        kept = np.exp(-dt * target.sum())
        share = target / (target.sum() or 1.0)
        return lambda rho: kept * rho + (1 - kept) * np.trace(rho).real * np.diag(share)

    def durations(self, dt: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Of the visits upwards and of those downwards, (dim,) each."""
        return visit_durations(jnp.asarray(self.channel.target), dt)


@final
class Sweep(LevelSweep):
    """By Gaussian noise: every visit exact in law, the whole of weak order 2."""

    @property
    def budget(self) -> Budget:
        return sweep_budget(self.channel.dim, self.law)

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow:
        return self.relaxed(dt)

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        up, down = (GaussianTerms.over(duration, self.law) for duration in self.durations(dt))
        return sweep((up, down.of_opposite_noise()), psi, noise, gaussian_visits, self.law)


@final
class DiscreteSweep(LevelSweep):
    """By noise of few values: as exact in the mean, for other averages of weak order 2."""

    @property
    def budget(self) -> Budget:
        dim = self.channel.dim
        words = 0 if self.law == "real" else dyadic_words(dim, marked=False)
        return Budget(uniforms=1, words=words, uniform_pairs=dim + (dim + 1) // 2)

    @property
    def is_sooner(self) -> bool:
        # Joined steps share little of their noise: not where pilot runs tell the bias.
        return self.channel.dim <= LARGEST_MEAN_MAP

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow | None:
        return self.relaxed(dt) if dt <= JUST * self.mean_limit else None

    def terms(self, dt: jax.Array) -> Any:
        return tuple(DiscreteTerms.over(duration, self.law) for duration in self.durations(dt))

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        return sweep(terms, psi, noise, discrete_visits, self.law)

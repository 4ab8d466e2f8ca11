"""Collapse onto single vectors of a basis, each at its own rate."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import as_real
from stochq.channels.channel import JUST, Basis, Flow, Given, MeanFlow, NoiseLaw
from stochq.channels.diagonal import CollapseByFewValues, DiagonalCollapse
from stochq.channels.kicks import LONGEST, collapse, kicks, phase_kicks, turn
from stochq.noise import StepNoise
from stochq.noise.discrete import cells, mark
from stochq.noise.roots import root
from stochq.systems.linear import column


@final
class Projectors(DiagonalCollapse):
    """L_k = √rate_k |k⟩⟨k|, one for every vector of the basis: SUV (`thermalization` eq. 7)."""

    rates: Any
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, rates: Any, basis: Basis | None = None) -> None:
        self.rates = as_real(rates)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.rates.shape[0]

    @property
    def noises(self) -> int:
        return self.dim

    def field(self, normals: jax.Array) -> jax.Array:
        return column(root(self.rates), normals) * normals

    def smooth(self, weights: jax.Array) -> jax.Array:
        return column(self.rates, weights) * weights

    def diagonal(self) -> jax.Array:
        return jnp.asarray(self.rates)

    def kernel(self) -> jax.Array:
        return jnp.diag(self.rates)

    def features(self) -> np.ndarray:
        return np.diag(np.sqrt(np.asarray(self.rates)))

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.abs(vectors) ** 2
        rates = weights.T @ (np.asarray(self.rates)[:, None] * weights)
        return rates, weights.T @ np.asarray(self.decoherence()) @ weights

    def discrete_flow(self, law: NoiseLaw) -> Flow:
        return KickedCollapse(self, law)


@final
class KickedCollapse(CollapseByFewValues):
    """Kicks of four values, exact for linear averages over any dt that takes no more than `LONGEST`, for others of weak
    order 2."""

    channel: Projectors

    @property
    def is_sooner(self) -> bool:
        return True

    @property
    def longest_step(self) -> float:
        """As long as four values hold the loss of coherence."""
        fastest = float(np.max(np.asarray(self.channel.rates), initial=0.0))
        return LONGEST / fastest if fastest > 0 else np.inf

    @property
    def mean_limit(self) -> float:
        return self.longest_step

    @property
    def mean_is_exact(self) -> bool:
        return True

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow | None:
        return self.decay(dt) if dt <= JUST * self.mean_limit else None

    def terms(self, dt: jax.Array) -> Any:
        """The kicks over the whole step, and over one half of it: a joined step makes two, the one after the other."""
        loss = (0.5 if self.law == "complex" else 1.0) * dt * jnp.asarray(self.channel.rates)
        # Halved after the cut, so that a joined step has the mean of the step for which it stands.
        loss = jnp.minimum(loss, LONGEST)
        return tuple((kicks(share * loss), phase_kicks(share * loss)) for share in (1.0, 0.5))

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        dim, count, (weights, phases) = len(psi), self.cells, terms[len(noise.words) - 1]
        for words in noise.words:
            cell = cells(words, count)
            if self.law != "unitary":
                psi = collapse(weights, psi, cell[:dim], mark(words, count, psi.real.dtype))
            if self.law != "real":
                psi = turn(phases, psi, cell[-dim:])
        return psi

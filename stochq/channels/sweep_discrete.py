r"""The sweep (`channels.sweep`) with records of four values: three draws make a visit, each with its exact weight.

With x = ψ_μ, n = Σ|ψ_ν|² over the others and z of the values of `DYADIC`, chances c:

  collapse   x ← w(z)x             z drawn ∝ c(w(z)²|x|² + n), w as in `channels.kicks`
  arrivals   x ← x + v₁z₁ + v₂z₂   z₁ drawn by its chance whatever z₂ is, then z₂, ∝ c₁c₂(|x + v₁z₁ + v₂z₂|² + n)

v₁, v₂ is a triangular root of the covariance of what arrives. The mean is as exact as that of Gaussian noise.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.channels.channel import populations
from stochq.channels.kicks import kicks, phase_kicks
from stochq.channels.sweep import Visit, downwards
from stochq.noise import StepNoise
from stochq.noise.discrete import CELLS, DYADIC, DYADIC_BOUNDS, cells
from stochq.noise.roots import root
from stochq.systems.linear import times_real

# Σ c, Σ cz and Σ cz² over the first one, two and three values; over all of them they are 1, 0 and 1.
_SUMS = np.cumsum(DYADIC.chances * DYADIC.values ** np.arange(3)[:, None], axis=1).T[:-1]


class DiscreteTerms(NamedTuple):
    """What visits by few values need of the step, of every visit in one direction: the weights w and for complex noise
    the phases, four each; Σ cw² over the first one, two and three; e^{h/2} and e^h − 1."""

    weights: tuple[jax.Array, ...]
    sums: tuple[jax.Array, ...]
    phases: tuple[jax.Array, ...]
    growth: jax.Array
    gained: jax.Array

    @staticmethod
    def over(h: jax.Array, law: str) -> "DiscreteTerms":
        """For complex noise half of the collapse is a phase."""
        share = h if law == "real" else 0.5 * h
        own, phases = kicks(share), () if law == "real" else tuple(phase_kicks(share))
        return DiscreteTerms(tuple(own.weights), tuple(own.bounds / CELLS), phases, jnp.exp(0.5 * h), jnp.expm1(h))


def discrete_visits(noise: StepNoise, dim: int, law: str) -> Visit:
    """Visits by noise of few values. noise: as `DiscreteSweep.budget` says, two numbers a level for the
    arrivals and then one for the collapse, two levels in a pair."""
    down = downwards(noise)
    phase_cells = None if law == "real" else cells(noise.words[0], dim)

    def collapse(x: jax.Array, n: jax.Array, index: jax.Array, mark: jax.Array, terms: DiscreteTerms) -> jax.Array:
        probability = populations(x)
        bounds = [a * probability + c * n for a, c in zip(terms.sums, _SUMS[:, 0].astype(n.dtype), strict=True)]
        x = times_real(_value(terms.weights, bounds, mark * (probability + n)), x)
        if phase_cells is None:
            return x
        cell = jnp.where(down, 7 - phase_cells[index], phase_cells[index])
        return _value(terms.phases, [bound - 1 for bound in DYADIC_BOUNDS], cell) * x

    def visit(index: jax.Array, x: jax.Array, n: jax.Array, s: jax.Array, terms: DiscreteTerms) -> jax.Array:
        # As with Gaussian noise: what an antithetic number changes, the other direction changes back.
        pair, shared = noise.uniform_pairs[index], noise.uniform_pairs[dim + index // 2]
        own = jnp.where(index % 2 == 0, shared.real, shared.imag)
        mark, *marks = (jnp.where(down, 1 - u, u) for u in (own, pair.real, pair.imag))
        x = times_real(terms.growth, jnp.where(down, x, collapse(x, n, index, mark, terms)))
        x = _arrive(x, terms.gained * n, times_real(terms.gained, s) if law == "real" else None, n, *marks)
        return jnp.where(down, collapse(x, n, index, mark, terms), x)

    return visit


def _arrive(
    x: jax.Array, variance: jax.Array, relation: Any, kept: jax.Array, first: jax.Array, second: jax.Array
) -> jax.Array:
    """x + ζ with E|ζ|² = variance and E ζ² = relation (None: 0), weighted by |x + ζ|² + kept."""
    if relation is None:
        along = across = root(0.5 * variance)
        oblique = jnp.zeros_like(along)
    else:
        # A triangular root: its law has the right moments wherever its axes lie.
        along, left = (jnp.maximum(0.5 * (variance + sign * relation.real), 0) for sign in (1, -1))
        along, most = root(along), root(left)
        oblique = 0.5 * relation.imag / jnp.maximum(along, np.sqrt(jnp.finfo(variance.dtype).tiny))
        oblique = jnp.clip(oblique, -most, most)
        across = root(jnp.maximum(left - oblique * oblique, 0))
    rest = populations(x) + kept
    z = _drawn(rest + across * across, 2 * (x.real * along + x.imag * oblique), along**2 + oblique**2, first)
    x = lax.complex(x.real + along * z, x.imag + oblique * z)
    z = _drawn(populations(x) + kept, 2 * x.imag * across, across * across, second)
    return lax.complex(x.real, x.imag + across * z)


def _drawn(constant: jax.Array, linear: jax.Array, square: jax.Array, mark: jax.Array) -> jax.Array:
    """A value z of `DYADIC` drawn ∝ c(constant + linear z + square z²)."""
    bounds = [a * constant + b * linear + c * square for a, b, c in _SUMS.astype(mark.dtype)]
    return _value(DYADIC.values.astype(mark.dtype), bounds, mark * (constant + square))


def _value(values: Any, bounds: Any, place: jax.Array) -> jax.Array:
    chosen = values[0]
    for value, bound in zip(values[1:], bounds, strict=True):
        chosen = jnp.where(place > bound, value, chosen)
    return chosen

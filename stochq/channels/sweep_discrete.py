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


class Visits(NamedTuple):
    """What depends on the step alone. durations: upwards and downwards; weights w, phases: of every visit in either
    direction, (4, dim); sums: Σ cw² over the first one, two and three, (3, dim)."""

    durations: tuple[jax.Array, jax.Array]
    weights: tuple[jax.Array, jax.Array]
    sums: tuple[jax.Array, jax.Array]
    phases: tuple[jax.Array, jax.Array]

    @staticmethod
    def of(durations: tuple[jax.Array, jax.Array], law: str) -> "Visits":
        """For complex noise half of the collapse is a phase."""
        up, down = (h if law == "real" else 0.5 * h for h in durations)
        first, second = kicks(up), kicks(down)
        sums = (first.bounds / CELLS, second.bounds / CELLS)
        return Visits(durations, (first.weights, second.weights), sums, (phase_kicks(up), phase_kicks(down)))


def discrete_visits(noise: StepNoise, visits: Visits, law: str) -> Visit:
    """Visits by noise of few values. noise: as `Separable.discrete_flow_budget` says."""
    down, dim = downwards(noise), noise.uniform_pairs.shape[0]
    phase_cells = None if law == "real" else cells(noise.words[0], dim)

    def collapse(x: jax.Array, n: jax.Array, index: jax.Array, mark: jax.Array) -> jax.Array:
        weights, sums = (_of_direction(tables, index, down) for tables in (visits.weights, visits.sums))
        probability = populations(x)
        bounds = [a * probability + c * n for a, c in zip(sums, _SUMS[:, 0].astype(n.dtype), strict=True)]
        x = times_real(_value(weights, bounds, mark * (probability + n)), x)
        if phase_cells is None:
            return x
        cell = jnp.where(down, 7 - phase_cells[index], phase_cells[index])
        return _value(_of_direction(visits.phases, index, down), [bound - 1 for bound in DYADIC_BOUNDS], cell) * x

    def visit(index: jax.Array, x: jax.Array, n: jax.Array, s: jax.Array, h: jax.Array) -> jax.Array:
        # As with Gaussian noise: what an antithetic number changes, the other direction changes back.
        pair = noise.uniform_pairs[index]
        mark, *marks = (jnp.where(down, 1 - u, u) for u in (noise.uniforms[1 + index], pair.real, pair.imag))
        x = jnp.where(down, x, collapse(x, n, index, mark))
        x, gained = times_real(jnp.exp(0.5 * h), x), jnp.expm1(h)
        x = _arrive(x, gained * n, times_real(gained, s) if law == "real" else None, n, *marks)
        return jnp.where(down, collapse(x, n, index, mark), x)

    return visit


def _of_direction(tables: tuple[jax.Array, jax.Array], index: jax.Array, down: jax.Array) -> list[jax.Array]:
    up, other = (table[:, index] for table in tables)
    return [jnp.where(down, b, a) for a, b in zip(up, other, strict=True)]


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

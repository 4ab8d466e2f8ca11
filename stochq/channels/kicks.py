r"""Collapse by projectors in kicks of four values, and random phases: exact for linear averages over any step.

$$K_z=\mathrm{diag}\,w_i(z_i),\qquad w_i(z)=\frac{e^{\sigma_iz}}{\sqrt{\mathrm E\,e^{2\sigma_iz}}},\qquad
  \mathrm E\,w_i=e^{-r_ih/2}$$

z is drawn with its physical chance, ∝ ‖K_zψ‖²: a level j by |ψ_j|², its z_j by the weights w_j², all other z_i as they
come. Then Eψψ† keeps its populations and loses its coherences at the rates ½(r_i + r_j), whatever h; σ_i, a little
off √(r_i h), sees to that. Eight cells of an eighth hold the four values, so that three bits give one of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.channels.born import draw_level
from stochq.channels.channel import populations
from stochq.noise.discrete import DYADIC, DYADIC_BOUNDS
from stochq.systems.linear import column, level_sum, times_real

# The largest r_i h over one step: four values cannot hold much more.
LONGEST = 1.0
_ITERATIONS = 6


class Kicks(NamedTuple):
    """Of every level: the four weights w(z), (4, dim), and the cells where they change once z is tilted, (3, dim)."""

    weights: jax.Array
    bounds: jax.Array


def kicks(loss: jax.Array) -> Kicks:
    """Of levels whose coherences lose r_i h = `loss`, (dim,), over the step."""
    values, chances = (part[:, None].astype(loss.dtype) for part in DYADIC)

    def excess(size: jax.Array) -> jax.Array:
        """E e^{size z} − 1 without losing digits."""
        return jnp.sum(2 * chances * jnp.sinh(0.5 * size[None] * values) ** 2, axis=0)

    def slope(size: jax.Array) -> jax.Array:
        return jnp.sum(chances * values * jnp.sinh(size[None] * values), axis=0) / (1 + excess(size))

    def exponent(size: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = 0.5 * jnp.log1p(excess(2 * size)) - jnp.log1p(excess(size))
        return value, slope(2 * size) - slope(size)

    size = _solve(exponent, 0.5 * loss)
    weights = jnp.exp(size[None] * values) * jax.lax.rsqrt(1 + excess(2 * size))[None]
    return Kicks(weights, 8 * jnp.cumsum(chances * weights * weights, axis=0)[:-1])


def phase_kicks(loss: jax.Array) -> jax.Array:
    """The four phases e^{−iθz}, (4, dim), whose mean is e^{−loss/2}."""
    values, chances = (part[:, None].astype(loss.dtype) for part in DYADIC)

    def exponent(size: jax.Array) -> tuple[jax.Array, jax.Array]:
        deficit = jnp.sum(2 * chances * jnp.sin(0.5 * size[None] * values) ** 2, axis=0)
        slope = jnp.sum(chances * values * jnp.sin(size[None] * values), axis=0)
        return -jnp.log1p(-deficit), slope / (1 - deficit)

    angle = _solve(exponent, 0.5 * loss)[None] * values
    return jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))


def _solve(exponent: Callable[[jax.Array], tuple[jax.Array, jax.Array]], target: jax.Array) -> jax.Array:
    """size with exponent(size) = target, where exponent ≈ size²/2, by Newton's rule for size²."""
    present, target = target > 0, jnp.clip(target, jnp.finfo(target.dtype).tiny * 1e6, 0.5 * LONGEST)
    size = jnp.sqrt(2 * target)
    for _ in range(_ITERATIONS):
        value, slope = exponent(size)
        size = jnp.sqrt(jnp.maximum(size * size + 2 * size * (target - value) / slope, 0.25 * size * size))
    return jnp.where(present, size, 0)


def collapse(terms: Kicks, psi: jax.Array, cell: jax.Array, mark: jax.Array) -> jax.Array:
    """K_zψ/‖K_zψ‖. cell: of every level, (dim, *columns); mark: in (0, 1], (*columns)."""
    probability = populations(psi)
    index, inside = draw_level(probability, mark)
    chosen = column(jnp.arange(len(psi), dtype=jnp.int32), psi) == index[None]
    weight = _tilted(terms, cell, chosen, probability, inside[None])
    return times_real(weight * jax.lax.rsqrt(level_sum(probability * weight * weight)), psi)


def _tilted(terms: Kicks, cell: jax.Array, chosen: jax.Array, unit: jax.Array, rest: jax.Array) -> jax.Array:
    """w_i(z_i): the cell decides, and for the chosen level the place rest/unit within the cell, with shifted bounds."""
    dtype = rest.dtype
    unit, rest = jnp.where(chosen, unit, 1), jnp.where(chosen, rest, np.asarray(0.5, dtype))
    weight = column(terms.weights[0], rest)
    for value, bound, plain in zip(terms.weights[1:], terms.bounds, DYADIC_BOUNDS, strict=True):
        shifted = jnp.where(chosen, column(bound, rest), np.asarray(plain, dtype)) - cell.astype(dtype)
        weight = jnp.where(rest > unit * shifted, column(value, rest), weight)
    return weight


def turn(phases: jax.Array, psi: jax.Array, cell: jax.Array) -> jax.Array:
    """ψ times the phase of every level that its cell (dim, *columns) chooses."""
    factor = column(phases[0], psi)
    for value, bound in zip(phases[1:], DYADIC_BOUNDS, strict=True):
        factor = jnp.where(cell >= bound, column(value, psi), factor)
    return factor * psi

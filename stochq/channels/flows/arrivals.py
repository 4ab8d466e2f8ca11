"""One target level μ of the transitions, solved exactly in law: the operators √J_μν |μ⟩⟨ν| of all ν.

The norm-preserving law is the linear equation's, weighted by the squared norm it ends with (as for diagonal collapse).
With x = ψ_μ the linear equation splits into two that are solved in closed form over any h, and commute in the mean:

  ν = μ   x ← x exp(√h z − h): collapse onto μ or away from it, weighted by a shift of z with probability |x|²/|ψ|²;
  ν ≠ μ   x ← x + ζ while the others decay: ζ is Gaussian with the variance that they lose, weighted by |x + ζ|² + what
          they keep. The weight is drawn in two stages: its part even in ζ, which lengthens ζ along one of the axes of
          its covariance by an exponential variate, and then the sign of ζ.

Populations and coherences have the right mean at any h.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from stochq.laws import Law
from stochq.noise.phases import unit_phase
from stochq.noise.roots import root
from stochq.systems.linear import populations, times_real


def decide(uniform: jax.Array, weight: jax.Array, rest: jax.Array) -> tuple[jax.Array, jax.Array]:
    """An event of probability weight/(weight + rest), and a uniform variate that is independent of it, from one."""
    place = uniform * (weight + rest)
    happens = place <= weight
    share, whole = jnp.where(happens, place, place - weight), jnp.where(happens, weight, rest)
    return happens, share / jnp.maximum(whole, jnp.finfo(share.dtype).tiny)


class OwnCollapse(NamedTuple):
    """What the collapse onto one level over a duration h needs of h: the factor is exp(spread·z − decay), for complex
    noise with a phase beside it, and times `gain` where the event of `decide` happens."""

    spread: jax.Array
    decay: jax.Array
    gain: jax.Array

    @staticmethod
    def over(h: jax.Array, law: Law) -> "OwnCollapse":
        """For complex noise half of it collapses, half is a phase."""
        share = law.collapse_share * h
        return OwnCollapse(root(share), share, jnp.exp(2 * share))

    def factor(self, normal: jax.Array) -> jax.Array:
        """normal: real, or complex with E|z|² = 2."""
        if not jnp.iscomplexobj(normal):
            return jnp.exp(self.spread * normal - self.decay)
        growth = jnp.exp(self.spread * normal.real - self.decay)
        return times_real(growth, unit_phase(-self.spread * normal.imag))


def arrival(
    x: jax.Array, variance: jax.Array, relation: jax.Array | None, kept: jax.Array, normal: jax.Array, uniforms: tuple
) -> tuple[jax.Array, jax.Array]:
    """ζ with E|ζ|² = variance and E[ζ²] = relation (None: 0), weighted by |x + ζ|² + kept; and an unused uniform.

    normal: complex with E|z|² = 2; uniforms: two.
    """
    first, second = uniforms
    along, across, (cosine, sine) = _axes(variance, relation)
    even = populations(x) + kept
    tiny = jnp.finfo(variance.dtype).tiny
    share = first * (even + variance)
    longer, wider = share < along, (share >= along) & (share < variance)
    fresh = jnp.where(longer, share, share - along) / jnp.maximum(jnp.where(longer, along, across), tiny)
    drawn = jnp.where(longer, normal.real, normal.imag)
    stretched = jnp.sqrt(drawn * drawn - 2 * jnp.log(jnp.clip(fresh, tiny, 1)))
    stretched = jnp.where(drawn < 0, -stretched, stretched)
    a = root(along) * jnp.where(longer, stretched, normal.real)
    b = root(across) * jnp.where(wider, stretched, normal.imag)
    real, imaginary = cosine * a - sine * b, sine * a + cosine * b
    odd = 2 * (x.real * real + x.imag * imaginary)
    even = even + a * a + b * b
    positive, unused = decide(second, even + odd, even - odd)
    return jnp.where(positive, lax.complex(real, imaginary), lax.complex(-real, -imaginary)), unused


def _axes(variance: jax.Array, relation: jax.Array | None) -> tuple[jax.Array, jax.Array, tuple]:
    """The variances along the axes of a complex Gaussian, the larger first, and the direction of the first."""
    if relation is None:
        return 0.5 * variance, 0.5 * variance, (1.0, 0.0)
    size = jnp.sqrt(populations(relation))
    bounded = jnp.minimum(size, variance)
    turn = relation.real / jnp.maximum(size, jnp.finfo(variance.dtype).tiny)
    cosine, sine = jnp.sqrt(jnp.maximum(0.5 + 0.5 * turn, 0)), jnp.sqrt(jnp.maximum(0.5 - 0.5 * turn, 0))
    along = 0.5 * (variance + bounded)
    return along, variance - along, (cosine, jnp.where(relation.imag < 0, -sine, sine))


def collapse(
    x: jax.Array, rest: jax.Array, own: OwnCollapse, factor: jax.Array, uniform: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """x after the collapse onto its level and away from it, and an unused uniform. rest: what the others hold."""
    weight = populations(x)
    chosen, unused = decide(uniform, weight, rest)
    return scaled(factor, times_real(jnp.where(chosen, own.gain, 1), x)), unused


def scaled(factor: jax.Array, x: jax.Array) -> jax.Array:
    """factor·x for a real or a complex factor."""
    return factor * x if jnp.iscomplexobj(factor) else times_real(factor, x)

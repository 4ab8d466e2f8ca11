r"""A step of thermalization with one random vector, of weak order 2.

The norm of φ carries what the projector of the normalised equation does. With complex η, E|dη_i|² = dt, φ/|φ| obeys it,
but for a phase, where

$$d\varphi = a\chi\varphi\,dt + \sqrt a\,|\varphi|\,\chi^{1/2}d\eta .$$

Only |φ| is not linear. Its fluctuations within a step come from Re⟨φ|χ^½dη⟩, of the order of the root of the largest
weight of χ. Without them |φ|² grows by e^{ah}, and the step of any length h is

$$\psi \to \psi + \sqrt{e^{ah}-1}\,\chi^{1/2}z,\qquad E|z_i|^2 = 1 ,$$

normalised: what is left of the state, and a random vector with the covariance χ. Corrections by ⟨χ⟩ make it right to
the second weak order in h for equilibria of few states as well.
"""

from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.channels.families.equilibration import Equilibration
from stochq.channels.flow import Flow, Stepped
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import inner, normalized, times_real

# The error of the mean of an operator of norm 1, over the largest weight and (ah)², is below this over (1 + ah)², as
# quadrature over the noise shows on two levels, where it is largest.
_MEAN_ERROR = 0.3
# Below this B(x) is a series.
_SHORT = 0.5


@final
class EquilibrationFlow(Flow):
    """See above."""

    channel: Equilibration

    @property
    def budget(self) -> Budget:
        return Budget(complex_normals=self.channel.dim)

    @property
    def missing_record(self) -> str:
        return "an equilibrium without eigenstates has no record of single operators"

    def mean_error(self, dt: float) -> float:
        h, channel = float(self.channel.rate) * dt, self.channel
        return _MEAN_ERROR * float(channel.chi.largest_weight) * (h / (1 + h)) ** 2 / float(channel.purity) ** 0.5

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        real = psi.real.dtype
        return equilibrated(
            self.channel.chi, jnp.asarray(self.channel.rate * dt, real), psi, noise.complex_normals
        ), None


def equilibrated(chi: Any, h: jax.Array, psi: jax.Array, normals: jax.Array) -> jax.Array:
    """ψ after a h of it, (dim, *columns). normals: complex ones, E|z|² = 2."""
    # For a normalised state, here and in what follows; rounding of the norm is of no order.
    drawn = chi.root(times_real(jnp.sqrt(0.5 * jnp.expm1(h)), normals))
    overlap = inner(psi, drawn).real
    light = h * jnp.asarray(chi.largest_weight, h.dtype) < jnp.finfo(h.dtype).eps
    moved = lax.cond(
        light, lambda *parts: _without_weight(h, *parts), lambda *parts: _moved(chi, h, *parts), psi, drawn, overlap
    )
    return normalized(moved)


def _without_weight(h: jax.Array, psi: jax.Array, drawn: jax.Array, overlap: jax.Array) -> jax.Array:
    return psi + times_real(1 + _growths(h)[1] * overlap, drawn)


def _moved(chi: Any, h: jax.Array, psi: jax.Array, drawn: jax.Array, overlap: jax.Array) -> jax.Array:
    """With the drift aχφ, and with |φ| at the mean of its path given where the noise ends.

    The path's spread about that mean is what the sixteenths stand for: noise along φ is less by as much as other noise
    is more.
    """
    late, early = _growths(h)
    inside = chi.apply(psi)
    weight = inner(psi, inside).real
    drift = h - 0.5 * early * jnp.expm1(h) - h * overlap / 16
    noise = 1 + early * (overlap + h * weight) - h * weight / 16
    second = chi.apply(times_real(late, drawn) + times_real(0.5 * h * h, inside))
    return psi + times_real(drift, inside) + second + times_real(noise, drawn)


def _growths(h: jax.Array) -> tuple[jax.Array, jax.Array]:
    """1 − B(h) and −B'(h), B(h) = h/(e^h − 1), about h/2 and 1/2: means over a step whose noise grows as e^h.

    Of the time that is left after the noise, and of the part of the noise that comes after another part of it.
    """
    short = jnp.minimum(h, _SHORT)
    square = short * short
    late = short / 2 - square / 12 * (1 - square / 60 * (1 - square / 42))
    early = 0.5 - short / 6 * (1 - square / 30 * (1 - square / 28))
    gain = jnp.expm1(jnp.maximum(h, _SHORT))
    is_short = h < _SHORT
    longer = 1 - h / gain, (h * (gain + 1) - gain) / (gain * gain)
    return jnp.where(is_short, late, longer[0]), jnp.where(is_short, early, longer[1])

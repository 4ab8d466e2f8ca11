r"""A step of thermalization with one random vector, of weak order 2.

The norm of φ carries what the projector of the normalised equation does. With complex η, E|dη_i|² = dt, φ/|φ| obeys it,
but for a phase, where

$$d\varphi = a\chi\varphi\,dt + \sqrt a\,|\varphi|\,\chi^{1/2}d\eta .$$

Only |φ| is not linear. Its fluctuations within a step come from Re⟨φ|χ^½dη⟩, of the order of the root of the largest
weight of χ. Without them |φ|² grows by e^{ah}, and the step of any length h is

$$\psi \to \psi + \sqrt{e^{ah}-1}\,\chi^{1/2}z,\qquad E|z_i|^2 = 1 ,$$

normalised: what is left of the state, and a random vector with the covariance χ. Corrections make it right to the
second weak order in h for equilibria of few states as well; where all weights are small it is of the first order, with
an error that is a weight times h.
"""

from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.arrays import Number
from stochq.channels.families.equilibration import Equilibration
from stochq.channels.flow import Flow, Stepped
from stochq.noise import Budget, StepNoise
from stochq.systems.hamiltonian import Planes
from stochq.systems.linear import inner, level_sum, normalized, populations, times_real
from stochq.systems.propagation.windows import planes_of

# The error of the mean of an operator of norm 1 after any number of steps, over the largest weight and (ah)², is below
# this over (1 + ah)². Quadrature over the noise gives .23 at most on two levels, where χ is nearly one state and the
# run starts in the other. There a step adds errors at the rate 1.13, on two and three levels, but states leave soon.
_MEAN_ERROR = 0.3
# The same of steps with one root, over h/(1 + h): χ stands once at least in what they leave out, beside h². From the
# worst state errors come at up to 2.94 times that rate on two levels and 4.9 times on many equal ones, but die out: of
# the latter no more than e^{-1} is ever left.
_ROOT_ERROR = 3.0
# One root is taken where the error of means that it makes in any number of steps is below this, relative to the
# operator's range, which is twice its norm.
_LARGEST_BIAS = 1e-4
# Below this B(x) is a series.
_SHORT = 0.5


@final
class EquilibrationFlow(Flow):
    """See above."""

    channel: Equilibration

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return Budget(complex_normals=self.channel.dim)

    @property
    def step_limit(self) -> None:
        """Means are off by 0.12 of a range at most, where nearly all weight is one state's, and else by far less."""

    @property
    def missing_record(self) -> str:
        return "an equilibrium without eigenstates has no record of single operators"

    def mean_error(self, dt: float) -> float:
        h, weight = float(self.channel.rate) * dt, float(self.channel.chi.largest_weight)
        share = h / (1 + h)
        error = _ROOT_ERROR * share if is_light(weight, h) else _MEAN_ERROR * share**2
        return error * weight / float(self.channel.purity) ** 0.5

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        real = psi.real.dtype
        return equilibrated(
            self.channel.chi, jnp.asarray(self.channel.rate * dt, real), psi, noise.complex_normals
        ), None


def equilibrated(chi: Any, h: jax.Array, psi: jax.Array, normals: jax.Array) -> jax.Array:
    """ψ after a h of it, (dim, *columns). normals: complex ones, E|z|² = 2."""
    # For a normalised state, here and in what follows; rounding of the norm is of no order. Real and imaginary parts
    # apart: complex operands would stand beside them.
    light = is_light(jnp.asarray(chi.largest_weight, h.dtype), h)
    size = jnp.sqrt(0.5 * jnp.expm1(h))
    ways = partial(_by_one_root, chi, h, size), partial(_moved, chi, h, size)
    return normalized(lax.complex(*lax.cond(light, *ways, planes_of(psi), planes_of(normals))))


def is_light(largest_weight: Number, h: Number) -> Any:
    """Whether a step over h is made with one root."""
    return 0.5 * _ROOT_ERROR * largest_weight * h / (1 + h) < _LARGEST_BIAS


def _by_one_root(chi: Any, h: jax.Array, size: jax.Array, psi: Planes, normals: Planes) -> Planes:
    """With the noise times its own overlap with ψ for the drift: E⟨δ|ψ⟩δ = (e^h − 1)χψ."""
    late, early = _growths(h)
    drawn = chi.root_of_planes(normals)
    overlap = times_real(size, inner(lax.complex(*psi), lax.complex(*drawn)))
    drift = 1 - late - 0.5 * early
    real, imag = size * (1 + (early + drift) * overlap.real), -size * drift * overlap.imag
    return psi[0] + (real * drawn[0] - imag * drawn[1]), psi[1] + (real * drawn[1] + imag * drawn[0])


def _moved(chi: Any, h: jax.Array, size: jax.Array, psi: Planes, normals: Planes) -> Planes:
    """With the drift aχφ, and with |φ| at the mean of its path given where the noise ends.

    The path's spread about that mean is what the sixteenths stand for: noise along φ is less by as much as other noise
    is more. All of it is even powers of χ^½ of ψ and odd ones of the normals.
    """
    late, early = _growths(h)
    inside = lax.complex(*chi.root_of_planes(psi))
    overlap = size * inner(inside, lax.complex(*normals)).real
    weight = level_sum(populations(inside))
    drift = h - 0.5 * early * jnp.expm1(h) - h * overlap / 16
    noise = 1 + early * (overlap + h * weight) - h * weight / 16
    moved = chi.roots_and_powers([({1: size * noise, 3: size * late}, normals), ({2: drift, 4: 0.5 * h * h}, psi)])
    return psi[0] + moved[0], psi[1] + moved[1]


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

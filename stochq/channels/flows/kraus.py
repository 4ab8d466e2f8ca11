r"""One step of one jump operator as a Kraus map whose outcome is drawn: weak order 2, and no mean is ever taken.

$$K_z=e^{-\frac h4L^\dagger L}\big(1+\sqrt h\,z\,L+\tfrac h2(z^2-s)L^2\big)e^{-\frac h4L^\dagger L}$$

The record z takes few values (`noise.discrete`), s = E z² under the record's own law: 1 for real noise, 0 for complex.
It is drawn with its chance in the state at hand, ∝ w_z‖K_zψ‖², by one uniform number. That is the physical law of a
record, so nothing has to be added to the drift, and ψ ← K_zψ/‖K_zψ‖ never leaves the sphere.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.channels.families.kraus_terms import Terms, mean_of_outcomes
from stochq.channels.families.operators import Operators
from stochq.channels.flow import Flow, MeanFlow, Stepped
from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import Points
from stochq.noise.normals import uniform
from stochq.systems.linear import inner, level_sum, multiply, normalized, populations, times_real


@final
class KrausFlow(Flow):
    """One operator after another by a Kraus map whose outcome is drawn, in order or (reverse) in the opposite order."""

    channel: Operators

    @property
    def normalises(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return Budget(words=self.channel.count)

    @property
    def is_symmetric(self) -> bool:
        return self.channel.count == 1

    @property
    def mean_limit(self) -> float:
        return np.inf if self.channel.kraus_is_linear else 0.0

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow:
        square = self.law.has_square
        terms = np.asarray(_compiled_terms(self, jnp.asarray(dt)))
        maps = [mean_of_outcomes(self.channel.kraus_rows(one, square), square) for one in terms]

        def mapped(rho: np.ndarray) -> np.ndarray:
            for one in reversed(maps) if reverse else maps:
                rho = one(rho)
            return rho

        return mapped

    def terms(self, dt: jax.Array) -> Any:
        stack = jnp.asarray(self.channel.stack())
        if not self.law.collapses:
            stack = self.law.variants[0] * stack
        return self.channel.kraus_terms(stack, dt, self.law.has_square)

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        points, square = self.law.points, self.law.has_square

        def visit(psi: jax.Array, operator: tuple) -> tuple[jax.Array, None]:
            own, words = operator
            return draw_outcome(self.channel.apply_kraus(own, dt, psi, square), points, words), None

        words = jnp.swapaxes(noise.words, 0, 1)
        if self.channel.count == 1:
            return visit(psi, (terms[0], words[0]))[0], None
        return lax.scan(visit, psi, (terms, words), reverse=reverse)[0], None


@eqx.filter_jit
def _compiled_terms(flow: KrausFlow, dt: jax.Array) -> Any:
    """The search for a step asks for them several times, and operation by operation that takes longer than a run."""
    return flow.terms(dt)


def draw_outcome(K_psi: Terms, points: Points, words: jax.Array) -> jax.Array:
    """K_zψ/‖K_zψ‖ with z drawn ∝ w_z‖K_zψ‖².

    K_psi: the three parts of K_zψ. words: (1, *columns), or (2, *columns) for a step joined from two, whose z is
    theirs, added.
    """
    overlaps = _overlaps(K_psi)
    uniforms = uniform(words, K_psi.constant.real.dtype)
    z = _draw(overlaps, points, uniforms[:1]) if len(words) == 1 else _draw_joined(overlaps, points, uniforms)
    if jnp.iscomplexobj(z):
        return normalized(K_psi.constant + z * (K_psi.linear + z * K_psi.square))
    moved = times_real(z, K_psi.linear) + times_real(z * z, K_psi.square)
    return normalized(K_psi.constant + moved)


def _overlaps(K_psi: Terms) -> list[jax.Array]:
    """Norms and products of the three states, (1, *columns) each: all that ‖K_zψ‖² depends on."""
    a, b, c = K_psi
    products = [inner(a, b), inner(a, c), inner(b, c)]
    return [*(level_sum(populations(x)) for x in K_psi), *(part for x in products for part in (x.real, x.imag))]


def _weights(values: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """w_z‖K_zψ‖² as combinations of the overlaps, (values, overlaps)."""
    size, square = np.abs(values) ** 2, values**2
    mixed = np.stack([values, square, size * values])
    products = np.stack([2 * mixed.real, -2 * mixed.imag], axis=1).reshape(6, -1)
    return (chances * np.concatenate([[np.ones_like(size), size, size**2], products])).T


def _draw(overlaps: list[jax.Array], points: Points, uniforms: jax.Array) -> jax.Array:
    """z, (1, *columns). Its chances are written out value by value, so that all of them are one loop over the columns;
    the product at the end keeps them out of later loops over levels, which would work them out for each level anew."""
    dtype, bounds = uniforms.dtype, []
    for row in np.cumsum(_weights(*points), axis=0):
        # Half a rounding error of a sum that vanishes is not worth a product.
        terms = [np.asarray(w, dtype) * x for w, x in zip(row, overlaps, strict=True) if abs(w) > 1e-12]
        bounds.append(sum(terms[1:], terms[0]))
    passed = [(uniforms * bounds[-1] > bound).astype(dtype) for bound in bounds[:-1]]
    steps = jnp.concatenate([jnp.ones_like(uniforms), *passed]).reshape(len(bounds), -1)
    rises = [np.diff(part, prepend=0).astype(dtype)[None] for part in _parts(points.values)]
    parts = [multiply(rise, steps).reshape(uniforms.shape) for rise in rises]
    return jax.lax.complex(*parts) if len(parts) == 2 else parts[0]


def _draw_joined(overlaps: list[jax.Array], points: Points, uniforms: jax.Array) -> jax.Array:
    """(z₁ + z₂)/√2, (1, *columns): z₁ by its chance whatever z₂ is, then z₂ by its chance given z₁."""
    count, dtype = len(points.values), uniforms.dtype
    values = (points.values[:, None] + points.values[None, :]) / np.sqrt(2)
    weights = _weights(values.reshape(-1), np.outer(points.chances, points.chances).reshape(-1)).astype(dtype)
    shape = uniforms.shape[1:]
    chances = multiply(weights, jnp.stack(overlaps).reshape(9, -1)).reshape(count, count, -1)
    first = _one_hot(chances.sum(axis=1), uniforms[0].reshape(-1))
    second = _one_hot((first[:, None] * chances).sum(axis=0), uniforms[1].reshape(-1))
    parts = [
        multiply(part.astype(dtype)[None] / np.sqrt(2).astype(dtype), first + second) for part in _parts(points.values)
    ]
    parts = [part.reshape(1, *shape) for part in parts]
    return jax.lax.complex(*parts) if len(parts) == 2 else parts[0]


def _parts(values: np.ndarray) -> list[np.ndarray]:
    return [values.real, values.imag] if np.iscomplexobj(values) else [values]


def _one_hot(chances: jax.Array, uniforms: jax.Array) -> jax.Array:
    """Unit vectors (n, columns), each drawn by its chances (n, columns), which need not add up to one."""
    bounds = multiply(np.tril(np.ones((len(chances),) * 2, chances.dtype)), chances)
    index = jnp.sum((uniforms * bounds[-1])[None] > bounds[:-1], axis=0)
    return (np.arange(len(chances))[:, None] == index[None]).astype(chances.dtype)

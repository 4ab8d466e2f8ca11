r"""Chebyshev's expansion of exp(-iHdt) (H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81, 3967 (1984))."""

from typing import final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.arrays import Number
from stochq.systems.hamiltonian import Propagator, State
from stochq.systems.propagation.loops import behind_loop
from stochq.systems.propagation.splitting import Splitting
from stochq.systems.propagation.windows import Planes, planes_of

# Shorter steps than this, times half the width of the spectrum, are as good as none in either precision.
_SHORTEST = 1e-12
# Bisections of the logarithm of the number of terms.
_BISECTIONS, _MOST_TERMS = 40, 1e7


@final
class Chebyshev(Propagator):
    r"""A polynomial in H, its terms summed from the last to the first as Clenshaw does.

    $$e^{-iHdt} = e^{-iE_0dt}\Big[J_0(z) + 2\sum_{k=1}^{K}(-i)^kJ_k(z)\,T_k\big(\tfrac{H-E_0}{R}\big)\Big],
      \quad z = R\,dt$$

    with the spectrum in [E_0 - R, E_0 + R]. The Bessel functions come from Miller's recurrence in the same order, so
    that neither the number of terms nor z has to be known when this is compiled.
    argument: z, of either sign. terms: K. last: J_K(z).
    """

    splitting: Splitting
    centre: jax.Array
    radius: jax.Array
    argument: jax.Array
    terms: jax.Array
    last: jax.Array

    def __call__(self, t: Number, psi: State) -> State:
        return lax.complex(*self.on_planes(planes_of(psi)))

    def on_planes(self, planes: Planes) -> Planes:
        """Of a state held as two real arrays."""
        dtype = planes[0].dtype
        argument, last = self.argument.astype(dtype), self.last.astype(dtype)
        weight = _sign(self.terms, 2 * last)
        first = weight * planes[0], weight * planes[1]
        # Zeros of no loop: XLA would keep those of a constant as long as the program runs.
        zeros = jax.tree.map(lambda plane: 0 * last * plane, planes)

        def add_two(index: jax.Array, carry: tuple) -> tuple:
            # Each takes the place of the last but one: one at a time they would be copied.
            order = self.terms - 1 - 2 * index
            first, second, bessel, above = carry
            second = self._plus(_with_odd(order, 2 * bessel, planes, second), 2.0, first)
            bessel, above = _below(order, argument, bessel, above), bessel
            # The last one is J_0, without a factor.
            factor = jnp.where(order == 1, 1.0, 2.0).astype(dtype)
            first = self._plus(_with_even(order - 1, factor * bessel, planes, first), factor, second)
            return first, second, _below(order - 1, argument, bessel, above), bessel

        carry = (first, zeros, _below(self.terms, argument, last, jnp.zeros((), dtype)), last)
        first = lax.fori_loop(0, self.terms // 2, add_two, carry)[0]
        return behind_loop(self.terms, self._with_phase(*first))

    def _plus(self, total: Planes, factor: Number, planes: Planes) -> Planes:
        """The total and a multiple of (H - E_0)/R ψ."""
        dtype = total[0].dtype
        return self.splitting.added_to(total, factor / self.radius.astype(dtype), self.centre.astype(dtype), planes)

    def _with_phase(self, real: jax.Array, imag: jax.Array) -> Planes:
        angle = (self.centre / self.radius * self.argument).astype(real.dtype)
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        return cosine * real + sine * imag, cosine * imag - sine * real


def _sign(order: jax.Array, weight: jax.Array) -> jax.Array:
    """(-1)^{k/2} times a weight, of an odd order (-1)^{(k-1)/2} times it."""
    return jnp.where(order // 2 % 2 == 0, weight, -weight)


def _with_even(order: jax.Array, weight: jax.Array, psi: Planes, below: Planes) -> Planes:
    """(-i)^k weight ψ less what is below it, of an even order k."""
    weight = _sign(order, weight)
    return weight * psi[0] - below[0], weight * psi[1] - below[1]


def _with_odd(order: jax.Array, weight: jax.Array, psi: Planes, below: Planes) -> Planes:
    """The same of an odd order, by which parts change places."""
    weight = _sign(order, weight)
    return weight * psi[1] - below[0], -weight * psi[0] - below[1]


def _below(order: jax.Array, argument: jax.Array, bessel: jax.Array, above: jax.Array) -> jax.Array:
    """J_{k-1} from J_k and J_{k+1}, stable downwards."""
    return 2 * order.astype(argument.dtype) / argument * bessel - above


def chebyshev(splitting: Splitting, bounds: tuple[Number, Number], dt: Number, accuracy: Number) -> Chebyshev:
    """exp(-i H dt) within an accuracy, for a spectrum between these bounds."""
    low, high = (jnp.asarray(bound, jnp.zeros(()).dtype) for bound in bounds)
    radius = jnp.maximum((high - low) / 2, jnp.finfo(low.dtype).tiny ** 0.25)
    argument = radius * dt
    argument = jnp.where(jnp.abs(argument) < _SHORTEST, _SHORTEST, argument)
    # An even number: behind the first one they are summed in pairs.
    terms = (terms_needed(jnp.abs(argument), accuracy) + 1) // 2 * 2
    return Chebyshev(splitting, (high + low) / 2, radius, argument, terms, _last(argument, terms))


def _last(argument: jax.Array, terms: jax.Array) -> jax.Array:
    """J_K(z) by Miller's recurrence from J_{K+1} = 0 and the sum J_0 + 2 J_2 + 2 J_4 + ... = 1."""

    def descend(index: jax.Array, carry: tuple) -> tuple:
        bessel, above, total = carry
        order = terms - index
        total = total + jnp.where(order % 2 == 0, 2 * bessel, 0)
        return _below(order, argument, bessel, above), bessel, total

    one = jnp.ones((), argument.dtype)
    first, _, total = lax.fori_loop(0, terms, descend, (one, 0 * one, 0 * one))
    return 1 / (total + first)


def terms_needed(argument: Number, accuracy: Number) -> jax.Array:
    r"""The number K of terms that leaves out less than the accuracy.

    $$|J_k(k/\cosh\alpha)| \le e^{-k(\alpha-\tanh\alpha)}$$

    (Abramowitz and Stegun 9.3.7 and 9.1.62), which falls by e^{-α} from one k to the next.

    >>> int(terms_needed(10.0, 1e-6))
    25
    """
    z = jnp.maximum(jnp.asarray(argument), _SHORTEST)
    wanted = -jnp.log(jnp.asarray(accuracy) / 4)

    def bisect(_: Number, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = jnp.sqrt(low * high)
        alpha = jnp.arccosh(jnp.maximum(middle / z, 1))
        enough = middle * (alpha - jnp.tanh(alpha)) + jnp.log1p(-jnp.exp(-alpha)) >= wanted
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    start = (jnp.maximum(z, 1.0), jnp.maximum(z, 1.0) * _MOST_TERMS)
    return jnp.ceil(lax.fori_loop(0, _BISECTIONS, bisect, start)[1]).astype(jnp.int32)

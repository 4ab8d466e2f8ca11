r"""The evolution between two clicks, and when the next one comes.

$$\tilde\psi(t) = e^{-iH_{\rm eff}t/\hbar}\psi, \qquad H_{\rm eff} = H - \tfrac{i\hbar}2\sum_kL_k^\dagger L_k$$

The next click comes when ‖ψ̃‖² has fallen to a uniform number u. Where ΣL†L is a multiple r of 1, ‖ψ̃‖² = e^{−rt}
whatever the state is: the waiting time is −ln u/r, and nothing is searched.
"""

import abc
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from stochq.module import Module
from stochq.systems.linear import apply_matrix, level_sum, populations, scale, times_real

# Steps of the safeguarded search for the time of a click inside the last and shortest interval.
_NEWTON_STEPS = 12


class Advanced(NamedTuple):
    """Where trajectories are after `Evolution.advance`: normalised states, clocks, the time left, and who clicks."""

    psi: jax.Array
    clock: jax.Array
    remaining: jax.Array
    clicks: jax.Array


class Leapt(NamedTuple):
    """Where trajectories are after `Evolution.leap`: states, clocks, and the time left to those that stayed."""

    psi: jax.Array
    clock: jax.Array
    remaining: jax.Array


class Evolution(Module):
    """How states go from event to event. Abstract. A clock, one number a trajectory, says how far the click is."""

    @abc.abstractmethod
    def clock(self, uniform: jax.Array) -> jax.Array:
        """The clock after a click, from a uniform number in (0, 1]."""

    @abc.abstractmethod
    def enter(self, psi: jax.Array) -> jax.Array:
        """States as this evolution holds them, from the frame's."""

    @abc.abstractmethod
    def leave(self, psi: jax.Array) -> jax.Array:
        """The frame's states."""

    @abc.abstractmethod
    def leap(self, index: jax.Array, length: jax.Array, psi: jax.Array, clock: jax.Array) -> Leapt:
        """Over a whole interval, for the trajectories that have no click in it; others stay where they are."""

    def settle(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        """After a click: to the end of the time that remains, where it is known without a search that none follows."""
        return Leapt(psi, clock, remaining)

    @abc.abstractmethod
    def advance(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Advanced:
        """Towards the next click or the end of the time that remains, whichever comes first."""


@final
class ExponentialClocks(Evolution):
    """Where ΣL†L = rate·1. States are held in the energy basis.

    frequencies: E/ħ (dim,). vectors: the energy basis in the frame's, as columns (dim, dim); None where they agree.
    """

    rate: Any
    frequencies: Any
    vectors: Any

    def clock(self, uniform: jax.Array) -> jax.Array:
        return -jnp.log(uniform) / self.rate

    def enter(self, psi: jax.Array) -> jax.Array:
        return psi if self.vectors is None else apply_matrix(self.vectors.conj().T, psi)

    def leave(self, psi: jax.Array) -> jax.Array:
        return psi if self.vectors is None else apply_matrix(self.vectors, psi)

    def leap(self, index: jax.Array, length: jax.Array, psi: jax.Array, clock: jax.Array) -> Leapt:
        survives = clock >= length
        moved = self._moved(psi, jnp.broadcast_to(length, clock.shape))
        psi = jnp.where(survives[None], moved, psi)
        return Leapt(psi, jnp.where(survives, clock - length, clock), jnp.where(survives, 0, length))

    def advance(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Advanced:
        elapsed = jnp.minimum(clock, remaining)
        moved = self._moved(psi, elapsed)
        return Advanced(moved, clock - elapsed, remaining - elapsed, clock < remaining)

    def settle(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        survives = clock >= remaining
        left = jnp.where(survives, 0, remaining)
        moved = self._moved(psi, remaining - left)
        return Leapt(moved, jnp.where(survives, clock - remaining, clock), left)

    def _moved(self, psi: jax.Array, elapsed: jax.Array) -> jax.Array:
        angles = self.frequencies[:, None] * elapsed[None]
        return lax.complex(jnp.cos(angles), -jnp.sin(angles)) * psi


@final
class Powers(Evolution):
    r"""Any H_eff, by stored propagators over durations that double, and a Taylor series over the shortest.

    A trajectory takes a duration, longest first, if it ends before the time does and without a click: so the search
    for the click's time and the way there are one. Over the shortest duration, which a few terms of the series resolve
    to rounding, ‖ψ̃‖² is a polynomial in the time: its root is scalar work. No eigenvectors of H_eff are needed, which
    do not exist at exceptional points and amplify rounding near them.

    powers: the propagators (levels, dim, dim), longest first, or their diagonals (levels, dim); durations: (levels,).
    generator: −iH_eff/ħ times the shortest duration. whole: the propagators over the different intervals between saved
    times, None where these are too many. order: of the series.
    """

    powers: Any
    durations: Any
    generator: Any
    whole: Any
    order: int = eqx.field(static=True)

    def clock(self, uniform: jax.Array) -> jax.Array:
        return uniform

    def enter(self, psi: jax.Array) -> jax.Array:
        return psi

    def leave(self, psi: jax.Array) -> jax.Array:
        return psi

    def leap(self, index: jax.Array, length: jax.Array, psi: jax.Array, clock: jax.Array) -> Leapt:
        if self.whole is None:
            return Leapt(psi, clock, jnp.broadcast_to(length, clock.shape))
        trial = _act(self.whole[index], psi)
        square = level_sum(populations(trial))[0]
        survives = square >= clock
        psi = jnp.where(survives[None], times_real(lax.rsqrt(square)[None], trial), psi)
        return Leapt(psi, jnp.where(survives, clock / square, clock), jnp.where(survives, 0, length))

    def advance(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Advanced:
        def take(carry: tuple, stored: tuple) -> tuple[tuple, None]:
            psi, remaining = carry
            propagator, duration = stored
            trial = _act(propagator, psi)
            taken = (remaining >= duration) & (level_sum(populations(trial))[0] >= clock)
            psi = jnp.where(taken[None], trial, psi)
            return (psi, jnp.where(taken, remaining - duration, remaining)), None

        (psi, remaining), _ = lax.scan(take, (psi, remaining), (self.powers, self.durations))
        terms = [psi]
        for order in range(1, self.order + 1):
            terms.append(times_real(1 / order, _act(self.generator, terms[-1])))
        unit = self.durations[-1]
        end = jnp.minimum(remaining / unit, 1)
        x, clicks = _root(_norm_polynomial(terms), clock, end)
        moved = terms[-1]
        for term in terms[-2::-1]:
            moved = term + times_real(x[None], moved)
        square = level_sum(populations(moved))[0]
        left = jnp.where(clicks, remaining - x * unit, jnp.where(remaining <= unit, 0, remaining - unit))
        return Advanced(times_real(lax.rsqrt(square)[None], moved), clock / square, jnp.maximum(left, 0), clicks)


def _act(operator: jax.Array, psi: jax.Array) -> jax.Array:
    return scale(operator, psi) if operator.ndim == 1 else apply_matrix(operator, psi)


def _norm_polynomial(terms: list[jax.Array]) -> list[jax.Array]:
    """The coefficients (columns,) of ‖Σ_n a_n xⁿ‖² up to the order of the sum."""
    found = []
    for degree in range(len(terms)):
        total = None
        for n in range(degree // 2 + 1):
            a, b = terms[n], terms[degree - n]
            product = level_sum(a.real * b.real + a.imag * b.imag)[0]
            product = product if 2 * n == degree else 2 * product
            total = product if total is None else total + product
        found.append(total)
    return found


def _root(polynomial: list[jax.Array], level: jax.Array, end: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where a falling polynomial reaches a level between 0 and `end`, by Newton's method with bisection where that
    leaves the bracket; `end` and False where it does not."""

    def value(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        total, slope = polynomial[-1], jnp.zeros_like(polynomial[-1])
        for coefficient in polynomial[-2::-1]:
            slope = slope * x + total
            total = total * x + coefficient
        return total - level, slope

    at_end = value(end)[0]
    clicks = at_end < 0
    start = polynomial[0] - level
    guess = end * jnp.clip(start / jnp.where(clicks, start - at_end, 1), 0, 1)

    def narrow(_: int, carry: tuple) -> tuple:
        low, high, x = carry
        above, slope = value(x)
        low, high = jnp.where(above >= 0, x, low), jnp.where(above >= 0, high, x)
        newton = x - above / jnp.where(slope == 0, 1, slope)
        inside = (newton >= low) & (newton <= high) & (slope != 0)
        return low, high, jnp.where(inside, newton, 0.5 * (low + high))

    _, _, x = lax.fori_loop(0, _NEWTON_STEPS, narrow, (jnp.zeros_like(end), end, guess))
    return jnp.where(clicks, x, end), clicks

r"""The evolution between two clicks, and when the next one comes.

$$\tilde\psi(t) = e^{-iH_{\rm eff}t/\hbar}\psi, \qquad H_{\rm eff} = H - \tfrac{i\hbar}2\sum_kL_k^\dagger L_k$$

The next click comes when ‖ψ̃‖² has fallen to a uniform number u. Where ΣL†L is a multiple r of 1, ‖ψ̃‖² = e^{−rt}
whatever the state is: the waiting time is −ln u/r, and nothing is searched.

Elsewhere the norm tells by its fall, which is resolved to rounding only: dark states would click. Every search lets
clicks come with a chance that is larger than that of its norm by `EXCESS` units of rounding, more than these err, of
which the kernel thins out again what the rate does not account for.
"""

import abc
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import on_accelerator
from stochq.compiling import fused_on_cpu
from stochq.module import Module
from stochq.noise.phases import unit_phase
from stochq.systems.linear import apply_matrix, multiply

# Steps of the safeguarded search for the time of a click inside the last and shortest interval.
_NEWTON_STEPS = 12
# What norms err by in units of rounding, and 20 times as much, so that rates below rounding are right to 5 %.
EXCESS = 64


class Advanced(NamedTuple):
    """Where trajectories are after `Evolution.advance`: normalised states of the frame, clocks, the time left, who
    clicks, and over what time clicks were looked for."""

    psi: jax.Array
    clock: jax.Array
    remaining: jax.Array
    clicks: jax.Array
    searched: jax.Array


class Leapt(NamedTuple):
    """Where trajectories are after `Evolution.leap`: states as held, clocks, and the time left to those that stayed."""

    held: Any
    clock: jax.Array
    remaining: jax.Array


class Evolution(Module):
    """How states go from event to event. Abstract. A clock, one number a trajectory, says how far the click is.

    Held is what an evolution knows of states: arrays with the trajectories on the last axis.
    """

    @abc.abstractmethod
    def clock(self, uniform: jax.Array) -> jax.Array:
        """The clock after a click, from a uniform number in (0, 1]."""

    def excess(self, dtype: np.dtype) -> float:
        """The chance of clicks that every search adds."""
        return EXCESS * float(jnp.finfo(dtype).eps) / 2

    @abc.abstractmethod
    def enter(self, psi: jax.Array) -> Any:
        """States as this evolution holds them, from the frame's."""

    @abc.abstractmethod
    def leave(self, held: Any) -> jax.Array:
        """The frame's states, of trajectories that are at a saved time."""

    @abc.abstractmethod
    def leap(self, index: jax.Array, length: jax.Array, held: Any, clock: jax.Array) -> Leapt:
        """Over a whole interval, for the trajectories that have no click in it; others stay where they are."""

    def settle(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        """After a click, from the frame's states: to the end of the time that remains, where it is known without a
        search that none follows."""
        return Leapt(self.enter(psi), clock, remaining)

    @abc.abstractmethod
    def advance(self, held: Any, clock: jax.Array, remaining: jax.Array) -> Advanced:
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
        # Of the largest uniform number, 1, as of the middle of those that are rounded to it: no time would be none.
        waiting = jnp.maximum(-jnp.log(uniform), 0.125 * jnp.finfo(uniform.dtype).eps)
        return waiting / self.rate

    def enter(self, psi: jax.Array) -> jax.Array:
        return psi if self.vectors is None else apply_matrix(self.vectors.conj().T, psi)

    def leave(self, held: jax.Array) -> jax.Array:
        return held if self.vectors is None else apply_matrix(self.vectors, held)

    def leap(self, index: jax.Array, length: jax.Array, held: jax.Array, clock: jax.Array) -> Leapt:
        return self._survived(held, clock, jnp.broadcast_to(length, clock.shape))

    def advance(self, held: jax.Array, clock: jax.Array, remaining: jax.Array) -> Advanced:
        elapsed = jnp.minimum(clock, remaining)
        psi = self.leave(self._moved(held, elapsed))
        return Advanced(psi, clock - elapsed, remaining - elapsed, clock < remaining, remaining)

    def settle(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        return self._survived(self.enter(psi), clock, remaining)

    def _survived(self, held: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        survives = clock >= remaining
        left = jnp.where(survives, 0, remaining)
        moved = self._moved(held, remaining - left)
        return Leapt(moved, jnp.where(survives, clock - remaining, clock), left)

    def _moved(self, psi: jax.Array, elapsed: jax.Array) -> jax.Array:
        return unit_phase(-self.frequencies[:, None] * elapsed[None]) * psi


class FallingNorms(Evolution):
    """Searches for clicks by ‖ψ̃‖². Abstract. The clock is the uniform number."""

    def clock(self, uniform: jax.Array) -> jax.Array:
        return uniform

    def searched_norm(self, clock: jax.Array) -> jax.Array:
        """The ‖ψ̃‖² at which a click is found: the clock, with the excess."""
        return clock / (1 - self.excess(clock.dtype))


@final
class Powers(FallingNorms):
    r"""Any H_eff, by stored propagators over durations that double, and a Taylor series over the shortest.

    A trajectory takes a duration, longest first, if it ends before the time does and without a click: so the search
    for the click's time and the way there are one. Over the shortest duration, which a few terms of the series resolve
    to rounding, ‖ψ̃‖² is a polynomial in the time: its root is scalar work. No eigenvectors of H_eff are needed, which
    do not exist at exceptional points and amplify rounding near them.

    Matrices are held as real ones, [[Re, −Im], [Im, Re]], which act on real over imaginary parts: on states of a few
    dozen levels one real product takes half the time of a complex one (measured on 32 levels).

    States are held as the frame's. whole: the propagators over the different intervals between saved times, None where
    these are too many. powers: the propagators (levels, 2 dim, 2 dim), longest first, or their complex diagonals
    (levels, dim); durations: (levels,). generator: −iH_eff/ħ times the shortest duration. order: of the series.
    """

    whole: Any
    powers: Any
    durations: Any
    generator: Any
    order: int = eqx.field(static=True)

    def enter(self, psi: jax.Array) -> jax.Array:
        return psi

    def leave(self, held: jax.Array) -> jax.Array:
        return held

    def leap(self, index: jax.Array, length: jax.Array, held: jax.Array, clock: jax.Array) -> Leapt:
        length = jnp.broadcast_to(length, clock.shape)
        if self.whole is None:
            return Leapt(held, clock, length)
        parts = parts_of(held)
        trial = act(self.whole[index], parts)
        square, norm = fused_on_cpu(_square, trial), self.searched_norm(clock)
        survives = (square >= norm) & (length > 0)
        parts = jnp.where(survives[None], lax.rsqrt(square)[None] * trial, parts)
        return Leapt(states_of(parts), jnp.where(survives, norm / square, clock), jnp.where(survives, 0, length))

    def advance(self, held: jax.Array, clock: jax.Array, remaining: jax.Array) -> Advanced:
        clock, searched = self.searched_norm(clock), jnp.minimum(remaining, 2 * self.durations[0])

        def take(carry: tuple, stored: tuple) -> tuple[tuple, None]:
            psi, remaining = carry
            propagator, duration = stored
            trial = act(propagator, psi)
            taken, remaining = fused_on_cpu(_taken, trial, clock, remaining, duration)
            return (jnp.where(taken[None], trial, psi), remaining), None

        (parts, remaining), _ = lax.scan(take, (parts_of(held), remaining), (self.powers, self.durations))
        terms = [parts]
        for order in range(1, self.order + 1):
            terms.append(act(self.generator, terms[-1]) * np.asarray(1 / order, parts.dtype))
        x, clicks, left = fused_on_cpu(_click_time, terms, clock, remaining, self.durations[-1])
        moved = terms[-1]
        for term in terms[-2::-1]:
            moved = term + x[None] * moved
        square = fused_on_cpu(_square, moved)
        return Advanced(states_of(lax.rsqrt(square)[None] * moved), clock / square, left, clicks, searched)


def _taken(
    trial: jax.Array, clock: jax.Array, remaining: jax.Array, duration: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Which trajectories take a duration, and the time that remains then."""
    taken = (remaining >= duration) & (_square(trial) >= clock)
    return taken, jnp.where(taken, remaining - duration, remaining)


def _click_time(
    terms: list[jax.Array], clock: jax.Array, remaining: jax.Array, unit: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Over the shortest duration: its part until the click or the end, who clicks, and the time that remains then."""
    end = jnp.minimum(remaining / unit, 1)
    x, clicks = _root(_norm_polynomial(terms), clock, end)
    left = jnp.where(clicks, remaining - x * unit, jnp.where(remaining <= unit, 0, remaining - unit))
    return x, clicks, jnp.maximum(left, 0)


def _square(parts: jax.Array) -> jax.Array:
    """‖ψ‖² of every column. A loop over the rows: the sum over the first axis is slow on a processor."""
    if on_accelerator():
        return jnp.sum(parts * parts, axis=0)
    return lax.fori_loop(0, len(parts), lambda row, total: total + parts[row] * parts[row], jnp.zeros_like(parts[0]))


def parts_of(psi: jax.Array) -> jax.Array:
    """Real over imaginary parts, (2 dim, columns)."""
    return jnp.concatenate([psi.real, psi.imag])


def states_of(parts: jax.Array) -> jax.Array:
    """States of their real and imaginary parts, (dim, columns)."""
    return lax.complex(*jnp.split(parts, 2))


def act(operator: jax.Array, parts: jax.Array) -> jax.Array:
    """An operator (2 dim, 2 dim), or a complex diagonal (dim,), on states in real and imaginary parts."""
    if operator.ndim == 2:
        return multiply(operator, parts)
    real, imag = jnp.split(parts, 2)
    a, b = operator.real[:, None], operator.imag[:, None]
    return jnp.concatenate([a * real - b * imag, b * real + a * imag])


def _norm_polynomial(terms: list[jax.Array]) -> list[jax.Array]:
    """The coefficients (columns,) of ‖Σ_n a_n xⁿ‖² up to the order of the sum."""

    def products(rows: list[jax.Array]) -> list[jax.Array]:
        found = []
        for degree in range(len(rows)):
            total = rows[degree // 2] * rows[degree // 2] if degree % 2 == 0 else jnp.zeros_like(rows[0])
            for n in range((degree + 1) // 2):
                total = total + 2 * rows[n] * rows[degree - n]
            found.append(total)
        return found

    if on_accelerator():
        return [jnp.sum(product, axis=0) for product in products(terms)]

    def add(row: jax.Array, totals: list[jax.Array]) -> list[jax.Array]:
        return [total + product for total, product in zip(totals, products([t[row] for t in terms]), strict=True)]

    return lax.fori_loop(0, len(terms[0]), add, [jnp.zeros_like(terms[0][0])] * len(terms))


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

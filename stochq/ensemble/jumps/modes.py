r"""The evolution between clicks by the eigenvectors of H_eff, where these are well conditioned.

$$\tilde\psi(t) = V e^{\lambda t}V^{-1}\psi, \qquad -iH_{\rm eff}/\hbar = V\lambda V^{-1}$$

Any time is as near as any other: a product with V⁻¹, and one with V for every time at which ‖ψ̃‖² is looked at. It falls
as −d‖ψ̃‖²/dt = ⟨ψ̃|ΣL†L|ψ̃⟩, so that a few looks find a click.
"""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import on_accelerator
from stochq.compiling import fused_on_cpu
from stochq.ensemble.jumps.evolution import Advanced, FallingNorms, Leapt, parts_of, states_of
from stochq.noise.normals import sine_cosine
from stochq.systems.linear import multiply

# A search interpolates so many times, then halves its bracket every other time; it ends after the last.
_SMOOTH, _LAST = 6, 100
# A norm is met where it is so many units of rounding from the clock.
_MET = 16


class Looked(NamedTuple):
    """ψ̃ at a time in real and imaginary parts (2 dim, columns); its square; ⟨ΣL†L⟩, (columns,)."""

    parts: jax.Array
    square: jax.Array
    rate: jax.Array


class Side(NamedTuple):
    """One side of a bracket: the time, ln ‖ψ̃‖² over the clock, and how fast that falls, (columns,) each."""

    time: jax.Array
    height: jax.Array
    rate: jax.Array

    def unless(self, condition: jax.Array, other: "Side") -> "Side":
        """The other one where the condition holds."""
        return Side(*(jnp.where(condition, b, a) for a, b in zip(self, other, strict=True)))


class _Search(NamedTuple):
    """Where trajectories are, the sides between which each one clicks, which are there, and the number of looks."""

    at: Looked
    time: jax.Array
    before: Side
    after: Side
    found: jax.Array
    looks: jax.Array


@final
class Modes(FallingNorms):
    """Any H_eff with eigenvectors that are nearly orthogonal, of diagonal ΣL†L.

    vectors: V and inverse: V⁻¹ as real matrices (2 dim, 2 dim), which act on real over imaginary parts; decay: −Re λ,
    turns: Im λ/2π, loss: the diagonal of ΣL†L, (dim,) each. condition: of V, by which it enlarges rounding.
    """

    vectors: Any
    inverse: Any
    decay: Any
    turns: Any
    loss: Any
    condition: float = eqx.field(static=True)

    def excess(self, dtype: np.dtype) -> float:
        return self.condition * super().excess(dtype)

    def settle(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        parts = parts_of(psi)
        return self.survived(parts, self._moved(multiply(self.inverse, parts), remaining), clock, remaining)

    def advance(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Advanced:
        clock, parts = clock / (1 - self.excess(clock.dtype)), parts_of(psi)
        modes = multiply(self.inverse, parts)
        at = self._look(modes, remaining)
        before = _side(Looked(parts, *fused_on_cpu(_square_and_rate, parts, self.loss)), clock, jnp.zeros_like(clock))
        after = _side(at, clock, remaining)
        clicks = after.height < 0
        start = _Search(at, remaining, before, after, ~clicks, jnp.zeros((), jnp.int32))

        def narrow(search: _Search) -> _Search:
            return self._narrowed(modes, clock, search)

        def is_open(search: _Search) -> jax.Array:
            return jnp.any(~search.found) & (search.looks < _LAST)

        end = lax.while_loop(is_open, narrow, start)
        (parts, square, _), left = end.at, jnp.where(clicks, remaining - end.time, 0)
        return Advanced(states_of(lax.rsqrt(square)[None] * parts), clock / square, left, clicks, remaining)

    def _narrowed(self, modes: jax.Array, clock: jax.Array, search: _Search) -> _Search:
        """After one more look at those that are not there yet."""
        time = _between(search.before, search.after, search.looks)
        looked = self._look(modes, time)
        side = _side(looked, clock, time)
        is_before = side.height >= 0
        before, after = search.before.unless(is_before, side), search.after.unless(~is_before, side)
        eps = float(jnp.finfo(clock.dtype).eps)
        there = (jnp.abs(side.height) <= _MET * eps) | (after.time - before.time <= eps * after.time)
        at = Looked(*(jnp.where(search.found, old, new) for old, new in zip(search.at, looked, strict=True)))
        reached = jnp.where(search.found, search.time, time)
        return _Search(at, reached, before, after, search.found | there, search.looks + 1)

    def _look(self, modes: jax.Array, time: jax.Array) -> Looked:
        parts = self._moved(modes, time)
        return Looked(parts, *fused_on_cpu(_square_and_rate, parts, self.loss))

    def _moved(self, modes: jax.Array, time: jax.Array) -> jax.Array:
        """V e^{λt} of the parts of modes, each column by its own time."""
        turn = jnp.asarray(self.turns)[:, None] * time[None]
        sine, cosine = sine_cosine(turn - jnp.round(turn))
        size = jnp.exp(-jnp.asarray(self.decay)[:, None] * time[None])
        a, b, (real, imag) = size * cosine, size * sine, jnp.split(modes, 2)
        return multiply(self.vectors, jnp.concatenate([a * real - b * imag, b * real + a * imag]))


def _side(looked: Looked, clock: jax.Array, time: jax.Array) -> Side:
    return Side(time, jnp.log(looked.square / clock), looked.rate / looked.square)


def _between(before: Side, after: Side, looks: jax.Array) -> jax.Array:
    """Where the height is zero by the cubic of the time as a function of the height; or half way."""
    width = before.height - after.height
    s = before.height / width
    t = 1 - s
    slopes = t * width / before.rate - s * width / after.rate
    time = t * t * (1 + 2 * s) * before.time + s * s * (3 - 2 * s) * after.time + s * t * slopes
    inside = (time > before.time) & (time < after.time) & ((looks < _SMOOTH) | (looks % 2 == 0))
    time = jnp.where(inside, time, 0.5 * (before.time + after.time))
    return jnp.where(before.height <= 0, before.time, time)


def _square_and_rate(parts: jax.Array, loss: jax.Array) -> tuple[jax.Array, jax.Array]:
    """‖ψ‖² and ⟨ψ|ΣL†L|ψ⟩ of every column, by a loop over the rows as of `Powers`."""
    levels = len(loss)
    if on_accelerator():
        populations = parts[:levels] ** 2 + parts[levels:] ** 2
        return jnp.sum(populations, axis=0), jnp.sum(jnp.asarray(loss)[:, None] * populations, axis=0)

    def add(row: jax.Array, totals: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        population = parts[row] * parts[row] + parts[row + levels] * parts[row + levels]
        return totals[0] + population, totals[1] + loss[row] * population

    return lax.fori_loop(0, levels, add, (jnp.zeros_like(parts[0]), jnp.zeros_like(parts[0])))

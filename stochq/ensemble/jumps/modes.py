r"""The evolution between clicks by the eigenvectors of H_eff, where these are well conditioned.

$$\tilde\psi(t) = V e^{\lambda t}V^{-1}\psi, \qquad -iH_{\rm eff}/\hbar = V\lambda V^{-1}$$

Any time is as near as any other: a product with V for every time at which ‖ψ̃‖² is looked at. It falls as
−d‖ψ̃‖²/dt = ⟨ψ̃|ΣL†L|ψ̃⟩, so that a few looks find a click. V⁻¹ψ is held from saved time to saved time, and with it how
the time that remains ends: so a click takes one product with V⁻¹, one with V that tells whether another follows before
the next saved time, and those of the looks, of which the last one is the state that clicks.
"""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import on_accelerator
from stochq.compiling import fused_on_cpu
from stochq.ensemble.jumps.evolution import Advanced, FallingNorms, Leapt, act, parts_of, states_of
from stochq.noise.normals import sine_cosine
from stochq.systems.linear import multiply

# A search interpolates so many times, then halves its bracket every other time; it ends after the last.
_SMOOTH, _LAST = 6, 100
# A norm is met where it is so many units of rounding from the clock.
_MET = 16


class Held(NamedTuple):
    """Trajectories at a saved time, or on the way to the next one, (rows, columns) each.

    parts: ψ where they are at a saved time; modes: V⁻¹ψ; both in real and imaginary parts (2 dim, columns). ahead:
    ⟨ΣL†L⟩ now; ‖ψ̃‖² and ⟨ψ̃|ΣL†L|ψ̃⟩ at the end of the time that remains, (3, columns).
    """

    parts: jax.Array
    modes: jax.Array
    ahead: jax.Array


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
    """The last look and its time, the sides between which each one clicks, which are there, and the number of looks."""

    at: Looked
    time: jax.Array
    before: Side
    after: Side
    found: jax.Array
    looks: jax.Array


@final
class Modes(FallingNorms):
    """Any H_eff with eigenvectors that are nearly orthogonal, of diagonal ΣL†L.

    whole: e^{λt} over the different intervals between saved times, (intervals, dim), None where these are too many.
    vectors: V and inverse: V⁻¹ as real matrices (2 dim, 2 dim), which act on real over imaginary parts; decay: −Re λ,
    turns: Im λ/2π, loss: the diagonal of ΣL†L, (dim,) each. condition: of V, by which it enlarges rounding.
    """

    whole: Any
    vectors: Any
    inverse: Any
    decay: Any
    turns: Any
    loss: Any
    condition: float = eqx.field(static=True)

    def excess(self, dtype: np.dtype) -> float:
        return self.condition * super().excess(dtype)

    def enter(self, psi: jax.Array) -> Held:
        parts = parts_of(psi)
        rate = fused_on_cpu(_square_and_rate, parts, self.loss)[1]
        return Held(parts, multiply(self.inverse, parts), jnp.stack([rate, jnp.ones_like(rate), rate]))

    def leave(self, held: Held) -> jax.Array:
        return states_of(held.parts)

    def leap(self, index: jax.Array, length: jax.Array, held: Held, clock: jax.Array) -> Leapt:
        remaining = jnp.broadcast_to(length, clock.shape)
        moved = self._turned(held.modes, remaining) if self.whole is None else act(self.whole[index], held.modes)
        return self._survived(held.modes, moved, held.ahead[0], clock, remaining)

    def settle(self, psi: jax.Array, clock: jax.Array, remaining: jax.Array) -> Leapt:
        held = self.enter(psi)
        return self._survived(held.modes, self._turned(held.modes, remaining), held.ahead[0], clock, remaining)

    def _survived(
        self, modes: jax.Array, moved: jax.Array, rate: jax.Array, clock: jax.Array, remaining: jax.Array
    ) -> Leapt:
        """At the end of the time that remains, in modes `moved`, where no click comes before; as they are elsewhere."""
        end, norm = self._looked(moved), self.searched_norm(clock)
        survives = (end.square >= norm) & (remaining > 0)
        scale = lax.rsqrt(end.square)
        rate = jnp.where(survives, end.rate / end.square, rate)
        modes = jnp.where(survives[None], scale[None] * moved, modes)
        held = Held(scale[None] * end.parts, modes, jnp.stack([rate, end.square, end.rate]))
        return Leapt(held, jnp.where(survives, norm / end.square, clock), jnp.where(survives, 0, remaining))

    def advance(self, held: Held, clock: jax.Array, remaining: jax.Array) -> Advanced:
        """To the next click, as there is one where `leap` and `settle` left time."""
        norm, (rate, square, rate_at_end) = self.searched_norm(clock), held.ahead
        clicks, none = remaining > 0, jnp.zeros_like(clock)
        before = Side(none, -jnp.log(norm), rate)
        after = Side(remaining, jnp.log(square / norm), rate_at_end / square)
        at = Looked(jnp.zeros_like(held.modes), square, rate)
        start = _Search(at, none, before, after, ~clicks, jnp.zeros((), jnp.int32))

        def narrow(search: _Search) -> _Search:
            return self._narrowed(held.modes, norm, search)

        def is_open(search: _Search) -> jax.Array:
            return jnp.any(~search.found) & (search.looks < _LAST)

        end = lax.while_loop(is_open, narrow, start)
        psi = states_of(lax.rsqrt(end.at.square)[None] * end.at.parts)
        return Advanced(psi, norm / end.at.square, jnp.where(clicks, remaining - end.time, 0), clicks, remaining)

    def _narrowed(self, modes: jax.Array, norm: jax.Array, search: _Search) -> _Search:
        """After one more look, at a time of their own those that are not there yet."""
        time = jnp.where(search.found, search.time, _between(search.before, search.after, search.looks))
        at = self._looked(self._turned(modes, time))
        side = Side(time, jnp.log(at.square / norm), at.rate / at.square)
        is_before = side.height >= 0
        before, after = search.before.unless(is_before, side), search.after.unless(~is_before, side)
        eps = float(jnp.finfo(norm.dtype).eps)
        there = (jnp.abs(side.height) <= _MET * eps) | (after.time - before.time <= eps * after.time)
        return _Search(at, time, before, after, search.found | there, search.looks + 1)

    def _looked(self, moved: jax.Array) -> Looked:
        parts = multiply(self.vectors, moved)
        return Looked(parts, *fused_on_cpu(_square_and_rate, parts, self.loss))

    def _turned(self, modes: jax.Array, time: jax.Array) -> jax.Array:
        """e^{λt} of the parts of modes, each column by its own time."""
        turn = jnp.asarray(self.turns)[:, None] * time[None]
        sine, cosine = sine_cosine(turn - jnp.round(turn))
        size = jnp.exp(-jnp.asarray(self.decay)[:, None] * time[None])
        a, b, (real, imag) = size * cosine, size * sine, jnp.split(modes, 2)
        return jnp.concatenate([a * real - b * imag, b * real + a * imag])


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

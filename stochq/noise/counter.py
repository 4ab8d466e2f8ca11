"""What one time step of one block of trajectories draws, laid out so that nothing is drawn twice.

Threefry gives two words at a time. Channels that need complex noise use both for one number. Channels that need
single real normals share a draw between two consecutive steps: the real parts serve the even step, the imaginary
parts the odd one. Joining the two halves inside one step would make XLA evaluate both for every element. Channels
that need two uniforms for one purpose take both words of a draw.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array
from stochq.compiling import by_rows
from stochq.noise.normals import normal_pair, uniform
from stochq.noise.threefry import threefry

# The slot of the number by which a trajectory draws its initial state: the last one, which no step reaches.
STATE_SLOT = 2**32 - 1
# Numbers of a row of the loop that draws them, where a trajectory has at least so many slots.
_ROW, _MANY_SLOTS = 2**8, 2**12


class Budget(NamedTuple):
    """Random numbers of one step of one trajectory: real normals, complex normals (E|z|² = 2), uniforms, bare words,
    and pairs of uniforms."""

    real_normals: int = 0
    complex_normals: int = 0
    uniforms: int = 0
    words: int = 0
    uniform_pairs: int = 0

    def __add__(self, other: "Budget") -> "Budget":  # type: ignore[override]
        return Budget(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def shared(self) -> int:
        """Slots whose two words serve two consecutive steps."""
        return self.real_normals + self.uniforms + self.words

    @property
    def own(self) -> int:
        """Slots that serve one step only."""
        return self.complex_normals + self.uniform_pairs

    @property
    def slots_per_step_pair(self) -> int:
        return self.shared + 2 * self.own


def _from(start: int) -> slice:
    return slice(start, None)


class StepNoise(NamedTuple):
    """The random numbers of one step: real_normals (n,), complex_normals (m,), uniforms (q,), words (halves, w) of 32
    bits, uniform_pairs (r,) complex.

    halves: 1, or 2 for a step joined from two. words: None where none are drawn.
    """

    real_normals: jax.Array
    complex_normals: jax.Array
    uniforms: jax.Array
    words: Any = None
    uniform_pairs: Array = np.zeros((0, 1), np.complex64)

    def split(self, budget: Budget) -> tuple["StepNoise", "StepNoise"]:
        """The first numbers, as many as `budget` says, and the rest."""
        return self._cut(budget, slice), self._cut(budget, _from)

    def _cut(self, budget: Budget, part: Callable[[int], slice]) -> "StepNoise":
        return StepNoise(
            self.real_normals[part(budget.real_normals)],
            self.complex_normals[part(budget.complex_normals)],
            self.uniforms[part(budget.uniforms)],
            None if self.words is None else self.words[:, part(budget.words)],
            self.uniform_pairs[part(budget.uniform_pairs)],
        )

    def join_half_steps(self, second: "StepNoise") -> "StepNoise":
        """The noise of one step of twice the length on the same path: increments add, the first index serves.

        Words stay two: whoever reads them adds what they mean.
        """
        half = np.sqrt(0.5).astype(self.real_normals.dtype)
        words = None if self.words is None else jnp.concatenate([self.words, second.words])
        real_normals = (self.real_normals + second.real_normals) * half
        complex_normals = (self.complex_normals + second.complex_normals) * half
        return StepNoise(real_normals, complex_normals, self.uniforms, words, self.uniform_pairs)

    def with_antithetic(self) -> "StepNoise":
        """These numbers and, in as many more columns, antithetic ones: equally likely −z, 1 − u and opposite bits."""
        return StepNoise(*map(_with_antithetic, _KINDS, self))


class StepPairNoise(NamedTuple):
    """The random numbers of steps 2p and 2p+1, as they are drawn (leading axis: slots; trailing: trajectories)."""

    real_normals: jax.Array
    uniforms: jax.Array
    even_complex_normals: jax.Array
    odd_complex_normals: jax.Array
    even_words: Any = None
    odd_words: Any = None
    even_uniforms: Array = np.zeros((0, 1), np.complex64)
    odd_uniforms: Array = np.zeros((0, 1), np.complex64)

    def even(self) -> StepNoise:
        return StepNoise(
            self.real_normals.real, self.even_complex_normals, self.uniforms.real, self.even_words, self.even_uniforms
        )

    def odd(self) -> StepNoise:
        return StepNoise(
            self.real_normals.imag, self.odd_complex_normals, self.uniforms.imag, self.odd_words, self.odd_uniforms
        )

    def with_antithetic(self) -> "StepPairNoise":
        """The numbers of both steps, those of the antithetic trajectories behind them."""
        return StepPairNoise(*map(_with_antithetic, _PAIR_KINDS, self))


# What the fields of `StepNoise` and of `StepPairNoise` hold.
_KINDS = ("normal", "normal", "uniform", "word", "uniform")
_PAIR_KINDS = ("normal", "uniform", "normal", "normal", "word", "word", "uniform", "uniform")


def _with_antithetic(kind: str, part: Any) -> Any:
    """(..., B) -> (..., 2B)."""
    if part is None:
        return None
    rows = part.reshape(-1, part.shape[-1])
    return by_rows(partial(_beside_antithetic, kind), rows).reshape(*part.shape[:-1], 2 * part.shape[-1])


def _beside_antithetic(kind: str, row: jax.Array) -> jax.Array:
    """(B,) -> (2B,)."""
    if jnp.iscomplexobj(row):
        return lax.complex(_beside_antithetic(kind, row.real), _beside_antithetic(kind, row.imag))
    return jnp.concatenate([row, _flipped(kind, row)])


def _flipped(kind: str, row: jax.Array) -> jax.Array:
    if kind == "word":
        return ~row
    if kind == "normal":
        return -row
    # Uniform numbers exclude zero, whose logarithm is taken.
    return jnp.maximum(1 - row, np.asarray(2.0**-32, row.dtype))


def seed_words(seed: int) -> np.ndarray:
    """The threefry key of a seed: its 64 bits as two words.

    >>> seed_words(1).tolist()
    [1, 0]
    """
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], dtype=np.uint32)


def slot_words(
    key: jax.Array, trajectories: jax.Array, first_slot: jax.Array, count: int
) -> tuple[jax.Array, jax.Array]:
    """The words (count, trajectories) of consecutive slots."""
    return _draw(key, trajectories, first_slot, count, lambda *words: words)


def _draw(key: jax.Array, trajectories: jax.Array, first_slot: jax.Array, count: int, of: Callable[..., Any]) -> Any:
    """`of` both words of consecutive slots: arrays (count, trajectories)."""
    slots = first_slot.astype(jnp.uint32) + jnp.arange(count, dtype=jnp.uint32)
    width = _slots_together(count, trajectories.size)

    def of_slot(slot: jax.Array, key: jax.Array, trajectories: jax.Array) -> Any:
        return of(*threefry(key, trajectories, jnp.broadcast_to(slot, trajectories.shape)))

    def of_slots(some: jax.Array, key: jax.Array, trajectories: jax.Array) -> Any:
        shape = (*some.shape, *trajectories.shape)
        counters = jnp.broadcast_to(trajectories, shape), jnp.broadcast_to(some.reshape(*some.shape, 1), shape)
        return of(*threefry(key, *counters))

    if width == 1:
        return by_rows(of_slot, slots, key, trajectories)
    drawn = by_rows(of_slots, slots.reshape(-1, width), key, trajectories)
    return jax.tree.map(lambda part: part.reshape(count, *trajectories.shape), drawn)


def _slots_together(count: int, columns: int) -> int:
    """How many slots a row of the loop over them draws: more than one of few trajectories with many slots, so that
    it fills a processor's registers many times over."""
    width = max(1, _ROW // max(columns, 1))
    return width if count >= _MANY_SLOTS and count % width == 0 else 1


def _normals(dtype: np.dtype) -> Callable[..., jax.Array]:
    return lambda first, second: lax.complex(*normal_pair(first, second, dtype))


def _uniforms(dtype: np.dtype) -> Callable[..., jax.Array]:
    return lambda first, second: lax.complex(uniform(first, dtype), uniform(second, dtype))


def _of_step(odd: jax.Array, of: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Of two numbers that serve two steps the one of this step."""

    def chosen(*words: jax.Array) -> jax.Array:
        both = of(*words)
        return jnp.where(odd, both.imag, both.real)

    return chosen


def draw_complex_normals(
    key: jax.Array, trajectories: jax.Array, step: jax.Array, budget: Budget, dtype: np.dtype
) -> jax.Array:
    """The complex normals of one step: (budget.complex_normals, trajectories), E|z|² = 2."""
    first = _own_slots(step.astype(jnp.uint32), budget)
    return _draw(key, trajectories, first, budget.complex_normals, _normals(dtype))


def _draw_uniform_pairs(
    key: jax.Array, trajectories: jax.Array, step: jax.Array, budget: Budget, dtype: np.dtype
) -> jax.Array:
    """The pairs of uniforms of one step: (budget.uniform_pairs, trajectories), as real and imaginary parts."""
    first = _own_slots(step, budget) + np.uint32(budget.complex_normals)
    return _draw(key, trajectories, first, budget.uniform_pairs, _uniforms(dtype))


def _own_slots(step: jax.Array, budget: Budget) -> jax.Array:
    """The first of the slots that serve this step only."""
    first = (step >> 1) * np.uint32(budget.slots_per_step_pair) + np.uint32(budget.shared)
    return first + (step & 1) * np.uint32(budget.own)


def _draw_shared(
    key: jax.Array,
    trajectories: jax.Array,
    step_pair: jax.Array,
    budget: Budget,
    normals: Callable[..., jax.Array],
    uniforms: Callable[..., jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """Singles and uniforms, as these functions make them from two words."""
    first = step_pair * np.uint32(budget.slots_per_step_pair)
    real_normals = _draw(key, trajectories, first, budget.real_normals, normals)
    return real_normals, _draw(key, trajectories, first + np.uint32(budget.real_normals), budget.uniforms, uniforms)


def _draw_words(key: jax.Array, trajectories: jax.Array, step_pair: jax.Array, budget: Budget) -> tuple[Any, Any]:
    """The words (1, budget.words, trajectories) of the even and of the odd step, None where there are none."""
    if not budget.words:
        return None, None
    first = step_pair * np.uint32(budget.slots_per_step_pair) + np.uint32(budget.real_normals + budget.uniforms)
    even, odd = slot_words(key, trajectories, first, budget.words)
    return even[None], odd[None]


def draw_step_pair(
    key: jax.Array, trajectories: jax.Array, step_pair: jax.Array, budget: Budget, dtype: np.dtype
) -> StepPairNoise:
    """The random numbers of steps 2p and 2p+1 of the given trajectories.

    key: (2,) uint32; trajectories: (B,) uint32; step_pair: p. Returns arrays (slots, B).
    """
    step_pair = step_pair.astype(jnp.uint32)
    real_normals, uniforms = _draw_shared(key, trajectories, step_pair, budget, _normals(dtype), _uniforms(dtype))
    steps = [2 * step_pair + np.uint32(half) for half in (0, 1)]
    even, odd = (draw_complex_normals(key, trajectories, step, budget, dtype) for step in steps)
    even_words, odd_words = _draw_words(key, trajectories, step_pair, budget)
    even_uniforms, odd_uniforms = (_draw_uniform_pairs(key, trajectories, step, budget, dtype) for step in steps)
    return StepPairNoise(real_normals, uniforms, even, odd, even_words, odd_words, even_uniforms, odd_uniforms)


def draw_step(key: jax.Array, trajectories: jax.Array, step: jax.Array, budget: Budget, dtype: np.dtype) -> StepNoise:
    """The random numbers of one step; the same numbers that `draw_step_pair` gives that step."""
    step = step.astype(jnp.uint32)
    odd = (step & 1).astype(bool)
    normals, uniforms = _of_step(odd, _normals(dtype)), _of_step(odd, _uniforms(dtype))
    words = _draw_words(key, trajectories, step >> 1, budget)
    real_normals, uniforms = _draw_shared(key, trajectories, step >> 1, budget, normals, uniforms)
    return StepNoise(
        real_normals,
        draw_complex_normals(key, trajectories, step, budget, dtype),
        uniforms,
        jnp.where(odd, words[1], words[0]) if budget.words else None,
        _draw_uniform_pairs(key, trajectories, step, budget, dtype),
    )

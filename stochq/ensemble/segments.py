"""Loops through which gradients pass backwards: what a segment of steps needs is made again from its start."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from stochq.ensemble.loop import Loop

_Carry = TypeVar("_Carry")


class Interval(NamedTuple):
    """Between two times of the grid: where it begins and ends, how many steps of which length are made, by what states
    are multiplied at its end, how many parts the record has in it, and the place of the first of them in the run."""

    t: jax.Array
    t_next: jax.Array
    steps: jax.Array
    dt: jax.Array
    phase: jax.Array | None
    bins: jax.Array | None
    slot: jax.Array | None


def repeat_differentiable(count: jax.Array, most: int, segment: int | None, draw: Any, step: Any, carried: Any) -> Any:
    """carried ← step(index, carried, draw(index)) for every index < count <= most.

    Backwards, each step is made again from the state before it. Where not every state is remembered, segments of steps
    are made again before, from theirs; the noise of a step is drawn once whenever it is made.
    """
    if segment is None:
        return _repeat_remembering(count, most, draw, step, carried)
    step = jax.checkpoint(step, prevent_cse=False)
    # JAX would otherwise remember the words of all steps, which depend on no parameter.
    draw = jax.checkpoint(draw, prevent_cse=False)
    segments = _segments(most, segment)
    length = -(-most // segments)

    def visit(carry: tuple, _: None) -> tuple[tuple, None]:
        carried, noise, index = carry
        return (_moved(index < count, step(index, carried, noise), carried), draw(index + 1), index + 1), None

    def advance(carry: tuple, _: None) -> tuple[tuple, None]:
        carried, index = carry
        carried, _, index = lax.scan(visit, (carried, draw(index), index), length=length)[0]
        return (carried, index), None

    carry = carried, jnp.zeros((), count.dtype)
    if segments == 1:
        return advance(carry, None)[0][0]
    return lax.scan(jax.checkpoint(advance, prevent_cse=False), carry, length=segments)[0][0]


def _repeat_remembering(count: jax.Array, most: int, draw: Any, step: Any, carried: Any) -> Any:
    """The same, where the state before every step is remembered."""

    # JAX would otherwise remember the words of all steps, which depend on no parameter.
    draw = jax.checkpoint(draw, prevent_cse=False)

    def made(index: jax.Array, carried: Any) -> Any:
        return _moved(index < count, step(index, carried, draw(index)), carried)

    def visit(carry: tuple, _: None) -> tuple[tuple, None]:
        carried, index = carry
        return (jax.checkpoint(made, prevent_cse=False)(index, carried), index + 1), None

    return lax.scan(visit, (carried, jnp.zeros((), count.dtype)), length=most)[0][0]


def _moved(wanted: jax.Array, moved: Any, carried: Any) -> Any:
    """No conditional, through which XLA would copy what is remembered."""
    return jax.tree.map(lambda new, old: jnp.where(wanted, new, old), moved, carried)


def scan_intervals(loop: Loop, visit: Any, carry: _Carry, intervals: Interval) -> tuple[_Carry, Any]:
    """`visit` of all intervals, as of `lax.scan`; of short ones gradients remember the first in every segment."""
    count = len(intervals[0])
    if loop.most_steps is None or loop.segment is None or _segments(loop.most_steps, loop.segment) > 1:
        return lax.scan(visit, carry, intervals)
    together = max(1, loop.segment // loop.most_steps)
    groups = -(-count // together)

    def grouped(array: jax.Array) -> jax.Array:
        # What fills the last group up are repetitions of the last interval, of no steps and not looked at.
        padded = jnp.pad(array, (0, groups * together - count), mode="edge")
        return padded.reshape(groups, together)

    times, ends, steps, *rest = intervals
    inside = jnp.arange(count) < count
    steps = jnp.where(jnp.pad(inside, (0, groups * together - count)).reshape(groups, together), grouped(steps), 0)
    shaped = intervals._make((grouped(times), grouped(ends), steps, *jax.tree.map(grouped, tuple(rest))))

    def group(carry: _Carry, inputs: Interval) -> tuple[_Carry, Any]:
        return lax.scan(visit, carry, inputs)

    carry, later = lax.scan(jax.checkpoint(group, prevent_cse=False), carry, shaped)
    return carry, jax.tree.map(lambda array: array.reshape(groups * together, *array.shape[2:])[:count], later)


def _segments(most: int, segment: int) -> int:
    """In how many segments of about so many steps an interval of at most `most` is made again."""
    return max(1, round(most / segment))

"""Adaptive integration whose result JAX differentiates: steps are found first, then made again with derivatives.

Dormand and Prince's method of order 8 with error estimates of order 5 and 3 (Hairer, Nørsett and Wanner, Solving
Ordinary Differential Equations I, §II.10). The lengths of the steps are taken as constants by a derivative, which is
that of the numerical solution. It works in both modes and to any order, and remembers few states.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from stochq.arrays import nan_unless

# Steps are made in chunks, of which the first state alone is remembered by a gradient.
_CHUNK = 128
_MOST_STEPS = _CHUNK**2
_MOST_TRIES = 2 * _MOST_STEPS
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 30.0
# How far inside a step, in its lengths, its ends are looked at.
_INSET = 1e-10
# The first step tried, in first intervals.
_FIRST = 1e-3

Slope = Callable[[jax.Array, jax.Array], jax.Array]


class Tolerance(NamedTuple):
    """Of an element's error in one step: relative to the largest element, absolute; and the longest step."""

    relative: float
    absolute: float
    longest: jax.Array


class Steps(NamedTuple):
    """When steps start and how long they are (N,), their number, and the index (T−1,) of those that end at a time."""

    starts: jax.Array
    lengths: jax.Array
    count: jax.Array
    ends: jax.Array
    finished: jax.Array


def find_steps(slope: Slope, start: jax.Array, times: jax.Array, tolerance: Tolerance) -> Steps:
    """Steps of dy/dt = slope(t, y) from y = start that keep the tolerance and end at every one of the times (T,).

    Nothing is differentiated here: what the slope and the start are made of must be constants (`lax.stop_gradient`).
    """
    nothing = jnp.zeros(_MOST_STEPS, times.dtype)
    ends = jnp.zeros(len(times) - 1, jnp.int32)
    zero = jnp.zeros((), jnp.int32)

    def unfinished(carry: tuple) -> jax.Array:
        _, _, _, steps, tries = carry
        reached = steps.finished
        return (reached < len(times) - 1) & (steps.count < _MOST_STEPS) & (tries < _MOST_TRIES)

    def attempt(carry: tuple) -> tuple:
        t, y, h, steps, tries = carry
        goal = times[steps.finished + 1]
        ends_there = h >= (goal - t) * (1 - 1e-6)
        length = jnp.where(ends_there, goal - t, h)
        after, error = _step(slope, t, y, length, tolerance)
        kept = error <= 1
        factor = jnp.where(jnp.isfinite(error), _SAFETY * jnp.maximum(error, 1e-12) ** (-1 / 8), _SHRINK)
        proposed = length * jnp.clip(factor, _SHRINK, _GROW)
        # A step cut short by a time says nothing against the length before.
        h = jnp.minimum(jnp.where(kept & ends_there, jnp.maximum(h, proposed), proposed), tolerance.longest)
        arrived = kept & ends_there
        steps = Steps(
            steps.starts.at[steps.count].set(t),
            steps.lengths.at[steps.count].set(length),
            steps.count + kept,
            steps.ends.at[steps.finished].set(steps.count),
            steps.finished + arrived,
        )
        t = jnp.where(arrived, goal, jnp.where(kept, t + length, t))
        return t, jnp.where(kept, after, y), h, steps, tries + 1

    first = jnp.minimum(_FIRST * (times[1] - times[0]), tolerance.longest)
    begin = (times[0], start, first, Steps(nothing, nothing, zero, ends, zero), zero)
    steps = lax.while_loop(unfinished, attempt, begin)[3]
    return steps._replace(finished=steps.finished == len(times) - 1)


def find_common_steps(
    problem: Callable[[list[jax.Array], jax.Array], tuple[Slope, jax.Array]],
    leaves: list[jax.Array],
    times: jax.Array,
    tolerance: Tolerance,
) -> Steps:
    """As `find_steps`, without derivatives, and under `vmap` the same steps for all: else none could be left out.

    problem: from arrays and the first time to the slope and the start; it holds no traced numbers itself.
    """

    @jax.custom_jvp
    def constant(*arguments: jax.Array) -> Steps:
        return common(*arguments)

    @custom_vmap
    def common(times: jax.Array, longest: jax.Array, *leaves: jax.Array) -> Steps:
        slope, start = problem(list(leaves), times[0])
        return find_steps(slope, start, times, tolerance._replace(longest=longest))

    @common.def_vmap
    def batched(size: int, axes: list[bool], times: jax.Array, longest: jax.Array, *leaves: jax.Array) -> tuple:
        over = [0 if axis else None for axis in axes[2:]]

        def slopes(t: jax.Array, y: jax.Array) -> jax.Array:
            def one(leaves: list[jax.Array], y: jax.Array) -> jax.Array:
                return problem(leaves, times[0])[0](t, y)

            return jax.vmap(one, in_axes=(over, 0))(list(leaves), y)

        start = jax.vmap(lambda leaves: problem(leaves, times[0])[1], in_axes=(over,), axis_size=size)(list(leaves))
        steps = find_steps(slopes, start, times, tolerance._replace(longest=longest))
        return steps, jax.tree.map(lambda _: False, steps)

    @constant.defjvp
    def rule(values: tuple, changes: tuple) -> tuple[Steps, Steps]:
        steps = constant(*values)
        return steps, jax.tree.map(_no_change, steps)

    return constant(times, tolerance.longest, *leaves)


def _no_change(value: jax.Array) -> np.ndarray | jax.Array:
    if jnp.issubdtype(value.dtype, jnp.inexact):
        return jnp.zeros_like(value)
    return np.zeros(value.shape, jax.dtypes.float0)


def make_steps(
    slope: Slope, read: Callable[[jax.Array, jax.Array], jax.Array], start: jax.Array, steps: Steps
) -> jax.Array:
    """read(t, y) at the start and at the ends, (T, ...); NaN where the steps did not reach them."""
    last = jnp.zeros(_MOST_STEPS, bool).at[steps.ends].set(True)
    initial = read(steps.starts[0], start)
    nothing = jnp.zeros_like(initial)

    def one(y: jax.Array, step: tuple) -> tuple[jax.Array, jax.Array]:
        index, t, length, is_last = step

        def make(y: jax.Array) -> jax.Array:
            return y + length * _combination(_stages(slope, t, y, length), "B")

        y = lax.cond(index < steps.count, jax.checkpoint(make), lambda y: y, y)
        return y, lax.cond(is_last, read, lambda t, y: nothing, t + length, y)

    def chunk(y: jax.Array, part: tuple) -> tuple[jax.Array, jax.Array]:
        def make(y: jax.Array) -> tuple[jax.Array, jax.Array]:
            return lax.scan(one, y, part)

        def skip(y: jax.Array) -> tuple[jax.Array, jax.Array]:
            return y, jnp.zeros((_CHUNK, *nothing.shape), nothing.dtype)

        return lax.cond(part[0][0] < steps.count, jax.checkpoint(make), skip, y)

    plan = (jnp.arange(_MOST_STEPS), steps.starts, steps.lengths, last)
    chunks = jax.tree.map(lambda array: array.reshape(-1, _CHUNK), plan)
    values = lax.scan(chunk, start, chunks)[1].reshape(_MOST_STEPS, *nothing.shape)
    reached = jnp.concatenate([initial[None], values[steps.ends]])
    return nan_unless(steps.finished, reached)


def _coefficients(name: str, dtype: np.dtype) -> np.ndarray:
    """Of the tableau: A (12, 12), B and C (12,), and those of the error estimates E3 and E5 (12,)."""
    from scipy.integrate import DOP853

    stages = len(DOP853.B)
    array = getattr(DOP853, name)
    return np.asarray(array[:stages, :stages] if name == "A" else array[:stages], dtype)


def _stages(slope: Slope, t: jax.Array, y: jax.Array, length: jax.Array) -> jax.Array:
    """The slopes (12, ...) of one step."""
    within, nodes = (jnp.asarray(_coefficients(name, y.dtype)) for name in "AC")
    # Where a coefficient jumps at an end of the step, the value inside counts.
    nodes = _INSET + (1 - 2 * _INSET) * nodes

    def stage(slopes: jax.Array, index: jax.Array) -> tuple[jax.Array, None]:
        at = y + length * jnp.tensordot(within[index], slopes, 1)
        return slopes.at[index].set(slope(t + nodes[index] * length, at)), None

    return lax.scan(stage, jnp.zeros((len(nodes), *y.shape), y.dtype), jnp.arange(len(nodes)))[0]


def _combination(slopes: jax.Array, name: str) -> jax.Array:
    return jnp.tensordot(_coefficients(name, slopes.dtype), slopes, 1)


def _step(
    slope: Slope, t: jax.Array, y: jax.Array, length: jax.Array, tolerance: Tolerance
) -> tuple[jax.Array, jax.Array]:
    """y after the step, and its error in units of the tolerance."""
    slopes = _stages(slope, t, y, length)
    after = y + length * _combination(slopes, "B")
    scale = tolerance.absolute + tolerance.relative * jnp.maximum(jnp.abs(y), jnp.abs(after))
    fifth, third = (jnp.max(jnp.abs(_combination(slopes, name)) / scale) for name in ("E5", "E3"))
    norm = jnp.sqrt(fifth**2 + 0.01 * third**2)
    return after, jnp.where(norm > 0, length * fifth**2 / jnp.where(norm > 0, norm, 1.0), norm)

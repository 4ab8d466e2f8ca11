"""What is done between two saved times: steps one after another, each with noise drawn before it, or one kernel."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax

from stochq.accelerators import in_copies, on_accelerator
from stochq.compiling import own_call
from stochq.ensemble.conditional import Follower, TwoFollowers
from stochq.ensemble.jumps.tape import with_clicks
from stochq.ensemble.loop import Loop
from stochq.ensemble.records import counters, sum_columns
from stochq.ensemble.registers import Interval, Iteration
from stochq.ensemble.segments import repeat_differentiable
from stochq.noise import Budget, Colouring
from stochq.noise.apart import draw_apart
from stochq.noise.counter import draw_step, draw_step_pair
from stochq.schemes import Stepper

# Random numbers of two steps of a block above which they are drawn when they are needed.
LARGEST_CARRIED = 2**17


def advance_of(
    loop: Loop,
    stepper: Stepper,
    follower: Follower | TwoFollowers | None,
    colouring: Colouring | None,
    budget: Budget,
    key: jax.Array,
    trajectories: jax.Array,
    dtype: np.dtype,
    carried: tuple,
) -> Any:
    """The function ((carried, noise), t, first step, number of steps, dt) -> (carried, noise) over one interval.

    carried: as of `_steps`; noise: of the step that comes next, None where threads draw their own.

    The next step's noise is drawn in the loop body of the step before it and carried, from one interval to the next as
    well: XLA would otherwise evaluate the generator once for every place where a number is used. Of many numbers, which
    are drawn in a call of their own, None is carried.
    """
    draw, stride = carried_drawing(loop, stepper, colouring)
    if loop.threads is not None:
        # Here, since importing Pallas takes longer than a small run.
        from stochq.ensemble.persistent import advance_in_threads

        iteration = iteration_of(loop, stepper, budget, key, dtype, carried)
        return advance_in_threads(iteration, trajectories, stride, loop.threads)
    body = _steps(loop, stepper, follower, colouring, key, trajectories)

    def interval(carry: tuple, t: jax.Array, first: jax.Array, steps: jax.Array, dt: jax.Array) -> Any:
        def step(index: jax.Array, carried: Any, noise: Any) -> Any:
            return body(carried, t + (stride * index).astype(dtype) * dt, dt, noise)

        def following(index: jax.Array) -> Any:
            return draw(key, trajectories, first // stride + index, budget, dtype)

        def iterate(index: jax.Array, carry: tuple) -> tuple:
            carried, noise = carry
            if noise is None:
                return step(index, carried, _drawn_once(following, index)), None
            return step(index, carried, noise), following(index + 1)

        if loop.most_steps is None:
            return lax.fori_loop(0, steps // stride, iterate, carry)
        carried, noise = carry
        most = loop.most_steps // stride
        drawn = partial(_drawn_once, following) if loop.segment is None else following
        return repeat_differentiable(steps // stride, most, loop.segment, drawn, step, carried), noise

    return interval


def _drawn_once(draw: Any, index: jax.Array) -> Any:
    """draw(index), evaluated once whatever the number of places where a number is used.

    A processor's compiler leaves barriers out before it fuses: uniform numbers, which are few and not drawn in a call
    of their own, would be drawn anew for every level.
    """
    return lax.optimization_barrier(draw(index)) if on_accelerator() else own_call(draw, index)


def _steps(
    loop: Loop,
    stepper: Stepper,
    follower: Follower | TwoFollowers | None,
    colouring: Colouring | None,
    key: jax.Array,
    trajectories: jax.Array,
) -> Any:
    """The function (carried, t, dt, noise) -> carried that makes the steps of what is drawn at a time.

    carried: (state, memory, known, record). memory: what coloured noise carries from step to step; None for white
    noise. known: what the follower carries; None where there is none. record: the sum of its increments so far,
    (column, block), and the tape of clicks, None without one; None where there is none.
    """

    def one_step(carried: tuple, t: jax.Array, dt: jax.Array, noise: Any) -> tuple:
        state, memory, known, record = carried
        if colouring is not None:
            noise, memory = (colouring.pair if loop.scheme.doubles_steps else colouring.step)(memory, noise)
        if loop.antithetic:
            noise = noise.with_antithetic()
        if record is None and follower is None:
            return stepper.step(t, state, noise), memory, None, None
        if follower is None:
            state, increments = stepper.step_with_record(t, state, noise)
        else:
            state, (increments, *others) = stepper.step_with_records(t, state, noise)
            known = follower.step(t, known, increments, *others)
        if record is None:
            return state, memory, known, None
        (sums, tape), columns = record, sum_columns(loop.record, increments)
        if tape is not None:
            tape = with_clicks(tape, columns[np.asarray(counters(loop.record))], dt, key, trajectories)
        return state, memory, known, (sums + columns, tape)

    def two_steps(carried: tuple, t: jax.Array, dt: jax.Array, noise: Any) -> tuple:
        with in_copies(2):
            return one_step(one_step(carried, t, dt, noise.even()), t + dt, dt, noise.odd())

    return two_steps if drawing(loop)[1] == 2 else one_step


def drawing(loop: Loop) -> tuple[Any, int]:
    """How noise is drawn and for how many steps at a time."""
    if loop.scheme.doubles_steps:
        return draw_step_pair, 1
    return (draw_step_pair, 2) if loop.paired else (draw_step, 1)


def carries_noise(loop: Loop, budget: Budget) -> bool:
    """Whether the noise of the next step is carried: not where threads draw their own, nor on a processor where the
    numbers of a step fill more than a cache, so that they would take the memory of further states."""
    few = loop.block * budget.slots_per_step_pair <= LARGEST_CARRIED
    return loop.threads is None and (few or on_accelerator() or loop.most_steps is not None)


def carried_drawing(loop: Loop, stepper: Stepper, colouring: Colouring | None) -> tuple[Any, int]:
    """As `drawing`, for numbers that are carried from the end of one step to the next."""
    draw, stride = drawing(loop)
    if on_accelerator() and stride == 2 and colouring is None and len(stepper.parts) > 1:
        return partial(draw_apart, stepper.parts), stride
    return draw, stride


def iteration_of(
    loop: Loop, stepper: Stepper, budget: Budget, key: jax.Array, dtype: np.dtype, carried: tuple
) -> Iteration:
    """What a thread does between two draws, of white noise where nothing is conditioned; carried: as of `_steps`, or
    its shapes."""
    draw, stride = drawing(loop)

    def iterate(shared: tuple, interval: Interval, trajectory: jax.Array, index: jax.Array, carried: tuple) -> tuple:
        (stepper, key), (t, dt, first) = shared, interval
        noise = draw(key, trajectory, first + index, budget, dtype)
        body = _steps(loop, stepper, None, None, key, trajectory)
        return body(carried, t + (stride * index).astype(dtype) * dt, dt, noise)

    return Iteration(iterate, (stepper, key), carried, loop.block, dtype)

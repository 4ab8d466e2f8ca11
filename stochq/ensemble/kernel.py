"""The time loop over one block of trajectories, trajectories on the minor axis."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import in_copies, on_accelerator
from stochq.ensemble.conditional import Conditioning, Follower, TwoFollowers
from stochq.ensemble.initial import starting_states
from stochq.ensemble.jumps.tape import Tape, blank_tape, with_clicks
from stochq.ensemble.records import RecordColumn, counters, sum_columns
from stochq.ensemble.registers import Interval, Iteration
from stochq.noise import Budget, Colouring
from stochq.noise.apart import draw_apart
from stochq.noise.counter import draw_step, draw_step_pair
from stochq.schemes import Frame, Scheme, Stepper
from stochq.schemes.scheme import States

# Random numbers of two steps of a block above which they are drawn when they are needed.
LARGEST_CARRIED = 2**17


class Loop(NamedTuple):
    """The static choices of a run: everything here triggers a compilation when it changes.

    most_steps: the most steps between two saved times where gradients must pass backwards through the loop; None
    leaves the number of steps to the grid, so that it triggers no compilation. segment: how many steps, of one interval
    or of several, are then made again at a time from the state before them. block: trajectories that draw their own
    noise. antithetic: whether each has a mirror image, a second trajectory with antithetic noise. record: the columns
    of the record that is summed over each of `bins` intervals in all; none where nothing is recorded. clicks: of how
    many clicks of a trajectory the times are remembered. conditioning: of the density matrices that are looked at in
    place of the trajectories' own states; None where these are. threads: of a block of the persistent kernel, a
    trajectory each; None where steps are made one by one, as they are wherever gradients pass.
    """

    scheme: Scheme
    block: int
    uniform: bool
    paired: bool
    most_steps: int | None = None
    segment: int = 1
    antithetic: bool = False
    record: tuple[RecordColumn, ...] = ()
    bins: int = 0
    clicks: int = 0
    conditioning: Conditioning | None = None
    threads: int | None = None

    @property
    def columns(self) -> int:
        """States side by side: the images, if any, in the second half."""
        return self.block * (2 if self.antithetic else 1)


class GridArrays(NamedTuple):
    """The time grid on the device: ends (I+1,), steps (I,), lengths (I,); what makes noise of its steps coloured.

    phases: (I+1,), by which states are multiplied where they are looked at; None where nobody can tell. bins: (I,)
    parts of every interval over which records are summed, the first of them the one of `slots` (I,) in the whole run;
    None where there are none. saved: (T-1,), the intervals whose ends are saved; None where all are.
    """

    ends: Any
    steps: Any
    lengths: Any
    colouring: Colouring | None = None
    phases: Any = None
    bins: Any = None
    slots: Any = None
    saved: Any = None

    @property
    def times(self) -> int:
        """Number of saved times."""
        return len(self.ends if self.saved is None else self.saved) + (self.saved is not None)


def _repeat_differentiable(count: jax.Array, most: int, segment: int, draw: Any, step: Any, carried: Any) -> Any:
    """carried ← step(index, carried, draw(index)) for every index < count <= most.

    Backwards, one segment of steps at a time is made again from the state before it, and then each of its steps; the
    noise of a step is drawn once in each of the first two passes.
    """
    step = jax.checkpoint(step, prevent_cse=False)
    # JAX would otherwise remember the words of all steps, which depend on no parameter.
    draw = jax.checkpoint(draw, prevent_cse=False)
    segments = -(-most // segment)
    length = -(-most // segments)

    def visit(carry: tuple, _: None) -> tuple[tuple, None]:
        carried, noise, index = carry
        moved = step(index, carried, noise)
        # No conditional, through which XLA would copy what is remembered.
        carried = jax.tree.map(lambda new, old: jnp.where(index < count, new, old), moved, carried)
        return (carried, draw(index + 1), index + 1), None

    def advance(carry: tuple, _: None) -> tuple[tuple, None]:
        carried, index = carry
        carried, _, index = lax.scan(visit, (carried, draw(index), index), length=length)[0]
        return (carried, index), None

    carry = carried, jnp.zeros((), count.dtype)
    if _intervals_together(most, segment) > 1:
        return advance(carry, None)[0][0]
    return lax.scan(jax.checkpoint(advance, prevent_cse=False), carry, length=segments)[0][0]


def _intervals_together(most: int, segment: int) -> int:
    """How many intervals of at most `most` steps make a segment."""
    return max(1, segment // most)


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


def _carries_noise(loop: Loop, budget: Budget) -> bool:
    """Whether the noise of the next step is carried: not where threads draw their own, nor on a processor where the
    numbers of a step fill more than a cache, so that they would take the memory of further states."""
    few = loop.block * budget.slots_per_step_pair <= LARGEST_CARRIED
    return loop.threads is None and (few or on_accelerator() or loop.most_steps is not None)


def _carried_drawing(loop: Loop, stepper: Stepper, colouring: Colouring | None) -> tuple[Any, int]:
    """As `drawing`, for numbers that are carried from the end of one step to the next."""
    draw, stride = drawing(loop)
    if on_accelerator() and stride == 2 and colouring is None and len(stepper.parts) > 1:
        return partial(draw_apart, stepper.parts), stride
    return draw, stride


def _advance(
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
    draw, stride = _carried_drawing(loop, stepper, colouring)
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
                return step(index, carried, lax.optimization_barrier(following(index))), None
            return step(index, carried, noise), following(index + 1)

        if loop.most_steps is None:
            return lax.fori_loop(0, steps // stride, iterate, carry)
        carried, noise = carry
        most = loop.most_steps // stride
        return _repeat_differentiable(steps // stride, most, loop.segment, following, step, carried), noise

    return interval


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


def _through_bins(
    advance: Any, carry: tuple, written: tuple, interval: tuple, bins: jax.Array, slot: jax.Array
) -> tuple:
    """(((state, memory, known), noise), written) after one interval, whose record is summed over so many equal parts.

    written: sums (bins, column, block) of the whole run, and the tape of clicks; slot: of the first part in it. Where
    an edge divides a part, what is written down on both its sides adds up.
    """
    t, first, steps, dt = interval
    each = steps // bins

    def one_bin(index: jax.Array, carry: tuple) -> tuple:
        (carried, noise), (sums, tape) = carry
        done = index * each
        (*carried, (record, tape)), noise = advance(
            ((*carried, (jnp.zeros_like(sums[0]), tape)), noise), t + done.astype(dt.dtype) * dt, first + done, each, dt
        )
        return (tuple(carried), noise), (sums.at[slot + index].add(record), tape)

    sums, tape = written
    return lax.fori_loop(0, bins, one_bin, (carry, (sums, None if tape is None else tape.next_interval())))


def run_block(
    loop: Loop,
    frame: Frame,
    grid: GridArrays,
    psi0: jax.Array,
    key: jax.Array,
    first: jax.Array,
    observe: Any,
    reduce: Any = lambda seen: seen,
) -> Any:
    """`observe` of one block at every saved time, stacked on a leading time axis.

    psi0: as of `starting_states`. first: index of the first trajectory that draws noise. observe: from the tuple of
    states in the given basis, each (dim, loop.columns), one for each of the scheme's weights, or of the one conditional
    density matrix (dim, dim, loop.columns); where something is recorded to a dictionary, to which "records" (bins,
    column, block) are added, and "clicks" (3, loop.clicks, block) where their times are remembered, as of
    `jumps.kernel.run_block`, the intervals those of the grid. reduce: of what is observed at one time of all columns,
    what is kept.
    """
    dtype = psi0.real.dtype
    trajectories = first.astype(jnp.uint32) + jnp.arange(loop.block, dtype=jnp.uint32)
    budget, colouring = loop.scheme.budget(frame), grid.colouring
    memory = None if colouring is None else colouring.start(key, trajectories, budget.real_normals, dtype)
    drawn = budget if colouring is None else colouring.budget(budget)
    shared = loop.scheme.prepare(frame, grid.lengths[0]) if loop.uniform else None
    first_follower = _follower(loop, grid.ends[0], grid.lengths[0])

    def give(states: States, known: Any, phase: jax.Array | None) -> Any:
        if first_follower is not None:
            return observe(first_follower.densities(known))
        given = tuple(frame.from_frame(psi) for psi in states)
        return observe(given if phase is None else tuple(phase * psi for psi in given))

    def visit(carry: tuple, interval: tuple) -> tuple:
        state, memory, known, noise, step, written = carry
        t, t_next, steps, dt, phase, bins, slot = interval
        stepper = loop.scheme.prepare(frame, dt) if shared is None else shared
        state = stepper.resume(t, state) if shared is None else state
        advance = shared_advance or advance_of(stepper, _follower(loop, t, dt), state)
        if written is None:
            (state, memory, known, _), noise = advance(((state, memory, known, None), noise), t, step, steps, dt)
        else:
            carried, place = ((state, memory, known), noise), (t, step, steps, dt)
            ((state, memory, known), noise), written = _through_bins(advance, carried, written, place, bins, slot)
        seen = give(stepper.extract(t_next, state), known, phase)
        state = stepper.suspend(t_next, state) if shared is None else state
        return (state, memory, known, noise, step + steps, written), reduce(seen)

    # One column until all is done that trajectories share. XLA's processor backend (jaxlib 0.10) also reads beyond
    # the operand in a product of a matrix and a broadcast vector that is summed afterwards.
    starts, spread = starting_states(psi0, key, trajectories, loop.columns)
    states = tuple(frame.to_frame(starts) for _ in loop.scheme.weights)
    first_stepper = loop.scheme.prepare(frame, grid.lengths[0]) if shared is None else shared
    start = first_stepper.init(grid.ends[0], states)
    start = first_stepper.suspend(grid.ends[0], start) if shared is None else start
    start = jax.tree.map(spread, start)
    start_phase, phases = (None, None) if grid.phases is None else (grid.phases[0], grid.phases[1:])
    intervals = (grid.ends[:-1], grid.ends[1:], grid.steps, grid.lengths, phases, grid.bins, grid.slots)
    step = jnp.zeros((), grid.steps.dtype)
    draw = _carried_drawing(loop, first_stepper, colouring)[0]
    noise = draw(key, trajectories, step, drawn, dtype) if _carries_noise(loop, drawn) else None
    written = _nothing_written(loop, dtype)
    known = None if first_follower is None else first_follower.start(loop.columns)
    record = None if written is None else (jax.ShapeDtypeStruct(written[0].shape[1:], dtype), written[1])

    def advance_of(stepper: Stepper, follower: Follower | TwoFollowers | None, state: Any) -> Any:
        carried = state, memory, known, record
        return _advance(loop, stepper, follower, colouring, drawn, key, trajectories, dtype, carried)

    shared_advance = None if shared is None else advance_of(shared, first_follower, start)
    (*_, written), later = _scan_intervals(loop, visit, (start, memory, known, noise, step, written), intervals)
    if grid.saved is not None:
        later = jax.tree.map(lambda each: each[grid.saved], later)
    seen = give(states, known, start_phase)
    at_start = reduce(seen if known is not None else jax.tree.map(spread, seen))
    seen = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), at_start, later)
    if written is None:
        return seen
    sums, tape = written
    return {**seen, "records": sums} | ({} if tape is None else {"clicks": tape.log})


def _nothing_written(loop: Loop, dtype: np.dtype) -> tuple[jax.Array, Tape | None] | None:
    if not loop.record:
        return None
    tape = blank_tape(loop.clicks, loop.block, dtype) if loop.clicks else None
    return jnp.zeros((loop.bins, len(loop.record), loop.block), dtype), tape


def _follower(loop: Loop, t: jax.Array, dt: jax.Array) -> Follower | TwoFollowers | None:
    """The filter of steps of this length; None where nothing is conditioned."""
    return None if loop.conditioning is None else loop.conditioning.follow(t, dt)


def _scan_intervals(loop: Loop, visit: Any, carry: tuple, intervals: tuple) -> tuple[tuple, Any]:
    """`visit` of all intervals, as of `lax.scan`; of many short ones gradients remember the first in every segment."""
    count = len(intervals[0])
    together = 1 if loop.most_steps is None else _intervals_together(loop.most_steps, loop.segment)
    if together == 1:
        return lax.scan(visit, carry, intervals)
    groups = -(-count // together)

    def grouped(array: jax.Array) -> jax.Array:
        # What fills the last group up are repetitions of the last interval, of no steps and not looked at.
        padded = jnp.pad(array, (0, groups * together - count), mode="edge")
        return padded.reshape(groups, together)

    times, ends, steps, *rest = intervals
    inside = jnp.arange(count) < count
    steps = jnp.where(jnp.pad(inside, (0, groups * together - count)).reshape(groups, together), grouped(steps), 0)
    shaped = (grouped(times), grouped(ends), steps, *jax.tree.map(grouped, tuple(rest)))

    def group(carry: tuple, inputs: tuple) -> tuple[tuple, Any]:
        return lax.scan(visit, carry, inputs)

    carry, later = lax.scan(jax.checkpoint(group, prevent_cse=False), carry, shaped)
    return carry, jax.tree.map(lambda array: array.reshape(groups * together, *array.shape[2:])[:count], later)

"""The time loop over one block of trajectories, trajectories on the minor axis."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.compiling import own_call
from stochq.ensemble.advance import advance_of, carried_drawing, carries_noise
from stochq.ensemble.conditional import Follower, TwoFollowers
from stochq.ensemble.final_states import Begun, packed, unpacked
from stochq.ensemble.initial import starting_states
from stochq.ensemble.jumps.tape import Tape, blank_tape
from stochq.ensemble.loop import GridArrays, Loop
from stochq.ensemble.segments import scan_intervals
from stochq.schemes import Frame, Stepper
from stochq.schemes.scheme import States


def run_block(
    loop: Loop,
    frame: Frame,
    grid: GridArrays,
    psi0: jax.Array,
    key: jax.Array,
    first: jax.Array,
    observe: Any,
    reduce: Any = lambda seen: seen,
    start: Begun | None = None,
    final: bool = False,
) -> Any:
    """`observe` of one block at every saved time, stacked on a leading time axis.

    psi0: as of `starting_states`. first: index of the first trajectory that draws noise. observe: from the tuple of
    states in the given basis, each (dim, loop.columns), one for each of the scheme's weights, or of the one conditional
    density matrix (dim, dim, loop.columns); where something is recorded to a dictionary, to which "records" (bins,
    column, block) are added, and "clicks" (3, loop.clicks, block) where their times are remembered, as of
    `jumps.kernel.run_block`, the intervals those of the grid. reduce: of what is observed at one time of all columns,
    what is kept. start: what trajectories carried at the first time of the grid, as of "final", and wrote
    down before; what is seen at that time is left out. final: whether to add what they carry at the last time, "final"
    (n, block), and to round alike whether they begin or go on.
    """
    dtype = psi0.real.dtype
    trajectories = first.astype(jnp.uint32) + jnp.arange(loop.block, dtype=jnp.uint32)
    budget, colouring = loop.scheme.budget(frame), grid.colouring
    memory = None if colouring is None else colouring.start(key, trajectories, budget.real_normals, dtype)
    drawn = budget if colouring is None else colouring.budget(budget)
    apart = own_call if final else _in_place
    shared = apart(partial(loop.scheme.prepare, frame), grid.lengths[0]) if loop.uniform else None
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
        advance = shared_advance or between(stepper, _follower(loop, t, dt), state)
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
    if frame.hamiltonian.is_matrix_free:
        # Made again for each block: states that all blocks share would be kept beside those of one.
        psi0 = psi0 * (1 + 0 * first.astype(dtype))
    starts, spread = starting_states(psi0, key, trajectories, loop.columns)
    states = tuple(frame.to_frame(starts) for _ in loop.scheme.weights)
    first_stepper = loop.scheme.prepare(frame, grid.lengths[0]) if shared is None else shared
    begun = first_stepper.init(grid.ends[0], states)
    begun = first_stepper.suspend(grid.ends[0], begun) if shared is None else begun
    begun = jax.tree.map(spread, begun)
    start_phase, phases = (None, None) if grid.phases is None else (grid.phases[0], grid.phases[1:])
    intervals = (grid.ends[:-1], grid.ends[1:], grid.steps, grid.lengths, phases, grid.bins, grid.slots)
    draw = carried_drawing(loop, first_stepper, colouring)[0]
    step = jnp.zeros((), grid.steps.dtype)
    if start is not None:
        (begun, memory), step = unpacked(start.carried, (begun, memory)), start.step
    # Of many spins it would take the memory of further states.
    carries = carries_noise(loop, drawn) and not final and not frame.hamiltonian.is_matrix_free
    noise = draw(key, trajectories, step, drawn, dtype) if carries else None
    written = _nothing_written(loop, dtype)
    written = written if written is None or start is None else start.written(written)
    known = None if first_follower is None else first_follower.start(loop.columns)
    record = None if written is None else (jax.ShapeDtypeStruct(written[0].shape[1:], dtype), written[1])

    def between(stepper: Stepper, follower: Follower | TwoFollowers | None, state: Any) -> Any:
        carried = state, memory, known, record
        return advance_of(loop, stepper, follower, colouring, drawn, key, trajectories, dtype, carried)

    shared_advance = None if shared is None else between(shared, first_follower, begun)
    carry = begun, memory, known, noise, step, written
    carry = lax.optimization_barrier(carry) if final else carry
    carry, seen = scan_intervals(loop, partial(apart, visit), carry, intervals)
    state, memory, *_, written = carry
    if grid.saved is not None:
        seen = jax.tree.map(lambda each: each[grid.saved], seen)
    if start is None:
        first_seen = give(states, known, start_phase)
        at_start = reduce(first_seen if known is not None else jax.tree.map(spread, first_seen))
        seen = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), at_start, seen)
    if final:
        seen = {**seen, "final": packed((state, memory))}
    if written is None:
        return seen
    sums, tape = written
    return {**seen, "records": sums} | ({} if tape is None else {"clicks": tape.log})


def _in_place(function: Callable[..., Any], *operands: Any) -> Any:
    return function(*operands)


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


def _nothing_written(loop: Loop, dtype: np.dtype) -> tuple[jax.Array, Tape | None] | None:
    if not loop.record:
        return None
    tape = blank_tape(loop.clicks, loop.block, dtype) if loop.clicks else None
    return jnp.zeros((loop.bins, len(loop.record), loop.block), dtype), tape


def _follower(loop: Loop, t: jax.Array, dt: jax.Array) -> Follower | TwoFollowers | None:
    """The filter of steps of this length; None where nothing is conditioned."""
    return None if loop.conditioning is None else loop.conditioning.follow(t, dt)

"""The time loop over one block of trajectories, trajectories on the minor axis."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.compiling import own_call
from stochq.ensemble.advance import advance_of, carried_drawing, carries_noise
from stochq.ensemble.conditional import Follower, TwoFollowers
from stochq.ensemble.final_states import Begun, packed, unpacked
from stochq.ensemble.initial import Spread, starting_states
from stochq.ensemble.jumps.tape import Tape, blank_tape
from stochq.ensemble.loop import GridArrays, Loop
from stochq.ensemble.segments import Interval, scan_intervals
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
    block = _Block(loop, frame, grid, key, first, psi0.real.dtype, observe, final)
    if frame.hamiltonian.is_matrix_free:
        # Made again for each block: states that all blocks share would be kept beside those of one.
        psi0 = psi0 * (1 + 0 * first.astype(psi0.real.dtype))
    states, spread = block.starts(psi0)
    carry = block.begin(states, spread, start)

    def visit(carry: _Carried, interval: Interval) -> tuple[_Carried, Any]:
        carry, seen = block.visit(carry, interval)
        return carry, reduce(seen)

    carry, seen = scan_intervals(loop, partial(block.apart, visit), carry, block.intervals())
    if grid.saved is not None:
        seen = jax.tree.map(lambda each: each[grid.saved], seen)
    if start is None:
        at_start = reduce(block.at_start(states, spread))
        seen = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), at_start, seen)
    return {**seen, **_at_the_end(carry, final)} if final or carry.written is not None else seen


class _Carried(NamedTuple):
    """What passes from one saved time to the next.

    state: of the stepper. memory: of coloured noise. known: of the follower. noise: of the next step, where it is
    carried. step: how many are made. written: sums (bins, column, block) of the whole run, and the tape of clicks. None
    stands for what there is not.
    """

    state: Any
    memory: Any
    known: Any
    noise: Any
    step: jax.Array
    written: tuple[jax.Array, Tape | None] | None


@final
class _Block:
    """One block of trajectories on a grid: what its steps share, and what is done at its times.

    apart: how parts of the run are called, so that they round alike in all programs where it has to go on. The stepper
    is shared by all steps where they have one length, else each interval has its own.
    """

    def __init__(
        self,
        loop: Loop,
        frame: Frame,
        grid: GridArrays,
        key: jax.Array,
        first: jax.Array,
        dtype: np.dtype,
        observe: Any,
        goes_on: bool,
    ) -> None:
        self._loop, self._frame, self._grid, self._key, self._dtype = loop, frame, grid, key, dtype
        self._observe, self._goes_on = observe, goes_on
        self.apart = own_call if goes_on else _in_place
        self._trajectories = first.astype(jnp.uint32) + jnp.arange(loop.block, dtype=jnp.uint32)
        budget, colouring = loop.scheme.budget(frame), grid.colouring
        self._memory = None
        if colouring is not None:
            self._memory = colouring.start(key, self._trajectories, budget.real_normals, dtype)
        self._budget = budget if colouring is None else colouring.budget(budget)
        self._shared: Stepper | None = None
        if loop.uniform:
            self._shared = self.apart(partial(loop.scheme.prepare, frame), grid.lengths[0])
        self._follower = self._follower_of(grid.ends[0], grid.lengths[0])

    def starts(self, psi0: jax.Array) -> tuple[States, Spread]:
        """As of `starting_states`, of all the scheme's runs and in the frame's basis.

        There is one column until all is done that trajectories share. XLA's processor backend (jaxlib 0.10) also reads
        beyond the operand in a product of a matrix and a broadcast vector that is summed afterwards.
        """
        states, spread = starting_states(psi0, self._key, self._trajectories, self._loop.columns)
        return tuple(self._frame.to_frame(states) for _ in self._loop.scheme.weights), spread

    def begin(self, states: States, spread: Spread, start: Begun | None) -> _Carried:
        """What is carried at the first time of the grid. start: as of `run_block`."""
        loop, grid = self._loop, self._grid
        stepper = self._stepper_of(grid.lengths[0])
        state = jax.tree.map(spread, self._suspended(stepper, grid.ends[0], stepper.init(grid.ends[0], states)))
        memory, step = self._memory, jnp.zeros((), grid.steps.dtype)
        if start is not None:
            (state, memory), step = unpacked(start.carried, (state, memory)), start.step
        noise = None
        if self._carries_noise():
            draw = carried_drawing(loop, stepper, grid.colouring)[0]
            noise = draw(self._key, self._trajectories, step, self._budget, self._dtype)
        written = _nothing_written(loop, self._dtype)
        if written is not None and start is not None:
            written = start.written(written)
        known = None if self._follower is None else self._follower.start(loop.columns)
        carry = _Carried(state, memory, known, noise, step, written)
        return lax.optimization_barrier(carry) if self._goes_on else carry

    def intervals(self) -> Interval:
        """Of the whole grid, on a leading axis."""
        grid = self._grid
        phases = None if grid.phases is None else grid.phases[1:]
        arrays = grid.ends[:-1], grid.ends[1:], grid.steps, grid.lengths, phases, grid.bins, grid.slots
        return Interval(*jax.tree.map(jnp.asarray, arrays))

    def visit(self, carry: _Carried, interval: Interval) -> tuple[_Carried, Any]:
        """What is carried after an interval, and what is seen at its end."""
        t, dt, written = interval.t, interval.dt, carry.written
        stepper = self._stepper_of(dt)
        carried = self._resumed(stepper, t, carry.state), carry.memory, carry.known
        if written is None:
            advance = self._advance_of(stepper, t, dt, (*carried, None))
            ((*carried, _), noise) = advance(((*carried, None), carry.noise), t, carry.step, interval.steps, dt)
        else:
            record = jax.ShapeDtypeStruct(written[0].shape[1:], self._dtype), written[1]
            advance = self._advance_of(stepper, t, dt, (*carried, record))
            (carried, noise), written = _through_bins(advance, (carried, carry.noise), written, carry.step, interval)
        state, memory, known = carried
        seen = self._look(stepper.extract(interval.t_next, state), known, interval.phase)
        state = self._suspended(stepper, interval.t_next, state)
        return _Carried(state, memory, known, noise, carry.step + interval.steps, written), seen

    def at_start(self, states: States, spread: Spread) -> Any:
        """What is seen at the first time of all trajectories."""
        phase = None if self._grid.phases is None else self._grid.phases[0]
        if self._follower is not None:
            return self._look(states, self._follower.start(self._loop.columns), phase)
        return jax.tree.map(spread, self._look(states, None, phase))

    def _look(self, states: States, known: Any, phase: jax.Array | None) -> Any:
        if self._follower is not None:
            return self._observe(self._follower.densities(known))
        given = tuple(self._frame.from_frame(psi) for psi in states)
        return self._observe(given if phase is None else tuple(phase * psi for psi in given))

    def _stepper_of(self, dt: jax.Array) -> Stepper:
        return self._loop.scheme.prepare(self._frame, dt) if self._shared is None else self._shared

    def _suspended(self, stepper: Stepper, t: jax.Array, state: Any) -> Any:
        """What the stepper of the next interval takes over, where that is another one."""
        return stepper.suspend(t, state) if self._shared is None else state

    def _resumed(self, stepper: Stepper, t: jax.Array, state: Any) -> Any:
        return stepper.resume(t, state) if self._shared is None else state

    def _follower_of(self, t: jax.Array, dt: jax.Array) -> Follower | TwoFollowers | None:
        """The filter of steps of this length; None where nothing is conditioned."""
        return None if self._loop.conditioning is None else self._loop.conditioning.follow(t, dt)

    def _advance_of(self, stepper: Stepper, t: jax.Array, dt: jax.Array, carried: tuple) -> Any:
        follower = self._follower if self._shared is not None else self._follower_of(t, dt)
        return advance_of(
            self._loop,
            stepper,
            follower,
            self._grid.colouring,
            self._budget,
            self._key,
            self._trajectories,
            self._dtype,
            carried,
        )

    def _carries_noise(self) -> bool:
        """Of many spins it would take the memory of further states."""
        if self._goes_on or self._frame.hamiltonian.is_matrix_free:
            return False
        return carries_noise(self._loop, self._budget)


def _at_the_end(carry: _Carried, final: bool) -> dict[str, jax.Array]:
    """What there is at the end beside what was seen: what trajectories carry, if asked for, records and clicks."""
    found = {"final": packed((carry.state, carry.memory))} if final else {}
    if carry.written is not None:
        sums, tape = carry.written
        found["records"] = sums
        if tape is not None:
            found["clicks"] = tape.log
    return found


def _in_place(function: Callable[..., Any], *operands: Any) -> Any:
    return function(*operands)


def _through_bins(advance: Any, carry: tuple, written: tuple, first: jax.Array, interval: Interval) -> tuple:
    """(((state, memory, known), noise), written) after one interval, whose record is summed over so many equal parts.

    first: the first step of the interval. Where an edge divides a part, what is written down on both its sides adds up.
    """
    assert interval.bins is not None
    assert interval.slot is not None
    slot = interval.slot
    each = interval.steps // interval.bins

    def one_bin(index: jax.Array, carry: tuple) -> tuple:
        (carried, noise), (sums, tape) = carry
        t = interval.t + (index * each).astype(interval.dt.dtype) * interval.dt
        parts = (*carried, (jnp.zeros_like(sums[0]), tape)), noise
        (*carried, (record, tape)), noise = advance(parts, t, first + index * each, each, interval.dt)
        return (tuple(carried), noise), (sums.at[slot + index].add(record), tape)

    sums, tape = written
    tape = None if tape is None else tape.next_interval()
    return lax.fori_loop(0, interval.bins, one_bin, (carry, (sums, tape)))


def _nothing_written(loop: Loop, dtype: np.dtype) -> tuple[jax.Array, Tape | None] | None:
    if not loop.record:
        return None
    tape = blank_tape(loop.clicks, loop.block, dtype) if loop.clicks else None
    return jnp.zeros((loop.bins, len(loop.record), loop.block), dtype), tape

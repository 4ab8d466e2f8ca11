"""The event loop over one block of trajectories, trajectories on the minor axis."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.channels.born import draw_one
from stochq.channels.jumps import Jumps
from stochq.compiling import own_call
from stochq.ensemble.initial import starting_states
from stochq.ensemble.jumps.evolution import Advanced, Evolution
from stochq.noise import threefry
from stochq.noise.normals import uniform
from stochq.schemes import Frame
from stochq.systems.linear import apply_matrix, inner, level_sum, populations

# Slots of the counter that one click takes: two words each.
_SLOTS = 2


class JumpLoop(NamedTuple):
    """The static choices of a run of jumps.

    block: trajectories side by side. pending: of those that still have an event before the next saved time, so many are
    advanced together. clicks: how many clicks of a trajectory are remembered. antithetic: never, as jumps have no
    opposite ones.
    """

    block: int
    pending: int
    clicks: int = 0
    antithetic: bool = False


class JumpGrid(NamedTuple):
    """times (T,); lengths (T-1,) of the intervals; index (T-1,) of each among the different ones; steps (T-1,): how
    many events are expected; phases (T,) or None, as of `GridArrays`."""

    times: Any
    lengths: Any
    index: Any
    steps: Any
    phases: Any = None


class Clicking(NamedTuple):
    """What clicks do: jumps of every channel; losses of each where there are several, to choose among them; columns:
    the record (operators,) that each operator of all channels writes, or −1; firsts: of each channel's operators among
    all; records: how many there are; root: of ΣL†L of all channels in the frame's basis, None where no click is thinned
    out."""

    jumps: tuple[Jumps, ...]
    losses: tuple[Any, ...]
    columns: Any
    firsts: tuple[int, ...]
    records: int
    root: Any = None


class _Carry(NamedTuple):
    """Trajectories under way: states as the evolution holds them, clocks, numbers of clicks so far, the time that
    remains to the next saved one, clicks of each record since the last one; numbers of clicks written so far into the
    log, and the log."""

    held: Any
    clock: jax.Array
    events: jax.Array
    remaining: jax.Array
    counts: jax.Array
    logged: jax.Array
    log: jax.Array


def run_block(
    loop: JumpLoop,
    frame: Frame,
    evolution: Evolution,
    clicking: Clicking,
    grid: JumpGrid,
    psi0: jax.Array,
    key: jax.Array,
    first: jax.Array,
    observe: Any,
) -> tuple[Any, jax.Array, jax.Array]:
    """`observe` of one block at every saved time; clicks (T-1, records, block) of each record in each interval; the log
    (3, loop.clicks, block) of the clicks of each trajectory: the interval, the time since it began, the record.

    first: index of the first trajectory. observe: from states in the given basis, (dim, block).
    """
    trajectories = first.astype(jnp.uint32) + jnp.arange(loop.block, dtype=jnp.uint32)

    def give(held: Any, phase: jax.Array | None) -> Any:
        given = frame.from_frame(evolution.leave(held))
        return observe(given if phase is None else phase * given)

    def visit(carry: _Carry, interval: tuple) -> tuple[_Carry, Any]:
        number, index, length, phase = interval
        leapt = evolution.leap(index, length, carry.held, carry.clock)
        # One trajectory a row while some are taken and put back: on a processor that is ten times faster than columns.
        carry = carry._replace(held=_transposed(leapt.held), clock=leapt.clock, remaining=leapt.remaining)
        carry = carry._replace(counts=jnp.zeros_like(carry.counts))

        def advance(carry: _Carry) -> _Carry:
            return _advance_pending(loop, frame, evolution, clicking, key, trajectories, number, length, carry)

        carry = lax.while_loop(lambda carry: jnp.any(carry.remaining > 0), advance, carry)
        carry = carry._replace(held=_transposed(carry.held))
        return carry, (give(carry.held, phase), carry.counts)

    start = _start(loop, frame, evolution, clicking, psi0, key, trajectories)
    numbers = jnp.arange(len(grid.lengths), dtype=jnp.int32)
    start_phase, phases = (None, None) if grid.phases is None else (grid.phases[0], grid.phases[1:])
    end, (later, counts) = lax.scan(visit, start, (numbers, grid.index, grid.lengths, phases))
    seen = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), give(start.held, start_phase), later)
    return seen, counts, end.log


def _start(
    loop: JumpLoop,
    frame: Frame,
    evolution: Evolution,
    clicking: Clicking,
    psi0: jax.Array,
    key: jax.Array,
    trajectories: jax.Array,
) -> _Carry:
    dtype, none = psi0.real.dtype, jnp.zeros(loop.block, jnp.uint32)
    starts, spread = starting_states(psi0, key, trajectories, loop.block)
    held = jax.tree.map(spread, evolution.enter(frame.to_frame(starts)))
    return _Carry(
        held,
        evolution.clock(_uniforms(key, trajectories, none, 1, dtype)[0]),
        none,
        jnp.zeros(loop.block, dtype),
        jnp.zeros((clicking.records, loop.block), dtype),
        none,
        jnp.full((3, loop.clicks, loop.block), -1, dtype),
    )


def _advance_pending(
    loop: JumpLoop,
    frame: Frame,
    evolution: Evolution,
    clicking: Clicking,
    key: jax.Array,
    trajectories: jax.Array,
    number: jax.Array,
    length: jax.Array,
    carry: _Carry,
) -> _Carry:
    """Some of the trajectories that have not reached the next saved time: to their next event. One trajectory a row."""
    (chosen,) = jnp.nonzero(carry.remaining > 0, size=loop.pending, fill_value=loop.block)

    def taken(array: jax.Array) -> jax.Array:
        return jnp.take(array, chosen, axis=-1, mode="clip")

    def put(array: jax.Array, values: jax.Array) -> jax.Array:
        return array.at[..., chosen].set(values, mode="drop")

    held = _transposed(jax.tree.map(lambda rows: jnp.take(rows, chosen, axis=0, mode="clip"), carry.held))
    moved = evolution.advance(held, taken(carry.clock), taken(carry.remaining))
    events = taken(carry.events)
    after = events + moved.clicks.astype(jnp.uint32)
    uniforms = _uniforms(key, taken(trajectories), events + np.uint32(1), 2 * _SLOTS, moved.clock.dtype)
    share = _real_share(clicking.root, moved, evolution.excess(moved.clock.dtype))
    clicks = moved.clicks & (uniforms[-1] <= share)
    uniforms[-1] = uniforms[-1] / share
    psi, operator = _clicked(frame, clicking, moved.psi, uniforms[1:])
    psi = jnp.where(clicks[None], psi, moved.psi)
    clock = jnp.where(moved.clicks, evolution.clock(uniforms[0]), moved.clock)
    settled = evolution.settle(psi, clock, moved.remaining)
    carry = carry._replace(
        held=jax.tree.map(
            lambda rows, new: rows.at[chosen].set(new, mode="drop"), carry.held, _transposed(settled.held)
        ),
        clock=put(carry.clock, settled.clock),
        events=put(carry.events, after),
        remaining=put(carry.remaining, settled.remaining),
    )
    if not clicking.records:
        return carry
    record = jnp.where(clicks, jnp.asarray(clicking.columns)[operator], -1)
    ones = (record[None] == jnp.arange(clicking.records)[:, None]).astype(carry.counts.dtype)
    carry = carry._replace(counts=carry.counts.at[:, chosen].add(ones, mode="drop"))
    return _logged(loop, carry, chosen, record, number, length - moved.remaining) if loop.clicks else carry


def _transposed(held: Any) -> Any:
    """Trajectories as rows of columns, or as columns of rows."""
    return jax.tree.map(jnp.transpose, held)


def _logged(
    loop: JumpLoop, carry: _Carry, chosen: jax.Array, record: jax.Array, number: jax.Array, since: jax.Array
) -> _Carry:
    """With the clicks of the chosen trajectories in the log: the record that each wrote, −1 for none, the interval, and
    the time since that began."""
    entry = jnp.stack([jnp.broadcast_to(number, record.shape), since, record])
    logged, is_recorded = jnp.take(carry.logged, chosen, axis=-1, mode="clip"), record >= 0
    place = jnp.where(is_recorded, logged, np.uint32(loop.clicks))
    after = logged + is_recorded.astype(jnp.uint32)
    return carry._replace(
        logged=carry.logged.at[chosen].set(after, mode="drop"),
        log=carry.log.at[:, place, chosen].set(entry.astype(carry.log.dtype), mode="drop"),
    )


def _real_share(root: Any, moved: Advanced, excess: float) -> jax.Array:
    """The part (columns,) of the clicks that are found which is no excess: rate over rate and excess. Zero in dark
    states, whose norm falls by rounding alone, to rounding squared, as it is of √(ΣL†L)ψ."""
    if root is None:
        return jnp.ones_like(moved.clock)
    bright = root[:, None] * moved.psi if root.ndim == 1 else apply_matrix(root, moved.psi)
    expected = level_sum(populations(bright))[0] * moved.searched
    return expected / (expected + excess)


def _uniforms(
    key: jax.Array, trajectories: jax.Array, events: jax.Array, count: int, dtype: np.dtype
) -> list[jax.Array]:
    """So many uniform numbers of the given events of trajectories, (columns,) each."""

    def draw(key: jax.Array, trajectories: jax.Array, events: jax.Array) -> list[jax.Array]:
        words: list[jax.Array] = []
        for slot in range(-(-count // 2)):
            words.extend(threefry(key, trajectories, events * np.uint32(_SLOTS) + np.uint32(slot)))
        return [uniform(word, dtype) for word in words[:count]]

    # Apart: XLA would draw them anew for every level of the states whose fate they decide.
    return own_call(draw, key, trajectories, events)


def _clicked(
    frame: Frame, clicking: Clicking, psi: jax.Array, uniforms: list[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """The frame's states after a click, and the operator (columns,) among those of all channels."""
    inside = [frame.to_channel(index, psi) for index in range(len(clicking.jumps))]
    after, operators = [], []
    for index, jumps in enumerate(clicking.jumps):
        new, operator = jumps.click(inside[index], jnp.stack(uniforms[: jumps.uniforms]))
        after.append(frame.from_channel(index, new).astype(psi.dtype))
        operators.append(operator + clicking.firsts[index])
    if len(after) == 1:
        return after[0], operators[0]
    rates = jnp.stack([_expectation(loss, psi) for loss, psi in zip(clicking.losses, inside, strict=True)])
    channel = draw_one(rates, uniforms[2])
    new, operator = after[0], operators[0]
    for index in range(1, len(after)):
        new = jnp.where((channel == index)[None], after[index], new)
        operator = jnp.where(channel == index, operators[index], operator)
    return new, operator


def _expectation(loss: jax.Array, psi: jax.Array) -> jax.Array:
    """The rate of clicks ⟨ΣL†L⟩, (columns,)."""
    if loss.ndim == 1:
        return level_sum(loss[:, None] * populations(psi))[0]
    return inner(psi, apply_matrix(loss, psi)).real[0]

"""The times of clicks where these are made in steps: drawn uniformly over the step in which they are counted.

A step of weak order 2 tells how many clicks it has, not when: a uniform time errs by less than a step, and what is
averaged over times, or the distribution function of one, by the second order in the step as all else does.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.noise import threefry
from stochq.noise.normals import uniform

# Numbers of a trajectory are drawn from this slot downwards, one for each click: no step reaches there, and the last
# slot of all draws initial states.
_LAST_SLOT = 2**32 - 2


class Tape(NamedTuple):
    """Clicks written so far: the log (3, clicks, block) as of `jumps.kernel.run_block` and how many of each trajectory
    there are; interval, step: where the run is, the interval and how many of its steps are made."""

    log: jax.Array
    logged: jax.Array
    interval: jax.Array
    step: jax.Array

    def next_interval(self) -> "Tape":
        return self._replace(interval=self.interval + 1, step=jnp.zeros_like(self.step))


def blank_tape(clicks: int, block: int, dtype: np.dtype) -> Tape:
    """Before the first interval, with room for so many clicks of each trajectory."""
    empty = jnp.full((3, clicks, block), -1, dtype)
    return Tape(empty, jnp.zeros(block, jnp.uint32), jnp.int32(-1), jnp.int32(0))


def with_clicks(tape: Tape, counts: jax.Array, dt: jax.Array, key: jax.Array, trajectories: jax.Array) -> Tape:
    """The tape after a step over dt with so many clicks of each counter, counts (counters, block)."""
    room, dtype = tape.log.shape[1], tape.log.dtype
    counters = jnp.arange(len(counts))[:, None]

    def write_one(carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        left, logged, log = carry
        clicked, counter = jnp.any(left > 0, axis=0), jnp.argmax(left > 0, axis=0)
        part = uniform(threefry(key, trajectories, np.uint32(_LAST_SLOT) - logged)[0], dtype)
        offset = (tape.step.astype(dtype) + part) * dt
        entry = jnp.stack([jnp.broadcast_to(tape.interval.astype(dtype), part.shape), offset, counter.astype(dtype)])
        place = jnp.where(clicked, logged, np.uint32(room))
        log = log.at[:, place, jnp.arange(len(place))].set(entry, mode="drop")
        return left - ((counters == counter[None]) & clicked[None]), logged + clicked.astype(jnp.uint32), log

    start = counts.astype(jnp.int32), tape.logged, tape.log
    _, logged, log = lax.while_loop(lambda carry: jnp.any(carry[0] > 0), write_one, start)
    return Tape(log, logged, tape.interval, tape.step + 1)

"""What every trajectory carries at the last saved time, from which a run goes on to later ones."""

from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.ensemble.jumps.tape import Tape
from stochq.ensemble.loop import GridArrays
from stochq.ensemble.statistics import Statistic

# The name of the statistic that holds them.
FINAL = "final states"


class Begun(NamedTuple):
    """What is known of a block of trajectories that goes on.

    carried: (n, block), what its steps carry; step: how many it has made. records: (bins, column, block) of the earlier
    intervals; log, logged: its clicks, as of `Tape`, from whose interval it goes on; None where nothing is recorded.
    """

    carried: jax.Array
    step: jax.Array
    intervals: int
    records: jax.Array | None
    log: jax.Array | None
    logged: jax.Array | None

    def written(self, blank: tuple[jax.Array, Tape | None]) -> tuple[jax.Array, Tape | None]:
        """What was written down so far, from what a run that begins has: (bins, column, block) and the tape."""
        sums, tape = blank
        if self.records is not None:
            sums = sums.at[: len(self.records)].set(self.records)
        if tape is not None and self.log is not None:
            assert self.logged is not None
            tape = tape._replace(log=self.log, logged=self.logged, interval=jnp.int32(self.intervals - 1))
        return sums, tape


class Start(NamedTuple):
    """Where trajectories go on, and what was seen of them before.

    numbers: (n, trajectories), of each its values at the earlier saved times, its states there where a statistic looks
    at them, and what its steps carry, filled up to whole blocks; first: the trajectory of the first column; step: how
    many steps they have made; times, intervals: how many saved times and intervals of the grid lie behind them;
    trajectories: how many are known. records, log, logged: as of `Begun`, of all of them.
    """

    numbers: Any
    first: Any
    step: Any
    times: int
    intervals: int
    trajectories: int
    records: Any = None
    log: Any = None
    logged: Any = None

    def of_block(self, first: jax.Array, size: int, like: Any) -> tuple[Any, Begun]:
        """What was seen of trajectories from `first` on, and what they go on from. like: shapes of what is seen at one
        time, a tree of (..., size)."""
        column = (first - self.first).astype(jnp.int32)

        def part(array: Any) -> Any:
            return None if array is None else lax.dynamic_slice_in_dim(array, column, size, axis=array.ndim - 1)

        numbers = part(self.numbers)
        seen = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((self.times, *leaf.shape), leaf.dtype), like)
        rows = rows_of(seen)
        others = (part(array) for array in (self.records, self.log, self.logged))
        return unpacked(numbers[:rows], seen), Begun(numbers[rows:], self.step, self.intervals, *others)

    def later(self, grid: GridArrays) -> GridArrays:
        """The part of a grid that is still to be made."""
        saved = grid.saved
        return grid._replace(
            ends=grid.ends[self.intervals :],
            steps=grid.steps[self.intervals :],
            lengths=grid.lengths[self.intervals :],
            phases=_after(grid.phases, self.intervals),
            bins=_after(grid.bins, self.intervals),
            slots=_after(grid.slots, self.intervals),
            saved=None if saved is None else saved[self.times - 1 :] - self.intervals,
        )


def _after(array: Any, count: int) -> Any:
    return None if array is None else array[count:]


def rows_of(like: Any) -> int:
    """How many rows a tree of shapes has when it is packed."""
    return sum(
        int(np.prod(leaf.shape[:-1], dtype=int)) * (2 if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else 1)
        for leaf in jax.tree.leaves(like)
    )


def packed(carried: Any) -> jax.Array:
    """A tree of real and complex arrays (..., columns) as one real array (n, columns)."""
    rows = []
    for leaf in jax.tree.leaves(carried):
        flat = leaf.reshape(-1, leaf.shape[-1])
        rows += [flat.real, flat.imag] if jnp.iscomplexobj(flat) else [flat]
    return jnp.concatenate(rows)


def unpacked(numbers: jax.Array, like: Any) -> Any:
    """The tree that was packed, of shapes and types like those of another."""
    leaves, structure = jax.tree.flatten(like)
    found, start = [], 0
    for leaf in leaves:
        size = int(np.prod(leaf.shape[:-1], dtype=int))
        part = numbers[start : start + size]
        start += size
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            part = lax.complex(part, numbers[start : start + size])
            start += size
        found.append(part.reshape(leaf.shape))
    return jax.tree.unflatten(structure, found)


@final
class FinalStates(Statistic):
    """Of all trajectories, in their order, (n, trajectories) in the run's precision; NaN of those that failed."""

    needs: ClassVar[str] = "final"

    @property
    def large(self) -> bool:
        return True

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.where((weights > 0)[None], data, jnp.nan)

    def on_host(self, summary: Any) -> list[np.ndarray]:
        return [np.asarray(summary)]

    def merge(self, total: list[np.ndarray], summary: list[np.ndarray]) -> list[np.ndarray]:
        return total + summary

    def finish(self, total: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(total, axis=-1)

"""What every trajectory carries at the last saved time, from which a run goes on to later ones."""

from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.ensemble.loop import GridArrays
from stochq.ensemble.statistics import Statistic

# The name of the statistic that holds them.
FINAL = "final states"


class Start(NamedTuple):
    """Where trajectories go on, and what was seen of them before.

    numbers: (n, trajectories), of each its values at the earlier saved times and what its steps carry, filled up to
    whole blocks; first: the trajectory of the first column; step: how many steps they have made; times, intervals: how
    many saved times and intervals of the grid lie behind them; trajectories: how many are known.
    """

    numbers: Any
    first: Any
    step: Any
    times: int
    intervals: int
    trajectories: int

    def of_block(self, first: jax.Array, size: int, observables: int) -> tuple[jax.Array, jax.Array]:
        """The values (times, observables, size) of trajectories from `first` on, and what their steps carry."""
        column = (first - self.first).astype(jnp.int32)
        block = lax.dynamic_slice_in_dim(self.numbers, column, size, axis=1)
        seen = self.times * observables
        return block[:seen].reshape(self.times, observables, size), block[seen:]

    def later(self, grid: GridArrays) -> GridArrays:
        """The part of a grid that is still to be made."""
        phases, saved = grid.phases, grid.saved
        return grid._replace(
            ends=grid.ends[self.intervals :],
            steps=grid.steps[self.intervals :],
            lengths=grid.lengths[self.intervals :],
            phases=None if phases is None else phases[self.intervals :],
            saved=None if saved is None else saved[self.times - 1 :] - self.intervals,
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
        if jnp.iscomplexobj(leaf):
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

"""One device call: some blocks of trajectories, each reduced to its summaries."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.ensemble.kernel import GridArrays, Loop, run_block
from stochq.ensemble.observables import Readout
from stochq.ensemble.statistics import Statistic
from stochq.schemes import Frame

BLOCKS_PER_CALL = 16


class Problem(NamedTuple):
    """Everything a device call needs that stays the same from call to call; arrays already in the run's precision."""

    loop: Loop
    frame: Frame
    grid: GridArrays
    psi0: Any
    key: Any
    read: Readout
    statistics: tuple[Statistic, ...]


def observer(problem: Problem, states: bool) -> Any:
    """The `observe` of `run_block`: {"values": (observables, block)} and, on request, {"states": (dim, block)}."""
    weights = problem.loop.scheme.weights

    def observe(closed: tuple[jax.Array, ...]) -> dict[str, jax.Array]:
        terms = [weight * problem.read(psi) for weight, psi in zip(weights, closed, strict=True)]
        seen = {"values": sum(terms[1:], terms[0])}
        return seen | {"states": closed[0]} if states else seen

    return observe


@eqx.filter_jit
def run_batch(problem: Problem, first_block: Any, blocks: Any, stop: Any, capacity: int) -> tuple[Any, jax.Array]:
    """Summaries of blocks first_block .. first_block+blocks-1, stacked on a leading axis of length `capacity`.

    Trajectories from `stop` on are computed but do not count; non-finite ones are counted as failed.
    """
    size = problem.loop.block
    observe = observer(problem, any(statistic.needs == "states" for statistic in problem.statistics))

    def summarize(block: jax.Array) -> tuple[Any, jax.Array]:
        first = (first_block + block) * np.uint32(size)
        data = run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe)
        wanted = jnp.arange(size, dtype=jnp.uint32) < stop - first
        finite = jnp.all(jnp.isfinite(data["values"]), axis=(0, 1))
        data = {name: jnp.where(finite[None, None], array, 0) for name, array in data.items()}
        weights = (wanted & finite).astype(data["values"].dtype)
        summaries = tuple(statistic.block(data[statistic.needs], weights) for statistic in problem.statistics)
        return summaries, jnp.sum(wanted & ~finite)

    shapes = jax.eval_shape(summarize, jnp.uint32(0))
    store = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), shapes)

    def fill(block: jax.Array, store: Any) -> Any:
        return jax.tree.map(lambda rows, row: rows.at[block].set(row), store, summarize(block.astype(jnp.uint32)))

    return lax.fori_loop(0, blocks, fill, store)


@eqx.filter_jit
def run_states(problem: Problem, first_block: Any) -> tuple[jax.Array, jax.Array]:
    """Whole states of one block, (time, dim, block), and observable values, (time, observables, block)."""
    observe = observer(problem, states=True)
    first = first_block * np.uint32(problem.loop.block)
    data = run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe)
    return data["states"], data["values"]

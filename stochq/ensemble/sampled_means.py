"""Means over trajectories as a function of all numbers of a run, by steps through which gradients pass."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accuracy.grid import TimeGrid
from stochq.arrays import is_concrete
from stochq.channels.scaled import multiplied
from stochq.ensemble.batch import Problem, observer
from stochq.ensemble.devices import limits
from stochq.ensemble.directions import by_directions
from stochq.ensemble.events import mean_with_score
from stochq.ensemble.kernel import run_block
from stochq.ensemble.sampling import GROUPS, current, deviations


def unrolled(problem: Problem, grid: TimeGrid, trajectories: int) -> Problem:
    """The same problem with a static number of steps, made one at a time, and no more trajectories than are wanted.

    Steps in pairs would save draws, which cost little beside a gradient, and double what is compiled.
    """
    block = min(problem.loop.block, trajectories)
    most = int(grid.steps.max())
    segment = math.isqrt(int(grid.steps.sum()) - 1) + 1
    every_step = trajectories * _state_bytes(problem) * len(grid.steps) * most
    loop = problem.loop._replace(
        block=block,
        most_steps=most,
        segment=None if every_step <= limits().every_step else segment,
        paired=False,
        threads=None,
    )
    return problem._replace(loop=loop, statistics={})


def sampled_means(problem: Problem, trajectories: int, scored: bool) -> jax.Array:
    """Means over trajectories 0 .. trajectories-1, (T, observables), seen by whoever watches."""
    sampling = current()
    if sampling is not None:
        sampling.sampled = True
    if sampling is None or not is_concrete(problem) or not is_concrete(jnp.zeros(())):
        sums = _sums(problem, trajectories, 1, scored)[0]
        return mean_with_score(sums, trajectories) if scored else sums / trajectories
    size = problem.loop.block
    parts = math.gcd(size, GROUPS)
    firsts = np.arange(0, -(-trajectories // size) * size, size // parts)
    counts = np.clip(trajectories - firsts, 0, size // parts)

    def run() -> tuple[jax.Array, jax.Array]:
        sums = np.asarray(_sums(problem, trajectories, parts, scored)[..., : len(problem.names)], np.float64)
        mean, off = deviations(sums, counts, trajectories)
        return jnp.asarray(mean), jnp.asarray(off)

    return sampling.means(run)


@eqx.filter_jit
def _sums(problem: Problem, trajectories: int, parts: int, scored: bool) -> jax.Array:
    """What `_summed` returns, by derivatives along each number that is perturbed where these are few."""
    if scored:
        return _summed(problem, trajectories, parts, scored)
    arrays, rest = eqx.partition(problem, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)

    def summed(*leaves: jax.Array) -> jax.Array:
        whole = eqx.combine(jax.tree.unflatten(structure, leaves), rest)
        return _summed(multiplied(whole), trajectories, parts, scored)

    return by_directions(summed)(*leaves)


def _summed(problem: Problem, trajectories: int, parts: int, scored: bool) -> jax.Array:
    """Sums over trajectories 0 .. trajectories-1, one block in memory at a time: (1, T, observables) over all, or
    (blocks·parts, T, observables) over each of so many equal parts of every block; scored: of `Scored.along_paths`."""
    size = problem.loop.block
    observe = observer(problem, states=False)

    def total(block: jax.Array) -> jax.Array:
        first = block * np.uint32(size)
        wanted = first + jnp.arange(size, dtype=jnp.uint32) < trajectories

        def summed(values: jax.Array) -> jax.Array:
            values = jnp.where(wanted, values, 0)
            return jnp.sum(values.reshape(*values.shape[:-1], parts, -1), axis=-1)

        def reduce(seen: dict[str, jax.Array]) -> jax.Array:
            return seen["values"] if scored else summed(seen["values"])

        seen = run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe, reduce)
        return summed(problem.read.along_paths(seen)) if scored else seen

    if _remembered(problem, trajectories) > limits().remembered:
        total = jax.checkpoint(total, prevent_cse=False)
    blocks = jnp.arange(-(-trajectories // size), dtype=jnp.uint32)
    sums = lax.map(total, blocks)
    if parts == 1:
        return jnp.sum(sums, axis=0)[None, ..., 0]
    return jnp.moveaxis(sums, -1, 1).reshape(-1, *sums.shape[1:-1])


def _remembered(problem: Problem, trajectories: int) -> int:
    """Bytes of the states from which a gradient makes steps again: at the start of every segment, if not all."""
    segment, most = problem.loop.segment, problem.loop.most_steps or 0
    states = len(problem.grid.steps) * most if segment is None else max(segment, len(problem.grid.ends))
    return states * trajectories * _state_bytes(problem)


def _state_bytes(problem: Problem) -> int:
    """Of one trajectory."""
    return len(problem.loop.scheme.weights) * problem.psi0.size * problem.psi0.dtype.itemsize

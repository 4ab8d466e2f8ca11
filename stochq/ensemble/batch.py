"""One device call: some blocks of trajectories, each reduced to its summaries."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.accelerators import call_options
from stochq.aliases import Device
from stochq.compiling import Program, compiled, of_numbers
from stochq.ensemble.devices import calls_at_once, check_memory, check_states_fit
from stochq.ensemble.final_states import FINAL, Start, packed
from stochq.ensemble.jumps.log import CLICKS
from stochq.ensemble.kernel import run_block
from stochq.ensemble.loop import GridArrays, Loop
from stochq.ensemble.norms import NORMS, deviations
from stochq.ensemble.observables import Readout
from stochq.ensemble.records import RECORDS
from stochq.ensemble.statistics import COVARIANCE, MEAN, PAIR_SPREAD, Statistic, read_by_users
from stochq.functions import digest_of_program
from stochq.schemes import Frame

BLOCKS_PER_CALL = 16
# A run in which more than this fraction of trajectories became non-finite has no meaning.
FAILED_FRACTION = 0.01


# What is stored of every saved time beside the final states, packed in the order of their names.
STORED = ("values", "norms", "runs")


class Runnable(Protocol):
    """What is run in blocks of trajectories: stochastic Schrödinger equations here, phase-space paths in gaussian/.

    block: trajectories per block. size: numbers that one trajectory carries. label: how it is stepped.
    """

    @property
    def block(self) -> int: ...
    def with_block(self, block: int) -> Any:
        """The same trajectories, so many side by side."""
        ...

    def unnamed(self) -> Any:
        """The same with numbers for the names of its values, on which no program depends."""
        ...

    def anywhere(self) -> Any:
        """The same, without what suits one device alone: what a fingerprint is of."""
        ...

    @property
    def size(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def statistics(self) -> dict[str, Statistic]: ...

    def data(self, first: jax.Array, states: bool) -> dict[str, jax.Array]:
        """{"values": (time, observables, block)} from trajectory `first` on, and {"states": (time, size, block)}; where
        something is recorded {"records": (interval, column, block)}.

        Fewer values than a block has trajectories are means over as many each.
        """
        ...

    def programs(self) -> dict[str, str]:
        """Digests of the functions inside, by the field that holds them."""
        ...


class Problem(NamedTuple):
    """Everything a device call needs that stays the same from call to call; arrays already in the run's precision.

    start: where the trajectories go on; None where they begin at psi0.
    """

    loop: Loop
    frame: Frame
    grid: GridArrays
    psi0: Any
    key: Any
    read: Readout
    statistics: dict[str, Statistic]
    start: Start | None = None

    @property
    def block(self) -> int:
        return self.loop.columns

    def with_block(self, block: int) -> "Problem":
        return self._replace(loop=self.loop._replace(block=block // 2 if self.loop.antithetic else block))

    def unnamed(self) -> "Problem":
        return self._replace(read=self.read.unnamed())

    def anywhere(self) -> "Problem":
        # Of room for clicks there is as much as the run needs; whether it stores its final states changes no number.
        loop = self.loop._replace(block=1, threads=None, clicks=min(self.loop.clicks, 1))
        statistics = {name: statistic for name, statistic in self.statistics.items() if name != FINAL}
        return self._replace(loop=loop, statistics=statistics, start=None)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of one state that is looked at: of a density matrix where it is conditioned on records."""
        dim = self.psi0.shape[0]
        return (dim,) if self.loop.conditioning is None else (dim, dim)

    @property
    def size(self) -> int:
        return math.prod(self.state_shape)

    @property
    def label(self) -> str:
        return self.loop.scheme.name

    @property
    def names(self) -> tuple[str, ...]:
        return self.read.names

    def data(self, first: jax.Array, states: bool) -> dict[str, jax.Array]:
        """In an antithetic run means over pairs, and half the "differences" within them; no states."""
        observe = observer(self, states)
        if self.start is not None:
            return self._from_start(self.start, first, observe)
        if not self.loop.antithetic:
            parts = self.loop, self.frame, self.grid, self.psi0, self.key, first, observe
            return self._with_final(run_block(*parts, final=FINAL in self.statistics))
        seen = run_block(self.loop, self.frame, self.grid, self.psi0, self.key, first // np.uint32(2), observe)
        one, image = jnp.split(seen["values"], 2, axis=-1)
        found = {"values": 0.5 * (one + image), "differences": 0.5 * (one - image)}
        if "norms" in seen:
            found["norms"] = jnp.maximum(*jnp.split(seen["norms"], 2, axis=-1))
        return found

    def _from_start(self, start: Start, first: jax.Array, observe: Any) -> dict[str, jax.Array]:
        """What is seen at all times of trajectories that go on from the last of the earlier ones."""
        grid, block = start.later(self.grid), self.block
        parts = self.loop, self.frame, grid, self.psi0, self.key, first, observe
        earlier, begun = start.of_block(first, block, self._seen_at_a_time(observe))
        seen = run_block(*parts, start=begun, final=FINAL in self.statistics)
        looked = {name: jnp.concatenate([earlier[name], seen[name]]) for name in earlier}
        return self._with_final({name: array for name, array in seen.items() if name != "kept values"} | looked)

    def _seen_at_a_time(self, observe: Any) -> dict[str, Any]:
        """Shapes of what is stored of every saved time beside the final states: values, and the states of all runs
        where a statistic looks at them."""
        state = jax.ShapeDtypeStruct((*self.state_shape, self.block), self.psi0.dtype)
        seen = jax.eval_shape(observe, (state,) * len(self.loop.scheme.weights))
        return {name: seen[name] for name in STORED if name in seen}

    def _with_final(self, seen: dict[str, jax.Array]) -> dict[str, jax.Array]:
        if "final" not in seen:
            return seen
        # Sums over trajectories are not to depend on where what they sum comes from.
        looked = lax.optimization_barrier({name: seen[name] for name in STORED if name in seen})
        if "runs" in looked:
            seen = seen | {"states": looked["runs"][:, 0]}
        return {**seen, **looked, "final": jnp.concatenate([packed(looked), seen["final"]])}

    def programs(self) -> dict[str, str]:
        """What functions compute of a state, and what of the equation depends on time."""
        state = jax.ShapeDtypeStruct(self.state_shape, self.psi0.dtype)
        time = jax.ShapeDtypeStruct((), self.grid.ends.dtype)
        read = [digest_of_program(function, state) for function in self.read.callables]
        found = {"read": " ".join(read), "statistics": " ".join(self._digests_of_statistics())}
        found["loop"] = self.loop.scheme.digest()
        frame = self.frame
        changing = [frame.hamiltonian.apply] if frame.hamiltonian.time_dependent else []
        changing += [partial(each.drift, law=each.law) for each in frame.channels if each.time_dependent]
        if changing:
            psi = jax.ShapeDtypeStruct(self.psi0.shape[:1], self.psi0.dtype)
            found["frame"] = " ".join(digest_of_program(function, time, psi) for function in changing)
        return found

    def _digests_of_statistics(self) -> Iterator[str]:
        """What the statistics that a user asked for compute of one trajectory."""
        dtype = self.psi0.dtype
        times, runs = self.grid.times, len(self.loop.scheme.weights)
        data = {
            "values": jax.ShapeDtypeStruct((times, len(self.names), 1), self.psi0.real.dtype),
            "states": jax.ShapeDtypeStruct((times, *self.state_shape, 1), dtype),
            "runs": jax.ShapeDtypeStruct((times, runs, *self.state_shape, 1), dtype),
        }
        weights = jax.ShapeDtypeStruct((1,), self.psi0.real.dtype)
        for name, statistic in self.statistics.items():
            if name not in (MEAN, COVARIANCE, PAIR_SPREAD, RECORDS, CLICKS, NORMS):
                yield digest_of_program(statistic.block, data[statistic.needs], weights)


def observer(problem: Problem, states: bool) -> Any:
    """The `observe` of `run_block`: {"values": (observables, block)}, "norms" (n, block) where they are watched and, on
    request, {"states": (dim, block)} and {"runs": (runs, dim, block)} of all runs that the scheme combines; of density
    matrices with one more axis."""
    weights, watched = problem.loop.scheme.weights, NORMS in problem.statistics

    def observe(closed: tuple[jax.Array, ...]) -> dict[str, jax.Array]:
        terms = [weight * problem.read(psi) for weight, psi in zip(weights, closed, strict=True)]
        seen = {"values": sum(terms[1:], terms[0])}
        if watched:
            seen["norms"] = deviations(closed, problem.loop.conditioning is not None)
        if not states:
            return seen
        # Values of the states that are kept, not of what a scheme combines with them.
        return seen | {"states": closed[0], "runs": jnp.stack(closed), "kept values": problem.read(closed[0])}

    return observe


@final
class Batch:
    """The device call of one problem: its numbers are told apart from what it is compiled for once, not in every call.

    capacity: blocks whose summaries a call can hold. device: where they are made; None leaves it to JAX.
    """

    def __init__(self, problem: Runnable, capacity: int, device: Device | None = None) -> None:
        self.capacity, self._device = capacity, device
        check_states_fit(problem.block, problem.size, device)
        parts, shapes = (problem.unnamed(), capacity), _arguments(0, 0, 0)
        reads = read_by_users(problem.statistics.values())
        self._run = Program(run_batch, parts, *shapes, device=device, options=call_options(problem.size), reads=reads)
        check_memory(self._run, problem.block, device)

    def at_once(self, most: int) -> int:
        """How many calls are made beside each other, up to so many."""
        return calls_at_once(self._run, self._device, most)

    def __call__(self, start: int, blocks: int, stop: int) -> tuple[Any, jax.Array]:
        """Summaries of so many blocks from trajectory `start` on, stacked on a leading axis of length `capacity`, and
        as bits which trajectories of a block failed as they became non-finite.

        Those from `stop` on are computed but do not count.
        """
        return self._run(*_arguments(start, blocks, stop))


def device_call(problem: Runnable, capacity: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function that `Batch` compiles and arguments of the shapes that it takes, to be compiled elsewhere."""
    run, numbers, _ = of_numbers(run_batch, (problem, capacity))
    return run, (numbers, *_arguments(0, 0, 0))


def _arguments(start: int, blocks: int, stop: int) -> tuple[np.uint32, np.int32, np.uint32]:
    return np.uint32(start), np.int32(blocks), np.uint32(stop)


def looks_at_states(problem: Runnable) -> bool:
    """Whether a statistic is of states, not of values alone."""
    return any(statistic.needs in ("states", "runs") for statistic in problem.statistics.values())


def run_batch(
    parts: tuple[Runnable, int], start: jax.Array, blocks: jax.Array, stop: jax.Array
) -> tuple[Any, jax.Array]:
    """See `Batch`. parts: the problem, and of how many blocks a call can hold the summaries."""
    problem, capacity = parts
    size = problem.block
    states = looks_at_states(problem)

    @partial(jax.jit, inline=True)  # traced once for its shapes and for the loop
    def summarize(block: jax.Array) -> tuple[Any, jax.Array]:
        first = start + block * np.uint32(size)
        data = problem.data(first, states)
        samples = data["values"].shape[-1]
        each = size // samples
        wanted = each * jnp.arange(samples, dtype=jnp.uint32) < stop - first
        finite = jnp.all(jnp.isfinite(data["values"]), axis=(0, 1))
        data = {
            name: jnp.where(jnp.expand_dims(finite, range(array.ndim - 1)), array, 0) for name, array in data.items()
        }
        weights = (wanted & finite).astype(data["values"].dtype)
        summaries = {
            name: statistic.block(data[statistic.needs], weights) for name, statistic in problem.statistics.items()
        }
        return summaries, jnp.packbits(jnp.repeat(wanted & ~finite, each))

    shapes = jax.eval_shape(summarize, jnp.uint32(0))
    store = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), shapes)

    def fill(block: jax.Array, store: Any) -> Any:
        return jax.tree.map(lambda rows, row: rows.at[block].set(row), store, summarize(block.astype(jnp.uint32)))

    return lax.fori_loop(0, blocks, fill, store)


@compiled
def run_states(problem: Runnable, start: Any) -> tuple[jax.Array, jax.Array]:
    """Whole states of one block from trajectory `start` on, (time, size, block), and observable values on them, (time,
    observables, block)."""
    data = problem.data(start, True)
    return data["states"], data.get("kept values", data["values"])

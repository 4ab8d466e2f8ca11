"""Device calls spread over devices and cores, summaries merged in a fixed order."""

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.accelerators import forced, on_accelerator
from stochq.ensemble.account import Account
from stochq.ensemble.batch import BLOCKS_PER_CALL, Batch, Runnable
from stochq.ensemble.checkpoint import Checkpoint, Stage
from stochq.ensemble.devices import default_device, limits
from stochq.ensemble.progress import shown
from stochq.ensemble.tree import MOST_NAMED, Merges, Part, Parts, added, total


@dataclass(frozen=True)
class Execution:
    """How device calls are made; but for rounding it changes no number.

    Args:
        precision: "single" or "double".
        batch: trajectories per device call; None takes what a core's cache and the progress bar ask for.
        progress: whether a bar is shown, as of `progress.shown`.
        devices: over which the calls are spread; None takes JAX's default.
        first: the trajectory with which the run begins.
        checkpoint: which holds what is done; None where nothing does.
    """

    precision: str = "single"
    batch: int | None = None
    progress: bool | None = None
    devices: tuple[Any, ...] | None = None
    first: int = 0
    checkpoint: Checkpoint | None = None


class Totals(NamedTuple):
    """Merged summaries, what they were merged from (of seed 0, whatever it is), seconds spent, interrupted or not, and
    the devices that ran them."""

    summaries: dict[str, Any]
    parts: Parts
    seconds: float
    interrupted: bool
    devices: tuple[Any, ...]

    @property
    def first(self) -> int:
        """The trajectory with which the run began."""
        return self.parts[0].start

    @property
    def done(self) -> int:
        """How many trajectories were run."""
        return self.parts[-1].stop - self.first

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self.parts)

    @property
    def failures(self) -> list[int]:
        """The first trajectories that failed."""
        return [trajectory for part in self.parts for trajectory in part.failures][:MOST_NAMED]


def usable_cores() -> int:
    """A container or a queue may grant fewer cores than the machine has; not every system can tell."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def workers(devices: int = 1) -> int:
    """Calls in flight on each of so many devices: two on an accelerator if it has memory for them, on a processor one
    per core in all."""
    return 2 if on_accelerator() else max(1, usable_cores() // devices)


def thread_pool(count: int, device: Any = None) -> ThreadPoolExecutor:
    """So many threads for a device, kept: a device call from a new one takes milliseconds longer."""
    return _thread_pool(count, device)


@cache
def _thread_pool(count: int, device: Any) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


def in_threads(function: Callable[[Any], Any], arguments: Iterable[Any]) -> list[Any]:
    """function(argument) of all of them, in threads that compute where this one does."""
    accelerated, chosen = on_accelerator(), jax.config.jax_default_device

    def call(argument: Any) -> Any:
        with forced(accelerated), jax.default_device(chosen):
            return function(argument)

    return list(thread_pool(workers()).map(call, arguments))


class Lane(NamedTuple):
    """A device's own program, the threads that wait for it, how many they are, and the device."""

    call: Batch
    pool: ThreadPoolExecutor
    threads: int
    device: Any


def precision_context(precision: str) -> AbstractContextManager[Any]:
    """The local setting of 64-bit mode; it holds for the calling thread only."""
    return jax.enable_x64(precision == "double")


# From the merged summaries and the number of trajectories done: how many there should be.
Extend = Callable[[dict[str, Any], int], int]


def run(
    problem: Runnable,
    trajectories: int,
    steps: int,
    execution: Execution,
    extend: Extend | None = None,
    most: int | None = None,
) -> Totals:
    """Run trajectories first .. first+trajectories-1 and merge their summaries block by block, in order.

    extend: asked when these are done; a larger number, up to `most`, is run as well, and it is asked again.
    """
    first, interrupted = execution.first, False
    # A method taken from an equinox module costs more than the merge itself.
    merges = {name: statistic.merge for name, statistic in problem.statistics.items()}
    stage = None if execution.checkpoint is None else execution.checkpoint.stage(problem, execution.precision)
    parts, wanted, earlier = _resumed(stage, trajectories, extend, most, merges)
    done, start = _count(parts), time.perf_counter()
    with shown(execution.progress) as display:
        display.phase("compiling")
        lanes = _lanes(problem, execution)
        account = Account(problem, merges, done)
        display.advance(done, wanted)
        in_flight, turns = sum(lane.threads for lane in lanes), cycle(lanes)
        while done < wanted:
            calls, call = _calls(problem, in_flight, first + done, first + wanted, steps, execution)
            pending: deque[Future] = deque()
            try:
                while calls or pending:
                    while calls and len(pending) < 2 * in_flight:
                        lane = next(turns)
                        pending.append(lane.pool.submit(call, lane.call, calls.popleft()))
                    for summary, lost in pending.popleft().result():
                        begin, stop = first + done, min(first + done + problem.block, first + wanted)
                        failures = tuple(begin + column for column in lost[:MOST_NAMED])
                        part = Part(0, begin, stop, problem.block, len(lost), summary, failures)
                        parts = added(parts, part, merges)
                        done = stop - first
                    if stage is not None:
                        stage.keep(parts, wanted, earlier + time.perf_counter() - start)
                    display.advance(done, wanted)
                    account.calls_done(parts, done, wanted)
                if extend is not None:
                    wanted = max(done, extend(total(parts, merges), done))
            except KeyboardInterrupt:
                if not parts:
                    raise
                interrupted = True
                warnings.warn(f"interrupted: the result holds {done} of {wanted} trajectories.", stacklevel=3)
                break
            finally:
                for future in pending:
                    future.cancel()
                if stage is not None and stage.parts:
                    stage.save()
    seconds, devices = earlier + time.perf_counter() - start, tuple(lane.device for lane in lanes)
    return Totals(total(parts, merges), parts, seconds, interrupted, devices)


def _count(parts: Parts) -> int:
    return parts[-1].stop - parts[0].start if parts else 0


def _resumed(
    stage: Stage | None, trajectories: int, extend: Extend | None, most: int | None, merges: Merges
) -> tuple[Parts, int, float]:
    """What is done already, how many trajectories are wanted next, and the seconds that it took."""
    if stage is None or not stage.parts:
        return (), trajectories, 0.0
    parts, wanted = stage.parts, trajectories
    if extend is not None:
        # As far as the run wanted to go before it asks again, but that it may have fewer now.
        wanted = stage.wanted if most is None else min(stage.wanted, most)
        if _count(parts) == wanted:
            wanted = max(wanted, extend(total(parts, merges), wanted))
    if _count(parts) < wanted and not parts[-1].is_whole:
        # A block that was cut short is run again.
        parts = parts[:-1]
    return parts, wanted, stage.seconds


def _lanes(problem: Runnable, execution: Execution) -> list[Lane]:
    """Of each device one, whose programs are compiled side by side."""
    devices = execution.devices or (None,)
    # Another thread does not know what this one has chosen.
    most, accelerated = workers(len(devices)), on_accelerator()

    def lane(device: Any) -> Lane:
        with precision_context(execution.precision), forced(accelerated):
            call = Batch(problem, _capacity(problem), device)
        threads = call.at_once(most)
        return Lane(call, thread_pool(threads, device), threads, device or default_device())

    if len(devices) == 1:
        # Here, where settings of JAX that hold for the calling thread are known.
        return [lane(devices[0])]
    made = [thread_pool(most, device).submit(lane, device) for device in devices]
    return [each.result() for each in made]


def _calls(
    problem: Runnable, in_flight: int, start: int, stop: int, steps: int, execution: Execution
) -> tuple[deque[int], Callable[[Batch, int], list[tuple[Any, list[int]]]]]:
    """First trajectories of the device calls that take the run from `start` to `stop`, and what makes one: summaries
    and failed columns of its blocks."""
    block = problem.block
    all_blocks = -(-(stop - start) // block)
    per_call = _blocks_per_call(problem, all_blocks, steps, execution.batch, in_flight)

    arrivals = {name: statistic.on_host for name, statistic in problem.statistics.items()}

    def call(device_call: Batch, first: int) -> list[tuple[Any, list[int]]]:
        blocks = min(per_call, -(-(stop - first) // block))
        with precision_context(execution.precision):
            summaries, failed = jax.device_get(device_call(first, blocks, stop))
        rows = [jax.tree.map(lambda leaf, b=b: leaf[b], summaries) for b in range(blocks)]
        return [
            ({name: arrive(row[name]) for name, arrive in arrivals.items()}, _columns(failed[b]))
            for b, row in enumerate(rows)
        ]

    return deque(range(start, stop, per_call * block)), call


def _columns(bits: np.ndarray) -> list[int]:
    """The places of the bits that are set."""
    return np.flatnonzero(np.unpackbits(bits)).tolist() if bits.any() else []


def _capacity(problem: Runnable) -> int:
    """Blocks whose summaries a device call can hold."""
    return 1 if any(statistic.large for statistic in problem.statistics.values()) else BLOCKS_PER_CALL


def _blocks_per_call(problem: Runnable, all_blocks: int, steps: int, batch: int | None, in_flight: int) -> int:
    most = _capacity(problem)
    if batch is not None:
        return max(1, min(most, batch // problem.block))
    work = problem.block * problem.size * steps
    return max(1, min(most, limits().work // work, -(-all_blocks // in_flight)))

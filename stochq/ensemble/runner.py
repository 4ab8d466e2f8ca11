"""Device calls spread over devices and cores, summaries merged in a fixed order."""

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from itertools import cycle
from typing import Any, NamedTuple, final

import jax
import numpy as np

from stochq.accelerators import forced, on_accelerator
from stochq.aliases import Device
from stochq.callers import users_line
from stochq.ensemble.account import Account
from stochq.ensemble.batch import BLOCKS_PER_CALL, Batch, Runnable
from stochq.ensemble.devices import default_device, limits
from stochq.ensemble.execution import Execution, Extend, Totals, count, resumed
from stochq.ensemble.progress import Display, shown
from stochq.ensemble.rounds import run_together
from stochq.ensemble.tree import MOST_NAMED, Part, added, total


def usable_cores() -> int:
    """A container or a queue may grant fewer cores than the machine has; not every system can tell."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def workers(devices: int = 1) -> int:
    """Calls in flight on each of so many devices: two on an accelerator if it has memory for them, on a processor one
    per core in all."""
    return 2 if on_accelerator() else max(1, usable_cores() // devices)


def thread_pool(count: int, device: Device | None = None) -> ThreadPoolExecutor:
    """So many threads for a device, kept: a device call from a new one takes milliseconds longer."""
    return _thread_pool(count, device)


@cache
def _thread_pool(count: int, device: Device | None) -> ThreadPoolExecutor:
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
    device: Device


def precision_context(precision: str) -> AbstractContextManager[Any]:
    """The local setting of 64-bit mode; it holds for the calling thread only."""
    return jax.enable_x64(precision == "double")


def run(
    problem: Runnable,
    trajectories: int,
    steps: int,
    execution: Execution,
    extend: Extend | None = None,
    most: int | None = None,
    known: int | None = None,
) -> Totals:
    """Run trajectories first .. first+trajectories-1 and merge their summaries block by block, in order.

    extend: asked when these are done; a larger number, up to `most`, is run as well, and it is asked again. known: so
    many are run at most, whatever is wanted; None for all.
    """
    if execution.team is not None:

        def alone(start: int, stop: int) -> Totals:
            here = replace(execution, team=None, checkpoint=None, progress=False, is_logged=False, first=start)
            return run(problem, stop - start, steps, here)

        return run_together(alone, execution.team, problem, trajectories, execution, extend, most)
    course = _Course(problem, trajectories, steps, execution, extend, most)
    interrupted = False
    with shown(execution.progress) as display:
        display.phase("compiling")
        lanes = _lanes(problem, execution)
        account = Account(problem, course.merges, course.done)
        display.advance(course.done, course.wanted)
        try:
            while course.done < (stop := course.wanted if known is None else min(course.wanted, known)):
                course.advance(lanes, stop, display, account)
        except KeyboardInterrupt:
            if not course.parts:
                raise
            interrupted = True
            warnings.warn(
                f"interrupted: the result holds {course.done} of {course.wanted} trajectories.",
                stacklevel=users_line(),
            )
    return course.totals(tuple(lane.device for lane in lanes), interrupted)


@final
class _Course:
    """A run on this host alone: the parts that are done, in the order of their trajectories, and how many are wanted.

    Arguments are those of `run`.
    """

    def __init__(
        self,
        problem: Runnable,
        trajectories: int,
        steps: int,
        execution: Execution,
        extend: Extend | None,
        most: int | None,
    ) -> None:
        self._problem, self._steps, self._execution, self._extend = problem, steps, execution, extend
        # A method taken from an equinox module costs more than the merge itself.
        self.merges = {name: statistic.merge for name, statistic in problem.statistics.items()}
        checkpoint = execution.checkpoint
        self._stage = None if checkpoint is None else checkpoint.stage(problem, execution.precision)
        self.parts, self.wanted, self._earlier = resumed(self._stage, trajectories, extend, most, self.merges)
        self.done, self._start = count(self.parts), time.perf_counter()

    @property
    def seconds(self) -> float:
        """So far, those of the calls that a checkpoint tells of included."""
        return self._earlier + time.perf_counter() - self._start

    def advance(self, lanes: list[Lane], stop: int, display: Display, account: Account) -> None:
        """Make the trajectories up to `stop`, and ask how many are wanted when these are all."""
        in_flight, turns = sum(lane.threads for lane in lanes), cycle(lanes)
        first, pending = self._execution.first, deque[Future]()
        calls, call = _calls(self._problem, in_flight, first + self.done, first + stop, self._steps, self._execution)
        try:
            while calls or pending:
                while calls and len(pending) < 2 * in_flight:
                    lane = next(turns)
                    pending.append(lane.pool.submit(call, lane.call, calls.popleft()))
                self._add(pending.popleft().result(), stop)
                if self._stage is not None:
                    self._stage.keep(self.parts, self.wanted, self.seconds)
                display.advance(self.done, self.wanted)
                if self._execution.is_logged:
                    account.calls_done(self.parts, self.done, self.wanted)
            if self._extend is not None and self.done == self.wanted:
                self.wanted = max(self.done, self._extend(total(self.parts, self.merges), self.done))
        finally:
            for future in pending:
                future.cancel()
            if self._stage is not None and self._stage.parts:
                self._stage.save()

    def _add(self, blocks: list[tuple[Any, list[int]]], stop: int) -> None:
        """Put summaries and failed columns of the next blocks behind what is done."""
        first, block = self._execution.first, self._problem.block
        for summary, lost in blocks:
            begin, end = first + self.done, min(first + self.done + block, first + stop)
            failures = tuple(begin + column for column in lost[:MOST_NAMED])
            part = Part(0, begin, end, block, len(lost), summary, failures)
            self.parts = added(self.parts, part, self.merges)
            self.done = end - first

    def totals(self, devices: tuple[Device, ...], interrupted: bool) -> Totals:
        return Totals(total(self.parts, self.merges), self.parts, self.seconds, interrupted, devices, self.wanted)


def _lanes(problem: Runnable, execution: Execution) -> list[Lane]:
    """Of each device one, whose programs are compiled side by side."""
    devices = execution.devices or (None,)
    # Another thread does not know what this one has chosen.
    most, accelerated = workers(len(devices)), on_accelerator()

    def lane(device: Device | None) -> Lane:
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

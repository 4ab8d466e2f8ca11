"""Device calls spread over the processor's cores, summaries merged in a fixed order, progress shown."""

import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.ensemble.batch import BLOCKS_PER_CALL, Runnable, run_batch
from stochq.ensemble.statistics import Density, to_host

# Amplitude-steps after which a device call should return, so that progress shows and an interrupt is heard.
_WORK_PER_CALL = 2**26


class Totals(NamedTuple):
    """Merged summaries, trajectories run (the next one not run), failed ones, seconds spent, interrupted or not."""

    summaries: tuple[Any, ...]
    done: int
    failed: int
    seconds: float
    interrupted: bool


def workers() -> int:
    """Device calls in flight: one per core on a CPU, two on an accelerator."""
    return len(os.sched_getaffinity(0)) if jax.default_backend() == "cpu" else 2


def precision_context(precision: str) -> Any:
    """The local setting of 64-bit mode; it holds for the calling thread only."""
    return jax.enable_x64(precision == "double")


def run(problem: Runnable, trajectories: int, steps: int, precision: str, batch: int | None, progress: Any) -> Totals:
    """Run trajectories 0 .. trajectories-1 and merge their summaries block by block, in order."""
    size = problem.block
    all_blocks = -(-trajectories // size)
    per_call = _blocks_per_call(problem, all_blocks, steps, batch)
    calls = deque(range(0, all_blocks, per_call))
    capacity = 1 if any(isinstance(statistic, Density) for statistic in problem.statistics) else BLOCKS_PER_CALL

    def call(first: int) -> list[tuple[Any, int]]:
        blocks = min(per_call, all_blocks - first)
        with precision_context(precision):
            stored = run_batch(
                problem, np.uint32(first), np.int32(blocks), np.uint32(trajectories), min(capacity, BLOCKS_PER_CALL)
            )
            summaries, failed = jax.device_get(stored)
        return [(to_host(jax.tree.map(lambda row, b=b: row[b], summaries)), int(failed[b])) for b in range(blocks)]

    per_call = min(per_call, capacity)
    calls = deque(range(0, all_blocks, per_call))
    start, merged, done, failed, interrupted = time.perf_counter(), None, 0, 0, False
    with _bar(trajectories, progress) as advance, ThreadPoolExecutor(workers()) as pool:
        pending: deque[Future] = deque()
        try:
            while calls or pending:
                while calls and len(pending) < 2 * workers():
                    pending.append(pool.submit(call, calls.popleft()))
                for summary, lost in pending.popleft().result():
                    merged = summary if merged is None else _merge(problem, merged, summary)
                    failed, done = failed + lost, min(done + size, trajectories)
                advance(done)
        except KeyboardInterrupt:
            for future in pending:
                future.cancel()
            if merged is None:
                raise
            interrupted = True
            warnings.warn(f"interrupted: the result holds {done} of {trajectories} trajectories.", stacklevel=3)
    return Totals(merged, done, failed, time.perf_counter() - start, interrupted)  # type: ignore[arg-type]


def _merge(problem: Runnable, merged: tuple, summary: tuple) -> tuple:
    return tuple(
        statistic.merge(total, part) for statistic, total, part in zip(problem.statistics, merged, summary, strict=True)
    )


def _blocks_per_call(problem: Runnable, all_blocks: int, steps: int, batch: int | None) -> int:
    if batch is not None:
        return max(1, min(BLOCKS_PER_CALL, batch // problem.block))
    work = problem.block * problem.size * steps
    return max(1, min(BLOCKS_PER_CALL, _WORK_PER_CALL // work, -(-all_blocks // workers())))


@contextmanager
def _bar(total: int, progress: bool | None) -> Iterator[Any]:
    """A function that shows how many trajectories are done, their rate and the time left; quiet off a terminal."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("trajectories"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    start = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True, force_terminal=progress), transient=True) as bar:
        task = bar.add_task("run", total=total, rate="compiling")

        def advance(done: int) -> None:
            rate = done / max(time.perf_counter() - start, 1e-9)
            bar.update(task, completed=done, rate=f"{rate:,.0f} per second")

        yield advance

"""One measurement, made in a process of its own: time per trajectory-step, compile time, peak memory."""

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

FIRST_TRAJECTORIES = 256


class Budget(NamedTuple):
    """How long to measure: repeats of a call that takes at least `seconds`."""

    repeats: int = 5
    seconds: float = 0.5


FULL, QUICK, ONCE = Budget(), Budget(repeats=3, seconds=0.15), Budget(repeats=1)


class Sample(NamedTuple):
    """Mean and standard error of the observable at the saved times, (T,) each, the scheme's name, and how many
    trajectories became non-finite and were left out."""

    mean: np.ndarray
    stderr: np.ndarray
    scheme: str
    failed: int = 0


Run = Callable[[int, int], Sample]


@dataclass(frozen=True)
class Measurement:
    """nanoseconds per trajectory and step: median, low, high over the repeats. compile_seconds: first call less a warm
    one. peak_mib: largest resident memory of the process, start_mib: that before the first call."""

    library: str
    scheme: str
    layout: str
    trajectories: int
    steps: int
    repeats: int
    nanoseconds: float
    low: float
    high: float
    compile_seconds: float
    peak_mib: float
    start_mib: float
    backend: str
    mean: list[float]
    stderr: list[float]
    failed: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def timed(run: Run, trajectories: int, seed: int) -> tuple[float, Sample]:
    """Seconds of one call, and what it returned."""
    start = time.perf_counter()
    sample = run(trajectories, seed)
    return time.perf_counter() - start, sample


def measure(
    run: Run,
    steps: int,
    budget: Budget,
    *,
    library: str,
    layout: str = "",
    trajectories: int = 0,
    first: int = FIRST_TRAJECTORIES,
    backend: str = "",
) -> Measurement:
    """Time `run(trajectories, seed)`.

    trajectories: 0 doubles them until a call takes `budget.seconds`. first: how many the first two calls run, whose
    difference is the compile time; `trajectories` where the number is part of what is compiled.
    """
    start_mib = peak_memory()
    cold, _ = timed(run, first, 0)
    warm, _ = timed(run, first, 1)
    count = trajectories or enough(run, budget.seconds)
    calls = [timed(run, count, 2 + repeat) for repeat in range(budget.repeats)]
    per_step = [seconds / (count * steps) * 1e9 for seconds, _ in calls]
    sample = calls[-1][1]
    return Measurement(
        library=library,
        scheme=sample.scheme,
        layout=layout,
        trajectories=count,
        steps=steps,
        repeats=budget.repeats,
        nanoseconds=statistics.median(per_step),
        low=min(per_step),
        high=max(per_step),
        compile_seconds=max(cold - warm, 0.0),
        peak_mib=peak_memory(),
        start_mib=start_mib,
        backend=backend,
        mean=sample.mean.tolist(),
        stderr=sample.stderr.tolist(),
        failed=sample.failed,
    )


def enough(run: Run, seconds: float) -> int:
    """Trajectories, a power of two, for which a warm call takes that long."""
    count = FIRST_TRAJECTORIES
    while timed(run, count, 1)[0] < seconds:
        count *= 2
    return count


def peak_memory() -> float:
    """The largest resident memory of this process so far, in MiB."""
    # On Linux getrusage starts from the memory of the process that launched this one; VmHWM does not.
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)

"""What runs in the processes that `distributed` starts."""

import os
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.children import tell
from benchmarks.measure import peak_memory
from benchmarks.problems import find

# Messages are counted of these, and of this one with its density matrix as well.
COUNTED, WITH_DENSITY = ("suv-2", "suv-8", "oqt-64"), "suv-8"
LONG_STEPS, FEW = 50, 10**6


def devices_main(name: str, trajectories: int, repeats: int) -> None:
    """Seconds of runs over 2, 4 and 8 virtual devices, and over one that uses all cores, in turn."""
    run = _runner(name)
    counts = (None, 2, 4, 8)
    for count in counts:
        run(trajectories // 8, 0, devices=count)
    seconds: dict[str, list[float]] = {str(count or 1): [] for count in counts}
    for repeat in range(repeats):
        for count in counts:
            seconds[str(count or 1)].append(run(trajectories, repeat, devices=count))
    tell({"seconds": seconds})


def member_main(which: str, port: str, trajectories: int, cores: int, repeats: int) -> None:
    """One of the hosts, on so many cores: the first tells seconds of each run, and what messages and calls were."""
    from stochq import hosts

    index, count = map(int, which.split("/"))
    everywhere = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [everywhere[(index + offset) % len(everywhere)] for offset in range(cores)])
    if count > 1:
        hosts.join(f"localhost:{port}", count, index, "deactivate")
    seen = Seen()
    run = _runner("suv-8")
    run(trajectories, 0)
    seen.clear()
    seconds = [run(trajectories, 1 + repeat) for repeat in range(repeats)]
    rows = [] if count == 1 else [seen.row("suv-8", len(seconds))]
    if count == 2:
        for name in COUNTED:
            rows.append(seen.of(name, _runner(name), 2**17))
        rows.append(seen.of(f"{WITH_DENSITY}, density", _runner(WITH_DENSITY, density=True), 2**17))
    if index == 0:
        tell({"seconds": seconds, "messages": rows})


def long_main(trajectories: int) -> None:
    """A qubit, with a checkpoint: seconds, and the largest memory after a million trajectories and after all."""
    import stochq as sq

    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    options: dict[str, Any] = {"observables": {"p": [1.0, 0.0], "rho": sq.Density()}, "dt": 1 / LONG_STEPS, "seed": 1}
    times = np.linspace(0.0, 1.0, 11)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.checkpoint"
        sq.simulate(equation, [0.6, 0.8], times, trajectories=FEW, checkpoint=path, **options)
        few, start, used = peak_memory(), time.perf_counter(), time.process_time()
        result = sq.simulate(
            equation, [0.6, 0.8], times, trajectories=trajectories, checkpoint=path, progress=True, **options
        )
        seconds, used = time.perf_counter() - start, time.process_time() - used
    z = float(np.abs((result.mean["p"][1:] - 0.36) / result.stderr["p"][1:]).max())
    tell(
        {
            "trajectories": result.trajectories,
            "steps": LONG_STEPS,
            "seconds": seconds,
            "processor_seconds": used,
            "few": FEW,
            "few_mib": few,
            "peak_mib": peak_memory(),
            "largest_z": z,
        }
    )


def _runner(name: str, density: bool = False) -> Callable[..., float]:
    """Seconds of a run of so many trajectories of a problem under a seed."""
    import stochq as sq

    problem = find(name)
    equation, statement = problem.equation(), problem.statement()
    watched = {"o": statement.observable, **({"rho": sq.Density()} if density else {})}

    def run(trajectories: int, seed: int, **options: Any) -> float:
        start = time.perf_counter()
        sq.simulate(
            equation, statement.psi0, problem.times, observables=watched, trajectories=trajectories, dt=problem.dt,
            seed=seed, progress=False, **options,
        )  # fmt: skip
        return time.perf_counter() - start

    return run


class Seen:
    """Lengths of messages, seconds of merging them and of device calls, of the runs of this process."""

    def __init__(self) -> None:
        import jax

        from stochq.ensemble import rounds
        from stochq.ensemble.batch import Batch
        from stochq.hosts import Hosts

        self.clear()
        gather, after, call = Hosts.gather, rounds._after, Batch.__call__

        @wraps(gather)
        def counted(members: Any, message: bytes) -> Any:
            found = gather(members, message)
            self.bytes += [len(each) for each in found[0][1:]]
            self.message = max([self.message, *found[0][1:]], key=len)
            return found

        @wraps(after)
        def merged(*arguments: Any) -> Any:
            start = time.perf_counter()
            found = after(*arguments)
            self.merging.append((time.perf_counter() - start) / len(arguments[1]))
            return found

        @wraps(call)
        def called(batch: Any, *arguments: Any) -> Any:
            start = time.perf_counter()
            found = jax.block_until_ready(call(batch, *arguments))
            self.calls.append(time.perf_counter() - start)
            return found

        Hosts.gather, rounds._after, Batch.__call__ = counted, merged, called  # type: ignore[method-assign]

    def clear(self) -> None:
        self.bytes, self.message, self.merging, self.calls = [], b"", [], []

    def of(self, name: str, run: Callable[..., float], trajectories: int) -> dict[str, Any]:
        """A row about a problem."""
        run(trajectories, 0)
        self.clear()
        run(trajectories, 1)
        return self.row(name, 1)

    def row(self, name: str, runs: int) -> dict[str, Any]:
        """What passed to the first host from one other one, at most, and how long it took there."""
        from stochq.ensemble.checkpoint.content import tree_of

        if not self.message:
            return {}
        start = time.perf_counter()
        share = tree_of(self.message, "")
        reading = time.perf_counter() - start
        return {
            "problem": name,
            "messages": len(self.bytes) // runs,
            "largest_bytes": max(self.bytes),
            "parts": len(share["parts"]),
            "merge_seconds": float(np.median(self.merging)) + reading,
            "longest_call_seconds": max(self.calls),
        }

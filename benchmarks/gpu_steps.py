"""One problem on a card: whether each loop agrees with a processor on the same random numbers, and how fast it is."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np

from benchmarks.gpu_ceilings import median_seconds
from benchmarks.gpu_references import WAITED, WAITS, found_by_processor
from benchmarks.problems import find
from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid, time_grid
from stochq.accuracy.same_draws import LARGEST_SHARE, difference
from stochq.compiling import PROGRAMS
from stochq.ensemble.assemble import assemble
from stochq.ensemble.batch import BLOCKS_PER_CALL, Batch, Problem
from stochq.ensemble.problem import build_problem
from stochq.ensemble.runner import Execution, run
from stochq.ensemble.statistics import Statistic
from stochq.ensemble.task import Task
from stochq.ensemble.which_loop import told
from stochq.exact import ExactResult
from stochq.schemes import Strang, default_scheme, frame_of

# What switches a loop on.
WAYS: Mapping[str, Mapping[str, str]] = {
    "persistent": {"STOCHQ_PERSISTENT": "1"},
    "xla": {},
    "one graph": {"STOCHQ_ONE_GRAPH": "1"},
}
# Agreement after so many steps; how often a correct ensemble is refused.
COMPARED_STEPS, FALSE_ALARM = 40, 1e-3
# Measurements that would take longer are left out.
_LONGEST = 2.0
# Trajectories of the test against the master equation.
_JUDGED = 10**6
_SEED = 3


@final
class FirstStates(Statistic):
    """States (dim, count) of the first trajectories of the first block at the last time."""

    count: int = eqx.field(static=True)

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return data[-1, :, : self.count]

    def merge(self, total: Any, summary: Any) -> Any:
        return total


class Stated(NamedTuple):
    """A problem in the form of a device call and its grid."""

    problem: Problem
    grid: TimeGrid
    equation: Any
    psi0: np.ndarray
    observables: dict[str, np.ndarray]


def stated(name: str, method: str, trajectories: int, compared: int, steps: int) -> Stated:
    """So many steps of the timed problem in five intervals; compared: trajectories whose states are kept."""
    timed = find(name)
    equation, statement = timed.equation(), timed.statement()
    scheme = Strang(increments="discrete") if method == "discrete" else default_scheme(equation)
    times, psi = np.linspace(0.0, steps * timed.dt, 6), np.asarray(statement.psi0, complex)
    # Of all levels with the largest amplitude the populations may be the norm, which never moves.
    first = (np.arange(len(psi)) == np.argmax(np.abs(psi))) * 1.0
    watched = {"observable": np.asarray(statement.observable, float), "first": first}
    kept = {"states": FirstStates(compared)}
    task = Task(equation, frame_of(equation), psi, times, watched, scheme, "single", _SEED, kept)
    grid = time_grid(times, timed.dt)
    return Stated(build_problem(task, grid, trajectories=trajectories), grid, equation, psi, watched)


def states_after(problem: Problem, compared: int, capacity: int = 1) -> np.ndarray:
    """States (dim, compared) at the end of the run; NaN for those that did not stay finite."""
    call = Batch(problem, capacity)
    starts = range(0, compared, problem.block)
    parts = [jax.device_get(call(start, 1, compared))[0]["states"][0] for start in starts]
    states = np.concatenate(parts, axis=-1)[:, :compared]
    return np.where(np.any(states != 0, axis=0), states, np.nan)


def reference(name: str, method: str, compared: int, exact: bool, steps: int) -> dict[str, np.ndarray]:
    """On a processor: states after the compared steps; and the number of steps to be timed, with the means of the
    master equation over them."""
    import stochq as sq

    states = states_after(stated(name, method, compared, compared, COMPARED_STEPS).problem, compared)
    found = {"states": states, "steps": np.array(steps)}
    if not exact:
        return found
    long = stated(name, method, compared, compared, steps)
    means = sq.exact.evolve(long.equation, long.psi0, long.grid.times, observables=long.observables).expect
    return found | {f"mean {key}": value for key, value in means.items()}


@contextmanager
def switched(way: str) -> Iterator[None]:
    """The loop of that name switched on, the others off, and no program kept from another."""
    old = {key: os.environ.pop(key, None) for other in WAYS.values() for key in other}
    os.environ.update(WAYS[way])
    PROGRAMS.clear()
    try:
        yield
    finally:
        for key, value in old.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def measure_steps(
    name: str, method: str, ways: Sequence[str], sizes: Sequence[int], compared: int, references: Path
) -> Iterator[dict[str, Any]]:
    """Agreement, the test against the master equation where it is known, and steps per second, way after way.

    sizes: trajectories, of which the largest decides the size of blocks; those that would take long are left out.
    """
    path = references / f"{name} {method}.npz"
    if not path.exists():
        start = time.perf_counter()
        yield {"what": WAITS}
        found_by_processor(path)
        yield {"what": WAITED, "seconds": time.perf_counter() - start}
    known = found_by_processor(path)
    for way in ways:
        with switched(way):
            start = time.perf_counter()
            short = stated(name, method, max(sizes), compared, COMPARED_STEPS).problem
            if way == "persistent" and short.loop.threads is None:
                yield {"what": "agreement", "way": way, "left out": told(short)}
                continue
            Batch(short, BLOCKS_PER_CALL)
            compiled = time.perf_counter() - start
            found = difference(states_after(short, compared, BLOCKS_PER_CALL), known["states"])
            yield {"what": "agreement", "way": way, **found, "compile_s": compiled}
            if found["far"] > LARGEST_SHARE or found["not finite"]:
                continue
            long = stated(name, method, max(sizes), compared, int(known["steps"]))
            if "mean observable" in known:
                yield {"what": "chi2", "way": way, **_against_master_equation(long, known, min(max(sizes), _JUDGED))}
            for row in _rates(long, sizes):
                yield {"what": "rate", "way": way, **row}


def _against_master_equation(long: Stated, known: Mapping[str, np.ndarray], trajectories: int) -> dict[str, Any]:
    import stochq as sq

    totals = run(long.problem, trajectories, long.grid.total_steps, Execution(progress=False))
    plan = StepPlan(float(long.grid.lengths[0]))
    result = assemble(long.problem, long.grid, totals, plan, list(long.observables), "single", _SEED)
    means = {key: known[f"mean {key}"] for key in long.observables}
    verdict = sq.compare(result, ExactResult(long.grid.times, means, None, "on a processor", 0.0, 0.0))
    measured = {"trajectories": trajectories, "chi2": verdict.chi2, "dof": verdict.dof, "p_value": verdict.p_value}
    return {**measured, "agrees": verdict.p_value > FALSE_ALARM}


def _rates(long: Stated, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Trajectory-steps per second of device calls that are asked for one after the other."""
    call, block, steps = Batch(long.problem, BLOCKS_PER_CALL), long.problem.block, long.grid.total_steps
    budget = long.problem.loop.scheme.budget(long.problem.frame)
    rate, normals = np.inf, budget.real_normals + 2 * budget.complex_normals
    for trajectories in sorted(sizes):
        if trajectories * steps / rate > _LONGEST:
            yield {"trajectories": trajectories, "left out": f"would take {trajectories * steps / rate:.3g} s"}
            continue
        blocks = -(-trajectories // block)

        def all_calls(repeat: int, blocks: int = blocks) -> list[Any]:
            first, end = repeat * blocks, (repeat + 1) * blocks
            starts = range(first, end, BLOCKS_PER_CALL)
            return [call(block * start, min(BLOCKS_PER_CALL, end - start), 2**32 - 1) for start in starts]

        rate = trajectories * steps / median_seconds(all_calls)
        yield {"trajectories": trajectories, "steps_per_s": rate, "normals_per_s": rate * normals}

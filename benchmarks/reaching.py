"""What it takes one library to reach a stated accuracy, measured in a process of its own.

Accuracy: a time-step bias and a standard error of 10⁻³ each, of one observable at every saved time.
"""

import statistics
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.peers import dynamiqs_values, for_dynamiqs, for_qutip, qutip_result
from benchmarks.problems import Problem

BIAS = STANDARD_ERROR = 1e-3
# |bias| + 2.2 standard errors are kept below the tolerance. At the smallest of these both are below 1e-3 whatever the
# bias, which may take a quarter; the largest is what 1e-3 of both add up to. The largest that does is searched for.
TOLERANCES = (3.2e-3, 2.9e-3, 2.65e-3, 2.5e-3, 2.4e-3, 2.3e-3, 2.2e-3)
CAP = 10**8
# A peer's bias is measured until its statistical error is this small, or its time is up.
RESOLUTION = 3e-4
# Seconds after which a slow problem is not repeated, and for which calls of milliseconds are, up to so many.
LONG_ENOUGH, SHORT, MOST_REPEATS = 60.0, 1.0, 25
FAILED_FRACTION = 0.01
# Steps between saved times beyond which a method that diverges is given up.
MOST_STEPS = 4096
WEAK_ORDER = {"EulerMaruyama": 1, "Rouchon1": 1, "rouchon": 1, "platen": 2}


class Patience(NamedTuple):
    """Seconds for one step length, for all of them, and repeats of what is timed."""

    level: float
    search: float
    repeats: int


# Thorough: for the best peer, whose bias should not pass for small because it was hardly looked at.
PATIENCE = {"quick": Patience(1.5, 10.0, 2), "full": Patience(2.5, 14.0, 3), "thorough": Patience(30.0, 80.0, 3)}

# (values (trajectories, T)) of a run with `steps` steps between neighbouring saved times.
Peer = Callable[[int, int, int], np.ndarray]


def exact_answer(problem: Problem) -> np.ndarray:
    """The observable's mean at the saved times, from the master equation."""
    import stochq as sq

    given = problem.statement()
    watched = {"o": given.observable}
    return np.asarray(sq.exact.evolve(problem.equation(), given.psi0, problem.times, observables=watched).expect["o"])


def reach_with_stochq(problem: Problem, patience: Patience) -> dict[str, Any]:
    """Whole calls of `simulate(..., tolerance=)`, the choice of the step included, at the largest tolerance with which
    the bias and the standard error are both as small as wanted."""
    compiling = 0.0
    for tolerance in TOLERANCES:
        found = _reach(problem, patience, tolerance)
        compiling = max(compiling, found["compile_seconds"])
        if found["bias"] <= BIAS and found["stderr"] <= STANDARD_ERROR:
            break
    return found | {"tolerance": tolerance, "compile_seconds": compiling}


def _reach(problem: Problem, patience: Patience, tolerance: float) -> dict[str, Any]:
    import stochq as sq

    equation, given, exact = problem.equation(), problem.statement(), exact_answer(problem)
    options: dict[str, Any] = {"observables": {"o": given.observable}, "trajectories": CAP, "tolerance": tolerance}
    seconds, errors, results = [], [], []
    for seed in range(MOST_REPEATS + 1):
        start = time.perf_counter()
        results.append(sq.simulate(equation, given.psi0, problem.times, seed=seed, progress=False, **options))
        seconds.append(time.perf_counter() - start)
        errors.append(float(np.abs(results[-1].mean["o"] - exact).max()))
        if len(seconds) > 1 and sum(seconds) > LONG_ENOUGH:
            break
        if len(seconds) > patience.repeats and sum(seconds[1:]) > SHORT:
            break
    last, warm = results[-1], seconds[1:]
    return {
        "seconds": statistics.median(warm),
        "low": min(warm),
        "high": max(warm),
        "compile_seconds": max(seconds[0] - statistics.median(warm), 0.0),
        "scheme": last.scheme,
        "dt": last.dt,
        "steps": last.info["steps"],
        "trajectories": last.trajectories,
        "bias": float(max(np.abs(result.bias["o"]).max() for result in results)),
        "stderr": float(max(result.stderr["o"].max() for result in results)),
        "largest_error": max(errors),
        "extrapolated": False,
    }


def dynamiqs_peer(problem: Problem, method: str) -> tuple[Peer, int]:
    """dynamiqs in the storage and with as many trajectories per call as were found best for it."""
    dq: Any = import_module("dynamiqs")
    layout, chunk = problem.dynamiqs[0]
    stated, interval = for_dynamiqs(problem, layout), float(problem.times[1] - problem.times[0])

    def run(trajectories: int, steps: int, seed: int) -> np.ndarray:
        return dynamiqs_values(problem, stated, getattr(dq.method, method)(dt=interval / steps), trajectories, seed)

    return run, chunk


def qutip_peer(problem: Problem, method: str) -> tuple[Peer, int]:
    """QuTiP, trajectories spread over the cores by its own means."""
    stated, cores = for_qutip(problem), machine.cores()
    interval = float(problem.times[1] - problem.times[0])
    options: dict[str, Any] = {"method": method, "keep_runs_results": True, "store_states": False}
    options |= {"map": "parallel", "num_cpus": cores}

    def run(trajectories: int, steps: int, seed: int) -> np.ndarray:
        result = qutip_result(stated, problem.times, trajectories, seed, dt=interval / steps, **options)
        return np.real(np.asarray(result.runs_expect[0]))

    start = time.perf_counter()
    run(cores, 1, 0)
    each = (time.perf_counter() - start) / cores
    return run, int(np.clip(1.0 / each, 1, 1000)) * cores


class Level(NamedTuple):
    """A step length: steps per saved interval, |mean − exact| and its error (T,), variance (T,), seconds of every warm
    call, the first call's seconds beyond them, the share of failed trajectories, trajectories run."""

    steps: int
    off: np.ndarray
    error: np.ndarray
    variance: np.ndarray
    seconds: list[float]
    compile_seconds: float
    failed: float
    trajectories: int

    @property
    def excess(self) -> float:
        """By how much the bias is above what is wanted, as a factor; two standard errors in the peer's favour."""
        return float(np.max((self.off - 2 * self.error)[1:])) / BIAS if self.stable else np.inf

    @property
    def stable(self) -> bool:
        """Whether nearly all trajectories stayed finite."""
        return self.failed <= FAILED_FRACTION


def level_of(peer: Peer, chunk: int, steps: int, exact: np.ndarray, seconds: float, repeats: int) -> Level:
    """Run chunks at one step length until the mean is known well enough or the time is up."""
    parts, times, begun = [], [], time.perf_counter()
    while True:
        start = time.perf_counter()
        values = peer(chunk, steps, len(times))
        times.append(time.perf_counter() - start)
        if len(times) > 1:
            parts.append(values)
            seen = np.concatenate(parts)
            finite = seen[np.isfinite(seen).all(axis=1)]
            if len(finite) < 2:
                return Level(steps, exact, exact, exact, times[1:], 0.0, 1.0, len(seen))
            error = finite.std(axis=0) / np.sqrt(len(finite))
            enough = error.max() <= RESOLUTION or time.perf_counter() - begun - times[0] > seconds
            if enough and len(parts) >= repeats:
                break
    compiling = max(times[0] - statistics.median(times[1:]), 0.0)
    failed, off = 1 - len(finite) / len(seen), np.abs(finite.mean(axis=0) - exact)
    return Level(steps, off, error, finite.var(axis=0), times[1:], compiling, failed, len(seen))


def reach_with_peer(problem: Problem, library: str, method: str, patience: Patience) -> dict[str, Any]:
    """The peer at its own best step: the longest, of interval/1, /2, /4 ..., whose bias is not seen above 10⁻³.

    What cannot be resolved counts in the peer's favour. When the time for the search is up, the step follows from the
    last one by the method's weak order, and the cost from the time per step.
    """
    peer, chunk = (dynamiqs_peer if library == "dynamiqs" else qutip_peer)(problem, method)
    exact, begun, steps, searched = exact_answer(problem), time.perf_counter(), 1, []
    while True:
        level = level_of(peer, chunk, steps, exact, patience.level, patience.repeats)
        searched.append([steps, float(level.off.max()), float(level.error.max()), level.failed])
        if level.excess <= 1 or (level.stable and time.perf_counter() - begun > patience.search):
            break
        if steps >= MOST_STEPS:
            return {"cannot": f"diverges with {steps} steps between saved times", "search": searched}
        steps *= 2
    shorter = int(np.ceil(steps * max(level.excess, 1.0) ** (1 / WEAK_ORDER[method])))
    needed = float(level.variance.max()) / STANDARD_ERROR**2
    scale = needed / chunk * shorter / steps
    each = level.seconds
    return {
        "seconds": statistics.median(each) * scale,
        "low": min(each) * scale,
        "high": max(each) * scale,
        "compile_seconds": level.compile_seconds,
        "scheme": method,
        "dt": float(problem.times[1] - problem.times[0]) / shorter,
        "steps": shorter * (len(problem.times) - 1),
        "trajectories": int(np.ceil(needed)),
        "timed_trajectories": level.trajectories,
        "bias": float(level.off.max()),
        "bias_error": float(level.error.max()),
        "failed": level.failed,
        "step_extrapolated": shorter != steps,
        "extrapolated": shorter != steps or level.trajectories < needed,
        "search": searched,
    }

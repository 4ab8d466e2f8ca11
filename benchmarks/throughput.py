"""Time per trajectory-step, compile time and peak memory of stochq, dynamiqs and QuTiP, all in one run."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import history, machine, report
from benchmarks.children import need_peers, run_child
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.results import PAGE, save
from benchmarks.targets import checks


def throughput(quick: bool, only: Sequence[str], record: bool = False, compare: str = "") -> dict[str, Any]:
    """Measure, print, and after a full run write the JSON and the page's table; or keep the history."""
    chosen = choose(quick, only)
    if compare:
        history.compare(compare, chosen, quick)
        return {}
    if record:
        return history.record(chosen, quick)
    if not (quick or only):
        need_peers()
    start = time.perf_counter()
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows: list[dict[str, Any]] = []
    results: dict[str, Any] = {}
    for problem in chosen:
        rows.append(measure_row(problem, quick))
        results = {"machine": where | {"seconds": round(time.perf_counter() - start), "quick": quick}, "rows": rows}
        if not (quick or only):
            # A run takes minutes: what was measured outlives an interruption.
            save(results, "throughput")
    print()
    print(report.text(results))
    if quick or only:
        print("\nA part of the run: benchmarks/results and docs/benchmarks.md are left as they are.")
    else:
        print(report.update_page(PAGE, results))
    return results


def choose(quick: bool, only: Sequence[str]) -> list[Problem]:
    """The problems named, by name or by the part before the dash; all without names, some of them if quick."""
    if not only:
        return [problem for problem in PROBLEMS if problem.quick or not quick]
    chosen = [problem for problem in PROBLEMS if problem.name in only or problem.name.split("-")[0] in only]
    if not chosen:
        names = ", ".join(problem.name for problem in PROBLEMS)
        raise SystemExit(f"--only: expected one of {names}, or a part before the dash; got {', '.join(only)}.")
    return chosen


def measure_row(problem: Problem, quick: bool) -> dict[str, Any]:
    """All measurements of one problem, each in a fresh process."""
    row: dict[str, Any] = {"name": problem.name, "title": problem.title, "operators": problem.operators}
    row |= {"dt": problem.dt, "steps": problem.steps, "times": problem.times.tolist()}
    flags = ["--quick"] if quick else []
    for method in ("default", "euler"):
        _say(f"{problem.title}: stochq, {method} scheme")
        row[f"stochq_{method}"] = run_child(problem.name, "stochq", method, *flags)
    row["dynamiqs"] = _dynamiqs(problem, quick)
    if problem.qutip_steps and not quick:
        _say(f"{problem.title}: QuTiP")
        row["qutip"] = run_child(problem.name, "qutip")
    else:
        row["qutip"] = {"cannot": "not in a quick run" if problem.qutip_steps else problem.cannot}
    row["checks"] = [check._asdict() for check in checks(row, problem.targets)]
    _say("")
    print(report.line(row), flush=True)
    return row


def _dynamiqs(problem: Problem, quick: bool) -> dict[str, Any]:
    """Its fastest storage and batch; the others are kept beside it."""
    tried = []
    for layout, trajectories in problem.dynamiqs[: 1 if quick else None]:
        _say(f"{problem.title}: dynamiqs, {layout}, {trajectories} trajectories")
        flags = ["--trajectories", str(trajectories), *(["--quick"] if quick else [])]
        tried.append(run_child(problem.name, "dynamiqs", layout, *flags))
    ran = sorted((entry for entry in tried if "cannot" not in entry), key=lambda entry: entry["nanoseconds"])
    if not ran:
        return tried[0] if tried else {"cannot": problem.cannot}
    others = ("layout", "trajectories", "nanoseconds", "compile_seconds", "cannot")
    rest = [entry for entry in tried if entry is not ran[0]]
    return ran[0] | {"others": [{key: entry[key] for key in others if key in entry} for entry in rest]}


def _say(what: str) -> None:
    """What is being measured, on one line of a terminal that the next overwrites."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)

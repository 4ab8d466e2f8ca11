"""A history of throughput by commit: record it, and compare the code at hand with what an earlier commit took."""

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.children import run_child
from benchmarks.problems import Problem
from benchmarks.report import duration
from benchmarks.results import FOLDER, ROOT

HISTORY = FOLDER / "history.jsonl"
# A row is slower if its median has grown by more than this and the ranges of the repeats lie apart.
ALLOWED_SLOWDOWN = 0.1
_REFERENCE_REPEATS = 9
_REFERENCE_VALUES = 2**20


class Change(NamedTuple):
    """A row's time by that of an earlier commit; `apart`: whether the ranges of their repeats are."""

    name: str
    ratio: float
    apart: bool

    @property
    def slower(self) -> bool:
        return self.apart and self.ratio > 1 + ALLOWED_SLOWDOWN


def record(chosen: Sequence[Problem], quick: bool, path: Path = HISTORY) -> dict[str, Any]:
    """Measure stochq alone, and append a line with the commit, the machine and the times to the history.

    Raises:
        SystemExit: where files that git knows differ from the commit.
    """
    commit = _commit()
    if changed := _git("status", "--porcelain", "--untracked-files=no"):
        raise SystemExit(
            f"--record: expected the code of a commit; changed since {commit[:10]}:\n{changed}\nCommit it first."
        )
    entry = {"commit": commit, **measured(chosen, quick)}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    print(f"{path.name}: {commit[:10]} recorded.")
    return entry


def compare(earlier: str, chosen: Sequence[Problem], quick: bool, path: Path = HISTORY) -> None:
    """Measure, and print each row's time beside that of the earlier commit.

    Raises:
        SystemExit: with code 1 where a row is slower, in a sentence where the history has no such commit.
    """
    then = find(earlier, path)
    now = measured([problem for problem in chosen if problem.name in then["rows"]], quick)
    found = changes(then, now)
    print(f"Against {then['commit'][:10]} of {then['machine']['date'][:10]}, by the reference's time of each run:")
    for change in found:
        times = " from ".join(duration(run["rows"][change.name][0]) for run in (now, then))
        verdict = "slower" if change.slower else "apart" if change.apart else "within the spread"
        print(f"  {change.name:12} {times:24} x {change.ratio:.2f}  {verdict}")
    if then["machine"]["cpu"] != now["machine"]["cpu"]:
        print(f"  Another processor: {then['machine']['cpu']} then, {now['machine']['cpu']} now.")
    if any(change.slower for change in found):
        raise SystemExit(1)


def measured(chosen: Sequence[Problem], quick: bool) -> dict[str, Any]:
    """The machine, its pace, and of each problem the median, least and largest time of a trajectory-step in ns.

    The reference is timed before and after, and the faster of both is kept: what else the machine does only slows it.
    """
    where = machine.describe()
    flags = ["--quick"] if quick else []
    before = reference_nanoseconds()
    runs = {problem.name: run_child(problem.name, "stochq", "default", *flags) for problem in chosen}
    failed = [f"{name}: {run['cannot']}" for name, run in runs.items() if "cannot" in run]
    if failed:
        raise SystemExit("Not measured: " + "; ".join(failed))
    rows = {name: [run["nanoseconds"], run["low"], run["high"]] for name, run in runs.items()}
    return {"machine": where, "quick": quick, "reference": min(before, reference_nanoseconds()), "rows": rows}


def reference_nanoseconds() -> float:
    """Nanoseconds per value of a fixed piece of work in NumPy: normals, phases and a sum.

    Machines and their loads differ by more than a change of the code: times are compared in units of this.
    """
    generator = np.random.default_rng(0)
    seconds = []
    for _ in range(_REFERENCE_REPEATS):
        start = time.perf_counter()
        normals = generator.standard_normal(_REFERENCE_VALUES)
        np.vdot(np.exp(1j * normals), np.exp(-1j * normals))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / _REFERENCE_VALUES * 1e9


def changes(then: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """Rows that both have, each in units of its run's reference."""
    found = []
    for name in now["rows"]:
        if name not in then["rows"]:
            continue
        old = np.array(then["rows"][name]) / then["reference"]
        new = np.array(now["rows"][name]) / now["reference"]
        apart = new[1] > old[2] or new[2] < old[1]
        found.append(Change(name, float(new[0] / old[0]), bool(apart)))
    return found


def find(commit: str, path: Path = HISTORY) -> dict[str, Any]:
    """The last entry of a commit, by the beginning of its name.

    Raises:
        SystemExit: where there is none.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    full = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}") or commit
    for entry in reversed(entries):
        if entry["commit"].startswith(full):
            return entry
    known = ", ".join(dict.fromkeys(entry["commit"][:10] for entry in entries)) or "none yet"
    raise SystemExit(
        f"--compare: expected a commit that `throughput --record` has measured; got {commit}. There are: {known}."
    )


def _commit() -> str:
    return _git("rev-parse", "HEAD") or "no commit"


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()

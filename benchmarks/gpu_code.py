"""What a step costs on a card that is not here: programs compiled for an H100 and counted, not run."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine, report
from benchmarks.children import run_child
from benchmarks.gpu_code_ahead import TARGET, environment, wheels
from benchmarks.problems import PROBLEMS, REACHED_ONLY, Problem
from benchmarks.results import load, save

LIMIT_SECONDS = 600.0
HEADERS = ("problem", "block", "kernels", "waits", "temporary, MiB", "compile, s",
           "registers", "spilled, bytes", "instructions", "compile, s")  # fmt: skip
NOTE = (
    "Default scheme, single precision; of a step of one block: kernels launched, times at which the host waits for the "
    "card. Then, of the persistent kernel, a trajectory to a thread: registers, bytes spilled, instructions of a step."
)


def gpu_code(only: Sequence[str] = ()) -> dict[str, Any] | None:
    """Compile, count, print and write benchmarks/results/gpu_code.json; without the wheels say so.

    only: rows that are made anew; the others stay as they are.
    """
    installed = wheels()
    if missing := [name for name, version in installed.items() if version is None]:
        print(f"{', '.join(missing)}: not installed. Nothing was compiled: install these packages, no card is needed.")
        return None
    begun, where = time.perf_counter(), machine.describe() | {"target": TARGET, "wheels": installed}
    print(report.heading(where), f"for {TARGET}: compiled and counted, not run", sep="\n", flush=True)
    problems = PROBLEMS + REACHED_ONLY
    rows = {row["name"]: row for row in ((load("gpu_code") if only else None) or {"rows": []})["rows"]}
    for problem in problems:
        if not only or problem.name in only:
            rows[problem.name] = row_of(problem)
            print("; ".join(cells(rows[problem.name])), flush=True)
    ordered = [rows[problem.name] for problem in problems if problem.name in rows]
    results = {"machine": where | {"seconds": round(time.perf_counter() - begun)}, "rows": ordered}
    print(report.table(HEADERS, [cells(row) for row in ordered]), NOTE, sep="\n")
    save(results, "gpu_code")
    return results


def row_of(problem: Problem) -> dict[str, Any]:
    """Both loops of a problem, each compiled in a process of its own."""
    row: dict[str, Any] = {"name": problem.name, "title": problem.title}
    for loop in ("xla", "persistent"):
        with TemporaryDirectory() as scratch:
            settings = environment(Path(scratch))
            row[loop] = run_child(
                problem.name, "stochq", loop, command="gpu-code-of", seconds=LIMIT_SECONDS, settings=settings
            )
    return row


def cells(row: dict[str, Any]) -> list[str]:
    """The columns of `HEADERS`."""
    counted = ("block", "kernels", "synchronisations", "temporary_mib", "compile_seconds")
    in_registers = ("registers", "spilled", "instructions", "compile_seconds")
    return [row["title"], *_numbers(row["xla"], counted), *_numbers(row["persistent"], in_registers)]


def _numbers(found: dict[str, Any], names: Sequence[str]) -> list[str]:
    """These numbers, or why there are none."""
    if "cannot" in found:
        return [found["cannot"], *[report.NONE] * (len(names) - 1)]
    return [f"{found[name]:g}" for name in names]

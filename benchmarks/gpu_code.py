"""What a step costs on a card that is not here: programs compiled for an H100 and counted, not run."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine, report
from benchmarks.children import run_child
from benchmarks.gpu_code_ahead import TARGET, compile_for_h100, environment, wheels
from benchmarks.gpu_code_count import step_cost
from benchmarks.problems import PROBLEMS, REACHED_ONLY, Problem
from benchmarks.results import load, save

LIMIT_SECONDS = 600.0
HEADERS = ("problem", "block", "kernels a step", "waits a step", "temporary, MiB", "compile, s")


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
    earlier = (load("gpu_code") if only else None) or {"rows": []}
    rows = {row["name"]: row for row in earlier["rows"]}
    problems = [problem for problem in PROBLEMS + REACHED_ONLY if not only or problem.name in only]
    for problem in problems:
        rows[problem.name] = _row(problem)
        print(" ".join(cells(rows[problem.name])), flush=True)
    ordered = [rows[problem.name] for problem in PROBLEMS + REACHED_ONLY if problem.name in rows]
    results = {"machine": where | {"seconds": round(time.perf_counter() - begun)}, "rows": ordered}
    print(report.table(HEADERS, [cells(row) for row in ordered]))
    save(results, "gpu_code")
    return results


def _row(problem: Problem) -> dict[str, Any]:
    with TemporaryDirectory() as scratch:
        settings = environment(Path(scratch))
        found = run_child(problem.name, "stochq", command="gpu-code-of", seconds=LIMIT_SECONDS, settings=settings)
    return {"name": problem.name, "title": problem.title, **found}


def cells(row: dict[str, Any]) -> list[str]:
    """The columns of `HEADERS`."""
    if "cannot" in row:
        return [row["title"], row["cannot"], *[report.NONE] * (len(HEADERS) - 2)]
    counts = [f"{row[key]:.4g}" for key in ("kernels", "synchronisations", "temporary_mib", "compile_seconds")]
    return [row["title"], str(row["block"]), *counts]


def code_of(problem: Problem) -> dict[str, Any]:
    """One row, in a process that was started with `environment`."""
    from stochq import accelerators
    from stochq.ensemble.batch import BLOCKS_PER_CALL, device_call

    with accelerators.forced(True):
        made = _problem(problem)
        function, arguments = device_call(made, BLOCKS_PER_CALL)
        compiled = compile_for_h100(function, *arguments, options=accelerators.graph_options())
    cost, steps = step_cost(compiled.text), 2 if made.loop.paired else 1
    return {
        "block": made.block,
        "kernels": cost.kernels / steps,
        "synchronisations": cost.synchronisations / steps,
        "temporary_mib": round(compiled.temporary / 2**20, 2),
        "compile_seconds": round(compiled.seconds, 1),
    }


def _problem(problem: Problem) -> Any:
    """What `simulate` makes of it, its scheme the default."""
    from stochq.accuracy.grid import time_grid
    from stochq.ensemble.grid_checks import grid_monitors
    from stochq.ensemble.problem import build_problem
    from stochq.ensemble.task import Task
    from stochq.schemes import default_scheme, frame_of

    equation, statement = problem.equation(), problem.statement()
    task = Task(
        equation,
        frame_of(equation),
        statement.psi0.astype(complex),
        problem.times,
        {"o": statement.observable},
        default_scheme(equation),
        "single",
        0,
        monitors=grid_monitors(equation),
    )
    return build_problem(task, time_grid(problem.times, problem.dt))

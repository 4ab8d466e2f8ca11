"""One row of `gpu-code`, in a process that was started with `environment` of gpu_code_ahead."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu_code_ahead import MOSAIC_FOLDER, Compiled, compile_for_h100
from benchmarks.gpu_code_count import step_cost
from benchmarks.gpu_code_kernel import kernel_in
from benchmarks.problems import Problem

# Operations of a step; more than the library gives to one thread, so that it shows where the limit is.
LARGEST_KERNEL = 10_000


def code_of(problem: Problem, loop: str) -> dict[str, Any]:
    """loop: "xla", one step after another, or "persistent", one kernel between two saved times."""
    from stochq import accelerators

    with accelerators.forced(True):
        return LOOPS[loop](_problem(problem))


def _xla(problem: Any) -> dict[str, Any]:
    compiled = _compiled(problem)
    cost, steps = step_cost(compiled.text), _steps(problem)
    counted = {
        "block": problem.block,
        "kernels": cost.kernels / steps,
        "synchronisations": cost.synchronisations / steps,
    }
    return counted | _costs(compiled)


def _persistent(problem: Any) -> dict[str, Any]:
    from stochq.ensemble.registers import Unsupported
    from stochq.ensemble.which_loop import THREADS, operations_per_step

    try:
        operations = operations_per_step(problem)
    except Unsupported as error:
        return {"cannot": f"needs {error}"}
    if operations > LARGEST_KERNEL:
        return {"cannot": f"{operations} operations a step", "operations": operations}
    compiled = _compiled(problem._replace(loop=problem.loop._replace(threads=THREADS)))
    kernel, steps = kernel_in(Path(os.environ[MOSAIC_FOLDER])), _steps(problem)
    counted = {"operations": operations, "registers": kernel.registers, "spilled": kernel.spilled}
    return counted | {"instructions": kernel.instructions / steps} | _costs(compiled)


LOOPS: dict[str, Callable[[Any], dict[str, Any]]] = {"xla": _xla, "persistent": _persistent}


def _compiled(problem: Any) -> Compiled:
    from stochq.accelerators import call_options
    from stochq.ensemble.batch import BLOCKS_PER_CALL, device_call

    function, arguments = device_call(problem, BLOCKS_PER_CALL)
    return compile_for_h100(function, *arguments, options=call_options(problem.size))


def _costs(compiled: Compiled) -> dict[str, Any]:
    return {
        "temporary_mib": round(compiled.temporary / 2**20, 2),
        "compile_seconds": round(compiled.seconds, 1),
    }


def _steps(problem: Any) -> int:
    """Steps of one iteration of its loop."""
    from stochq.ensemble.advance import drawing

    return drawing(problem.loop)[1]


def _problem(problem: Problem) -> Any:
    """What `simulate` makes of it, its scheme the default."""
    from stochq.accuracy.grid import time_grid
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
        monitors={name: margin.weight for name, margin in equation.hamiltonian.margins.items()},
    )
    return build_problem(task, time_grid(problem.times, problem.dt))

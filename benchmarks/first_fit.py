"""What the first fit of the example of a spin chain takes, compilation included, and the next one of other data."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax

import stochq as sq
from benchmarks import machine, report
from benchmarks.coverage import EXAMPLES, load_example
from benchmarks.results import save
from benchmarks.targets import check

NAME = "fit-sui-chain"
FIRST_SECONDS, NEXT_SECONDS = 5.0, 0.3


def first_fit() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/first_fit.json."""
    jax.config.update("jax_enable_compilation_cache", False)
    where = machine.describe()
    print(report.heading(where), flush=True)
    chain = load_example(NAME)
    start = chain.logs(chain.START)

    def fit(data: Any) -> Any:
        return sq.fit(chain.predict, data, start)

    one, data = _timed(chain.measure)
    first, _ = _timed(lambda: fit(data))
    run = {"observables": chain.OBSERVABLES, "trajectories": 1000, "seed": 2}
    other = sq.simulate(chain.equation(chain.TRUTH), chain.PSI0, chain.TIMES, **run)
    following, _ = _timed(lambda: fit(other))
    script, _ = _timed(_script)
    rows = {"simulated data": one, "first fit": first, "fit of other data": following, "the script": script}
    cells = [[name, f"{row['seconds']:.2f}", f"{row['processor']:.2f}"] for name, row in rows.items()]
    print(report.table(("", "s", "processor, s"), cells), flush=True)
    found = [
        check("first fit with compilation, s", first["seconds"], FIRST_SECONDS, at_least=False),
        check("fit of other data, s", following["seconds"], NEXT_SECONDS, at_least=False),
        check("the whole script, s", script["seconds"], FIRST_SECONDS, at_least=False),
    ]
    checks = [entry._asdict() for entry in found]
    results = {"machine": where, "rows": rows, "checks": checks}
    print("\n".join(report.verdicts([{"title": NAME, "checks": checks}])))
    save(results, "first_fit")
    return results


def _timed(function: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds, and those of the processors, the children's among them; and the answer."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    answer = function()
    return {"seconds": time.perf_counter() - start, "processor": sum(os.times()[:4]) - before}, answer


def _script() -> None:
    """All of it in a process of its own: libraries loaded, data simulated, the fit, its picture."""
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false", "MPLBACKEND": "Agg"}
    with TemporaryDirectory() as folder:
        line = [sys.executable, str(EXAMPLES / f"{NAME}.py"), str(Path(folder) / "fit.png")]
        subprocess.run(line, env=environment, check=True, capture_output=True)

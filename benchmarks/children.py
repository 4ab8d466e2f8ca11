"""Measurements in processes of their own, so that compile time and peak memory belong to one measurement alone."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measure import FULL, ONCE, QUICK

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 240
_MARK = "measurement: "
_REASON_LENGTH = 80


def need_peers() -> None:
    """SystemExit where a library to compare with is missing: a table without it would replace one with it."""
    missing = [name for name in ("dynamiqs", "qutip") if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"{' and '.join(missing)}: expected for a table to be written; not installed. Install the peers, pip "
            "install -e '.[bench]', or take --quick, which writes nothing."
        )


def run_child(*arguments: str, command: str = "measure", seconds: float = TIMEOUT_SECONDS) -> dict[str, Any]:
    """The measurement that `python -m benchmarks COMMAND ARGUMENTS` makes, or {"cannot": why}.

    arguments: the problem's name, the library, and what that one needs. seconds: when to give up.
    """
    if find_spec(arguments[1]) is None:
        return {"cannot": "not installed"}
    line = [sys.executable, "-m", "benchmarks", command, *arguments]
    # A compilation found in a cache would not be timed.
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    if "qutip" in arguments:
        # It spreads trajectories over processes; threads inside each would fight for the same cores.
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"cannot": f"over {seconds:g} s"}
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            return json.loads(line.removeprefix(_MARK))
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return {"cannot": f"failed: {reason[:_REASON_LENGTH]}"}


def measure_main(name: str, library: str, detail: str, trajectories: int, quick: bool, once: bool) -> None:
    """The other side: measure and print. detail: the method for stochq, the layout for dynamiqs."""
    from benchmarks import peers, stochq_runner
    from benchmarks.problems import find

    problem, budget = find(name), ONCE if once else QUICK if quick else FULL
    if library == "stochq":
        measurement = stochq_runner.measure_stochq(problem, detail, budget, trajectories)
    elif library == "dynamiqs":
        measurement = peers.measure_dynamiqs(problem, detail, trajectories, budget)
    elif library == "qutip":
        measurement = peers.measure_qutip(problem, budget)
    else:
        raise ValueError(f"library: expected stochq, dynamiqs or qutip; got {library!r}.")
    print(_MARK + json.dumps(measurement.as_json()))


def reach_main(name: str, library: str, method: str, patience: str) -> None:
    """The other side of an accuracy measurement."""
    from benchmarks import reaching
    from benchmarks.problems import find

    chosen = reaching.PATIENCE[patience]
    if library == "stochq":
        found = reaching.reach_with_stochq(find(name), chosen)
    else:
        found = reaching.reach_with_peer(find(name), library, method, chosen)
    print(_MARK + json.dumps(found))


def scheme_main(name: str, question: str, scheme: str) -> None:
    """The other side of one column of `schemes`."""
    from benchmarks.problems import find
    from benchmarks.schemes import measure_scheme

    print(_MARK + json.dumps(measure_scheme(find(name), question, scheme)))


def scale_main(name: str) -> None:
    """The other side of one axis of `scaling`."""
    from benchmarks.scaling import measure_axis

    print(_MARK + json.dumps(measure_axis(name)))


def cross_main(name: str, first_exponent: int) -> None:
    """The other side of one model of `crossover`."""
    from benchmarks.crossover import measure_model

    print(_MARK + json.dumps(measure_model(name, first_exponent)))

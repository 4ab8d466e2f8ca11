"""Measurements in processes of their own, so that compile time and peak memory belong to one measurement alone."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from benchmarks.results import ROOT

TIMEOUT_SECONDS = 240
# How the line begins by which a child tells what it measured.
MARK = "measurement: "
_REASON_LENGTH = 80
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def need_peers() -> None:
    """SystemExit where a library to compare with is missing: a table without it would replace one with it."""
    missing = [name for name in ("dynamiqs", "qutip") if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"{' and '.join(missing)}: expected for a table to be written; not installed. Install the peers, pip "
            "install -e '.[bench]', or take --quick, which writes nothing."
        )


def run_child(
    *arguments: str,
    command: str = "measure",
    seconds: float = TIMEOUT_SECONDS,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> dict[str, Any]:
    """The measurement that `python -m benchmarks COMMAND ARGUMENTS` makes, or {"cannot": why}.

    arguments: the problem's name, the library, and what that one needs. seconds: when to give up. settings: further
    variables of the environment.
    """
    if find_spec(arguments[1]) is None:
        return {"cannot": "not installed"}
    line = [sys.executable, "-m", "benchmarks", command, *arguments]
    # A compilation found in a cache would not be timed.
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"} | dict(settings)
    if "qutip" in arguments:
        # It spreads trajectories over processes; threads inside each would fight for the same cores.
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"cannot": f"over {seconds:g} s"}
    if (found := told(done.stdout)) is not None:
        return found
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return {"cannot": f"failed: {reason[:_REASON_LENGTH]}"}


def told(output: str) -> dict[str, Any] | None:
    """What a child told in its output; None if nothing."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return json.loads(lines[0].removeprefix(MARK)) if lines else None


def tell(measured: dict[str, Any]) -> None:
    """The other side: tell what was measured."""
    print(MARK + json.dumps(measured), flush=True)

"""The processes of `python -m benchmarks gpu`: one makes its rows, another what a processor finds of them."""

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.children import MARK
from benchmarks.gpu_rows import ROWS, Setting, references

_REASON_LENGTH = 300


def rows_main(names: Sequence[str], rehearse: bool, folder: str) -> None:
    """Make the named rows and tell every line of them when it is known. A row that fails does not end the others."""
    from stochq.accelerators import forced

    _tell(machine=_machine())
    setting, known = Setting(rehearse, Path(folder)), {row.name: row for row in ROWS}
    for name in names:
        row = known[name]
        _tell(begin=name)
        start = time.perf_counter()
        try:
            with forced(True) if rehearse and row.where == "card" else nullcontext():
                for line in row.lines(setting):
                    _tell(row=name, **line)
        except Exception as error:
            _tell(row=name, failed=f"{type(error).__name__}: {' '.join(str(error).split())[:_REASON_LENGTH]}")
        _tell(end=name, seconds=time.perf_counter() - start)


def reference_main(names: Sequence[str], rehearse: bool, folder: str) -> None:
    """What a processor finds of the problems behind these rows, a file for each."""
    import numpy as np

    from benchmarks.gpu_references import FAILED
    from benchmarks.gpu_steps import reference

    for steps in references():
        if not any(name.split(",")[0] == steps.label for name in names):
            continue
        try:
            found: dict[str, Any] = reference(*steps.reference(rehearse))
        except Exception as error:
            found = {FAILED: np.array(f"{type(error).__name__}: {str(error)[:_REASON_LENGTH]}")}
        aside = Path(folder) / f"{steps.label}.unfinished.npz"
        np.savez(aside, **found)
        aside.rename(Path(folder) / f"{steps.label}.npz")


def _machine() -> dict[str, Any]:
    import jax

    from benchmarks import machine

    device = jax.devices()[0]
    memory = (device.memory_stats() or {}).get("bytes_limit")
    return machine.describe() | {"backend": jax.default_backend(), "device": device.device_kind, "memory": memory}


def _tell(**line: Any) -> None:
    print(MARK + json.dumps(line), flush=True)

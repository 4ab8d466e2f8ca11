"""What an accelerator delivers, and whether it is right: one command on a machine with nothing else on it.

Rows are made in processes of their own, so that one that hangs, or ends its process, costs the others nothing.
"""

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread
from typing import Any, final

from benchmarks import gpu_targets
from benchmarks.children import MARK
from benchmarks.gpu_references import ENDED, WAITED, WAITS
from benchmarks.gpu_rows import ROWS, Row, Setting
from benchmarks.results import ROOT, save

# A process may take so long until it begins with a row, a row wait so long for what a processor finds, which does not
# count as its own time, and the row under way when time is up so long to end.
_START_SECONDS, _REFERENCE_SECONDS, _GRACE_SECONDS = 90.0, 90.0, 30.0
REFERENCE = "gpu-reference"
NOTHING = "No accelerator is visible to JAX: nothing was measured, and nothing is claimed for one."


@final
class Journal:
    """What was told so far, printed and written when it comes: to benchmarks/results/gpu.json unless it is a rehearsal,
    and to the folder that the variable OUT names."""

    def __init__(self, rehearse: bool) -> None:
        self.start, self.rehearse = time.perf_counter(), rehearse
        self.machine: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    def add(self, line: dict[str, Any]) -> None:
        self.rows.append({"at": round(self.elapsed, 1)} | {key: _rounded(value) for key, value in line.items()})
        told = [f"{key} {value}" for key, value in self.rows[-1].items() if key not in ("at", "row", "what")]
        print(f"{self.elapsed:6.1f} s  {line['row']}, {line.get('what', '')}: {', '.join(told)}", flush=True)
        self.write()

    def write(self) -> None:
        checks = [{"title": each.title, "found": each.found and each.found._asdict()} for each in self.verdicts()]
        results = {"machine": self.machine | {"seconds": round(self.elapsed)}, "rows": self.rows, "checks": checks}
        if not self.rehearse:
            save(results, "gpu")
        if "OUT" in os.environ:
            (Path(os.environ["OUT"]) / "gpu.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    def verdicts(self) -> list[gpu_targets.Verdict]:
        return gpu_targets.verdicts(self.rows)


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


@final
class Worker:
    """A process of `benchmarks.gpu_worker`, whose lines are read as they come."""

    def __init__(self, command: str, rows: Collection[Row], setting: Setting, platform: str) -> None:
        environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        if platform:
            environment |= {"JAX_PLATFORMS": platform}
        if not setting.rehearse:
            # What is found in a cache would not be timed.
            environment |= {"JAX_ENABLE_COMPILATION_CACHE": "false"}
        line = [sys.executable, "-m", "benchmarks", command, str(setting.references), *(row.name for row in rows)]
        line += ["--rehearse"] if setting.rehearse else []
        self._errors = TemporaryFile("w+")
        self._process = subprocess.Popen(
            line, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._lines: Queue[dict[str, Any] | None] = Queue()
        ended = setting.references / ENDED if command == REFERENCE else None
        self._reader = Thread(target=self._read, args=(ended,), daemon=True)
        self._reader.start()

    def _read(self, ended: Path | None) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith(MARK):
                    self._lines.put(json.loads(line.removeprefix(MARK)))
        self._lines.put(None)
        if ended is not None:
            self._process.wait()
            ended.touch()

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next line, None after the last one. Raises: queue.Empty after so many seconds."""
        return self._lines.get(timeout=max(seconds, 0.01))

    def reason(self) -> str:
        """The last that the process said before it ended, and how."""
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        return f"ended with code {code}: {said[-1][:300] if said else 'nothing said'}"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._errors.close()


@contextmanager
def _worker(command: str, rows: Collection[Row], setting: Setting, platform: str = "") -> Iterator[Worker]:
    worker = Worker(command, rows, setting, platform)
    try:
        yield worker
    finally:
        worker.stop()


def gpu(seconds: float, rehearse: bool, only: Sequence[str]) -> dict[str, Any] | None:
    """Make the rows, none that begins after so many seconds; print, and write benchmarks/results/gpu.json.

    rehearse: small, on a processor as if it were a card; nothing is written. only: names of rows, or the parts before
    the blank; all where none are given.
    """
    rows, journal = _chosen(only), Journal(rehearse)
    with TemporaryDirectory() as folder:
        setting = Setting(rehearse, Path(folder))
        with _worker(REFERENCE, rows, setting, "cpu"):
            for where, group in groupby(rows, key=lambda row: row.where):
                make = _by_peers if where == "peer" else _in_workers
                if not make(list(group), journal, setting, seconds):
                    break
    if not journal.rows:
        return None
    journal.write()
    print("\n".join([*map(str, journal.verdicts()), *gpu_targets.ratios(journal.rows)]))
    return {"machine": journal.machine, "rows": journal.rows}


def _chosen(only: Sequence[str]) -> list[Row]:
    rows = [row for row in ROWS if not only or row.name in only or row.name.split()[0] in only]
    if not rows:
        names = ", ".join(row.name for row in ROWS)
        raise SystemExit(f"--only: expected one of {names}, or a part before the blank; got {', '.join(only)}.")
    return rows


def _by_peers(rows: list[Row], journal: Journal, setting: Setting, seconds: float) -> bool:
    """Rows that start their own processes. False when time is up."""
    for row in rows:
        if journal.elapsed > seconds:
            return False
        for line in row.lines(setting):
            journal.add({"row": row.name, **line})
    return True


def _in_workers(rows: list[Row], journal: Journal, setting: Setting, seconds: float) -> bool:
    """Rows in one process, and those after one that ended it in the next. False when nothing more is to be begun."""
    left = deque(rows)
    on_processor = setting.rehearse or rows[0].where == "processor"
    while left:
        with _worker("gpu-rows", left, setting, "cpu" if on_processor else "") as worker:
            if not _follow(worker, left, journal, seconds, on_processor):
                return False
    return True


def _follow(worker: Worker, left: deque[Row], journal: Journal, seconds: float, on_processor: bool) -> bool:
    """Take the rows that a process makes from those that are left, until it ends or one of them takes too long."""
    limit, begun = journal.elapsed + _START_SECONDS, False
    while left:
        try:
            line = worker.next(min(limit, seconds + _GRACE_SECONDS) - journal.elapsed)
            problem = worker.reason() if line is None else ""
        except Empty:
            line, problem = None, "took too long"
        if line is None:
            journal.add({"row": left.popleft().name, "failed": problem})
            return begun
        if "machine" in line:
            if line["machine"]["backend"] == "cpu" and not on_processor:
                print(NOTHING)
                return False
            journal.machine = journal.machine or line["machine"]
        elif "begin" in line:
            limit, begun = journal.elapsed + left[0].seconds, True
            if journal.elapsed > seconds:
                return False
        elif "end" in line:
            left.popleft()
        else:
            if line.get("what") in (WAITS, WAITED):
                waiting = line["what"] == WAITS
                limit = journal.elapsed + (_REFERENCE_SECONDS if waiting else left[0].seconds)
            journal.add(line)
    return True

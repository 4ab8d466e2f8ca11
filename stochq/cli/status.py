"""`stochq status`: how far a run is, from what it has written down so far."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stochq.cli.errors import ConfigError, report
from stochq.cli.log import events, is_log
from stochq.ensemble.checkpoint import Course, course_of, is_checkpoint, run_at
from stochq.ensemble.progress import duration
from stochq.io import is_result, load

_MEBIBYTE = 2**20


def print_status(result: Path, log: Path | None) -> None:
    """Print how far the run of a result is, or was, from its checkpoint and its log, and what it came to.

    Raises:
        ConfigError: where there is neither, nor a result, and for another file as the log.
    """
    if log is not None and not (log.is_file() and is_log(log)):
        raise ConfigError(report("status", "--log", "a log that `stochq run --log` wrote", str(log)))
    checkpoint, log = result.with_suffix(".checkpoint"), log or result.with_suffix(".log")
    there = checkpoint.is_file() and is_checkpoint(checkpoint)
    course, holder = course_of(checkpoint) if there else None, run_at(checkpoint)
    told = events(log) if log.is_file() and is_log(log) else []
    is_saved = result.is_file() and is_result(result)
    if not (there or holder or told or is_saved):
        raise ConfigError(report("status", "RESULT.nc", f"a result, {checkpoint} or {log}", "none of them"))
    lines = [f"{result}: {_state(course, holder, is_saved)}"]
    lines += [] if course is None else [*_far(course), *_written(checkpoint)]
    lines += _last_words(told)
    if is_saved and not holder:
        lines += ["", str(load(result))]
    print("\n".join(lines))


def _state(course: Course | None, holder: str, is_saved: bool) -> str:
    if holder:
        return f"running, {holder}"
    if is_saved and (course is None or course.finished):
        return "came to its end"
    return "did not come to its end; --resume goes on with it"


def _far(course: Course) -> Iterator[str]:
    """How many trajectories are done, how fast, and how well the means are known."""
    text = f"  {course.done:,} of {course.wanted:,} trajectories"
    rate = course.done / course.seconds if course.seconds > 0 else 0.0
    text += f", {rate:,.0f} per second" if rate else ""
    if rate and course.done < course.wanted:
        text += f", {duration((course.wanted - course.done) / rate)} left"
    yield text
    yield f"  failed: {course.failed:,}"
    if course.stderr:
        errors = ", ".join(f"{name} {error:.2g}" for name, error in course.stderr.items())
        yield f"  largest standard errors so far: {errors}"


def _written(checkpoint: Path) -> Iterator[str]:
    stat = checkpoint.stat()
    ago = duration(max(time.time() - stat.st_mtime, 0.0))
    yield f"  {checkpoint}: {stat.st_size / _MEBIBYTE:.2g} MiB, written {ago} ago"


def _last_words(told: list[dict[str, Any]]) -> Iterator[str]:
    """The last event of a log, and the memory of which it told last."""
    if told:
        last = told[-1]
        ago = duration(max((datetime.now(UTC) - datetime.fromisoformat(last["time"])).total_seconds(), 0.0))
        yield f"  {ago} ago: {last['message']}"
    memory = next((event["memory"] for event in reversed(told) if event.get("memory")), None)
    if memory:
        yield f"  memory: {memory / _MEBIBYTE:,.0f} MiB"

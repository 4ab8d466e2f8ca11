"""How far a run is, as its checkpoint tells anybody who looks."""

from pathlib import Path
from typing import NamedTuple

from stochq.ensemble.checkpoint.content import unpacked
from stochq.ensemble.moments import largest_errors, merged_moments
from stochq.ensemble.statistics import MEAN
from stochq.ensemble.tree import Part
from stochq.locks import holder_of


class Course(NamedTuple):
    """Trajectories that are done, of how many, in how many seconds, how many failed; whether the run came to its end;
    the standard errors of means where they are largest, by row."""

    done: int
    wanted: int
    seconds: float
    failed: int
    finished: bool
    stderr: dict[str, float]


def course_of(path: Path) -> Course | None:
    """The course of a run; None of one that has done nothing. Raises: ValueError for a damaged checkpoint."""
    content = unpacked(path.read_bytes(), path)
    if not content["stages"] or not (stage := content["stages"][-1])["parts"]:
        return None
    parts = [Part(*part) for part in stage["parts"]]
    merged = parts[0].summaries[MEAN]
    for part in parts[1:]:
        merged = merged_moments(merged, part.summaries[MEAN])
    done, failed = parts[-1].stop - parts[0].start, sum(part.failed for part in parts)
    errors = largest_errors(stage["names"], merged)
    return Course(done, stage["wanted"], stage["seconds"], failed, content["finished"], errors)


def lock_of(path: Path) -> Path:
    """The file by whose lock a run holds its checkpoint."""
    return path.with_name(f".{path.name}.lock")


def run_at(path: Path) -> str:
    """Which process has a checkpoint open; empty where none has."""
    return holder_of(lock_of(path))

"""Files in which a fit writes down how far it has come, and from which the same fit goes on."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from stochq.files import check_replaceable, replace_file
from stochq.functions import digest_of_program
from stochq.inference.minimize import Trail
from stochq.inference.problem import Problem
from stochq.inference.result import shaped

# What tells such a file from other JSON, and the version of what is in it.
_KIND, _VERSION = "stochq fit checkpoint", 1


@final
class Checkpoint:
    """The trails of a fit's searches, one for each start, in a JSON file that is replaced whole.

    Args:
        path: the file; where it exists it has to be of the same fit.
        problem, points: what the fit minimises, and where its searches begin, (P,) each.

    Raises:
        FileExistsError: for a file of another kind. ValueError: for one of another fit. OSError: where none can be
            written.
    """

    def __init__(self, path: str | os.PathLike[str], problem: Problem, points: list[np.ndarray]) -> None:
        self._target = check_replaceable(path, "fit checkpoint", lambda file: _read(file) is not None)
        self._fingerprint = _fingerprint(problem, points)
        self._trails = self._known(path)

    def _known(self, path: str | os.PathLike[str]) -> dict[int, Trail]:
        found = _read(self._target) if self._target.exists() else None
        if found is None:
            return {}
        if found["version"] != _VERSION or found["fingerprint"] != self._fingerprint:
            raise ValueError(
                f"checkpoint: expected a file of this fit; {os.fspath(path)} is of one with another prediction, data, "
                "start, bounds or priors, or of another version. Give another name, or remove the file."
            )
        return {int(place): _trail(one) for place, one in found["searches"].items()}

    def trail(self, place: int) -> Trail | None:
        """How far the search from one start has come; None where it has not begun."""
        return self._trails.get(place)

    def keep(self, place: int, trail: Trail) -> None:
        """Write down how far the search from one start has come."""
        self._trails[place] = trail
        searches = {str(start): _numbers(one) for start, one in self._trails.items()}
        content = {"kind": _KIND, "version": _VERSION, "fingerprint": self._fingerprint, "searches": searches}
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        replace_file(self._target, lambda file: file.write_text(text, encoding="utf-8"))


class Log(NamedTuple):
    """What of a checkpoint, if there is any, belongs to one start."""

    checkpoint: Checkpoint | None
    place: int

    @property
    def trail(self) -> Trail | None:
        """How far the search has come; None where it has not begun."""
        return None if self.checkpoint is None else self.checkpoint.trail(self.place)

    def keep(self, trail: Trail) -> None:
        """Write down how far the search has come."""
        if self.checkpoint is not None:
            self.checkpoint.keep(self.place, trail)


def _fingerprint(problem: Problem, points: list[np.ndarray]) -> str:
    """A hash of the misfit as a program, with data, bounds and priors in it, and of the starts."""
    like = shaped(problem.coordinates.free(points[0]), problem.like)
    digest = hashlib.sha256(digest_of_program(problem.loss, like).encode())
    digest.update(np.stack(points).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """What is in a file of this kind; None for another."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("kind") == _KIND else None


def _numbers(trail: Trail) -> dict[str, Any]:
    return {
        "damping": trail.damping,
        "losses": list(trail.losses),
        "visited": [vector.tolist() for vector in trail.visited],
    }


def _trail(found: dict[str, Any]) -> Trail:
    return Trail(found["damping"], found["losses"], [np.array(vector) for vector in found["visited"]])

"""A file that holds how far a run has come: every finished device call is in it before the next one is asked for."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import jax

from stochq.accelerators import chosen_platform
from stochq.callers import users_line
from stochq.ensemble.checkpoint.content import is_checkpoint, packed, unpacked
from stochq.ensemble.checkpoint.course import lock_of
from stochq.ensemble.fingerprint import different_parts, fingerprint
from stochq.ensemble.tree import Part, Parts
from stochq.files import check_replaceable, replace_file
from stochq.locks import Held, locked

# Between two writes passes this many times the processor time of one: calls of milliseconds are written several at
# once.
_PACE = 60
_ADVICE = "Give another name, or remove the file to begin again."


@final
class Stage:
    """How far one of the runs has come of which a call of `simulate` may make several."""

    def __init__(
        self, checkpoint: "Checkpoint", problem: dict[str, str], names: tuple[str, ...], known: dict[str, Any] | None
    ) -> None:
        self._checkpoint, self.problem, self._names = checkpoint, problem, names
        self.parts: Parts = () if known is None else tuple(Part(*part) for part in known["parts"])
        self.wanted = 0 if known is None else int(known["wanted"])
        self.seconds = 0.0 if known is None else float(known["seconds"])

    def keep(self, parts: Parts, wanted: int, seconds: float) -> None:
        """Write down the parts of a run that is to have so many trajectories and took so many seconds."""
        self.parts, self.wanted, self.seconds = parts, wanted, seconds
        self._checkpoint.changed = True
        self._checkpoint.write()

    def save(self) -> None:
        """Bring what was kept to the disk now."""
        self._checkpoint.write(at_once=True)

    def content(self) -> dict[str, Any]:
        """For the file."""
        parts = [tuple(part) for part in self.parts]
        return {
            "problem": self.problem,
            "names": list(self._names),
            "parts": parts,
            "wanted": self.wanted,
            "seconds": self.seconds,
        }


@final
class Checkpoint:
    """The file of a run; made by `opened`.

    identity: what, beside the problem, the trajectories depend on, by name; most: how many the run may have.
    """

    def __init__(self, target: Path, path: Path, identity: dict[str, Any], most: int) -> None:
        self._target, self.path, self._identity, self.most = target, path, identity, most
        self._stages: list[Stage] = []
        content = self._read() if target.exists() else {"stages": []}
        self._known: list[dict[str, Any]] = content["stages"]
        # Of the run to earlier times whose final states this one goes on from.
        self._earlier: dict[str, Any] | None = content.get("earlier")
        self.changed, self._due, self._warned = False, 0.0, False

    @property
    def folder(self) -> Path:
        """Where the file is."""
        return self._target.parent

    def _read(self) -> dict[str, Any]:
        content = unpacked(self._target.read_bytes(), self.path)
        there = content["identity"]
        names = [name for name in {**there, **self._identity} if there.get(name) != self._identity.get(name)]
        if names:
            told = "; ".join(f"{name} {there.get(name)}, here {self._identity.get(name)}" for name in names)
            raise ValueError(f"checkpoint: expected one of this run; {self.path} is of another: {told}. {_ADVICE}")
        return content

    def earlier(self, problem: dict[str, str]) -> dict[str, Any] | None:
        """What the file holds of another run than that of a problem, by its fingerprint, which may have been one to
        earlier times."""
        if self._earlier is not None or not self._known:
            return self._earlier
        # Of several, the last had room for all clicks.
        return None if self._known[-1]["problem"] == problem else self._known[-1]

    def go_on_from(self, earlier: dict[str, Any]) -> None:
        """Keep what `earlier` returned until the run to later times has come to its end."""
        if self._earlier is None:
            self._earlier, self._known = earlier, []

    def reopen(self) -> None:
        """Let the next run go on where the last one ended."""
        self._known = [stage.content() for stage in self._stages]
        self._stages.pop()

    def stage(self, problem: Any, precision: str) -> Stage:
        """How far the next run of this call has come. Raises: ValueError where the file is of another problem, or holds
        more trajectories than the call may have."""
        place, own = len(self._stages), fingerprint(problem, precision)
        known = self._known[place] if place < len(self._known) else None
        if known is not None and (different := different_parts(known["problem"], own)):
            raise ValueError(
                f"checkpoint: expected one of this run; {self.path} is of one that differs in {different}. Where dt "
                "is left out, it follows from the number of trajectories, too: give the dt that the earlier result "
                f"tells. Runs made with store_final_states=True go on to later times. {_ADVICE}"
            )
        stage = Stage(self, own, problem.names, known)
        if stage.parts and (done := stage.parts[-1].stop - stage.parts[0].start) > self.most:
            raise ValueError(
                f"trajectories: expected at least {done}, which the checkpoint {self.path} holds; got {self.most}."
            )
        self._stages.append(stage)
        return stage

    def write(self, finished: bool = False, at_once: bool = False) -> None:
        """Bring the stages to the disk, unless writing them takes too large a share of the time."""
        is_time = finished or self.changed and (at_once or time.monotonic() >= self._due)
        if not is_time:
            return
        used, begun = time.thread_time(), time.monotonic()
        # Later stages are only reached by way of those before.
        stages = [stage.content() for stage in self._stages] + self._known[len(self._stages) :]
        earlier = None if finished else self._earlier
        content = packed({"identity": self._identity, "finished": finished, "stages": stages, "earlier": earlier})
        try:
            replace_file(self._target, lambda aside: aside.write_bytes(content))
            self.changed = False
        except OSError as error:
            self._tell(error)
        now = time.monotonic()
        self._due = now + max(_PACE * (time.thread_time() - used), now - begun)

    def _tell(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"checkpoint: {error}. The run goes on, and tries again after later calls.",
                stacklevel=users_line(),
            )


@contextmanager
def opened(path: str | os.PathLike[str] | None, most: int, **identity: Any) -> Iterator[Checkpoint | None]:
    """Hold the checkpoint of a run while it lasts; None without a path.

    identity: what, beside the problem, the trajectories depend on.

    Raises:
        ValueError: where the file is damaged, of another run, or held by one that lives.
        FileExistsError: where something else stands there.
        OSError: if it cannot be written.
    """
    if path is None:
        yield None
        return
    import stochq

    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"checkpoint: expected the path of a file; got {path!r}.")
    target = check_replaceable(path, "checkpoint", is_checkpoint)
    identity |= {"stochq": stochq.__version__, "jax": jax.__version__, "platform": chosen_platform()}
    try:
        with locked(lock_of(target)) as has_locks:
            if not has_locks:
                warnings.warn(
                    f"checkpoint: {path} lies where files have no locks; make sure that no other run has it.",
                    stacklevel=users_line(),
                )
            checkpoint = Checkpoint(target, Path(path), identity, most)
            yield checkpoint
    except Held as holder:
        raise ValueError(
            f"checkpoint: expected a file that no other run has open; {holder} has {path}. Wait until it ends, or give "
            "another name."
        ) from None

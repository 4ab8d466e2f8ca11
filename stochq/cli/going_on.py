"""What `stochq run` does so that little is lost: a checkpoint beside the result, signals, another place for it."""

import glob
import os
import signal
import sys
import tempfile
import threading
import time
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from stochq.callers import users_line
from stochq.cli.errors import ConfigError, report
from stochq.ensemble.checkpoint import holds_unfinished, is_checkpoint
from stochq.ensemble.result import EnsembleResult
from stochq.files import check_replaceable, free_name
from stochq.io import Curves, load, save

# Seconds until an interrupt that was dropped comes again, and for which others after the first are not heard.
_LATER, _SAVING = 0.05, 10.0


@contextmanager
def checkpoint_for(target: Path, resume: bool) -> Iterator[Path]:
    """The checkpoint beside a result, ready for a run that goes on, or for one that begins.

    That of an earlier run stays where the new one ends before it has written its own.

    Raises:
        ConfigError: where a run begins and the checkpoint is of one that did not come to its end.
    """
    path = target.with_suffix(".checkpoint")
    there = check_replaceable(path, "checkpoint", is_checkpoint)
    if resume and not there.exists():
        print(f"Nothing to resume at {path}: the run begins.", flush=True)
    if resume or not there.exists():
        yield path
        return
    if holds_unfinished(there):
        expected = "--resume, which goes on with the run that did not come to its end, or no such file to begin anew"
        raise ConfigError(report("run", "--resume", expected, f"{path} and no --resume"))
    earlier = there.replace(free_name(there, "earlier"))
    try:
        yield path
    finally:
        if there.exists():
            earlier.unlink()
        else:
            earlier.replace(there)


@final
class Interrupts:
    """What Ctrl-C and SIGTERM do: the first ends the work; others within some seconds are not heard, as what is done is
    being saved."""

    def __init__(self) -> None:
        self._first: float | None = None

    def __call__(self, number: int, frame: types.FrameType | None) -> None:
        if self._first is not None and time.monotonic() - self._first < _SAVING:
            # Print may have been interrupted itself.
            os.write(2, b"stochq: saving what is done\n")
            return
        self._first = time.monotonic()
        raise KeyboardInterrupt

    def again(self) -> None:
        """Send one that was dropped once more."""
        self._first = None
        threading.Timer(_LATER, os.kill, (os.getpid(), signal.SIGINT)).start()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, with which queues and containers end a job, does what Ctrl-C does; neither is lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts, hook = Interrupts(), sys.unraisablehook

    def heard_again(unraisable: "sys.UnraisableHookArgs") -> None:
        # One that comes while JAX is told of a garbage collection is printed and dropped.
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            interrupts.again()
        else:
            hook(unraisable)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupts)}
    # Commands in the background of a shell do not hear Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupts)
    sys.unraisablehook = heard_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """What is short and must be done: a second Ctrl-C is not heard."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(each, signal.signal(each, signal.SIG_IGN)) for each in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def save_somewhere(result: EnsembleResult, target: Path, curves: Curves | None = None) -> Path:
    """Save a result, where its own folder will not take it in that for temporary files, or the user's. Returns: where.

    Raises:
        OSError: where none will.
    """
    try:
        return save(result, target, curves)
    except OSError as error:
        wrong = error
    for folder in _other_folders():
        place = free_name(folder / target.name, "saved")
        with suppress(OSError):
            save(result, place, curves)
            warnings.warn(f"{wrong}. The result was saved as {place} instead.", stacklevel=users_line())
            return place
    raise OSError(f"{wrong}. No other folder takes it either; if there is a checkpoint, --resume saves it again.")


def _other_folders() -> Iterator[Path]:
    """Where a result may be saved instead."""
    with suppress(OSError):  # of which there may be none
        yield Path(tempfile.gettempdir())
    with suppress(RuntimeError):
        yield Path.home()


def name_of_part(result: EnsembleResult, target: Path) -> Path:
    """The name for the result of an interrupted run: that of an earlier part of the same run, or one that is free."""
    return next(parts_beside(result, target), free_name(target, "interrupted"))


def parts_beside(result: EnsembleResult, target: Path) -> Iterator[Path]:
    """Results of interruptions of the same run, of trajectories that this one has as well."""
    for path in sorted(target.parent.glob(f"{glob.escape(target.stem)}.interrupted*{glob.escape(target.suffix)}")):
        with suppress(OSError, ValueError):
            if _is_part_of(load(path), result):
                yield path


def _is_part_of(earlier: EnsembleResult, result: EnsembleResult) -> bool:
    """Whether a result has trajectories of the same run, and no others."""
    same = earlier.fingerprint == result.fingerprint and earlier.precision == result.precision
    ((seed, start, stop),) = result.ranges
    inside = all(one[0] == seed and start <= one[1] and one[2] <= stop for one in earlier.ranges)
    return same and inside and bool(earlier.info.get("interrupted"))

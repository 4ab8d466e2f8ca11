"""The log of `stochq run --log`: a line of JSON for everything that the logger "stochq" is told."""

import json
import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from stochq.events import LOG, note
from stochq.files import check_replaceable


@final
class JsonLines(logging.Handler):
    """Appends to a file, a line for each record: its time, level, event, message and facts."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self._file = path.open("a", encoding="utf-8")
        self._warned = False

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "message"),
            "message": record.getMessage(),
        }
        try:
            self._file.write(json.dumps(line | plain(getattr(record, "facts", {}))) + "\n")
            self._file.flush()
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        # Once, and not by a warning, which would come here.
        if not self._warned:
            self._warned = True
            print(f"stochq: warning: --log: {error}. The run goes on.", file=sys.stderr)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._tell(error)
        super().close()


def plain(value: Any) -> Any:
    """What JSON has words for: numbers that are not finite are null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def is_log(path: Path) -> bool:
    """Whether a file is empty or begins as a log does."""
    with path.open("rb") as file:
        line = file.readline(100_000)
    return not line or _event(line) is not None


def events(path: Path) -> list[dict[str, Any]]:
    """What a log tells; a line that was cut short is left out."""
    return [event for line in path.read_bytes().splitlines() if (event := _event(line)) is not None]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"time", "event", "message"} <= found.keys() else None


@final
class Printed(logging.Handler):
    """Prints what is said before a run that a user may want to stop."""

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", "") == "final states":
            print(f"Stored: {record.getMessage()}", flush=True)


@contextmanager
def logged_to(path: Path | None, *others: logging.Handler) -> Iterator[None]:
    """Append to a log what is told meanwhile, and how it ended; None: nowhere. Its folder is made. others hear it too.

    Raises:
        OSError: where the file cannot be written, or holds something else.
    """
    handlers: list[logging.Handler] = [Printed(), *others]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(JsonLines(check_replaceable(path, "log", is_log)))
    before = LOG.level
    LOG.setLevel(min(logging.INFO, LOG.getEffectiveLevel()))
    for handler in handlers:
        LOG.addHandler(handler)
    try:
        yield
    except BaseException as error:
        note(str(error) or "interrupted", "failed", logging.ERROR, error=type(error).__name__)
        raise
    finally:
        LOG.setLevel(before)
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()

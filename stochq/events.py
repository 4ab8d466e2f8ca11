"""What long work tells of itself while it lasts: to the logger "stochq", and to whoever shows its progress."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

LOG = logging.getLogger("stochq")
# Without a handler of the user's nothing is printed, whatever the level.
LOG.addHandler(logging.NullHandler())


class Display(Protocol):
    """Where progress is shown."""

    def phase(self, text: str) -> None:
        """What is done now, of which nobody knows how long it takes."""
        ...

    def advance(self, done: int, total: int) -> None:
        """How many trajectories are done, of how many."""
        ...


class Nowhere:
    """Shows nothing."""

    def phase(self, text: str) -> None: ...

    def advance(self, done: int, total: int) -> None: ...


# That of the calling thread; None where nobody has opened one.
_DISPLAY: ContextVar[Display | None] = ContextVar("_DISPLAY", default=None)


def display() -> Display | None:
    """The one that is open in this thread."""
    return _DISPLAY.get()


@contextmanager
def displayed_on(target: Display) -> Iterator[None]:
    """Let a display show what this thread announces."""
    before = _DISPLAY.set(target)
    try:
        yield
    finally:
        _DISPLAY.reset(before)


def announce(text: str, event: str, level: int = logging.INFO, **facts: Any) -> None:
    """Say what is done now, on the display and in the log.

    event: its kind, in a word or two; facts: numbers and texts by name, as attributes `event` and `facts` of the log's
    record.
    """
    if (target := _DISPLAY.get()) is not None:
        target.phase(text)
    note(text, event, level, **facts)


def note(text: str, event: str, level: int = logging.INFO, **facts: Any) -> None:
    """Say something in the log alone; arguments as of `announce`."""
    LOG.log(level, "%s", text, extra={"event": event, "facts": facts}, stacklevel=2)

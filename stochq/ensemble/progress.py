"""Progress: a bar on a terminal or in a notebook, plain lines in a file."""

import html
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple, final

from stochq.events import Display, Nowhere, display, displayed_on

# Seconds between two looks at what is to be shown.
_ON_TERMINALS, _IN_NOTEBOOKS, _IN_FILES = 0.1, 0.5, 5.0


class Shown(NamedTuple):
    """A line of text, and which share of the work is done; None where nobody knows."""

    text: str
    share: float | None


@contextmanager
def shown(progress: bool | None) -> Iterator[Display]:
    """Show progress, where one has not been opened already.

    progress: None shows it on terminals and in notebooks, True everywhere, in files as lines.
    """
    already = display()
    if already is not None and progress is not False:
        yield already
        return
    place = None if progress is False else _place(bool(progress))
    if place is None:
        with displayed_on(target := Nowhere()):
            yield target
        return
    with place.opened() as put:
        live = Live(put, place.period, place.period >= _IN_FILES)
        try:
            with displayed_on(live):
                yield live
        finally:
            live.close()


Put = Callable[[Shown], None]


class Place(NamedTuple):
    """Seconds between two looks at what is to be shown, and where it is."""

    period: float
    opened: Callable[[], AbstractContextManager[Put]]


def _place(everywhere: bool) -> Place | None:
    """Where progress is shown; None where it is not."""
    if _in_notebook():
        return Place(_IN_NOTEBOOKS, _notebook)
    # A dumb terminal cannot move its cursor.
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Place(_ON_TERMINALS, _terminal)
    return Place(_IN_FILES, _lines) if everywhere else None


@final
class Live:
    """Looks at intervals whether there is something new to be shown; work is not held up by showing it.

    put: shows it; period: seconds between two looks; shows_short: whether the end is shown of what ends before the
    first look.
    """

    def __init__(self, put: Put, period: float, shows_short: bool) -> None:
        self._put, self._period, self._shows_short = put, period, shows_short
        self._phase = ""
        # When the first trajectories were told of and when the last ones, how many they were, and of how many.
        self._course: tuple[float, int, float, int, int] | None = None
        self._last: Shown | None = None
        self._closed = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def phase(self, text: str) -> None:
        self._phase, self._course = text, None

    def advance(self, done: int, total: int) -> None:
        now = time.perf_counter()
        since, already = (now, done) if self._course is None else self._course[:2]
        self._course = since, already, now, done, total

    def close(self) -> None:
        """Show the end and stop."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._closed.wait(self._period)
            now = self._now()
            is_short = is_last and self._last is None
            if now.text and now != self._last and (self._shows_short or not is_short):
                self._put(now)
                self._last = now

    def _now(self) -> Shown:
        course = self._course
        if course is None:
            return Shown(self._phase, None)
        since, already, latest, done, total = course
        rate = (done - already) / max(latest - since, 1e-9)
        text = f"{done:,} of {total:,} trajectories"
        if rate > 0:
            text += f", {rate:,.0f} per second"
        if rate > 0 and done < total:
            text += f", {duration((total - done) / rate)} left"
        return Shown(text, done / max(total, 1))


def duration(seconds: float) -> str:
    """A time span in two units: '38 s', '2 min 5 s', '3 h 20 min', '4 d 1 h'."""
    whole = round(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"


@contextmanager
def _terminal() -> Iterator[Put]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = BarColumn(), TextColumn("{task.description}", markup=False)
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=None)

    def put(now: Shown) -> None:
        bar.update(task, description=now.text, total=None if now.share is None else 1.0, completed=now.share or 0.0)
        # Begun here, so that short runs do not flash.
        bar.start()

    try:
        yield put
    finally:
        bar.stop()


# When the last line was written, whichever run it was of: many short ones do not fill a file.
_last_line = -_IN_FILES


@contextmanager
def _lines() -> Iterator[Put]:
    def put(now: Shown) -> None:
        global _last_line
        # A little less, as clocks differ.
        if time.monotonic() - _last_line > 0.99 * _IN_FILES:
            _last_line = time.monotonic()
            print(f"stochq: {now.text}", file=sys.stderr, flush=True)

    yield put


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which has said so to IPython."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


@final
class Picture:
    """What a notebook shows of a run: HTML, or text where that is not shown."""

    def __init__(self, now: Shown) -> None:
        self._now = now

    def __repr__(self) -> str:
        return self._now.text

    def _repr_html_(self) -> str:
        value = "" if self._now.share is None else f' value="{self._now.share:.4f}"'
        return f'<progress{value} style="width: 20em"></progress> {html.escape(self._now.text)}'


@contextmanager
def _notebook() -> Iterator[Put]:
    show: Any = sys.modules["IPython"].display.display
    handle: Any = None

    def put(now: Shown) -> None:
        nonlocal handle
        if handle is None:
            handle = show(Picture(now), display_id=True)
        else:
            handle.update(Picture(now))

    yield put

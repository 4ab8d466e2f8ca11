"""What a run shows and logs while it lasts: bars where they can be seen, lines in files, nothing elsewhere."""

import logging
import os
import signal
import sys
import threading
import types

import numpy as np
import pytest

import stochq as sq
from stochq.compiling import interruptible
from stochq.ensemble import account, progress
from stochq.ensemble.progress import Live, Shown, duration, shown
from stochq.events import announce, display, displayed_on

SUV = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
TIMES = [0.0, 0.5, 1.0]


def run(**options):
    options = {"observables": {"p": [1.0, 0.0]}, "trajectories": 3000, "dt": 0.25} | options
    return sq.simulate(SUV, [0.6, 0.8], TIMES, **options)


class Remembered:
    """A display that remembers what it is told."""

    def __init__(self):
        self.phases, self.counts = [], []

    def phase(self, text):
        self.phases.append(text)

    def advance(self, done, total):
        self.counts.append((done, total))


def test_many_short_runs_write_one_plain_line(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_last_line", -progress._IN_FILES)
    for _ in range(5):
        run(progress=True)
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("stochq: 3,000 of 3,000 trajectories, ") and err.count("\n") == 1
    assert "\x1b" not in err and "\r" not in err


def test_what_does_not_change_is_shown_once(monkeypatch):
    seen, looks = [], []

    class Clock(threading.Event):
        """Not set at five looks, between which the work goes on."""

        def wait(self, timeout=None):
            looks.append(timeout)
            if len(looks) == 4:
                live.advance(0, 4000)
                live.advance(1000, 4000)
            return len(looks) > 5

    monkeypatch.setattr(progress, "Event", Clock)
    monkeypatch.setattr(progress, "Thread", lambda target, daemon: types.SimpleNamespace(start=int, join=target))
    # 500 trajectories a second.
    monkeypatch.setattr(progress.time, "perf_counter", iter([10.0, 12.0]).__next__)
    live = Live(seen.append, 5.0, True)
    live.phase("compiling")
    live.close()
    line = "1,000 of 4,000 trajectories, 500 per second, 6 s left"
    assert seen == [Shown("compiling", None), Shown(line, 0.25)] and set(looks) == {5.0}


def test_lines_are_at_least_five_seconds_apart(capsys, monkeypatch):
    times = iter([100.0, 100.0, 104.0, 105.0, 105.0])
    monkeypatch.setattr(progress, "_last_line", 0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with progress._lines() as put:
        for text in ("a", "b", "c"):
            put(Shown(text, None))
    assert capsys.readouterr().err == "stochq: a\nstochq: c\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (7384, "2 h 3 min"), (93600, "1 d 2 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.fixture
def notebook(monkeypatch):
    """What a stand-in for the kernel of a notebook shows: the first picture and its updates."""
    pictures = []

    def show(picture, display_id):
        assert display_id is True
        pictures.append(picture)
        return types.SimpleNamespace(update=pictures.append)

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell, display=types.SimpleNamespace(display=show))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(progress, "_IN_NOTEBOOKS", 0.001)
    return pictures


def test_a_notebook_shows_a_bar_without_being_asked(notebook, capfd):
    run(trajectories=100_000, observables={"q": [0.0, 1.0], "f": lambda psi: abs(psi[0]) ** 4})
    last = notebook[-1]
    assert repr(last).startswith("100,000 of 100,000 trajectories, ")
    assert last._repr_html_().startswith('<progress value="1.0000"') and repr(last) in last._repr_html_()
    assert capfd.readouterr() == ("", "") and "ipywidgets" not in sys.modules
    notebook.clear()
    run(progress=False)
    assert notebook == []


def test_html_is_escaped():
    assert "5 &lt; 6" in progress.Picture(Shown("5 < 6", None))._repr_html_()


def test_a_display_that_is_open_shows_what_is_inside_but_what_is_not_to_be_shown():
    outer = Remembered()
    with displayed_on(outer):
        with shown(True) as inner:
            assert inner is outer
        with shown(False):
            announce("nobody sees this", "test")
        announce("seen", "test")
    assert outer.phases == ["seen"] and display() is None


def test_what_comes_before_the_first_trajectory_is_told():
    seen = Remembered()
    with displayed_on(seen):
        run(dt=None, observables={"f": lambda psi: abs(psi[0]) ** 4})
    assert seen.phases[0] == "preparing" and seen.phases[-1] == "compiling"
    assert seen.phases[1].startswith("searching for a step: dt = ")
    assert seen.counts[0] == (0, 3000) and seen.counts[-1] == (3000, 3000)


def test_an_interrupt_is_heard_while_something_is_compiled():
    ended, begun = threading.Event(), threading.Event()

    def compile_for_long():
        begun.set()
        ended.wait(60)

    def press():
        begun.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.0, press).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(compile_for_long)
    assert not ended.is_set()
    ended.set()


def test_errors_of_the_compiler_are_raised():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="^no$"):
        interruptible(fail)


def test_the_log_tells_of_compiling_of_the_step_and_of_what_is_done(caplog, monkeypatch):
    monkeypatch.setattr(account, "_PERIOD", 0.0)
    sq.simulate(SUV, [0.6, 0.8], TIMES, observables={"p": [1.0, 0.0]}, trajectories=100)
    with caplog.at_level(logging.INFO, "stochq"):
        result = run(trajectories=5000, dt=None, batch=1024, observables={"p": [1.0, 0.0], "e": np.diag([0.5, 0.0])})
    records = [record for record in caplog.records if record.name == "stochq"]
    (step,) = (record.facts for record in records if record.event == "step chosen")
    assert step == {"dt": result.dt, "reason": result.info["dt_reason"]}
    compiling = [record.event for record in records if record.event.startswith("compil")]
    assert compiling[:2] in (["compiling", "compiled"], [])
    told = [record.facts for record in records if record.event == "trajectories"]
    assert [facts["done"] for facts in told] == [1024, 2048, 3072, 4096, 5000]
    assert told[-1]["seconds_left"] == 0.0 and told[-1]["failed"] == 0 and told[0]["memory"] > 2**20
    for name, errors in result.stderr.items():
        assert told[-1]["stderr"][name] == pytest.approx(errors.max(), rel=1e-12)
    assert told[0]["stderr"]["p"] == pytest.approx(errors.max() * 2 * np.sqrt(5000 / 1024), rel=0.2)


def test_without_a_handler_nothing_is_printed(capfd):
    run()
    assert capfd.readouterr() == ("", "") and logging.getLogger("stochq").level == logging.NOTSET

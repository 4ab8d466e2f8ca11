"""A run that was interrupted goes on to the numbers of one that was not; what does not fit is refused by name."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import stochq as sq
from stochq.ensemble import runner
from stochq.ensemble.checkpoint import content
from tests.ensemble.test_ranges import BLOCK, STATE, TIMES, Largest, without_seconds
from tests.test_io import assert_same

pytestmark = pytest.mark.filterwarnings("default:interrupted")
SUV = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
DECAY = sq.models.monitored(
    sq.systems.levels([0.0, 0.0]), {"n": sq.measurement.counting(np.array([[0.0, 0.0], [1.0, 0.0]]))}
)
WATCHED = {"p": [1.0, 0.0], "large": Largest(), "rho": sq.Density(), "bins": sq.Histogram([1.0, 0.0], [0.0, 0.5, 1.0])}
PLAIN = {"observables": {"p": [1.0, 0.0]}, "dt": 0.25, "batch": BLOCK}
KINDS = {
    "everything": (SUV, {"observables": WATCHED, "dt": 0.25, "records": True, "keep": 3, "batch": BLOCK}),
    "clicks": (DECAY, {"observables": {"p": [1.0, 0.0]}, "records": True, "batch": BLOCK}),
    "tolerance": (SUV, {"observables": {"p": [1.0, 0.0]}, "tolerance": 0.006, "batch": BLOCK}),
}


def run(trajectories=5 * BLOCK + 100, kind=None, **options):
    equation, known = (SUV, PLAIN) if kind is None else KINDS[kind]
    return sq.simulate(equation, STATE, TIMES, trajectories=trajectories, **{**known, **options})


def assert_equal(a, b):
    for field in dataclasses.fields(a):
        if field.name not in ("summaries", "clicks"):
            assert_same(getattr(without_seconds(a), field.name), getattr(without_seconds(b), field.name), field.name)
    for name in b.clicks:
        np.testing.assert_array_equal(a.clicks[name].time, b.clicks[name].time)


@pytest.fixture
def interrupt(monkeypatch):
    """To be called: Ctrl-C instead of the block of this number."""

    def at(number):
        calls = []

        def add(*arguments):
            calls.append(1)
            if len(calls) == number:
                raise KeyboardInterrupt
            return Undone.added(*arguments)

        monkeypatch.setattr(runner, "added", add)
        return lambda: monkeypatch.setattr(runner, "added", Undone.added)

    return at


class Undone:
    added = staticmethod(runner.added)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_goes_on_to_the_last_bit(tmp_path, kind, interrupt):
    path, most = tmp_path / "run.checkpoint", 60 * BLOCK if kind == "tolerance" else 5 * BLOCK + 100
    whole, done = run(most, kind), 0
    for number in (4, 2):
        undo = interrupt(number)
        part = run(most, kind, checkpoint=path)
        undo()
        assert part.info["interrupted"] and part.ranges[0][2] == (done := done + (number - 1) * BLOCK)
    assert_equal(run(most, kind, checkpoint=path), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.checkpoint"]
    assert_equal(run(most, kind, checkpoint=path), whole)


@pytest.mark.release
def test_pairs_that_were_given_up_are_not_run_again(tmp_path, interrupt):
    """Functions even in the noise gain nothing from pairs, which the run finds out; then it begins with singles."""
    path = tmp_path / "run.checkpoint"

    def even(**options):
        observables = {"v": lambda psi: 4 * abs(psi[0]) ** 2 * abs(psi[1]) ** 2}
        return sq.simulate(
            SUV, [1, 1] / np.sqrt(2), [0, 1], observables=observables, dt=0.125, tolerance=0.012, trajectories=2**16,
            batch=BLOCK, **options,
        )  # fmt: skip

    whole = even()
    assert not whole.antithetic
    undo = interrupt(5)
    assert even(checkpoint=path).info["interrupted"]
    undo()
    assert_equal(even(checkpoint=path), whole)
    assert len(content.unpacked(path.read_bytes(), path)["stages"]) == 2


def test_a_run_that_goes_on_keeps_to_fewer_trajectories(tmp_path, interrupt):
    options = {"tolerance": 1e-4, "dt": 0.25, "antithetic": False}
    path = tmp_path / "run.checkpoint"
    undo = interrupt(4)
    part = run(60 * BLOCK, checkpoint=path, **options)
    undo()
    most = part.trajectories + BLOCK + 1
    with pytest.warns(UserWarning, match="was not met"):
        longer = run(most, checkpoint=path, **options)
    assert longer.trajectories == most
    with pytest.warns(UserWarning, match="was not met"):
        assert_equal(longer, run(most, **options))


def test_a_finished_run_is_not_run_again_and_can_be_extended(tmp_path, monkeypatch):
    path = tmp_path / "run.checkpoint"
    first = run(2 * BLOCK + 100, checkpoint=path)
    with monkeypatch.context() as patched:
        patched.setattr(runner, "added", None)
        assert_equal(run(2 * BLOCK + 100, checkpoint=path), first)
    assert_equal(run(4 * BLOCK, checkpoint=path), run(4 * BLOCK))
    with pytest.raises(ValueError, match=f"^trajectories: expected at least {4 * BLOCK}, which the checkpoint"):
        run(2 * BLOCK, checkpoint=path)


def test_a_range_of_its_own_goes_on_as_well(tmp_path, interrupt):
    path = tmp_path / "run.checkpoint"
    undo = interrupt(2)
    run(3 * BLOCK, first=BLOCK, checkpoint=path)
    undo()
    assert_equal(run(3 * BLOCK, first=BLOCK, checkpoint=path), run(3 * BLOCK, first=BLOCK))


OTHERS = {
    "seed": ({"seed": 1}, "seed 0, here 1"),
    "first": ({"first": BLOCK}, "first 0, here 1024"),
    "precision": ({"precision": "double"}, "precision single, here double"),
    "dt": ({"dt": 0.125}, "differs in times or dt"),
    "observables": ({"observables": {"p": [0.0, 1.0]}}, "differs in the observables"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_and_stays(tmp_path, name):
    path = tmp_path / "run.checkpoint"
    run(BLOCK, checkpoint=path)
    before = path.read_bytes()
    changes, told = OTHERS[name]
    with pytest.raises(ValueError, match=f"^checkpoint: expected one of this run.*{told}"):
        run(BLOCK, checkpoint=path, **changes)
    assert path.read_bytes() == before


def test_another_version_is_named(tmp_path, monkeypatch):
    path = tmp_path / "run.checkpoint"
    run(BLOCK, checkpoint=path)
    monkeypatch.setattr(sq, "__version__", "9.9")
    with pytest.raises(ValueError, match="^checkpoint: .*another: stochq 0.*, here 9.9"):
        run(BLOCK, checkpoint=path)


def test_damaged_files_are_refused_whatever_is_altered(tmp_path):
    path = tmp_path / "run.checkpoint"
    run(BLOCK, checkpoint=path)
    good, chance = path.read_bytes(), np.random.default_rng(0)
    damaged = [good[:cut] for cut in (len(content.MARK), len(content.MARK) + 9, len(good) // 2, len(good) - 1)]
    for place in chance.integers(len(content.MARK), len(good), 60):
        damaged.append(good[:place] + bytes([good[place] ^ 1 << int(chance.integers(8))]) + good[place + 1 :])
    for bad in damaged:
        with pytest.raises(ValueError, match="^checkpoint: expected a file as it was written; .*is damaged"):
            content.unpacked(bad, path)
    path.write_bytes(damaged[2])
    with pytest.raises(ValueError, match="is damaged"):
        run(BLOCK, checkpoint=path)
    assert path.read_bytes() == damaged[2]


def test_places_that_will_not_do_are_named_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "run", None)
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for wrong, error in (
        (notes, FileExistsError),
        (tmp_path, FileExistsError),
        (tmp_path / "none" / "c", NotADirectoryError),
    ):
        with pytest.raises(error):
            run(checkpoint=wrong)
    with pytest.raises(ValueError, match="^checkpoint: expected the path of a file; got True"):
        run(checkpoint=True)
    assert notes.read_text() == "mine"
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write anywhere
    with pytest.raises(PermissionError, match="is read-only"):
        run(checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="^checkpoint: expected a law that is named"):
        sq.simulate(
            sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0, noise="any"),
            STATE, TIMES, observables={"p": [1.0, 0.0]}, trajectories=BLOCK, checkpoint=tmp_path / "c",
        )  # fmt: skip


@pytest.mark.parametrize("room", [0, 40, 700])
def test_a_disk_that_fills_ends_no_run_and_harms_no_file(tmp_path, monkeypatch, room):
    """From the second write on there is room for so many bytes, and none for others."""
    path, write, sizes = tmp_path / "run.checkpoint", Path.write_bytes, []
    run(2 * BLOCK, checkpoint=path)
    before = path.read_bytes()

    def full(self, data):
        sizes.append(len(data))
        write(self, data[:room])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.warns(UserWarning, match="checkpoint: .*No space left.*The run goes on") as caught:
            result = run(4 * BLOCK, checkpoint=path)
    assert len(caught) == 1 and len(sizes) > 1
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["run.checkpoint"]
    assert_equal(result, run(4 * BLOCK))
    assert_equal(run(4 * BLOCK, checkpoint=path), result)


def test_the_file_does_not_grow_with_the_number_of_trajectories(tmp_path):
    sizes = []
    for blocks in (8, 64):
        run(blocks * BLOCK, checkpoint=(path := tmp_path / f"{blocks}.checkpoint"), batch=None)
        sizes.append(path.stat().st_size)
    assert sizes[1] < 1.05 * sizes[0]


HOLD = """
    import sys, time, numpy as np, stochq as sq
    from stochq.ensemble.checkpoint import opened
    with opened(sys.argv[1], 1):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_second_run_waits_for_nobody_and_a_dead_one_holds_nothing(tmp_path):
    path = tmp_path / "run.checkpoint"
    code = textwrap.dedent(HOLD)
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"^checkpoint: .*no other run has open; process {other.pid} on"):
            run(BLOCK, checkpoint=path)
        other.send_signal(signal.SIGKILL)
    leftover = tmp_path / ".stochq-0123456789abcdef.partial"
    leftover.write_bytes(b"of a killed run")
    run(BLOCK, checkpoint=path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.checkpoint"]

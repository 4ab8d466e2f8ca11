"""Runs of the command that were ended go on with --resume; nothing good is lost where something fails."""

import gc
import os
import signal
import sys
import tempfile
import threading

import numpy as np
import pytest

import stochq as sq
from stochq import io
from stochq.cli import going_on
from tests.cli.test_overwriting import MANY, interrupt  # noqa: F401
from tests.cli.test_run import QUBIT, invoke, refused, write

FEW = ("trajectories = 500", "trajectories = 5000\nbatch = 1\nexact = false")


def same(one, other):
    for field in ("mean", "stderr", "variance"):
        np.testing.assert_array_equal(getattr(one, field)["energy"], getattr(other, field)["energy"])
    assert one.ranges == other.ranges and one.parts != ()


@pytest.mark.filterwarnings("default:interrupted")
def test_an_interrupted_run_goes_on_and_can_be_extended(tmp_path, interrupt, monkeypatch):  # noqa: F811
    path, whole, out = write(tmp_path, QUBIT, FEW), tmp_path / "whole.nc", tmp_path / "r.nc"
    assert invoke("run", path, "--out", whole).exit_code == 0
    with monkeypatch.context():
        interrupt()
        done = invoke("run", path, "--out", out)
    assert done.exit_code == 130 and "Go on with --resume." in done.stdout
    monkeypatch.undo()
    refused(invoke("run", path, "--out", out), "--resume", "goes on with the run that did not come to its end")
    refused(invoke("run", path, "--out", out, "--resume", "--seed", 4), "checkpoint", "seed 0, here 4")
    done = invoke("run", path, "--out", out, "--resume")
    assert done.exit_code == 0, done.output
    assert "r.interrupted.nc is a part of it" in done.stdout.replace("\n", "")
    same(io.load(out), io.load(whole))
    assert invoke("run", path, "--out", out, "--resume", "--trajectories", 7000).exit_code == 0
    assert invoke("run", path, "--out", whole, "--trajectories", 7000).exit_code == 0
    assert io.load(out).trajectories == 7000
    same(io.load(out), io.load(whole))


def test_a_finished_run_can_be_extended_after_one_that_could_not_begin(tmp_path):
    path, out = write(tmp_path, QUBIT), tmp_path / "r.nc"
    assert invoke("run", path, "--out", out).exit_code == 0
    before = (tmp_path / "r.checkpoint").read_bytes()
    names = sorted(tmp_path.iterdir())
    refused(invoke("run", path, "--out", out, "--first", 2**33), "first: expected a whole number")
    assert (tmp_path / "r.checkpoint").read_bytes() == before
    assert invoke("run", path, "--out", out, "--seed", 1).exit_code == 0
    assert (tmp_path / "r.checkpoint").read_bytes() != before and sorted(tmp_path.iterdir()) == names


@pytest.mark.release
@pytest.mark.optimised
def test_a_finished_run_goes_on_to_a_later_time(tmp_path):
    stored, later = (
        ("keep = 3", "keep = 3\nstore_final_states = true"),
        ("stop = 1.0, points = 5", "stop = 2.0, points = 9"),
    )
    out, whole = tmp_path / "r.nc", tmp_path / "whole.nc"
    assert invoke("run", write(tmp_path, QUBIT, stored), "--out", out).exit_code == 0
    path = write(tmp_path, QUBIT, stored, later)
    done = invoke("run", path, "--out", out, "--resume")
    assert done.exit_code == 0, done.output
    # Nine times, two observables and a state, in single precision.
    assert f"Stored: the final states of 500 trajectories take {500 * 4 * (9 * 2 + 4) / 2**20:.3g} MiB" in done.stdout
    assert invoke("run", path, "--out", whole).exit_code == 0
    assert io.load(out).times[-1] == 2.0
    same(io.load(out), io.load(whole))


def test_options_replace_keys_of_the_configuration(tmp_path):
    path = write(tmp_path, QUBIT, ("dt = 0.25", "exact = false"))
    out = tmp_path / "r.nc"
    done = invoke("run", path, "--out", out, "--seed", 7, "--first", 2048, "--trajectories", 2**15, "--tolerance", 0.05)
    assert done.exit_code == 0, done.output
    result = io.load(out)
    assert result.ranges[0][:2] == (7, 2048) and result.info["tolerance"] == 0.05
    refused(invoke("run", path, "--out", out, "--trajectories", 1), "config.toml: run.trajectories", "found:    1")
    done = invoke("run", path, "--out", tmp_path / "new.nc", "--resume")
    assert done.exit_code == 0 and "Nothing to resume" in done.stdout


@pytest.mark.filterwarnings("default:interrupted")
def test_a_termination_is_an_interruption(tmp_path, monkeypatch):
    simulate = sq.simulate

    def ended(*arguments, **options):
        threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
        for _ in range(10**4):
            threading.Event().wait(0.01)
        return simulate(*arguments, **options)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sq, "simulate", ended)
    done = invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc")
    assert done.exit_code == 130 and "interrupted" in done.stderr
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_during_a_garbage_collection_is_heard(number):
    def send(*_):
        gc.callbacks.remove(send)
        signal.raise_signal(number)

    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), going_on.terminated_as_interrupted():
        gc.callbacks.append(send)
        gc.collect()
        threading.Event().wait(20)
        raise AssertionError("not heard")
    assert sys.unraisablehook is before


def test_a_second_interrupt_is_not_heard_while_the_first_is_answered(capfd, monkeypatch):
    now = iter([0.0, 9.9, 10.1, 10.1])
    monkeypatch.setattr(going_on.time, "monotonic", lambda: next(now))
    before = signal.getsignal(signal.SIGINT)
    with going_on.terminated_as_interrupted():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert capfd.readouterr().err == "stochq: saving what is done\n"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.filterwarnings("default:.*instead")
def test_what_cannot_be_written_at_the_end_is_saved_elsewhere(tmp_path, monkeypatch):
    out, rest = tmp_path / "r.nc", tmp_path / "elsewhere"
    rest.mkdir()
    assert invoke("run", write(tmp_path, QUBIT), "--out", out).exit_code == 0
    before = out.read_bytes()
    monkeypatch.setattr(tempfile, "tempdir", str(rest))

    def full(result, path, curves=None):
        if path == out:
            raise OSError(28, "No space left on device")
        return io.save(result, path, curves)

    monkeypatch.setattr(going_on, "save", full)
    done = invoke("run", write(tmp_path, QUBIT), "--out", out, "--seed", 1)
    place = rest / "r.saved.nc"
    assert done.exit_code == 1 and f"saved as {place} instead" in done.stderr and f"Result:  {place}" in done.stdout
    assert io.load(place).seed == 1 and out.read_bytes() == before


def test_names_that_promise_another_kind_of_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sq, "simulate", None)
    path = write(tmp_path, QUBIT)
    refused(invoke("run", path, "--out", tmp_path / "r.csv"), "ends in .nc", "r.csv")
    refused(invoke("run", path, "--out", tmp_path / "r.nc", "--plot", tmp_path / "p.doc"), "a picture's name", "p.doc")

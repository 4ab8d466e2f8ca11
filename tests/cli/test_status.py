"""`stochq run --log` writes lines of JSON, and `stochq status` tells how far a run is, while it lasts and after."""

import json
import os
import re
import types

import numpy as np
import pytest

from stochq import io, locks
from stochq.cli.log import events, is_log, plain
from stochq.ensemble import account
from stochq.ensemble.checkpoint.course import lock_of
from stochq.events import LOG, note
from tests.cli.test_overwriting import interrupt  # noqa: F401
from tests.cli.test_resume import FEW
from tests.cli.test_run import QUBIT, invoke, refused, write


def test_a_log_holds_what_a_run_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(account, "_PERIOD", 0.0)
    path, out, log = write(tmp_path, QUBIT, FEW), tmp_path / "r.nc", tmp_path / "r.log"
    before = LOG.level
    done = invoke("run", path, "--out", out, "--log", log)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines == events(log)
    kinds = [line["event"] for line in lines]
    assert kinds[0] == "begun" and kinds[-1] == "saved" and "step chosen" in kinds
    told = [line for line in lines if line["event"] == "trajectories"]
    assert [line["done"] for line in told] == [1024, 2048, 3072, 4096, 5000]
    assert told[-1]["wanted"] == 5000 and told[-1]["failed"] == 0 and told[-1]["seconds_left"] == 0
    largest = max(io.load(out).stderr["population_0"])
    assert told[-1]["stderr"]["population_0"] == pytest.approx(largest, rel=1e-12)
    assert invoke("run", path, "--out", out, "--resume", "--log", log).exit_code == 0
    assert [line["event"] for line in events(log)].count("begun") == 2
    assert LOG.level == before and not [each for each in LOG.handlers if type(each).__name__ == "JsonLines"]


def test_a_log_tells_of_failure_and_of_warnings(tmp_path):
    log = tmp_path / "r.log"
    path = write(tmp_path, QUBIT, ("strength = 1.0", "strength = 1e30"))
    refused(invoke("run", path, "--out", tmp_path / "r.nc", "--log", log, "--first", 2**33))
    assert events(log)[-1]["event"] == "failed" and "first: expected" in events(log)[-1]["message"]


def test_a_log_replaces_nothing_of_another_kind(tmp_path):
    path = write(tmp_path, QUBIT)
    refused(invoke("run", path, "--out", tmp_path / "r.nc", "--log", path), "a log replaces only an earlier log")
    assert path.read_text() == QUBIT


def test_lines_that_were_cut_short_are_left_out(tmp_path):
    log = tmp_path / "r.log"
    log.write_text('{"time": "t", "event": "a", "message": "m"}\n{"time": "t", "ev')
    assert is_log(log) and [event["event"] for event in events(log)] == ["a"]
    log.write_text("[1]\n")
    assert not is_log(log)


def test_numbers_that_are_not_finite_are_null():
    numbers = {"stderr": {"p": float("nan"), "q": np.float64(2.0)}, "left": float("inf"), 1: True, "place": os}
    assert json.loads(json.dumps(plain(numbers))) == {
        "stderr": {"p": None, "q": 2.0}, "left": None, "1": True, "place": str(os),
    }  # fmt: skip


def test_a_disk_that_fills_ends_no_run(tmp_path, monkeypatch, capsys):
    from stochq.cli.log import logged_to

    with logged_to(tmp_path / "r.log"):
        file = LOG.handlers[-1]._file

        def full(text):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(LOG.handlers[-1], "_file", types.SimpleNamespace(write=full, close=file.close))
        note("one", "test")
        note("two", "test")
    err = capsys.readouterr().err
    assert err.count("No space left") == 1 and "The run goes on" in err


def test_the_status_of_nothing_is_refused(tmp_path):
    refused(invoke("status", tmp_path / "r.nc"), "status: RESULT.nc", "none of them")


@pytest.mark.filterwarnings("default:interrupted")
def test_a_status_follows_a_run_to_its_end(tmp_path, interrupt, monkeypatch):  # noqa: F811
    path, out, log = write(tmp_path, QUBIT, FEW), tmp_path / "r.nc", tmp_path / "r.log"
    with monkeypatch.context():
        interrupt()
        assert invoke("run", path, "--out", out, "--log", log).exit_code == 130
    monkeypatch.undo()
    told = invoke("status", out)
    assert told.exit_code == 0, told.output
    assert "r.nc: did not come to its end; --resume goes on with it" in told.stdout
    assert "3,072 of 5,000 trajectories" in told.stdout and "failed: 0" in told.stdout
    part = io.load(tmp_path / "r.interrupted.nc")
    error = re.search(r"largest standard errors so far: population_0 ([\d.e-]+)", told.stdout)
    assert error is not None and float(error[1]) == pytest.approx(max(part.stderr["population_0"]), rel=0.05)
    assert "ago: interrupted; result: " in told.stdout and re.search(r"memory: [\d,]+ MiB", told.stdout)
    with locks.locked(lock_of(tmp_path / "r.checkpoint")):
        assert f"r.nc: running, process {os.getpid()} on " in invoke("status", out).stdout
    assert invoke("run", path, "--out", out, "--resume").exit_code == 0
    told = invoke("status", out)
    assert "r.nc: came to its end" in told.stdout and "5,000 of 5,000" in told.stdout
    assert str(io.load(out)) in told.stdout
    (tmp_path / "r.checkpoint").unlink()
    assert "r.nc: came to its end" in invoke("status", out).stdout


def test_a_dead_process_runs_nothing(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text(f"process 4194305 on {locks._host()}\n")
    assert locks.holder_of(lock) == "" == locks.holder_of(tmp_path / "none")
    lock.write_text("process 1 on another.machine\n")
    assert locks.holder_of(lock).startswith("process 1 on another.machine, by the word of")


def test_a_log_that_is_none_is_said(tmp_path):
    done = invoke("status", tmp_path / "r.nc", "--log", tmp_path / "nope.log")
    assert done.exit_code == 2 and "--log" in done.output and "nope.log" in done.output

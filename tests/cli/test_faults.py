"""Terminals, pipes and folders as they are: nothing is lost, nothing is cut, and Ctrl-C is heard at any time."""

import errno
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

import stochq as sq
from stochq import io
from stochq.cli import going_on
from stochq.cli.config import load_config
from stochq.cli.errors import noted, reported
from stochq.cli.streams import Unbroken, spelled_out
from tests.cli.test_resume import FEW
from tests.cli.test_run import QUBIT, invoke, refused, write
from tests.ensemble.test_checkpoint import interrupt  # noqa: F401
from tests.test_io import make_result

ROOT = Path(sq.__file__).parent.parent
AT_IMPORT = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *others):
        if name == "stochq":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from stochq_command import main
main()
"""


def test_an_interrupt_during_imports_is_one_sentence():
    done = subprocess.run([sys.executable, "-c", AT_IMPORT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr == "stochq: interrupted\n" and done.stdout == ""


PRINT = """
from stochq.cli.streams import print_anywhere
print_anywhere()
for _ in range(3):
    print("lost", flush=True)
import sys
print("p = 0.5 ± 0.1 μm, Schrödinger → 木", file=sys.stderr)
"""


def test_a_closed_pipe_and_an_ascii_terminal_end_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(writer)
    assert done.returncode == 0 and done.stderr == "p = 0.5 +- 0.1 mum, Schrodinger -> ?\n"


def test_what_is_written_to_a_pipe_arrives_and_other_errors_are_raised():
    reader, writer = os.pipe()
    with Unbroken(writer, "wb") as file:
        assert file.write(b"seen") == 4
    assert os.read(reader, 10) == b"seen"
    os.close(reader)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Unbroken(reader, "wb", closefd=False)
    with pytest.raises(UnicodeDecodeError):
        spelled_out(UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"))


def test_a_narrow_terminal_cuts_no_number(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    path, out = write(tmp_path, QUBIT), tmp_path / "r.nc"
    done = invoke("run", path, "--out", out)
    assert done.exit_code == 0 and "…" not in done.stdout
    result = io.load(out)
    for heading in ("population_0", "ensemble ± standard error", "exact"):
        assert heading in done.stdout
    assert f"{result.mean['energy'][-1]:.3f} ± {result.stderr['energy'][-1]:.3f}" in done.stdout


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = write(tmp_path, QUBIT)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_config(path).title == "A qubit"


@pytest.mark.filterwarnings("default:interrupted")
def test_parts_of_one_run_replace_each_other_and_no_others(tmp_path, interrupt):  # noqa: F811
    path, out = write(tmp_path, QUBIT, FEW), tmp_path / "r.nc"
    for options in ([], ["--resume"], ["--resume"]):
        undo = interrupt(4)
        assert invoke("run", path, "--out", out, "--trajectories", 20_000, *options).exit_code == 130
        undo()
    parts = {file.name: io.load(file).trajectories for file in tmp_path.glob("r.interrupted*")}
    assert parts == {"r.interrupted.nc": 3 * 3072}
    (tmp_path / "r.checkpoint").unlink()
    interrupt(4)
    assert invoke("run", path, "--out", out, "--trajectories", 20_000, "--seed", 5).exit_code == 130
    assert io.load(tmp_path / "r.interrupted.nc").trajectories == 3 * 3072
    assert io.load(tmp_path / "r.interrupted-2.nc").seed == 5


@pytest.mark.filterwarnings("default:.*instead")
def test_a_result_goes_to_the_folder_that_takes_it(tmp_path, monkeypatch):
    save, tried = io.save, []

    def full(result, path, curves=None):
        tried.append(Path(path).parent)
        if path.parent in refusing:
            raise OSError(errno.ENOSPC, f"{path}: No space left on device")
        return save(result, path, curves)

    monkeypatch.setattr(going_on, "save", full)
    home, temporary, target = tmp_path / "home", tmp_path / "temporary", tmp_path / "r.nc"
    for folder in (home, temporary):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(temporary))
    monkeypatch.setattr(Path, "home", lambda: home)
    refusing = {tmp_path, temporary}
    with pytest.warns(UserWarning, match="No space left on device.*was saved as .*home/r.saved.nc instead"):
        assert going_on.save_somewhere(make_result(), target) == home / "r.saved.nc"
    assert tried == [tmp_path, temporary, home] and io.load(home / "r.saved.nc").trajectories
    refusing = {tmp_path, temporary, home}
    with pytest.raises(OSError, match="No other folder takes it either; if there is a checkpoint, --resume saves it"):
        going_on.save_somewhere(make_result(), target)


def test_a_result_that_was_read_shows_what_its_file_holds(tmp_path):
    out = tmp_path / "r.nc"
    assert invoke("run", write(tmp_path, QUBIT), "--out", out).exit_code == 0
    result = sq.load(out)
    lines = {line.get_label(): line.get_ydata() for line in result.plot("energy").axes[0].lines}
    np.testing.assert_allclose(lines["exact"], 0.64, atol=1e-6)
    np.testing.assert_array_equal(lines["single trajectories"], result.kept_values["energy"][0])
    result.save(tmp_path / "copy.nc")
    np.testing.assert_array_equal(sq.load(tmp_path / "copy.nc").exact["energy"], result.exact["energy"])
    assert "exact" not in {line.get_label() for line in result.plot({}, "energy").axes[0].lines}


@pytest.mark.parametrize("place", ["r.csv", "p.xyz", "folder"])
def test_places_that_will_not_do_are_told_before_the_run(tmp_path, monkeypatch, place):
    monkeypatch.setattr(sq, "simulate", None)
    path, out = write(tmp_path, QUBIT), tmp_path / "r.nc"
    if place == "r.csv":
        refused(invoke("run", path, "--out", tmp_path / place), "output.result", "ends in .nc")
    elif place == "p.xyz":
        refused(invoke("run", path, "--out", out, "--plot", tmp_path / place), "output.plot", ".png")
    else:
        monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)  # the superuser may write anywhere
        refused(invoke("run", path, "--out", out), "read-only")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("arguments", [("run", "q.toml"), ("examples",), ("new", "csl")])
def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path, arguments):
    write(tmp_path, QUBIT).rename(tmp_path / "q.toml")
    (tmp_path / "file").write_text("no folder")
    command, *given = arguments
    place = tmp_path / "file" / "sub" / "r.nc"
    files = [tmp_path / name if name.endswith("toml") else name for name in given]
    done = invoke(command, *files, *(["--out"] if command == "run" else []), place)
    assert done.exit_code == 2 and "Errno" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert "expected a place that can be read and written to; Not a directory. Give another name." in done.stderr


def test_the_module_of_the_command_runs(monkeypatch):
    called, before = [], signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("stochq.cli.main", lambda: called.append("main"))
    runpy.run_module("stochq_command", run_name="__main__")
    signal.signal(signal.SIGINT, before)
    assert called == ["main"]


def test_a_program_that_is_interrupted_does_not_wait_for_what_it_computes():
    code = (
        "import threading, time, sys, stochq.cli.app, stochq.cli\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "stochq.cli.app.app = lambda: sys.exit(130)\n"
        "stochq.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 130, done.stderr


@pytest.mark.filterwarnings("always:levels")
def test_a_warning_is_shown_once(capsys):
    with reported():
        for text in ("levels: one", "levels: one", "levels: two"):
            warnings.warn(text, stacklevel=1)
    assert capsys.readouterr().err.splitlines() == [f"stochq: warning: levels: {number}" for number in ("one", "two")]


@pytest.mark.filterwarnings("always:levels")
def test_warnings_with_numbers_say_whose_they_are(capsys):
    with reported(), noted(" (Of the table [units].)"):
        for text in ("levels: 2", "levels: 2", "levels: none"):
            warnings.warn(text, stacklevel=1)
    told = capsys.readouterr().err.splitlines()
    assert told == ["stochq: warning: levels: 2 (Of the table [units].)", "stochq: warning: levels: none"]

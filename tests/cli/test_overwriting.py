"""The commands overwrite only what they wrote before; exit codes tell of differences and interruptions."""

import re
import types

import numpy as np
import pytest

import stochq as sq
from stochq import io
from stochq.cli.report import verdict
from stochq.ensemble import runner
from tests.cli.test_run import QUBIT, invoke, refused, write

MANY = ("trajectories = 500", "trajectories = 40_000\nbatch = 1")


def test_a_run_never_replaces_its_configuration(tmp_path):
    path = write(tmp_path, QUBIT)
    refused(invoke("run", path, "--out", path), "config.toml: a result replaces only", "Give another name")
    refused(invoke("run", path, "--out", tmp_path / "r.nc", "--plot", path), "a picture replaces only")
    assert path.read_text() == QUBIT and list(tmp_path.iterdir()) == [path]


def test_a_picture_never_replaces_a_result(tmp_path):
    result = tmp_path / "r.nc"
    assert invoke("run", write(tmp_path, QUBIT), "--out", result).exit_code == 0
    before = result.read_bytes()
    refused(invoke("run", tmp_path / "config.toml", "--out", tmp_path / "q.nc", "--plot", result), "a picture replaces")
    refused(invoke("plot", result, "--out", tmp_path / "config.toml"), "a picture replaces only")
    assert result.read_bytes() == before
    for _ in range(2):
        assert invoke("plot", result).exit_code == 0


def test_a_device_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(sq, "simulate", None)
    refused(invoke("run", write(tmp_path, QUBIT), "--out", "/dev/null"), "got a folder or a device")


@pytest.mark.release
def test_exclude_replaces_its_own_tables_only(tmp_path):
    text = '[experiment]\nkind = "bulk-heating"\nname = "lead"\npower_per_mass = 2e-11\nsound_speed = 2160.0\n'
    path = tmp_path / "mine.csv"
    path.write_text(text)
    refused(invoke("exclude", path, "--out", tmp_path), "a table of bounds replaces only")
    assert path.read_text() == text
    for _ in range(2):
        assert invoke("exclude", path, "--out", tmp_path / "out").exit_code == 0


@pytest.fixture
def interrupt(monkeypatch):
    """To be called: Ctrl-C after the third block of trajectories from then on."""
    add, calls = runner.added, []

    def third_interrupts(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return add(*arguments)

    return lambda: monkeypatch.setattr(runner, "added", third_interrupts)


@pytest.mark.filterwarnings("default:interrupted")
def test_an_interrupted_run_is_saved_beside_the_earlier_one(tmp_path, interrupt):
    path, whole = write(tmp_path, QUBIT, MANY), tmp_path / "r.nc"
    assert invoke("run", path, "--out", whole).exit_code == 0
    before, picture = whole.read_bytes(), whole.with_suffix(".png").read_bytes()
    interrupt()
    done = invoke("run", path, "--out", whole)
    assert done.exit_code == 130 and "Traceback" not in done.output
    told = re.search(r"Interrupted after (\d+) trajectories. Their result: (.*)", done.stdout)
    assert told is not None and told[2] == str(tmp_path / "r.interrupted.nc")
    assert io.load(told[2]).trajectories == int(told[1]) == 3 * 1024
    assert whole.read_bytes() == before and whole.with_suffix(".png").read_bytes() == picture


def test_an_interruption_before_the_first_result_exits_with_130(tmp_path, monkeypatch):
    def raise_interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sq, "simulate", raise_interrupt)
    done = invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc")
    assert done.exit_code == 130 and done.stderr == "stochq: interrupted\n"


@pytest.mark.parametrize(("p", "words"), [(0.5, "agrees with"), (1e-4, "may differ from"), (1e-7, "DIFFERS from")])
def test_the_verdict_says_how_sure_it_is(p, words):
    assert f"The ensemble {words} the master" in verdict(types.SimpleNamespace(p_value=p, chi2=1.0, dof=2))


@pytest.mark.parametrize(("shift", "code"), [(0.0, 0), (0.2, 1)])
def test_the_exit_code_tells_whether_the_ensemble_differs(tmp_path, monkeypatch, shift, code):
    """500 qubits, energies of .64 and a standard deviation below .5: a shift of .2 is over 9 standard errors."""
    evolve = sq.exact.evolve

    def shifted(*arguments, **options):
        exact = evolve(*arguments, **options)
        exact.expect["energy"] = np.where(exact.times > 0, exact.expect["energy"] + shift, exact.expect["energy"])
        return exact

    monkeypatch.setattr(sq.exact, "evolve", shifted)
    done = invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc")
    assert done.exit_code == code, done.output
    assert ("DIFFERS" in done.stdout) == (code == 1)
    assert "population_0" in done.stdout and io.load_curves(tmp_path / "r.nc").exact

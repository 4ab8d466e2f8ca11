"""The commands end to end: what they print, what they write, how they fail."""

import types

import numpy as np
import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq import io
from stochq.cli.app import app
from stochq.cli.report import advice, with_error

QUBIT = """
title = "A qubit"

[system]
kind = "levels"
energies = [0.0, 1.0]

[model]
kind = "suv"
strength = 1.0

[state]
kind = "superposition"
amplitudes = [3, 4]

[run]
times = { stop = 1.0, points = 5 }
trajectories = 500
dt = 0.25
keep = 3
observables = ["population_0", "energy"]
"""
SPHERE = """
[units]
kind = "si"
length = 1e-7
mass = 1e-18

[system]
kind = "particle"
points = 32
length = 1.6e-6
mass = 1e-18

[model]
kind = "csl"
rate = 1e-16
length = 1e-7

[state]
kind = "gaussian"
width = 1e-7

[run]
times = { stop = 0.01, points = 3 }
trajectories = 200
dt = 0.005
keep = 2
observables = ["position", "momentum_squared"]
"""


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder, text, *replacements):
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_run_prints_saves_and_draws(tmp_path):
    out, picture = tmp_path / "made" / "qubit.nc", tmp_path / "made" / "qubit.png"
    done = invoke("run", write(tmp_path, QUBIT), "--out", out, "--plot", picture)
    assert done.exit_code == 0, done.output
    for part in ("A qubit: 500 trajectories, dimension 2", "population_0", "exact", "p = ", str(out), str(picture)):
        assert part in done.stdout
    result, curves = io.load(out), io.load_curves(out)
    assert result.trajectories == 500 and list(result.mean) == ["population_0", "energy"]
    assert curves.exact["energy"] == pytest.approx([0.64] * 5)
    assert result.kept_values["energy"].shape == (3, 5)
    assert picture.read_bytes().startswith(b"\x89PNG")

    again = tmp_path / "again.png"
    assert invoke("plot", out, "--out", again).exit_code == 0
    assert again.read_bytes().startswith(b"\x89PNG")


def test_the_places_may_stand_in_the_file(tmp_path):
    places = f'result = "{tmp_path}/a/r.nc"\nplot = "{tmp_path}/b/p.png"\n'
    output = f'[output]\n{places}panels = ["energy"]\n[run]\nexact = false'
    done = invoke("run", write(tmp_path, QUBIT, ("[run]", output)))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a" / "r.nc").is_file() and (tmp_path / "b" / "p.png").is_file()
    assert "population_0" not in done.stdout and "p = " not in done.stdout


def test_results_are_in_the_units_of_the_file(tmp_path):
    out = tmp_path / "sphere.nc"
    done = invoke("run", write(tmp_path, SPHERE), "--out", out)
    assert done.exit_code == 0, done.output
    assert "position (m)" in done.stdout and "t (s)" in done.stdout
    result, curves = io.load(out), io.load_curves(out)
    assert result.times[-1] == pytest.approx(0.01) and result.dt == pytest.approx(0.005)
    start = (1.054571817e-34 / 2e-7) ** 2
    assert result.mean["momentum_squared"][0] == pytest.approx(start, rel=1e-4)
    assert result.kept_values["momentum_squared"][:, 0] == pytest.approx([start] * 2, rel=1e-4)
    assert curves.exact["momentum_squared"][0] == pytest.approx(start, rel=1e-4)


def refused(done, *parts):
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("strength = 1.0", "strenght = 1.0", ["config.toml: model.strenght", "did you mean 'strength'?"]),
        ("trajectories = 500", "trajectories = -5", ["config.toml: run.trajectories", "found:    -5"]),
        ("[3, 4]", "[3, 4, 5]", ["config.toml: state.amplitudes", "2 amplitudes"]),
        ('"energy"]', '"enrgy"]', ["config.toml: run.observables[1]", "did you mean 'energy'?"]),
        ("dt = 0.25", "dt = 0.5", ["config.toml: run.dt: expected"]),
        ("{ stop = 1.0, points = 5 }", "[0.0, 1.0, 1.0]", ["config.toml: run.times", "not 1 after 1"]),
        ("[run]", '[output]\npanels = ["population_1"]\n[run]', ["output.panels[0]", "one of run.observables"]),
    ],
)
def test_wrong_input_is_explained_without_traceback(tmp_path, old, new, parts):
    refused(invoke("run", write(tmp_path, QUBIT, (old, new)), "--out", tmp_path / "r.nc"), *parts)
    assert not (tmp_path / "r.nc").exists()


def test_a_missing_file_is_named(tmp_path):
    refused(invoke("run", tmp_path / "none.toml"), "none.toml", "no file of that name")
    refused(invoke("plot", tmp_path / "none.nc"), "none.nc", "there is none")


def test_an_unwritable_place_is_named_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    refused(invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "file" / "r.nc"), "file")
    refused(invoke("run", write(tmp_path, QUBIT), "--out", tmp_path), "the name of a file to write")


def check_of(passed):
    return types.SimpleNamespace(name="rate", value=1.0, reference=1.0, tolerance=0.1, passed=passed)


@pytest.fixture
def papers(monkeypatch):
    from stochq import papers

    calls = []

    def make(passed):
        return lambda out, figure, effort: calls.append((out, figure, effort)) or [check_of(passed)]

    monkeypatch.setattr(papers, "PAPERS", {"right": make(True), "wrong": make(False)}, raising=False)
    return calls


def test_reproduce_exits_with_1_if_a_check_fails(tmp_path, papers):
    assert invoke("reproduce", "right", "fig1", "--out", tmp_path / "made").exit_code == 0
    assert papers == [(tmp_path / "made", "fig1", 1.0)]
    done = invoke("reproduce", "--out", tmp_path, "--effort", "2")
    assert done.exit_code == 1 and "1 of 1 checks passed" in done.stdout and "0 of 1 checks passed" in done.stdout
    # Each makes a folder of its own in it.
    assert papers[1:] == [(tmp_path, None, 2.0), (tmp_path, None, 2.0)]
    assert f"figures: {tmp_path / 'wrong'}" in done.stdout.replace("\n", "")
    refused(invoke("reproduce", "rigt", "--out", tmp_path), "did you mean 'right'?")


def test_devices_are_listed():
    done = invoke("devices")
    assert done.exit_code == 0
    for part in ("JAX backend", "cores", "memory", "jax"):
        assert part in done.stdout


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (0.12345, 0.0456, "0.123 ± 0.046"),
        (-1234.5, 21.0, "-1234 ± 21"),
        (1.0, 0.0, "1.000000 ± 0.000000"),
        (-5.78178312, 3e-9, "-5.781783 ± 0.000000"),
        (1.23456e-9, 4.5e-10, "(1.23 ± 0.45)e-09"),
        (0.0, 0.0, "0.000000 ± 0.000000"),
        (float("nan"), 1.0, "nan ± 1.0"),
    ],
)
def test_means_are_printed_to_their_error(mean, error, text):
    assert with_error(mean, error) == text


def test_the_cheaper_tool_is_named_only_when_it_was():
    assert advice(1.0, 2.0) == []
    assert "master equation took 0.5 s, the ensemble 2 s" in advice(2.0, 0.5)[0]


def test_a_run_to_a_tolerance(tmp_path):
    path = write(tmp_path, QUBIT, ("dt = 0.25\nkeep = 3", "tolerance = 0.05"), ("= 500", "= 100_000"))
    done = invoke("run", path, "--out", tmp_path / "r.nc")
    assert done.exit_code == 0, done.output
    assert "at most 100000 trajectories" in done.stdout and "Tolerance 0.05: reached 0.0" in done.stdout
    result = io.load(tmp_path / "r.nc")
    assert result.kept is None and result.info["reached"] <= 0.05 and result.trajectories < 100_000


def test_a_result_and_its_picture_have_two_names(tmp_path):
    refused(invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.png"), "different names for the result")
    assert invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc").exit_code == 0
    refused(invoke("plot", tmp_path / "r.nc", "--out", tmp_path / "r.nc"), "a name for the picture")


def test_a_run_that_fails_is_explained(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("9 of 10 trajectories became non-finite")

    monkeypatch.setattr(sq, "simulate", fail)
    done = invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc")
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert done.stderr == "stochq: 9 of 10 trajectories became non-finite\n"


ANNIHILATION = """
[units]
kind = "si"
length = 1e-9
mass = 1e-25

[system]
kind = "oscillator"
cutoff = 6
frequency = 2e9

[model]
kind = "qmupl"
rate = 1e26

[state]
kind = "coherent"
alpha = 0.5

[run]
times = { stop = 1e-9, points = 3 }
trajectories = 50
dt = 1e-10
observables = ["annihilation"]
"""


def test_complex_observables_in_si_units_are_saved(tmp_path):
    """⟨a⟩ turns by e^{−iωt}, ωt = 2, which localisation leaves as it is. The run ended in a KeyError."""
    (tmp_path / "a.toml").write_text(ANNIHILATION)
    done = CliRunner().invoke(app, ["run", str(tmp_path / "a.toml"), "--out", str(tmp_path / "a.nc")])
    assert done.exit_code == 0, done.output
    result = sq.load(tmp_path / "a.nc")
    off = result.mean["annihilation"][-1] - 0.5 * np.exp(-2j)
    assert abs(off.real) < 5 * result.stderr["annihilation"][-1].real
    assert abs(off.imag) < 5 * result.stderr["annihilation"][-1].imag

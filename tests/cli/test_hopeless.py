"""What no machine can do ends `stochq run` with exit code 2 and one sentence, before the work."""

import sys

import pytest
from typer.testing import CliRunner

from stochq.cli.app import app

GRID = """
[system]
kind = "particle"
points = {points}
length = 20.0
mass = 1.0
[model]
kind = "csl"
rate = 0.5
length = 1.0
[state]
kind = "gaussian"
width = 1.0
[run]
times = {{ stop = 1.0, points = {times} }}
trajectories = 100
observables = ["energy"]
{more}
"""


def told(folder, monkeypatch, *options, points=32, times=2, more=""):
    """What the command says; it fails where it begins with the work."""
    monkeypatch.setattr(sys.modules["stochq.ensemble.in_steps"], "run", None)
    path = folder / "grid.toml"
    path.write_text(GRID.format(points=points, times=times, more=more))
    found = CliRunner().invoke(app, ["run", str(path), "--out", str(folder / "out.nc"), *options])
    assert found.exit_code == 2 and not (folder / "out.nc").exists()
    return found.stderr


@pytest.mark.parametrize("count", [10**12, 2**63 - 1])
def test_numbers_of_points(tmp_path, monkeypatch, count):
    assert "run.times.points\n  expected: less than or equal to 100000000" in told(tmp_path, monkeypatch, times=count)
    assert "points: expected a whole number of at least 2 and at most" in told(tmp_path, monkeypatch, points=count)


def test_runs_of_years(tmp_path, monkeypatch):
    long = "dt = 1e-6"
    said = told(tmp_path, monkeypatch, "--trajectories", "1000000000", more=long)
    assert "max_hours: expected 24 at most; this run is estimated to take about" in said
    said = told(tmp_path, monkeypatch, "--trajectories", "1000000000", "--max-hours", "1", more=long)
    assert "max_hours: expected 1 at most" in said


def test_memory_that_runs_out(tmp_path, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("stochq.cli.run.build", exhausted)
    assert "stochq: not enough memory: Unable to allocate 7.28 TiB. Ask for fewer" in told(tmp_path, monkeypatch)

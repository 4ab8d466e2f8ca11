"""Detectors in a configuration: `stochq run` keeps their records, `stochq fit` finds what they were made with."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq.cli.app import app
from stochq.cli.build import build
from stochq.cli.config import load_config

CONFIG = """
[system]
kind = "kerr"
cutoff = 2
kerr = 0.0
drive = 1.5

[model]
kind = "monitored"

[model.detectors.current]
kind = "homodyne"
operator = "annihilation"
rate = 1.0
phase = 1.5707963267948966
efficiency = 0.8

[model.detectors.dephasing]
kind = "unread"
matrix = [[1.0, 0.0], [0.0, -1.0]]
rate = 0.05

[state]
kind = "basis"
index = 0

[run]
times = { stop = 3.0, points = 16 }
trajectories = 120
observables = ["number"]
records = true
dt = 0.02

[output]
result = "FOLDER/run.nc"
plot = "FOLDER/run.png"

[fit.parameters]
"system.drive" = { start = 1.3 }
"model.detectors.current.efficiency" = { start = 0.6 }
"""
LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
TIMES = np.linspace(0.0, 3.0, 16)


def equation(drive=1.5, efficiency=0.8):
    """The same by hand: −iσ₋ is watched, and σ_z dephases."""
    current = sq.measurement.homodyne(LOWERING, phase=np.pi / 2, efficiency=efficiency)
    dephasing = sq.measurement.unread(np.sqrt(0.05) * np.array([1.0, -1.0]))
    return sq.models.monitored(drive * (LOWERING + LOWERING.T), {"current": current, "dephasing": dephasing})


def command(folder, *arguments, config=CONFIG):
    (folder / "q.toml").write_text(config.replace("FOLDER", str(folder)))
    return CliRunner().invoke(app, [arguments[0], str(folder / "q.toml"), *arguments[1:]])


def fitted(folder, data, config=CONFIG):
    found = command(folder, "fit", str(data), "--out", str(folder / "fit.json"), config=config)
    assert found.exit_code == 0, found.output
    return found.output, json.loads((folder / "fit.json").read_text())


@pytest.fixture(scope="module")
def records():
    return sq.inference.sample_records(equation(), [1.0, 0.0], TIMES, records=120, seed=4)


def test_records_of_a_file_are_fitted(tmp_path, records):
    records.to_xarray().to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    output, numbers = fitted(tmp_path, tmp_path / "data.nc")
    for name, truth in (("system.drive", 1.5), ("model.detectors.current.efficiency", 0.8)):
        one = numbers["parameters"][name]
        assert abs(one["value"] - truth) < 4 * one["stderr"], name
        assert 0.005 < one["stderr"] < 0.3
    assert numbers["chi2"] is None
    best = [numbers["parameters"][name]["value"] for name in ("system.drive", "model.detectors.current.efficiency")]
    likelihood = sq.inference.log_likelihood(equation(*best), [1.0, 0.0], records)
    assert numbers["log_likelihood"] == pytest.approx(float(likelihood), abs=1e-3)
    assert "Record of current (homodyne): 120 times 15 intervals" in output and "log-likelihood" in output
    assert (tmp_path / "fit.png").stat().st_size > 5000


@pytest.mark.release
def test_a_run_keeps_records_and_they_are_fitted(tmp_path):
    found = command(tmp_path, "run")
    assert found.exit_code == 0, found.output
    kept = sq.load(tmp_path / "run.nc").records
    assert kept.names == ("current",) and kept.increments.shape == (120, 15, 1)
    output, numbers = fitted(tmp_path, tmp_path / "run.nc")
    assert (
        abs(numbers["parameters"]["system.drive"]["value"] - 1.5)
        < 4 * (numbers["parameters"]["system.drive"]["stderr"])
    )
    assert "Record of current" in output


def test_tables_of_detectors_are_those_of_the_library(tmp_path):
    more = """
[model.detectors.photons]
kind = "counting"
operator = "annihilation"
rate = 0.5
efficiency = 0.3
dark = 0.1

[model.detectors.both]
kind = "heterodyne"
operator = "annihilation"
rate = 0.4
efficiency = 0.9
gain = 2.0
offset = 0.3
noise = 0.2

[state]"""
    (tmp_path / "q.toml").write_text(CONFIG.replace("[state]", more))
    found = build(load_config(tmp_path / "q.toml"), "q.toml").equation
    assert [line.name for line in found.lines] == ["current", "photons", "both"]
    photons, both = found.detectors[2], found.detectors[3]
    assert photons.dark == 0.1 and both.drift == 0.3
    assert both.scale == pytest.approx(2 * np.sqrt(1.2))
    parts = found.watched_parts()
    np.testing.assert_allclose(parts.watched[0], -1j * np.sqrt(0.8) * LOWERING, atol=1e-15)
    np.testing.assert_allclose(parts.watched[1], np.sqrt(0.5 * 0.4 * 0.9 / 1.2) * LOWERING, atol=1e-15)
    np.testing.assert_allclose(parts.counted[0], np.sqrt(0.5 * 0.3) * LOWERING, atol=1e-15)


def test_a_file_that_is_no_fit_is_not_replaced(tmp_path, records):
    records.to_xarray().to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    (tmp_path / "fit.json").write_text("{}")
    found = command(tmp_path, "fit", str(tmp_path / "data.nc"), "--out", str(tmp_path / "fit.json"))
    assert found.exit_code == 2 and (tmp_path / "fit.json").read_text() == "{}"


BAD = {
    "name": ('"model.detectors.current.efficiency"', '"model.detectors.curent.efficiency"', "did you mean 'current'?"),
    "table": ('"model.detectors.current.efficiency"', '"model.detectors.current"', "expected: the key of a number"),
    "inside": ('"system.drive"', '"system.drive.x"', "in something else than a table"),
    "key": ("phase = 1.57", "phas = 1.57", "did you mean 'phase'?"),
    "kind": ('kind = "unread"', 'kind = "unred"', "did you mean"),
    "bounds": ("start = 0.6", "start = 1.2", "within its bounds, between 0 and 1"),
    "range": ("efficiency = 0.8", "efficiency = 1.8", "less than or equal to 1"),
    "detector": ("detectors.current", "detectors.light", "expected detectors among 'light' (homodyne)"),
    "model": ('kind = "monitored"', 'kind = "suv"\nstrength = 1.0', "detectors"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(tmp_path, records, what):
    old, new, message = BAD[what]
    records.to_xarray().to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    found = command(tmp_path, "fit", str(tmp_path / "data.nc"), config=CONFIG.replace(old, new))
    assert found.exit_code == 2 and message in found.output, found.output


def test_records_for_a_model_without_detectors(tmp_path, records):
    records.to_xarray().to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    head, tail = CONFIG.split("[model]")[0], CONFIG.split("[state]")[1]
    config = f'{head}[model]\nkind = "suv"\nstrength = 1.0\n[state]{tail}'.split('"model.det')[0]
    found = command(tmp_path, "fit", str(tmp_path / "data.nc"), config=config)
    assert found.exit_code == 2 and 'a model of kind "monitored"' in found.output, found.output

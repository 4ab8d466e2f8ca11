"""`stochq fit` end to end, against closed forms and hand-made tables."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq.cli.app import app
from stochq.cli.config import load_config
from stochq.cli.fit_data import read_means

CONFIG = """
[system]
kind = "levels"
energies = [0.0, 1.0]

[model]
kind = "oqt"
strength = 1.0
equilibrium = [0.7, 0.3]

[state]
kind = "superposition"
amplitudes = [1, 3]

[run]
times = { stop = 3.0, points = 13 }
trajectories = 1000
observables = ["population_0"]

[fit.parameters]
"model.strength" = { start = 0.3 }
"""
TIMES = np.linspace(0.25, 3.0, 12)


def table(strength=0.6, error=0.01):
    """p_0 = .7 − .6 e^{−at} of a qubit that starts with p_0 = .1."""
    noise = error * np.random.default_rng(0).normal(size=12)
    rows = zip(TIMES, 0.7 - 0.6 * np.exp(-strength * TIMES) + noise, strict=True)
    return "time,observable,value,stderr\n" + "".join(f"{t},population_0,{p},{error}\n" for t, p in rows)


def run(folder, config=CONFIG, data=None, name="data.csv"):
    (folder / "q.toml").write_text(config)
    if data is not None:
        (folder / name).write_text(data)
    arguments = ["fit", str(folder / "q.toml"), str(folder / name), "--out", str(folder / "fit.json")]
    return CliRunner().invoke(app, arguments)


def test_a_table_is_fitted(tmp_path):
    found = run(tmp_path, data=table())
    assert found.exit_code == 0, found.output
    numbers = json.loads((tmp_path / "fit.json").read_text())
    strength = numbers["parameters"]["model.strength"]
    # Least squares of one parameter by hand, linearised at the estimate.
    slope = 0.6 * TIMES * np.exp(-strength["value"] * TIMES) / 0.01
    assert strength["stderr"] == pytest.approx(1 / np.linalg.norm(slope), rel=1e-3)
    assert abs(strength["value"] - 0.6) < 4 * strength["stderr"]
    assert strength["interval_95"][1] == pytest.approx(strength["value"] + 1.96 * strength["stderr"], rel=1e-3)
    assert numbers["dof"] == 11 and numbers["p_value"] > 1e-3 and numbers["converged"]
    assert "model.strength" in found.output and "p =" in found.output
    assert (tmp_path / "fit.png").stat().st_size > 5000


CHAIN = """
[system]
kind = "ising"
sites = 2
coupling = 0.0
transverse = 1.0

[model]
kind = "suv"
strength = 0.5

[state]
kind = "basis"
index = 0

[observables.mean]
pauli = "0.5 Z0 + 0.5 Z1"

[run]
times = { stop = 2.0, points = 5 }
trajectories = 100
observables = ["mean"]

[fit.parameters]
"system.transverse" = { start = 0.9 }
"""


def test_observables_by_pauli_strings_are_fitted_too(tmp_path):
    r"""Reduced at the rate a in the basis of both, each turns by $\ddot z+a\dot z+4g^2z=0$ from $z=1$, at rest."""
    times, rate, g = np.linspace(0.5, 2, 4), 0.5, 1.0
    nu = np.sqrt(4 * g**2 - rate**2 / 4)
    z = np.exp(-rate * times / 2) * (np.cos(nu * times) + rate / (2 * nu) * np.sin(nu * times))
    rows = "".join(f"{t},mean,{value},0.01\n" for t, value in zip(times, z, strict=True))
    found = run(tmp_path, CHAIN, "time,observable,value,stderr\n" + rows)
    assert found.exit_code == 0, found.output
    fitted = json.loads((tmp_path / "fit.json").read_text())["parameters"]["system.transverse"]
    assert fitted["value"] == pytest.approx(g, abs=1e-4)


def test_a_result_is_fitted(tmp_path):
    equation = sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=0.6, equilibrium=[0.7, 0.3])
    watched = {"population_0": np.array([1.0, 0.0])}
    times = np.linspace(0, 3, 11)
    result = sq.simulate(equation, np.sqrt([0.1, 0.9]), times, observables=watched, trajectories=500, dt=0.3)
    result.save(tmp_path / "data.nc")
    found = run(tmp_path, name="data.nc")
    assert found.exit_code == 0, found.output
    strength = json.loads((tmp_path / "fit.json").read_text())["parameters"]["model.strength"]
    assert abs(strength["value"] - 0.6) < 4 * strength["stderr"]


def test_a_model_that_does_not_describe_the_data_exits_with_1(tmp_path):
    wrong = CONFIG.replace("[0.7, 0.3]", "[0.2, 0.8]")
    found = run(tmp_path, wrong, table())
    assert found.exit_code == 1 and "does not describe the data" in found.output


def test_the_order_of_the_lines_does_not_matter(tmp_path):
    config = load_config(_written(tmp_path / "q.toml", CONFIG))
    head, *lines = table().splitlines(keepends=True)
    read = []
    for some in (lines, lines[::2] + lines[1::2]):
        _, _, places, means = read_means(
            _written(tmp_path / "data.csv", head + "".join(some)), config, ["population_0"]
        )
        assert places is not None
        read.append((places["population_0"], *means["population_0"]))
    for one, other in zip(*read, strict=True):
        np.testing.assert_array_equal(one, other)


def _written(path, text):
    path.write_text(text)
    return path


CAVITY = """
[system]
kind = "kerr"
cutoff = 6
kerr = 0.0
drive = 0.4

[model]
kind = "unravel"
[[model.jumps]]
operator = "annihilation"
rate = 0.8

[state]
kind = "basis"
index = 0

[run]
times = { stop = 3.0, points = 7 }
trajectories = 50
observables = ["annihilation"]

[fit.parameters]
"system.drive" = { start = 0.3 }
"""


def test_the_parts_of_a_complex_observable_are_fitted(tmp_path):
    """α = −i (2F/γ)(1 − e^{−γt/2}) of a cavity that is driven by F and damped by γ."""
    times = np.linspace(0.5, 3.0, 6)
    rows = zip(times, -0.4 / 0.4 * (1 - np.exp(-0.4 * times)), strict=True)
    lines = [f"{t},{part} annihilation,{value},0.01\n" for t, a in rows for part, value in (("Re", 0.0), ("Im", a))]
    found = run(tmp_path, CAVITY, "time,observable,value,stderr\n" + "".join(lines))
    assert found.exit_code == 0, found.output
    fitted = json.loads((tmp_path / "fit.json").read_text())["parameters"]["system.drive"]
    assert fitted["value"] == pytest.approx(0.4, abs=0.01)
    whole = run(tmp_path, CAVITY, "time,observable,value,stderr\n0.5,annihilation,0.1,0.01\n")
    assert whole.exit_code == 2 and "'Re annihilation' and 'Im annihilation'" in whole.output
    part = run(tmp_path, data=table().replace("population_0", "Im population_0"))
    assert part.exit_code == 2 and "a real observable as a whole: 'population_0'" in part.output


BAD = {
    "no table": (CONFIG.split("[fit.")[0], None, "q.toml: fit\n  expected: [fit.parameters]"),
    "key": (CONFIG.replace('"model.strength"', '"model.strenght"'), None, "did you mean 'strength'?"),
    "place": (CONFIG.replace('"model.strength"', '"run.seed"'), None, "expected: keys of [model] and [system]"),
    "no number": (CONFIG.replace('"model.strength"', '"model.equilibrium"'), None, "expected: the key of a number"),
    "columns": (CONFIG, "time,value\n1,2\n", "line 1\n  expected: the columns time, observable"),
    "number": (CONFIG, table().replace("0.25,", "x,"), "line 2: time\n  expected: a finite number"),
    "error": (CONFIG, table(error=0.01).replace(",0.01\n", ",0\n"), "line 2: stderr\n  expected: a positive number"),
    "observable": (CONFIG, table().replace("population_0", "popul_0"), "popul_0"),
    "early": (CONFIG, table().replace("0.25,", "-1,"), "expected: at least run.times.start"),
    "empty": (CONFIG, "time,observable,value,stderr\n", "expected: a line for every measured mean"),
    "outside": (CONFIG.replace("start = 0.3", "start = -0.3"), None, "within its bounds"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(tmp_path, what):
    config, data, message = BAD[what]
    found = run(tmp_path, config, table() if data is None else data)
    assert found.exit_code == 2 and message in found.output.replace("stochq: ", ""), found.output


def test_data_that_are_not_there_leave_no_folder(tmp_path):
    (tmp_path / "q.toml").write_text(CONFIG)
    arguments = [str(tmp_path / name) for name in ("q.toml", "missing.nc")] + [
        "--out",
        str(tmp_path / "new" / "f.json"),
    ]
    assert CliRunner().invoke(app, ["fit", *arguments]).exit_code == 2
    assert not (tmp_path / "new").exists()


def test_the_table_of_a_result_and_a_missing_one_are_told_in_words(tmp_path):
    (tmp_path / "q.toml").write_text(CONFIG)
    (tmp_path / "means.csv").write_text("time,observable,mean,stderr,variance,bias\n0.0,x,1.0,0.0,0.0,\n")
    for name, words in (("means.csv", "the .nc of this result"), ("nope.csv", "No such file")):
        done = CliRunner().invoke(app, ["fit", str(tmp_path / "q.toml"), str(tmp_path / name)])
        assert done.exit_code == 2 and words in done.output and "Errno" not in done.output


def test_the_package_runs_as_a_module():
    told = subprocess.run([sys.executable, "-m", "stochq", "fit", "--help"], capture_output=True, text=True, check=True)
    assert "CONFIG" in told.stdout


def test_a_result_with_units_is_refused(tmp_path):
    equation = sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=0.6, equilibrium=[0.7, 0.3])
    watched = {"population_0": np.array([1.0, 0.0])}
    times = np.linspace(0, 3, 4)
    result = sq.simulate(equation, np.sqrt([0.1, 0.9]), times, observables=watched, trajectories=50, dt=0.3)
    replace(result, info=result.info | {"unit:time": "s"}).save(tmp_path / "data.nc")
    found = run(tmp_path, name="data.nc")
    assert found.exit_code == 2 and "a result without units" in found.output and "unit:time" in found.output


def test_numbers_that_are_not_finite_are_null(tmp_path):
    """One point and one parameter: no degrees of freedom, so no p-value."""
    lines = table().splitlines()
    found = run(tmp_path, data="\n".join(lines[:2]) + "\n")
    assert found.exit_code == 0, found.output

    def refused(name):
        raise AssertionError(name)

    numbers = json.loads((tmp_path / "fit.json").read_text(), parse_constant=refused)
    assert numbers["p_value"] is None and numbers["dof"] == 0


def test_an_observable_that_the_model_has_not_is_a_fault_of_the_data(tmp_path):
    lines = table().splitlines()
    found = run(tmp_path, data="\n".join([*lines[:3], "", lines[3].replace("population_0", "populaton_0")]) + "\n")
    told = found.stderr.splitlines()
    assert found.exit_code == 2 and told[0] == f"stochq: {tmp_path}/data.csv: line 5: observable"
    assert "population_0, population_1" in told[1] and "did you mean 'population_0'?" in told[1]
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.6)
    options = {"observables": {"n": np.array([0.0, 1.0])}, "trajectories": 2, "dt": 0.1}
    sq.simulate(equation, np.sqrt([0.1, 0.9]), [0.0, 0.1], **options).save(tmp_path / "data.nc")
    found = run(tmp_path, name="data.nc")
    assert found.exit_code == 2 and f"{tmp_path}/data.nc: observable" in found.stderr

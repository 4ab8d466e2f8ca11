"""A configuration that is wrong is refused by file, key path, what was expected and what was found."""

import copy
import subprocess
import sys

import numpy as np
import pytest

from stochq.cli.config import Config, Times, check_config, load_config
from stochq.cli.errors import ConfigError
from stochq.cli.models import Canonical, Microcanonical
from stochq.cli.units import internal, scales_of

GOOD = {
    "system": {"kind": "ising", "sites": 4, "coupling": 1, "transverse": 0.5},
    "model": {"kind": "oqt", "strength": 1.0, "equilibrium": "microcanonical"},
    "state": {"kind": "product", "theta": 0.3},
    "run": {"times": {"stop": 2.0, "points": 5}, "trajectories": 100, "observables": ["energy"]},
}
SUV = {"kind": "suv", "strength": 1.0}
UNRAVEL = {"kind": "unravel", "jumps": [{"rate": 1.0, "operator": "energy"}]}
MISSING = object()


def changed(path, value):
    """The good configuration with one key set, or taken out."""
    data = copy.deepcopy(GOOD)
    *sections, key = path.split(".")
    here = data
    for section in sections:
        here = here.setdefault(section, {})
    if value is MISSING:
        del here[key]
    else:
        here[key] = value
    return data


def complaint(data):
    with pytest.raises(ConfigError) as caught:
        check_config(data, "chain.toml")
    return str(caught.value)


def test_a_good_configuration_is_read():
    config = check_config(GOOD, "chain.toml")
    assert config.system.sites == 4 and config.system.coupling == 1.0
    assert config.model.equilibrium == Microcanonical(kind="microcanonical")
    assert config.state.theta == [0.3]
    assert config.run.times == Times(stop=2.0, points=5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"beta": 2}, Canonical(beta=2.0)),
        (
            {"kind": "microcanonical", "conserved": ["parity"]},
            Microcanonical(kind="microcanonical", conserved=["parity"]),
        ),
        ([0.5, 0.5], [0.5, 0.5]),
    ],
)
def test_equilibria(given, expected):
    assert check_config(changed("model.equilibrium", given), "chain.toml").model.equilibrium == expected


def test_complex_numbers_are_pairs():
    state = {"kind": "superposition", "amplitudes": [1, [0.5, -2]]}
    assert check_config(changed("state", state), "f").state.amplitudes == [1 + 0j, 0.5 - 2j]
    model = SUV | {"basis": [[0, [0, 1]], [1, 0]]}
    assert check_config(changed("model", model), "f").model.basis == [[0j, 1j], [1 + 0j, 0j]]


# Path in the file, value, then: the key named, what was expected, what was found.
WRONG = [
    # wrong keys
    ("system.sitez", 4, "system.sitez", "(did you mean 'sites'?)", "the unknown key 'sitez'"),
    ("runn", {}, "runn", "(did you mean 'run'?)", "the unknown key 'runn'"),
    ("run.times", {"stpo": 1.0, "points": 2}, "run.times.stpo", "(did you mean 'stop'?)", "the unknown key 'stpo'"),
    ("model.equilibrium", {"bata": 1.0}, "model.equilibrium.bata", "(did you mean 'beta'?)", "the unknown key 'bata'"),
    ("model", UNRAVEL | {"jumps": [{"rate": 1.0, "rte": 1}]}, "model.jumps[0].rte", "(did you mean 'rate'?)", "'rte'"),
    (
        "model",
        SUV | {"equilibrium": "microcanonical"},
        "model.equilibrium",
        "one of the keys kind, strength",
        "unknown",
    ),
    # missing keys
    ("system.sites", MISSING, "system.sites", "this key: the number of spins", "nothing"),
    ("run", MISSING, "run", "this key", "nothing"),
    ("model.equilibrium", {}, "model.equilibrium.beta", "this key: the inverse temperature", "nothing"),
    ("system.kind", MISSING, "system.kind", 'one of "levels", "ising"', "nothing"),
    # wrong kinds
    ("system.kind", "isign", "system.kind", "(did you mean 'ising'?)", '"isign"'),
    ("model.equilibrium", "microcanonica", "model.equilibrium", '"microcanonical", { beta', '"microcanonica"'),
    ("run.scheme", "strong", "run.scheme", "'strang'", '"strong"'),
    ("model", SUV | {"basis": "z"}, "model.basis", '"given", "energy", "x"', '"z"'),
    ("units", {"kind": "cgs", "length": 1.0, "mass": 1.0}, "units.kind", "'si'", '"cgs"'),
    # wrong types
    ("system.sites", "4", "system.sites", "a valid integer", '"4"'),
    ("system.sites", 4.5, "system.sites", "a valid integer", "4.5"),
    ("system.sites", True, "system.sites", "a valid integer", "true"),
    ("system.coupling", "1", "system.coupling", "a valid number", '"1"'),
    ("system.coupling", True, "system.coupling", "a valid number", "true"),
    ("run.observables", "energy", "run.observables", "a valid list", '"energy"'),
    ("run.times", 3, "run.times", "a table", "3"),
    ("run.times", [0.0, "a"], "run.times[1]", "a valid number", '"a"'),
    ("model", [], "model", "a table", "[]"),
    ("state.theta", [0.3, "x"], "state.theta[1]", "a valid number", '"x"'),
    ("model", SUV | {"basis": [[1, 2], [3]]}, "model.basis", "a square matrix", "[[1, 2], [3]]"),
    # wrong signs and ranges
    ("system.sites", -3, "system.sites", "greater than or equal to 1", "-3"),
    ("model.strength", -1.0, "model.strength", "greater than or equal to 0", "-1.0"),
    ("model.equilibrium", [0.5, -0.5], "model.equilibrium[1]", "greater than or equal to 0", "-0.5"),
    ("run.trajectories", 1, "run.trajectories", "greater than or equal to 2", "1"),
    ("run.dt", 0, "run.dt", "greater than 0", "0"),
    (
        "run.times",
        {"stop": -2.0, "points": 5},
        "run.times",
        "`stop` greater than `start`",
        "{ stop = -2.0, points = 5 }",
    ),
    ("system.coupling", float("nan"), "system.coupling", "a finite number", "nan"),
    ("system.coupling", float("inf"), "system.coupling", "a finite number", "inf"),
    # no expression is evaluated
    ("system.coupling", "2*pi", "system.coupling", "a valid number", '"2*pi"'),
    (
        "state",
        {"kind": "superposition", "amplitudes": [1, "1+2j"]},
        "state.amplitudes[1]",
        "a number, or a pair",
        '"1+2j"',
    ),
    ("system", {"kind": "levels"}, "system", "either `energies` or `matrix`", "{ kind ="),
]


@pytest.mark.parametrize(("path", "value", "key", "expected", "found"), WRONG, ids=[case[2] for case in WRONG])
def test_what_is_wrong_is_named(path, value, key, expected, found):
    lines = complaint(changed(path, value)).splitlines()
    assert f"chain.toml: {key}" in lines
    at = lines.index(f"chain.toml: {key}")
    assert lines[at + 1].startswith("  expected: ") and expected in lines[at + 1]
    assert lines[at + 2].startswith("  found:    ") and found in lines[at + 2]


def test_several_faults_are_all_reported():
    data = changed("system.sites", -1)
    data["run"]["dt"] = "x"
    text = complaint(data)
    assert "system.sites" in text and "run.dt" in text


def test_files_that_are_no_configuration(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("[system\n")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, expected in [(tmp_path / "none.toml", "a TOML file"), (broken, "valid TOML"), (binary, "valid TOML")]:
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert str(path) in str(caught.value) and f"expected: {expected}" in str(caught.value)


def test_the_command_says_so_and_exits_with_2(tmp_path):
    path = tmp_path / "chain.toml"
    path.write_text('[system]\nkind = "ising"\nsitez = 4\n')
    command = [sys.executable, "-c", "from stochq.cli import main; main()", "run", str(path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 2
    assert made.stdout == ""
    assert f"{path}: system.sitez" in made.stderr and "did you mean 'sites'?" in made.stderr
    assert "Traceback" not in made.stderr


def test_si_numbers_are_scaled_by_their_dimension():
    units = {"kind": "si", "length": 1e-7, "mass": 1e-19}
    data = {
        "system": {"kind": "particle", "points": 64, "length": 4e-6, "mass": 2e-19, "potential": "free"},
        "model": {"kind": "csl", "rate": 3.0, "length": 1e-7, "reference_mass": 1e-27},
        "state": {"kind": "gaussian", "width": [2e-7]},
        "run": {"times": [0.0, 5.0], "trajectories": 10, "observables": ["position"], "dt": 0.5},
        "units": units,
    }
    config, scales = internal(check_config(data, "f"))
    unit_of_time = 1e-19 * 1e-14 / 1.054571817e-34
    assert scales.hbar == 1.0
    np.testing.assert_allclose(
        [scales.time, config.system.length, config.system.mass, config.model.length, config.state.width[0]],
        [unit_of_time, 40.0, 2.0, 1.0, 2.0],
    )
    np.testing.assert_allclose([config.model.rate, config.run.times[1]], [3.0 * unit_of_time, 5.0 / unit_of_time])
    np.testing.assert_allclose([config.model.reference_mass, config.run.dt], [1e-8, 0.5 / unit_of_time])
    assert config.system.points == 64 and config.run.trajectories == 10


def test_a_given_unit_of_time_fixes_hbar():
    data = GOOD | {"units": {"kind": "si", "length": 1e-7, "mass": 1e-19, "time": 1.0}}
    scales = scales_of(check_config(data, "f").units)
    assert scales.hbar == pytest.approx(1.054571817e-34 / (1e-19 * 1e-14))


def test_without_units_nothing_is_scaled():
    config = check_config(GOOD, "f")
    assert internal(config)[0] == config
    assert isinstance(config, Config)


@pytest.mark.parametrize(
    ("system", "parts"),
    [
        ({"kind": "kerr", "cutoff": 0, "kerr": 0.3}, ["chain.toml: system.cutoff", "greater than or equal to 2"]),
        ({"kind": "kerr", "cutof": 12, "kerr": 0.3}, ["chain.toml: system.cutof", "did you mean 'cutoff'?"]),
        ({"kind": "kerr", "kerr": 0.3}, ["chain.toml: system.cutoff", "the number of Fock states"]),
        ({"kind": "kerr", "cutoff": 8, "kerr": "much"}, ["chain.toml: system.kerr", '"much"']),
        ({"kind": "kerr", "cutoff": 8}, ["chain.toml: system.kerr", "this key"]),
    ],
)
def test_a_key_named_as_its_section_is_told_from_it(system, parts):
    text = complaint(changed("system", system))
    assert all(part in text for part in parts), text


def test_an_equilibrium_that_is_misspelt_is_told_all_kinds():
    text = complaint(changed("model.equilibrium", {"kind": "microcanonica"}))
    assert "chain.toml: model.equilibrium" in text and '"microcanonical"' in text and "beta" in text

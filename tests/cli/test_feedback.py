"""Feedback in a configuration: without delay against closed forms, by a controller in a run."""

import numpy as np
import pytest

import stochq as sq
from stochq.cli.build import build
from stochq.cli.config import check_config
from stochq.cli.errors import ConfigError
from stochq.cli.feedback import KINDS, Feedback
from stochq.cli.new import toml
from stochq.cli.run import _exact, simulate_job
from stochq.cli.schema import schema_of
from tests.cli import validate
from tests.cli.test_build import RUN, job_of
from tests.cli.test_run import invoke, refused

QUBIT = {"kind": "levels", "energies": [0.0, 0.0]}
LOWER = [[0, 0], [1, 0]]
UP = {"kind": "basis", "index": 0}
CURRENT = {"current": {"kind": "homodyne", "rate": 1.0, "matrix": LOWER}}
CLICKS = {"photon": {"kind": "counting", "rate": 1.0, "matrix": LOWER, "efficiency": 0.8}}
FORCE = {"strength": -1.0, "operator": "sigma_y"}
THETA = 0.75 * np.pi
GAIN, DRIVE = -0.5 * (1 + np.cos(THETA)), 0.25 * np.sin(THETA) * np.cos(THETA)
TARGET = np.array([np.cos(THETA / 2), np.sin(THETA / 2)])
PROPORTIONAL = {"kind": "proportional", "record": "current", "gain": GAIN, "operator": "sigma_y"}


def monitored(detectors, **feedback):
    return {"kind": "monitored", "detectors": detectors, "feedback": feedback}


def markovian(detectors, **forces):
    return monitored(detectors, kind="markovian", forces=forces)


def test_a_fed_back_current_holds_an_atom():
    """At λ = −√γ(1 + cos θ)/2 and H = γ/4 sin θ cos θ σ_y (Wang and Wiseman, PRA 64, 063810 (2001)) |θ⟩ is steady."""
    system = {"kind": "levels", "matrix": [[0, [0, -DRIVE]], [[0, DRIVE], 0]]}
    model = markovian(CURRENT, current={"strength": GAIN, "operator": "sigma_y"})
    job = job_of(system, model, observables=["sigma_z"])
    assert job.feedback is None
    steady = sq.exact.steady_state(job.equation)
    assert (TARGET @ steady @ TARGET).real == pytest.approx(1.0, abs=1e-6)


def test_clicks_that_flip_an_atom_back_leave_the_decay_that_is_missed():
    half_turn = {"strength": 0.5 * np.pi, "matrix": [[0, 1], [1, 0]]}
    job = job_of(QUBIT, markovian(CLICKS, photon=half_turn), UP, observables=["population_0"], times=[0.0, 1.0, 2.0])
    exact = sq.exact.evolve(job.equation, job.psi0, job.times, observables=job.observables)
    np.testing.assert_allclose(exact.expect["population_0"], np.exp(-0.2 * job.times), atol=1e-6)


@pytest.mark.release
def test_a_controller_holds_an_atom():
    """The same atom, held by a controller that answers a step late; by itself it would decay to σ_z = −1."""
    tables = {
        "system": {"kind": "levels", "matrix": [[0, [0, -DRIVE]], [[0, DRIVE], 0]]},
        "model": monitored(CURRENT, **PROPORTIONAL),
        "state": UP,
        "observables": {"held": {"matrix": np.outer(TARGET, TARGET).tolist()}},
        "run": RUN | {"times": [0.0, 6.0], "dt": 0.02, "trajectories": 64, "observables": ["held"], "records": True},
    }
    assert validate.complaints(tables, schema_of("run")) == []
    config = check_config(tables, "f.toml")
    job = build(config, "f.toml")
    result = simulate_job(job, config, None, None)
    assert result.records.fed_back and result.mean["held"][-1] > 0.95


def test_a_file_with_a_controller_is_not_fitted(tmp_path):
    model = monitored(CURRENT, **PROPORTIONAL)
    tables = {"system": QUBIT, "model": model, "state": UP, "run": RUN}
    tables["fit"] = {"parameters": {"model.detectors.current.rate": {}}}
    path = tmp_path / "held.toml"
    path.write_text("".join(f"{name} = {toml(table)}\n" for name, table in tables.items()))
    refused(invoke("fit", path, tmp_path / "data.csv"), "model.feedback", 'kind "markovian" in a file that is fitted')
    assert validate.complaints(tables, schema_of("run")) == [] != validate.complaints(tables, schema_of("fit"))
    tables["model"] = markovian(CURRENT, current=FORCE)
    assert validate.complaints(tables, schema_of("fit")) == []


def test_a_run_is_given_the_controller_and_no_master_equation(monkeypatch):
    model = monitored(CURRENT, **PROPORTIONAL, time_constant=0.5, target=0.25)
    config = check_config({"system": QUBIT, "model": model, "state": UP, "run": RUN}, "f.toml")
    job = build(config, "f.toml")
    monkeypatch.setattr(sq, "simulate", lambda *_, **options: options)
    assert simulate_job(job, config, None, None)["feedback"] is job.feedback
    exact, why = _exact(job, config)
    assert exact is None and "a controller that answers late has no master equation" in why
    controller = job.feedback.controller
    numbers = [float(getattr(controller, key)) for key in ("gain", "time_constant", "target")]
    assert numbers == [GAIN, 0.5, 0.25] and controller.filtered


@pytest.mark.parametrize(
    ("key", "expected", "model"),
    [
        ("model.feedback.forces.curent", "did you mean 'current'?", markovian(CURRENT, curent=FORCE)),
        (
            "model.feedback.forces.photon",
            "without dark counts",
            markovian({"photon": CLICKS["photon"] | {"dark": 0.1}}, photon=FORCE),
        ),
        ("model.feedback.forces.current", "Hermitian", markovian(CURRENT, current={"strength": 1, "matrix": LOWER})),
        (
            "model.feedback.forces.current.operator",
            "sigma_x",
            markovian(CURRENT, current={"strength": 1, "operator": "y"}),
        ),
        ("model.feedback.record", "a homodyne detector", monitored(CLICKS, **PROPORTIONAL)),
        ("model.feedback.record", "did you mean", monitored(CURRENT, **PROPORTIONAL | {"record": "currents"})),
    ],
)
def test_what_does_not_fit_is_refused_by_key(key, expected, model):
    with pytest.raises(ConfigError) as caught:
        job_of(QUBIT, model, observables=["sigma_z"])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"f.toml: {key}" and expected in lines[1], lines


@pytest.mark.parametrize(("key", "value"), [("scheme", "euler-maruyama"), ("store_final_states", True)])
def test_what_a_controller_does_not_allow(key, value):
    with pytest.raises(ConfigError, match=rf"f\.toml: run\.{key}\n"):
        job_of(QUBIT, monitored(CURRENT, **PROPORTIONAL), observables=["sigma_z"], **{key: value})


@pytest.mark.parametrize(
    "feedback", ["LockIn", {"controller": "lockin.py:LockIn"}, {"kind": "lock_in"}, {"kind": "markovian"}, {}]
)
def test_a_controller_that_is_code_is_refused(feedback):
    model = {"kind": "monitored", "detectors": CURRENT, "feedback": feedback}
    data = {"system": QUBIT, "model": model, "state": UP, "run": RUN}
    assert validate.complaints(data, schema_of("run"))
    with pytest.raises(ConfigError, match=r"f\.toml: model\.feedback") as caught:
        check_config(data, "f.toml")
    own = feedback not in ({"kind": "markovian"}, {})
    assert ("a configuration is never executed" in str(caught.value)) == own


def test_every_kind_is_known_to_the_refusal():
    assert {member.model_fields["kind"].annotation.__args__[0] for member in Feedback.__origin__.__args__} == set(KINDS)

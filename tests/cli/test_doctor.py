"""`stochq doctor`: its answers are those of the master equation; what is wrong, fails or comes too late is told."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq.cli import doctor
from stochq.cli.app import app
from stochq.cli.known_answers import known_answers, thermalization

ANSWERS = {answer.title: answer for answer in known_answers()}


def test_there_are_a_dozen():
    assert len(ANSWERS) == 12


@pytest.mark.parametrize("title", ANSWERS)
def test_answers_are_those_of_the_master_equation(title):
    answer = ANSWERS[title]
    exact = sq.exact.evolve(answer.equation, answer.psi0, [0.0, 1.0], observables={"o": answer.observable})
    np.testing.assert_allclose(exact.expect["o"][-1], answer.value, rtol=2e-6)


@pytest.fixture
def examined(monkeypatch):
    """The exit code and the lines of a run of one small problem, or of others."""
    monkeypatch.setattr(doctor, "TRAJECTORIES", 500)

    def examine(*answers):
        monkeypatch.setattr(doctor, "known_answers", lambda: iter(answers))
        found = CliRunner().invoke(app, ["doctor"])
        return found.exit_code, found.output.splitlines()

    return examine


def test_a_right_answer_passes_and_a_wrong_one_fails(examined):
    answer = thermalization()
    code, (line, verdict) = examined(answer)
    assert code == 0 and line.startswith("pass      cpu:0") and "OQT, a population" in line and "z = " in line
    assert verdict.startswith("All that was run passed, in ")
    code, lines = examined(answer, answer._replace(value=answer.value + 0.2))
    assert code == 1 and lines[0].startswith("pass") and lines[1].startswith("FAIL") and lines[2].startswith("1 failed")


def test_what_is_no_number_or_ends_in_an_error_fails(examined, monkeypatch):
    code, lines = examined(thermalization()._replace(value=np.nan))
    assert code == 1 and lines[0].startswith("FAIL") and "z = +nan" in lines[0]
    code, lines = examined(thermalization()._replace(dt=-1.0))
    assert code == 1 and lines[0].startswith("FAIL") and "ValueError: dt: expected" in lines[0]


def test_what_comes_too_late_is_left_out(examined, monkeypatch):
    monkeypatch.setattr(doctor, "SECONDS", 0.0)
    code, (line, verdict) = examined(thermalization())
    assert code == 0 and line.startswith("left out") and verdict.startswith("All that was run passed; 1 left out")


def test_other_devices_make_the_same_states_of_the_same_draws(monkeypatch):
    agrees, told = doctor._compared(thermalization(), jax.devices()[0])
    assert agrees and told == "median difference 0.0e+00, 0.00% far off"
    kept = doctor._run(thermalization(), 64, 64).kept
    runs = iter([SimpleNamespace(kept=kept), SimpleNamespace(kept=np.roll(kept, 1, axis=0))])
    monkeypatch.setattr(doctor, "_run", lambda *arguments, **options: next(runs))
    assert not doctor._compared(thermalization(), jax.devices()[0])[0]


def test_devices_beside_the_reference_are_compared_first(examined, monkeypatch):
    """As if the only device were another than the processor to compare with."""
    monkeypatch.setattr(doctor, "_processor", lambda: "a processor")
    monkeypatch.setattr(doctor, "_compared", lambda answer, reference: (False, f"unlike {reference}"))
    code, lines = examined(thermalization())
    assert code == 1 and lines[0].startswith("FAIL") and "same draws" in lines[0] and "unlike a processor" in lines[0]
    assert lines[1].startswith("pass")


@pytest.mark.release
def test_all_of_it_passes():
    found = CliRunner().invoke(app, ["doctor"])
    assert found.exit_code == 0 and "FAIL" not in found.output

"""Experiments ranked by what they tell: closed forms, and a plain NumPy program for quadratures."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.inference.result import number
from tests.inference.qubits import GROUND, LOWERING, SIGMA_X, homodyne_information

TIMES = np.linspace(0, 3, 31)
THETA = {"decay": 1.0, "rabi": 3.0}


def fluorescence(parameters, phase):
    watched = sq.measurement.homodyne(jnp.sqrt(parameters["decay"]) * LOWERING, phase=phase)
    return sq.models.monitored(0.5 * parameters["rabi"] * SIGMA_X, {"current": watched}), GROUND


@pytest.mark.release
def test_quadratures_of_fluorescence_against_a_numpy_program():
    """The quadrature of −iσ₋ has the mean current, and knows Ω better; the one opposite has the same law."""
    phases = {"in phase": 0.0, "opposite": 1.5 * np.pi, "out of phase": 0.5 * np.pi}
    candidates = {name: {"phase": phase, "times": TIMES} for name, phase in phases.items()}
    found = sq.inference.design(fluorescence, THETA, candidates, parameter="rabi", records=1500)
    for name in ("in phase", "out of phase"):
        matrix, spread = homodyne_information(
            phases[name], THETA, ("decay", "rabi"), detuning=0.0, duration=3.0, records=1500, step=0.005, seed=5
        )
        place, want = found.names.index(name), np.sqrt(np.linalg.inv(matrix)[1, 1])
        # To first order the error of √(1/F) is half that of F, relatively.
        off = np.hypot(found.stderr[place], 0.5 * want * spread[1, 1] / matrix[1, 1])
        assert abs(found.error[place] - want) < 4 * off < 0.4 * want
    assert set(found.best) == {"opposite", "out of phase"} and found.names[2] == "in phase"
    assert found.information["in phase"].duration == 3.0
    table = str(found).splitlines()
    assert table[0].split()[:4] == ["experiment", "error", "of", "rabi"] and len(table) == 4
    assert table[1] == f"{found.names[0]:<12}  {number(found.error[0], found.stderr[0])}"
    assert table[2].endswith("times, within the errors of both") and table[3].endswith("times")


def ramsey(parameters, times, observable="both"):
    """⟨σ_x⟩ and ⟨σ_y⟩ of a spin that turns and dephases: e^{iωt−γt}."""
    coherence = parameters["contrast"] * jnp.exp((1j * parameters["frequency"] - 0.4) * times)
    return {"both": coherence, "x": coherence.real, "y": coherence.imag}[observable]


def test_the_best_time_of_a_ramsey_fringe_is_the_one_of_its_decay():
    """F_ω = t²e^{−2γt}/σ², at its greatest for t = 1/γ; at one time one quadrature leaves ω and contrast apart at
    two only."""
    theta = {"contrast": 0.9, "frequency": 2.0}
    waits = {f"{time:.4g}": {"times": np.array([time])} for time in (0.5, 1.5, 2.5, 3.5, 6.0)}
    found = sq.inference.design(ramsey, theta, waits, parameter="frequency", stderr=0.05)
    assert found.names[0] == "2.5" and found.best == ("2.5",)
    for name, error in zip(found.names, found.error, strict=True):
        assert error == pytest.approx(0.05 / (0.9 * float(name) * np.exp(-0.4 * float(name))), rel=1e-9)
    axes = {axis: {"observable": axis} for axis in ("x", "y", "both")}
    found = sq.inference.design(ramsey, theta, axes, parameter="frequency", times=np.array([2.5]), stderr=0.05)
    assert found.names[0] == "both" and np.all(np.isinf(found.error[1:])) and str(found).count("not determined") == 2


def test_what_is_refused():
    def design(candidates, parameter="rabi", theta=THETA, **options):
        return sq.inference.design(fluorescence, theta, candidates, parameter=parameter, **options)

    with pytest.raises(ValueError, match="^candidates: expected {name: {argument: value}}"):
        design({})
    with pytest.raises(ValueError, match=r"^candidates\['a'\]: expected a dict of arguments"):
        design({"a": 0.3})
    with pytest.raises(ValueError, match=r"^candidates\['a'\]: expected the arguments of predict; .*phase"):
        design({"a": {"phases": 0.3}})
    with pytest.raises(ValueError, match=r"^candidates\['a'\]: times: expected"):
        design({"a": {"phase": 0.3}})
    with pytest.raises(ValueError, match=r"^theta\['rabi'\]: expected finite"):
        design({"a": {"phase": 0.3}}, theta={"decay": 1.0, "rabi": np.inf})
    with pytest.raises(ValueError, match="^parameter: expected one of decay, rabi; got 'rabbi'"):
        design({"a": {"phase": 0.3, "records": 10, "times": [0.0, 0.1]}}, parameter="rabbi")


def test_where_nothing_determines_the_parameter_none_is_best():
    """Means of p + q alone."""
    scales = {"one": {"scale": 1.0}, "two": {"scale": 2.0}}
    theta = {"p": 1.0, "q": 2.0}
    found = sq.inference.design(
        lambda v, scale: scale * (v["p"] + v["q"]) * np.ones(3), theta, scales, parameter="p", stderr=0.1
    )
    assert found.best == () and np.all(np.isinf(found.error))
    assert str(found).endswith("no experiment determines p") and str(found).count("not determined") == 2

"""Fits that were ended go on from what they wrote down; files of other fits and other files stay as they are."""

import json
import subprocess
import sys
import warnings

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import stochq as sq
from stochq.inference.minimize import Local

TIMES = np.linspace(0.0, 3.0, 12)
TRUTH = {"rate": 0.7, "frequency": 2.1}
START = {"rate": 2.0, "frequency": 1.6}
MEAN = np.exp(-TRUTH["rate"] * TIMES) * np.cos(TRUTH["frequency"] * TIMES) + 0.01 * np.sin(17 * TIMES)


def predict(parameters):
    return jnp.exp(-parameters["rate"] * TIMES) * jnp.cos(parameters["frequency"] * TIMES)


def fitted(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sq.fit(predict, (MEAN, np.full(len(TIMES), 0.01)), START, **options)


@pytest.fixture
def interrupted(monkeypatch):
    """A function that fits until Ctrl-C after so many computations of a step."""

    def run(after, **options):
        made, step = [], Local.step

        def ending(self, damping):
            made.append(damping)
            if len(made) > after:
                raise KeyboardInterrupt
            return step(self, damping)

        with monkeypatch.context() as patch:
            patch.setattr(Local, "step", ending)
            return fitted(**options)

    return run


def test_an_interrupted_fit_goes_on_where_it_was(interrupted, tmp_path):
    """To the same numbers, with all its steps in the history, of which no more are made than are left."""
    path, whole = tmp_path / "fit.json", fitted()
    # At the start and after each step down it is asked how far there is to go.
    first = interrupted(8, checkpoint=path)
    assert first.converged is False and "call again with the same arguments" in first.advice
    written = json.loads(path.read_text())["searches"]["0"]
    assert 1 < len(written["losses"]) < len(whole.history.loss)
    np.testing.assert_array_equal(written["losses"], whole.history.loss[: len(written["losses"])])
    resumed = fitted(checkpoint=path)
    assert resumed.converged
    np.testing.assert_array_equal(resumed.history.loss, whole.history.loss)
    for name in TRUTH:
        np.testing.assert_array_equal(resumed.parameters[name], whole.parameters[name])
        np.testing.assert_array_equal(resumed.stderr[name], whole.stderr[name])
    again = fitted(checkpoint=path)
    np.testing.assert_array_equal(again.history.loss, whole.history.loss)


def test_steps_are_counted_over_all_calls(tmp_path):
    path = tmp_path / "fit.json"
    assert fitted(checkpoint=path, steps=3).converged is False
    assert len(fitted(checkpoint=path, steps=3).history.loss) == 3
    assert fitted(checkpoint=path, steps=100).converged


def test_each_start_has_a_trail_of_its_own(tmp_path):
    path, options = tmp_path / "fit.json", {"starts": [{"rate": 0.5, "frequency": 6.0}]}
    whole = fitted(**options)
    assert fitted(checkpoint=path, **options).parameters == whole.parameters
    assert set(json.loads(path.read_text())["searches"]) == {"0", "1"}
    resumed = fitted(checkpoint=path, **options)
    assert resumed.parameters == whole.parameters
    assert [one.chi2 for one in resumed.other_minima] == [one.chi2 for one in whole.other_minima]


OTHERS = {
    "data": lambda path: sq.fit(predict, (MEAN + 0.01, np.full(len(TIMES), 0.01)), START, checkpoint=path),
    "stderr": lambda path: sq.fit(predict, (MEAN, np.full(len(TIMES), 0.02)), START, checkpoint=path),
    "start": lambda path: sq.fit(predict, (MEAN, 0.01), START | {"rate": 1.0}, checkpoint=path),
    "bounds": lambda path: fitted(bounds={"rate": (0.1, 5.0)}, checkpoint=path),
    "priors": lambda path: fitted(priors={"rate": (0.7, 0.1)}, checkpoint=path),
    "starts": lambda path: fitted(starts=[{"rate": 0.5, "frequency": 6.0}], checkpoint=path),
    "prediction": lambda path: sq.fit(
        lambda parameters: 1.0001 * predict(parameters), (MEAN, np.full(len(TIMES), 0.01)), START, checkpoint=path
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_file_of_another_fit_is_refused_and_left(what, tmp_path):
    path = tmp_path / "fit.json"
    fitted(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="^checkpoint: expected a file of this fit; .*fit.json is of one with another"):
        OTHERS[what](path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["{}", "[1]", "time,value\n0,1\n"])
def test_another_kind_of_file_is_left(content, tmp_path):
    path = tmp_path / "fit.json"
    path.write_text(content)
    with pytest.raises(FileExistsError, match="replaces only an earlier fit checkpoint"):
        fitted(checkpoint=path)
    assert path.read_text() == content


def test_an_optimizer_has_a_state_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="^checkpoint: expected None with an optimizer"):
        fitted(checkpoint=tmp_path / "fit.json", optimizer=optax.adam(0.1))


@pytest.mark.release
def test_another_process_goes_on(tmp_path):
    """Where the same functions are defined anew, here with an equation and its exact means inside."""
    script = """
import jax.numpy as jnp, numpy as np, sys, stochq as sq
qubit, times = sq.systems.levels([0.0, 1.0]), np.linspace(0.0, 2.0, 5)
def predict(log_rate):
    equation = sq.models.oqt(qubit, strength=jnp.exp(log_rate), equilibrium=[0.7, 0.3])
    return sq.expectations(equation, [0.0, 1.0], times, observables={"p": np.array([1.0, 0.0])})["p"]
data = 0.7 - 0.7 * np.exp(-0.4 * times)
found = sq.fit(predict, (data, 0.01), 1.0, checkpoint=sys.argv[1], steps=int(sys.argv[2]))
print(len(found.history.loss), found.converged)
"""
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "fit.json"), steps],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for steps in ("2", "50")
    ]
    assert runs[0] == ["2", "False"]
    assert int(runs[1][0]) > 2 and runs[1][1] == "True"

"""Times of schemes: which one is the default, what a cell says, and one scheme really measured."""

import numpy as np
import pytest

from benchmarks import schemes
from benchmarks.problems import find


@pytest.mark.parametrize(("name", "question"), schemes.ROWS)
def test_every_default_has_a_column(name, question):
    assert schemes.default_name(find(name), question) in schemes.NAMES


def test_columns_are_different_schemes():
    assert len({schemes.scheme_of(name).name for name in schemes.NAMES}) == len(schemes.NAMES)


def _row(**seconds):
    entries = {name: {"cannot": "increments: not for this"} for name in schemes.NAMES}
    entries["Euler"] = {"cannot": "over 60 s"}
    entries |= {name: {"seconds": value, "steps": 20} for name, value in seconds.items()}
    return {"title": "a problem", "default": "Strang", "entries": entries, "checks": [{"value": 1.0}]}


def test_the_default_is_bold_and_what_was_given_up_is_not_what_does_not_apply():
    row = _row(Strang=0.1234)
    row["entries"]["Euler, extrapolated"] = {"cannot": "failed: Killed"}
    assert schemes.cells(row) == ["a problem", "**0.123 s (20)**", "–", "–", "> 60 s", "failed", "1"]
    where = {"cpu": "a processor", "cores": 2, "date": "2030-01-02T03:04:05+00:00", "load": 0.1}
    assert "| a problem | **0.123 s (20)** |" in schemes.page_text({"machine": where, "rows": [row]})


def test_a_default_that_is_slow_is_told(monkeypatch):
    times = {"Strang": 4.0, "Strang, discrete": 1.0}

    def child(problem, library, question, name, command, seconds):
        return {"seconds": times[name], "steps": 5} if name in times else {"cannot": "over 60 s"}

    monkeypatch.setattr(schemes, "run_child", child)
    monkeypatch.setattr(schemes, "default_name", lambda problem, question: "Strang")
    (found,) = schemes._row(find("tunnelling-8"), "mean")["checks"]
    assert found["value"] == 4.0 and not found["passed"]


def test_the_square_is_that_of_a_mean():
    assert float(schemes.squared(np.array([1.0, 3.0]))(np.array([0.6, 0.8j]))) == pytest.approx((0.36 + 3 * 0.64) ** 2)


def test_a_scheme_that_does_not_apply_says_so(monkeypatch):
    monkeypatch.setattr(schemes, "TOLERANCE", 0.2)
    monkeypatch.setattr(schemes, "ENOUGH_SECONDS", 0.0)
    found = schemes.measure_scheme(find("tunnelling-3"), "mean", "Strang")
    assert found["reached"] <= 0.2 and found["low"] <= found["seconds"] <= found["high"]

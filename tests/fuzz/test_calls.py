"""Calls with valid, nearly valid and odd arguments return finite numbers or are refused by errors that name one.

`python -m tests.fuzz --examples 1000` does at length what is done here in short.
"""

import subprocess
import sys

import numpy as np
import pytest

from tests.fuzz.judge import Fault, judged


def test_every_call_in_short():
    """In a process of its own: here the shapes of arguments are checked by the tests, before the library sees them."""
    command = [sys.executable, "-m", "tests.fuzz", "--examples", "10"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 0 kinds of faults" in ended.stdout


def _raises(error):
    def function(number):
        raise error

    return function


def test_the_judge_knows_what_must_not_happen():
    def judge(function):
        return judged(function, {"number": 1.0})

    assert judge(_raises(ValueError("number: expected another; got 1."))) == "refused"
    assert judge(lambda number: np.array([number])) == "returned"
    for wrong, told in {
        ValueError("expected another"): "no argument is named",
        ValueError("numbers: expected others"): "no argument is named",
        TypeError("number: unhashable type"): "words of another library",
        ValueError("number: Tracer"): "words of another library",
        AttributeError("number: nothing"): "another error: AttributeError",
    }.items():
        with pytest.raises(Fault, match=told):
            judge(_raises(wrong))
    with pytest.raises(Fault, match="NaN without a word"):
        judge(lambda number: {"a": np.array([number, np.nan])})

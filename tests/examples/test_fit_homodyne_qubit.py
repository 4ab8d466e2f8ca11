"""The example that fits a driven qubit to homodyne records finds what its records were made with."""

import re

import numpy as np
import pytest

import stochq as sq
from tests.examples.loading import EXAMPLES, load_example

PATH = EXAMPLES / "fit-homodyne-qubit.py"


@pytest.fixture(scope="module")
def example():
    return load_example(PATH)


@pytest.mark.release
def test_all_four_are_found_as_in_the_committed_output(example, capsys):
    fit = sq.fit(example.model, example.measure(), example.START, bounds=example.BOUNDS, intervals="profile")
    for name, truth in example.TRUTH.items():
        assert abs(fit.parameters[name] - truth) < 3.5 * fit.stderr[name], name
    example.report(fit)
    found, committed = (
        np.array(re.findall(r"\d+\.\d+", text), float)
        for text in (capsys.readouterr().out, PATH.with_suffix(".txt").read_text())
    )
    # Records are drawn in single precision, which rounds otherwise elsewhere.
    np.testing.assert_allclose(found, committed, atol=0.02)


@pytest.mark.release
def test_the_errors_are_those_of_the_information_in_the_records(example):
    """Estimates of sets of records scatter as their errors say; 24 sets, 95 of 96 within 3.5."""
    scores = []
    for seed in range(2, 26):
        fit = sq.fit(example.model, example.measure(seed=seed), example.TRUTH, bounds=example.BOUNDS)
        scores.append([(fit.parameters[name] - truth) / fit.stderr[name] for name, truth in example.TRUTH.items()])
    spread = np.std(scores, axis=0)
    assert np.all(np.abs(np.mean(scores, axis=0)) < 4 / np.sqrt(24)), np.mean(scores, axis=0)
    assert np.all((0.5 < spread) & (spread < 1.6)), spread

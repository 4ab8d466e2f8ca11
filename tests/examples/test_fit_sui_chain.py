"""The example that fits the strengths of a chain finds the ones that its data were made with."""

import numpy as np
import pytest

import stochq as sq
from tests import liouville
from tests.examples.loading import EXAMPLES, load_example
from tests.problems import projectors, transitions

PATH = EXAMPLES / "fit-sui-chain.py"


@pytest.fixture(scope="module")
def example():
    return load_example(PATH)


@pytest.fixture(scope="module")
def measured(example):
    return example.measure()


def test_both_strengths_are_found_and_the_model_describes_the_data(example, measured, tmp_path, capsys):
    fit = sq.fit(example.predict, measured, example.logs(example.START))
    for name, truth in example.TRUTH.items():
        deviation = (fit.parameters[name] - np.log(truth)) / fit.stderr[name]
        assert abs(deviation) < 2, (name, deviation)
        assert fit.stderr[name] < 0.1
    # Times of one trajectory are correlated: χ² spreads more than that of independent points.
    assert 0.5 < fit.chi2 / fit.dof < 1.6
    example.report(fit)
    example.draw(fit, tmp_path / "fit.png")
    assert "reduction" in capsys.readouterr().out and (tmp_path / "fit.png").stat().st_size > 10_000


@pytest.mark.release
def test_the_prediction_is_exact(example):
    """Against the master equation in dense matrices, at the strengths where the fit starts and at the true ones."""
    matrix = np.asarray(example.CHAIN.matrix())
    energies, vectors = np.linalg.eigh(matrix)
    weights = np.exp(-0.3 * energies) / np.exp(-0.3 * energies).sum()
    for strengths in (example.START, example.TRUTH):
        jumps = projectors(np.eye(16), strengths["reduction"])
        jumps += transitions(strengths["thermalization"] * np.outer(weights, np.ones(16)), vectors)
        rho = liouville.density(matrix, jumps, example.PSI0, example.TIMES[[0, 4, 16]])
        found = example.predict(example.logs(strengths))
        for name, operator in example.OBSERVABLES.items():
            operator = np.diag(operator) if np.ndim(operator) == 1 else np.asarray(operator)
            np.testing.assert_allclose(
                np.asarray(found[name])[[0, 4, 16]], liouville.expectation(operator, rho), atol=1e-6
            )

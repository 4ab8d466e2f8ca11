"""What a network does not take, and the steady state that it does not have."""

import numpy as np
import pytest

import stochq.gaussian as gaussian
from tests.gaussian.networks import random_couplings

NETWORK = gaussian.network(random_couplings(5, 11), 1.0, 1.0)
GOOD = {"couplings": np.eye(2), "rates": [1.0, 1.0], "occupations": [1.0, 1.0]}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"couplings": [[0, 1], [2, 0]]}, "couplings: expected a Hermitian matrix"),
        ({"couplings": [[0, 1j], [1j, 0]]}, "couplings: expected a Hermitian matrix"),
        ({"couplings": [[1j, 0], [0, 0]]}, "couplings: expected a Hermitian matrix"),
        ({"couplings": np.ones((2, 3))}, "couplings: expected a square matrix"),
        ({"couplings": [[np.nan, 0], [0, 0]]}, "couplings: expected finite"),
        ({"rates": [1.0, -0.5]}, r"rates: expected numbers of at least 0; got -0.5 at index \(1,\)"),
        ({"rates": [1.0, 1.0, 1.0]}, r"rates: expected a number or shape \(2,\).*got shape \(3,\)"),
        ({"rates": [1.0, np.inf]}, "rates: expected finite"),
        ({"occupations": [1.0, -1e-3]}, "occupations: expected numbers of at least 0; got -0.001"),
        ({"occupations": [1.0, 2.0, 3.0]}, r"occupations: expected a number or the shape of the rates, \(2,\)"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        gaussian.network(**(GOOD | change))


def test_an_undamped_mode_is_named():
    line = np.eye(3, k=1) + np.eye(3, k=-1) + 2.0 * np.eye(3)
    with pytest.raises(ValueError, match="the mode of frequency 2 has the eigenvalue"):
        gaussian.network(line, [0.0, 1.0, 0.0], 1.0).steady_state()
    with pytest.raises(ValueError, match="every normal mode to be damped"):
        gaussian.network(random_couplings(3, 1), 0.0, 0.0).steady_state()


@pytest.mark.parametrize(
    "correlations, message",
    [
        (np.eye(3), r"correlations: expected shape \(..., 5, 5\); got \(3, 3\)"),
        (np.zeros((2, 5, 5)), "correlations: expected one matrix"),
        (np.triu(np.ones((5, 5))), "correlations: expected a Hermitian matrix"),
        (np.diag([1.0, 1, 1, 1, -0.1]), "no negative eigenvalue.*the lowest is -0.1"),
    ],
)
def test_correlations_of_no_state_are_named(correlations, message):
    with pytest.raises(ValueError, match=message):
        NETWORK.evolve(correlations, [0.0, 1.0])


def test_entropy_of_correlations_of_no_state_is_refused():
    with pytest.raises(ValueError, match="positive eigenvalues only"):
        NETWORK.entropy_production(np.eye(5) + 5 * (np.ones((5, 5)) - np.eye(5)))

"""The example that cools an oscillator follows the linear theory of its loop, which it has in closed form."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests.examples.loading import EXAMPLES, load_example

PATH = EXAMPLES / "cool-oscillator.py"


@pytest.fixture(scope="module")
def example():
    return load_example(PATH)


@pytest.mark.release
def test_the_occupation_is_that_of_the_linear_theory(example):
    times = np.array([0.0, 3.0, 6.0])
    result = example.simulated(0.3, times, 512, dt=0.04)
    expected = example.linear(0.3, times)
    assert expected[-1] < 0.5 * expected[0]
    # First order in the step: the error at 0.04 is below 0.02.
    assert np.all(np.abs(result.mean["n"] - expected) < 4 * result.stderr["n"] + 0.02)


def test_without_feedback_the_warm_state_stays(example):
    np.testing.assert_allclose(example.linear(0.0, [0.0, 5.0]), example.WARM, rtol=1e-9)


def test_the_linear_theory_solves_its_equations(example):
    """The second moments one by one, written out from ẋ = p − γx/2, ṗ = −x − γp/2 − g Im b/√(ηk), ḃ = −(κ+i)b + κI."""
    g, scale, kappa, half = 0.3, np.sqrt(example.EFFICIENCY * example.STRENGTH), example.BANDWIDTH, example.DAMPING / 2

    def means(s):
        x, p, b, c = s
        return np.array([p - half * x, -x - half * p - g * c / scale, kappa * (2 * scale * x - b) + c, -kappa * c - b])

    def slope(t, flat):
        moments = flat.reshape(4, 4)
        change = np.array([means(row) for row in moments])
        bath = example.DAMPING * (example.BATH + 0.5)
        diffusion = np.diag([bath, bath + example.STRENGTH, kappa**2, 0.0])
        return (change + change.T + diffusion).reshape(-1)

    start = np.diag([example.WARM + 0.5, example.WARM + 0.5, 0.0, 0.0]).reshape(-1)
    solved = solve_ivp(slope, (0, 4.0), start, rtol=1e-9, atol=1e-11).y[:, -1].reshape(4, 4)
    np.testing.assert_allclose(example.linear(g, [4.0])[0], (solved[0, 0] + solved[1, 1] - 1) / 2, rtol=1e-6)

"""Closed forms of the problems whose standard errors are judged, and what counts as told of."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import error_bars


def test_mean_odds_follow_itos_equation():
    r"""With dp₀ = 2√γ p₀p₁ (dW₀ − dW₁) the odds r = p₁/p₀ have the drift 8γ r p₁ = 8γ (r − p₁), and p₁ has none."""
    times, gamma, p1 = np.linspace(0.0, 1.0, 4001), error_bars.STRENGTH_OF_ODDS, error_bars.UPPER
    odds = error_bars.mean_odds(times)["odds"]
    assert odds[0] == pytest.approx(p1 / (1 - p1))
    slope = np.gradient(odds, times, edge_order=2)
    np.testing.assert_allclose(slope, 8 * gamma * (odds - p1), rtol=1e-5)


def test_ten_kinds_of_problems_with_known_means():
    assert len({problem.title for problem in error_bars.PROBLEMS}) == 10
    for problem in (one for one in error_bars.PROBLEMS if one.exact is not None):
        ((name, function),) = problem.observables().items()
        assert problem.means()[name][0] == pytest.approx(float(function(np.asarray(problem.psi0))), rel=1e-6)


def test_deviations_and_told_biases():
    result = SimpleNamespace(
        times=np.arange(4.0),
        mean={"a": np.array([1.0, 1.2, 0.9, 1.0])},
        stderr={"a": np.array([0.0, 0.1, 0.1, 0.0])},
        bias={"a": np.array([0.0, 0.06, -0.04, 0.0])},
    )
    exact = {"a": np.array([1.0, 1.0, 1.0, 0.5])}
    np.testing.assert_allclose(error_bars.deviations(result, exact), [2.0, -1.0, error_bars.LARGEST_Z])
    assert error_bars.is_biased(result, ["a"]).tolist() == [True, False, False]
    result.bias = {"a": None}
    assert not error_bars.is_biased(result, ["a"]).any()


def test_runs_that_warn_are_not_held_to_their_errors(monkeypatch):
    """z² = 9 in every run: a fault, unless each one warns."""
    problem = error_bars.Problem("p", lambda: None, None, dict, np.arange(2.0), exact=lambda times: {"a": 0 * times})
    warned = [False]
    run = SimpleNamespace(times=np.arange(2.0), mean={"a": np.array([0, 3.0])}, stderr={"a": np.ones(2)}, bias={}, dt=1)
    monkeypatch.setattr(error_bars, "simulated", lambda *_: (run, warned[0]))
    row = error_bars.judge(problem, 3)
    assert (row["z2"], row["warned"], row["checks"][0]["passed"]) == (9.0, 0, False)
    warned[0] = True
    row = error_bars.judge(problem, 3)
    assert (row["z2"], row["warned"], row["z2_not_warned"], row["checks"][0]["passed"]) == (9.0, 3, None, True)

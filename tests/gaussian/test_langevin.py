"""Langevin paths: moments, the entropy along a path, and its two fluctuation theorems."""

import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.gaussian.paths import path_entropy
from tests.judging import judge, judge_mean

TIMES = np.array([0.0, 0.5, 1.5])
START = sq.gaussian.State([0.6, -0.2], [[0.9, 0.1], [0.1, 0.6]])
# Friction and noise in both coordinates, without detailed balance; and momentum noise alone, with it.
MINIMAL = sq.gaussian.brownian(1.0, 1.0, 0.3, 2.0)
KRAMERS = sq.gaussian.Dynamics([[0, 1], [-1, -0.8]], [[0, 0], [0, 1.6]], hbar=0.0)


@pytest.fixture(scope="module")
def paths():
    return sq.gaussian.langevin(MINIMAL, START, TIMES, trajectories=40_000, dt=0.05, seed=3)


def test_moments_are_those_of_the_wigner_function(paths):
    exact = MINIMAL.evolve(START, TIMES)
    second = exact.covariance + np.einsum("ti,tj->tij", exact.mean, exact.mean)
    wanted = {"q": exact.mean[:, 0], "p": exact.mean[:, 1], "qq": second[:, 0, 0], "qp": second[:, 0, 1]}
    wanted["pp"] = second[:, 1, 1]
    for name, values in wanted.items():
        judge_mean(paths.mean[name], paths.stderr[name], values, name)


def test_the_integral_fluctuation_theorem_holds_at_every_time(paths):
    judge_mean(paths.mean["exp(-entropy)"], paths.stderr["exp(-entropy)"], 1.0, "E[exp(-Σ)]")


def test_the_mean_entropy_of_paths_is_its_closed_form(paths):
    judge_mean(paths.mean["entropy"], paths.stderr["entropy"], path_entropy(MINIMAL, START, TIMES, 0.05), "E[Σ]")


def produced(dynamics):
    """∫Π dt by the trapezium rule."""
    fine = np.linspace(0.0, 1.5, 3001)
    rates = dynamics.entropy_production(
        sq.gaussian.Dynamics(dynamics.drift, dynamics.diffusion, 0.0).evolve(START, fine)
    )
    return np.sum(0.5 * (rates[1:] + rates[:-1]) * np.diff(fine))


def test_the_closed_form_tends_to_the_integral_of_the_entropy_production():
    errors = [produced(MINIMAL) - path_entropy(MINIMAL, START, TIMES, h)[-1] for h in (0.1, 0.05, 0.025)]
    assert 0 < errors[-1] < 2e-3 * produced(MINIMAL)
    assert np.log2(errors[0] / errors[1]) > 0.9 and np.log2(errors[1] / errors[2]) > 0.9, errors


@pytest.mark.parametrize("step", [0.5, 0.05])
def test_with_detailed_balance_the_ends_of_a_path_say_it_all(step):
    """Noise in the momentum alone; no step is too long."""
    assert path_entropy(KRAMERS, START, TIMES, step)[-1] == pytest.approx(produced(KRAMERS), abs=1e-6)


def test_a_balanced_steady_state_produces_nothing_on_any_path():
    """Not only on the mean: every path is as likely as its reverse."""
    result = sq.gaussian.langevin(KRAMERS, KRAMERS.steady_state(), TIMES, trajectories=256, dt=0.1, precision="double")
    assert np.max(np.abs(result.mean["entropy"])) < 1e-10
    assert np.max(result.variance["entropy"]) < 1e-20


def test_the_detailed_fluctuation_theorem_bin_by_bin():
    """ln P(s) − ln P_R(−s) = s, with the reversed paths started where these end."""
    edges = np.linspace(-3.0, 3.0, 25)
    options = {"trajectories": 60_000, "dt": 0.1, "edges": edges}
    forward = sq.gaussian.langevin(MINIMAL, START, TIMES, seed=1, **options).histograms["entropy"][1][-1]
    backward = sq.gaussian.langevin(MINIMAL, START, TIMES, seed=2, reverse=True, **options).histograms["entropy"][1][-1]
    turned = backward[::-1]
    inner = slice(1, -1)
    a, b, middle = forward[inner], turned[inner], 0.5 * (edges[1:] + edges[:-1])[inner]
    enough = (a > 100) & (b > 100)
    ratio, error = np.log(a / b)[enough], np.sqrt(1 / a + 1 / b)[enough]
    # Within a bin of width w, e^s weighs its upper end more: the ratio lies between the two ends' values.
    half = 0.5 * (edges[1] - edges[0])
    beyond = np.maximum(np.abs(ratio - middle[enough]) - half, 0.0) / error
    assert enough.sum() >= 8
    judge(min(1.0, 2 * stats.norm.sf(beyond.max()) * enough.sum()), "detailed fluctuation theorem")
    slope = np.polyfit(middle[enough], ratio, 1, w=1 / error)[0]
    assert slope == pytest.approx(1.0, abs=0.15)


def test_the_numbers_do_not_depend_on_the_saved_times():
    few = sq.gaussian.langevin(MINIMAL, START, [0.0, 1.0], trajectories=300, dt=0.25, keep=5)
    many = sq.gaussian.langevin(MINIMAL, START, [0.0, 0.5, 1.0], trajectories=300, dt=0.25, keep=5)
    np.testing.assert_allclose(few.kept[:, -1], many.kept[:, -1], rtol=1e-5, atol=1e-6)
    assert few.kept.shape == (5, 2, 3)


def test_runs_pool():
    one, two = (sq.gaussian.langevin(MINIMAL, START, TIMES, trajectories=200, dt=0.5, seed=seed) for seed in (0, 1))
    assert one.merge(two).trajectories == 400
    with pytest.raises(ValueError, match="trajector"):
        one.merge(one)


def test_own_observables_of_two_modes():
    dynamics = sq.gaussian.Dynamics(-np.eye(4), 2 * np.eye(4), hbar=0.0)
    state = sq.gaussian.State([1.0, 0, 0, 0], np.eye(4))
    watched = {"sum": np.ones(4), "energy": 0.5 * np.eye(4), "cube": lambda x: x[0] ** 3}
    result = sq.gaussian.langevin(dynamics, state, [0.0, 0.3], trajectories=20_000, observables=watched, entropy=False)
    mean = np.exp(-0.3)
    for name, value in {"sum": mean, "energy": 0.5 * (4 + mean**2), "cube": mean**3 + 3 * mean}.items():
        judge_mean(result.mean[name][-1], result.stderr[name][-1], value, name)
    assert list(result.mean) == ["sum", "energy", "cube"]


def test_means_that_few_paths_carry_are_warned_of():
    """E exp(−Σ) of paths that produce much entropy, as of a state far from the steady one."""
    far = sq.gaussian.State([6.0, 0.0], np.eye(2))
    with pytest.warns(UserWarning, match=r"^exp\(-entropy\): heavy tails"):
        sq.gaussian.langevin(MINIMAL, far, TIMES, trajectories=200, dt=0.5)


BAD = {
    "noise": (
        {"dynamics": sq.gaussian.Dynamics(-np.eye(2), np.diag([0.0, 1.0]), 0.0)},
        "^entropy: expected noise that",
    ),
    "many states": ({"state": MINIMAL.evolve(START, TIMES)}, "^state: expected one state of 1 modes"),
    "dt": ({"dt": -1.0}, "^dt: expected a positive step"),
    "form": ({"observables": {"x": np.ones(3)}}, r"^observables\['x'\]: expected a finite vector \(2,\)"),
    "edges": ({"edges": [0, 1], "entropy": False}, "^edges: expected None with entropy=False"),
    "trajectories": ({"trajectories": 1}, "^trajectories: expected a whole number of at least 2"),
    "precision": ({"precision": "half"}, "^precision: expected 'single' or 'double'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what):
    changed, message = BAD[what]
    given = {"dynamics": MINIMAL, "state": START, "trajectories": 10} | changed
    dynamics, state = given.pop("dynamics"), given.pop("state")
    with pytest.raises(ValueError, match=message):
        sq.gaussian.langevin(dynamics, state, TIMES, **given)

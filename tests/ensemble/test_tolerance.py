"""Runs to a stated tolerance: what they promise, what they refuse, what they keep."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accuracy import trajectories as counting
from stochq.accuracy.rare_events import CHANCES, extremes_of
from stochq.ensemble import runner
from stochq.ensemble.moments import Moments
from stochq.ensemble.to_tolerance import evaluate
from tests import liouville
from tests.problems import PROBLEMS, dense

TIMES = np.linspace(0.0, 1.0, 5)
HOPPING = np.array([[0.2, 0.5, 0.0], [0.5, -0.1, 0.4], [0.0, 0.4, 0.3]])
PSI = sq.normalize([1.0, 1j, -0.5])
OBSERVABLES = {"p": np.array([1.0, 0.0, 0.0]), "x": np.ones((3, 3))}
CAP = 10**6
EULER = sq.schemes.EulerMaruyama()


def equation():
    return sq.models.suv(sq.systems.levels(HOPPING), strength=0.8)


def run(**options):
    options = {"observables": OBSERVABLES, "trajectories": CAP, "tolerance": 0.02, **options}
    return sq.simulate(equation(), PSI, TIMES, **options)


def expected(watched):
    """From dense matrices in plain numpy."""
    jumps = [np.sqrt(0.8) * np.diag(row) for row in np.eye(3)]
    rho = liouville.density(HOPPING, jumps, PSI, TIMES, 1.0)
    return {name: liouville.expectation(dense(operator), rho) for name, operator in watched.items()}


def furthest(result, exact):
    return max(float(np.abs(result.mean[name] - exact[name]).max()) for name in exact)


# |bias| + 2 standard errors: a single mean is further off than the tolerance in at most 5 % of all runs. Of 8 runs
# with at most 10 % each (two observables, four correlated times), more than 4 fail with probability 4e-4; the seeds
# are fixed.
def test_answers_are_within_the_tolerance():
    problem = PROBLEMS["oqt"]()
    exact, wanted, failures = problem.expected(), 0.03, 0
    for seed in range(8):
        result = sq.simulate(
            problem.equation, problem.psi0, problem.times, observables=problem.observables, trajectories=CAP,
            tolerance=wanted, seed=seed,
        )  # fmt: skip
        assert result.info["reached"] <= wanted
        failures += furthest(result, exact) > wanted
    assert failures <= 4


def test_the_euler_scheme_takes_shorter_steps_for_the_same_tolerance():
    result, euler = run(tolerance=0.05), run(tolerance=0.05, scheme=EULER)
    assert euler.dt < result.dt
    # P(|z| > 2.7) of the worst of eight correlated points is below 5 %; the seed is fixed.
    assert furthest(euler, expected(OBSERVABLES)) < 0.05


def test_the_promise_is_kept_in_terms_of_the_result_itself():
    result = run(tolerance=0.005)
    for name in OBSERVABLES:
        assert np.all(np.abs(result.bias[name]) <= 0.25 * 0.005)
        assert np.all(np.abs(result.bias[name]) + 2 * result.stderr[name] <= 0.005)
    # And with little waste: the error that decided is near the tolerance.
    assert 0.005 * 0.75 < result.info["reached"] <= 0.005


def test_a_smaller_tolerance_takes_more():
    coarse, fine = run(tolerance=0.01), run(tolerance=0.005)
    # Four times as many, but for the room that the bias of either step leaves.
    assert 2.5 < fine.trajectories / coarse.trajectories < 6
    assert fine.dt <= coarse.dt


def test_a_rare_event_is_waited_for():
    """Born: one in a thousand ends in level 0. Those that do not, show nothing of it."""
    psi = np.sqrt([1e-3, 1 - 1e-3])
    frozen = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=30.0)
    options = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": CAP, "tolerance": 1e-4, "dt": 1.0}
    for seed in range(3):
        result = sq.simulate(frozen, psi, [0.0, 1.0], seed=seed, **options)
        # Variance 1e-3, room 1e-4 for 2.2 standard errors: 4.8e5 trajectories.
        assert 3e5 < result.trajectories < 7e5
        assert abs(result.mean["p"][-1] - 1e-3) < 2e-4  # four standard errors


def test_an_event_not_yet_seen_counts_with_its_range():
    """2048 trajectories in which a population never differed from 1e-3 do not end a run that asks for 1e-4."""
    target = counting.Target(1e-4, ("p",), np.array([True]), np.array([1.0]), np.zeros((2, 1)), np.zeros(1))
    for spread in (0.0, 1e-3):
        seen = Moments(2048.0, np.full((2, 1), 1e-3), np.full((2, 1), 2047 * spread**2))
        assert target.wanted(seen, 10**9) == 8 * 2048
        assert target.reached(seen)[0] > 1e-3


def test_as_many_are_wanted_as_will_do():
    """Variance 0.25 and a range of 63: with the number that is wanted, what is reached is the tolerance."""
    target = counting.Target(1e-3, ("n",), np.array([True]), np.array([63.0]), np.full((2, 1), 2e-4), np.zeros(1))
    many = target.wanted(Moments(1e6, np.zeros((2, 1)), np.full((2, 1), 0.25 * 999_999)), 10**9)
    reached, name = target.reached(Moments(float(many), np.zeros((2, 1)), np.full((2, 1), 0.25 * (many - 1))))
    assert name == "n" and 0.98e-3 < reached < 1e-3
    # Without the guard it were 4.84 · 0.25 / (8e-4)² = 1.9e6.
    assert 1.9e6 < many < 3e6


def test_an_event_is_no_larger_than_the_mean_state_allows():
    """Variance 0.1, range 50, fourth moment 0.02: one event of chance 3/n adds √(3·0.02/n) at most."""
    moments = np.ones((len(counting.MOMENTS), 2, 1))
    moments[0], moments[1] = 1.0, 0.02 / 50**4
    target = counting.Target(1e-3, ("n",), np.array([True]), np.array([50.0]), np.zeros((2, 1)), np.zeros(1), moments)
    many = target.wanted(Moments(1e5, np.zeros((2, 1)), np.full((2, 1), 0.1 * 99_999)), 10**9)
    expected = 2.2**2 * 0.1 / 1e-6
    for _ in range(50):
        expected = 2.2**2 / 1e-6 * (0.1 + np.sqrt(3 * 0.02 / expected))
    np.testing.assert_allclose(many, counting.MARGIN * expected, rtol=1e-3)


@pytest.mark.release
def test_pairs_are_kept_only_where_they_help():
    """Two levels in an even superposition: each image collapses onto the other level. Where only squares of the noise
    count, images do as their originals, and the pairs are given up."""
    psi, frozen = np.sqrt([0.5, 0.5]), sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=2.0)
    options = {"trajectories": CAP, "tolerance": 0.02, "dt": 0.5}
    odd = sq.simulate(frozen, psi, [0.0, 1.0], observables={"p": np.array([1.0, 0.0])}, **options)
    assert odd.antithetic and odd.trajectories == 2048 and odd.variance["p"][-1] > 0.1
    assert abs(odd.mean["p"][-1] - 0.5) < 1e-3
    # What the pilots leave open of the bias is in the way of this tolerance, not of the choice.
    with pytest.warns(UserWarning, match="was not met"):
        even = sq.simulate(frozen, psi, [0.0, 1.0], observables={"ipr": _purity_like}, **options | {"tolerance": 0.004})
    assert not even.antithetic and even.trajectories > 2048
    # What ran in pairs is not run again where going on in pairs is less.
    enough = sq.simulate(frozen, psi, [0.0, 1.0], observables={"ipr": _purity_like}, **options)
    assert enough.antithetic and enough.trajectories < 2 * 2048
    alone = sq.simulate(frozen, psi, [0.0, 1.0], observables={"p": np.array([1.0, 0.0])}, antithetic=False, **options)
    assert not alone.antithetic and alone.trajectories > odd.trajectories


def test_the_extremes_of_a_matrix_are_those_of_its_eigenvalues():
    """A function is looked at on basis states, on superpositions and on the state itself."""
    matrix, psi = np.array([[1.0, 2.0], [2.0, -2.0]]), np.sqrt([0.2, 0.8])
    watched = {
        "function": lambda psi: 3 * jnp.abs(psi[0]) ** 2 - 1,
        "alike": lambda psi: jnp.where(jnp.abs(jnp.abs(psi[0]) ** 2 - 0.2) < 1e-6, 7.0, 1.0),
        "matrix": matrix,
        "diagonal": np.array([3.0, -1.0]),
        "never": lambda psi: jnp.nan * psi[0].real,
    }
    low, high = extremes_of(watched, psi, evaluate)
    np.testing.assert_allclose(low, [-1.0, 1.0, -3.0, -1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(high, [2.0, 7.0, 2.0, 3.0, 0.0], atol=1e-6)


def test_a_level_out_of_reach_asks_for_no_trajectories():
    """A damped cavity below twenty photons: ⟨n⟩² could be 3969 in its 64 levels, and is below 400."""
    dim, amplitude = 64, 1.0
    number = np.arange(dim)
    psi = np.exp(-0.5 * amplitude**2) * np.cumprod(np.r_[1.0, amplitude / np.sqrt(number[1:])])
    a = np.diag(np.sqrt(number[1:].astype(float)), 1)
    equation = sq.models.unravel(sq.systems.levels(0.1 * number**2), [a])

    def squared(psi):
        return jnp.sum(number * jnp.abs(psi) ** 2) ** 2

    result = sq.simulate(
        equation, psi, [0, 0.5], observables={"n2": squared}, trajectories=2**22, tolerance=0.02, antithetic=False
    )
    spread = result.variance["n2"][-1]
    # 2.2 standard errors in what the bias leaves, and the guard of a range below 400: sqrt(3)·400·2.2/0.015 samples.
    assert result.trajectories < 1.3 * (2.2 / 0.015) ** 2 * spread + 1.02 * np.sqrt(3) * 400 * 2.2 / 0.015
    full = extremes_of({"n2": squared}, psi, evaluate)[1]
    np.testing.assert_allclose(full, 63.0**2, rtol=1e-6)


def test_occupied_states_are_those_of_the_mean_state():
    """A qutrit whose third level nothing couples to, in a rotated basis; a rare level stays in reach."""
    from stochq.accuracy.mean_map import mean_map_estimator
    from stochq.schemes import frame_of

    angle = 0.3
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    decay = turn @ np.array([[0.0, 0, 0], [1, 0, 0], [0, 0, 0]]) @ turn.T
    equation = sq.models.unravel(sq.systems.levels(np.zeros(3)), [0.01 * decay])
    scheme = sq.schemes.Strang(increments="discrete")
    psi, times = np.array([1, 0j, 0]), np.array([0, 1.0])
    mean = mean_map_estimator(equation, frame_of(equation), psi, times, {"norm": np.ones(3)}, scheme, 1.0)
    assert mean is not None
    kept = mean.occupied(1.0).without_rarest(1e-6)
    # The level that 1e-4 decay to, not the one beside it.
    np.testing.assert_allclose(kept @ kept.conj().T, turn @ np.diag([1, 1, 0]) @ turn.T, atol=1e-6)


def test_an_event_that_was_not_seen_is_the_rarer_the_farther_it_goes():
    """Against an event with the chances that are allowed: 3e-3 to be off at all, c to be beyond R(c)."""
    beside = np.linspace(1.0, 50.0, len(CHANCES))[:, None]
    target = counting.Target(
        1.0, ("f",), np.array([True]), np.array([100.0]), np.zeros((2, 1)), np.zeros(1), None, beside
    )
    seen = Moments(np.array(1000.0), np.zeros((2, 1)), np.zeros((2, 1)))
    _, unseen = target.variance(seen, 1000.0)
    chances = [3e-3, *(10.0**-power for power in range(3, 15))]
    values = [*beside[1:, 0], 100.0]
    worst = sum((chances[k] - chances[k + 1]) * values[k] ** 2 for k in range(len(chances) - 1))
    worst += chances[-1] * values[-1] ** 2
    # No allowed event varies more; the bound counts every chance whole, with the third of it that goes farther.
    assert worst < unseen[0] < 3e-3 * 100.0**2 and unseen[0] < 1.5 * worst


def test_a_small_cap_says_what_was_reached():
    with pytest.warns(UserWarning, match=r"^tolerance: 0.001 was not met; 3000 trajectories, of at most 3000, reached"):
        result = run(trajectories=3000, tolerance=1e-3)
    assert result.trajectories == 3000 and result.info["reached"] > result.info["tolerance"] == 1e-3
    worst = max(result.stderr[name].max() for name in OBSERVABLES)
    assert result.info["decided_by"] in OBSERVABLES and 2.2 * worst < result.info["reached"] < 2.4 * worst + 2.5e-4
    assert str(result).startswith("EnsembleResult: 3000 trajectories")


def test_a_given_step_with_too_much_bias_is_reported_and_does_not_run_to_the_cap():
    with pytest.warns(UserWarning, match="or a shorter dt if you gave one"):
        result = run(dt=0.25, scheme=EULER, tolerance=0.01)
    assert result.dt == 0.25 and result.info["dt_reason"].startswith("given; bias from")
    assert result.trajectories < 10**5
    bias = max(np.abs(result.bias[name]).max() for name in OBSERVABLES)
    error = furthest(result, expected(OBSERVABLES))
    assert 0.01 < error < result.info["reached"] and 0.5 * error < bias < 2 * error


def test_a_given_step_is_kept():
    result = run(dt=0.05)
    assert result.dt == 0.05 and result.info["reached"] <= 0.02


def _purity_like(psi):
    return jnp.sum(jnp.abs(psi) ** 4)


def test_functions_and_statistics_stand_beside_operators():
    edges = np.linspace(0, 1, 6)
    watched = {
        "ipr": _purity_like,
        "x": OBSERVABLES["x"],
        "rho": sq.Density(),
        "p": OBSERVABLES["p"],
        "bins": sq.Histogram(OBSERVABLES["p"], edges),
    }
    result = run(observables=watched)
    assert list(result.mean) == ["ipr", "x", "p"]
    for name in ("ipr", "x", "p"):
        assert np.all(np.abs(result.bias[name]) + 2 * result.stderr[name] <= 0.02)
    exact = expected(OBSERVABLES)
    assert furthest(result, exact) < 0.02
    np.testing.assert_allclose(result.density[-1][0, 0].real, result.mean["p"][-1], atol=1e-4)
    np.testing.assert_array_equal(result.histograms["bins"][1].sum(axis=1), result.trajectories)


def test_nobody_asked_for_the_monitors_of_a_grid():
    particle = sq.systems.particle(32, 14.0, mass=1.0, potential=sq.systems.harmonic(1.0))
    model = sq.models.csl(particle, rate=0.5, length=1.0)
    position = particle.operators["position"]
    options = {"observables": {"x": position}, "trajectories": CAP, "tolerance": 0.05}
    result = sq.simulate(model, particle.gaussian(0.7, 0.8), [0.0, 0.5, 1.0], **options)
    assert list(result.mean) == ["x"] and result.info["decided_by"] == "x" and result.info["reached"] <= 0.05
    # Ehrenfest: collapse in position does not move the mean of a harmonic motion.
    assert abs(result.mean["x"][-1] - 0.7 * np.cos(1.0)) < 0.05


def test_batch_changes_no_number():
    whole, pieces = run(), run(batch=1)
    assert whole.trajectories == pieces.trajectories
    for name in OBSERVABLES:
        np.testing.assert_array_equal(whole.mean[name], pieces.mean[name])


def test_a_run_of_as_many_trajectories_gives_the_same_numbers():
    chosen, averages = run(), sq.schemes.Strang()
    assert chosen.scheme == averages.name
    plain = run(
        tolerance=None, scheme=averages, trajectories=chosen.trajectories, dt=chosen.dt, antithetic=chosen.antithetic
    )
    np.testing.assert_array_equal(chosen.mean["x"], plain.mean["x"])
    both = chosen.merge(run(seed=1))
    assert both.trajectories > 1.9 * chosen.trajectories


def test_first_states_are_kept():
    assert run(keep=5).kept.shape == (5, 5, 3)


def test_an_interrupted_run_keeps_what_it_has(monkeypatch):
    add, calls = runner.added, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return add(*arguments)

    monkeypatch.setattr(runner, "added", interrupt)
    with pytest.warns(UserWarning, match="interrupted: the result holds 3072") as caught:
        result = run(batch=1, tolerance=0.005)
    assert len(caught) == 1  # not met, but nobody needs to be told
    assert result.trajectories == 3072 and result.info["interrupted"]
    assert result.info["reached"] > result.info["tolerance"]


@pytest.mark.parametrize("wrong", [0.0, -1e-3, np.nan, np.inf, "small"])
def test_a_tolerance_must_be_positive(wrong):
    with pytest.raises(ValueError, match=r"^tolerance: expected a positive number; got"):
        run(tolerance=wrong)


def test_a_cap_below_the_pilot_is_refused():
    with pytest.raises(ValueError, match=r"^trajectories: expected a cap of at least 2048 with a tolerance.*got 2047"):
        run(trajectories=2047)


def test_statistics_alone_have_no_mean_to_judge():
    with pytest.raises(ValueError, match=r"^observables: expected at least one operator or function.*tolerance"):
        run(observables={"rho": sq.Density()})


def test_a_step_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"^dt: expected at most the longest interval"):
        run(dt=0.3)


def test_a_variance_with_heavy_tails_may_be_too_small():
    """Variance 0.1 ± √(κ/n) of itself: twice that is allowed for, beyond a kurtosis of 3."""
    target = counting.Target(1e-3, ("n",), np.array([True]), np.array([1.0]), np.zeros((2, 1)), np.zeros(1))
    squares = np.full((2, 1), 0.1 * 99_999)
    for excess, beyond in ((1003.0, 1000.0), (2.0, 0.0)):
        fourths = (excess + 3) * squares**2 / 1e5
        many = target.wanted(Moments(1e5, np.zeros((2, 1)), squares, fourths=fourths), 10**9)
        expected = 2.2**2 * 0.1 / 1e-6
        for _ in range(50):
            expected = 2.2**2 / 1e-6 * (0.1 * (1 + 2 * np.sqrt(beyond / expected)) + 3 / expected)
        np.testing.assert_allclose(many, counting.MARGIN * expected, rtol=2e-3)

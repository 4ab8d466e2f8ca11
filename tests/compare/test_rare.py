"""Events so rare that few trajectories or none saw them: right ensembles pass, wrong models do not, by times."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.compare import compare
from stochq.compare.hotelling import thinned
from stochq.compare.rare import chosen_points
from stochq.exact.readout import Readout
from stochq.exact.result import ExactResult
from tests.ensembles import ensemble_of

TIMES = np.linspace(0.0, 2.0, 21)
RATE = 0.5
SEEDS = 60


def mean_of(rate):
    """Of t² before an event and of −1 after it; the chance that there was none is exp(−r t³)."""
    none = np.exp(-rate * TIMES**3)
    return none * TIMES**2 - (1 - none)


def events(seed, count):
    """Values (trajectory, time) of the process that `mean_of` is the mean of."""
    happens = (np.random.default_rng(seed).exponential(size=(count, 1)) / RATE) ** (1 / 3)
    return np.where(happens > TIMES, TIMES**2, -1.0)


def exact_of(mean, **changes):
    return ExactResult(TIMES, {"n": np.asarray(mean)}, None, "none", 0.0, 0.0, **changes)


@pytest.mark.parametrize("count", [200, 500, 2000])
def test_right_ensembles_pass_and_wrong_models_do_not(count):
    """p < .01 in more than 4 of 60 ensembles once in 3000 if p is right."""
    ensembles = [ensemble_of(events(seed, count), TIMES) for seed in range(SEEDS)]
    right = np.array([compare(one, exact_of(mean_of(RATE))).p_value for one in ensembles])
    assert np.sum(right < 0.01) <= 4 and right.min() > 1e-6
    assert stats.kstest(right, "uniform").pvalue > 1e-4
    assert all(compare(one, exact_of(mean_of(3.0 * RATE))).p_value < 1e-6 for one in ensembles)
    # At the first times no trajectory has seen an event, or one.
    seen = np.array([(events(seed, count)[:, 1:4] < 0).sum(axis=0) for seed in range(SEEDS)])
    assert np.mean(np.any(seen == 0, axis=1)) > 0.2 and np.mean(np.any(seen == 1, axis=1)) > 0.2
    assert min(compare(one, exact_of(mean_of(RATE))).dof for one in ensembles) >= 0.03 * min(count, 250)


def test_times_without_events_may_be_off_by_what_was_not_seen_and_no_more():
    """N = 500, at t = .2 the value goes from .04 to −1: chances of 3/500 are not excluded, those of .1 are."""
    values = np.where(np.random.default_rng(1).random((500, 1)) < TIMES - 0.35, -1.0, TIMES**2)
    ensemble, mean = ensemble_of(values, TIMES), np.clip(TIMES - 0.35, 0, 1) * (-1 - TIMES**2) + TIMES**2
    assert not np.any(ensemble.stderr["n"][:4] > 1e-12)
    assert compare(ensemble, exact_of(mean)).p_value > 1e-3
    for chance, right in ((3 / 500, True), (0.1, False)):
        off = compare(ensemble, exact_of(np.where(TIMES == TIMES[2], 0.04 - chance * 1.04, mean)))
        assert (off.p_value > 1e-3) == right
        assert np.isinf(off.z["n"][2]) != right
    # So is a time that one trajectory has seen.
    values[0, TIMES == TIMES[2]] = -1.0
    ensemble, elsewhere = ensemble_of(values, TIMES), np.where(TIMES == TIMES[2], 0.04 - 0.1 * 1.04, mean)
    assert compare(ensemble, exact_of(mean)).p_value > 1e-3
    assert compare(ensemble, exact_of(elsewhere)).p_value == 0.0
    started_elsewhere = exact_of(np.where(TIMES == 0, 1e-3, mean))
    assert compare(ensemble, started_elsewhere).p_value == 0.0


def test_what_never_fluctuates_is_judged_by_its_range():
    # Sums of 500 such values are exact.
    value = np.round(64 * TIMES**2) / 64
    ensemble = ensemble_of(np.broadcast_to(value, (500, len(TIMES))) + 0.0, TIMES)
    off = value - 2e-3 * TIMES
    assert compare(ensemble, exact_of(value)).p_value == 1.0
    assert compare(ensemble, exact_of(off)).p_value == 0.0
    assert compare(ensemble, exact_of(off, ranges={"n": 1.0})).p_value == 1.0
    assert compare(ensemble, exact_of(value - 0.1 * TIMES, ranges={"n": 1.0})).p_value == 0.0
    # A state that stays pure is the same in all trajectories.
    pure = np.broadcast_to(np.diag([1.0, 0.0]), (len(TIMES), 2, 2))
    known = ExactResult(TIMES, {"n": off}, pure, "none", 0.0, 0.0, ranges={"n": 1.0})
    assert compare(ensemble, known).p_value == 0.0


def test_the_error_by_what_was_not_seen_is_that_of_three_events():
    """Two values at a distance of 5, in 3 of 100 trajectories from t = 1 on: √3·5/100 before, and where 3 tell."""
    values = np.zeros((100, len(TIMES)))
    values[:3, TIMES >= 1] = 5.0
    found = ensemble_of(values, TIMES).unseen("n")
    np.testing.assert_allclose(found[1:], np.sqrt(3) * 0.05, rtol=0.01)
    assert found[0] == 0.0
    gaussian = np.random.default_rng(2).normal(size=(100, len(TIMES)))
    assert not np.any(ensemble_of(gaussian, TIMES).unseen("n"))


def test_as_many_points_are_chosen_as_their_errors_allow():
    """Twenty values to a point: of 30 points worth 400 and one worth 2, twenty; of all alike, spread evenly."""
    worth = np.r_[2, np.full(30, 400)]
    found = chosen_points(worth)
    assert len(found.places) == 20 and found.effective == 400 and found.left_out.tolist() == [0]
    alike = chosen_points(np.full(50, 500))
    np.testing.assert_array_equal(alike.places, thinned(50, 500))
    assert not len(alike.left_out)
    graded = chosen_points(np.array([4, 30, 109, 229, 500]))
    assert graded.places.tolist() == [2, 3, 4] and graded.effective == 109
    assert len(chosen_points(np.full(10, 5), least=4).places) == 4


def test_ranges_bound_those_of_expectations():
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    operators = {"diagonal": np.array([1.0, 4.0, 2.0]), "one": np.eye(3), "h": (matrix + matrix.conj().T)[:3, :3]}
    found = Readout(operators, 3).ranges
    assert found["diagonal"] == 3.0 and found["one"] == 0.0
    assert found["h"] >= np.ptp(np.linalg.eigvalsh(operators["h"]))


SIGMA = np.array([[0.0, 0.0], [1.0, 0.0]])
EXCITED = {"excited": np.array([1.0, 0.0])}


def driven(frequency, decay=1.0):
    """A driven qubit whose photons are counted."""
    photons = sq.measurement.counting(jnp.sqrt(decay) * SIGMA, efficiency=0.5)
    return sq.models.monitored(frequency / 2 * (SIGMA + SIGMA.T), {"photons": photons})


@pytest.mark.parametrize("seed", [0, 5])
def test_a_driven_qubit_that_few_have_seen_click(seed):
    """At t = .1 one of 500 trajectories has clicked with seed 0, none with seed 5."""
    times = np.linspace(0, 5, 51)
    run = sq.simulate(driven(3.0), [0, 1.0], times, observables=EXCITED, trajectories=500, seed=seed)
    assert (run.stderr["excited"][1] < 1e-8) == (seed == 5)

    def judged(*parameters):
        return compare(run, sq.exact.evolve(driven(*parameters), [0, 1.0], times, observables=EXCITED))

    right = judged(3.0)
    assert right.p_value > 1e-3 and right.dof >= 20
    assert "excited is left out at t = 0.1, 0.2, " in str(right)
    assert all(judged(*wrong).p_value < 1e-6 for wrong in ((4.5,), (3.0, 4.0), (3.3,)))


def test_where_all_trajectories_are_in_one_state_no_event_was_missed():
    """A turning qubit without noise beside one that turns a little slower: off by a thousandth is off."""

    def turning(speed):
        return sq.Equation(sq.systems.levels([[0.0, speed], [speed, 0.3]]), ())

    times, run = np.linspace(0, 1, 4), {"observables": {"p": np.array([0.0, 1.0])}}
    exact = sq.exact.evolve(turning(0.5), [1.0, 0.0], times, **run)
    found = [sq.simulate(turning(0.5 + off), [1.0, 0.0], times, trajectories=1000, **run) for off in (0.0, 1e-3)]
    assert sq.compare(found[0], exact).p_value > 0.01 and sq.compare(found[1], exact).p_value < 1e-4

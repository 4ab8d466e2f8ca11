"""Heavy tails: third and fourth moments, what errors are worth, and that right ensembles are not called wrong."""

import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.compare import compare
from stochq.ensemble.moments import Moments, excess_kurtosis, merged_moments, skewness
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.statistics import Covariance, Mean
from stochq.ensemble.tails import Tail, tails_of
from stochq.exact.result import ExactResult
from tests.ensembles import ensemble_of


def _moments(values: np.ndarray) -> Moments:
    away = values - values.mean()
    return Moments(float(len(values)), values.mean(), *(np.sum(away**power) for power in (2, 3, 4)))


@pytest.mark.parametrize(
    ("kurtosis", "worth", "uncertain"), [(5.0, 49, True), (5.0, 51, False), (31.0, 74, True), (31.0, 76, False)]
)
def test_a_run_warns_earlier_where_few_carry_the_fourth_moment(kurtosis, worth, uncertain):
    assert Tail("x", 1.0, kurtosis, worth, 1, 1e4).is_uncertain == uncertain


def test_moments_merge_to_those_of_all():
    """Three unequal parts of skewed values against scipy on all of them."""
    values = np.random.default_rng(1).gamma(0.3, size=700) * 3.0 - 5.0
    merged = _moments(values[:30])
    for part in (values[30:400], values[400:]):
        merged = merged_moments(merged, _moments(part))
    assert merged.mean == pytest.approx(values.mean(), rel=1e-12)
    assert merged.squares == pytest.approx(700 * values.var(), rel=1e-12)
    assert float(skewness(merged)) == pytest.approx(stats.skew(values), rel=1e-10)
    assert float(excess_kurtosis(merged)) == pytest.approx(stats.kurtosis(values), rel=1e-10)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_no_power_leaves_single_precision(size):
    values = np.random.default_rng(2).gamma(0.5, size=(2, 3, 64)) * size
    values[0, 0] = size
    statistic = Mean()
    weights = np.r_[np.ones(60), np.zeros(4)].astype(np.float32)
    seen = statistic.on_host(statistic.block(values.astype(np.float32), weights))
    counted = values.astype(np.float32).astype(float)[..., :60]
    mean, variance = statistic.finish(seen)
    np.testing.assert_allclose(mean, counted.mean(axis=-1), rtol=1e-5)
    np.testing.assert_allclose(variance, counted.var(axis=-1, ddof=1), rtol=1e-4, atol=1e-12 * size**2)
    points = Covariance(np.array([[0, 1], [2, 1]]))
    summary = points.on_host(points.block(values.astype(np.float32), weights))
    np.testing.assert_allclose(points.finish(summary), np.cov(counted[1, [0, 2]]), rtol=1e-4, atol=1e-6 * size**2)
    np.testing.assert_allclose(excess_kurtosis(seen)[1], stats.kurtosis(counted[1], axis=-1), rtol=1e-3, atol=1e-3)


def _ensemble(values: np.ndarray) -> EnsembleResult:
    return ensemble_of(values, np.arange(values.shape[1]), skewness={"n": stats.skew(values, axis=0)})


def _bursts(rng: np.random.Generator, count: int, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Rare kicks that decay: excess kurtosis 6/.02 of each, and the mean Σ .7^j."""
    values, mean = [np.zeros(count)], [0.0]
    for _ in range(times - 1):
        values.append(0.7 * values[-1] + rng.gamma(0.02, 50.0, count))
        mean.append(0.7 * mean[-1] + 1.0)
    return np.stack(values[1:], axis=1), np.array(mean[1:])


def _growing(rng: np.random.Generator, count: int, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponentials of Brownian motion with mean one."""
    spread = np.linspace(0.2, 1.5, times)
    steps = rng.normal(size=(count, times)) * np.sqrt(np.diff(np.r_[0.0, spread**2]))
    return np.exp(np.cumsum(steps, axis=1) - spread**2 / 2), np.ones(times)


@pytest.mark.parametrize(("toy", "too_small"), [(_bursts, 0.1), (_growing, 0.03)])
def test_right_ensembles_with_heavy_tails_are_not_called_wrong(toy, too_small):
    """200 data sets of 500 trajectories with a known mean: p < .01 in 1 % of them if p is uniform, at most in 3 %."""
    rng = np.random.default_rng(5)
    aware, unaware = [], []
    for _ in range(200):
        values, mean = toy(rng, 500, 12)
        ensemble = _ensemble(values)
        exact = ExactResult(ensemble.times, {"n": mean}, None, "ode", 0.0, 0.0)
        aware.append(compare(ensemble, exact).p_value)
        unaware.append(compare(EnsembleResult(**{**vars(ensemble), "kurtosis": {}}), exact).p_value)
    assert np.mean(np.array(aware) < 0.01) <= 0.03
    assert min(aware) > 1e-6
    assert np.mean(np.array(unaware) < 0.01) > too_small


def test_gaussian_values_are_judged_as_before():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(500, 12)).cumsum(axis=1)
    ensemble = _ensemble(values)
    exact = ExactResult(ensemble.times, {"n": np.zeros(12)}, None, "ode", 0.0, 0.0)
    unaware = compare(EnsembleResult(**{**vars(ensemble), "kurtosis": {}}), exact)
    assert compare(ensemble, exact).p_value == unaware.p_value
    assert not ensemble.tails()


def test_runs_report_and_merge_kurtosis(tmp_path):
    """A rare decay seen by its jump-like populations, against scipy on the states."""
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=2.0)
    state = [np.sqrt(0.999), np.sqrt(0.001)]

    def run(seed):
        return sq.simulate(
            equation, state, [0, 1, 3], observables={"p": [0.0, 1.0]}, trajectories=1500, seed=seed, dt=0.1, keep=1500
        )

    with pytest.warns(UserWarning, match="^p: heavy tails"):
        one, two = run(1), run(2)
    both = one.merge(two)
    for result, states in ((one, one.kept), (both, np.concatenate([one.kept, two.kept]))):
        values = np.abs(states[..., 1].astype(complex)) ** 2
        np.testing.assert_allclose(result.kurtosis["p"][1:], stats.kurtosis(values[:, 1:], axis=0), rtol=1e-3)
        np.testing.assert_allclose(result.skewness["p"][1:], stats.skew(values[:, 1:], axis=0), rtol=1e-3)
    assert "p: heavy tails (excess kurtosis" in str(one)
    loaded = sq.load(one.save(tmp_path / "run.nc"))
    np.testing.assert_array_equal(loaded.kurtosis["p"], one.kurtosis["p"])


def _rarely(trajectories: int, seed: int) -> sq.EnsembleResult:
    """SUV to the end from p = .004, of whose trajectories four in a thousand carry the mean."""
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=8.0)
    state = [np.sqrt(0.004), np.sqrt(0.996)]
    return sq.simulate(
        equation, state, [0, 0.25, 1], observables={"p": [1.0, 0.0], "one": [1.0, 1.0]}, trajectories=trajectories,
        seed=seed, dt=0.25, keep=trajectories,
    )  # fmt: skip


def test_a_mean_that_few_trajectories_carry_is_warned_of():
    """What is told against scipy on the states; at the end n of N are at one, so that κ + 3 = N/n."""
    with pytest.warns(UserWarning) as caught:
        run = _rarely(1000, 0)
    population = np.abs(run.kept[:, :, 0].astype(complex)) ** 2
    kurtosis = stats.kurtosis(population[:, 1:], axis=0).max()
    (tail,) = tails_of(run)
    assert tail.kurtosis == pytest.approx(kurtosis, rel=1e-3)
    assert tail.worth == int(1000 / (1 + (kurtosis - 3) / 2))
    assert tail.carried_by == max(1, round(1000 / (kurtosis + 3)))
    assert tail.needed == pytest.approx(200 * (1 + (kurtosis - 3) / 2), rel=1e-3)
    assert len(caught) == 1 and str(caught[0].message) == str(tail) and run.tails() == [f"  {tail}"]
    assert f"{tail.needed:.2g} trajectories or more would tell it" in str(tail)


def test_so_many_trajectories_as_are_told_make_a_normal_error():
    with pytest.warns(UserWarning):
        (tail,) = tails_of(_rarely(1000, 3))
    assert 2e4 < tail.needed < 2e5
    assert not tails_of(_rarely(60_000, 4))


@pytest.mark.parametrize("seeds", [range(15, 30), pytest.param(range(200), marks=pytest.mark.release)])
def test_right_runs_with_heavy_tails_are_warned_of_and_not_called_impossible(seeds):
    """The exact mean stays .004; two runs in a hundred see no trajectory that gets there."""
    exact = ExactResult(np.array([0, 0.25, 1]), {"p": np.full(3, 0.004)}, None, "ode", 0.0, 0.0, ranges={"p": 1.0})
    values = []
    for seed in seeds:
        with pytest.warns(UserWarning, match="^p: heavy tails"):
            judged = compare(_rarely(1000, seed), exact)
        values.append(judged.p_value)
        # Up to 3 trajectories of 1000 may have been missed, at a distance of 1: the error is √3/1000 at least.
        assert np.abs(judged.z["p"]).max() < 3
    assert min(values) > 1e-3 and np.mean(np.array(values) < 0.01) <= 0.02

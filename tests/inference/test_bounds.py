"""Bounds, priors, several starts and intervals, against least squares worked out by hand or by SciPy."""

import warnings

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize, stats

import stochq as sq
from stochq.ensemble import progress
from stochq.inference.coordinates import Coordinates
from tests.judging import judge

T = np.linspace(0.1, 3.0, 20)
ERROR = 0.05
NOISE = ERROR * np.random.default_rng(0).normal(size=T.size)
START = {"height": 1.0, "rate": 3.0}


def decay(parameters, times=T):
    return parameters["height"] * jnp.exp(-parameters["rate"] * times)


def test_free_coordinates_go_back_and_forth_with_their_slopes():
    low, high = np.array([-np.inf, 0.5, -np.inf, -1.0]), np.array([np.inf, np.inf, 2.0, 3.0])
    coordinates, theta = Coordinates(low, high), np.array([0.3, 0.7, -4.0, 2.5])
    u = coordinates.free(theta)
    np.testing.assert_allclose(coordinates.bounded(u), theta)
    np.testing.assert_allclose(coordinates.bounded(jnp.asarray(u)), theta, rtol=1e-6)
    first, second = coordinates.slopes(theta)
    ahead, behind = coordinates.bounded(u + 1e-4), coordinates.bounded(u - 1e-4)
    np.testing.assert_allclose(first, (ahead - behind) / 2e-4, rtol=1e-6)
    np.testing.assert_allclose(second, (ahead - 2 * theta + behind) / 1e-8, atol=1e-5)
    assert np.all(first > 0)


@pytest.mark.parametrize("ends", [(0.0, None), (None, 5.0), (0.0, 9.0)])
def test_bounds_that_do_not_bind_change_nothing(ends):
    data = (2 * np.exp(-0.7 * T) + NOISE, ERROR)
    free = sq.fit(decay, data, START)
    within = sq.fit(decay, data, START, bounds={"rate": ends, "height": (0.0, None)})
    assert within.converged and within.at_bound == () and within.dof == free.dof
    np.testing.assert_allclose([*within.parameters.values()], [*free.parameters.values()], rtol=1e-4)
    np.testing.assert_allclose(within.covariance, free.covariance, rtol=1e-2)


def test_an_estimate_at_its_bound_has_an_interval_of_one_side():
    """A slope that must be positive and data that fall: least squares with the slope held at 0, worked out by hand."""
    data = 1.0 - 0.03 * T + NOISE

    def line(p):
        return p["level"] + p["slope"] * T

    with pytest.warns(UserWarning, match="^fit: slope at the bound") as told:
        fit = sq.fit(line, (data, ERROR), {"level": 0.5, "slope": 1.0}, bounds={"slope": (0.0, None)})
    assert len(told) == 1 and fit.at_bound == ("slope",) and "! slope at the bound" in str(fit)
    assert fit.parameters["slope"] == 0.0 and fit.parameters["level"] == pytest.approx(data.mean(), rel=1e-4)
    assert fit.stderr["level"] == pytest.approx(ERROR / np.sqrt(20), rel=1e-3) and fit.dof == 19
    # χ²(s) = χ²(0) + (s² Σt² − 2 s Σt d)/σ² with t and d about their means.
    t, d = T - T.mean(), data - data.mean()
    a, b = t @ t / ERROR**2, -(t @ d) / ERROR**2
    expected = (-b + np.sqrt(b * b + a * 1.96**2)) / a
    for kind in ("wald", "profile"):
        with pytest.warns(UserWarning):
            found = sq.fit(
                line, (data, ERROR), {"level": 0.5, "slope": 1.0}, bounds={"slope": (0.0, None)}, intervals=kind
            )
        low, high = found.intervals(0.95)
        assert low["slope"] == 0.0 and high["slope"] == pytest.approx(expected, rel=0.02)


def test_a_prior_is_one_more_measurement():
    data = 0.5 * T + NOISE
    fit = sq.fit(lambda slope: slope * T, (data, ERROR), 1.0, priors=(0.52, 0.01))
    weights = np.array([T @ T / ERROR**2, 1 / 0.01**2])
    values = np.array([T @ data / (T @ T), 0.52])
    assert fit.parameters == pytest.approx(weights @ values / weights.sum())
    assert fit.stderr == pytest.approx(1 / np.sqrt(weights.sum())) and fit.dof == 20
    assert fit.chi2 == pytest.approx(
        np.sum((fit.parameters * T - data) ** 2) / ERROR**2 + (fit.parameters - 0.52) ** 2 / 1e-4
    )


def wave(frequency):
    return jnp.cos(frequency * T)


@pytest.mark.parametrize("starts", [6, [4.0, 1.5, 2.2]])
def test_several_starts_find_the_lowest_minimum_and_tell_of_the_others(starts):
    data = np.cos(2.0 * T) + NOISE
    one = pytest.warns(UserWarning, match="^fit: chi2")
    with one:
        alone = sq.fit(wave, (data, ERROR), 7.0, bounds=(0.5, 9.0))
    fit = sq.fit(wave, (data, ERROR), 7.0, bounds=(0.5, 9.0), starts=starts)
    assert alone.chi2 > 100 > fit.chi2 and fit.parameters == pytest.approx(2.0, abs=0.05)
    assert fit.other_minima and all(other.chi2 > fit.chi2 for other in fit.other_minima)
    assert "another minimum" in str(fit)


def test_profile_intervals_are_where_the_least_chi2_has_risen():
    """Against SciPy's minimum over the other parameter, in a problem that is far from a parabola."""
    times = np.array([0.3, 1.0, 2.5])
    data = 2 * np.exp(-0.7 * times) + np.array([0.1, -0.2, 0.15])
    bounds = {"rate": (0.0, None)}
    fit = sq.fit(lambda p: decay(p, times), (data, 0.25), START, bounds=bounds, intervals="profile")

    def least(rate):
        model = np.exp(-rate * times)
        return np.sum((model * (model @ data) / (model @ model) - data) ** 2) / 0.25**2

    best = optimize.minimize_scalar(least, bounds=(0.1, 3.0), method="bounded", options={"xatol": 1e-10})
    low, high = fit.intervals(0.9)
    target = best.fun + stats.chi2.isf(0.1, 1)
    assert low["rate"] == pytest.approx(optimize.brentq(lambda r: least(r) - target, 1e-6, best.x), rel=0.01)
    assert high["rate"] == pytest.approx(optimize.brentq(lambda r: least(r) - target, best.x, 9.0), rel=0.01)
    assert high["rate"] - fit.parameters["rate"] > 1.1 * (fit.parameters["rate"] - low["rate"])
    assert "+" in str(fit)


def test_wald_intervals_are_multiples_of_the_standard_error_within_the_bounds():
    fit = sq.fit(lambda x: x * np.ones(4), (0.1 * np.ones(4), 0.2), 0.5, bounds=(0.0, 1.0))
    assert np.allclose(fit.intervals(0.95), [0.0, 0.1 + 1.96 * 0.1], atol=1e-3)
    with pytest.raises(ValueError, match="^level: expected a probability"):
        fit.intervals(95)


def test_the_upper_limit_of_an_efficiency_holds_the_truth():
    """A share that must not exceed 1, near 1: estimates at the bound and others, 95 % intervals of both kinds."""
    rng = np.random.default_rng(8)
    inside = {"wald": 0, "profile": 0}
    for _ in range(100):
        data = (0.99 * T + ERROR * rng.normal(size=20), ERROR)
        for kind in inside:
            # Half of them end at the bound.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                low, high = sq.fit(_share, data, 0.5, bounds=(0.0, 1.0), intervals=kind).intervals(0.95)
            inside[kind] += low <= 0.99 <= high
    assert all(89 <= count for count in inside.values()), inside


def _share(share):
    return share * T


def test_bands_are_those_of_the_covariance():
    """A line: the variance at t is that of its level and slope."""
    fit = sq.fit(_line, {"y": (1.0 + 0.5 * T + NOISE, ERROR)}, np.zeros(2))
    later = np.array([0.0, 5.0])
    band = fit.predict(later)
    design = np.stack([np.ones(2), later])
    np.testing.assert_allclose(band.mean["y"], fit.parameters @ design)
    np.testing.assert_allclose(band.stderr["y"] ** 2, np.sum(design * (fit.covariance @ design), axis=0))
    np.testing.assert_allclose(fit.predict().mean["y"], fit.parameters[0] + fit.parameters[1] * T)
    residuals = fit.residuals["y"]
    assert np.sum(residuals**2) == pytest.approx(fit.chi2)
    judge(stats.kstest(residuals, "norm").pvalue)
    assert residuals[0] == pytest.approx((1.0 + 0.5 * T[0] + NOISE[0] - fit.predict().mean["y"][0]) / ERROR)
    with pytest.raises(ValueError, match="^times: expected none"):
        sq.fit(wave, (np.cos(T), ERROR), 1.1).predict([0.0])


def _line(p, times=T):
    return {"y": p[0] + p[1] * times}


def test_a_fit_is_drawn_with_its_residuals(tmp_path):
    data = {"y": (1.0 + 0.5 * T + NOISE, ERROR)}
    figure = sq.fit(_line, data, np.zeros(2)).plot()
    upper, lower = figure.axes
    assert upper.get_ylabel() == "y" and lower.get_ylabel() == "residual" and lower.get_xlabel() == "time $t$"
    drawn = [line.get_xydata() for line in lower.lines if len(line.get_xydata()) == 20]
    np.testing.assert_allclose(drawn[0][:, 1], sq.fit(_line, data, np.zeros(2)).residuals["y"])
    figure.savefig(tmp_path / "fit.png")


def test_an_interrupt_returns_the_best_so_far(monkeypatch):
    from stochq.inference.problem import Problem

    whole, calls = Problem.free, []

    def interrupted(self, u):
        calls.append(u)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return whole(self, u)

    monkeypatch.setattr(Problem, "free", interrupted)
    data = (2 * np.exp(-0.7 * T) + NOISE, ERROR)
    with pytest.warns(UserWarning, match="^fit: stopped before a minimum: interrupted"):
        fit = sq.fit(decay, data, START, starts=[START, START])
    assert not fit.converged and len(fit.history.loss) == 7 and len(calls) == 8
    assert fit.chi2 < 2 * fit.history.loss[0]


def test_progress_is_shown_on_request(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_last_line", -progress._IN_FILES)
    sq.fit(decay, (2 * np.exp(-0.7 * T) + NOISE, ERROR), START, progress=True)
    assert "misfit" in capsys.readouterr().err


BAD = {
    "start outside": ({"bounds": {"rate": (0.0, 2.0)}}, "^start: expected 'rate' within its bounds.*got 3"),
    "order": ({"bounds": {"rate": (4.0, 2.0)}}, "^bounds: expected low < high for 'rate'"),
    "name": ({"bounds": {"rat": (0.0, 2.0)}}, "^bounds: expected names among height, rate; got 'rat'.*'rate'"),
    "pair": ({"bounds": {"rate": 4.0}}, r"^bounds\['rate'\]: expected a pair \(low, high\)"),
    "shape": ({"bounds": {"rate": (np.zeros(3), 4.0)}}, r"^bounds\['rate'\]: expected numbers, or arrays"),
    "no names": ({"bounds": (0.0, 4.0)}, "^bounds: expected {name"),
    "prior": ({"priors": {"rate": (0.7, 0.0)}}, "^priors: expected a finite mean and a positive stderr for 'rate'"),
    "starts": ({"starts": 4}, "^starts: expected two finite bounds or a prior for 'height'"),
    "number of starts": ({"starts": 0}, "^starts: expected a number"),
    "structure": ({"starts": [1.0]}, r"^starts\[0\]: expected the structure"),
    "start list": ({"starts": [{"height": 1.0, "rate": 9.0}], "bounds": {"rate": (0, 5)}}, r"^starts\[0\]: .*'rate'"),
    "kind": ({"intervals": "bayes"}, "^intervals: expected 'wald' or 'profile'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_options(what):
    options, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        sq.fit(decay, (2 * np.exp(-0.7 * T) + NOISE, ERROR), START, **options)


@pytest.mark.parametrize("bounds", [None, (0.0, None)], ids=["free", "positive"])
def test_an_interval_has_no_end_where_chi2_does_not_rise_so_far(bounds):
    """1 − e^{−k} is 1 at most, one standard error above the data: √Δχ² < 1 for all larger k."""
    fit = sq.fit(lambda k: 1 - jnp.exp(-k), (np.array(0.9), 0.1), 1.0, bounds=bounds, intervals="profile")
    low, high = fit.intervals(0.95)
    assert high == np.inf and low == pytest.approx(-np.log(0.1 + 0.196), rel=0.01)
    assert fit.intervals(0.5).high == pytest.approx(-np.log(0.1 - 0.0674), rel=0.02)


def test_bands_are_infinite_only_where_a_free_direction_counts():
    """y = a + b + c t tells a + b and c; b alone and what depends on it is not known, their sum is."""
    times = np.array([0.0, 1.0, 2.0, 4.0])

    def line(p, times=times):
        return {"y": p[0] + p[1] + p[2] * times, "one": p[1] * jnp.ones_like(times)}

    data = {"y": (1.0 + 0.5 * times, 0.1), "one": (np.zeros(4), 1e9)}
    with pytest.warns(UserWarning, match="free direction"):
        fit = sq.fit(line, data, np.zeros(3))
    later = np.array([0.5, 7.0])
    band = fit.predict(later)
    design = np.stack([np.ones(4), times], axis=1)
    wanted = np.stack([np.ones(2), later])
    variance = 0.01 * np.sum(wanted * np.linalg.solve(design.T @ design, wanted), axis=0)
    np.testing.assert_allclose(band.stderr["y"], np.sqrt(variance), rtol=1e-6)
    assert np.all(np.isinf(band.stderr["one"])) and np.isinf(fit.stderr[0]) and np.isfinite(fit.stderr[2])


@pytest.mark.parametrize("pairs", [[(1.0, 0.1), (5.0, 0.5)], ((1.0, 0.1), [5.0, 0.5]), [(1.0, None), (0.0, 2.0)]])
@pytest.mark.parametrize("name", ["priors", "bounds"])
def test_pairs_for_two_elements_are_told_from_a_pair_of_two(name, pairs):
    given = {name: pairs}
    with pytest.raises(ValueError, match=rf"^{name}: expected a pair .* Write \(np.array"):
        sq.fit(lambda p: p * jnp.ones(2), (np.ones(2), 0.1), np.array([1.5, 2.5]), **given)


def test_a_pair_of_arrays_has_a_number_for_each_element():
    priors = np.array([1.0, 5.0]), np.array([0.1, 0.5])
    fit = sq.fit(lambda p: p * jnp.ones(2), (np.zeros(2), 5.0), np.array([1.5, 2.5]), priors=priors)
    weights = 1 / np.array([0.1, 0.5]) ** 2
    np.testing.assert_allclose(fit.parameters, weights * [1.0, 5.0] / (weights + 1 / 25), rtol=1e-6)


def test_further_starts_without_a_prediction_are_left_out():
    def root(x):
        return jnp.sqrt(x) * jnp.ones(3)

    with pytest.warns(UserWarning, match="^fit: starts: the prediction is not finite at 1 of 2 further starts") as told:
        fit = sq.fit(root, (0.5 * np.ones(3), 0.01), 1.0, starts=[-1.0, 2.0])
    assert len(told) == 1 and fit.parameters == pytest.approx(0.25, rel=1e-3) and fit.other_minima == ()


def test_further_starts_from_which_an_optimizer_leaves_the_prediction_or_does_not_end_are_told_of():
    """Steps that overshoot to −0.9 times the distance: from −2.5 beyond 3, where there is no prediction."""

    def limited(x):
        return x * jnp.ones(3) + 0 * jnp.sqrt(3 - x)

    data, step = (0.5 * np.ones(3), 0.01), 1.9 * 0.01**2 / 3
    with pytest.warns(UserWarning, match="^fit: starts: the prediction is not finite at 1 of 1 further starts") as told:
        fit = sq.fit(limited, data, 0.0, optimizer=optax.sgd(step), starts=[-2.5])
    assert len(told) == 1 and fit.parameters == pytest.approx(0.5, abs=1e-4)
    with pytest.raises(RuntimeError, match="non-finite at step 1"):
        sq.fit(limited, data, -2.5, optimizer=optax.sgd(step))
    with pytest.warns(UserWarning, match="^fit: starts: 1 of 1 searches from further starts stopped") as told:
        sq.fit(lambda x: jnp.exp(-x) * jnp.ones(3), data, 0.7, steps=4, starts=[9.0])
    assert len(told) == 1

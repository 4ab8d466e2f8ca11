"""Fits of records: likelihoods in closed form, minimised and differentiated by SciPy and NumPy."""

import warnings
from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

import stochq as sq
from stochq.inference.records import Records

T, STRENGTH, BINS = 0.5, 1.5, 10
TIMES = np.linspace(0.0, T, BINS + 1)
START = {"efficiency": 0.5, "up": 0.4}
BOUNDS = {"efficiency": (0.0, 1.0), "up": (0.0, 1.0)}


def model(parameters):
    """Which of two states a system is in: Y = ±2κ√η T + W_T over all bins."""
    watched = sq.measurement.homodyne(STRENGTH * np.array([1.0, -1.0]), efficiency=parameters["efficiency"])
    state = jnp.diag(jnp.stack([parameters["up"], 1 - parameters["up"]]))
    return sq.models.monitored(np.zeros((2, 2)), {"z": watched}), state


def log_likelihoods(theta, y):
    """ln Σ_s p_s exp(2s√ηκy − 2ηκ²T), by record."""
    efficiency, up = theta
    root = 2 * STRENGTH * np.sqrt(efficiency)
    weights = np.stack([up * np.exp(root * y), (1 - up) * np.exp(-root * y)])
    return np.log(weights.sum(axis=0)) - 0.5 * root**2 * T


def drawn(seed, count=300, spread=1.0):
    rng = np.random.default_rng(seed)
    sign = np.where(rng.random(count) < 0.7, 1.0, -1.0)
    noise = spread * np.sqrt(T / BINS) * rng.normal(size=(count, BINS))
    y = 2 * STRENGTH * np.sqrt(0.6) * T / BINS * sign[:, None] + noise
    return y.sum(axis=1), sq.inference.Record(TIMES, y, ["z"])


def expected(y):
    """The estimate, H, and the scores by central differences of the closed form."""
    best = optimize.minimize(lambda x: -log_likelihoods(x, y).sum(), [0.5, 0.5], method="Nelder-Mead", tol=1e-12).x
    steps = 1e-4 * np.eye(2)
    scores = np.stack([(log_likelihoods(best + h, y) - log_likelihoods(best - h, y)) / 2e-4 for h in steps])
    second = np.empty((2, 2))
    for i, one in enumerate(steps):
        for j, other in enumerate(steps):
            corners = [log_likelihoods(best + a * one + b * other, y).sum() for a in (1, -1) for b in (1, -1)]
            second[i, j] = -(corners[0] - corners[1] - corners[2] + corners[3]) / 4e-8
    return best, second, scores @ scores.T


@pytest.mark.parametrize("spread", [1.0, 1.3], ids=["right", "noisier than the model says"])
def test_estimate_and_sandwich_are_those_of_the_closed_form(spread):
    y, record = drawn(3, spread=spread)
    with pytest.warns(match="not the white noise") if spread > 1 else nullcontext():
        fit = sq.fit(model, record, START, bounds=BOUNDS)
    assert (fit.p_value < 1e-4) == (spread > 1)
    best, second, squares = expected(y)
    inverse = np.linalg.inv(second)
    sandwich = (300 / 298) ** 2 * inverse @ squares @ inverse
    # Ends within a twentieth of a standard error.
    np.testing.assert_allclose(
        [fit.parameters["efficiency"], fit.parameters["up"]], best, atol=0.04 * np.sqrt(sandwich.diagonal().min())
    )
    np.testing.assert_allclose(fit.covariance, sandwich, rtol=0.02, atol=0.02 * np.abs(sandwich).min())
    assert fit.log_likelihood == pytest.approx(log_likelihoods(best, y).sum(), abs=1e-3)
    assert np.isnan(fit.chi2) and "of 300 records" in str(fit) and fit.converged


def test_errors_of_few_records_are_wider_and_their_intervals_are_students():
    """20 records for two parameters: the jackknife's (R/(R − P))² and Student's t with R − P degrees of freedom."""
    y, record = drawn(5, count=20)
    with pytest.warns(UserWarning, match="scatter of 20 records, and uncertain by 17 %.*Take 40 records"):
        fit = sq.fit(model, record, START, bounds=BOUNDS)
    best, second, squares = expected(y)
    inverse = np.linalg.inv(second)
    np.testing.assert_allclose(fit.covariance, (20 / 18) ** 2 * inverse @ squares @ inverse, rtol=0.03, atol=1e-5)
    low, high = fit.intervals(0.9)
    assert (high["up"] - low["up"]) / (2 * fit.stderr["up"]) == pytest.approx(stats.t.isf(0.05, 18), rel=1e-6)
    assert not sq.fit(model, record, START, bounds=BOUNDS, intervals="profile").notes


@pytest.mark.parametrize("clicks", [(12, 0), (7, 5)], ids=["bunched", "even"])
def test_scores_and_second_derivatives_that_disagree_are_told(clicks):
    """Of a counter with a rate alone their errors are as √(variance/mean) of the clicks in a record: √6, and √(1/6)."""
    counts = np.repeat(np.array(clicks, float), 12)[:, None, None]
    record = sq.inference.Record([0.0, 6.0], counts, ["c"], ["counting"])

    def counted(rate):
        return sq.models.monitored(np.zeros((2, 2)), {"c": sq.measurement.counting(jnp.sqrt(rate) * np.eye(2))}), [1, 0]

    with pytest.warns(UserWarning) as warned:
        fit = sq.fit(counted, record, 0.8, bounds=(0, None))
    assert fit.parameters == pytest.approx(1.0, rel=1e-2)
    (told,) = (text for one in warned if "are far from 1" in (text := str(one.message)))
    ratio = float(told.split("parameter by ")[1].split(". ")[0])
    assert ratio == pytest.approx(np.sqrt(counts.var() / counts.mean()), rel=0.05)


@pytest.mark.parametrize(("method", "told"), [("p_value", "p-value"), ("second_derivatives", "scores alone")])
def test_an_interrupt_after_the_search_leaves_the_fit(monkeypatch, method, told):
    y, record = drawn(1)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Records, method, interrupted)
    with pytest.warns(UserWarning, match=f"^fit: interrupted after the search.*{told}"):
        found = sq.fit(model, record, START, bounds=BOUNDS)
    best = expected(y)[0]
    assert found.converged and (np.isnan(found.p_value) == (method == "p_value"))
    np.testing.assert_allclose([found.parameters["efficiency"], found.parameters["up"]], best, atol=0.01)


def test_profile_intervals_are_where_the_likelihood_has_fallen():
    y, record = drawn(4)
    fit = sq.fit(model, record, START, bounds=BOUNDS, intervals="profile")
    best, _, _ = expected(y)
    most = log_likelihoods(best, y).sum()

    def fallen(efficiency):
        of_up = optimize.minimize_scalar(
            lambda up: -log_likelihoods((efficiency, up), y).sum(), bounds=(0.01, 0.99), method="bounded"
        )
        return 2 * (most + of_up.fun) - stats.chi2.isf(0.05, 1)

    low, high = fit.intervals(0.95)
    assert low["efficiency"] == pytest.approx(optimize.brentq(fallen, 0.2, best[0]), rel=0.005)
    assert high["efficiency"] == pytest.approx(optimize.brentq(fallen, best[0], 0.99), rel=0.005)


@pytest.mark.release
def test_intervals_of_records_hold_the_truth():
    """120 sets of records of one layout, one program for all."""
    traced, scores = [], []

    def counted(parameters):
        if isinstance(parameters["up"], jax.core.Tracer):
            traced.append(parameters)
        return model(parameters)

    for seed in range(120):
        fit = sq.fit(counted, drawn(100 + seed)[1], START, bounds=BOUNDS)
        scores.append((fit.parameters["efficiency"] - 0.6) / fit.stderr["efficiency"])
        scores.append((fit.parameters["up"] - 0.7) / fit.stderr["up"])
    assert len(traced) == 1
    for within, share in ((1.0, 0.683), (1.96, 0.95)):
        inside = np.mean(np.abs(scores) < within)
        assert abs(inside - share) < 3.5 * np.sqrt(share * (1 - share) / len(scores)), (within, inside)


def test_what_records_cannot_be_fitted_with():
    _, record = drawn(3)
    with pytest.raises(ValueError, match=r"^data: expected at least 10 records for 2 parameters.*got 7"):
        sq.fit(model, drawn(3, count=7)[1], START)
    with pytest.raises(ValueError, match=r"^predict: expected \(equation, initial state\)"):
        sq.fit(lambda p: model(p)[0], record, START)
    with pytest.raises(ValueError, match="^fit: expected one of means"):
        _ = sq.fit(model, record, START).residuals
    with pytest.raises(ValueError, match="^record: expected detectors among 'z'"):
        sq.fit(model, sq.inference.Record([0.0, T], np.ones((20, 1)), ["x"]), START)


def test_errors_beside_a_free_parameter_are_said_to_be_those_of_a_right_model():
    """The inverse of the scores' squares stands where there are no second derivatives."""
    y, record = drawn(3)
    start = {**START, "unused": 1.0}
    with pytest.warns(UserWarning) as told:
        fit = sq.fit(model, record, start, bounds=BOUNDS)
    texts = [str(one.message) for one in told]
    assert len(texts) == 2 and "no effect on the prediction from unused" in texts[0]
    assert "the errors of the others are from the scores alone" in texts[1]
    known = np.linalg.inv(expected(y)[2])
    np.testing.assert_allclose(fit.covariance[np.ix_([0, 2], [0, 2])], known, rtol=0.02)


def test_a_fit_that_runs_to_full_efficiency_says_so():
    """A signal as of an efficiency of 1.3: on the bound the derivatives are there, beyond it there is no prediction."""
    rng = np.random.default_rng(2)
    signal = 2 * STRENGTH * np.sqrt(1.3) * T / BINS * np.where(rng.random(300) < 0.7, 1.0, -1.0)[:, None]
    record = sq.inference.Record(TIMES, signal + np.sqrt(T / BINS) * rng.normal(size=(300, BINS)), ["z"])
    with pytest.warns(UserWarning, match="^fit: efficiency at the bound, where the data would go further") as told:
        fit = sq.fit(model, record, START, bounds=BOUNDS)
    assert len(told) == 1 and fit.converged and fit.at_bound == ("efficiency",)
    assert fit.parameters["efficiency"] == 1.0 and 0 < fit.stderr["efficiency"] < 0.1
    with pytest.warns(UserWarning):
        fit = sq.fit(model, record, START)
    assert not fit.converged and "give bounds to parameters" in fit.advice


@pytest.mark.release
def test_a_fit_tells_of_bins_too_wide_for_kraus_maps():
    """Four columns are beyond the exact maps. At 3 rad/time the bins are wide, at 0.02 they are not."""
    x, z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, -1.0]])
    names = ["a", "b", "c", "d"]

    def watched(rate):
        return sq.models.monitored(rate * x, {name: sq.measurement.homodyne(0.5 * z) for name in names})

    def turned(rate):
        return watched(rate), np.array([1.0, 0.0])

    for rate, wide in ((3.0, True), (0.02, False)):
        result = sq.simulate(watched(rate), np.array([1.0, 0.0]), np.linspace(0.0, 1.0, 11), trajectories=20,
                             dt=0.01, seed=3, records=True, observables={})  # fmt: skip
        record = result.records if wide else sq.inference.Record(np.linspace(0, 0.1, 11), 0.1**0.5 *
                                                                 result.records.increments, names)  # fmt: skip
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            fit = sq.fit(turned, record, rate, bounds=(0.0, 10.0))
        # Of so many currents the law of a bin is not looked for.
        assert np.isnan(fit.p_value) and "p =" not in str(fit)
        assert (
            ("data: expected bins short enough for Kraus maps" in str(fit))
            == wide
            == any("fit: data: expected bins short enough" in str(one.message) for one in told)
        )


def test_a_prior_is_no_part_of_the_log_likelihood():
    """A prior of both parameters, and a second minimum with the two states exchanged."""
    y, record = drawn(3)
    fit = sq.fit(model, record, START, bounds=BOUNDS, priors={"efficiency": (0.4, 0.02), "up": (0.6, 0.02)})
    theta = np.array([fit.parameters["efficiency"], fit.parameters["up"]])
    assert fit.log_likelihood == pytest.approx(log_likelihoods(theta, y).sum(), abs=0.05)

    def penalised(theta):
        return -log_likelihoods(theta, y).sum() + 0.5 * np.sum(((theta - [0.4, 0.6]) / 0.02) ** 2)

    best = optimize.minimize(penalised, [0.5, 0.6], method="Nelder-Mead", tol=1e-10)
    np.testing.assert_allclose(theta, best.x, atol=2e-3)
    assert best.fun + fit.log_likelihood > 1  # what the prior takes
    assert fit.history.loss[-1] == pytest.approx(best.fun, abs=0.05)


def test_other_minima_of_records_have_a_log_likelihood():
    """A signal whose sign the populations tell: at −a the populations are the other way round, which a prior of them
    makes unlikely."""
    y, record = drawn(3)

    def signed(parameters):
        watched = sq.measurement.homodyne(parameters["a"] * jnp.array([1.0, -1.0]))
        state = jnp.diag(jnp.stack([parameters["up"], 1 - parameters["up"]]))
        return sq.models.monitored(np.zeros((2, 2)), {"z": watched}), state

    start = {"a": 1.0, "up": 0.6}
    other = {"a": -1.0, "up": 0.4}
    fit = sq.fit(signed, record, start, bounds={"up": (0.0, 1.0)}, priors={"up": (0.65, 0.1)}, starts=[other])
    assert len(fit.other_minima) == 1
    found = fit.other_minima[0]
    theta = (found.parameters["a"] / STRENGTH) ** 2, 1 - found.parameters["up"]
    assert np.isnan(found.chi2) and found.log_likelihood == pytest.approx(log_likelihoods(theta, y).sum(), abs=0.05)
    assert "with log-likelihood = " in str(fit) and "chi2" not in str(fit)

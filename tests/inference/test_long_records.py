"""Correlations of long records: means and covariance of blocks by hand, and fits of records drawn by their law."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
SIGMA_X, SIGMA_Z = LOWERING + LOWERING.T, np.diag([1.0, -1.0])
TRUTH = {"rabi": 2.0, "detuning": 0.5, "decay": 1.0, "efficiency": 0.8}
START = {"rabi": 2.4, "detuning": 0.8, "decay": 0.8, "efficiency": 0.6}
H, LAGS = 0.25, np.arange(1, 25)


def atom(values):
    watched = sq.measurement.homodyne(
        jnp.sqrt(values["decay"]) * LOWERING, phase=np.pi / 4, efficiency=values["efficiency"]
    )
    hamiltonian = 0.5 * values["rabi"] * SIGMA_X + 0.5 * values["detuning"] * SIGMA_Z
    return sq.models.monitored(hamiltonian, {"x": watched})


def predict(values):
    return sq.exact.correlations(atom(values), LAGS, interval=H)


def test_means_and_covariance_are_those_of_blocks():
    rng = np.random.default_rng(1)
    increments, counts = rng.normal(size=(2, 60, 2)), rng.integers(0, 3, size=(2, 60, 1))
    columns = np.concatenate([increments, counts], axis=2)
    record = sq.inference.Record(np.arange(61) * 0.5, columns, ["z", "c"], ["heterodyne", "counting"])
    found = sq.inference.correlations(record, [0, 2, 5], pairs=[("z:1", "c"), ("z:2", "z:2")], blocks=22)
    # Eleven blocks of five bins in each record; the largest lag reaches out of the last.
    series = {"z:1": columns[..., 0] / 0.5, "z:2": columns[..., 1] / 0.5, "c": columns[..., 2]}
    values = []
    for name in ("z:1", "c", "z:2"):
        values.append([series[name][r, 5 * b : 5 * b + 5].mean() for r in range(2) for b in range(11)])
        assert found.mean[name] == pytest.approx(np.mean(values[-1]))
    for first, second in (("z:1", "c"), ("z:2", "z:2")):
        for place, lag in enumerate((0, 2, 5)):
            one = [
                np.mean([series[first][r, 5 * b + j] * series[second][r, 5 * b + j + lag] for j in range(5)])
                for r in range(2)
                for b in range(11)
            ]
            values.append(one)
            assert found.mean[f"{first}*{second}"][place] == pytest.approx(np.mean(one))
    assert found.blocks == 22 and found.interval == 0.5
    np.testing.assert_allclose(found.covariance, np.cov(values) / 22, rtol=1e-12)
    np.testing.assert_allclose(found.stderr["z:2*z:2"], np.std(values[6:], axis=1, ddof=1) / np.sqrt(22))


def test_picture_of_a_fit_tells_the_mean_in_words_and_draws_correlations_over_the_lag():
    """A current of the known mean 0.4 with noise alone: C(n) = 0.16 at all lags above zero."""
    noise = np.random.default_rng(2).normal(size=20_000) * np.sqrt(0.5) + 0.4 * 0.5
    data = sq.inference.correlations(sq.inference.Record(np.arange(20_001) * 0.5, noise, ["x"]), [1, 2, 3])
    told = str(data).splitlines()
    assert told[1].startswith("x  0.4") and told[2].split() == ["lag", "x*x"] and len(told) == 6
    assert told[3].split()[0] == "0.5" and "±" in told[3]
    fit = sq.fit(lambda mean: {"x": mean, "x*x": jnp.full(3, mean**2)}, data, 0.3)
    upper, lower = (made := fit.plot()).axes
    assert upper.get_ylabel() == "x*x" and lower.get_xlabel() == r"lag $\tau$"
    np.testing.assert_allclose(upper.get_lines()[0].get_xdata(), [0.5, 1.0, 1.5])
    assert made.legends[0].get_title().get_text().startswith("x: fit 0.4")


@pytest.fixture(scope="module")
def records():
    """Four records of 2·10⁵ bins in all, each in the steady state throughout."""
    equation = atom(TRUTH)
    steady = sq.exact.steady_state(equation)
    times = np.arange(1001) * H
    return [sq.inference.sample_records(equation, steady, times, records=200, seed=seed) for seed in range(4)]


def test_records_drawn_by_their_law_have_the_predicted_correlations(records):
    exact = {name: np.asarray(value) for name, value in predict(TRUTH).items()}
    for record in records:
        found = sq.inference.correlations(record, LAGS)
        for name, value in found.mean.items():
            assert np.max(np.abs(value - exact[name]) / found.stderr[name]) < 4, name


def test_fits_find_the_truth_within_their_errors(records):
    fits = [sq.fit(predict, sq.inference.correlations(record, LAGS), START) for record in records]
    for fit in fits:
        assert fit.converged and fit.p_value > 1e-3 and fit.dof == 21
    for name, truth in TRUTH.items():
        scores = np.array([(fit.parameters[name] - truth) / fit.stderr[name] for fit in fits])
        assert np.all(np.abs(scores) < 4), (name, scores)
        # The squares of four have a χ² of 4 degrees of freedom, between .05 and 24 but in two of 10⁴ cases.
        assert 0.05 < np.sum(scores**2) < 24, (name, scores)


def test_a_part_of_the_names_may_be_fitted(records):
    data = sq.inference.correlations(records[0], LAGS)

    def without_mean(values):
        return {"x*x": predict(values)["x*x"]}

    fit = sq.fit(without_mean, data, START)
    assert fit.points == 24
    assert abs(fit.parameters["rabi"] - 2.0) < 4 * fit.stderr["rabi"]
    assert fit.plot().axes


def test_independent_errors_are_those_of_least_squares():
    """White noise: lags are independent, and the error of a level is that of a weighted mean."""
    rng = np.random.default_rng(2)
    record = sq.inference.Record(np.arange(50_001) * 1.0, rng.normal(size=50_000), ["x"])
    data = sq.inference.correlations(record, [1, 2, 3], blocks=400)
    fit = sq.fit(lambda level: {"x*x": level * jnp.ones(3)}, data, 0.3)
    # A variance of 1/50 000 for each of three lags; the covariance of 400 blocks is known to some per cent.
    assert fit.stderr == pytest.approx(1 / np.sqrt(150_000), rel=0.2)


def test_names_in_any_order_are_weighed_by_their_own_errors():
    """Two columns that see one level, the one that comes first in the record last by its name and ten times noisier."""
    rng = np.random.default_rng(4)
    columns = 0.5 + rng.normal(size=(1, 20_000, 2)) * np.array([1.0, 0.1])
    record = sq.inference.Record(np.arange(20_001) * 1.0, columns, ["z", "a"])
    data = sq.inference.correlations(record, [1])
    fit = sq.fit(lambda level: {"a": level, "z": level}, data, 0.3)
    weights = np.linalg.inv(data.covariance[:2, :2]).sum(axis=0)
    expected = weights @ [data.mean["z"], data.mean["a"]] / weights.sum()
    assert fit.parameters == pytest.approx(expected, abs=1e-6)
    assert abs(fit.parameters - columns[0, :, 1].mean()) < 1e-4


def test_blocks_that_are_not_independent_are_told():
    drift = np.sin(np.arange(40_000) / 3000)
    increments = drift + np.random.default_rng(3).normal(size=40_000)
    record = sq.inference.Record(np.arange(40_001) * 1.0, increments, ["x"])
    with pytest.warns(UserWarning, match="neighbours are correlated by"):
        sq.inference.correlations(record, range(10))


def test_a_column_that_never_changes_hides_no_drift():
    drift = 3 * np.sin(np.arange(4000) / 600) + np.random.default_rng(3).normal(size=4000)
    columns = np.stack([drift, np.zeros(4000)], axis=-1)[None]
    record = sq.inference.Record(np.arange(4001.0), columns, ["x", "dead"], ["homodyne", "counting"])
    with pytest.warns(UserWarning, match="neighbours are correlated by 0"):
        sq.inference.correlations(record, [1])


def test_widths_are_compared_with_each_other_and_not_with_the_calendar():
    """Times in seconds since 1970: bins of 0.1 s are of one width though rounding moves their ends."""
    start, level = 1.7e9, 3.0
    widths = np.r_[np.full(2000, 0.1), np.full(2000, 1.0)]
    gap = sq.inference.Record(start + np.r_[0, np.cumsum(widths)], level * widths, ["x"])
    with pytest.raises(ValueError, match=r"expected bins of one width.* to 1\."):
        sq.inference.correlations(gap, [1])
    noise = 1e-3 * np.random.default_rng(1).normal(size=4000)
    even = sq.inference.Record(start + np.arange(4001) * 0.1, 0.1 * level + noise, ["x"])
    found = sq.inference.correlations(even, [1])
    assert found.mean["x"] == pytest.approx(0.1 * level / 0.1 + noise[:3800].mean() / 0.1, rel=1e-4)


def test_bad_records(records):
    uneven = sq.inference.Record([0.0, 1.0, 3.0], [0.1, 0.2])
    for record, message in (
        (uneven, "expected bins of one width"),
        (np.ones(3), "expected a sq.inference.Record"),
        (sq.inference.Record(np.arange(6), np.ones(5)), "at least 20 blocks"),
    ):
        with pytest.raises(ValueError, match=message):
            sq.inference.correlations(record, [1])
    with pytest.raises(ValueError, match="pairs: expected names among 'x'"):
        sq.inference.correlations(records[0], [1], pairs=[("x", "y")])
    with pytest.raises(ValueError, match="blocks"):
        sq.inference.correlations(records[0], [1], blocks=10)


def test_predictions_that_do_not_match(records):
    data = sq.inference.correlations(records[0], LAGS)
    with pytest.raises(ValueError, match=r"expected shape \(24,\) for 'x\*x'"):
        sq.fit(lambda v: sq.exact.correlations(atom(v), [1, 2], interval=H), data, START)
    few = sq.inference.correlations(records[0], LAGS, blocks=200)
    with pytest.raises(ValueError, match="at most 24 means"):
        sq.fit(lambda v: {"x*x": predict(v)["x*x"], "x": predict(v)["x"]}, replace(few, blocks=99), START)
    with pytest.raises(ValueError, match="expected names among x, x"):
        sq.fit(lambda v: {"y": v["rabi"]}, data, START)

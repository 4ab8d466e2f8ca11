"""Fits of functions whose least squares are known in closed form, and refusals of what cannot be fitted."""

import sys
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize, stats

import stochq as sq
from tests.inference.ensembles import ensemble
from tests.judging import judge, judge_mean

T = np.linspace(0.1, 3.0, 20)
ERROR = 0.05
DATA = 2 * np.exp(-0.7 * T) + ERROR * np.random.default_rng(0).normal(size=T.size)
START = {"height": 1.0, "rate": np.array([3.0])}


def decay(parameters):
    return parameters["height"] * jnp.exp(-parameters["rate"] * T)


def line(parameters):
    return {"y": parameters[0] + parameters[1] * T}


def test_a_line_has_the_parameters_and_covariance_of_linear_regression():
    rng = np.random.default_rng(3)
    error = 0.1 * (1 + T)
    y = 1.0 + 0.5 * T + error * rng.normal(size=T.size)
    fit = sq.fit(line, {"y": (y, error)}, np.zeros(2))
    design = np.stack([np.ones_like(T), T], axis=1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-9)
    np.testing.assert_allclose(fit.parameters, covariance @ design.T @ (y / error), rtol=1e-6)
    np.testing.assert_allclose(fit.stderr, np.sqrt(np.diag(covariance)))
    assert fit.converged and fit.dof == 18 and fit.names == ("parameter[0]", "parameter[1]")
    assert fit.correlation[0, 0] == pytest.approx(1) and fit.correlation[0, 1] < 0


@pytest.mark.parametrize("optimizer", [None, optax.adam(optax.cosine_decay_schedule(0.2, 300)), optax.lbfgs()])
def test_every_way_down_ends_in_one_place(optimizer):
    fit = sq.fit(decay, (DATA, ERROR), START, optimizer=optimizer, steps=300)
    assert fit.parameters["height"] == pytest.approx(2.0322, abs=2e-3)
    assert fit.parameters["rate"] == pytest.approx([0.7259], abs=2e-3)
    assert fit.chi2 == pytest.approx(13.33, abs=0.02)
    assert fit.parameters["rate"].shape == fit.stderr["rate"].shape == (1,)
    assert fit.history.parameters["rate"].shape == (len(fit.history.loss), 1)
    assert fit.history.loss[0] > 100 * fit.history.loss[-1]
    assert 2 * fit.history.loss.min() == pytest.approx(fit.chi2, rel=1e-3)


def test_an_optimizer_without_optax_names_what_to_install(monkeypatch):
    optimizer = optax.sgd(0.1)
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(ImportError, match=r'optimizer: .*"stochq\[optax\]"'):
        sq.fit(line, {"y": (1.0 + T, 0.1)}, np.zeros(2), optimizer=optimizer)


def test_the_report_gives_values_with_two_digits_of_their_errors():
    text = str(sq.fit(decay, (DATA, ERROR), START))
    assert "height   2.032 ± 0.036" in text and "rate[0]  0.726 ± 0.020" in text and "chi2/dof = 13.3/18 = 0.74" in text


def test_a_step_to_where_there_is_no_prediction_is_taken_back():
    """The first undamped step overshoots to a negative argument of the root."""
    fit = sq.fit(lambda x: jnp.sqrt(x) * jnp.ones(3), (0.1 * np.ones(3), 0.01), 25.0)
    assert fit.parameters == pytest.approx(0.01, rel=1e-3)


def test_errors_of_an_ensemble_count_the_correlation_of_its_times():
    """Values that fluctuate together at all times tell no more than one of them."""
    values = 0.3 + np.random.default_rng(1).normal(size=(400, 1, 1)) * np.ones((1, 1, 9))
    values[:, :, 0] = 1.0
    result = ensemble(values)
    fit = sq.fit(lambda level: {"a": level * jnp.ones(9)}, result, 1.0)
    assert fit.points == 8
    assert fit.parameters == pytest.approx(values[:, 0, 1].mean())
    assert fit.stderr == pytest.approx(result.stderr["a"][1])
    independent = sq.fit(lambda level: {"a": level * jnp.ones(9)}, replace(result, covariance=None), 1.0)
    assert independent.stderr == pytest.approx(result.stderr["a"][1] / np.sqrt(8))


def test_too_few_values_for_the_errors_of_the_data_are_told_of():
    """Three parameters take twelve of the points at least, whose covariance twelve trajectories do not tell."""
    result = ensemble(0.3 + np.random.default_rng(4).normal(size=(12, 1, 13)))

    def cubic(x):
        return {"a": jnp.concatenate([jnp.ones(1), jnp.stack([x[0], x[1], x[2]] * 4)])}

    with pytest.warns(
        UserWarning, match=r"^fit: the errors of the 12 points are from 1\d Gaussian values, too few"
    ) as told:
        fit = sq.fit(cubic, result, np.zeros(3))
    assert len(told) == 1 and np.isnan(fit.p_value)


def test_only_the_predicted_names_that_fluctuate_are_fitted():
    values = np.random.default_rng(2).normal(size=(100, 2, 4))
    values[:, 1, 2] = 7.0
    result = ensemble(values)
    assert sq.fit(lambda x: {"b": x * jnp.ones(4)}, result, 0.0).points == 2
    assert sq.fit(lambda x: {"b": x * jnp.ones(4), "a": x * jnp.ones(4)}, result, 0.0).points == 5


def test_an_undetermined_direction_is_named():
    with pytest.warns(UserWarning, match=r"free direction .*parameter\[0\]"):
        fit = sq.fit(lambda x: (x[0] + x[1]) * jnp.ones(3), (np.ones(3), 0.1), np.zeros(2))
    assert np.all(np.isinf(fit.covariance))


def test_a_free_parameter_leaves_the_others_their_errors():
    """Straight line with an unused parameter: the errors of the line are those of linear regression."""
    points = np.array([0.0, 1.0, 2.0, 4.0])
    design = np.stack([np.ones(4), points], axis=1)

    def line(x):
        return x[0] + x[2] * points + 0.0 * x[1]

    with pytest.warns(UserWarning, match=r"^fit: no effect on the prediction from parameter\[1\]\. Use it") as told:
        fit = sq.fit(line, (np.array([1.0, 1.4, 2.1, 3.1]), 0.1), np.zeros(3))
    assert len(told) == 1
    known = np.ix_([0, 2], [0, 2])
    np.testing.assert_allclose(fit.covariance[known], 0.01 * np.linalg.inv(design.T @ design), rtol=1e-9)
    assert np.isinf(fit.stderr[1]) and np.all(np.isinf(fit.covariance[1]))


def test_a_prediction_that_is_not_smooth_is_told_of():
    def rough(x):
        return jnp.array([x, 0.0]) + jax.lax.stop_gradient(jnp.where(x == 0.5, 0.0, 9.0))

    with pytest.warns(UserWarning, match="^fit: stopped before a minimum: .*not be smooth"):
        fit = sq.fit(rough, (np.array([2.0, 1.0]), 0.1), 0.5)
    assert not fit.converged and "not be smooth" in str(fit)


def test_a_search_that_stops_early_is_told_of():
    with pytest.warns(UserWarning, match="^fit: stopped before a minimum: take more steps") as told:
        fit = sq.fit(decay, (DATA, ERROR), START, steps=2)
    assert len(told) == 1 and "NOT converged: take more steps" in str(fit) and "! stopped before" in str(fit)
    assert sq.fit(decay, (DATA, ERROR), START).advice == ""


def _nan(values):
    return np.where(np.arange(values.size) == 3, np.nan, values)


BAD = {
    "nan in data": (
        (_nan(DATA), ERROR),
        START,
        "^data: expected finite means; that for the prediction at index 3 is NaN or infinite, 1 such",
    ),
    "no error": (
        (DATA, np.where(T > 1, ERROR, 0.0)),
        START,
        "^data: expected positive standard errors; that for the prediction at index 0 .* 6 such in all.*leave it out",
    ),
    "shape": ((DATA[:5], ERROR), START, r"^data: expected mean and stderr of shape \(20,\)"),
    "no pair": (DATA, START, r"^data: expected a pair \(mean, stderr\)"),
    "structure": ({"y": (DATA, ERROR)}, START, "^data: expected"),
    "start": ((DATA, ERROR), START | {"height": np.inf}, r"^start\['height'\]: expected finite real numbers"),
    "empty start": ((DATA, ERROR), {}, "^start: expected at least one parameter"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what):
    data, start, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        sq.fit(decay, data, start)


@pytest.mark.parametrize("steps", [0, 1.5, True])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(ValueError, match="^steps: expected a whole number"):
        sq.fit(decay, (DATA, ERROR), START, steps=steps)


def test_predictions_that_do_not_match_an_ensemble():
    result = ensemble(np.random.default_rng(2).normal(size=(100, 2, 4)))
    with pytest.raises(ValueError, match="^predict: expected names among a, b; got 'c'"):
        sq.fit(lambda x: {"c": x * jnp.ones(4)}, result, 0.0)
    with pytest.raises(ValueError, match=r"^predict: expected shape \(4,\) for 'a'"):
        sq.fit(lambda x: {"a": x * jnp.ones(3)}, result, 0.0)
    with pytest.raises(ValueError, match="^predict: expected a dict"):
        sq.fit(lambda x: x * jnp.ones(4), result, 0.0)
    with pytest.raises(ValueError, match="^predict: expected real numbers"):
        sq.fit(lambda x: {"a": 1j * x * jnp.ones(4)}, result, 0.0)


def test_a_prediction_that_is_not_finite():
    with pytest.raises(ValueError, match="^start: .* a prediction is not finite"):
        sq.fit(lambda x: jnp.log(x) * jnp.ones(2), (np.ones(2), 0.1), -1.0)
    with pytest.raises(ValueError, match="^start: .* a derivative is not finite"):
        sq.fit(lambda x: jnp.sqrt(x) * jnp.ones(2), (np.ones(2), 0.1), 0.0)
    with pytest.raises(RuntimeError, match="^predict: the prediction became non-finite"):
        sq.fit(lambda x: jnp.log(x) * jnp.ones(2), (-5 * np.ones(2), 0.1), 0.1, optimizer=optax.sgd(1.0))


def test_the_parts_of_complex_means_have_errors_of_their_own():
    """One straight line for the real parts, another for the imaginary ones."""
    rng = np.random.default_rng(5)
    error = (0.1 + 0.3j) * np.ones(T.size)
    y = 2.0 + 0.1 * rng.normal(size=T.size) + 1j * (0.5 * T + 0.3 * rng.normal(size=T.size))
    fit = sq.fit(lambda p: p[0] + 1j * p[1] * T, (y, error), np.zeros(2))
    slope = np.sum(T * y.imag) / np.sum(T * T)
    np.testing.assert_allclose(fit.parameters, [y.real.mean(), slope], rtol=1e-6)
    np.testing.assert_allclose(fit.stderr, [0.1 / np.sqrt(T.size), 0.3 / np.linalg.norm(T)], rtol=1e-9)
    chi2 = np.sum((y.real - y.real.mean()) ** 2) / 0.01 + np.sum((y.imag - slope * T) ** 2) / 0.09
    assert fit.points == 2 * T.size and fit.chi2 == pytest.approx(chi2, rel=1e-6)
    with pytest.raises(ValueError, match="^data: expected a stderr for the prediction that is complex where"):
        sq.fit(lambda p: p[0] + 1j * p[1] * T, (y, 0.1), np.zeros(2))
    with pytest.raises(ValueError, match="^predict: expected complex numbers for the prediction"):
        sq.fit(lambda p: p[0] + p[1] * T, (y, error), np.zeros(2))
    with pytest.raises(ValueError, match="^predict: expected real numbers for the prediction"):
        sq.fit(lambda p: p[0] + 1j * p[1] * T, (y.real, 0.1), np.zeros(2))


@pytest.mark.release
@pytest.mark.parametrize("antithetic", [False, True])
def test_frequency_and_decay_of_a_cavity_from_its_complex_amplitude(antithetic):
    """⟨a⟩ = ½ exp(−(iω + κ/2)t) from (|0⟩ + |1⟩)/√2, checked with least squares of its parts by SciPy."""
    omega, kappa, times = 2.0, 0.8, np.linspace(0.0, 1.5, 7)
    lowering = np.array([[0.0, 1.0], [0.0, 0.0]])
    equation = sq.models.unravel(sq.systems.levels([0.0, omega]), [np.sqrt(kappa) * lowering])
    result = sq.simulate(
        equation,
        np.sqrt([0.5, 0.5]),
        times,
        observables={"n": np.array([0.0, 1.0]), "a": lowering},
        trajectories=8000,
        dt=0.025,
        seed=4,
        antithetic=antithetic,
    )

    def amplitude(p):
        return {"a": 0.5 * jnp.exp(-(1j * p["omega"] + p["kappa"] / 2) * times)}

    fit = sq.fit(amplitude, result, {"omega": 1.5, "kappa": 0.5})
    values, errors = ([each[name] for name in ("omega", "kappa")] for each in (fit.parameters, fit.stderr))
    judge_mean(values, errors, [omega, kappa])
    judge(fit.p_value)
    assert fit.points == 12
    order = [result.covariance_points.index((part, time)) for part in ("Re a", "Im a") for time in range(1, 7)]
    covariance = result.covariance[np.ix_(order, order)] / result.trajectories
    width = np.sqrt(np.diagonal(covariance))
    # Jumps are rare: the tails are heavy, and the smallest of the twelve eigenvalues is not known well enough.
    samples = min(result.effective_samples(part)[1:].min() for part in ("Re a", "Im a"))
    sizes, vectors = np.linalg.eigh(covariance / np.outer(width, width))
    rows = (vectors / np.sqrt(sizes))[:, sizes > 20 / samples].T / width

    def residuals(p):
        off = 0.5 * np.exp(-(1j * p[0] + p[1] / 2) * times[1:]) - result.mean["a"][1:]
        return rows @ np.concatenate([off.real, off.imag])

    found = optimize.least_squares(residuals, [1.5, 0.5], xtol=1e-12)
    np.testing.assert_allclose(values, found.x, rtol=1e-4)
    assert fit.chi2 == pytest.approx(2 * found.cost, rel=1e-3) and fit.dof == len(rows) - 2
    # The covariance that is estimated with the weights, Gleser and Olkin's.
    factor = (samples - 1) / (samples - 1 - fit.dof) * (samples - 2) / (samples - 2 - fit.dof)
    expected = factor * np.linalg.inv(found.jac.T @ found.jac)[::-1, ::-1]
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-3, atol=1e-3 * expected.max())


def _slope(slope):
    return slope * T


def test_the_p_value_is_that_of_chi2():
    """For independent points; with n = 20 points on a line through zero."""
    y = 0.5 * T + ERROR * np.random.default_rng(5).normal(size=T.size)
    best = (T @ y) / (T @ T)
    expected = stats.chi2.sf(np.sum((y - best * T) ** 2) / ERROR**2, 19)
    found = sq.fit(_slope, (y, ERROR), 1.0)
    assert found.p_value == pytest.approx(expected, rel=1e-6) and f"p = {expected:.2g}" in str(found)


def test_p_values_of_right_models_are_even_where_times_are_correlated():
    """200 sets of data whose times fluctuate together; a sum of independent squares would give p > .95 in most."""
    rng, times = np.random.default_rng(6), np.arange(9)
    covariance = np.exp(-np.abs(times[1:, None] - times[1:]) / 6.0)
    result = ensemble(rng.normal(size=(100, 1, 9)))
    error = np.full(9, 0.1) * (times > 0)
    p_values = []
    for _ in range(200):
        mean = 0.5 + 0.1 * np.concatenate([[0.0], rng.multivariate_normal(np.zeros(8), covariance)])
        run = replace(result, mean={"a": mean}, stderr={"a": error}, covariance=covariance)
        p_values.append(sq.fit(_level, run, 1.0).p_value)
    judge(stats.kstest(p_values, "uniform").pvalue, "p-values of fits")


def _level(level):
    return {"a": level * jnp.ones(9)}


def test_a_model_that_does_not_describe_the_data_is_told_of():
    with pytest.warns(UserWarning, match=r"^fit: chi2 = .* with 19 degrees of freedom \(p = .*half the dt") as told:
        found = sq.fit(_slope, (DATA, ERROR), 1.0)
    assert found.p_value < 1e-10 and len(told) == 1


def test_one_compilation_serves_all_data_of_a_shape():
    traced = []

    def predict(slope):
        traced.append(slope)
        return slope * T

    for height in (1.0, 2.0, 3.0):
        assert sq.fit(predict, (height * T, ERROR), 0.5).parameters == pytest.approx(height)
    assert len(traced) == 1
    assert sq.fit(predict, (T, ERROR), np.array([0.5])).parameters == pytest.approx([1.0])
    assert len(traced) == 2


@dataclass
class Unhashable:
    power: int

    def __call__(self, slope):
        return slope * T**self.power


def test_a_function_that_has_no_hash_is_fitted_too():
    function = Unhashable(1)
    assert sq.fit(function, (2 * T, ERROR), 0.5).parameters == pytest.approx(2.0)
    function.power = 2
    assert sq.fit(function, (2 * T**2, ERROR), 0.5).parameters == pytest.approx(2.0)


@pytest.mark.parametrize("model", ["suv", "oqt"])
def test_a_start_at_a_rate_of_zero_is_refused(model):
    qubit = sq.systems.levels([[0.0, 0.3], [0.3, 1.0]])
    build = {
        "suv": lambda rate: sq.models.suv(qubit, strength=rate),
        "oqt": lambda rate: sq.models.oqt(qubit, strength=rate, equilibrium=[0.7, 0.3]),
    }[model]

    def predict(parameters):
        run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 64, "dt": 0.25}
        return sq.expectations(build(parameters["rate"]), [0.6, 0.8], [0.0, 0.5, 1.0], **run)["p"][1:]

    with pytest.raises(ValueError, match="^start: expected .*(positive|not finite)"):
        sq.fit(predict, (np.array([0.5, 0.5]), 0.01), {"rate": 0.0})


def test_a_start_at_zero_is_fine_where_the_derivative_is():
    """However sharp the data are."""
    assert sq.fit(_slope, (1e-9 * T, 1e-12), 0.0).parameters == pytest.approx(1e-9)

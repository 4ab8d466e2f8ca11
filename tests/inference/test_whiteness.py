"""Goodness of fit of records: innovations against closed forms, p-values of right models and of wrong ones."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.inference.innovations import innovations
from stochq.inference.reading import Reading, reading
from stochq.inference.records import Records
from stochq.inference.whiteness import chance_of_innovations, totals
from stochq.measurement import counting, homodyne
from tests.inference.linear import law
from tests.inference.qubits import GROUND, LOWERING, SIGMA_X, SIGMA_Z

TIMES = np.linspace(0, 3, 25)
TRUTH = {"decay": 1.0, "rabi": 2.5}


def fluorescence(parameters, detuning=0.0, efficiency=0.8):
    hamiltonian = 0.5 * parameters["rabi"] * SIGMA_X + 0.5 * detuning * SIGMA_Z
    watched = homodyne(jnp.sqrt(parameters["decay"]) * LOWERING, phase=0.6, efficiency=efficiency)
    return sq.models.monitored(hamiltonian, {"current": watched}), GROUND


def drawn(records, seed, **options):
    return sq.inference.sample_records(*fluorescence(TRUTH, **options), TIMES, records=records, seed=seed)


def test_currents_that_tell_two_levels_apart_against_the_closed_form():
    """Two packets for each bin, Φ⁻¹ Σ p_i Φ((y − m_ih)/√h), with the populations that all before it left."""
    strengths, up = (0.7, -0.4), 0.3
    detectors = {str(k): homodyne(strength * SIGMA_Z) for k, strength in enumerate(strengths)}
    equation, state = sq.models.monitored(0.3 * SIGMA_Z, detectors), np.sqrt([up, 1 - up])
    times = np.array([0.0, 0.3, 0.8, 0.9])
    y = np.random.default_rng(1).normal(scale=0.5, size=(20, 3, 2))
    want, chances = np.empty_like(y), np.repeat([[up, 1 - up]], 20, axis=0)
    for k, width in enumerate(np.diff(times)):
        for column, strength in enumerate(strengths):
            mean = 2 * strength * np.array([1.0, -1.0])
            below = stats.norm.cdf((y[:, k, column, None] - mean * width) / np.sqrt(width))
            want[:, k, column] = stats.norm.ppf(np.sum(chances * below, axis=1))
            chances = chances * np.exp(mean * y[:, k, column, None] - 0.5 * mean**2 * width)
            chances /= chances.sum(axis=1, keepdims=True)
    with jax.enable_x64(True):
        found = reading(equation, state, sq.inference.Record(times, y, ["0", "1"]))
        assert found.kind == "commuting"
        for kind in ("commuting", "exact"):
            np.testing.assert_allclose(innovations(Reading(kind, *found[1:])), want, rtol=0, atol=1e-7)


def test_counts_lie_within_the_step_of_their_chance():
    """One photon at most: no click has the chance 1 − ηp(1 − e^{−γh}), p the chance that the atom is still excited."""
    decay, efficiency, width, bins = 0.7, 0.6, 0.5, 8
    detector = counting(np.sqrt(decay) * LOWERING, efficiency=efficiency)
    equation, excited = sq.models.monitored(np.zeros((2, 2)), {"photon": detector}), np.array([1.0, 0.0])
    record = sq.inference.sample_records(equation, excited, width * np.arange(bins + 1), records=3000, seed=2)
    with jax.enable_x64(True):
        z = innovations(reading(equation, excited, record))[..., 0]
    counts, stays = record["photon"], np.exp(-decay * width)
    still = np.ones(3000)
    for k in range(bins):
        none = 1 - efficiency * still * (1 - stays)
        chances = stats.norm.cdf(z[:, k])
        assert np.all(np.where(counts[:, k] == 0, chances <= none + 1e-12, chances >= none - 1e-12))
        still = np.where(counts[:, k] == 0, still * stays / none, 0.0)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.001


@pytest.mark.parametrize("first", ["homodyne", "counting"])
def test_a_counter_beside_another_column_is_given_what_that_wrote(first):
    """Two levels, each with its current or its rates of clicks: mixtures of normal and of Poisson laws."""
    up, width, strength, rates = 0.4, 0.5, 0.6, np.array([[1.5, 0.2], [0.3, 2.0]])
    counters = [counting(np.diag(np.sqrt(row))) for row in rates]
    detector = homodyne(strength * SIGMA_Z) if first == "homodyne" else counters[0]
    equation = sq.models.monitored(np.zeros((2, 2)), {"a": detector, "b": counters[1]})
    rng = np.random.default_rng(6)
    level = rng.choice(2, size=500, p=[up, 1 - up])
    currents = stats.norm(2 * strength * np.array([1.0, -1.0]) * width, np.sqrt(width))
    laws = [currents if first == "homodyne" else stats.poisson(width * rates[0]), stats.poisson(width * rates[1])]
    written = np.stack([law.rvs((500, 4, 2), random_state=rng)[np.arange(500), :, level] for law in laws], axis=-1)
    record = sq.inference.Record(width * np.arange(5), written, ["a", "b"], [first, "counting"])
    with jax.enable_x64(True):
        z = innovations(reading(equation, np.sqrt([up, 1 - up]), record))
    weights = np.repeat([[up, 1 - up]], 500, axis=0)
    for k, column in np.ndindex(4, 2):
        law, outcome, chance = laws[column], written[:, k, column, None], stats.norm.cdf(z[:, k, column])
        upto = np.sum(weights * law.cdf(outcome), axis=1)
        if law is currents:
            np.testing.assert_allclose(chance, upto, rtol=0, atol=1e-6)
        else:
            share = 1 - (upto - chance) / np.sum(weights * law.pmf(outcome), axis=1)
            assert np.all((share > -1e-4) & (share < 1 + 1e-4))
            assert stats.kstest(share, "uniform").pvalue > 1e-3
        weights = weights * (law.pdf(outcome) if law is currents else law.pmf(outcome))
        weights /= weights.sum(axis=1, keepdims=True)


def test_counters_that_are_silent_are_as_unlikely_as_they_are():
    """No click in any bin has the chance e^{−dh}, a part of which is drawn: by other numbers for other records."""
    equation = sq.models.monitored(np.zeros((2, 2)), {"n": counting(np.zeros((2, 2)), dark=1.4)})
    counts, found = np.zeros((100, 6, 1)), []
    for clicks in (0.0, 1.0, 0.0):
        counts[0, 0] = clicks
        record = sq.inference.Record(0.5 * np.arange(7), counts, ["n"], ["counting"])
        with jax.enable_x64(True):
            found.append(stats.norm.cdf(innovations(reading(equation, GROUND, record)))[1:])
    assert 0.98 * np.exp(-0.7) < found[0].max() <= np.exp(-0.7)
    np.testing.assert_array_equal(found[0], found[2])
    assert np.mean(np.abs(found[0] - found[1])) > 0.05


def test_estimates_take_their_share_of_what_is_off():
    """Forty records of noise about twelve cosines whose sizes are estimated, in NumPy alone: p is uniform only if that
    is counted."""
    rng, records, bins = np.random.default_rng(3), 40, 30
    shapes = np.linalg.qr(np.cos(np.pi * np.outer(np.arange(12), np.arange(bins) + 0.5) / bins).T)[0].T
    counted, ignored = [], []
    for _ in range(400):
        noise = rng.normal(size=(records, bins))
        z = noise - noise.mean(axis=0) @ shapes.T @ shapes
        total = totals(z[..., None])
        # A size moves by 1/√R in units of its error.
        moved = np.stack([totals((z - 1e-5 / np.sqrt(records) * shape)[..., None]) for shape in shapes], axis=1)
        counted.append(chance_of_innovations(total, (moved - total[:, None]) / 1e-5))
        ignored.append(chance_of_innovations(total, np.zeros((len(total), 1))))
    assert stats.kstest(counted, "uniform").pvalue > 0.01
    assert stats.kstest(ignored, "uniform").pvalue < 1e-3
    assert np.isnan(chance_of_innovations(total, np.full((len(total), 1), np.nan)))


def test_few_short_records_are_unlikely_as_rarely_as_is_said():
    """White noise of NumPy, five records of five bins and two columns: p < 10⁻³ in three of 3000, not in fifty."""
    rng = np.random.default_rng(4)
    noise = (totals(rng.normal(size=(5, 5, 2))) for _ in range(3000))
    found = np.array([chance_of_innovations(total, np.zeros((len(total), 1))) for total in noise])
    assert np.sum(found < 1e-3) < 12
    assert stats.kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.release
def test_right_models_have_uniform_p_values():
    """100 sets of 20 records, two parameters fitted to each; and a gain of 1.25 that is not in the model."""
    chances = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fit: ")
        for seed in range(100):
            chances.append(sq.fit(fluorescence, drawn(20, 100 + seed), TRUTH).p_value)
    assert stats.kstest(chances, "uniform").pvalue > 0.01
    record = drawn(60, 0)
    louder = sq.inference.Record(record.times, 1.25 * record.increments, record.names)
    with pytest.warns(UserWarning, match="^fit: p = .*not the white noise"):
        fit = sq.fit(fluorescence, louder, TRUTH)
    assert fit.p_value < 1e-4 and "not the white noise" in str(fit) and f"p = {fit.p_value:.2g}" in str(fit)


@pytest.mark.release
@pytest.mark.filterwarnings("ignore:fit. ")
def test_few_records_have_uniform_p_values():
    """200 sets of 40 records for four parameters."""
    truth = TRUTH | {"detuning": 0.7, "efficiency": 0.6}

    def model(values):
        return fluorescence(values, values["detuning"], values["efficiency"])

    times, chances = np.linspace(0, 6, 31), []
    for seed in range(200):
        record = sq.inference.sample_records(*model(truth), times, records=40, seed=seed)
        chances.append(sq.fit(model, record, truth, bounds={"decay": (0, None), "efficiency": (0, 1)}).p_value)
    known = np.isfinite(chances)
    assert np.mean(known) > 0.95
    assert stats.kstest(np.array(chances)[known], "uniform").pvalue > 0.01


def test_p_values_at_an_efficiency_of_one():
    """Beyond 1 there is no law: the derivative is from the other side, and p is that a little below."""

    def model(values):
        return fluorescence(TRUTH, efficiency=values["efficiency"])

    with jax.enable_x64(True):
        records = Records(model, drawn(20, 7), {"efficiency": np.float64(0.8)})
        p, near = (records.p_value(np.nan, 0, np.array([at]), np.array([[0.04]])) for at in (1.0, 1 - 1e-4))
    assert 0 < p < 1 and p == pytest.approx(near, rel=0.01)


@pytest.mark.filterwarnings("ignore:fit. the ")
def test_where_the_law_is_not_known_there_is_no_p_value():
    """Twelve records that know next to nothing, by which the atom decays at once, 29 times in a bin."""
    with pytest.warns(UserWarning, match="^fit: no p-value at these parameters: .*short against the time"):
        assert np.isnan(sq.fit(fluorescence, drawn(12, 170), TRUTH).p_value)


@pytest.mark.release
def test_wrong_models_are_caught():
    """A detuning that the model lacks, and a fixed efficiency that is twice the true one; parameters make up for what
    they can."""
    for options in ({"detuning": 0.8}, {"efficiency": 0.4}):
        with pytest.warns(UserWarning, match="not the white noise"):
            fit = sq.fit(fluorescence, drawn(3000, 5, **options), TRUTH)
        assert fit.p_value < 1e-4, options
    assert sq.fit(fluorescence, drawn(3000, 5), TRUTH).p_value > 0.01


@pytest.mark.release
def test_kraus_maps_know_their_law():
    """Of ten levels in short bins the closed form of two currents; of wide bins the exact maps, nearer if halved."""
    features, up = np.stack([np.linspace(-0.7, 0.7, 10), np.cos(np.arange(10))]), np.arange(1, 11) / 55
    detectors = {str(k): homodyne(row) for k, row in enumerate(features)}
    equation, times = sq.models.monitored(np.zeros((10, 10)), detectors), 0.02 * np.arange(4)
    y = np.random.default_rng(1).normal(scale=0.2, size=(20, 3, 2))
    want, chances = np.empty_like(y), np.repeat(up[None], 20, axis=0)
    for k, column in np.ndindex(3, 2):
        mean = 2 * features[column]
        below = stats.norm.cdf((y[:, k, column, None] - mean * 0.02) / np.sqrt(0.02))
        want[:, k, column] = stats.norm.ppf(np.sum(chances * below, axis=1))
        chances = chances * np.exp(mean * y[:, k, column, None] - 0.5 * mean**2 * 0.02)
        chances /= chances.sum(axis=1, keepdims=True)
    with jax.enable_x64(True):
        found = reading(equation, np.sqrt(up), sq.inference.Record(times, y, ["0", "1"]), "kraus")
        assert found.kind == "pure"
        np.testing.assert_allclose(innovations(found), want, rtol=0, atol=1e-4)
        equation, state = fluorescence(TRUTH)
        record = drawn(20, 3)
        exact = innovations(reading(equation, state, record))
        wide = Reading("mixed", *reading(equation, state, record)[1:3])
        off = [np.abs(innovations(wide._replace(halvings=n)) - exact).max() for n in (0, 1)]
    assert 3 * off[1] < off[0] < 0.2


@pytest.mark.release
@pytest.mark.parametrize("first", ["counting", "homodyne"])
def test_kraus_maps_know_the_law_of_clicks(first):
    """Ten levels, each with its rates of clicks or its current: mixtures of Poisson and of normal laws."""
    up, width = np.arange(1, 11) / 55, 0.02
    rates = np.stack([np.linspace(0.5, 6, 10), 4 * np.cos(np.arange(10)) ** 2])
    features = np.linspace(-0.7, 0.7, 10)
    detectors = [homodyne(features) if first == "homodyne" else counting(np.diag(np.sqrt(rates[0])))]
    detectors.append(counting(np.diag(np.sqrt(rates[1])), dark=0.5))
    equation = sq.models.monitored(np.zeros((10, 10)), dict(zip("ab", detectors, strict=True)))
    laws = [
        stats.norm(2 * features * width, np.sqrt(width)) if first == "homodyne" else stats.poisson(width * rates[0]),
        stats.poisson(width * (rates[1] + 0.5)),
    ]
    rng = np.random.default_rng(6)
    level = rng.choice(10, size=100, p=up)
    written = np.stack([law.rvs((100, 3, 10), random_state=rng)[np.arange(100), :, level] for law in laws], axis=-1)
    record = sq.inference.Record(width * np.arange(4), 1.0 * written, ["a", "b"], [first, "counting"])
    with jax.enable_x64(True):
        found = reading(equation, np.sqrt(up), record)
        assert found.kind == "mixed"
        z = innovations(found)
    weights = np.repeat(up[None], 100, axis=0)
    for k, column in np.ndindex(3, 2):
        law, outcome, chance = laws[column], written[:, k, column, None], stats.norm.cdf(z[:, k, column])
        upto = np.sum(weights * law.cdf(outcome), axis=1)
        if first == "homodyne" and column == 0:
            np.testing.assert_allclose(chance, upto, rtol=0, atol=3e-4)
        else:
            share = 1 - (upto - chance) / np.sum(weights * law.pmf(outcome), axis=1)
            assert np.all((share > -0.01) & (share < 1.01))
            assert stats.kstest(share, "uniform").pvalue > 1e-3
        weights = weights * (law.pdf(outcome) if first == "homodyne" and column == 0 else law.pmf(outcome))
        weights /= weights.sum(axis=1, keepdims=True)


def test_a_fit_of_many_levels_has_a_p_value():
    """An oscillator in twelve Fock states; its records drawn by the law of the linear system."""
    lower = np.diag(np.sqrt(np.arange(1, 12)), 1)
    q, p = (lower + lower.T) / np.sqrt(2), (lower - lower.T) / (1j * np.sqrt(2))
    energy = 0.5 * (q @ q + 0.8 * p @ p + 0.2 * (q @ p + p @ q))
    numbers, times = np.arange(12), 0.05 * np.arange(21)
    coherent = (0.8 / np.sqrt(2)) ** numbers / np.sqrt(np.cumprod(np.maximum(numbers, 1.0)))
    coherent = coherent / np.linalg.norm(coherent)

    def watched(parameters):
        current = homodyne(jnp.sqrt(parameters["strength"]) * (q + 0.5j * p))
        return sq.models.monitored(parameters["frequency"] * energy, {"current": current}), coherent

    truth = {"displacement": 0.8, "frequency": 1.2, "strength": 0.3}
    mean, covariance = law(truth, times=times, efficiency=1.0, start=0.5 * np.eye(2))
    increments = np.random.default_rng(2).multivariate_normal(mean, covariance, 60)
    start = {"frequency": 1.0, "strength": 0.4}
    record = sq.inference.Record(times, increments, ["current"])
    fit = sq.fit(watched, record, start)
    assert 1e-3 < fit.p_value < 1 and all(
        abs(fit.parameters[name] - truth[name]) < 4 * fit.stderr[name] for name in start
    )
    with pytest.warns(UserWarning, match="not the white noise"):
        louder = sq.inference.Record(times, 1.25 * increments, ["current"])
        assert sq.fit(watched, louder, start).p_value < 1e-4

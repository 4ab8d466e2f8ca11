"""Parameters that follow a record: the recursion by hand, the maximum of the likelihood, and a drift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.inference.recursion import _kept as RECURSIONS

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
SIGMA_X = LOWERING + LOWERING.T
GROUND = np.array([0.0, 1.0])
H = 0.2
TRUTH = {"decay": 1.0, "rabi": 2.0}
BOUNDS = {"decay": (0.0, None)}


def model(values):
    watched = sq.measurement.homodyne(jnp.sqrt(values["decay"]) * LOWERING, phase=np.pi / 2, efficiency=0.8)
    return sq.models.monitored(0.5 * values["rabi"] * SIGMA_X, {"x": watched}), GROUND


def draw(bins, seed, records=1):
    equation = sq.models.monitored(SIGMA_X, {"x": sq.measurement.homodyne(LOWERING, phase=np.pi / 2, efficiency=0.8)})
    return sq.inference.sample_records(equation, GROUND, np.arange(bins + 1) * H, records=records, seed=seed)


def level(offset):
    """A detector that sees the offset and a σ_z that stands still: dY = (2 + offset)dt + dW, times the gain 1.5."""
    watched = sq.measurement.homodyne([1.0, -1.0], gain=1.5, offset=offset)
    return sq.models.monitored(np.zeros((2, 2)), {"z": watched}), np.array([1.0, 0.0])


@pytest.mark.parametrize("forgetting", [1.0, 0.9])
def test_a_level_in_white_noise_is_followed_as_by_hand(forgetting):
    """Scores (y − (3 + o)h)/1.5², here of two records, 7 bins, renewed after every 3."""
    increments = 0.3 + np.random.default_rng(1).normal(size=(2, 7)) * np.sqrt(H) * 1.5
    record = sq.inference.Record(np.arange(8) * H, increments, ["z"])
    found = sq.inference.track(level, record, start=0.5, uncertainty=2.0, forgetting=forgetting, every=3)
    value, information, scatter, values, errors = 0.5, 0.25, 0.25, [], []
    for block in (increments[:, :3], increments[:, 3:6], increments[:, 6:]):
        scores = (block - (3 + value) * H) / 1.5**2
        weights = forgetting ** np.arange(block.shape[1])[::-1]
        information = forgetting ** block.shape[1] * information + np.sum(weights * scores**2)
        scatter = forgetting ** (2 * block.shape[1]) * scatter + np.sum(weights**2 * scores**2)
        value = value + np.sum(weights * scores) / information
        values.append(value)
        errors.append(np.sqrt(scatter) / information)
    np.testing.assert_allclose(found.parameters, values, rtol=1e-10)
    np.testing.assert_allclose(found.stderr, errors, rtol=1e-10)
    np.testing.assert_allclose(found.times, [3 * H, 6 * H, 7 * H])
    assert found.names == ("parameter",) and "Tracked: 3 times" in str(found)


@pytest.mark.release
def test_parameters_that_hardly_move_add_up_the_score_of_the_whole_record():
    """With a sharp start every step is the score of its bins times the start's covariance: their sum is ∇ℓ, for which
    the derivatives of the state must have come through all blocks."""
    record = draw(50, seed=3, records=2)
    start, sharp = {"decay": 0.8, "rabi": 2.3}, 1e-4
    settings = {"start": start, "uncertainty": {"decay": sharp, "rabi": sharp}, "every": 8}
    found = sq.inference.track(model, record, forgetting=1.0, **settings)

    def log_likelihood(values):
        return sq.inference.log_likelihood(*model(values), record)

    with jax.enable_x64(True):
        value, slope = jax.value_and_grad(log_likelihood)(jax.tree.map(jnp.asarray, start))
    assert found.log_likelihood == pytest.approx(float(value), abs=1e-5)
    for name in start:
        score = (found.parameters[name][-1] - start[name]) / sharp**2
        assert score == pytest.approx(float(slope[name]), rel=1e-4), name


@pytest.fixture(scope="module")
def tracks():
    """Four long records, each from another start, with and without forgetting."""
    starts = ({"decay": 0.8, "rabi": 2.3}, {"decay": 1.2, "rabi": 1.7})
    settings = {"uncertainty": {"decay": 0.3, "rabi": 0.3}, "bounds": BOUNDS, "every": 16}
    records = [draw(6000, seed) for seed in range(4)]
    return [
        (
            record,
            {own: sq.inference.track(model, record, start=start, forgetting=own, **settings) for own in (1, 0.998)},
        )
        for record, start in zip(records, 2 * starts, strict=True)
    ]


@pytest.mark.release
def test_without_forgetting_the_end_is_the_maximum_of_the_likelihood(tracks):
    record, found = tracks[0]

    def log_likelihood(values):
        return sq.inference.log_likelihood(*model({"decay": values[0], "rabi": values[1]}), record)

    with jax.enable_x64(True):
        slope, curvature = jax.jit(jax.grad(log_likelihood)), jax.jit(jax.hessian(log_likelihood))
        best = jnp.array([1.0, 2.0])
        for _ in range(4):
            best = best - jnp.linalg.solve(curvature(best), slope(best))
        errors = np.sqrt(np.diag(np.linalg.inv(-curvature(best))))
    best = np.asarray(best)
    for place, name in enumerate(TRUTH):
        assert abs(found[1].parameters[name][-1] - best[place]) < 0.5 * errors[place], name
        assert found[1].stderr[name][-1] == pytest.approx(errors[place], rel=0.2), name


@pytest.mark.parametrize("forgetting", [1, 0.998])
def test_errors_cover_the_truth(tracks, forgetting):
    """At many times of all records, which are independent where the memory of 500 bins lies between them."""
    scores = []
    for _, found in tracks:
        one = found[forgetting]
        at = np.searchsorted(one.times, H * np.arange(1000, 6001, 1000))
        for name, truth in TRUTH.items():
            scores.append((one.parameters[name][at] - truth) / one.stderr[name][at])
    assert np.max(np.abs(scores)) < 4
    assert 0.5 < np.std(scores) < 1.5


def test_forgetting_keeps_the_error_that_its_memory_has(tracks):
    """(1 − λ)/(1 + λ) of the inverse information of one bin, against 1/T of it."""
    _, found = tracks[1]
    ratio = found[0.998].stderr["rabi"][-100:].mean() / found[1].stderr["rabi"][-1]
    assert ratio == pytest.approx(np.sqrt(0.002 / 1.998 * 6000), rel=0.15)


def drifting_records(bins, slope, records, seed):
    """Records of an atom whose Ω grows from 2 by `slope` a bin, by short steps of pure states in plain NumPy; the light
    that is lost moves them too, and nobody writes it down."""
    steps = 20
    rng, dt = np.random.default_rng(seed), H / steps
    operators = [-1j * np.sqrt(share) * LOWERING for share in (0.8, 0.2)]
    decay = LOWERING.T @ LOWERING
    psi = np.repeat(GROUND[:, None].astype(complex), records, axis=1)
    increments = np.zeros((records, bins))
    for number in range(bins):
        for part in range(steps):
            rabi = 2.0 + slope * (number + (part + 0.5) / steps)
            angle = 0.5 * rabi * dt
            psi = np.cos(angle) * psi - 1j * np.sin(angle) * (SIGMA_X @ psi)
            after = psi - 0.5 * dt * (decay @ psi)
            for place, operator in enumerate(operators):
                moved = operator @ psi
                y = 2 * np.sum(psi.conj() * moved, axis=0).real * dt + np.sqrt(dt) * rng.normal(size=records)
                after = after + moved * y
                increments[:, number] += y * (place == 0)
            psi = after / np.linalg.norm(after, axis=0)
    return sq.inference.Record(np.arange(bins + 1) * H, increments, ["x"])


def test_a_drift_is_followed_with_the_lag_of_the_memory():
    bins, slope, forgetting = 1000, 4.0 / 1000, 0.98
    record = drifting_records(bins, slope, records=32, seed=5)
    settings = {"start": TRUTH, "uncertainty": {"decay": 0.2, "rabi": 0.2}, "bounds": BOUNDS, "every": 1}
    found = sq.inference.track(model, record, forgetting=forgetting, **settings)
    assert found.memory == pytest.approx(H / 0.02) and f"a lag of {H / 0.02:g} in time" in str(found)
    (made := found.plot()).draw_without_rendering()
    assert [text.get_text() for text in made.legends[0].get_texts()] == [
        "±2 standard errors",
        "given the record so far",
    ]
    later = np.arange(bins) >= 200
    behind = (2.0 + slope * np.arange(1, bins + 1) - found.parameters["rabi"])[later]
    # The mean age of a bin's middle; sixteen memories, each with the error that is told.
    expected = slope * (forgetting / (1 - forgetting) + 0.5)
    error = found.stderr["rabi"][later].mean() / np.sqrt(8)
    assert abs(behind.mean() - expected) < 4 * error and expected > 8 * error


@pytest.mark.release
def test_kraus_maps_halve_wide_bins_and_tell_of_those_that_are_too_wide():
    """A qubit beside a system of five levels that does nothing, against the exact maps of the qubit alone."""

    def beside(levels):
        def predict(rabi):
            lowering, drive = (np.kron(one, np.eye(levels)) for one in (LOWERING, SIGMA_X))
            watched = sq.measurement.homodyne(lowering, phase=np.pi / 2, efficiency=0.8)
            return sq.models.monitored(0.5 * rabi * drive, {"x": watched}), np.repeat(GROUND, levels) / levels**0.5

        return predict

    width = 0.4
    record = sq.inference.sample_records(*beside(1)(3.0), np.arange(301) * width, records=1, seed=2)
    settings = {"start": 3.0, "uncertainty": 0.2, "every": 50, "forgetting": 1.0}
    exact = sq.inference.track(beside(1), record, **settings)
    with pytest.warns(UserWarning, match="^record: within a memory of 300 bins, parameters are biased") as told:
        halved = sq.inference.track(beside(5), record, **settings)
    assert told[0].filename == __file__
    assert abs(halved.parameters[-1] - exact.parameters[-1]) < 0.05 * exact.stderr[-1]


def test_one_program_serves_all_records_of_a_shape(tracks):
    before = RECURSIONS.cache_info()
    settings = {"start": {"decay": 0.9, "rabi": 1.9}, "uncertainty": {"decay": 0.1, "rabi": 0.1}, "every": 16}
    sq.inference.track(model, draw(6000, 9), forgetting=0.99, bounds=BOUNDS, **settings)
    after = RECURSIONS.cache_info()
    assert after.hits == before.hits + 1 and after.misses == before.misses


def test_a_picture_has_a_panel_for_each_parameter(tracks):
    assert [axis.get_ylabel() for axis in tracks[0][1][1].plot().axes] == ["decay", "rabi"]


def test_a_prediction_that_stops_to_be_finite_is_told_with_the_time():
    """The record pulls the level down, to where its root is none."""
    record = sq.inference.Record(np.arange(41) * H, np.full(40, -1.0), ["z"])
    with pytest.raises(ValueError, match="its likelihood is not finite before t = "):
        sq.inference.track(lambda x: level(jnp.sqrt(x)), record, start=0.5, uncertainty=1.0, forgetting=1.0, every=2)


def moving(values):
    turning = sq.measurement.homodyne(LOWERING, phase=lambda t: t)
    return sq.models.monitored(values["rabi"] * SIGMA_X, {"x": turning}), GROUND


BAD = {
    "forgetting: expected a number above 0": {"forgetting": 1.2},
    "uncertainty: expected a positive number for 'rabi'": {"uncertainty": {"decay": 0.1, "rabi": 0.0}},
    "uncertainty: expected standard errors in the structure": {"uncertainty": 0.1},
    "start: expected 'decay' within its bounds": {"start": {"decay": -1.0, "rabi": 2.0}},
    "every": {"every": 0},
    "expected bins of one width": {"record": sq.inference.Record([0.0, 1.0, 3.0], [0.1, 0.2], ["x"])},
    "does not depend on time": {"predict": moving},
    "expected \\(equation, initial state\\)": {"predict": lambda values: values["rabi"]},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input(message):
    settings = {"predict": model, "record": sq.inference.Record([0.0, 0.1, 0.2], [0.1, 0.2], ["x"]), "start": TRUTH}
    settings |= {"uncertainty": {"decay": 0.1, "rabi": 0.1}, "forgetting": 1.0, "bounds": BOUNDS} | BAD[message]
    with pytest.raises(ValueError, match=message):
        sq.inference.track(settings.pop("predict"), settings.pop("record"), **settings)


def test_a_parameter_of_which_nothing_is_told_is_named():
    """Its information, λᵗ of the start's, underflows."""
    record = sq.inference.Record(np.arange(2001) * H, np.full(2000, 0.1), ["z"])
    settings = {"start": {"a": 0.5, "b": 1.0}, "uncertainty": {"a": 1.0, "b": 1.0}}
    with pytest.raises(ValueError, match="^forgetting: expected .* it tells nothing of b, and"):
        sq.inference.track(lambda v: level(v["a"] + 0 * v["b"]), record, forgetting=0.6, every=8, **settings)


def test_a_prediction_that_cannot_be_compiled_is_told_in_words():
    def predict(offset):
        return level(offset if offset > 0 else 1.0)

    times = np.arange(6) * H
    record = sq.inference.Record(times, np.random.default_rng(1).normal(size=(8, 5)), ["z"])
    message = "predict: expected a function of the parameters that JAX can compile"
    calls = (
        lambda: sq.inference.track(predict, record, start=0.5, uncertainty=1.0, forgetting=1.0),
        lambda: sq.fit(predict, record, 0.5),
        lambda: sq.inference.information(predict, 0.5, times, records=8),
        lambda: sq.inference.design(
            lambda v, gain: predict(v), 0.5, {"a": {"gain": 1}}, times=times, records=8, parameter="parameter"
        ),
        lambda: sq.inference.information(lambda v: v if v > 0 else 2 * v, 0.5, stderr=0.1),
    )
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()

"""Fisher information of records, fields, states and means, against closed forms and plain NumPy programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from stochq.inference.emitted import quantum_information
from stochq.inference.fisher import _of_scores, classical_information
from stochq.measurement import counting, heterodyne, homodyne, unread
from tests.inference.qubits import GROUND, LOWERING, SIGMA_X, SIGMA_Z, homodyne_information

information = sq.inference.information
TIMES = np.linspace(0, 3, 31)
EXCITED, PLUS = np.array([1.0, 0.0]), np.sqrt([0.5, 0.5])


def beyond(model, theta, times):
    """What the field and the state know, without records."""
    with jax.enable_x64(True):
        leaves, _ = jax.tree_util.tree_flatten(theta)
        return quantum_information(model, np.array(leaves, float), theta, np.asarray(times, float))


def fluorescence(parameters):
    hamiltonian = 0.5 * parameters["rabi"] * SIGMA_X + 0.5 * parameters.get("detuning", 0.0) * SIGMA_Z
    watched = homodyne(
        jnp.sqrt(parameters["decay"]) * LOWERING, phase=0.6, efficiency=parameters.get("efficiency", 1.0)
    )
    return sq.models.monitored(hamiltonian, {"current": watched}), GROUND


def test_a_photon_tells_the_rate_of_decay_by_the_time_of_its_click():
    """The field has the density γe^{−γt} of the click, cut at T; of bins the first that clicks is known, and at the
    end the state tells whether one was. All amplitudes are real: what the field has, the click tells."""
    rate, bins, width = 0.8, 30, 0.1

    def decaying(parameters):
        return sq.models.monitored(
            np.zeros((2, 2)), {"photon": counting(jnp.sqrt(parameters["decay"]) * LOWERING)}
        ), EXCITED

    found = information(decaying, {"decay": rate}, width * np.arange(bins + 1), records=4000, seed=1)
    stays, survives = np.exp(-rate * width), np.exp(-rate * width * bins)
    of_clicks = (width * stays) ** 2 * (1 - survives) / ((1 - stays) ** 2 * stays)
    assert abs(found.classical[0, 0] - of_clicks) < 4 * found.stderr[0, 0] < 0.2 * of_clicks
    assert found.quantum[0, 0] == pytest.approx((1 - survives) / rate**2, rel=1e-9)
    duration = bins * width
    assert found.state[0, 0] == pytest.approx(duration**2 * survives / (1 - survives), rel=1e-9)


def test_dephasing_hides_a_frequency_from_the_state_but_not_from_its_surroundings():
    """ρ₀₁ = ½e^{−iωt−2κt}: the state knows t²e^{−4κt}, everything together t². The operator that dephases tells nothing
    of ω, and of a frequency ωt the phase is ωt²/2."""
    rate, end = 0.3, 2.0
    times = np.linspace(0, end, 5)

    def ramsey(frequency):
        watched = homodyne(np.sqrt(0.5 * rate) * SIGMA_Z)
        lost = unread(np.sqrt(0.5 * rate) * SIGMA_Z)
        return sq.models.monitored(0.5 * frequency * SIGMA_Z, {"z": watched, "lost": lost}), PLUS

    def swept(frequency):
        hamiltonian = sq.systems.driven(np.zeros((2, 2)), [(0.5 * SIGMA_Z, lambda t: frequency * t)])
        return sq.models.monitored(hamiltonian, {"z": homodyne(np.sqrt(rate) * SIGMA_Z)}), PLUS

    for model, phase in ((ramsey, end), (swept, 0.5 * end**2)):
        found = beyond(model, 0.7, times)
        assert found.emitted[0, 0] == pytest.approx(phase**2, rel=1e-9)
        assert found.state[0, 0] == pytest.approx(phase**2 * np.exp(-4 * rate * end), rel=1e-9)


def oscillating(strength):
    """H = s cos(2πt)σ_x, which comes back after its period, beside a measurement of σ_z."""
    drive = sq.systems.driven(np.zeros((2, 2)), [(strength * SIGMA_X, lambda t: jnp.cos(2 * jnp.pi * t))])
    return sq.models.monitored(drive, {"z": homodyne(0.3 * SIGMA_Z, efficiency=0.7)}), EXCITED


def two_sided_of_oscillation(one, other, steps=800):
    """Tr ρ₁₂ after one period, by Strang steps with the exact angle of each half of a step."""
    rho, kept = np.diag([1.0, 0.0]).astype(complex), np.exp(-2 * 0.3**2 / steps)
    ends = np.sin(2 * np.pi * np.arange(2 * steps + 1) / (2 * steps)) / (2 * np.pi)
    for number, angle in enumerate(np.diff(ends)):
        left, right = (np.cos(s * angle) * np.eye(2) - 1j * np.sin(s * angle) * SIGMA_X for s in (one, other))
        rho = left @ rho @ right.conj().T
        if number % 2 == 0:
            rho = rho * np.array([[1.0, kept], [kept, 1.0]])
    return np.trace(rho)


@pytest.mark.release
@pytest.mark.parametrize("times", [[0.0, 1.0], [0.0, 0.3, 1.0]])
def test_what_is_emitted_while_operators_change_does_not_depend_on_the_bins(times):
    step = 1e-2
    corners = [
        a * b * np.log(abs(two_sided_of_oscillation(1.5 + a * step, 1.5 + b * step))) for a in (1, -1) for b in (1, -1)
    ]
    assert beyond(oscillating, 1.5, times).emitted[0, 0] == pytest.approx(sum(corners) / step**2, rel=1e-3)


@pytest.mark.parametrize("bins", [1, 2, *(pytest.param(bins, marks=pytest.mark.release) for bins in (3, 4))])
def test_records_of_bins_in_which_operators_change_are_warned_of(bins):
    equation, state = oscillating(1.5)
    times = np.linspace(0, 1, bins + 1)
    with pytest.warns(UserWarning, match="^times: expected bins in which what depends on time hardly changes") as told:
        sq.inference.sample_records(equation, state, times, records=1)
    assert told[0].filename == __file__
    record = sq.inference.Record(times, np.full(bins, 0.1), ["z"])
    with pytest.warns(UserWarning, match="^record: expected bins in which what depends on time hardly changes"):
        sq.inference.log_likelihood(equation, state, record)


def test_records_of_narrow_bins_are_not_warned_of():
    """Their mean is that of the state on its way, of a program with 2000 steps in plain NumPy."""
    equation, state = oscillating(1.5)
    mean = sq.inference.sample_records(equation, state, np.linspace(0, 1, 21), records=20_000).increments.sum((1, 2))
    assert abs(mean.mean() - 0.4694) < 4 * mean.std() / np.sqrt(20_000)


def test_resonance_fluorescence_has_four_over_gamma_per_time():
    """In the steady state (Gammelmark and Mølmer 2014), for Ω at no detuning."""
    decay = 1.3

    def model(rabi):
        return sq.models.monitored(0.5 * rabi * SIGMA_X, {"out": heterodyne(np.sqrt(decay) * LOWERING)}), GROUND

    late, early = (beyond(model, 2.0, [0, end]).emitted[0, 0] for end in (40.0, 30.0))
    assert (late - early) / 10 == pytest.approx(4 / decay, rel=1e-5)


def two_sided(one, other, end):
    """ln |Tr ρ₁₂| of the two-sided master equation by SciPy, every operator written out."""
    generators = []
    for rabi, detuning, decay, efficiency in (one, other):
        phase = np.exp(-0.6j)
        jumps = [phase * np.sqrt(efficiency * decay) * LOWERING, np.sqrt((1 - efficiency) * decay) * LOWERING]
        effective = -0.5j * (rabi * SIGMA_X + detuning * SIGMA_Z) - 0.5 * sum(c.conj().T @ c for c in jumps)
        generators.append((effective, jumps))
    (left, jumps), (right, others) = generators
    whole = np.kron(left, np.eye(2)) + np.kron(np.eye(2), right.conj())
    whole = whole + sum(np.kron(a, b.conj()) for a, b in zip(jumps, others, strict=True))
    rho = (expm(end * whole) @ np.outer(GROUND, GROUND).reshape(-1)).reshape(2, 2)
    return np.log(abs(np.trace(rho)))


def test_all_parameters_against_a_two_sided_equation_in_numpy():
    theta = {"decay": 1.1, "detuning": 0.4, "efficiency": 0.7, "rabi": 2.0}
    order = ("rabi", "detuning", "decay", "efficiency")
    point, end, step = np.array([theta[name] for name in order]), 3.0, 1e-3
    want = np.empty((4, 4))
    for i, one in enumerate(step * np.eye(4)):
        for j, other in enumerate(step * np.eye(4)):
            corners = [a * b * two_sided(point + a * one, point + b * other, end) for a in (1, -1) for b in (1, -1)]
            want[i, j] = 4 * sum(corners) / (4 * step**2)
    places = [order.index(name) for name in theta]
    found = beyond(fluorescence, theta, [0.0, 0.5, 1.5, end])
    np.testing.assert_allclose(found.emitted, want[np.ix_(places, places)], rtol=1e-4, atol=1e-4)


def test_homodyne_records_against_a_numpy_program():
    theta = {"decay": 1.0, "rabi": 3.0}
    found = information(fluorescence, theta, TIMES, records=1500, seed=1)
    want, error = homodyne_information(
        0.6, theta, ("decay", "rabi"), detuning=0.0, duration=3.0, records=1500, step=0.005, seed=3
    )
    off = (found.classical - want) / np.hypot(found.stderr, error)
    assert np.max(np.abs(off)) < 4, off
    assert np.all(np.diagonal(found.classical) > 10 * np.diagonal(found.stderr))
    # No measurement knows more than there is, in no combination of the parameters.
    assert np.linalg.eigvalsh(found.quantum - found.classical)[0] > 0.5
    assert found.duration == 3.0 and found.per_time.classical[0, 0] == pytest.approx(found.classical[0, 0] / 3)
    assert "decay" in str(found) and "with all emitted" in str(found)
    value, spread = found.error("decay")
    assert value == pytest.approx(np.sqrt(np.linalg.inv(found.classical)[0, 0]))
    assert found.error("decay", records=100).value == pytest.approx(0.1 * value)
    # Its spread over samples of this size.
    others = [
        classical_information(fluorescence, theta, TIMES, records=1500, seed=seed, stderr=None).error("decay").value
        for seed in range(2, 12)
    ]
    assert 0.5 < np.std(others, ddof=1) / spread < 1.8
    with pytest.raises(ValueError, match="^parameter: expected one of decay, rabi; got 'rabbi'. Did you mean 'rabi'"):
        found.error("rabbi")


def test_how_uncertain_an_expected_error_is():
    """The scatter of errors from 400 sets of 300 Gaussian scores, in NumPy."""
    root, rng = np.linalg.cholesky([[2.0, 0.7], [0.7, 1.0]]), np.random.default_rng(1)
    sets = [_of_scores(("a", "b"), rng.normal(size=(300, 2)) @ root.T, np.array([0.0, 1.0])) for _ in range(400)]
    value, spread = np.array([one.error("b") for one in sets]).T
    assert np.std(value) == pytest.approx(np.mean(spread), rel=0.15)


def test_parameters_of_the_initial_state():
    """cos θ|0⟩ + sin θ|1⟩ has 4, and a mixture p, 1−p has 1/p(1−p); nothing that happens later adds to it. After a long
    record the populations are known: of them all that the ket has."""
    still = sq.models.monitored(np.zeros((2, 2)), {"z": homodyne(SIGMA_Z)})
    turned = lambda angle: (still, jnp.stack([jnp.cos(angle), jnp.sin(angle)]))  # noqa: E731
    mixed = lambda up: (still, jnp.diag(jnp.stack([up, 1 - up])))  # noqa: E731
    times = np.linspace(0, 3, 7)
    ket = information(turned, 0.4, times, records=3000)
    assert ket.quantum[0, 0] == pytest.approx(4, rel=1e-9)
    assert abs(ket.classical[0, 0] - 4) < 4 * ket.stderr[0, 0] + 0.01
    found = beyond(mixed, 0.2, times)
    assert found.emitted[0, 0] == pytest.approx(1 / 0.16, rel=1e-9) == pytest.approx(found.state[0, 0], rel=1e-9)


def test_means_have_the_inverse_covariance_of_a_fit():
    times = np.array([0.5, 1.0, 2.0])

    def signal(parameters):
        return {"a": parameters["size"] * jnp.exp(-parameters["rate"] * times), "b": jnp.exp(1j * parameters["rate"])}

    theta = {"rate": 0.6, "size": 2.0}
    errors = {"a": 0.1, "b": 0.2 + 0.3j}
    found = information(signal, theta, stderr=errors)
    decay = np.exp(-0.6 * times)
    slopes = np.stack([-2 * times * decay, decay], axis=1) / 0.1
    phase = np.array([[-np.sin(0.6) / 0.2, 0.0], [np.cos(0.6) / 0.3, 0.0]])
    want = slopes.T @ slopes + phase.T @ phase
    np.testing.assert_allclose(found.classical, want, rtol=1e-12)
    data = {name: (np.asarray(one), errors[name]) for name, one in signal(theta).items()}
    np.testing.assert_allclose(np.linalg.inv(found.classical), sq.fit(signal, data, theta).covariance, rtol=1e-5)
    assert found.error("rate") == (pytest.approx(np.sqrt(np.linalg.inv(want)[0, 0])), 0.0)
    alike = information(lambda x: x["a"] + x["b"] + jnp.zeros(3), {"a": 1.0, "b": 2.0}, stderr=0.1)
    assert alike.error("a").value == np.inf and found.quantum is None and "information" in str(found)
    assert information(lambda x: {"c": x * (1 + 2j)}, 1.0, stderr=0.5).classical[0, 0] == pytest.approx(5 / 0.25)


@pytest.mark.parametrize(
    "model, theta, options, message",
    [
        (fluorescence, {"decay": 1.0, "rabi": 1.0}, {}, r"^times: expected \(T,\) ends"),
        (fluorescence, {"decay": 1.0, "rabi": 1.0}, {"times": [0, 1], "stderr": 0.1}, "^stderr: expected None"),
        (fluorescence, {"decay": np.nan, "rabi": 1.0}, {"times": [0, 1]}, r"^theta\['decay'\]: expected finite"),
        (fluorescence, {"decay": 1.0, "efficiency": 1.0, "rabi": 1.0}, {"times": [0, 1]}, "efficiencies of exactly 1"),
        (lambda x: (sq.gaussian.Dynamics(-x * np.eye(2), np.eye(2)), None), 1.0, {}, "got Dynamics, of which no"),
        (lambda x: x * np.ones(2), 1.0, {}, "^stderr: expected the standard errors"),
        (lambda x: x * np.ones(2), 1.0, {"times": [0, 1], "stderr": 0.1}, "times, which belong into predict"),
        (lambda x: {"a": x}, 1.0, {"stderr": {"b": 0.1}}, "^stderr: expected a number, or errors in the structure"),
        (lambda x: x * np.ones(2), 1.0, {"stderr": -0.1}, "^stderr: expected positive, finite standard errors"),
    ],
)  # fmt: skip
def test_what_is_refused(model, theta, options, message):
    with pytest.raises(ValueError, match=message):
        information(model, theta, records=20, **options)


def test_too_few_records_and_errors_that_are_none_are_refused():
    with pytest.raises(ValueError, match="^records: expected at least 3 for 2 parameters"):
        information(fluorescence, {"decay": 1.0, "rabi": 3.0}, TIMES, records=2)
    with pytest.raises(ValueError, match="^stderr: expected positive, finite standard errors; got 0.0"):
        information(lambda level: level * jnp.ones(2), 1.0, stderr=0.0)
    with pytest.raises(ValueError, match="^records: "):
        information(lambda level: level * jnp.ones(2), 1.0, stderr=0.1).error("parameter", records=0)


def test_bins_that_are_too_wide_are_told():
    """It was blamed on the parameter. The gradient of a likelihood that is not known there was zero."""

    def watched(k):
        current = sq.measurement.homodyne(jnp.sqrt(k) * np.array([1.0, -1.0]), efficiency=0.6)
        return sq.models.monitored(np.zeros((2, 2)), {"z": current}), np.array([1.0, 0.0])

    with pytest.raises(ValueError, match="^times: expected bins short against the time .* the longest is 1.5"):
        information(watched, 0.8, [0.0, 0.5, 2.0], records=20)
    record = sq.inference.Record([0.0, 0.5, 2.0], [0.3, 1.9], ["z"])

    def likelihood(k, method):
        equation, state = watched(k)
        return sq.inference.log_likelihood(equation, state, record, method=method)

    with jax.enable_x64(True):
        assert np.all(np.isnan(jax.value_and_grad(likelihood)(0.8, "exact")))
        # Of diagonal operators √(η/k) ΣY − 2ηT.
        known = jax.grad(likelihood)(0.8, "commuting")
    assert known == pytest.approx(np.sqrt(0.6 / 0.8) * 2.2 - 2 * 0.6 * 2.0, rel=1e-9)

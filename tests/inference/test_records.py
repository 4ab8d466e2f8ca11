"""Filtering, sampling and smoothing of records through the public functions."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, norm

import stochq as sq
from stochq.accuracy.bias import Allowance
from stochq.ensemble.faithful import Infidelity
from stochq.ensemble.records import RecordColumn, recording_of
from stochq.ensemble.task import Task
from stochq.measurement import counting, heterodyne, homodyne, unread
from stochq.schemes import frame_of

X, Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
Y = np.array([[0.0, -1j], [1j, 0.0]])
LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
GROUND = np.array([0.0, 1.0])


def driven(**detectors):
    return sq.models.monitored(1.5 * X + 0.25 * Z, detectors or {"out": homodyne(LOWERING, efficiency=0.6)})


# e^{−iπ/2}σ₋ + h.c. = −σ_y, as σ₋ = (σ_x − iσ_y)/2 lowers (1, 0) to (0, 1).
@pytest.mark.release
@pytest.mark.parametrize(
    "detector, current",
    [
        (homodyne(LOWERING, phase=0.5 * np.pi, efficiency=0.7), -np.sqrt(0.7) * Y),
        (heterodyne(LOWERING, efficiency=0.7), np.sqrt(0.7) * LOWERING),
        (heterodyne(LOWERING, gain=1.2, offset=2.0, noise=0.5), 1.2 * LOWERING + 2.0 * np.eye(2)),
    ],
)
def test_sampled_records_have_the_means_of_the_master_equation(detector, current):
    """E of every bin's current is that of √η⟨c + c†⟩, averaged over the bin, and of Z that of √η⟨L⟩."""
    equation = driven(out=detector)
    times = np.linspace(0, 1.5, 51)
    record = sq.inference.sample_records(equation, GROUND, times, records=20_000, seed=3)
    fine = np.linspace(0, 1.5, 501)
    mean = sq.exact.evolve(equation, GROUND, fine, observables={"current": current}).expect["current"]
    want = np.array([np.trapezoid(part, dx=fine[1]) for part in _bins(mean, 10)]) / 0.03
    found, error = record["out"].mean(axis=0), np.sqrt(np.var(record["out"], axis=0) / 20_000)
    assert np.max(np.abs(found - want) / error) < 4
    # E p_W/p = 1 under the law of the record, its gain and offset included.
    first = sq.inference.Record(times[:6], record.increments[:, :5], record.names, record.kinds)
    weights = np.exp(-sq.inference.log_likelihood(equation, GROUND, first, per_record=True))
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(20_000)


def _bins(values, length):
    return [values[k : k + length + 1] for k in range(0, len(values) - 1, length)]


def test_sampled_records_have_the_law_of_the_likelihood():
    """E exp(−ℓ) = 1 under the law itself, as p_W is a law; and a wide bin's distribution is that of two packets."""
    equation = driven()
    record = sq.inference.sample_records(equation, GROUND, np.linspace(0, 1, 6), records=20_000, seed=1)
    weights = np.exp(-sq.inference.log_likelihood(equation, GROUND, record, per_record=True))
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(20_000)
    still = sq.models.monitored(np.zeros((2, 2)), {"z": homodyne(Z)})
    drawn = sq.inference.sample_records(still, np.sqrt([0.3, 0.7]), [0.0, 0.4], records=20_000, seed=2)
    increments = drawn.increments[:, 0, 0]
    law = lambda y: 0.3 * norm.cdf((y - 0.8) / 0.4**0.5) + 0.7 * norm.cdf((y + 0.8) / 0.4**0.5)  # noqa: E731
    assert kstest(increments, law).pvalue > 1e-3


def test_records_of_two_detectors_are_correlated_as_they_should_be():
    """Two that watch σ_z: Y_k = ±2√η_k h + noise with one sign, so that E Y₁Y₂ = 4√(η₁η₂)h² and each has mean 0."""
    equation = sq.models.monitored(np.zeros((2, 2)), {"a": homodyne(Z), "b": homodyne(Z, efficiency=0.5)})
    record = sq.inference.sample_records(equation, np.sqrt([0.5, 0.5]), [0.0, 0.2], records=20_000, seed=6)
    first, second = record.increments[:, 0].T
    for values, want in ((first, 0), (second, 0), (first * second, 4 * np.sqrt(0.5) * 0.2**2)):
        assert abs(values.mean() - want) < 4 * values.std() / np.sqrt(20_000)


def test_sampled_clicks_are_those_of_the_equation():
    """The number of clicks of a driven, counted qubit beside the rate of the master equation, dark counts added."""
    equation = driven(n=counting(LOWERING, efficiency=0.5, dark=0.2), out=homodyne(0.5 * Z))
    times = np.linspace(0, 1.2, 4)
    record = sq.inference.sample_records(equation, GROUND, times, records=20_000, seed=5)
    fine = np.linspace(0, 1.2, 301)
    excited = sq.exact.evolve(equation, GROUND, fine, observables={"e": [1.0, 0.0]}).expect["e"]
    want = [np.trapezoid(0.5 * part + 0.2, dx=fine[1]) for part in _bins(excited, 100)]
    z = (record["n"].mean(axis=0) - want) / (record["n"].std(axis=0) / np.sqrt(20_000))
    assert np.abs(z).max() < 4


def test_filtered_means_average_to_the_master_equation():
    equation = driven(out=homodyne(LOWERING, efficiency=0.6), lost=unread(0.3 * Z))
    times = np.linspace(0, 2, 11)
    record = sq.inference.sample_records(equation, GROUND, times, records=5_000, seed=4)
    found = sq.inference.filter(equation, GROUND, record, observables={"x": X, "z": Z, "low": LOWERING})
    exact = sq.exact.evolve(equation, GROUND, times, observables={"x": X, "z": Z, "low": LOWERING})
    for name in ("x", "z", "low"):
        values = found.mean[name][:, 1:]
        error = np.sqrt(values.real.var(axis=0) + values.imag.var(axis=0)) / np.sqrt(5_000)
        assert np.all(np.abs(values.mean(axis=0) - exact.expect[name][1:]) < 4.5 * error)
    bloch = sum(found.mean[name] ** 2 for name in ("x", "z")) + (2 * found.mean["low"].imag) ** 2
    np.testing.assert_allclose(found.purity, 0.5 * (1 + bloch), atol=1e-12)
    np.testing.assert_allclose(found.variance["z"], 1 - found.mean["z"] ** 2, atol=1e-12)
    np.testing.assert_allclose(found.variance["low"].imag, 0.25 - found.mean["low"].imag ** 2, atol=1e-12)


def test_a_detector_that_is_not_read_loses_its_part():
    """The filter of one of two detectors is that of an equation in which nobody watches the other."""
    both = driven(a=homodyne(LOWERING, efficiency=0.6), b=homodyne(0.5 * Z, efficiency=0.7))
    record = sq.inference.sample_records(both, GROUND, np.linspace(0, 1, 11), records=3, seed=0)
    alone = sq.inference.Record(record.times, record.increments[..., :1], ["a"])
    one = driven(a=homodyne(LOWERING, efficiency=0.6), b=unread(0.5 * Z))
    found, want = (
        sq.inference.filter(equation, GROUND, alone, observables={"z": Z}, density=True) for equation in (both, one)
    )
    np.testing.assert_allclose(found.density, want.density, atol=1e-12)


def test_smoothed_means_are_those_of_a_measurement_in_between():
    """By hand: Σ_m o_m p(m | record before) p(record after | m), normalised."""
    equation = driven()
    record = sq.inference.sample_records(equation, GROUND, np.linspace(0, 1, 11), records=4, seed=7)
    for method, atol in (("exact", 1e-10), ("kraus", 2e-3)):
        both = {"x": X, "n": np.array([0.0, 2.0])}
        found = sq.inference.smooth(equation, GROUND, record, observables=both, method=method)
        before = sq.inference.filter(equation, GROUND, record, observables={"x": X}, method=method)
        middle = 6
        later = sq.inference.Record(record.times[middle:], record.increments[:, middle:], ["out"])
        chances = [
            0.5 * (1 + sign * before.mean["x"][:, middle]) * np.exp(
                sq.inference.log_likelihood(equation, np.array([1.0, sign]) / np.sqrt(2), later, per_record=True)
            )
            for sign in (1, -1)
        ]  # fmt: skip
        want = (chances[0] - chances[1]) / (chances[0] + chances[1])
        np.testing.assert_allclose(found.mean["x"][:, middle], want, atol=atol)
        np.testing.assert_allclose(found.mean["x"][:, -1], before.mean["x"][:, -1], atol=1e-10)
        np.testing.assert_allclose(found.variance["x"], 1 - found.mean["x"] ** 2, atol=1e-10)
        # Of two outcomes, 0 and 2, the squares are twice the outcomes.
        np.testing.assert_allclose(found.variance["n"], found.mean["n"] * (2 - found.mean["n"]), atol=1e-10)


RECORD = sq.inference.Record([0.0, 0.1, 0.2], [[0.1, 0.2]], ["out"])


def spoiled():
    return sq.inference.Record.of_run(RECORD.times, np.array([[[0.1], [np.nan]]]), ("out",), ("homodyne",))


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(record=np.zeros((1, 2))), "record: expected a sq.inference.Record"),
        (dict(record=spoiled()), "'out' has nan in interval 1 of record 0"),
        (dict(record=sq.inference.Record([0, 1], [0.1], ["in"])), "expected detectors among 'out' .*; got 'in'"),
        (dict(record=sq.inference.Record([0, 1], [1.0], ["out"], ["counting"])), "'out' is a record of counting"),
        (dict(state=[1.0, 0.0, 0.0]), "state: expected shape \\(2,\\)"),
        (dict(state=np.eye(2)), "state: expected trace 1"),
        (dict(observables={}), "observables: expected"),
        (dict(observables={"z": np.eye(3)}), "observables\\['z'\\]: expected an operator"),
        (dict(observables={"z": lambda psi: psi[0]}), "got a function"),
        (dict(method="best"), "method: expected one of"),
        (dict(method="commuting"), "not all operators"),
        (dict(equation=sq.models.unravel(X, [LOWERING], noise="complex")), "expected detectors among 'L0'"),
    ],
)
def test_bad_input(change, message):
    arguments = dict(equation=driven(), state=GROUND, record=RECORD, observables={"z": Z}) | change
    equation, state, record = (arguments.pop(name) for name in ("equation", "state", "record"))
    with pytest.raises(ValueError, match=message):
        sq.inference.filter(equation, state, record, **arguments)


def test_equations_without_records_are_refused_with_the_reason():
    chain = sq.systems.levels([0.0, 1.0])
    equation = sq.models.oqt(chain, strength=0.5, equilibrium=[0.6, 0.4])
    with pytest.raises(ValueError, match="equation: expected one of which something is written down"):
        sq.inference.log_likelihood(equation, GROUND, RECORD)


def test_currents_given_as_increments_are_noticed():
    record = sq.inference.Record(np.linspace(0, 1, 41), np.ones((1, 40)) * 6.0, ["out"])
    with pytest.warns(UserWarning, match="from_current"):
        sq.inference.log_likelihood(driven(), GROUND, record)


def test_impossible_records_are_named():
    equation = sq.models.monitored(np.zeros((2, 2)), {"n": counting(LOWERING)})
    record = sq.inference.Record([0.0, 0.1], [[0.0], [1.0]], ["n"], ["counting"])
    with pytest.raises(ValueError, match="record 1 has a bin whose chance is zero, or too small"):
        sq.inference.filter(equation, GROUND, record, observables={"z": Z})
    equation = sq.models.monitored(np.zeros((2, 2)), {"n": counting(LOWERING, dark=1.0)})
    record = sq.inference.Record([0.0, 0.1], [50], ["n"], ["counting"])
    with pytest.raises(ValueError, match="many clicks in one bin rates that make them likely"):
        sq.inference.filter(equation, GROUND, record, observables={"z": Z})


def test_traced_arguments_need_double_precision():
    import jax

    with pytest.raises(ValueError, match="equation: expected numbers; JAX is tracing"):
        jax.grad(
            lambda rate: sq.inference.filter(
                driven(out=homodyne(rate * LOWERING)), GROUND, RECORD, observables={"z": Z}
            ).log_likelihood[0]
        )(1.0)
    with pytest.raises(ValueError, match="double precision"):
        jax.grad(lambda rate: sq.inference.log_likelihood(driven(out=homodyne(rate * LOWERING)), GROUND, RECORD))(1.0)


# The next test follows the operator of strong order one, too.
@pytest.mark.parametrize(
    "detector, order",
    [(homodyne(0.7 * Z), 3.5), pytest.param(homodyne(LOWERING), 1.5, marks=pytest.mark.release)],
)
def test_the_filter_of_a_trajectory_s_record_returns_the_trajectory(detector, order):
    """Half the step leaves 2^−2p of the infidelity, for a scheme of strong order p."""
    equation, infidelity = driven(out=detector), []
    for steps in (16, 32):
        times = np.linspace(0, 1, steps + 1)
        run = sq.simulate(
            equation, GROUND, times, observables={"z": Z}, trajectories=256, keep=256, records=True, dt=1 / steps,
            precision="double",
        )  # fmt: skip
        found = sq.inference.filter(equation, GROUND, run.records, observables={"z": Z}, density=True, method="kraus")
        overlap = np.einsum("ri,rij,rj->r", run.kept[:, -1].conj(), found.density[:, -1], run.kept[:, -1]).real
        infidelity.append(np.mean(1 - overlap))
    assert infidelity[1] < infidelity[0] / 2**order and infidelity[1] < 3e-4


@pytest.mark.release
@pytest.mark.parametrize("detector", [homodyne(LOWERING), heterodyne(LOWERING)])
def test_the_filter_returns_the_trajectory_at_the_step_that_is_chosen(detector):
    """Within an infidelity of 1e-4, the mean over trajectories; without kept states no step is shorter for it."""
    equation, times = driven(out=detector), np.linspace(0, 1, 11)
    options: dict[str, Any] = {"observables": {"z": Z}, "trajectories": 256, "records": True, "precision": "double"}
    plain = sq.simulate(equation, GROUND, times, **options)
    chosen = sq.simulate(equation, GROUND, times, keep=2, **options)
    assert plain.dt / 8 < chosen.dt <= plain.dt
    assert ("kept states" in chosen.info["dt_reason"]) == (chosen.dt < plain.dt) == (detector.kind == "homodyne")
    run = sq.simulate(equation, GROUND, times, keep=256, dt=chosen.dt, interval=chosen.dt, seed=3, **options)
    found = sq.inference.filter(equation, GROUND, run.records, observables={"z": Z}, density=True, method="kraus")
    assert found.density is not None and run.kept is not None
    density = found.density[:, :: round(0.1 / chosen.dt)]
    overlap = np.einsum("rti,rtij,rtj->rt", run.kept.conj(), density, run.kept).real
    off = np.mean(1 - overlap, axis=0).max()
    # Not much shorter than needed, and what a step between powers of two of an interval is told to cost.
    assert off < 1e-4
    if detector.kind != "homodyne":
        return
    assert off > 2e-5
    scheme, state = sq.schemes.Strang(), GROUND.astype(complex)
    recording = recording_of(equation, scheme, times, True, None)
    task = Task(equation, frame_of(equation), state, times, {"z": Z}, scheme, "double", 1, recording=recording)
    estimator = Infidelity(task, (RecordColumn(((0, 0),)),), 0.1)
    estimated = estimator.bias(0.1 / 3, Allowance(1, 1.0, "double", 0.0)).value.max()
    assert 0.8 < estimated / (1.5 * off * (0.1 / 3 / chosen.dt) ** 2) < 1.25, chosen.dt


@pytest.mark.release
def test_inefficient_detection_against_qutip():
    """Mean purity and E⟨σ_z⟩_c² of filtered records, drawn exactly in law, beside QuTiP's smesolve."""
    import qutip

    count, times = 4_000, np.linspace(0, 1.5, 7)
    hamiltonian, watched, lost = (
        qutip.Qobj(matrix) for matrix in (1.5 * X + 0.25 * Z, np.sqrt(0.6) * LOWERING, np.sqrt(0.4) * LOWERING)
    )
    theirs = qutip.smesolve(
        hamiltonian, qutip.ket2dm(qutip.Qobj(GROUND)), times, c_ops=[lost], sc_ops=[watched], ntraj=count,
        e_ops=[qutip.Qobj(Z), qutip.Qobj(X), qutip.Qobj(Y)], seeds=1,
        options={"keep_runs_results": True, "dt": 0.005, "method": "rouchon", "progress_bar": ""},
    )  # fmt: skip
    z, x, y = (np.array(runs) for runs in theirs.runs_expect)
    equation = driven(out=homodyne(LOWERING, efficiency=0.6))
    record = sq.inference.sample_records(equation, GROUND, np.linspace(0, 1.5, 151), records=count, seed=1)
    ours = sq.inference.filter(equation, GROUND, record, observables={"z": Z})
    at = slice(0, None, 25)
    for mine, other in (
        (ours.purity[:, at], 0.5 * (1 + x**2 + y**2 + z**2)),
        (ours.mean["z"][:, at] ** 2, z**2),
    ):
        error = np.sqrt((mine.var(axis=0) + other.var(axis=0)) / count) + 1e-12
        assert np.all(np.abs(mine.mean(axis=0) - other.mean(axis=0)) < 4 * error + 2e-3)


def test_states_of_low_rank():
    """Full rank loses nothing; a lower one nears the whole state as the discarded weight says."""
    lower = np.diag(np.sqrt(np.arange(1.0, 5)), 1)
    equation = sq.models.monitored(
        0.7 * (lower + lower.T), {"out": homodyne(lower, efficiency=0.5), "lost": unread(0.3 * np.diag(np.arange(5.0)))}
    )
    rng = np.random.default_rng(0)
    record = sq.inference.Record(np.linspace(0, 1, 21), rng.normal(size=(3, 20)) * np.sqrt(0.05), ["out"])
    rho = np.diag([0.7, 0.3, 0.0, 0.0, 0.0])

    def filtered(**options):
        return sq.inference.filter(
            equation, rho, record, observables={"n": np.arange(5.0)}, method="kraus", density=True, **options
        )

    whole, full, some = filtered(), filtered(rank=5), filtered(rank=3)
    np.testing.assert_allclose(full.density, whole.density, atol=1e-10)
    np.testing.assert_allclose(full.log_likelihood, whole.log_likelihood, atol=1e-10)
    np.testing.assert_allclose(full.purity, whole.purity, atol=1e-10)
    np.testing.assert_allclose(full.mean["n"], whole.mean["n"], atol=1e-10)
    assert np.all(full.discarded < 1e-10) and np.all(whole.discarded == 0)
    distance = np.abs(some.density - whole.density).max(axis=(1, 2, 3))
    assert np.all((some.discarded > 1e-6) & (some.discarded < 0.2) & (distance < 2 * some.discarded))
    with pytest.raises(ValueError, match="rank: expected a whole number of at least 1 and at most 5"):
        filtered(rank=6)


def test_conditional_states_print_what_they_are():
    equation = sq.models.monitored(np.zeros((2, 2)), {"z": homodyne(Z)})
    record = sq.inference.Record([0.0, 0.5, 1.0], [[0.3, 0.9], [0.3, 0.9]], ["z"])
    arguments = {"observables": {"z": Z, "lower": LOWERING}}
    filtered = str(sq.inference.filter(equation, np.sqrt([0.5, 0.5]), record, **arguments))
    head, z, *_, purity = filtered.splitlines()
    assert head.startswith("Filtered: 2 records, 3 times in [0, 1], log-likelihood")
    assert z == f"  z: 0, spread 0  →  {np.tanh(2.4):.5g}, spread 0" and purity.startswith("  purity: 1, spread 0")
    one = sq.inference.Record([0.0, 0.5, 1.0], [0.3, 0.9], ["z"])
    smoothed = str(sq.inference.smooth(equation, np.sqrt([0.5, 0.5]), one, observables={"z": Z}))
    assert smoothed.splitlines()[:2] == [
        "Smoothed: 1 record, 3 times in [0, 1]",
        f"  z: {np.tanh(2.4):.5g}  →  0.98367",
    ]


def test_many_sampled_clicks_in_a_bin_are_poissonian():
    equation = sq.models.monitored(np.zeros((2, 2)), {"n": counting(LOWERING, dark=50.0)})
    drawn = sq.inference.sample_records(equation, GROUND, [0.0, 1.0], records=4000, seed=4)["n"][:, 0]
    assert abs(drawn.mean() - 50) < 4 * np.sqrt(50 / 4000)
    assert abs(drawn.var() - 50) < 4 * 50 * np.sqrt(2 / 4000)


def test_kept_states_that_no_filter_was_asked_for_are_told():
    equation = sq.models.monitored(np.zeros((2, 2)), {"z": sq.measurement.homodyne([0.3, -0.3])})
    options = {"observables": {"up": [1.0, 0.0]}, "trajectories": 64, "keep": 2, "records": True}
    mixed = sq.simulate(equation, np.diag([0.5, 0.5]), [0.0, 0.1], **options)
    assert "not by what a filter returns, as psi0 is mixed" in mixed.info["dt_reason"]

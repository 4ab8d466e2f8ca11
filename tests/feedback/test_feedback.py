"""Feedback: averages against the Wiseman-Milburn master equation in NumPy, single trajectories against their own
records, and what does not fit."""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.compiling import PROGRAMS
from stochq.feedback import Controller, Loop, Proportional
from tests import oracles

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
SIGMA_X, SIGMA_Y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, -1j], [1j, 0.0]])
SIGMA_Z = np.array([1.0, -1.0])
BLOCH: dict[str, Any] = {"x": SIGMA_X, "y": SIGMA_Y, "z": SIGMA_Z}
EVEN = np.array([0.6, 0.8])
WATCHED = {"current": sq.measurement.homodyne(LOWERING)}


def _bloch(rho):
    return np.array([np.trace(rho @ operator).real for operator in (SIGMA_X, SIGMA_Y, np.diag(SIGMA_Z))])


def _wiseman_milburn(hamiltonian, jump, force, efficiency, times):
    """dρ = −i[H + ½(c†F + Fc), ρ] + D[c − iF]ρ + D[√(1−η)L]ρ, c = √η L, from the upper level."""
    watched = np.sqrt(efficiency) * jump
    crossed = force @ watched
    whole = hamiltonian + 0.5 * (crossed + crossed.conj().T)
    operators = [watched - 1j * force, np.sqrt(1 - efficiency) * jump]
    return oracles.by_liouvillian(whole, operators, np.diag([1.0, 0.0]), times)


def test_a_current_that_is_fed_back_at_once_obeys_wiseman_and_milburn():
    """Of first order in the step, and what remains at two steps is nothing. The gain divides what the control
    multiplies, and the offset is a Hamiltonian."""
    times = np.array([0.0, 1.0])
    force, tilt = -0.9 * SIGMA_Y + 0.4 * np.diag(SIGMA_Z), 0.3 * SIGMA_X
    detector = sq.measurement.homodyne(LOWERING, efficiency=0.7, gain=2.0, offset=0.5)
    equation = sq.models.monitored(tilt - 0.25 * force, {"current": detector})
    loop = Loop(Proportional("current", "push", gain=0.5), {"push": force})
    expected = _bloch(_wiseman_milburn(tilt, LOWERING, force, 0.7, times)[-1])
    errors, spread = [], np.zeros(3)
    for steps in (10, 20):
        run = {"trajectories": 2**16, "dt": 1 / steps, "seed": steps, "feedback": loop}
        result = sq.simulate(equation, [1.0, 0.0], times, observables=BLOCH, **run)
        errors.append(np.array([result.mean[name][-1] for name in BLOCH]) - expected)
        spread = np.array([result.stderr[name][-1] for name in BLOCH])
    coarse, fine = errors
    assert np.linalg.norm(coarse) > 20 * np.linalg.norm(spread)
    assert 1.6 < np.linalg.norm(coarse) / np.linalg.norm(fine) < 2.6
    assert np.all(np.abs(2 * fine - coarse) < 4 * np.sqrt(5) * spread + 0.1 * np.abs(fine))


def test_two_controls_of_one_current_are_their_sum():
    """σ_x and σ_y do not commute: one after the other would err in zeroth order."""
    equation = sq.models.monitored(np.zeros((2, 2)), {"current": sq.measurement.homodyne(LOWERING)})

    class Both(Controller):
        def init(self):
            return jnp.zeros(())

        def update(self, memory, record, t, dt):
            return record["current"]

        def output(self, memory, t):
            return {"x": 0.8 * memory, "y": -0.9 * memory}

    times = np.array([0.0, 1.0])
    expected = _bloch(_wiseman_milburn(0 * SIGMA_X, LOWERING, 0.8 * SIGMA_X - 0.9 * SIGMA_Y, 1.0, times)[-1])
    loop = Loop(Both(), {"x": SIGMA_X, "y": SIGMA_Y})
    run = {"trajectories": 2**14, "dt": 0.01, "feedback": loop}
    result = sq.simulate(equation, [1.0, 0.0], times, observables=BLOCH, **run)
    found, error = (np.array([part[name][-1] for name in BLOCH]) for part in (result.mean, result.stderr))
    np.testing.assert_array_less(np.abs(found - expected), 4 * error + 0.02)


@pytest.mark.parametrize("time_constant", [0.0, 0.3])
def test_a_trajectory_is_driven_by_its_own_record(time_constant):
    """All commutes: the phase between the levels is −2Σu dt with u from the records that came out, one step later."""
    dt, gain, target = 0.05, 0.7, 0.2
    detector = sq.measurement.homodyne(0.8 * SIGMA_Z, gain=-1.5, offset=0.4)
    equation = sq.models.monitored([0.0, 0.0], {"current": detector})
    controller = Proportional("current", "turn", gain=gain, time_constant=time_constant, target=target)
    run = {"trajectories": 64, "dt": dt, "keep": 64, "records": True, "interval": dt}
    loop = Loop(controller, {"turn": SIGMA_Z})
    result = sq.simulate(equation, EVEN, [0.0, 0.5, 1.0], observables=BLOCH, feedback=loop, **run)
    assert result.records is not None and result.kept is not None
    current = result.records["current"]
    seen, angle = np.full(64, target), np.zeros(64)
    for step in range(20):
        angle += gain * (seen - target) * dt
        share = 1.0 if time_constant == 0 else 1 - np.exp(-dt / time_constant)
        seen = seen + share * (current[:, step] - seen)
    phase = result.kept[:, -1, 0] * result.kept[:, -1, 1].conj()
    np.testing.assert_allclose(phase / np.abs(phase), np.exp(-2j * angle), atol=2e-4)


class Clock(Controller):
    """It ignores the record and counts the time."""

    rate: Any

    def init(self):
        return {"passed": jnp.zeros(())}

    def update(self, memory, record, t, dt):
        return {"passed": memory["passed"] + dt}

    def output(self, memory, t):
        return {"turn": self.rate * memory["passed"]}


def test_what_a_controller_remembers_outlives_steps_of_other_lengths():
    equation = sq.models.monitored([0.0, 0.0], {"current": sq.measurement.homodyne(0.8 * SIGMA_Z)})
    times = np.array([0.0, 0.3, 0.35, 0.61])
    run = {"trajectories": 32, "dt": 0.1, "keep": 2, "feedback": Loop(Clock(1.7), {"turn": SIGMA_Z})}
    kept = sq.simulate(equation, EVEN, times, observables=BLOCH, **run).kept
    assert kept is not None
    lengths = [0.1] * 3 + [0.05] + [0.26 / 3] * 3
    angle = 1.7 * sum(length * sum(lengths[:step]) for step, length in enumerate(lengths))
    phase = kept[:, -1, 0] * kept[:, -1, 1].conj()
    np.testing.assert_allclose(phase / np.abs(phase), np.exp(-2j * angle), atol=1e-5)


class Kicked(Controller):
    """It kicks by the clicks of the step before."""

    angle: Any

    def init(self):
        return jnp.zeros(())

    def update(self, memory, record, t, dt):
        return record["photon"]

    def output(self, memory, t):
        return {"kick": self.angle * memory}


def test_kicks_of_a_trajectory_are_by_its_own_clicks():
    """Clicks that change nothing, in steps of several lengths, at ħ = ½: the phase is −2Σ angle·clicks/ħ, one step
    later."""
    detectors = {
        "photon": sq.measurement.counting(np.sqrt(3.0) * np.ones(2)),
        "z": sq.measurement.homodyne(0.3 * SIGMA_Z),
    }
    equation = sq.models.monitored([0.0, 0.0], detectors, hbar=0.5)
    times = np.array([0.0, 0.1, 0.2, 0.25, 0.35])
    run = {"trajectories": 64, "dt": 0.1, "keep": 64, "records": True, "seed": 2}
    loop = Loop(Kicked(0.2), kicks={"kick": SIGMA_Z})
    result = sq.simulate(equation, EVEN, times, observables=BLOCH, feedback=loop, **run)
    assert result.records is not None and result.kept is not None
    clicks = result.records["photon"]
    assert clicks.max() > 1
    phase = result.kept[:, -1, 0] * result.kept[:, -1, 1].conj()
    angle = 2 * 0.2 * clicks[:, :-1].sum(axis=1) / 0.5
    np.testing.assert_allclose(phase / np.abs(phase), np.exp(-1j * angle), atol=1e-5)


@pytest.mark.release
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with a current"])
def test_a_qubit_is_flipped_back_where_its_photon_is_counted(beside):
    """dP/dt = −(1 − η)γP + d(1 − 2P): what is counted is undone, and dark counts flip both ways."""
    efficiency, dark, times = 0.7, 0.3, np.array([0.0, 0.5, 1.5])
    detectors: dict[str, Any] = {"photon": sq.measurement.counting(LOWERING, efficiency=efficiency, dark=dark)}
    if beside:
        detectors["z"] = sq.measurement.homodyne(0.4 * SIGMA_Z)
    equation = sq.models.monitored([0.0, 0.0], detectors)
    rate = 1 - efficiency + 2 * dark
    expected = dark / rate + (1 - dark / rate) * np.exp(-rate * times)
    loop, found = Loop(Kicked(np.pi / 2), kicks={"kick": SIGMA_X}), []
    for dt in (0.1, 0.05):
        run = {"trajectories": 2**14, "dt": dt, "seed": round(1 / dt), "feedback": loop}
        result = sq.simulate(equation, [1.0, 0.0], times, observables={"up": [1.0, 0.0]}, **run)
        found.append((result.mean["up"], result.stderr["up"]))
    (coarse, error), (fine, _) = found
    assert np.all(np.abs(2 * fine - coarse - expected) < 4 * np.sqrt(5) * error + 2e-3)
    assert np.all(np.abs(fine - expected) < 4 * error + 0.05)


def test_other_gains_compile_nothing_anew():
    equation = sq.models.monitored([0.0, 0.0], {"current": sq.measurement.homodyne(0.8 * SIGMA_Z)})

    def programs(rate):
        loop = Loop(Clock(rate), {"turn": SIGMA_Z})
        sq.simulate(equation, EVEN, [0.0, 0.2], observables=BLOCH, trajectories=32, dt=0.1, feedback=loop)
        return len(PROGRAMS)

    assert programs(1.0) == programs(2.0)


def test_gradients_pass_to_the_gains():
    """x = .96 e^{−2k t} cos 2A with the angle A = rate·Σ t_n dt of the clock."""
    equation = sq.models.monitored([0.0, 0.0], {"current": sq.measurement.homodyne(0.5 * SIGMA_Z)})

    def coherence(rate):
        run = {"trajectories": 2048, "dt": 0.1, "feedback": Loop(Clock(rate), {"turn": SIGMA_Z})}
        return sq.expectations(equation, EVEN, [0.0, 0.5], observables=BLOCH, **run)["x"][-1]

    value, slope = jax.value_and_grad(coherence)(4.0)
    size, angle = 0.96 * np.exp(-0.5 * 0.5), 0.1 * 0.1 * (0 + 1 + 2 + 3 + 4)
    np.testing.assert_allclose(value, size * np.cos(8 * angle), atol=0.02)
    np.testing.assert_allclose(slope, -2 * angle * size * np.sin(8 * angle), rtol=0.05)
    with pytest.raises(ValueError, match="^trajectories: expected a number beside dt or scheme or feedback"):
        sq.expectations(equation, EVEN, [0.0, 0.5], observables=BLOCH, feedback=Loop(Clock(1.0), {"turn": SIGMA_Z}))


def _driven_by_its_current(seed, **options):
    equation = sq.models.monitored(0.3 * SIGMA_X, WATCHED)
    loop = Loop(Proportional("current", "push", gain=-0.5), {"push": SIGMA_Y})
    run = {"trajectories": 16, "dt": 0.01, "records": True, "interval": 0.01, "seed": seed, "feedback": loop}
    return equation, sq.simulate(equation, EVEN, [0.0, 0.5], observables=BLOCH, **(run | options))


def test_a_record_that_was_fed_back_is_known_as_such(tmp_path):
    """Only the equation under the same feedback tells the state: that of the very trajectory, up to what the controller
    does one step late, an angle of about |λ|√dt."""
    equation, result = _driven_by_its_current(1, keep=16)
    merged = result.merge(_driven_by_its_current(2)[1])
    loaded = sq.load(result.save(tmp_path / "fed.nc"))
    fed = sq.models.markovian_feedback(equation, {"current": -0.5 * SIGMA_Y})
    assert fed.fed_back and not equation.fed_back
    for record in (result.records, merged.records, loaded.records):
        assert record is not None and record.fed_back and "fed back" in repr(record)
        for call in (sq.inference.log_likelihood, sq.inference.smooth, sq.inference.filter):
            options = {} if call is sq.inference.log_likelihood else {"observables": BLOCH}
            with pytest.raises(ValueError, match="^record: expected one that nobody fed back, .*markovian_feedback"):
                call(equation, EVEN, record, **options)
        with pytest.raises(ValueError, match="^record: expected one that nobody fed back"):
            sq.fit(lambda drive: (sq.models.monitored(drive * SIGMA_X, WATCHED), EVEN), record, 0.3)
    known = sq.inference.filter(fed, EVEN, result.records, observables=BLOCH)
    unmarked = sq.inference.Record(result.records.times, result.records.increments, ["current"])
    wrong = sq.inference.filter(equation, EVEN, unmarked, observables=BLOCH)
    for name in ("x", "z"):
        off, wide = (np.abs(one.mean[name][:, -1] - result.kept_values[name][:, -1]).mean() for one in (known, wrong))
        assert off < 2 * 0.5 * np.sqrt(0.01) * 1.5 and wide > 3 * off
    linear = sq.gaussian.Monitored(np.eye(2), [[0.5, 0.0]])
    with pytest.raises(ValueError, match="^record: expected one that nobody fed back"):
        linear.log_likelihood(sq.gaussian.State([0, 0], np.eye(2) / 2), result.records)


@pytest.mark.parametrize("drawn", [False, True], ids=["simulated", "drawn"])
def test_a_record_that_is_fed_back_at_once_is_marked_too(drawn):
    """Beside the equation without feedback its likelihood would be that of another system."""
    equation = sq.models.monitored(0.3 * SIGMA_X, WATCHED)
    fed = sq.models.markovian_feedback(equation, {"current": -0.5 * SIGMA_Y})
    times, options = np.linspace(0, 4, 41), {"observables": BLOCH, "dt": 0.1}
    if drawn:
        record = sq.inference.sample_records(fed, EVEN, times, records=4)
    else:
        record = sq.simulate(fed, EVEN, times, trajectories=4, records=True, **options).records
    plain = sq.simulate(equation, EVEN, times, trajectories=4, records=True, **options).records
    assert record is not None and plain is not None and record.fed_back and not plain.fed_back
    assert np.isfinite(sq.inference.log_likelihood(fed, EVEN, record))
    refused = "^record: expected one that nobody fed back"
    with pytest.raises(ValueError, match=refused):
        sq.inference.log_likelihood(equation, EVEN, record)
    with pytest.raises(ValueError, match=refused):
        sq.inference.correlations(record, [0, 1])

    def model(drive):
        return sq.models.monitored(drive * SIGMA_X, WATCHED), EVEN

    with pytest.raises(ValueError, match=refused):
        sq.inference.track(model, record, start=0.3, uncertainty=0.1, forgetting=0.99)


def test_a_record_that_drives_in_two_ways_is_refused():
    """Nothing that reads it would know of both."""
    fed = sq.models.markovian_feedback(sq.models.monitored(0.3 * SIGMA_X, WATCHED), {"current": -0.5 * SIGMA_Y})
    loop = Loop(Proportional("current", "push", gain=-0.5), {"push": SIGMA_Y})
    options = {"trajectories": 16, "dt": 0.1, "feedback": loop, "records": True}
    with pytest.raises(ValueError, match="^records: expected False with feedback= on an equation from markovian"):
        sq.simulate(fed, EVEN, [0.0, 0.5], observables=BLOCH, **options)


def test_runs_under_other_controllers_do_not_merge():
    """Of one class and shape, known by what they compute."""
    equation = sq.models.monitored([0.0, 0.0], {"current": sq.measurement.homodyne(0.8 * SIGMA_Z)})

    def run(answer, seed):
        loop = Loop(Wrong(answer), {"turn": SIGMA_Z})
        options = {"trajectories": 32, "dt": 0.1, "seed": seed, "feedback": loop}
        return sq.simulate(equation, EVEN, [0.0, 0.2], observables=BLOCH, **options)

    def doubled(memory):
        return {"turn": 2 * memory}

    first, again, other = run(doubled, 1), run(doubled, 2), run(lambda memory: {"turn": 3 * memory}, 3)
    assert first.merge(again).trajectories == 64
    with pytest.raises(ValueError, match="^merge: expected two runs of one problem"):
        first.merge(other)


class Turned(Controller):
    angle: Any

    def init(self):
        return ()

    def update(self, memory, record, t, dt):
        return memory

    def output(self, memory, t):
        return {"current": self.angle}


@pytest.mark.parametrize("kind", ["constant", pytest.param("function", marks=pytest.mark.release)])
def test_a_controller_sets_phases_of_detectors(kind):
    """Added to the detector's own: the very trajectories of that detector."""

    def equation(phase):
        own = phase if kind == "constant" else lambda t: phase + 0 * t
        detectors = {
            "other": sq.measurement.homodyne(0.5 * SIGMA_X, phase=0.3),
            "current": sq.measurement.homodyne(LOWERING, phase=own),
        }
        return sq.models.monitored(0.7 * SIGMA_X, detectors)

    run = {"trajectories": 32, "dt": 0.05, "keep": 4, "records": True, "observables": BLOCH}
    ours = sq.simulate(equation(0.3), EVEN, [0.0, 0.5], feedback=Loop(Turned(0.5)), **run)
    theirs = sq.simulate(equation(0.8), EVEN, [0.0, 0.5], feedback=Loop(Turned(0.0)), **run)
    np.testing.assert_allclose(ours.kept, theirs.kept, atol=2e-6)
    assert ours.records is not None and theirs.records is not None
    for name in ("current", "other"):
        np.testing.assert_allclose(ours.records[name], theirs.records[name], atol=2e-5)


class Flipping(Controller):
    """The local oscillator turns by π while what was written down so far is positive."""

    def init(self):
        return jnp.zeros(())

    def update(self, memory, record, t, dt):
        return memory + record["current"] * dt

    def output(self, memory, t):
        return {"current": jnp.where(memory > 0, jnp.pi, 0.0)}


def test_every_trajectory_has_a_phase_of_its_own():
    """dY = ±2√k⟨σ_z⟩dt + dW by the sign of its own record so far: the residuals are white, and know nothing of it."""
    detector = sq.measurement.homodyne(0.6 * SIGMA_Z, phase=lambda t: 0 * t)
    equation = sq.models.monitored([0.0, 0.0], {"current": detector})
    dt, times = 0.05, np.linspace(0, 1, 21)
    run = {"trajectories": 1024, "dt": dt, "keep": 1024, "records": True, "seed": 4}
    result = sq.simulate(equation, EVEN, times, observables=BLOCH, feedback=Loop(Flipping()), **run)
    assert result.records is not None and result.kept is not None
    increments = result.records["current"] * dt
    before = np.concatenate([np.zeros((1024, 1)), np.cumsum(increments, axis=1)[:, :-1]], axis=1)
    z = np.abs(result.kept[:, :-1, 0]) ** 2 - np.abs(result.kept[:, :-1, 1]) ** 2
    drift = 2 * 0.6 * np.where(before > 0, -1, 1) * z * dt
    residual = increments - drift
    slope, error = np.sum(residual * drift) / np.sum(drift**2), np.sqrt(dt / np.sum(drift**2))
    assert error < 0.1
    assert abs(slope) < 4 * error
    # What ⟨σ_z⟩ moves within a step adds up to 2(2·0.6)²dt/2.
    assert -4 * np.sqrt(2 / residual.size) < residual.var() / dt - 1 < 1.44 * dt


class Wrong(Controller):
    """Whatever `answer` and `remembered` say."""

    answer: Any = eqx.field(static=True)
    remembered: Any = eqx.field(static=True, default=lambda memory, record: memory)

    def init(self):
        return jnp.zeros(())

    def update(self, memory, record, t, dt):
        return self.remembered(memory, record)

    def output(self, memory, t):
        return self.answer(memory)


FINE = Wrong(lambda memory: {})


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (
            lambda: Loop(Wrong(lambda m: {"pull": m}), {"push": SIGMA_X}),
            "^controller: expected output to name what there is .*'push'; phases: 'current'.; got 'pull'",
        ),
        (
            lambda: Loop(Wrong(lambda m: {"diagonal": m})),
            "^controller: expected phases of detectors that can turn; 'diagonal' .*phase=lambda t: 0",
        ),
        (lambda: Loop(Wrong(lambda m: m), {"push": SIGMA_X}), "^controller: expected output to return {name: number}"),
        (
            lambda: Loop(Wrong(lambda m: {"push": jnp.ones(2)}), {"push": SIGMA_X}),
            "^controller: expected output to return one real number for 'push'",
        ),
        (
            lambda: Loop(Wrong(lambda m: {"push": 1j * m}), {"push": SIGMA_X}),
            "^controller: expected output to return one real number for 'push'",
        ),
        (
            lambda: Loop(Wrong(lambda m: {"push": np.sin(m)}), {"push": SIGMA_X}),
            "^controller: expected output to be a function that JAX can compile",
        ),
        (
            lambda: Loop(Wrong(FINE.answer, lambda m, r: r["currant"])),
            "^controller: expected update to read records among 'diagonal', .* 'clicks'; it asks for 'currant'",
        ),
        (
            lambda: Loop(Wrong(FINE.answer, lambda m, r: jnp.stack([m, m]))),
            "^controller: expected update to return what init does",
        ),
        (
            lambda: Loop(Wrong(FINE.answer, lambda m, r: m + r["both"])),
            "^controller: expected update to return real numbers where init does; got complex ones. Begin with",
        ),
        (
            lambda: Loop(Proportional("both", "push", gain=1.0), {"push": SIGMA_X}),
            "^record: expected that of a homodyne detector, which is real; 'both' is heterodyne",
        ),
        (
            lambda: Loop(Proportional("clicks", "push", gain=1.0), {"push": SIGMA_X}),
            "^record: expected that of a homodyne detector; 'clicks' counts clicks, .* divides it by dt for a control",
        ),
        (lambda: Loop(FINE, {"push": np.eye(3)}), r"^controls\['push'\]: expected an operator of dimension 2"),
        (lambda: Loop(FINE, {"push": LOWERING}), r"^controls\['push'\]: expected a Hermitian matrix"),
        (
            lambda: Loop(FINE, {"current": SIGMA_X}),
            "^controls: expected names other than the records'; 'current' is both",
        ),
        (lambda: Loop(FINE, cast(Any, [SIGMA_X])), "^controls: expected {name: operator}; got list"),
        (lambda: Loop(cast(Any, "x"), {"push": SIGMA_X}), "^controller: expected an instance of a class derived from"),
        (lambda: Loop(FINE, {"push": SIGMA_X}, {"push": SIGMA_Y}), "^kicks: expected names other than the controls"),
        (lambda: Loop(FINE, kicks={"push": LOWERING}), r"^kicks\['push'\]: expected a Hermitian matrix"),
        (lambda: FINE, "^feedback: expected sq.feedback.Loop"),
    ],
)
def test_a_loop_that_does_not_fit_is_refused(loop, message):
    detectors = {
        "diagonal": sq.measurement.homodyne(SIGMA_Z),
        "current": sq.measurement.homodyne(LOWERING),
        "both": sq.measurement.heterodyne(LOWERING),
        "clicks": sq.measurement.counting(LOWERING),
    }
    equation = sq.models.monitored(SIGMA_X, detectors)
    with pytest.raises(ValueError, match=message):
        sq.simulate(equation, EVEN, [0.0, 1.0], observables=BLOCH, trajectories=32, dt=0.1, feedback=loop())


@pytest.mark.parametrize("scheme", [None, sq.schemes.Strang()])
def test_clicks_have_no_gradient(scheme):
    equation = sq.models.monitored(SIGMA_X, {"clicks": sq.measurement.counting(LOWERING)})
    run = {"observables": BLOCH, "trajectories": 32, "dt": 0.1, "scheme": scheme}
    with pytest.raises(ValueError, match="^feedback: expected records that are currents; clicks draw whole numbers"):
        sq.expectations(equation, EVEN, [0.0, 1.0], feedback=Loop(FINE, {"push": SIGMA_X}), **run)


def test_a_filter_that_runs_backwards_is_refused():
    with pytest.raises(ValueError, match="^time_constant: expected a time, zero or positive; got -0.3"):
        Proportional("current", "push", gain=1.0, time_constant=-0.3)


def test_schemes_and_equations_without_records_are_refused():
    loop = Loop(FINE, {"push": SIGMA_X})
    monitored = sq.models.monitored(SIGMA_X, {"current": sq.measurement.homodyne(LOWERING)})
    run = {"observables": BLOCH, "trajectories": 32, "dt": 0.1, "feedback": loop}
    for scheme in (sq.schemes.EulerMaruyama(), sq.schemes.Strang(increments="discrete")):
        with pytest.raises(ValueError, match=r"^scheme: expected sq.schemes.Strang\(\) with feedback"):
            sq.simulate(monitored, EVEN, [0.0, 1.0], scheme=scheme, **run)
    unread = sq.models.unravel(SIGMA_X, [SIGMA_Z], noise="unitary")
    with pytest.raises(ValueError, match="^feedback: expected an equation with records"):
        sq.simulate(unread, EVEN, [0.0, 1.0], **run)

"""Records of runs: what they sum up, their law against plain scipy, QuTiP driven by them, and what is refused."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import scipy.linalg
from scipy import stats

import stochq as sq
from tests import liouville
from tests.judging import judge, judge_sample

LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
DRIVE = np.array([[0.25, 1.5], [1.5, -0.25]])
DOWN = np.array([0.0, 1.0])
# The watched operators of `detectors`: L at an angle, diagonal, and what is lost of both.
EFFICIENCY, ANGLE, GAIN, OFFSET, ELECTRONIC = 0.6, 0.7, -2.0, 1.5, 0.25
X, Z = 0.9 * LOWERING, np.diag([0.6, -0.6])
TIMES = np.linspace(0, 1, 5)


def detectors():
    x = sq.measurement.homodyne(X, phase=ANGLE, efficiency=EFFICIENCY, gain=GAIN, offset=OFFSET, noise=ELECTRONIC)
    return {"x": x, "z": sq.measurement.heterodyne(Z, efficiency=EFFICIENCY, gain=GAIN, offset=OFFSET)}


@cache
def run(trajectories=20_000, **options):
    """A driven qubit watched by both detectors."""
    options = {"records": True, "dt": 0.025, "seed": 4} | options
    equation = sq.models.monitored(DRIVE, detectors())
    return sq.simulate(equation, DOWN, TIMES, observables={"p": DOWN}, trajectories=trajectories, **options)


def maps(watched, width):
    """What an interval does to E[ρ], and to it times the increment of a watched c: (A₀, A₁), (4, 4) each."""
    generator = liouville.superoperator(DRIVE.astype(complex), [X, Z])
    first = np.kron(watched, np.eye(2)) + np.kron(np.eye(2), watched.conj())
    both = scipy.linalg.expm(width * np.block([[generator, first], [np.zeros((4, 4)), generator]]))
    return both[:4, :4], both[:4, 4:]


WATCHED = np.sqrt(EFFICIENCY) * np.exp(-1j * ANGLE) * X
START, TRACE = np.outer(DOWN, DOWN).reshape(-1), np.eye(2).reshape(-1)


def means(watched, width, count):
    plain, tilted = maps(watched, width)
    return np.array([TRACE @ tilted @ np.linalg.matrix_power(plain, k) @ START for k in range(count)]).real


def test_the_mean_record_is_that_of_the_master_equation():
    record = run().records
    width = np.diff(TIMES)
    judge_sample(record["x"], GAIN * means(WATCHED, width[0], 4) / width + OFFSET, "homodyne")
    parts = [means(np.sqrt(EFFICIENCY / 2) * factor * Z, width[0], 4) for factor in (1, 1j)]
    judge_sample(record["z"], GAIN * (parts[0] - 1j * parts[1]) / np.sqrt(2) / width + OFFSET, "heterodyne")


@pytest.mark.release
def test_two_times_of_the_record_obey_the_regression_theorem():
    """E[y_i y_j] = Tr[𝓜e^{𝓛(t_j − t_i)}𝓜ρ] over two intervals; electronic noise adds to an interval's square alone."""
    bins, width = 8, 0.125
    y = run(interval=width, trajectories=40_000).records["x"] * width
    y = (y - OFFSET * width) / GAIN
    plain, tilted = maps(WATCHED, width)
    power = np.linalg.matrix_power
    for first, second in ((0, 1), (2, 3), (2, 6)):
        expected = TRACE @ tilted @ power(plain, second - first - 1) @ tilted @ power(plain, first) @ START
        judge_sample(y[:, first] * y[:, second], expected.real, f"intervals {first}, {second} of {bins}")
    squares = twice(WATCHED, width)
    judge_sample(y[:, 2] ** 2, (TRACE @ squares @ power(plain, 2) @ START).real + ELECTRONIC * width, "square")


def twice(watched, width):
    """E[y²ρ'] over one interval from ρ, (4, 4)."""
    generator = liouville.superoperator(DRIVE.astype(complex), [X, Z])
    first = np.kron(watched, np.eye(2)) + np.kron(np.eye(2), watched.conj())
    blocks = np.kron(np.eye(3), generator) + np.kron(np.eye(3, k=1), first) + np.kron(np.eye(3, k=2), 0.5 * np.eye(4))
    return 2 * scipy.linalg.expm(width * blocks)[:4, 8:]


@pytest.mark.parametrize("noise", ["real", "complex"])
def test_a_collapsing_state_follows_from_its_record(noise):
    """Without a Hamiltonian ψ_i ∝ ψ_i(0) exp(Σ F_ki y_k − κ_ii t), trajectory by trajectory, whatever is saved."""
    rate, psi = 0.8, np.array([0.5, 0.1 + 0.7j, 0.5])
    equation = sq.models.suv(sq.systems.levels(np.zeros(3)), strength=rate, noise=noise)
    times = np.array([0.0, 0.3, 0.9])
    options = {"observables": {"p": [1, 0, 0]}, "trajectories": 8, "precision": "double", "dt": 0.1}
    result = sq.simulate(equation, psi, times, records=True, interval=0.15, keep=8, **options)
    assert list(result.records) == ["L0", "L1", "L2"]
    y = np.stack([result.records[name].sum(axis=1) * 0.15 for name in result.records], axis=1)
    expected = psi * np.exp(np.sqrt(rate) * y.conj() - rate * times[-1] * (1 if noise == "real" else 0.5))
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(result.kept[:, -1], expected, atol=1e-12)


def test_recording_changes_no_number_and_bins_add_up():
    plain, whole, fine = (run(2000, **options) for options in ({"records": False}, {}, {"interval": 0.125}))
    assert plain.records is None
    # To rounding: two programs need not round alike.
    np.testing.assert_allclose(plain.mean["p"], whole.mean["p"], atol=1e-6)
    np.testing.assert_allclose(plain.mean["p"], fine.mean["p"], atol=1e-6)
    np.testing.assert_allclose(fine.records.times, np.linspace(0, 1, 9), atol=1e-15)
    added = fine.records.increments.reshape(2000, 4, 2, 3).sum(axis=2)
    np.testing.assert_allclose(added, whole.records.increments, atol=2e-6)
    one = run(2000, records=("z",)).records
    assert one.names == ("z",) and one.columns == ("z:1", "z:2")
    np.testing.assert_array_equal(one["z"], whole.records["z"])


def test_intervals_of_several_lengths_hold_different_numbers_of_bins():
    equation = sq.models.monitored(DRIVE, detectors())
    options = {"observables": {"p": DOWN}, "trajectories": 32, "dt": 0.025, "seed": 4, "records": True}
    uneven = sq.simulate(equation, DOWN, [0.0, 0.25, 1.0], interval=0.125, **options)
    np.testing.assert_allclose(uneven.records.increments, run(2000, interval=0.125).records.increments[:32], atol=2e-6)


def one_detector(efficiency=1.0, **options):
    """A few trajectories of the qubit with its decay alone."""
    equation = sq.models.monitored(DRIVE, {"x": sq.measurement.homodyne(X, efficiency=efficiency)})
    return sq.simulate(equation, DOWN, TIMES, observables={"p": DOWN}, trajectories=32, **options)


def test_of_an_extrapolated_run_the_fine_one_is_recorded():
    fine = one_detector(precision="double", dt=0.025, records=True)
    scheme = sq.schemes.Extrapolated(sq.schemes.Strang())
    both = one_detector(precision="double", dt=0.05, records=True, scheme=scheme)
    np.testing.assert_allclose(both.records.increments, fine.records.increments, atol=1e-12)


def test_a_pulse_is_recorded_with_the_sign_of_its_envelope():
    flipped = sq.channels.Modulated(sq.channels.DenseOperators([X]), lambda t: 0 * t - 1.0)
    options = {"observables": {"p": DOWN}, "trajectories": 64, "dt": 0.025, "precision": "double", "records": True}
    one = sq.simulate(sq.Equation(DRIVE, [flipped]), DOWN, TIMES, **options).records["L0"]
    plain = sq.simulate(sq.models.unravel(DRIVE, [X]), DOWN, TIMES, **options).records["L0"]
    np.testing.assert_allclose(one, -plain, atol=1e-12)


def test_a_result_says_that_kept_states_know_more_than_lossy_records():
    assert "kept: states of one who loses nothing" in str(one_detector(0.5, dt=0.25, keep=1))
    assert "loses nothing" not in str(one_detector(dt=0.25, keep=1))


def test_merged_records_stand_in_the_order_of_their_trajectories():
    first, second = run(40, seed=1), run(70, seed=2)
    merged = second.merge(first)
    assert merged.ranges == [(1, 0, 40), (2, 0, 70)]
    expected = np.concatenate([first.records.increments, second.records.increments])
    np.testing.assert_array_equal(merged.records.increments, expected)
    np.testing.assert_array_equal(merged.merge(run(30, seed=0)).records.increments[30:], expected)


@pytest.mark.release
def test_kept_states_stay_with_their_records(tmp_path):
    """Whatever the order of merging, also of runs that keep none."""
    parts = {seed: run(20 + seed, seed=seed, keep=kept) for seed, kept in ((1, 2), (2, 0), (3, 4))}
    rows = {1: (0, 2), 3: (43, 47)}  # after 21 and 22 trajectories
    for order in ((1, 2, 3), (3, 1, 2), (2, 3, 1), (3, 2, 1)):
        first, second, third = (parts[seed] for seed in order)
        for merged in (first.merge(second).merge(third), first.merge(second.merge(third))):
            loaded = sq.load(merged.save(tmp_path / "merged.nc"))
            for result in (merged, loaded):
                np.testing.assert_array_equal(result.kept_rows, [*range(*rows[1]), *range(*rows[3])])
                np.testing.assert_array_equal(result.kept, np.concatenate([parts[1].kept, parts[3].kept]))
                values = np.concatenate([parts[seed].kept_values["p"] for seed in (1, 3)])
                np.testing.assert_array_equal(result.kept_values["p"], values)
                for place, row in enumerate(result.kept_rows):
                    seed, own = (1, place) if place < 2 else (3, place - 2)
                    np.testing.assert_array_equal(result.records.increments[row], parts[seed].records.increments[own])
    lighter = replace(parts[1], kept=None)
    merged = parts[3].merge(lighter)
    assert merged.kept is None and len(merged.kept_values["p"]) == len(merged.kept_rows) == 6


@pytest.mark.release
def test_records_under_a_tolerance_are_those_of_single_trajectories():
    equation = sq.models.monitored(DRIVE, detectors())
    result = sq.simulate(
        equation, DOWN, TIMES, observables={"p": DOWN}, trajectories=20_000, tolerance=0.05, records=True
    )
    assert not result.antithetic and result.scheme == "Strang()"
    assert len(result.records) == result.trajectories
    judge_sample(result.records["x"], GAIN * means(WATCHED, 0.25, 4) / 0.25 + OFFSET, "homodyne, tolerance")


def test_the_step_serves_the_record_where_no_observable_asks_for_it():
    """A norm alone would be right at any step."""
    watched = sq.models.monitored(
        DRIVE, {"x": sq.measurement.homodyne(X, phase=ANGLE), "rest": sq.measurement.unread(Z)}
    )
    options = {"observables": {"norm": np.ones(2)}, "trajectories": 10_000, "seed": 7}
    result = sq.simulate(watched, DOWN, [0.0, 2.0], records=True, **options)
    assert result.dt < 0.5
    judge_sample(
        result.records["x"], means(np.exp(-1j * ANGLE) * X, 2.0, 1) / 2.0, "record at a step of the run's choice"
    )


def innovations(trajectories, steps):
    """∫dY − ∫⟨c + c†⟩dt over single steps in units of √dt, (trajectory, step), the mean by the trapezoidal rule."""
    times = np.linspace(0, 1, steps + 1)
    equation = sq.models.monitored(DRIVE, {"x": sq.measurement.homodyne(X), "z": sq.measurement.homodyne(np.diag(Z))})
    options = {"observables": {"p": DOWN}, "trajectories": trajectories, "keep": trajectories, "dt": times[1]}
    result = sq.simulate(equation, DOWN, times, records=True, seed=3, **options)
    for name, operator in (("x", X), ("z", Z)):
        mean = 2 * np.einsum("nti,ij,ntj->nt", result.kept.conj(), operator, result.kept).real
        excess = result.records[name] - 0.5 * (mean[:, 1:] + mean[:, :-1])
        yield name, excess * np.sqrt(times[1])


def _whiteness(z):
    """p-values of χ², of the mean and of correlations at some lags, by name."""
    square = float(np.sum(z.astype(float) ** 2))
    yield "χ²", 2 * min(stats.chi2.cdf(square, z.size), stats.chi2.sf(square, z.size))
    yield "mean", 2 * stats.norm.sf(abs(z.sum()) / np.sqrt(z.size))
    for lag in (1, 2, 5):
        products = z[:, lag:] * z[:, :-lag]
        yield f"lag {lag}", 2 * stats.norm.sf(abs(products.sum()) / np.sqrt(products.size))


def test_what_the_mean_leaves_of_a_record_is_white():
    for name, z in innovations(200, 250):
        for test, p_value in _whiteness(z):
            judge(p_value, f"{name}, {test}")


@pytest.mark.release
def test_a_million_innovations_are_white():
    for name, z in innovations(2000, 500):
        assert z.size == 1_000_000
        p_values = dict(_whiteness(z))
        assert min(p_values.values()) > 1e-3, (name, p_values)


def _qutip_infidelity(noise, steps, count=4):
    """Mean of 1 − |⟨ψ_qutip|ψ⟩|² at the end, QuTiP's own equation driven by the records."""
    qutip = pytest.importorskip("qutip")
    times = np.linspace(0, 0.5, steps + 1)
    equation = sq.models.unravel(DRIVE, [X, np.array([[0.1, 0.4], [0.5, -0.3]])], noise=noise)
    options = {"observables": {"p": DOWN}, "trajectories": count, "keep": count, "precision": "double"}
    result = sq.simulate(
        equation, DOWN, times[[0, -1]], records=True, interval=times[1], dt=times[1], seed=5, **options
    )
    operators = [operator for channel in equation.channels for operator in channel.operators()]
    solver = qutip.SSESolver(
        qutip.Qobj(DRIVE),
        [qutip.Qobj(one) for one in operators],
        heterodyne=noise == "complex",
        options={"store_final_state": True, "method": "euler", "progress_bar": ""},
    )
    overlaps = []
    for trajectory, state in enumerate(result.kept[:, -1]):
        currents = np.stack([result.records[name][trajectory] for name in result.records])
        # QuTiP writes ⟨c + c†⟩ and −i⟨c − c†⟩ where we write ⟨c⟩.
        measured = np.stack([2 * currents.real, 2 * currents.imag], axis=1) if noise == "complex" else currents
        final = solver.run_from_experiment(qutip.Qobj(DOWN), times, measured, measurement=True).final_state
        overlaps.append(abs(np.vdot(final.unit().full()[:, 0], state)) ** 2)
    return 1 - np.mean(overlaps)


@pytest.mark.parametrize("noise", ["real", pytest.param("complex", marks=pytest.mark.release)])
@pytest.mark.long
def test_qutip_driven_by_the_record_makes_the_same_state(noise):
    coarse, fine = (_qutip_infidelity(noise, steps) for steps in (16, 128))
    assert fine < 2e-3
    # Of order ½ in the state, as both programs are with operators that do not commute: of order 1 in infidelity.
    assert fine < coarse / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"records": ["y"]}, r"records: expected names among 'x', 'z'; got 'y'"),
        ({"records": ["x", "x"]}, r"records: expected each name once; got 'x' 2 times"),
        ({"records": "x"}, r"records: expected True, False or a list of names"),
        ({"records": []}, r"records: expected True, False or a list of names"),
        ({"records": False, "interval": 0.1}, r"interval: expected None without records"),
        (
            {"interval": 0.1},
            r"interval: expected a length that divides every .* 0.1 does not divide that from 0 to 0.25",
        ),
        ({"interval": -0.25}, r"interval: expected a positive length"),
        ({"interval": True}, r"interval: expected a positive length"),
        ({"scheme": sq.schemes.EulerMaruyama()}, r"records: expected a scheme .* Use sq.schemes.Strang\(\)"),
        ({"scheme": sq.schemes.Strang(increments="discrete")}, r"scheme: expected one .* for records=True"),
        ({"antithetic": True}, r"antithetic: expected False or None with records=True"),
    ],
)
def test_what_cannot_be_recorded_is_refused(options, message):
    options = {"records": True, "dt": 0.025} | options
    equation = sq.models.monitored(DRIVE, detectors())
    with pytest.raises(ValueError, match=message):
        sq.simulate(equation, DOWN, TIMES, observables={"p": DOWN}, trajectories=10, **options)


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        (sq.models.oqt(DRIVE, strength=1.0, equilibrium=[0.5, 0.5]), "Separable has no record of single operators"),
        (sq.models.suv(DRIVE, strength=1.0, noise="unitary"), "unitary noise is a random potential"),
        (sq.Equation(DRIVE, []), "nothing acts in it that a detector could watch"),
    ],
)
def test_an_equation_without_records_says_why(equation, message):
    with pytest.raises(ValueError, match=f"records: expected an equation that has records; {message}"):
        sq.simulate(equation, DOWN, TIMES, observables={"p": DOWN}, trajectories=10, records=True)


def _counted(scheme):
    """Clicks of two counters, one of σ₋ with dark counts; a heterodyne detector beside them asks for steps."""
    counters = {
        "a": sq.measurement.counting(X, efficiency=EFFICIENCY, dark=0.4),
        "b": sq.measurement.counting(np.diag(Z)),
    }
    if scheme is not None:
        counters["c"] = sq.measurement.heterodyne(0.0 * X + np.diag([1e-9, 0.0]))
    equation = sq.models.monitored(DRIVE, counters)
    options = {"observables": {"p": DOWN}, "trajectories": 8000, "records": ["b", "a"], "seed": 6}
    dt = {} if scheme is None else {"scheme": scheme, "dt": 0.025}
    return sq.simulate(equation, DOWN, TIMES, **options, **dt).records


@pytest.mark.parametrize(
    "scheme", [None, pytest.param(sq.schemes.Strang(), marks=pytest.mark.release)], ids=["no time step", "steps"]
)
def test_counters_write_their_clicks(scheme):
    record = _counted(scheme)
    assert record.names == ("b", "a") and record.kinds == ("counting", "counting")
    generator = liouville.superoperator(DRIVE.astype(complex), [X, Z])
    for name, operator, dark in (("a", np.sqrt(EFFICIENCY) * X, 0.4), ("b", Z, 0.0)):
        jump = np.kron(operator, operator.conj())
        both = scipy.linalg.expm(0.25 * np.block([[generator, jump], [np.zeros((4, 4)), generator]]))
        plain, tilted = both[:4, :4], both[:4, 4:]
        expected = [TRACE @ tilted @ np.linalg.matrix_power(plain, k) @ START for k in range(4)]
        assert np.all(record[name] == np.round(record[name]))
        judge_sample(record[name], np.real(expected) + 0.25 * dark, f"clicks of {name}")

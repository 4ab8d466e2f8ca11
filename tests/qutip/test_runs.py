"""What a result holds: runs, seeds, merging, and e_ops of all kinds."""

from dataclasses import replace

import numpy as np
import pytest
import qutip

from stochq.qutip import StochasticResult, ssesolve

LOWER, X, Z = qutip.sigmam(), qutip.sigmax(), qutip.sigmaz()
DOWN = qutip.basis(2, 1)
TIMES = np.linspace(0, 2, 9)
# Driven, and watched by a local oscillator whose phase turns.
H = [Z, [X, lambda t, w: np.cos(w * t)]]
TURNING = [[LOWER, lambda t: np.exp(1j * t)]]
GROWING = qutip.QobjEvo([Z, [LOWER, lambda t: t], [X, lambda t: t**2]])
E_OPS = {"z": Z, "growing": GROWING, "f": lambda t, psi: np.array(t * qutip.expect(X, psi))}
RUNS, KEEP = 512, {"keep_runs_results": True, "store_final_state": True, "dt": 0.0125}


def solved(**changed):
    asked = {"e_ops": E_OPS, "args": {"w": 2.0}, "ntraj": RUNS, "seeds": 3, "options": KEEP} | changed
    return ssesolve(H, DOWN, TIMES, TURNING, **asked)


@pytest.fixture(scope="module")
def run():
    return solved()


@pytest.mark.release
def test_e_ops_of_all_kinds_are_those_of_mesolve(run):
    args = {"w": 2.0}
    exact = qutip.mesolve(H, DOWN, TIMES, [qutip.QobjEvo(TURNING)], e_ops=[Z, GROWING, X], args=args).expect
    exact[2] = TIMES * exact[2]
    for found, error, expected in zip(run.average_expect, run.stderr_expect, exact, strict=True):
        for part in (np.real, np.imag) if np.iscomplexobj(expected) else (np.real,):
            assert np.all(np.abs(part(found - expected))[1:] < 4 * part(error)[1:] + 1e-5)
    # A sum of many numbers in single precision would be off by more than their standard error.
    assert [values.dtype for values in run.expect] == [float, complex, float]
    assert isinstance(run.e_data["z"][0][0], float)


def test_one_run_is_what_its_last_state_says(run):
    for place in (0, 5):
        psi = run.runs_final_states[place]
        np.testing.assert_allclose(run.expect[1][place, -1], GROWING.expect(2.0, psi), atol=1e-5)
        np.testing.assert_allclose(run.e_ops["growing"](2.0, psi), run.expect[1][place, -1], atol=1e-5)
        np.testing.assert_allclose(run.expect[2][place, -1], 2 * qutip.expect(X, psi), atol=1e-5)
    assert run.states is None and run.average_states is None
    np.testing.assert_allclose(run.average_final_state.tr(), 1, atol=1e-6)
    assert run.trajectories[5].final_state == run.runs_final_states[5]


def test_seeds_make_the_same_trajectories(run):
    again = solved(seeds=run.seeds[40:44], ntraj=4)
    np.testing.assert_allclose(again.expect[0], run.expect[0][40:44], atol=1e-6)
    scattered = [run.seeds[7], run.seeds[2], run.seeds[3]]
    some = solved(seeds=scattered, ntraj=3)
    np.testing.assert_allclose(some.expect[1], run.expect[1][[7, 2, 3]], atol=1e-5)
    np.testing.assert_allclose(some.dW, run.dW[[7, 2, 3]], atol=1e-5)
    assert some.seeds == scattered


def test_a_timeout_ends_a_run_between_portions(run):
    some = solved(timeout=1e-3, ntraj=128)
    assert some.num_trajectories == len(some.seeds) == len(some.dW) == 64 and some.stats["end_condition"] == "timeout"
    np.testing.assert_allclose(some.expect[0], run.expect[0][:64], atol=1e-6)


@pytest.mark.parametrize(("ntraj", "reason"), [(300, "ntraj reached"), (30_000, "target tolerance reached")])
def test_a_tolerance_is_that_of_the_e_ops(ntraj, reason):
    """Not of the operators that a QobjEvo is a sum of; of few trajectories all are made, and e_ops may be functions."""
    scaled = qutip.QobjEvo([[Z, lambda t: 5 * (1 + t)]])
    e_ops = [Z, scaled] if ntraj > 2048 else [Z, scaled, lambda t, psi: qutip.expect(X, psi)]
    found = ssesolve(
        0.5 * Z, (DOWN + qutip.basis(2, 0)).unit(), [0, 1], LOWER, e_ops=e_ops, ntraj=ntraj, seeds=1, target_tol=0.1,
        options={"dt": 0.1},
    )  # fmt: skip
    assert found.stats["end_condition"] == reason
    if reason == "ntraj reached":
        assert found.num_trajectories == 300
    else:
        assert 2 * max(found.stderr_expect[1]) < 0.1 and 2048 < found.num_trajectories < 30_000


def test_nothing_is_told_of_means_that_nobody_asked_for(recwarn):
    """Currents behind a record that a few runs carry."""
    weak = [0.1 * qutip.basis(4, row) * qutip.basis(4, column).dag() for row in range(4) for column in range(4)]
    found = ssesolve(
        qutip.num(4), qutip.basis(4, 2), [0, 0.5, 1], weak, e_ops=[qutip.num(4)], ntraj=20, seeds=1,
        options={"dt": 0.1, "store_measurement": "end"},
    )  # fmt: skip
    assert found.measurement[0].shape == (16, 2)
    assert not [warning for warning in recwarn if "m_ops" in str(warning.message)]


def test_results_merge(run):
    one, other = solved(ntraj=100), solved(seeds=run.seeds[100:], ntraj=RUNS - 100)
    both = one + other
    assert both.num_trajectories == RUNS and len(both.trajectories) == RUNS and both.ensemble.trajectories == RUNS
    for field in ("average_expect", "std_expect", "stderr_expect", "expect"):
        for found, expected in zip(getattr(both, field), getattr(run, field), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(both.dW, run.dW, atol=1e-5)
    contents = replace(other._contents, expectations=other._contents.expectations[:1])
    other_e_ops = StochasticResult(contents, False, other._noise)
    with pytest.raises(ValueError, match="^other: expected a result of other trajectories"):
        run + one
    with pytest.raises(ValueError, match="^other: expected a result with the same e_ops"):
        one.merge(other_e_ops)
    with pytest.raises(ValueError, match="^p: expected None"):
        one.merge(other, p=0.3)
    mixed = one + solved(args={"w": 2.5}, ntraj=8, seeds=9)
    with pytest.raises(ValueError, match="^ensemble: expected runs of one equation"):
        _ = mixed.ensemble


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.long
def test_pictures_are_those_of_qutip(run):
    import matplotlib

    matplotlib.use("Agg")
    _, axes = run.plot_expect(show_trajectories=2)
    assert len(axes.lines) == 3 * 3
    figure, _ = qutip.plot_expectation_values([run.trajectories[0], qutip.mesolve(X, DOWN, TIMES, e_ops=[Z])])
    assert len(figure.axes) == 3

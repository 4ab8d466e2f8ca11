"""QuTiP's ssesolve on stochq's ensembles, judged by mesolve, regression and QuTiP's own trajectories."""

import numpy as np
import pytest
import qutip
import scipy.linalg
import scipy.stats

from stochq.qutip import ssesolve

H = qutip.sigmax()
DOWN = qutip.basis(2, 1)
TIMES = np.linspace(0, 1, 201)
STEP = TIMES[1]
LEAK = 1.2 * qutip.sigmam()
E_OPS = {"z": qutip.sigmaz(), "m": qutip.sigmam()}
CURRENTS = [LEAK + LEAK.dag(), -1j * (LEAK - LEAK.dag())]
MEAN = qutip.mesolve(H, DOWN, TIMES, [LEAK], e_ops=[*E_OPS.values(), *CURRENTS]).expect
EVERYTHING = {"store_measurement": "start", "keep_runs_results": True, "store_states": True}
RUNS = 1024


# The step is chosen where detection is homodyne. Of heterodyne detection the tutorial 015 tells in short.
DETECTIONS = [
    pytest.param((False, None), id="homodyne"),
    pytest.param((True, STEP), id="heterodyne", marks=pytest.mark.release),
]


@pytest.fixture(scope="module", params=DETECTIONS)
def run(request):
    heterodyne, dt = request.param
    options = EVERYTHING | {"dt": dt}
    return ssesolve(H, DOWN, TIMES, LEAK, heterodyne, e_ops=E_OPS, ntraj=RUNS, seeds=3, options=options)


def test_means_are_those_of_mesolve(run):
    for found, error, exact in zip(run.average_expect, run.stderr_expect, MEAN, strict=False):
        assert found.dtype == exact.dtype
        for part in (np.real, np.imag) if np.iscomplexobj(exact) else (np.real,):
            assert np.all(np.abs(part(found - exact))[1:] < 4 * part(error)[1:] + 1e-6)


def test_every_run_is_there(run):
    assert [values.shape for values in run.expect] == [(RUNS, 201)] * 2
    np.testing.assert_allclose(run.expect[0].mean(axis=0), run.average_expect[0], atol=1e-6)
    np.testing.assert_allclose(run.expect[1].std(axis=0), run.std_expect[1], atol=1e-5)
    third = run.trajectories[3]
    np.testing.assert_allclose(qutip.expect(qutip.sigmam(), third.states), third.expect[1], atol=1e-6)
    assert run.average_states[-1].isherm and np.isclose(run.average_states[-1].tr(), 1)
    np.testing.assert_allclose(qutip.expect(qutip.sigmaz(), run.average_states), run.average_expect[0], atol=1e-5)


def test_the_increments_are_those_of_a_wiener_process(run):
    dW = run.dW.reshape(RUNS, -1, 200)
    assert np.abs(dW.mean()) < 4 * np.sqrt(STEP / dW.size)
    assert np.abs(dW.var() / STEP - 1) < 4 * np.sqrt(2 / dW.size)
    # Nothing of the past tells them, not even the state.
    past = run.expect[0][:, None, :-1] * dW
    assert np.abs(past.mean()) < 4 * past.std() / np.sqrt(past.size)
    np.testing.assert_allclose(run.wiener_process[..., 0], 0)
    np.testing.assert_allclose(np.diff(run.wiener_process), run.dW, atol=1e-12)


def test_mean_currents(run):
    measured = run.measurement.reshape(RUNS, -1, 200)
    for column in range(measured.shape[1]):
        rest = (measured[:, column] - MEAN[2 + column][:-1]).mean(axis=1)
        # Correlated over time: one number for each run.
        assert np.abs(rest.mean()) < 4 * rest.std() / np.sqrt(RUNS)
        early = measured[:, column, 100:150].mean(axis=1) - MEAN[2 + column][100:150].mean()
        assert np.abs(early.mean()) < 4 * early.std() / np.sqrt(RUNS)


def test_two_times_of_the_record_follow_the_regression_theorem(run):
    """E[I(t)I(t')] = Tr X e^{L(t' - t)}(cρ + ρc†), in bins of a tenth (Wiseman and Milburn 2010, eq. 4.81)."""
    binned = run.measurement.reshape(RUNS, -1, 10, 20).mean(axis=-1)
    lindblad, x = qutip.liouvillian(H, [LEAK]).full(), CURRENTS[0].full()
    rho = scipy.linalg.expm(0.45 * lindblad) @ qutip.operator_to_vector(qutip.ket2dm(DOWN)).full()[:, 0]
    rho = rho.reshape(2, 2, order="F")
    leak = LEAK.full()
    seen = (leak @ rho + rho @ leak.conj().T).ravel(order="F")
    later = np.array([1, 2, 3, 5])
    expected = [
        np.trace(x @ (scipy.linalg.expm(0.1 * k * lindblad) @ seen).reshape(2, 2, order="F")).real for k in later
    ]
    products = binned[:, 0, 4, None] * binned[:, 0, 4 + later]
    difference = products.mean(axis=0) - expected
    chi2 = RUNS * difference @ np.linalg.solve(np.cov(products.T), difference)
    assert scipy.stats.chi2.sf(chi2, len(later)) > 1e-3


def test_qutip_makes_the_same_trajectories_of_the_same_noise(run):
    solver = qutip.SSESolver(H, [LEAK], heterodyne=run.heterodyne, options={"store_measurement": "start"})
    for place in (0, 7):
        one = run.trajectories[place]
        theirs = solver.run_from_experiment(DOWN, TIMES, one.dW, e_ops=[qutip.sigmaz()])
        np.testing.assert_allclose(theirs.expect[0], one.expect[0], atol=0.05)
        assert np.abs(theirs.expect[0] - one.expect[0]).mean() < 0.01
        np.testing.assert_allclose(theirs.measurement, one.measurement, atol=0.1)


def test_a_kerr_cavity():
    a = qutip.destroy(8)
    n = a.dag() * a
    kerr, leak, psi0 = 0.3 * n * n + 0.4 * (a + a.dag()), [0.6 * a], qutip.coherent(8, 1, method="analytic").unit()
    times = np.linspace(0, 2, 6)
    found = ssesolve(kerr, psi0, times, leak, e_ops=[n, a], ntraj=512, seeds=5, options={"store_states": True})
    exact = qutip.mesolve(kerr, psi0, times, leak, e_ops=[n, a], options={"store_states": True})
    for mean, error, expected in zip(found.expect, found.stderr_expect, exact.expect, strict=True):
        for part in (np.real, np.imag):
            assert np.all(np.abs(part(mean - expected))[1:] < 4 * part(error)[1:] + 1e-5)
    assert found.runs_states is None and found.runs_expect == [] and found.dW is None
    assert found.average_states[-1].dims == psi0.proj().dims
    assert qutip.tracedist(found.average_states[-1], exact.states[-1]) < 0.05


def test_increments_over_long_intervals_are_still_those_of_a_wiener_process():
    """A step that is exact for the states, over a whole interval, would be too long for the integral of the mean."""
    plus, runs = (qutip.basis(2, 0) + qutip.basis(2, 1)).unit(), 2048
    # The mean moves by 4 dW at first: of the steps of an eighth, a rule of first order would add half to the variance.
    for times, dt in (([0.0, 1.0, 2.0], None), ([0.0, 0.25, 0.5], 0.125)):
        asked = {"keep_runs_results": True, "dt": dt}
        found = ssesolve(
            qutip.qzero(2), plus, times, qutip.sigmaz(), e_ops=[qutip.sigmaz()], ntraj=runs, seeds=1, options=asked
        )
        assert found.ensemble.dt < 0.1 if dt is None else found.ensemble.dt == dt
        scaled = found.dW[:, 0] / np.sqrt(times[1])
        assert np.abs(scaled.mean(axis=0)).max() < 4 / np.sqrt(runs)
        assert np.abs(scaled.var(axis=0) - 1).max() < 4 * np.sqrt(2 / runs)
        assert scipy.stats.kstest(scaled.ravel(), "norm").pvalue > 1e-3
        ahead = scaled[:, 1] * found.expect[0][:, 1]
        assert np.abs(ahead.mean()) < 4 * ahead.std() / np.sqrt(runs)

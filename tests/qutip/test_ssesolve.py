"""QuTiP's ssesolve on stochq's ensembles, judged by mesolve and by QuTiP's own definitions."""

import numpy as np
import pytest
import qutip

from stochq.qutip import ssesolve

H = 0.5 * qutip.sigmax()
DOWN = qutip.basis(2, 1)
TIMES = np.linspace(0, 2, 9)
LEAK = qutip.sigmam()
E_OPS = {"z": qutip.sigmaz(), "m": qutip.sigmam(), "f": lambda t, psi: qutip.expect(qutip.sigmay(), psi)}
MEAN = qutip.mesolve(H, DOWN, TIMES, [LEAK], e_ops=[qutip.sigmaz(), qutip.sigmam(), qutip.sigmay()])
EVERYTHING = {"store_measurement": "start", "keep_runs_results": True, "store_states": True}


@pytest.fixture(scope="module", params=[False, True], ids=["homodyne", "heterodyne"])
def run(request):
    return ssesolve(H, DOWN, TIMES, LEAK, request.param, e_ops=E_OPS, ntraj=1024, seeds=1, options=EVERYTHING)


def test_means_are_those_of_mesolve(run):
    for found, error, exact in zip(run.average_expect, run.stderr_expect, MEAN.expect, strict=True):
        assert found.dtype == exact.dtype
        for part in (np.real, np.imag) if np.iscomplexobj(exact) else (np.real,):
            difference = np.abs(part(found - exact))[1:]
            assert np.all(difference < 4 * part(error)[1:] + 1e-6)


def test_every_run_is_there(run):
    assert [values.shape for values in run.expect] == [(1024, 9)] * 3
    np.testing.assert_allclose(run.expect[0].mean(axis=0), run.average_expect[0], atol=1e-6)
    np.testing.assert_allclose(run.expect[1].std(axis=0), run.std_expect[1], atol=1e-5)
    third = run.trajectories[3]
    np.testing.assert_allclose(qutip.expect(qutip.sigmam(), third.states), third.expect[1], atol=1e-6)
    assert run.average_states[-1].isherm and np.isclose(run.average_states[-1].tr(), 1)

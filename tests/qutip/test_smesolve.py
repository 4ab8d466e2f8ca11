"""Density matrices given homodyne and heterodyne records, in QuTiP's words.

The purities of QuTiP 5.3.1 are those of this script:

    c = np.exp(-0.5j * np.pi) * Qobj([[0, 0], [1, 0]])
    run = smesolve(Qobj([[0, 1.5], [1.5, 0]]), basis(2, 1), np.linspace(0, 2, 401), c_ops=[np.sqrt(0.4) * c],
        sc_ops=[np.sqrt(0.6) * c], e_ops=[sigmax(), sigmay(), sigmaz()], ntraj=1500, seeds=7,
        options={"dt": 0.0025, "method": "taylor1.5", "keep_runs_results": True, "map": "serial"})
    x, y, z = (np.array(run.runs_expect[k]).real[:, [200, 400]] for k in range(3))
    v = (1 + x**2 + y**2 + z**2) / 2
    print(v.mean(0), v.std(0) / np.sqrt(len(v)))
"""

import numpy as np
import pytest

qutip = pytest.importorskip("qutip")

import stochq.qutip as qt_  # noqa: E402
from stochq.qutip import sme  # noqa: E402
from tests.judging import judge_mean, judge_sample  # noqa: E402

DRIVE, GROUND = 1.5 * qutip.sigmax(), qutip.basis(2, 1)
LOWERING = -1j * qutip.sigmam()
WATCHED, LOST = np.sqrt(0.6) * LOWERING, np.sqrt(0.4) * LOWERING
PAULI = [qutip.sigmax(), qutip.sigmay(), qutip.sigmaz()]
PURITY, PURITY_ERROR = np.array([0.87008949, 0.77154368]), np.array([0.00201513, 0.00323005])
TIMES = np.linspace(0, 2, 21)
KEPT = {"progress_bar": "", "keep_runs_results": True, "store_states": True}
# A mixed start, turned out of the plane, at times a step apart: QuTiP can take the same noise.
TURNED, MIXED = DRIVE + qutip.sigmaz(), 0.8 * GROUND.proj() + 0.2 * qutip.basis(2, 0).proj()
FINE = np.linspace(0, 1, 101)
FADING = [LOST, lambda t: 1 + t]
TURNING = [WATCHED, lambda t: np.exp(0.5j * t) * np.cos(t)]


@pytest.fixture(scope="module")
def homodyne():
    return watched_and_lost(ntraj=2000, options=KEPT | {"dt": 0.02})


def watched_and_lost(**changed):
    return qt_.smesolve(DRIVE, GROUND, TIMES, c_ops=[LOST], sc_ops=[WATCHED], e_ops=PAULI, seeds=1, **changed)


@pytest.mark.release
def test_purity_at_an_efficiency_of_six_tenths(homodyne):
    x, y, z = (each[:, [10, 20]] for each in homodyne.runs_expect)
    purity = 0.5 * (1 + x**2 + y**2 + z**2)
    error = np.hypot(purity.std(axis=0) / np.sqrt(len(purity)), PURITY_ERROR)
    judge_mean(purity.mean(axis=0), error, PURITY, "mean purity")


def test_means_are_those_of_the_master_equation(homodyne):
    exact = qutip.mesolve(DRIVE, GROUND, TIMES, [LOWERING], e_ops=PAULI).expect
    for place, name in enumerate("xyz"):
        judge_mean(homodyne.average_expect[place], homodyne.stderr_expect[place] + 1e-9, exact[place], name)


# c_ops, sc_ops and whether detection is heterodyne, from a mixed start. What is lost fades in; what is seen turns its
# quadrature, and goes out.
IN_TIME = [FADING, 0.3 * qutip.sigmaz()], [TURNING]
FROM_MIXED = [
    pytest.param((*IN_TIME, False), id="homodyne, in time"),
    pytest.param((*IN_TIME, True), id="heterodyne, in time", marks=pytest.mark.release),
    pytest.param(([LOST], [WATCHED], True), id="heterodyne", marks=pytest.mark.release),
]


@pytest.fixture(scope="module", params=FROM_MIXED)
def mixed(request):
    c_ops, sc_ops, heterodyne = request.param
    options = {"progress_bar": "", "dt": FINE[1], "store_measurement": "middle", "keep_runs_results": True}
    arguments = {"e_ops": PAULI, "ntraj": 1000, "seeds": 5, "options": options}
    result = qt_.smesolve(TURNED, MIXED, FINE, c_ops, sc_ops, heterodyne, **arguments)
    return result, *([qutip.QobjEvo(each) for each in some] for some in (c_ops, sc_ops))


@pytest.mark.long
def test_means_and_records_from_a_mixed_start(mixed):
    """⟨L+L†⟩ and −i⟨L−L†⟩ halfway between both ends of each interval; of heterodyne detection each has noise of √2."""
    result, c_ops, sc_ops = mixed
    columns = 1 + result.heterodyne
    turned = [turn * sc_ops[0] for turn in (1, -1j)][:columns]
    quadratures = [each + each.dag() for each in turned]
    exact = qutip.mesolve(TURNED, MIXED, FINE, c_ops + sc_ops, e_ops=PAULI + quadratures).expect
    for place, name in enumerate("xyz"):
        judge_mean(result.average_expect[place], result.stderr_expect[place] + 1e-6, exact[place], name)
    written, noise = (np.reshape(each, (1000, columns, 100)) for each in (result.measurement, result.dW))
    for column in range(columns):
        assert np.abs(exact[3 + column]).max() > 0.1
        judge_sample(written[:, column], 0.5 * (exact[3 + column][1:] + exact[3 + column][:-1]), f"quadrature {column}")
    noise = noise / np.sqrt(np.diff(FINE))
    judge_sample(noise, np.zeros((columns, 100)), "mean noise")
    judge_sample(noise**2, np.ones((columns, 100)), "variance of the noise")
    judge_sample(noise[:, 0] * noise[:, -1], np.full(100, 2.0 - columns), "correlation of both quadratures")
    np.testing.assert_allclose(np.diff(result.wiener_process, axis=-1), result.dW, atol=1e-6)


def test_qutip_makes_the_same_trajectories_of_the_same_noise(mixed):
    """Up to the error of the two programs' steps: 8e-4."""
    result, c_ops, sc_ops = mixed
    options = {"method": "platen", "progress_bar": ""}
    solver = qutip.SMESolver(TURNED, sc_ops, result.heterodyne, c_ops=c_ops, options=options)
    theirs = np.array([solver.run_from_experiment(MIXED, FINE, dW, e_ops=PAULI).expect for dW in result.dW[:8]])
    difference = np.array(result.runs_expect)[:, :8] - theirs.swapaxes(0, 1)
    assert np.sqrt(np.mean(difference**2)) < 2e-3


@pytest.mark.parametrize("heterodyne", [False, True])
@pytest.mark.parametrize("in_time", [(), ("c_ops",), ("sc_ops",), ("c_ops", "sc_ops")], ids="+".join)
def test_the_filter_knows_operators_at_every_time(heterodyne, in_time, monkeypatch):
    setups = []
    monkeypatch.setattr(sme, "solved", lambda solver, described, setup, *others: setups.append(setup))
    c_ops, sc_ops = [FADING if "c_ops" in in_time else LOST], [TURNING if "sc_ops" in in_time else WATCHED]
    sc_ops.append(0.2 * qutip.sigmaz())
    qt_.smesolve(TURNED, MIXED, FINE, c_ops, sc_ops, heterodyne)
    assert setups[0].conditional
    parts = setups[0].equation.watched_parts(0.37)
    seen, lost = ([qutip.QobjEvo(each)(0.37).full() for each in some] for some in (sc_ops, c_ops))
    variants = np.sqrt([0.5, -0.5 + 0j]) if heterodyne else [1.0]
    watched = np.array([factor * one for one in seen for factor in variants])
    np.testing.assert_allclose(parts.watched, watched, atol=1e-6)
    np.testing.assert_allclose(parts.lost, np.reshape(lost, (-1, 2, 2)), atol=1e-6)


def test_no_step_leaves_the_states():
    """Steps so long that QuTiP's Euler steps end in density matrices with negative eigenvalues."""
    result = watched_and_lost(ntraj=512, options=KEPT | {"dt": 0.1, "method": "euler"})
    states = np.array([[rho.full() for rho in run.states] for run in result.trajectories[:64]])
    assert np.linalg.eigvalsh(states).min() > -1e-6
    np.testing.assert_allclose(np.trace(states, axis1=2, axis2=3), 1, atol=1e-5)


def test_a_mixed_start_that_is_watched_becomes_pure():
    """Nothing is lost: purity rises to one, and the mean state is the master equation's."""
    strong, times = 1.5 * qutip.sigmaz(), np.linspace(0, 2, 5)
    options = {"progress_bar": "", "dt": 0.02, "keep_runs_results": True, "store_states": True}
    start = 0.5 * qutip.qeye(2)
    result = qt_.smesolve(0 * strong, start, times, sc_ops=strong, ntraj=400, seeds=3, options=options, e_ops=PAULI)
    x, y, z = result.runs_expect
    purity = 0.5 * (1 + x**2 + y**2 + z**2)
    np.testing.assert_allclose(purity[:, 0], 0.5, atol=1e-6)
    assert purity[:, -1].mean() > 0.95
    judge_sample(z, np.zeros(5), "z is a martingale")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sc_ops": []}, "sc_ops"),
        ({"c_ops": [qutip.destroy(3)]}, "c_ops"),
        ({"sc_ops": [qutip.destroy(3)]}, "sc_ops"),
        ({"rho0": qutip.basis(3, 0)}, "rho0"),
        ({"rho0": 1.1 * GROUND}, "rho0"),
        ({"rho0": 0.5 * GROUND.proj()}, "rho0"),
        ({"H": qutip.liouvillian(DRIVE, [LOST])}, "H"),
        ({"ntraj": 0}, "ntraj"),
        ({"options": {"store_measurement": "last"}}, "options"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_wrong_arguments_are_named(change, told):
    arguments = {"H": DRIVE, "rho0": GROUND, "tlist": TIMES, "sc_ops": [WATCHED], "ntraj": 2}
    with pytest.raises((ValueError, TypeError), match=rf"^{told}"):
        qt_.smesolve(**(arguments | change))


def test_parts_in_another_order_are_named():
    """Of a system of three and of two levels."""
    lower = qutip.tensor(qutip.destroy(3), qutip.qeye(2))
    flip, other = qutip.tensor(qutip.qeye(3), qutip.sigmam()), qutip.tensor(qutip.qeye(2), qutip.destroy(3))
    hamiltonian = lower.dag() * flip + lower * flip.dag()
    ket, turned = (qutip.tensor(qutip.basis(one, 0), qutip.basis(two, 0)) for one, two in ((3, 2), (2, 3)))
    arguments = {"H": hamiltonian, "rho0": ket, "tlist": [0, 1], "c_ops": [flip], "sc_ops": [lower], "ntraj": 2}
    wrong = {"rho0": turned, "c_ops": [other], "sc_ops": [other], "e_ops": [other]}
    for name, value in wrong.items():
        with pytest.raises(
            ValueError, match=rf"^{name}(\[0\])?: expected the parts of the Hamiltonian.*\[3, 2\]; got \[2, 3\]"
        ):
            qt_.smesolve(**(arguments | {name: value}))

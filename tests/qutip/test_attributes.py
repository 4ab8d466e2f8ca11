"""Every public attribute of QuTiP's results, by type and shape, against those that QuTiP itself returns."""

from itertools import product

import numpy as np
import pytest

qutip = pytest.importorskip("qutip")

import stochq.qutip as qt_  # noqa: E402

DRIVE, DOWN = 0.5 * qutip.sigmax(), qutip.basis(2, 1)
LEAK, LOSS, GAIN = 0.8 * qutip.sigmam(), 0.3 * qutip.sigmaz(), 0.3 * qutip.sigmap()
TIMES = [0.0, 0.1, 0.2]
E_OPS = {"z": qutip.sigmaz(), "lower": qutip.sigmam(), "size": lambda t, state: state.norm()}
# Of a single run what is looked at in `result.trajectories`.
OF_RUNS = ("times", "expect", "e_data", "states", "final_state", "measurement", "dW", "wiener_process", "collapse")
# How QuTiP's solvers fill a result, and how long they took.
MACHINERY = {"add", "add_deterministic", "add_end_condition", "add_processor", "stats", "options"}
CASES = [
    {"keep_runs_results": keep, "store_states": states, "store_final_state": states}
    for keep, states in product((False, True), repeat=2)
]


def cases(*always):
    """All of them, of which these (by place) are enough for every day: the solvers share the class of their results."""
    return [
        pytest.param(case, marks=() if place in always else pytest.mark.release) for place, case in enumerate(CASES)
    ]


def in_short(case):
    return ", ".join(name for name, value in case.items() if value) or "means alone"


def describe(value):
    """Type and shape of a value, and of what is in it: numbers by their kind, whether Python's or NumPy's."""
    if isinstance(value, qutip.Qobj):
        return f"Qobj, {value.type}, {value.dims}"
    if isinstance(value, np.ndarray):
        return f"array, {value.dtype.kind}, {value.shape}"
    if isinstance(value, dict):
        return {key: describe(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(describe, value)]
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float, complex, np.number)):
        return np.asarray(value).dtype.kind
    if callable(value):
        return "function"
    public = {name: describe(getattr(value, name)) for name in OF_RUNS if hasattr(value, name)}
    return public or type(value).__name__


def public(result):
    return {name: getattr(result, name) for name in dir(result) if not name.startswith("_") and name not in MACHINERY}


def compare(ours, theirs):
    """Every attribute; nothing beyond QuTiP's is looked at."""
    ours, theirs = public(ours), public(theirs)
    assert theirs.keys() <= ours.keys()
    for name, value in theirs.items():
        assert describe(ours[name]) == describe(value), name


def diffusive(case):
    return {"e_ops": E_OPS, "ntraj": 2, "seeds": 3, "options": {"dt": 0.05, "progress_bar": "", **case}}


def compare_ssesolve(heterodyne, case):
    arguments = DRIVE, DOWN, TIMES, [LEAK, GAIN], heterodyne
    options = diffusive({"store_measurement": "end", **case})
    compare(qt_.ssesolve(*arguments, **options), qutip.ssesolve(*arguments, **options))


@pytest.mark.parametrize("case", cases(0, 2, 3), ids=in_short)
def test_ssesolve(case):
    compare_ssesolve(False, case)


@pytest.mark.parametrize("case", cases(3), ids=in_short)
def test_ssesolve_with_heterodyne_detection(case):
    compare_ssesolve(True, case)


@pytest.mark.parametrize("case", cases(2), ids=in_short)
def test_smesolve(case):
    arguments = DRIVE, DOWN, TIMES, [LOSS], [LEAK]
    options = diffusive({"store_measurement": "start", **case})
    compare(qt_.smesolve(*arguments, **options), qutip.smesolve(*arguments, **options))


def test_smesolve_of_pure_states():
    """Where nothing is lost they are kets inside, and density matrices outside, as QuTiP's."""
    arguments = DRIVE, DOWN, TIMES, [], [LEAK, GAIN], True
    options = diffusive({"store_measurement": "end", **CASES[-1]})
    ours = qt_.smesolve(*arguments, **options)
    compare(ours, qutip.smesolve(*arguments, **options))
    states = [rho.full() for run in ours.runs_states for rho in run]
    np.testing.assert_allclose(np.linalg.matrix_power(states, 2), states, atol=1e-6)
    np.testing.assert_allclose(ours.runs_e_data["size"], 1, atol=1e-6)


def counted(options, **case):
    return {"e_ops": E_OPS, "ntraj": 3, "seeds": 3, "options": {"progress_bar": "", **options, **case}}


def same_number_of_jumps(ours, theirs):
    """Jumps come at random: of the lists that hold them the outer ones alone have a length to compare."""
    for name in ("collapse", "col_times", "col_which"):
        assert len(getattr(ours, name)) == len(getattr(theirs, name))
    both = [next(filter(None, result.collapse)) for result in (ours, theirs)]
    assert describe(both[0][:1]) == describe(both[1][:1])
    for name in ("col_times", "col_which"):
        seen = [next(filter(None, getattr(result, name))) for result in (ours, theirs)]
        assert describe(seen[0][:1]) == describe(seen[1][:1])


@pytest.mark.parametrize("case", cases(3), ids=in_short)
@pytest.mark.parametrize("superoperator", [False, True])
def test_mcsolve(superoperator, case, monkeypatch):
    hamiltonian = qutip.liouvillian(DRIVE, [LOSS]) if superoperator else DRIVE
    arguments = hamiltonian, qutip.basis(2, 0), TIMES, [5 * LEAK, GAIN]
    ours, theirs = (package.mcsolve(*arguments, **counted(case)) for package in (qt_, qutip))
    same_number_of_jumps(ours, theirs)
    monkeypatch.setattr(f"{__name__}.MACHINERY", MACHINERY | {"collapse", "col_times", "col_which"})
    monkeypatch.setattr(f"{__name__}.OF_RUNS", tuple(name for name in OF_RUNS if name != "collapse"))
    compare(ours, theirs)


@pytest.mark.parametrize("e_ops", [None, qutip.sigmaz(), [qutip.sigmaz()]], ids=["none", "one", "list"])
def test_forms_of_e_ops(e_ops):
    """None, one operator and lists; without any, states are stored."""
    options = diffusive({}) | {"e_ops": e_ops}
    results = [package.ssesolve(DRIVE, DOWN, TIMES, [LEAK], **options) for package in (qt_, qutip)]
    compare(*results)

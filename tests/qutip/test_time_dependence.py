"""Operators that depend on time, in all of QuTiP's formats, are the same functions of the time in a run."""

import numpy as np
import pytest
import qutip

from stochq.qutip import pieces
from stochq.qutip.systems import hamiltonian_of, jump_operators_of

TIMES = np.linspace(0, 3, 13)
SAMPLED = np.exp(-((TIMES - 1) ** 2))
X, Z, LOWER = qutip.sigmax(), 0.5 * qutip.sigmaz(), qutip.sigmam()
FORMATS = {
    "function": [Z, [X, lambda t, w: np.cos(w * t)]],
    "array": [Z, [X, SAMPLED]],
    "steps": qutip.QobjEvo([Z, [X, qutip.coefficient(SAMPLED, tlist=TIMES, order=0)]]),
    "string": [Z, [X, "cos(w*t)"]],
    "switch": [Z, [X, lambda t, w: 1.0 if t < 1.234 else 0.0]],
    "rotating": [Z, [LOWER, lambda t, w: np.exp(1j * w * t)], [LOWER.dag(), lambda t, w: np.exp(-1j * w * t)]],
    "product": qutip.QobjEvo([X, lambda t: 1 + t]) * qutip.coefficient(lambda t: np.sin(t)) + qutip.QobjEvo([Z]),
    "operator": lambda t, w: Z + np.sin(w * t) * X,
}


@pytest.mark.filterwarnings("ignore:`cython`")
@pytest.mark.parametrize("form", FORMATS)
def test_hamiltonians_are_followed(form):
    given, args = FORMATS[form], {"w": 2.0}
    expected = qutip.QobjEvo(given, args=args, tlist=TIMES)
    found = hamiltonian_of(given, args, TIMES)
    for t in np.random.default_rng(1).uniform(0, 3, 40):
        np.testing.assert_allclose(found.matrix(t), expected(t).full(), atol=2e-6)
    edges = {edge for function in found.time_functions.values() for edge in function.edges}
    if form == "switch":
        assert np.allclose(sorted(edges), 1.234, atol=1e-8)
    elif form == "steps":
        assert set(np.round(sorted(edges), 9)) >= {0.5, 1.0, 2.0}
    else:
        assert not edges


def test_jump_operators_keep_their_phases():
    (found,) = jump_operators_of("sc_ops", [[LOWER, lambda t: np.exp(1j * t)]], None, TIMES)
    for t in (0.3, 2.9):
        operator = np.asarray(found.given.at(t).operators())[0]
        np.testing.assert_allclose(operator, np.exp(1j * t) * LOWER.full(), atol=2e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Z, [X, np.ones(13) * 1j]], r"^H: expected a Hermitian operator at all times"),
        (qutip.QobjEvo([X, np.ones(4)], tlist=[0, 1, 2, 2.5]), r"^H: expected samples from t = 0 to 3"),
        (qutip.QobjEvo([X, np.ones(4)], tlist=[0, 1, 2, 2.5]) * qutip.coefficient(lambda t: t), "^H: expected samples"),
        ([Z, [X, lambda t: 1 / (t < 1)]], "^H: expected coefficients that are numbers.*ZeroDivisionError"),
        ([Z, [X, lambda t: np.sin(1e6 * t)]], "^H: expected coefficients that up to"),
        ([Z, [X, lambda t, W: W(t)[0]]], "^H: expected coefficients of the time alone; got feedback"),
        (lambda t: Z if t < 1 else float("nan") * X, "^H: expected finite numbers"),
        (qutip.liouvillian(Z), "^H: expected an operator; got a superoperator"),
        (qutip.destroy(3), "^H: expected a Hermitian"),
        ("sx", "^H: expected a Qobj"),
    ],
)
def test_other_hamiltonians_are_refused(given, message, monkeypatch):
    monkeypatch.setattr(pieces, "_MOST", 1024)
    args = {"W": qutip.SSESolver.WienerFeedback()} if "feedback" in message else None
    with pytest.raises(ValueError, match=message):
        hamiltonian_of(given, args, TIMES)

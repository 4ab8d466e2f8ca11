"""Exact averages of squares against Kolmogorov's backward equation in polynomials of the state."""

import numpy as np
import pytest

from benchmarks import honesty, nonlinear
from tests.problems import transitions
from tests.schemes.backward import Backward

TIMES = np.array([0.0, 0.4, 0.8])


def test_a_watched_qubit():
    turning, decay, angle = 1.3, 0.7, 0.4
    hamiltonian, lower = 0.5 * turning * np.array([[0, -1j], [1j, 0]]), np.sqrt(decay) * np.array([[0, 0], [1, 0]])
    backward = Backward(hamiltonian, [lower], 8, real=True)
    found = nonlinear.watched_qubit(turning, decay, angle, TIMES)
    psi0 = np.array([np.cos(angle), np.sin(angle)])
    functions = {
        "p squared": lambda states: np.abs(states[0]) ** 4,
        "x squared": lambda states: (2 * (states[0].conj() * states[1]).real) ** 2,
    }
    for name, function in functions.items():
        expected = [backward.average(function, psi0, t) for t in TIMES]
        np.testing.assert_allclose(found[name], expected, rtol=1e-3)


def test_thermalization_with_even_weights():
    psi0 = np.array([0.8, 0.6j, 0.0])
    jumps = transitions(np.full((3, 3), 0.9 / 3), np.eye(3))
    backward = Backward(np.zeros((3, 3)), jumps, 5, "complex")
    found = nonlinear.even_thermalization(0.9, np.abs(psi0) ** 2, TIMES)
    functions = {
        "p squared": lambda states: np.abs(states[0]) ** 4,
        "sum of squares": lambda states: np.sum(np.abs(states) ** 4, axis=0),
    }
    for name, function in functions.items():
        expected = [backward.average(function, psi0, t) for t in TIMES]
        np.testing.assert_allclose(found[name], expected, rtol=1e-3)


@pytest.mark.parametrize("case", honesty.CASES, ids=lambda case: case.title)
def test_every_family_states_the_exact_averages_of_what_it_watches(case):
    made = case.make(np.random.default_rng(5))
    exact = made.averages(case.times)
    assert list(exact) == list(made.observables)
    for name, observable in made.observables.items():
        if callable(observable):
            start = float(observable(made.psi0))
        else:
            matrix = np.diag(observable) if np.ndim(observable) == 1 else observable
            start = (made.psi0.conj() @ matrix @ made.psi0).real
        assert exact[name].shape == case.times.shape and exact[name][0] == pytest.approx(start, abs=1e-6)

"""Weak orders, measured without sampling on all outcomes of a few short steps; and that the limit is the right one."""

import functools

import numpy as np
import pytest

import stochq as sq
from stochq.channels import Features
from stochq.schemes import EulerMaruyama, Extrapolated, Strang
from tests import liouville
from tests.problems import state
from tests.schemes.tree import Tree

MATRIX = np.array([[0.6, 0.4 - 0.3j], [0.4 + 0.3j, -0.6]])
OBSERVABLE = np.array([[0.3, 1 - 0.5j], [1 + 0.5j, 0.1]])
JUMP = 0.6 * np.array([[0.1 + 0.7j, -0.8 - 0.2j], [0.5 + 0.3j, 0.9 - 0.4j]])
FEATURES = np.array([[1.1, -0.3]])
PSI, DURATION = state(2, 3), 0.02
SYSTEM = sq.systems.levels(MATRIX)
EQUATIONS = {
    "operator": (sq.models.unravel(SYSTEM, [JUMP]), [JUMP]),
    "operator, unitary": (
        sq.models.unravel(SYSTEM, [OBSERVABLE], noise="unitary"),
        [OBSERVABLE],
    ),
    "collapse": (sq.Equation(SYSTEM, (Features(FEATURES),)), [np.diag(FEATURES[0])]),
}


def _mean(states):
    return np.einsum("ib,ij,jb->b", states.conj(), OBSERVABLE, states).real


# One linear functional of the ensemble, whose exact value is known, and two that are not.
FUNCTIONALS = [_mean, lambda states: _mean(states) ** 2, lambda states: np.sum(np.abs(states) ** 4, axis=0)]

# Equation, scheme, steps over the duration, nodes for each normal.
MEASURED = [
    ("operator", EulerMaruyama(), (2, 4, 8), 3),
    ("operator", Strang(), (2, 4, 8), 3),
    ("operator", Extrapolated(EulerMaruyama()), (1, 2, 4), 3),
    ("operator", Extrapolated(Strang()), (1, 2, 3), 5),
    ("operator, unitary", EulerMaruyama(), (2, 4, 8), 3),
    ("operator, unitary", Strang(), (2, 4, 8), 3),
    ("collapse", EulerMaruyama(), (2, 4, 8), 3),
    ("collapse", Extrapolated(EulerMaruyama()), (1, 2, 4), 3),
    ("collapse", Strang(), (1, 2, 4), 5),
    ("collapse", Strang(diffusive=True), (1, 2, 3), 3),
]


@functools.cache
def _averages(case):
    name, scheme, steps, nodes = MEASURED[case]
    tree = Tree(EQUATIONS[name][0], PSI, DURATION, nodes)
    return np.array([tree.average(scheme, n, FUNCTIONALS) for n in steps])


def _exact(name):
    rho = liouville.density(MATRIX, EQUATIONS[name][1], PSI, [0.0, DURATION])[-1]
    return liouville.expectation(OBSERVABLE, rho)


def _slope(steps, errors):
    return -np.polyfit(np.log(steps), np.log(np.abs(errors)), 1)[0]


LONG = {1, 3}
CASES = [pytest.param(case, marks=[pytest.mark.release] * (case in LONG)) for case in range(len(MEASURED))]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.sweep(3)
def test_the_declared_order_is_the_measured_one(case):
    name, scheme, steps, _ = MEASURED[case]
    averages = _averages(case)
    measured = _slope(steps, averages[:, 0] - _exact(name))
    assert abs(measured - scheme.weak_order) < 0.2, measured


@pytest.mark.parametrize("case", CASES)
def test_the_order_holds_for_nonlinear_functionals(case):
    name, scheme, steps, _ = MEASURED[case]
    averages = _averages(case)
    # The limit from the two finest levels by Richardson's rule; the coarser ones then show the order.
    gain = (steps[-1] / steps[-2]) ** scheme.weak_order
    limit = (gain * averages[-1] - averages[-2]) / (gain - 1)
    for functional in (1, 2):
        errors = (averages[:, functional] - limit[functional])[:-1]
        if np.abs(errors).max() < 1e-9:
            continue
        assert _slope(steps[:-1], errors) > scheme.weak_order - 0.35


@pytest.mark.long
def test_the_limit_is_the_master_equation_and_the_same_for_all_schemes():
    for name in EQUATIONS:
        limits = []
        for case, (case_name, scheme, steps, _) in enumerate(MEASURED):
            if case_name == name:
                gain = (steps[-1] / steps[-2]) ** scheme.weak_order
                averages = _averages(case)
                limits.append((gain * averages[-1] - averages[-2]) / (gain - 1))
        limits = np.array(limits)
        np.testing.assert_allclose(limits[:, 0], _exact(name), atol=3e-7)
        np.testing.assert_allclose(limits, np.broadcast_to(limits[-1], limits.shape), atol=2e-6)

"""Weak orders for functionals that no density matrix knows, by regression, and that the limit is the right one.

The exact averages are those of the backward equation, `tests.schemes.backward`. Where the random numbers of a step
and of its halves belong to one path, the differences f(h) − f(h/2) show the order; elsewhere those to the exact
average do.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import RateMatrix
from stochq.schemes import EulerMaruyama, Extrapolated, Strang
from tests.judging import judge_mean
from tests.problems import hermitian, projectors, state, transitions, unitary
from tests.schemes.backward import Backward
from tests.schemes.refinement import level, regression

# What terms of higher order may bend a slope by: schemes of orders 1 and 2 stay far apart.
MARGIN = 0.35
CHI, RATES = np.array([0.6, 0.3, 0.1]), np.random.default_rng(23).uniform(0.2, 0.9, (3, 3))

LOWEST = sq.normalize([0.1, 0.2, 1.0])


class Case(NamedTuple):
    """observables, functionals: the same f of one state and of states in columns. backward: order of the polynomials ->
    `Backward`; start: its initial state, psi0 in the basis in which the backward equation is written."""

    equation: sq.Equation
    psi0: np.ndarray
    observables: dict[str, Callable]
    functionals: dict[str, Callable]
    backward: Callable[[int], Backward]
    start: np.ndarray
    order: int
    duration: float


def _squared(matrix):
    """⟨O⟩² of one state, and of states in columns."""
    on_device = jnp.asarray(matrix, jnp.complex64)
    return (
        lambda psi: jnp.square(jnp.real(jnp.vdot(psi, on_device @ psi))),
        lambda states: np.einsum("ip,ij,jp->p", states.conj(), matrix, states).real ** 2,
    )


def _purity(psi):
    """Tr ρ_A² of the first of two qubits."""
    pair = psi.reshape(2, 2)
    return jnp.sum(jnp.abs(pair @ pair.conj().T) ** 2)


def _purities(states):
    pairs = states.reshape(2, 2, -1)
    return np.sum(np.abs(np.einsum("abp,cbp->acp", pairs, pairs.conj())) ** 2, axis=(0, 1))


def _case(equation, backward, psi0, matrix, order, duration, turn=None):
    """`turn`: the unitary in whose columns the case is solved; local, so that entanglement does not change."""
    turned = (lambda a: a) if turn is None else (lambda a: turn @ a @ turn.conj().T)
    device, host = _squared(turned(matrix))[0], _squared(matrix)[1]
    observables, functionals = {"⟨O⟩²": device}, {"⟨O⟩²": host}
    if len(psi0) == 4:
        observables["purity"], functionals["purity"] = _purity, _purities
    moved = psi0 if turn is None else turn @ psi0
    return Case(equation, moved, observables, functionals, backward, psi0, order, duration)


def _real(dim, seed):
    return np.random.default_rng(seed).normal(size=(dim, dim))


def _turning(seed):
    """A Hamiltonian of four levels that keeps real states real."""
    root = _real(4, seed)
    return 0.5j * (root - root.T)


LOCAL = np.kron(unitary(2, 8), unitary(2, 7))
TWO_QUBITS = {"psi0": state(4, 3).real / np.linalg.norm(state(4, 3).real), "matrix": (_real(4, 5) + _real(4, 5).T) / 2}


def _collapse():
    matrix = hermitian(3, 3)
    equation = sq.models.suv(sq.systems.levels(matrix), strength=0.6)
    jumps = projectors(np.eye(3), 0.6)
    return _case(equation, lambda order: Backward(matrix, jumps, order), state(3, 1), hermitian(3, 5), 7, 0.8)


def _collapse_of_two_qubits():
    matrix, jumps = _turning(2), projectors(np.eye(4), 0.4)
    hamiltonian = sq.systems.levels(LOCAL @ matrix @ LOCAL.conj().T)
    equation = sq.models.suv(hamiltonian, strength=0.4, basis=LOCAL)
    return _case(
        equation,
        lambda order: Backward(matrix, jumps, order, real=True),
        **TWO_QUBITS,
        order=6,
        duration=0.8,
        turn=LOCAL,
    )


def _operators(count):
    matrix, jumps = _turning(2), [0.4 * _real(4, seed) for seed in range(1, count + 1)]
    turned = [LOCAL @ a @ LOCAL.conj().T for a in (matrix, *jumps)]
    equation = sq.models.unravel(sq.systems.levels(turned[0]), turned[1:])
    return _case(
        equation,
        lambda order: Backward(matrix, jumps, order, real=True),
        **TWO_QUBITS,
        order=6,
        duration=0.8,
        turn=LOCAL,
    )


def _thermal(law, rates, channel, psi0):
    energies = np.array([0.0, 1.0, 2.2])
    hamiltonian = sq.systems.levels(energies)
    if channel is None:
        equation = sq.models.oqt(hamiltonian, strength=1.0, equilibrium=CHI, noise=law)
    else:
        equation = sq.models.unravel(hamiltonian, [channel], noise=law)
    jumps = transitions(rates, np.eye(3))
    return _case(
        equation,
        lambda order: Backward(np.diag(energies), jumps, order, law),
        psi0,
        hermitian(3, 5),
        order=5,
        duration=1.0,
    )


CASES: dict[str, Callable[[], Case]] = {
    "collapse": _collapse,
    "collapse of two qubits": _collapse_of_two_qubits,
    "one operator": lambda: _operators(1),
    "two operators": lambda: _operators(2),
    "oqt": lambda: _thermal("real", np.outer(CHI, np.ones(3)), None, LOWEST),
    "rates": lambda: _thermal("complex", RATES, RateMatrix(RATES), state(3, 1)),
}


@functools.cache
def _built(name):
    """The case and its exact averages with what the last order of the polynomials changed."""
    case = CASES[name]()
    less, more = (case.backward(order) for order in (case.order - 1, case.order))
    exact = {}
    for key, functional in case.functionals.items():
        values = [one.average(functional, case.start, case.duration) for one in (less, more)]
        exact[key] = values[1], abs(values[1] - values[0])
    return case, exact


def _judge_order(steps, values, errors, order, what):
    """One-sided: three standard errors are passed by chance once in 700 slopes; nor is it that of an order less."""
    slope, error = regression(steps, values, errors)
    found = f"{what}: slope {slope:.2f} ± {error:.2f}"
    assert error < 0.2, f"{found} tells too little: take longer steps or more trajectories"
    assert slope + 3 * error > order - MARGIN, f"{found}, order {order}"
    assert slope - 3 * error > order - 1, f"{found} may be of order {order - 1}"


# Case, scheme, steps over the duration, log2 of the trajectories. Of one operator `test_orders` tells in short.
SHARED: list[Any] = [
    pytest.param("collapse", Strang(), (2, 4, 8), 18, marks=pytest.mark.release),
    pytest.param("collapse of two qubits", Strang(), (1, 2, 4), 18, marks=pytest.mark.optimised),
    pytest.param("one operator", Strang(), (2, 4, 8), 14, marks=pytest.mark.release),
    ("two operators", Strang(), (2, 4, 8), 14),
    pytest.param("one operator", EulerMaruyama(), (8, 16, 32), 15, marks=pytest.mark.release),
    pytest.param("one operator", Strang(increments="discrete"), (2, 4, 8), 16, marks=pytest.mark.release),
    pytest.param("two operators", Strang(increments="discrete"), (2, 4, 8), 16, marks=pytest.mark.release),
]


@pytest.mark.parametrize(("name", "scheme", "steps", "doublings"), SHARED)
@pytest.mark.sweep(1)
def test_on_shared_paths(name, scheme, steps, doublings):
    case, exact = _built(name)
    arguments = (case.equation, case.psi0, case.duration)
    levels = [level(*arguments, n, scheme, case.observables, 2**doublings) for n in steps]
    gain = 2.0**scheme.weak_order - 1
    for index, key in enumerate(case.observables):
        differences, errors = (
            np.array([getattr(one, part)[index] for one in levels]) for part in levels[0]._fields[:2]
        )
        _judge_order(steps, differences, errors, scheme.weak_order, f"{name}, {scheme.name}, {key}")
        # Richardson's limit from the finest pair.
        limit = levels[-1].value[index] - differences[-1] / gain
        error = np.hypot(levels[-1].value_error[index], errors[-1] / gain)
        value, truncation = exact[key]
        assert truncation < 0.015 * abs(value)
        judge_mean(limit, np.hypot(error, truncation), value, f"{name}, {scheme.name}, limit of {key}")


# The same; the functional whose bias at these steps is large enough to show an order.
INDEPENDENT: list[Any] = [
    pytest.param("collapse", Extrapolated(EulerMaruyama()), (6, 12, 16), 20, "⟨O⟩²", marks=pytest.mark.release),
    pytest.param("one operator", Extrapolated(EulerMaruyama()), (4, 8, 16), 18, "purity", marks=pytest.mark.release),
    ("oqt", Strang(), (1, 2, 4), 19, "⟨O⟩²"),
    pytest.param("rates", Strang(), (1, 2, 4), 21, "⟨O⟩²", marks=pytest.mark.release),
]


@pytest.mark.filterwarnings("ignore:dt. a step of")  # an order shows at steps too long to be served
@pytest.mark.parametrize(("name", "scheme", "steps", "doublings", "key"), INDEPENDENT)
def test_against_the_exact_average(name, scheme, steps, doublings, key):
    case, exact = _built(name)
    value, truncation = exact[key]
    off, errors = [], []
    for n in steps:
        result = sq.simulate(
            case.equation,
            case.psi0,
            [0.0, case.duration],
            observables={key: case.observables[key]},
            trajectories=2**doublings,
            seed=n,
            scheme=scheme,
            dt=case.duration / n,
        )
        off.append(result.mean[key][-1] - value)
        errors.append(np.hypot(result.stderr[key][-1], truncation))
    _judge_order(steps, off, errors, scheme.weak_order, f"{name}, {scheme.name}, {key}")

"""What is given as a Hamiltonian, as a list of operators or as a function: understood in one way, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.operators import operator_list

LOWERING = [[0, 1], [0, 0]]
FLIP = [[0.0, 1.0], [1.0, 0.0]]
LEVELS = sq.systems.levels([0.0, 1.0])
EXCITED = [0.0, 1.0]
RUN = {"psi0": [1.0, 0.0], "times": [0.0, 1.0], "trajectories": 2, "dt": 0.5}


@pytest.mark.parametrize("given", [LOWERING, np.array(LOWERING), jnp.array(LOWERING), tuple(map(tuple, LOWERING))])
def test_one_matrix_is_not_taken_for_a_list(given):
    with pytest.raises(ValueError, match=r"jump_operators: .*Write \[L\]"):
        sq.models.unravel(LEVELS, given)


@pytest.mark.parametrize("given", [[0.0, 1.0], np.array([0.0, 1.0]), 1.0, "sigma", {"decay": np.array(LOWERING)}])
def test_what_is_no_list_of_operators_is_refused(given):
    with pytest.raises(ValueError, match=r"jump_operators: expected a list.*Write \["):
        sq.models.unravel(LEVELS, given)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([LOWERING], np.exp(-1)),
        ([np.array(LOWERING)], np.exp(-1)),
        (np.array([LOWERING]), np.exp(-1)),
        ([np.array(row) for row in LOWERING], 1.0),
        ([jnp.array(row) for row in LOWERING], 1.0),
        ([[0.0, 1.0]], 1.0),
        ([np.array(LOWERING), [0.0, 1.0]], np.exp(-1)),
    ],
)
def test_lists_are_what_they_look_like(given, left):
    """The excited level decays at rate 1 by the matrix and not at all by its rows as diagonals."""
    equation = sq.models.unravel(LEVELS, given)
    exact = sq.exact.evolve(equation, [0.0, 1.0], [0.0, 1.0], observables={"p": EXCITED})
    np.testing.assert_allclose(exact.expect["p"][-1], left, atol=1e-9)


def test_every_argument_that_takes_a_list_refuses_one_matrix():
    flip, psi = np.array(FLIP), [1.0, 0.0]
    drive = [lambda t: jnp.cos(t)]
    for name, call in {
        "conserved": lambda: sq.microcanonical(FLIP, psi, conserved=flip),
        "conserved: expected a list; got 'energy'": lambda: sq.microcanonical(FLIP, psi, conserved="energy"),
        "terms": lambda: sq.systems.driven(LEVELS, flip, drive * 2),
        "matrices": lambda: sq.channels.DenseOperators(flip),
        "matrix": lambda: sq.channels.Features([1.0, -1.0]),
        "channels": lambda: sq.Equation(LEVELS, sq.channels.Projectors([1.0, 1.0])),
        "observables": lambda: sq.exact.evolve(sq.models.suv(FLIP, strength=1.0), psi, [0, 1], observables=[flip]),
    }.items():
        with pytest.raises(ValueError, match=name):
            call()
    with pytest.raises(ValueError, match="channels: .*sq.models.unravel"):
        sq.Equation(LEVELS, [flip])


def test_arrays_of_another_kind_are_refused_by_channels():
    channels = sq.channels
    for name, call in {
        "matrix: expected real diagonals": lambda: channels.Features([[1j, 0.0]]),
        "rates: expected rates": lambda: channels.Projectors([[1.0, 0.0], [0.0, 1.0]]),
        "rates: expected rates, zero or positive": lambda: channels.Projectors([-1.0, 1.0]),
        "target": lambda: channels.Separable(np.eye(2)),
        "source": lambda: channels.Separable([1.0, 1.0], [[1.0]]),
        "matrix: expected rates of shape": lambda: channels.RateMatrix([[1.0, 2.0, 3.0]]),
        "matrix: expected rates, zero": lambda: channels.RateMatrix([[0.0, -1.0], [0.0, 0.0]]),
    }.items():
        with pytest.raises(ValueError, match=name):
            call()


@pytest.mark.parametrize("given", [FLIP, np.array(FLIP), jnp.array(FLIP)])
def test_a_matrix_is_a_hamiltonian(given):
    """From level 0 under sigma_x the first level keeps cos^2 t; its coherence is lost at rate 1 with SUV alone."""
    exact = sq.exact.evolve(given, [1.0, 0.0], [0.0, 0.7], observables={"p": [1.0, 0.0]})
    np.testing.assert_allclose(exact.expect["p"][-1], np.cos(0.7) ** 2, atol=1e-9)
    models = [
        sq.models.suv(given, strength=1.0),
        sq.models.oqt(given, strength=1.0, equilibrium=[0.5, 0.5]),
        sq.models.sui(given, reduction=1.0, thermalization=1.0, equilibrium=[0.5, 0.5]),
        sq.models.energy_driven(given, strength=1.0),
        sq.models.unravel(given, [LOWERING]),
        sq.models.coloured_suv(given, drift=1.0, coupling=1.0, colour=None),
        sq.models.csl_lattice(given, occupations=np.eye(2), positions=[0.0, 9.0], rate=1.0, length=1.0),
    ]
    for equation in models:
        np.testing.assert_array_equal(equation.hamiltonian.matrix(), FLIP)
    on_part = sq.models.composite(sq.systems.tensor(FLIP, FLIP), {0: sq.models.suv(given, strength=1.0)})
    np.testing.assert_array_equal(on_part.hamiltonian.matrix(), np.kron(FLIP, np.eye(2)) + np.kron(np.eye(2), FLIP))
    np.testing.assert_allclose(sq.canonical(given, 1.0), np.exp([1.0, -1.0]) / (2 * np.cosh(1.0)), atol=1e-12)
    np.testing.assert_array_equal(sq.microcanonical(given, [1.0, 0.0]), [0.5, 0.5])


def test_what_is_no_hamiltonian_is_refused_by_name():
    for given in (LOWERING, "ising", 3.0, [[0.0, 1.0], [1.0]]):
        with pytest.raises(ValueError, match="^hamiltonian: "):
            sq.models.suv(given, strength=1.0)
    with pytest.raises(ValueError, match="^equation: "):
        sq.exact.evolve("ising", [1.0, 0.0], [0.0, 1.0])


def test_a_scheme_by_name_is_refused():
    with pytest.raises(ValueError, match=r"scheme: .*EulerMaruyama\(\).*'euler'"):
        sq.simulate(sq.models.suv(FLIP, strength=1.0), observables={"p": EXCITED}, scheme="euler", **RUN)


@pytest.mark.parametrize(
    "function", [lambda psi: np.abs(psi[0]) ** 2, lambda psi: 1.0 if abs(psi[0]) > 0.5 else 0.0, lambda q: float(q[0])]
)
def test_observables_that_jax_cannot_trace_are_refused(function):
    equation = sq.models.suv(FLIP, strength=1.0)
    for call in (sq.simulate, sq.expectations):
        with pytest.raises(ValueError, match=r"observables\['f'\]: .*jnp") as refusal:
            call(equation, observables={"f": function}, **RUN)
        assert isinstance(refusal.value.__cause__, (TypeError, jax.errors.JAXTypeError))
    with pytest.raises(ValueError, match=r"observables\['f'\]: .*jnp"):
        sq.exact.evolve(equation, [1.0, 0.0], [0.0, 1.0], observables={"f": function})


@pytest.mark.parametrize("drive", [lambda t: np.cos(t), lambda t: 1.0 if t < 1 else 0.0])
def test_drives_that_jax_cannot_trace_are_refused_when_built(drive):
    with pytest.raises(ValueError, match=r"coefficients\[0\]: .*jnp.cos.*jnp.where") as refusal:
        sq.systems.driven(LEVELS, [FLIP], [drive])
    assert isinstance(refusal.value.__cause__, jax.errors.JAXTypeError)


def test_drives_with_jax_numpy_pass():
    driven = sq.systems.driven([0.0, 1.0], [FLIP], [lambda t: jnp.where(t < 1, jnp.cos(t), 0.0)])
    np.testing.assert_allclose(driven.matrix(0.5), [[0.0, np.cos(0.5)], [np.cos(0.5), 1.0]], atol=1e-6)


def test_a_list_of_channels_and_names_passes():
    entries = operator_list("conserved", ["parity", np.eye(2), sq.channels.Projectors([1.0, 1.0])])
    assert len(entries) == 3
    assert operator_list("conserved", ()) == []

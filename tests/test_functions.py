"""A user's function is evaluated alike in single and double precision, whatever arrays it holds."""

import re
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.functions import user_function

STATE = np.array([0.6, 0.8])
QUBIT = sq.systems.levels([0.0, 1.0])
TIMES = [0.0, 0.5, 1.0]


def _array(weights):
    return lambda psi: jnp.sum(weights * jnp.abs(psi) ** 2)


def _scalars(weights):
    first, second = np.array(weights[0]), np.array(weights[1])
    return lambda psi: first * jnp.abs(psi[0]) ** 2 + second * jnp.abs(psi[1]) ** 2


def _in_a_loop(weights):
    first = np.array(weights[0])

    def total(psi):
        return jax.lax.fori_loop(0, 1, lambda _, seen: seen + first * jnp.abs(psi[0]) ** 2, 2 * jnp.abs(psi[1]) ** 2)

    return total


def _compiled(weights):
    return jax.jit(_array(weights))


@pytest.mark.parametrize("make", [_array, _scalars, _in_a_loop, _compiled])
def test_arrays_inside_functions_have_the_precision_of_the_mode(make):
    """JAX 0.10 would take the first mode's arrays in the second one."""
    weights = np.array([1.0 + 1e-10, 2.0])
    function = user_function(make(weights))

    @jax.jit
    def values(states):
        return jax.vmap(function, -1)(states)

    for wide in (False, True, False, True):
        with jax.enable_x64(wide):
            found = values(STATE[:, None].astype(np.complex128 if wide else np.complex64))
        assert found.dtype == (np.float64 if wide else np.float32)
        np.testing.assert_allclose(found, STATE**2 @ weights, rtol=1e-15 if wide else 1e-6)


@pytest.mark.parametrize("order", [("single", "double"), pytest.param(("double", "single"), marks=pytest.mark.release)])
def test_functions_that_hold_numpy_arrays(order):
    """The README's workflow in both precisions, in either order, on populations that SUV keeps in the mean."""
    function = _array(np.array([1.0, 2.0]))
    equation = sq.models.suv(QUBIT, strength=0.5)
    watched = {"f": function, "bins": sq.Histogram(function, [1.0, 1.5, 2.0])}
    exact = sq.exact.evolve(equation, STATE, TIMES, observables=watched)
    np.testing.assert_allclose(exact.expect["f"], 1.64, rtol=1e-12)
    for precision in order:
        run = sq.simulate(
            equation, STATE, TIMES, observables=watched, trajectories=256, dt=0.25, precision=precision, keep=256
        )
        values = np.abs(run.kept) ** 2 @ [1.0, 2.0]
        np.testing.assert_allclose(run.mean["f"], values.mean(axis=0), rtol=2e-6 if precision == "single" else 1e-13)
        np.testing.assert_array_equal(run.histograms["bins"][1][-1], np.histogram(values[:, -1], [1.0, 1.5, 2.0])[0])
        assert sq.compare(run, exact).p_value > 1e-3
    again = sq.exact.evolve(equation, STATE, TIMES, observables={"f": function})
    np.testing.assert_allclose(again.expect["f"], 1.64, rtol=1e-12)
    means = sq.expectations(
        equation, STATE, TIMES, observables={"f": function, "g": [1.0, 2.0]}, trajectories=64, dt=0.25
    )
    np.testing.assert_allclose(means["f"], means["g"], rtol=1e-5)


@pytest.mark.release
def test_a_tolerance_takes_functions_that_hold_arrays():
    function = _array(np.array([1.0, 2.0]))
    equation = sq.models.suv(QUBIT, strength=0.5)
    for precision in ("single", "double"):
        run = sq.simulate(
            equation, STATE, TIMES, observables={"f": function}, trajectories=4096, tolerance=0.1, precision=precision
        )
        assert abs(run.mean["f"][-1] - 1.64) < 0.1


def test_drives_of_tables():
    """H = f(t)σ_x turns (1, 0) by the integral of f: P_1 = sin²(∫f)."""
    moments = np.linspace(0.0, 1.0, 11)
    values = 2 * moments**2
    drive = sq.systems.driven(
        sq.systems.levels([0.0, 0.0]), [[[0.0, 1.0], [1.0, 0.0]]], [lambda t: jnp.interp(t, moments, values)]
    )
    equation = sq.models.suv(drive, strength=0.0)
    angles = np.array([0.0, np.trapezoid(values[:6], moments[:6]), np.trapezoid(values, moments)])
    for precision in ("single", "double", "single"):
        run = sq.simulate(
            equation, [1.0, 0.0], TIMES, observables={"p": [0.0, 1.0]}, trajectories=32, dt=0.01, precision=precision
        )
        np.testing.assert_allclose(run.mean["p"], np.sin(angles) ** 2, atol=2e-4)
        exact = sq.exact.evolve(equation, [1.0, 0.0], TIMES, observables={"p": [0.0, 1.0]})
        np.testing.assert_allclose(exact.expect["p"], np.sin(angles) ** 2, atol=1e-5)


@dataclass
class Pulse:
    height: float

    def __call__(self, t):
        return self.height * jnp.cos(t)


def test_functions_without_a_hash_are_refused_by_name():
    with pytest.raises(ValueError, match=r"coefficients\[0\]: expected a function that stays the same; got Pulse"):
        sq.systems.driven(QUBIT, [(np.eye(2), Pulse(1.0))])


MATRIX = np.array([[0.3, 0.2 - 0.5j, 0.1j], [0.2 + 0.5j, -0.7, 0.4], [-0.1j, 0.4, 1.1]])
KET = np.array([0.5, 0.5j, np.sqrt(0.5)])
PRODUCTS = {
    "vectors and a matrix": lambda psi: jnp.vdot(psi, jnp.asarray(MATRIX) @ psi),
    "a real matrix": lambda psi: jnp.vdot(psi, jnp.asarray(MATRIX.real) @ psi),
    "compiled by the user": jax.jit(lambda psi: jnp.einsum("i,ij,j", psi.conj(), jnp.asarray(MATRIX), psi)),
    "in a loop": lambda psi: jax.lax.fori_loop(0, 2, lambda _, phi: jnp.asarray(MATRIX, phi.dtype) @ phi, psi)[0],
    "in a branch": lambda psi: jax.lax.cond(psi[0].real > 0, lambda: jnp.vdot(psi, psi[::-1]), lambda: psi[0]),
}
EXPECTED = {
    "vectors and a matrix": KET.conj() @ MATRIX @ KET,
    "a real matrix": KET.conj() @ MATRIX.real @ KET,
    "compiled by the user": KET.conj() @ MATRIX @ KET,
    "in a loop": (MATRIX @ MATRIX @ KET)[0],
    "in a branch": KET.conj() @ KET[::-1],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_complex_arrays_are_made_of_real_ones(name):
    """XLA loses parts of large complex ones: `real_products` says where."""
    values = jax.jit(jax.vmap(user_function(PRODUCTS[name]), -1)).lower(KET[:, None].astype(np.complex64)).compile()
    text = values.as_text()
    assert text is not None and not re.search(r"= c64\S* dot\(", text)
    np.testing.assert_allclose(values(KET[:, None].astype(np.complex64))[0], EXPECTED[name], rtol=1e-6)


@pytest.mark.release
@pytest.mark.optimised
def test_a_matrix_of_many_levels_keeps_all_of_its_parts_in_calls_beside_each_other():
    """The identity's mean is the norm. Once .78, of three blocks and more in two threads each: the first rows of the
    product were missing."""
    chain = sq.systems.spins(11, {f"Z{j} Z{j + 1}": -1.0 for j in range(10)} | {f"X{j}": -0.9 for j in range(11)})
    equation = sq.models.oqt(chain, strength=0.6, equilibrium=sq.canonical(chain, 0.3), noise="complex")
    one = jnp.eye(chain.dim, dtype=jnp.complex64)

    def norm(psi):
        return jnp.vdot(psi, one @ psi).real

    watched = {"norm": norm, "spread": sq.Histogram(norm, [0.0, 0.5, 1.5])}
    psi = np.zeros(chain.dim)
    psi[0] = 1.0
    result = sq.simulate(equation, psi, [0.0, 0.05, 0.1], observables=watched, trajectories=192, dt=0.05)
    np.testing.assert_allclose(result.mean["norm"], 1.0, atol=1e-5)


def test_a_users_program_in_single_precision_leaves_its_arrays_to_those_in_double():
    """The system, the observable and the state stand in a program that goes on living; all are given again."""
    system = sq.systems.levels(np.array([[0.0, 0.3j], [-0.3j, 1.0]]))
    watched = {"x": np.array([[0.0, 1.0 - 0.5j], [1.0 + 0.5j, 0.0]])}

    def mean(rate):
        equation = sq.models.unravel(system, [jnp.sqrt(rate) * np.diag([1.0, -1.0])])
        return sq.expectations(equation, STATE, TIMES, observables=watched)["x"][-1]

    program = jax.jit(mean)
    found = float(program(0.4))
    equation = sq.models.unravel(system, [np.sqrt(0.4) * np.diag([1.0, -1.0])])
    exact = sq.exact.evolve(equation, STATE, TIMES, observables=watched, method="ode").expect["x"][-1]
    assert exact == pytest.approx(found, abs=1e-6)
    with jax.enable_x64(True):
        assert exact == pytest.approx(float(jax.jit(lambda rate: mean(rate))(0.4)), abs=1e-9)
    assert float(mean(0.4)) == pytest.approx(exact, abs=1e-6)


def _broken_off(weights, psi):
    if jnp.sum(weights * jnp.abs(psi) ** 2) > 0.5:
        return 1.0
    return jnp.sum(psi.real)


def test_a_function_that_is_refused_leaves_its_arrays_alone():
    """JAX would keep them for good in the precision of the trace that was broken off."""
    weights = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match=r"^observables\['p'\]: expected a function of psi that JAX can compile"):
        sq.simulate(
            sq.models.suv(QUBIT, strength=1.0),
            STATE,
            TIMES,
            observables={"p": lambda psi: _broken_off(weights, psi)},
            trajectories=1,
        )
    with jax.enable_x64(True):
        np.testing.assert_array_equal(jax.jit(lambda x: x)(weights), weights)

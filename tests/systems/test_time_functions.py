"""Functions of the time from samples and with edges, and Hamiltonians that they drive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import stochq as sq
from stochq.compiling import PROGRAMS
from stochq.systems import driven, levels, piecewise, sampled
from tests import oracles

MOMENTS = np.array([0.0, 0.3, 0.5, 1.1, 1.6])
VALUES = np.array([0.2, -1.0, 0.7, 2.0, -0.4])
LOWERING, FLIP = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
UPPER = {"p": [0.0, 1.0], "coherence": LOWERING}
TIMES = np.linspace(0.0, 1.6, 5)


@pytest.mark.parametrize("values", [VALUES, VALUES * np.exp(1j * VALUES)])
def test_samples_are_joined_as_scipy_and_numpy_join_them(values):
    """Lines by `np.interp`, splines by SciPy's, with complex values part by part."""
    t = np.linspace(0.0, 1.6, 33)
    lines = np.interp(t, MOMENTS, values.real) + 1j * np.interp(t, MOMENTS, values.imag)
    with jax.enable_x64(True):
        linear, cubic = (jax.vmap(sampled(MOMENTS, values, interpolation=kind))(t) for kind in ("linear", "cubic"))
    np.testing.assert_allclose(linear, lines, atol=1e-13)
    np.testing.assert_allclose(cubic, CubicSpline(MOMENTS, values)(t), atol=1e-13)


def test_constant_samples_hold_until_the_next_time_and_jump_there():
    function = sampled(MOMENTS, VALUES[:4], interpolation="constant")
    t = jnp.array([0.0, 0.29, 0.3, 0.4, 0.5, 1.09, 1.1, 1.6])
    np.testing.assert_allclose(jax.vmap(function)(t), VALUES[[0, 0, 1, 1, 2, 2, 3, 3]], rtol=1e-6)
    np.testing.assert_array_equal(function.edges, MOMENTS[1:-1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampled([0.0, 1.0], [1.0, 2.0], interpolation="constant"), "^values: expected 1 numbers, each held"),
        (lambda: sampled([0.0, 1.0], [1.0]), "^values: expected 2 numbers, one for each time; got shape"),
        (lambda: sampled([0.0, 1.0], [1.0, np.nan]), "^values: expected finite numbers"),
        (lambda: sampled([1.0, 0.0], [1.0, 2.0]), "^times: expected increasing times"),
        (lambda: piecewise(jnp.cos, [1.0, 0.5]), "^edges: expected increasing times"),
        (lambda: piecewise(jnp.cos, np.float64(1.0)), "^edges: expected a list of times"),
        (lambda: piecewise(np.cos, [1.0]), "^function: expected a function of t that JAX can compile"),
    ],
)
def test_what_is_no_function_of_the_time_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def _rotating(t):
    return 0.9 * jnp.exp(2j * t)


def test_a_complex_drive_is_added_with_its_hermitian_conjugate():
    """H = diag(0, 1.3) + f(t)A + f*(t)A†, the coherence's sign and phase included; SciPy's integration."""

    def slope(t, rho):
        matrix = np.diag([0.0, 1.3]) + 0.9 * np.exp(2j * t) * LOWERING + 0.9 * np.exp(-2j * t) * LOWERING.T
        return -1j * (matrix @ rho - rho @ matrix)

    solved = oracles.by_integration(slope, oracles.projector(np.array([1.0, 0.0])), TIMES)
    equation = sq.Equation(driven(levels([0.0, 1.3]), [(LOWERING, _rotating)]), [])
    exact = sq.exact.evolve(equation, [1.0, 0.0], TIMES, observables=UPPER)
    run = sq.simulate(equation, [1.0, 0.0], TIMES, observables=UPPER, trajectories=32, dt=0.01)
    for found, atol in ((exact.expect, 1e-7), (run.mean, 2e-4)):
        np.testing.assert_allclose(found["p"], solved[:, 1, 1].real, atol=atol)
        np.testing.assert_allclose(found["coherence"], solved[:, 1, 0], atol=atol)


@pytest.mark.parametrize(
    ("terms", "coefficients", "message"),
    [
        ([FLIP], [_rotating], r"^coefficients\[0\]: expected real values, as terms\[0\] is Hermitian"),
        ([[0.0, 1.0]], [_rotating], r"^coefficients\[0\]: expected real values"),
        ([LOWERING], [jnp.cos], r"^terms\[0\]: expected a Hermitian matrix with the real coefficients\[0\].*0j"),
        ([LOWERING * np.nan], [_rotating], r"^terms\[0\]: expected finite numbers"),
        ([(LOWERING, _rotating), FLIP], None, r"^terms: expected pairs \[\(operator, function of t\), ...\]"),
        ([FLIP], None, "^terms: expected pairs"),
        ([LOWERING, FLIP], [_rotating], "^coefficients: expected one function of t per term"),
    ],
)
def test_terms_that_can_be_understood_in_two_ways_are_refused(terms, coefficients, message):
    with pytest.raises(ValueError, match=message):
        driven(levels([0.0, 1.0]), terms, coefficients)


def _turned(values, **options):
    """The population that H = f(t)σ_x moves: P = sin²(∫f)."""
    drive = driven(levels([0.0, 0.0]), [(FLIP, sampled(MOMENTS, values, **options))])
    equation = sq.Equation(drive, [])
    return sq.expectations(equation, [1.0, 0.0], TIMES, observables=UPPER, trajectories=32, dt=0.02)["p"][-1]


def test_gradients_pass_to_the_samples():
    """∂P/∂v_j = sin(2∫f) w_j with the trapezoid's weights w_j."""
    angle = np.trapezoid(VALUES, MOMENTS)
    weights = np.array([np.trapezoid(row, MOMENTS) for row in np.eye(5)])
    value, slopes = jax.value_and_grad(_turned)(jnp.asarray(VALUES))
    np.testing.assert_allclose(value, np.sin(angle) ** 2, atol=1e-3)
    np.testing.assert_allclose(slopes, np.sin(2 * angle) * weights, atol=2e-3)


def test_other_samples_compile_nothing_anew():
    def run(values):
        drive = driven(levels([0.0, 0.0]), [(FLIP, sampled(MOMENTS, values))])
        sq.simulate(sq.Equation(drive, []), [1.0, 0.0], TIMES, observables=UPPER, trajectories=32, dt=0.1)
        return len(PROGRAMS)

    assert run(VALUES) == run(2 * VALUES)

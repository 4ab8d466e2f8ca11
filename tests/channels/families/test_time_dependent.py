"""Jump operators that depend on time: the mean against SciPy, the law of single trajectories against closed forms."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm

import stochq as sq
from stochq.channels import BandedOperators, DenseOperators, TimeDependentOperator
from stochq.laws import COMPLEX, REAL
from stochq.noise import StepNoise
from tests import oracles
from tests.judging import judge_ensemble

LOWERING, SIGMA_Z = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([-1.0, 1.0])
MATRIX = np.array([[0.0, 0.6], [0.6, 1.0]])
QUBIT = np.array([0.6, 0.8])
OUTCOMES = sq.schemes.Strang(increments="discrete")
WATCHED = {"z": SIGMA_Z, "x": np.array([[0.0, 1.0], [1.0, 0.0]]), "y": np.array([[0.0, -1j], [1j, 0.0]])}


def phase(t):
    return jnp.exp(-2.5j * t)


def swinging(t):
    return 0.7 * jnp.cos(2 * t)


OPERATOR = TimeDependentOperator([(LOWERING, phase), (SIGMA_Z, swinging)])


def _solved(times):
    """ρ of H = MATRIX and L = e^{−2.5it} σ₋ + 0.7 cos 2t σ_z by SciPy; the phase matters, since L is a sum."""

    def slope(t, rho):
        jump = np.exp(-2.5j * t) * LOWERING + 0.7 * np.cos(2 * t) * np.diag(SIGMA_Z)
        return -1j * (MATRIX @ rho - rho @ MATRIX) + oracles.dissipator(jump, rho)

    return oracles.by_integration(slope, oracles.projector(QUBIT), times)


def _expected(rho):
    return {name: np.array([np.trace(_full(one) @ r).real for r in rho]) for name, one in WATCHED.items()}


def _full(operator):
    return np.diag(operator) if operator.ndim == 1 else operator


def _equation(noise: Any = "real"):
    return sq.Equation(sq.systems.levels(MATRIX), [OPERATOR], noise=noise)


def test_the_master_equation_is_that_of_the_sum():
    times = np.linspace(0.0, 2.0, 5)
    solved = sq.exact.evolve(_equation(), QUBIT, times, observables=WATCHED)
    for name, expected in _expected(_solved(times)).items():
        np.testing.assert_allclose(solved.expect[name], expected, atol=1e-8)


# The coarsest steps are to show the order.
@pytest.mark.filterwarnings("ignore:dt. a step of")
@pytest.mark.release
@pytest.mark.parametrize(
    ("noise", "scheme", "few"),
    [("real", sq.schemes.Strang(), 6), ("complex", sq.schemes.Strang(), 3), ("real", OUTCOMES, 3)],
)
def test_averages_follow_the_sum_with_second_order(noise, scheme, few):
    """At twice as many steps the error falls by four; that of coefficients taken at the start of a step by two."""
    times = np.array([0.0, 1.5])
    expected, errors = _expected(_solved(times)), []
    for steps in (few, 2 * few):
        run = {"trajectories": 2**17, "scheme": scheme, "dt": 1.5 / steps, "seed": steps}
        result = sq.simulate(_equation(noise), QUBIT, times, observables=WATCHED, **run)
        errors.append(np.array([result.mean[name][-1] - expected[name][-1] for name in WATCHED]))
        error = np.array([result.stderr[name][-1] for name in WATCHED])
    coarse, fine = (np.linalg.norm(each) for each in errors)
    assert coarse > 20 * np.linalg.norm(error)
    assert fine < coarse / 2.8


@pytest.mark.release
def test_euler_takes_the_operator_too():
    times = np.linspace(0.0, 1.0, 3)
    run = {"trajectories": 4096, "scheme": sq.schemes.Extrapolated(sq.schemes.EulerMaruyama()), "dt": 0.02}
    result = sq.simulate(_equation(), QUBIT, times, observables=WATCHED, seed=1, **run)
    judge_ensemble(result, _expected(_solved(times)), "Euler")


@pytest.mark.parametrize("law", [REAL, COMPLEX])
@pytest.mark.parametrize("levels", [2, 20])
@pytest.mark.sweep(2)
def test_a_step_is_that_of_the_operator_in_its_middle(law, levels):
    """Written out in NumPy, dense and in bands, by Platen's step and by the outcome of a Kraus map."""
    lowering = oracles.lowering(levels)
    channel = TimeDependentOperator([(lowering, phase), (np.arange(levels), swinging)])
    assert isinstance(channel.terms, DenseOperators if levels == 2 else BandedOperators)
    jump = np.exp(-2.5j * 0.4) * lowering + 0.7 * np.cos(0.8) * np.diag(np.arange(levels))
    frozen = DenseOperators([jump])
    psi = jnp.asarray(oracles.random_state(levels, 1), jnp.complex64)[:, None]
    t, dt, noise = jnp.float32(0.4), jnp.float32(0.05), _noise()
    for found, expected in (
        (channel.flow(law), frozen.flow(law)),
        (channel.discrete_flow(law), frozen.discrete_flow(law)),
    ):
        ours, record = found.step(t, dt, psi, noise, found.terms(dt), False)
        theirs, expected_record = expected.step(t, dt, psi, noise, expected.terms(dt), False)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        if expected_record is not None:
            np.testing.assert_allclose(record, expected_record, atol=1e-5)
    assert channel.record_count(law) == 1


def _noise():
    normals = jnp.asarray([[0.7]], jnp.float32)
    return StepNoise(
        normals, jnp.asarray([[0.3 - 1.1j]], jnp.complex64), jnp.zeros((0, 1)), jnp.full((1, 1, 1), 2**31, jnp.uint32)
    )


def _collapsed(passed, rate=1.0):
    """E⟨σ_z⟩² of L = √rate σ_z after the time `passed`, from p = (.36, .64).

    The log-odds of a level move by 4√rate Y, Y = ±2√rate s + W_s: Gauss and Hermite's quadrature over W_s.
    """
    nodes, weights = roots_hermitenorm(64)
    weights, total = weights / weights.sum(), 0.0
    for chance, sign in ((0.36, -1), (0.64, 1)):
        y = 2 * np.sqrt(rate) * sign * passed + np.sqrt(passed) * nodes
        odds = np.log(0.64 / 0.36) + 4 * np.sqrt(rate) * y
        total += chance * weights @ np.tanh(odds / 2) ** 2
    return total


def test_the_phase_says_how_much_is_learned():
    """e^{−iφ}σ_z under real noise collapses at cos²φ times the rate and turns the phase by the rest: with φ = 2t all
    that is learned takes place over ∫cos²2t = t/2 + sin(4t)/8."""
    channel = TimeDependentOperator([(SIGMA_Z, lambda t: jnp.exp(-2j * t))])
    equation = sq.Equation(sq.systems.levels([0.0, 0.0]), [channel])
    times = np.linspace(0.0, 1.0, 3)
    squared = {"z²": lambda psi: (2 * jnp.abs(psi[1]) ** 2 - 1) ** 2}
    result = sq.simulate(equation, QUBIT, times, observables=squared, trajectories=8192, dt=0.02, seed=2)
    expected = np.array([_collapsed(max(t / 2 + np.sin(4 * t) / 8, 1e-12)) for t in times])
    judge_ensemble(result, {"z²": expected}, "turning phase")


@pytest.mark.release
def test_gradients_pass_to_the_coefficients():
    """p = .64 e^{−∫a²} of decay with L = a σ₋: ∂p/∂a = −2a t p."""

    def population(height):
        rate = sq.systems.sampled([0.0, 1.0], height * jnp.ones(2))
        equation = sq.Equation(sq.systems.levels([0.0, 1.0]), [TimeDependentOperator([(LOWERING, rate)])])
        run = {"observables": {"p": [0.0, 1.0]}, "trajectories": 4096, "dt": 0.05}
        return sq.expectations(equation, QUBIT, [0.0, 1.0], **run)["p"][-1]

    value, slope = jax.value_and_grad(population)(0.8)
    np.testing.assert_allclose([value, slope], [0.64 * np.exp(-0.64), -1.6 * 0.64 * np.exp(-0.64)], rtol=0.06)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([LOWERING], r"^terms: expected pairs \[\(operator, function of t\), ...\]"),
        ([(LOWERING, 2.0)], r"^terms\[0\]: expected a function of the time t; got 2.0"),
        ([(LOWERING, np.cos)], r"^terms\[0\]: expected a function of t that JAX can compile"),
        ([(LOWERING, jnp.cos), (np.eye(3), jnp.cos)], r"^terms\[1\]: expected an operator of shape \(2,\) or \(2, 2\)"),
        ([(np.float64(1.0), jnp.cos)], r"^terms\[0\]: expected an operator of a matrix"),
        ([(LOWERING * np.nan, jnp.cos)], r"^terms\[0\]: expected finite numbers"),
    ],
)
def test_terms_that_are_none_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        TimeDependentOperator(terms)


def test_a_random_potential_is_hermitian_at_all_times():
    for terms in ([(LOWERING, jnp.cos)], [(SIGMA_Z, phase)]):
        with pytest.raises(ValueError, match="^noise: 'unitary' needs Hermitian L"):
            sq.Equation(np.zeros((2, 2)), [TimeDependentOperator(terms)], noise="unitary")
    sq.Equation(np.zeros((2, 2)), [TimeDependentOperator([(SIGMA_Z, jnp.cos)])], noise="unitary")


def test_operators_without_a_time_are_refused():
    with pytest.raises(ValueError, match="^channels: expected operators that do not depend on time"):
        OPERATOR.operators()


def test_a_step_resolves_the_largest_rate():
    """|L|² ≤ 2(1 + .49 |A_1|²), and one term exactly: 0.49."""
    assert OPERATOR.strongest(np.array([0.0, 1.0])) == pytest.approx(2.0)
    one = TimeDependentOperator([(SIGMA_Z, swinging)])
    assert one.strongest(np.array([0.0, 1.0])) * one.total_loss()[0, 0] == pytest.approx(0.49, rel=1e-5)

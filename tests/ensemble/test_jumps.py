"""Quantum jumps without a time step, against master equations and closed forms."""

import numpy as np
import pytest

import stochq as sq
from stochq.ensemble.jumps.evolution import ExponentialClocks
from tests import liouville
from tests.judging import judge_ensemble, judge_mean
from tests.problems import hermitian, projectors, state, transitions, unitary

TIMES = np.array([0.0, 0.05, 0.4, 1.1, 1.2])
LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])


def _dense():
    """Operators without any structure, beside a large energy that stiffens the Hamiltonian."""
    matrix = hermitian(3, 1) + np.diag([0.0, 0.0, 30.0])
    jumps = [hermitian(3, 2) @ unitary(3, 3), 0.7 * hermitian(3, 4)]
    return sq.models.unravel(matrix, jumps, noise="jump"), matrix, jumps


def _many_clicks():
    """Several clicks in every interval, of bands and of diagonals, which are two channels."""
    matrix, lower = hermitian(9, 5), np.diag(np.sqrt(np.arange(1.0, 9)), 1)
    jumps = [1.2 * lower, 0.6 * lower.T, np.diag(np.linspace(-1, 2, 9))]
    return sq.models.unravel(matrix, jumps, noise="jump", hbar=0.5), matrix / 0.5, jumps


def _sui():
    """Exponential clocks: reduction in one basis, thermalization in that of the energy."""
    matrix, basis, equilibrium = hermitian(4, 6), unitary(4, 7), np.array([0.4, 0.3, 0.2, 0.1])
    arguments = {"reduction": 0.8, "thermalization": 1.1, "equilibrium": equilibrium, "basis": basis}
    vectors = np.linalg.eigh(matrix)[1]
    jumps = [*projectors(basis, 0.8), *transitions(1.1 * np.tile(equilibrium[:, None], 4), vectors)]
    return sq.models.sui(matrix, **arguments, noise="jump"), matrix, jumps


def _rates():
    """Transitions at any rates, whose sum differs from level to level."""
    energies, rates = np.array([0.0, 1.0, 2.5]), np.array([[0.0, 0.8, 0.3], [0.2, 0.0, 1.4], [0.1, 0.4, 0.0]])
    channel = sq.channels.RateMatrix(rates)
    jumps = transitions(rates, np.eye(3))
    return sq.Equation(sq.systems.levels(energies), [channel], "jump"), np.diag(energies), jumps


@pytest.mark.parametrize(
    ("system", "precision"),
    [
        (_dense, "single"),
        (_rates, "single"),
        (_sui, "single"),
        *(pytest.param(*case, marks=pytest.mark.release) for case in [(_dense, "double"), (_many_clicks, "single")]),
    ],
)
def test_means_are_those_of_the_master_equation_at_any_times(system, precision):
    equation, matrix, jumps = system()
    dim = len(matrix)
    psi0, observables = state(dim, 8), {"o": hermitian(dim, 9), "q": np.diag(hermitian(dim, 10)).real}
    rho = liouville.density(matrix, jumps, psi0, TIMES)
    expected = {"o": liouville.expectation(observables["o"], rho)}
    expected["q"] = liouville.expectation(np.diag(observables["q"]), rho)
    result = sq.simulate(equation, psi0, TIMES, observables=observables, trajectories=20_000, precision=precision)
    judge_ensemble(result, expected, f"jumps, {system.__name__}, {precision}")


def test_results_say_that_there_is_no_time_step():
    equation = sq.models.unravel([[0.0, 1.0], [1.0, 0.0]], [LOWERING], noise="jump")
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 64}
    result = sq.simulate(equation, [0.0, 1.0], [0, 1], **run)
    assert result.dt == 0 and result.scheme == "exact jumps" and "no time step" in str(result)
    np.testing.assert_array_equal(result.bias["p"], [0, 0])
    for argument in ({"dt": 0.1}, {"scheme": sq.schemes.Strang()}, {"antithetic": True}):
        (name,) = argument
        with pytest.raises(ValueError, match=f"^{name}: expected None with jumps alone"):
            sq.simulate(equation, [0.0, 1.0], [0, 1], **run, **argument)
    with pytest.raises(ValueError, match="jumps have no increments"):
        mixed = sq.Equation(sq.systems.levels([0.0, 1.0]), [sq.channels.DenseOperators([LOWERING]).with_law("jump")])
        sq.schemes.EulerMaruyama().check(mixed)


@pytest.mark.release
def test_trajectories_depend_on_the_seed_and_not_on_saved_times_or_batches():
    equation, _, _ = _many_clicks()
    run = {"observables": {"q": np.arange(9.0)}, "trajectories": 300, "keep": 300, "precision": "double"}
    few = sq.simulate(equation, state(9, 8), [0, 0.5, 1.1], **run)
    many = sq.simulate(equation, state(9, 8), [0, 0.13, 0.21, 0.5, 0.52, 1.0, 1.1], batch=32, **run)
    np.testing.assert_allclose(few.kept[:, [1, 2]], many.kept[:, [3, 6]], atol=1e-8)
    other = sq.simulate(equation, state(9, 8), [0, 0.5, 1.1], **run, seed=1)
    assert np.abs(other.kept[:, 1] - few.kept[:, 1]).max() > 0.1


def test_a_tolerance_is_met_by_trajectories_alone():
    equation = sq.models.unravel([[0.0, 1.0], [1.0, 0.0]], [LOWERING], noise="jump")
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 10**6}
    result = sq.simulate(equation, [0.0, 1.0], [0, 1, 2.5], tolerance=0.01, **run)
    rho = liouville.density(np.array([[0.0, 1.0], [1.0, 0.0]]), [LOWERING], np.array([0.0, 1.0]), [0, 1, 2.5])
    assert result.info["reached"] <= 0.01 and result.trajectories < 10**5
    assert np.abs(result.mean["p"] - rho[:, 0, 0].real).max() < 0.01


@pytest.mark.release
def test_dark_states_never_click():
    """Their norm falls by rounding alone, which adds up over many saved times."""
    ground = sq.models.unravel(np.diag([0.0, 1.3]), [LOWERING], noise="jump")
    basis = unitary(3, 11)
    bright = np.outer(basis[:, 2], basis[:, 0].conj())
    dark = sq.models.unravel(basis @ np.diag([1.0, 0.3, 1.7]) @ basis.conj().T, [bright], noise="jump")
    for equation, psi0 in ((ground, [1.0, 0.0]), (dark, basis[:, 1])):
        run = {"observables": {}, "trajectories": 256, "records": True}
        result = sq.simulate(equation, psi0, np.linspace(0, 20, 10_001), **run)
        np.testing.assert_array_equal(result.records.increments, 0)


@pytest.mark.release
def test_clicks_that_norms_do_not_resolve_come_at_their_rate():
    """A decay of 2·10⁻⁶ between saved times, of which a norm in single precision knows three percent."""
    equation = sq.models.unravel(np.diag([0.0, 1.0]), [np.sqrt(2e-5) * LOWERING], noise="jump")
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 2**16}
    result = sq.simulate(equation, [0.0, 1.0], np.linspace(0, 100, 1001), **run)
    expected = -np.expm1(-2e-3)
    judge_mean(result.mean["p"][-1], np.hypot(np.sqrt(expected / 2**16), 0.05 * expected), expected, "rare clicks")


def test_a_clock_never_begins_at_its_end():
    """Of the uniform number 1, which single precision draws once in 2²⁵ times."""
    clocks = ExponentialClocks(np.float32(1e-30), np.zeros(1, np.float32), None)
    assert float(clocks.clock(np.ones(1, np.float32))[0]) > 1e20


def test_phases_that_single_precision_does_not_resolve_are_refused():
    """⟨σx⟩ = cos(Et)e^{−γt/2} of a decaying superposition."""
    equation = sq.models.unravel(np.diag([0.0, 1234.567]), [1e-3 * LOWERING], noise="jump")
    times, run = [0.0, 20_000.0], {"observables": {"x": [[0.0, 1.0], [1.0, 0.0]]}, "trajectories": 8192}
    with pytest.raises(ValueError, match="^precision: expected 'double' for levels"):
        sq.simulate(equation, np.sqrt([0.5, 0.5]), times, **run)
    result = sq.simulate(equation, np.sqrt([0.5, 0.5]), times, precision="double", **run)
    expected = {"x": np.cos(1234.567 * np.array(times)) * np.exp(-0.5e-6 * np.array(times))}
    judge_ensemble(result, expected, "phases in double precision")


def test_hits_at_the_edge_of_the_box_warn():
    particle = sq.systems.particle(64, 16.0, 1.0, None)
    equation = sq.models.grw(particle, rate=0.1, length=1.0)
    run = {"observables": {"x": particle.coordinates[0]}, "trajectories": 32}
    with pytest.warns(UserWarning, match="reached the edge of the box"):
        sq.simulate(equation, particle.gaussian(0.0, 1.0, 3.0), [0.0, 2.5], **run)


def test_more_clicks_than_counters_hold_are_refused():
    equation = sq.models.unravel(np.zeros((2, 2)), [1e3 * np.diag([1.0, -1.0])], noise="jump")
    with pytest.raises(ValueError, match="^times: expected fewer than 1.07e\\+09 clicks"):
        sq.simulate(equation, [0.6, 0.8], [0.0, 2000.0], observables={}, trajectories=32)

"""Rates from slow to a thousand times the run: every family of operators, both ways of choosing a step, against scipy.

A step that is far too long settles on a wrong state, and so does its half: the difference between them tells nothing.
"""

import contextlib

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from tests import liouville
from tests.judging import judge_mean

LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
LADDER = np.diag(np.sqrt(np.arange(1.0, 5)), 1)
NUMBER = np.arange(5.0)
UPPER = np.array([1.0, 0.0])
TIMES = np.array([0.0, 0.5, 1.0])


def _dense(rate):
    """A qubit between a cold and a hot bath."""
    jumps = [np.sqrt(rate) * LOWERING, np.sqrt(0.5 * rate) * LOWERING.T]
    equation = sq.models.unravel(sq.systems.levels([0.0, 1.0]), jumps)
    return equation, np.diag([0.0, 1.0]), jumps, [0.6, 0.8], UPPER


def _rate_matrix(rate):
    rates = rate * np.array([[0.0, 1.0], [1 / 3, 0.0]])
    equation = sq.Equation(sq.systems.levels(FLIP), (sq.channels.RateMatrix(rates),))
    jumps = [np.sqrt(rates[0, 1]) * LOWERING, np.sqrt(rates[1, 0]) * LOWERING.T]
    return equation, FLIP, jumps, [0.6, 0.8], UPPER


def _kerr(rate):
    """A driven cavity: one diagonal of the jump operator."""
    matrix = np.diag(0.3 * NUMBER**2) + 0.8 * (LADDER + LADDER.T)
    jumps = [np.sqrt(rate) * LADDER]
    return sq.models.unravel(sq.systems.levels(matrix), jumps), matrix, jumps, np.eye(5)[2], NUMBER


def _two_bands(rate):
    """A damped position and momentum: two diagonals."""
    jumps = [np.sqrt(rate) * (0.6 * LADDER + 0.3 * LADDER.T)]
    return sq.models.unravel(sq.systems.levels(NUMBER), jumps), np.diag(NUMBER), jumps, np.eye(5)[1], NUMBER


def _collapse(rate):
    """Exact flows that the Hamiltonian keeps busy."""
    jumps = [np.sqrt(rate) * np.diag(row) for row in np.eye(2)]
    return sq.models.suv(sq.systems.levels(2 * FLIP), strength=rate), 2 * FLIP, jumps, [0.6, 0.8], UPPER


FAMILIES = {"dense": _dense, "rates": _rate_matrix, "Kerr": _kerr, "two bands": _two_bands, "collapse": _collapse}
# Beyond 88 an exponential over the whole run vanishes in single precision.
RATES = [0.3, 100.0, *(pytest.param(rate, marks=pytest.mark.release) for rate in (3.0, 30.0, 300.0, 1000.0))]
# Those of channels without a map of the mean state are planned by pilot runs, which take long at high rates.
MODERATE = [0.3, 30.0, *(pytest.param(rate, marks=pytest.mark.release) for rate in (3.0, 300.0, 1000.0))]


def _exact(matrix, jumps, psi, operator):
    generator = liouville.superoperator(matrix.astype(complex), [jump.astype(complex) for jump in jumps])
    start = np.outer(psi, np.conj(psi)).astype(complex)
    states = [liouville.exponential(generator, start, t) for t in TIMES]
    return np.array([np.sum(operator * np.diag(rho).real) for rho in states])


def _run(family, rate, as_function, **options):
    equation, matrix, jumps, psi, operator = FAMILIES[family](rate)
    watched = _FUNCTIONS[len(operator)] if as_function else operator
    result = sq.simulate(equation, psi, TIMES, observables={"o": watched}, **options)
    return result, _exact(matrix, jumps, np.asarray(psi), operator)


def _of(operator):
    return lambda psi: jnp.sum(jnp.asarray(operator, psi.real.dtype) * jnp.abs(psi) ** 2)


# Functions of ψ are planned by pilot runs, the operators that they stand for by the mean map where it is known.
_FUNCTIONS = {2: _of(UPPER), 5: _of(NUMBER)}


@pytest.mark.parametrize("rate", MODERATE)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.sweep(3)
def test_a_tolerance_is_kept_at_every_rate(family, rate):
    wanted = 0.1
    result, expected = _run(family, rate, False, trajectories=60_000, tolerance=wanted)
    assert result.info["reached"] <= wanted
    # 2.2 standard errors and the bias fit into the tolerance: half of it more is 3.3 of them.
    assert np.abs(result.mean["o"] - expected).max() < 1.5 * wanted


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.sweep(3)
def test_the_largest_step_is_right_at_every_rate(family, rate):
    result, expected = _run(family, rate, False, trajectories=600)
    # A tenth of a standard error of bias, and what single precision adds.
    judge_mean(result.mean["o"], np.maximum(result.stderr["o"], 1e-4), expected, f"{family} at {rate}")


@pytest.mark.parametrize("rate", MODERATE[1:])
@pytest.mark.parametrize("family", ["dense", "two bands"])
def test_pilots_resolve_rates(family, rate):
    result, expected = _run(family, rate, True, trajectories=60_000, tolerance=0.05)
    assert "pilot" in result.info["dt_reason"]
    assert np.abs(result.mean["o"] - expected).max() < 1.5 * 0.05


@pytest.mark.parametrize("rate", [100.0, pytest.param(1000.0, marks=pytest.mark.release)])
def test_levels_that_decay_fast_between_saved_times_are_seen(rate):
    """Zeno: a strong decay of the other level holds the first one, where a long step would have emptied it."""
    coupling, end = 1.0, rate / 10
    jumps = [np.zeros((3, 3))]
    jumps[0][2, 1] = np.sqrt(rate)
    matrix = np.zeros((3, 3))
    matrix[0, 1] = matrix[1, 0] = coupling
    equation, times = sq.models.unravel(sq.systems.levels(matrix), jumps), np.array([0.0, end])
    watched = {"p": np.array([1.0, 0.0, 0.0])}
    many = pytest.warns(UserWarning, match="dt: 2e.05 steps or more .* to resolve rates of 1e.03")
    with many if rate == 1000.0 else contextlib.nullcontext():
        result = sq.simulate(equation, [1, 0, 0], times, observables=watched, trajectories=4096, tolerance=0.1)
    # By adiabatic elimination exp(−4 coupling² t / rate) = 0.670.
    assert abs(result.mean["p"][-1] - 0.670) < 0.1


@pytest.mark.parametrize("as_function", [False, True])
def test_a_given_step_beyond_the_rates_is_told_of_its_bias(as_function):
    """A qubit between two baths, stepped over twenty of its lifetimes at once: h and h/2 settle on the same state."""
    equation, matrix, jumps, psi, operator = FAMILIES["dense"](20.0)
    watched = {"o": _FUNCTIONS[2] if as_function else operator}
    with pytest.warns(UserWarning, match="tolerance: 0.1 was not met"):
        result = sq.simulate(equation, psi, [0, 1], observables=watched, trajectories=8192, tolerance=0.1, dt=1.0)
    error = result.mean["o"][-1] - _exact(matrix, jumps, np.asarray(psi), operator)[-1]
    assert abs(error) > 0.2
    # The pilots' noise and that of the run: a few hundredths.
    assert abs(result.bias["o"][-1] - error) < 0.06 and result.info["reached"] > abs(error)


@pytest.mark.parametrize("span", [50.0, 70.0, 100.0, 1e4])
@pytest.mark.sweep(2)
def test_a_decay_that_is_over_long_ago(span):
    """Once a division by zero, from exponentials that vanish in single precision."""
    decay = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [LOWERING])
    result = sq.simulate(decay, [0.6, 0.8], [0, span], observables={"p": UPPER}, trajectories=4096, tolerance=0.1)
    assert abs(result.mean["p"][-1] - 1) < 1e-4


@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param(sq.schemes.EulerMaruyama(), marks=pytest.mark.release),
        sq.schemes.Extrapolated(sq.schemes.EulerMaruyama()),
    ],
)
def test_explicit_steps_resolve_the_levels(scheme):
    """Saved times at distances over which levels turn by many periods."""
    energies, strength = np.array([0.0, 10.0, -10.0]), 0.3
    equation = sq.models.suv(sq.systems.levels(energies), strength=strength)
    coherence, times = np.ones((3, 3)) - np.eye(3), np.array([0.0, 1.0, 2.0])
    psi = np.ones(3) / np.sqrt(3)
    result = sq.simulate(equation, psi, times, observables={"x": coherence}, trajectories=400, scheme=scheme)
    gaps = energies[:, None] - energies[None, :]
    turned = np.exp(-1j * gaps * times[:, None, None] - strength * times[:, None, None] * (gaps != 0)) / 3
    expected = np.sum(turned * coherence, axis=(1, 2)).real
    judge_mean(result.mean["x"], np.maximum(result.stderr["x"], 1e-3), expected, scheme.name)

"""Coefficients that jump: steps end there, so that the order is that of smooth ones; nothing else changes."""

from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from stochq.accuracy.grid import refined, time_grid
from stochq.accuracy.search import remaining
from stochq.systems import driven, levels, piecewise, sampled

FLIP, LEVELS = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.0, 1.3])
EDGES, VALUES = np.array([0.333, 0.9001]), np.array([2.0, -1.0, 3.0])
TIMES = np.array([0.0, 0.5, 1.5])
WATCHED: dict[str, Any] = {"p": [0.0, 1.0], "x": FLIP}


def switched(t):
    return jnp.where(t < EDGES[0], VALUES[0], jnp.where(t < EDGES[1], VALUES[1], VALUES[2]))


HELD = sampled([0.0, *EDGES, 1.5], VALUES, interpolation="constant")
NOTHING = piecewise(jnp.ones_like, [0.3, 0.4, 0.9])
PLAIN = jnp.ones_like


def test_a_grid_ends_its_steps_at_edges():
    grid = time_grid(np.array([0.0, 0.5, 1.0, 1.5]), 0.1, np.array([2, 5, 1]), np.array([0.25, 0.5 + 1e-12, 0.73, 1.2]))
    np.testing.assert_allclose(grid.ends, [0, 0.25, 0.5, 0.6, 0.7, 0.73, 0.8, 0.9, 1.0, 1.2, 1.5])
    np.testing.assert_array_equal(grid.slots, [0, 1, 2, 3, 4, 4, 5, 6, 7, 7])
    assert grid.saved is not None
    np.testing.assert_allclose(grid.ends[1:][grid.saved], grid.times[1:])
    np.testing.assert_allclose(grid.steps * grid.lengths, np.diff(grid.ends))
    assert grid.lengths.max() <= 0.1 * (1 + 1e-9)
    assert refined(grid, 2).total_steps == 2 * grid.total_steps
    # An interval of .9 and one of .1 at step 1, of .45 and .1 at step ½.
    found = remaining(np.array([0.0, 1.0]), 1.0, 0.5, 2, np.array([0.9]))
    np.testing.assert_allclose(found[:, 0], (0.9 * 0.45**2 + 0.1**3) / (0.9**3 + 0.1**3))


def _population():
    """P of level 1 at the last time by SciPy's exponentials, piece by piece."""
    ends = [0.0, *EDGES, 1.5]
    pieces = [
        expm(-1j * (np.diag(LEVELS) + v * FLIP) * (b - a)) for v, a, b in zip(VALUES, ends[:-1], ends[1:], strict=True)
    ]
    return abs(reduce(lambda psi, piece: piece @ psi, pieces, np.array([1.0, 0.0]))[1]) ** 2


def _nested(drive):
    """A drive inside another Hamiltonian that depends on time."""
    inside = driven(levels(0 * LEVELS), [(FLIP, drive)])
    return driven(inside, [(LEVELS, jnp.ones_like)])


def _error(drive, dt, hamiltonian=None):
    equation = sq.Equation(hamiltonian or driven(levels(LEVELS), [(FLIP, drive)]), [])
    run = {"trajectories": 32, "dt": dt, "precision": "double"}
    return abs(sq.simulate(equation, [1.0, 0.0], TIMES, observables=WATCHED, **run).mean["p"][-1] - _population())


@pytest.mark.parametrize("drive", [HELD, piecewise(switched, EDGES)])
def test_the_order_across_edges_is_that_of_the_scheme(drive):
    coarse, fine = _error(drive, 0.125), _error(drive, 0.0625)
    assert 3.5 < coarse / fine < 4.5
    # Without the edges half a step has the wrong value.
    assert _error(switched, 0.0625) > 10 * fine


@pytest.mark.release
def test_the_order_across_edges_of_nested_drives():
    coarse, fine = (_error(HELD, dt, _nested(HELD)) for dt in (0.125, 0.0625))
    assert 3.5 < coarse / fine < 4.5
    equation = sq.Equation(_nested(HELD), [])
    np.testing.assert_array_equal(equation.edges(TIMES), EDGES)
    solved = sq.exact.evolve(equation, [1.0, 0.0], TIMES, observables=WATCHED)
    np.testing.assert_allclose(solved.expect["p"][-1], _population(), atol=1e-8)


def test_edges_and_samples_of_everything_inside_are_known():
    """Of a drive in a drive, in Markovian feedback, and an envelope in an envelope, each under its own name."""
    short = sampled([0.0, 0.8], [1.0, 2.0])
    watched = sq.models.monitored(driven(levels(LEVELS), [(FLIP, short)]), {"x": sq.measurement.homodyne(FLIP)})
    fed = sq.models.markovian_feedback(watched, {"x": FLIP})
    decay = sq.channels.DenseOperators([[[0.0, 0.7], [0.0, 0.0]]])
    twice = [sq.channels.Modulated(sq.channels.Modulated(decay, short), NOTHING)]
    for equation, name in (
        (sq.Equation(_nested(short), []), r"hamiltonian: hamiltonian: coefficients\[0\]"),
        (fed, r"hamiltonian: hamiltonian: coefficients\[0\]"),
        (sq.Equation(levels(LEVELS), twice), r"channels\[0\]: channel: envelope"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: expected samples from t = 0 to 1.5"):
            equation.edges(TIMES)
    both = [sq.channels.Modulated(sq.channels.Modulated(decay, HELD), NOTHING)]
    found = sq.Equation(driven(levels(LEVELS), [(FLIP, short), (LEVELS, short)]), both).edges(np.array([0.0, 0.8]))
    np.testing.assert_array_equal(found, [0.3, EDGES[0], 0.4])


def test_functions_of_the_time_have_the_numbers_that_they_were_given():
    """Also where a diagonal comes after a matrix."""
    short = sampled([0.0, 0.8], [1.0, 2.0])
    equation = sq.Equation(driven(levels(LEVELS), [(FLIP, jnp.cos), (LEVELS, short)]), [])
    with pytest.raises(ValueError, match=r"^hamiltonian: coefficients\[1\]: expected samples"):
        equation.edges(TIMES)


def test_the_master_equation_and_gradients_know_the_edges():
    equation = sq.Equation(driven(levels(LEVELS), [(FLIP, HELD)]), [])
    solved = sq.exact.evolve(equation, [1.0, 0.0], TIMES, observables=WATCHED)
    np.testing.assert_allclose(solved.expect["p"][-1], _population(), atol=1e-8)
    means = sq.expectations(equation, [1.0, 0.0], TIMES, observables=WATCHED, trajectories=32, dt=0.02)
    np.testing.assert_allclose(means["p"][-1], _population(), atol=1e-3)
    assert means["p"].shape == TIMES.shape


def _watched(envelope):
    """Steps of 0.05: the edges lie among their ends."""
    decay = sq.channels.DenseOperators([[[0.0, 0.7], [0.0, 0.0]]])
    drive = driven(levels(LEVELS), [(FLIP, envelope)])
    equation = sq.Equation(drive, [sq.channels.Modulated(decay, envelope)])
    run = {"trajectories": 256, "dt": 0.05, "keep": 2, "records": True, "interval": 0.25, "seed": 3}
    return sq.simulate(equation, [0.6, 0.8], TIMES, observables={**WATCHED, "ρ": sq.Density()}, **run)


@pytest.mark.release
def test_edges_between_steps_change_nothing():
    """Not what is kept, nor the records of intervals that they divide, nor statistics."""
    ours, plain = _watched(NOTHING), _watched(PLAIN)
    assert ours.info["steps"] == plain.info["steps"]
    np.testing.assert_array_equal(ours.times, TIMES)
    for name in WATCHED:
        np.testing.assert_allclose(ours.mean[name], plain.mean[name], atol=2e-6)
    np.testing.assert_allclose(ours.kept, plain.kept, atol=2e-5)
    np.testing.assert_allclose(ours.density, plain.density, atol=2e-6)
    assert ours.records is not None and plain.records is not None
    assert ours.records["L0"].shape == (256, 6)
    np.testing.assert_allclose(ours.records["L0"], plain.records["L0"], atol=1e-4)


@pytest.mark.release
def test_a_step_is_chosen_with_edges():
    """p = .64 exp(−∫f²) of decay whose rate jumps; the tolerance holds."""
    decay = sq.channels.Modulated(sq.channels.DenseOperators([[[0.0, 1.0], [0.0, 0.0]]]), HELD)
    equation = sq.Equation(levels(LEVELS), [decay])
    run = {"trajectories": 10**6, "tolerance": 0.02}
    result = sq.simulate(equation, [0.6, 0.8], TIMES, observables={"p": [0.0, 1.0]}, seed=1, **run)
    passed = np.interp(TIMES, [0.0, *EDGES, 1.5], np.cumsum([0.0, *(VALUES**2 * np.diff([0.0, *EDGES, 1.5]))]))
    assert result.info["reached"] <= 0.02
    np.testing.assert_allclose(result.mean["p"], 0.64 * np.exp(-passed), atol=0.02)


@pytest.mark.parametrize("call", [sq.simulate, sq.expectations, sq.exact.evolve])
def test_samples_that_do_not_reach_are_refused(call):
    equation = sq.Equation(driven(levels(LEVELS), [(FLIP, HELD)]), [])
    run = {} if call is sq.exact.evolve else {"trajectories": 32, "dt": 0.1}
    with pytest.raises(ValueError, match=r"^hamiltonian: coefficients\[0\]: expected samples from t = 0 to 2"):
        call(equation, [1.0, 0.0], [0.0, 2.0], observables=WATCHED, **run)

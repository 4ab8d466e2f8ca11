"""Jumps whose evolution between clicks is that of the eigenvectors of H_eff."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import brentq

import stochq as sq
from stochq.ensemble.jumps import prepare
from stochq.ensemble.jumps.evolution import Powers
from stochq.ensemble.jumps.modes import Modes
from stochq.ensemble.jumps.prepare import evolution_of
from stochq.ensemble.problem import cast
from stochq.schemes import frame_of
from tests import liouville
from tests.judging import judge_ensemble, judge_mean
from tests.problems import hermitian, state

DIM = 16


def _ladder(rate=0.1):
    """Decay down a ladder, faster from further up, and hops by two: under a dense Hamiltonian."""
    jumps = [np.diag(np.sqrt(rate * np.arange(1.0, DIM)), 1), 0.3 * np.eye(DIM, k=-2)]
    return hermitian(DIM, 12), jumps


def _close(psi, expected, apart):
    """Up to a phase: frames have their own zero of energy."""
    phase = np.vdot(expected, psi)
    np.testing.assert_allclose(psi, phase / abs(phase) * expected, atol=apart)


def _evolution(matrix, jumps, length):
    equation = sq.models.unravel(matrix, jumps, noise="jump")
    frame = frame_of(equation)
    own = tuple(channel.jumps() for channel in frame.channels)
    return evolution_of(frame, own, state(DIM, 1), np.array([length]), "double")[0]


@pytest.mark.parametrize(("precision", "apart"), [("single", 3e-5), ("double", 1e-12)])
def test_clicks_come_when_the_norm_has_fallen_to_the_clock(precision, apart):
    """Over many waiting times, of random states: SciPy's exponential and its root. From a saved time and, as after a
    click, from any other; those that do not click go on over a second interval."""
    matrix, jumps = _ladder()
    generator = -1j * matrix - 0.5 * sum(jump.conj().T @ jump for jump in jumps)
    psi, length = np.stack([state(DIM, seed) for seed in range(12)], axis=1), 3.0
    clock = np.geomspace(0.9999, 1e-3, 12)
    evolution = _evolution(matrix, jumps, length)
    assert isinstance(evolution, Modes)
    with jax.enable_x64(precision == "double"):
        evolution, psi, clock, remaining = cast((evolution, psi, clock, np.full(12, length)), precision)
        settled = evolution.settle(psi, clock, remaining)
        leapt = evolution.leap(0, remaining[0], evolution.enter(psi), clock)
        unstored = eqx.tree_at(lambda e: e.whole, evolution, None).leap(0, remaining[0], evolution.enter(psi), clock)
        ways = []
        for one in (settled, leapt, unstored):
            again = evolution.leap(0, remaining[0], one.held, one.clock)
            states = evolution.leave(one.held), evolution.leave(again.held)
            ways.append(jax.tree.map(np.asarray, (states, one.remaining, again.remaining, evolution.advance(*one))))
    for column in range(12):

        def ahead(time, column=column):
            return expm(generator * time) @ psi[:, column]

        def above(time, column=column):
            return np.linalg.norm(ahead(time)) ** 2 - clock[column]

        found, later = above(length) < 0, above(2 * length) < 0
        end: Any = brentq(above, 0, length, xtol=1e-15) if found else length
        expected, twice = (ahead(time) / np.linalg.norm(ahead(time)) for time in (end, 2 * length))
        for (once, second), left, left_later, moved in ways:
            assert (left[column] > 0) == moved.clicks[column] == found
            _close((moved.psi if found else once)[:, column], expected, apart)
            np.testing.assert_allclose(length - (moved.remaining if found else left)[column], end, atol=apart)
            assert found or (left_later[column] > 0) == later
            if not later:
                _close(second[:, column], twice, apart)
    assert 3 <= ways[0][3].clicks.sum() <= 8 and (ways[0][2] > 0).sum() < 12


def test_means_are_those_of_the_master_equation():
    matrix, jumps = _ladder()
    times, psi0 = np.array([0.0, 0.1, 0.7, 1.5]), state(DIM, 8)
    observables = {"o": hermitian(DIM, 9), "n": np.arange(float(DIM))}
    rho = liouville.density(matrix, jumps, psi0, times)
    expected = {"o": liouville.expectation(observables["o"], rho)}
    expected["n"] = liouville.expectation(np.diag(observables["n"]), rho)
    equation = sq.models.unravel(matrix, jumps, noise="jump")
    result = sq.simulate(equation, psi0, times, observables=observables, trajectories=16_384)
    judge_ensemble(result, expected, "jumps by eigenvectors")


@pytest.mark.release
def test_clicks_that_norms_do_not_resolve_come_at_their_rate():
    """1 − e^{−γt} decays from fifteen levels to a dark one, 2·10⁻⁶ between saved times."""
    rate, times = 1e-5, np.linspace(0, 50, 251)
    inner = np.zeros((DIM, DIM), complex)
    inner[1:, 1:] = 0.5 * hermitian(DIM - 1, 3)
    jumps = [np.sqrt(rate) * np.outer(np.eye(DIM)[0], level) for level in np.eye(DIM)[1:]]
    assert isinstance(_evolution(inner, jumps, 0.2), Modes)
    equation = sq.models.unravel(inner, jumps, noise="jump")
    watched = {"dark": np.eye(DIM)[0]}
    result = sq.simulate(equation, np.eye(DIM)[3], times, observables=watched, trajectories=2**14)
    expected = -np.expm1(-50 * rate)
    judge_mean(result.mean["dark"][-1], np.hypot(np.sqrt(expected / 2**14), 0.05 * expected), expected, "rare clicks")
    dark = sq.simulate(equation, np.eye(DIM)[0], times, observables=watched, trajectories=256, records=True)
    assert dark.records is not None
    np.testing.assert_array_equal(dark.records.increments, 0)


def test_eigenvectors_are_left_alone_where_they_enlarge_rounding_or_turn_often():
    """At an exceptional point, of H_eff = [[0, γ/4], [γ/4, −iγ/2]], and where a phase turns fifty times."""
    matrix, jumps = _ladder()
    assert isinstance(_evolution(40 * matrix, jumps, 3.0), Powers)
    exceptional = np.diag(np.zeros(DIM))
    exceptional[0, 1] = exceptional[1, 0] = 0.25
    assert isinstance(_evolution(exceptional, [np.outer(np.eye(DIM)[0], np.eye(DIM)[1])], 3.0), Powers)


@pytest.mark.release
def test_trajectories_are_those_of_stored_powers_at_any_saved_times(monkeypatch):
    """The same draws click at the same times, several between saved times that differ and are many."""
    matrix, jumps = _ladder()
    equation = sq.models.unravel(matrix, jumps, noise="jump")
    few, many = np.array([0.0, 0.5, 3.0]), np.sort([*np.linspace(0, 3, 19) ** 2 / 3, 0.5])
    run = {"observables": {"n": np.arange(float(DIM))}, "trajectories": 100, "keep": 100, "precision": "double"}
    seen = [sq.simulate(equation, state(DIM, 8), times, **run).kept for times in (few, many)]
    monkeypatch.setattr(prepare, "_FEW_LEVELS", DIM + 1)
    expected = sq.simulate(equation, state(DIM, 8), few, **run).kept
    at = np.searchsorted(many, few - 1e-12)
    for kept in (seen[0], seen[1][:, at]):
        overlap = np.abs(np.einsum("nti,nti->nt", expected.conj(), kept))
        np.testing.assert_allclose(overlap, 1, atol=1e-9)

"""Collapse by projectors in kicks of four values: physical chances, exact linear averages, weak order 2 beyond."""

import itertools
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import stochq as sq
from stochq.channels import Features, Projectors, RateMatrix
from stochq.channels.kicks import LONGEST, kicks, phase_kicks
from stochq.noise import Budget, StepNoise
from stochq.schemes import Strang, default_scheme, frame_of
from tests.judging import judge_ensemble, judge_mean
from tests.problems import PROBLEMS, hermitian, state

DISCRETE = Strang(increments="discrete")
RATES = np.array([0.7, 0.3])
INNER, OUTER = np.sqrt(1 - np.sqrt(2 / 3)), np.sqrt(1 + np.sqrt(6))
VALUES, CHANCES = np.array([-OUTER, -INNER, INNER, OUTER]), np.array([1, 3, 3, 1]) / 8


def _weights(loss):
    """w(z) with E w² = 1 and E w = e^{−loss/2}, the size of the exponent by bisection."""

    def excess(size):
        one, two = (np.log(CHANCES @ np.exp(k * size * VALUES)) for k in (1, 2))
        return two / 2 - one - loss / 2

    size: Any = brentq(excess, 0, 1.5, xtol=1e-15)
    weights = np.exp(size * VALUES)
    return weights / np.sqrt(CHANCES @ weights**2)


def _outcomes(psi, h):
    """All (chance, state) of one step of pure collapse of two levels."""
    tables = [_weights(rate * h) for rate in RATES]
    for (i, a), (j, b) in itertools.product(enumerate(tables[0]), enumerate(tables[1])):
        moved = np.array([a, b]) * psi
        size = np.sum(np.abs(moved) ** 2)
        yield CHANCES[i] * CHANCES[j] * size, moved / np.sqrt(size)


KICKS, PHASES = jax.jit(kicks), jax.jit(phase_kicks)


def _arrays(make, loss):
    return jax.tree.map(np.asarray, make(jnp.array([loss, 0.0])))


@pytest.mark.parametrize("loss", [1e-6, 0.01, 0.3, 0.9])
def test_weights_lose_coherence_at_the_exact_rate(loss):
    with jax.enable_x64(True):
        made, phases = (_arrays(make, loss) for make in (KICKS, PHASES))
    np.testing.assert_allclose(made.weights[:, 0], _weights(loss), rtol=1e-9)
    np.testing.assert_allclose(made.weights[:, 1], 1, rtol=1e-12)
    np.testing.assert_allclose(np.log(CHANCES @ phases), [-loss / 2, 0], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(np.abs(phases), 1, rtol=1e-12)
    np.testing.assert_allclose(np.diff(made.bounds, axis=0, prepend=0)[:, 0] / 8, (CHANCES * _weights(loss) ** 2)[:3])


def _all_words(marks):
    """Words of all cells of two levels, with marks on a grid."""
    places = ((np.arange(marks) + 0.5) / marks * 2**26).astype(np.uint64)
    return ((places[:, None] << np.uint64(6)) + np.arange(64, dtype=np.uint64)).reshape(-1).astype(np.uint32)


def _step(words, psi, h, law: Any = "real", rates=RATES):
    kicked = Projectors(rates).discrete_flow(law)

    @eqx.filter_jit
    def flow(h, states, noise):
        return kicked.step(h, states, noise, kicked.terms(h), False)

    with jax.enable_x64(True):
        words = jnp.asarray(words)
        states = jnp.broadcast_to(jnp.asarray(psi)[:, None], (2, words.shape[-1]))
        empty = jnp.zeros((0, words.shape[-1]))
        noise, h = StepNoise(empty, empty.astype(complex), empty, words), jnp.asarray(h)
        return np.asarray(flow(h, states, noise))


def test_every_outcome_has_its_physical_chance():
    psi, h, marks = state(2, 1), 0.8, 2**12
    after = _step(_all_words(marks)[None, None], psi, h)
    chances, states = zip(*_outcomes(psi, h), strict=True)
    np.testing.assert_allclose(np.sum(chances), 1, atol=1e-12)
    overlaps = np.abs(np.array(states).conj() @ after) ** 2
    np.testing.assert_allclose(overlaps.max(axis=0), 1, atol=1e-9)
    seen = np.bincount(overlaps.argmax(axis=0), minlength=16) / after.shape[1]
    np.testing.assert_allclose(seen, chances, atol=4 / marks)


@pytest.mark.parametrize("law", ["real", "complex", "unitary"])
def test_a_joined_step_is_two_kicks_of_half_the_loss(law):
    psi, words = state(2, 1), np.random.default_rng(5).integers(0, 2**32, (2, 1, 1), dtype=np.uint32)
    longest = LONGEST * (2 if law == "complex" else 1)
    # Where the step is too long for four values, both levels lose as much as can be lost.
    for h, half, rates in ((0.8, 0.4, RATES), (100.0, longest / 2, np.ones(2))):
        twice = psi
        for one in words:
            twice = _step(one[None], twice, half, law, rates)[:, 0]
        joined = _step(words, psi, h, law, rates if h < 1 else RATES)[:, 0]
        np.testing.assert_allclose(joined, twice, atol=1e-12)


@pytest.mark.parametrize("law", ["real", "complex", "unitary"])
def test_a_step_of_any_length_has_the_exact_mean_density(law):
    """Joined from two as well: the level that both kicks draw is one."""
    psi, h, rng = state(2, 2), 0.9, np.random.default_rng(4)
    exact = np.outer(psi, psi.conj()) * np.exp(-h * RATES.mean() * (1 - np.eye(2)))
    for halves in (1, 2):
        words = rng.integers(0, 2**32, (halves, 1, 2**18), dtype=np.uint32)
        after = _step(words, psi, h, law)
        np.testing.assert_allclose(np.linalg.norm(after, axis=0), 1, atol=1e-12)
        density = after[:, None] * after[None].conj()
        error = density.std(axis=-1) / np.sqrt(words.shape[-1])
        for part in (np.real, np.imag):
            judge_mean(part(density.mean(axis=-1)), error, part(exact), f"{law}, {halves}")


def test_nonlinear_averages_are_exact_to_third_order():
    """Against the exact law of collapse, ψ_i ∝ exp(2h r_i δ_ij + √(r_i h) z_i − r_i h) with j drawn by |ψ_j|²."""
    psi, differences = state(2, 3), []
    nodes, shares = np.polynomial.hermite_e.hermegauss(24)
    z, chances = np.array(list(itertools.product(nodes, nodes))).T, np.outer(shares, shares).ravel() / shares.sum() ** 2
    for h in (0.05, 0.025):
        exact = 0.0
        for chosen, probability in enumerate(np.abs(psi) ** 2):
            tilt = 2 * h * RATES * (np.arange(2) == chosen) - RATES * h
            moved = np.exp(tilt[:, None] + np.sqrt(RATES * h)[:, None] * z) * psi[:, None]
            p = np.abs(moved) ** 2 / np.sum(np.abs(moved) ** 2, axis=0)
            exact += probability * chances @ np.sum(p**2, axis=0)
        differences.append(sum(chance * np.sum(np.abs(one) ** 4) for chance, one in _outcomes(psi, h)) - exact)
    assert abs(differences[0]) < 1e-3 and np.log2(differences[0] / differences[1]) > 2.7, differences


@pytest.mark.parametrize("name", ["suv, two levels", "csl on a lattice"])
def test_the_ensemble_is_the_master_equation(name):
    problem = PROBLEMS[name]()
    run = {"observables": problem.observables, "trajectories": problem.trajectories, "seed": 12}
    step = np.ptp(problem.times) / 24
    result = sq.simulate(problem.equation, problem.psi0, problem.times, scheme=DISCRETE, dt=step, **run)
    judge_ensemble(result, problem.expected(), f"{name}, discrete")


def test_one_word_serves_two_levels_and_their_mark():
    levels = sq.systems.levels(hermitian(2, 5))
    assert DISCRETE.budget(frame_of(sq.models.suv(levels, strength=1.0))) == Budget(words=1)
    features = sq.Equation(levels, (Features(np.ones((11, 2))),), "complex")
    # 22 cells of three bits leave 26 bits of the third word for the mark.
    assert DISCRETE.budget(frame_of(features)) == Budget(words=3)


def test_averages_choose_discrete_increments_where_they_are_sooner():
    levels, lower = sq.systems.levels(hermitian(3, 6)), np.diag([1.0, 0.5], 1)
    large = sq.systems.levels(hermitian(130, 6))
    chosen = {
        "suv": sq.models.suv(levels, strength=1.0),
        "operators": sq.models.unravel(levels, [lower]),
        "sui": sq.models.sui(levels, reduction=1.0, thermalization=0.5, equilibrium=[0.5, 0.3, 0.2]),
        "oqt": sq.models.oqt(levels, strength=1.0, equilibrium=[0.5, 0.3, 0.2]),
        "rates beside": sq.Equation(levels, (Projectors(np.ones(3)), RateMatrix(np.ones((3, 3))))),
    }
    exact = {
        "collapse alone": sq.models.suv(sq.systems.levels([0.0, 1.0, 2.0]), strength=1.0),
        "energy-driven": sq.models.energy_driven(levels, strength=1.0),
        "features": sq.Equation(levels, (Projectors(np.ones(3)), Features(np.ones((1, 3))))),
        "rate matrix": sq.Equation(levels, (RateMatrix(np.ones((3, 3))),)),
        # Pilot runs choose the step there, and a sweep's joined steps share little of their noise.
        "large sui": sq.models.sui(large, reduction=1.0, thermalization=0.5, equilibrium=np.full(130, 1 / 130)),
    }
    assert all(default_scheme(equation, averages=True) == DISCRETE for equation in chosen.values())
    assert all(default_scheme(equation, averages=True) == Strang() for equation in exact.values())
    assert all(default_scheme(equation) == Strang() for equation in chosen.values())
    # Pilot runs, which choose the step of averages that are not linear, miss a part of the bias of kicks.
    blind = ("suv", "sui", "rates beside")
    assert all(default_scheme(chosen[name], averages=True, linear=False) == Strang() for name in blind)
    seeing = (equation for name, equation in chosen.items() if name not in blind)
    assert all(default_scheme(equation, averages=True, linear=False) == DISCRETE for equation in seeing)


def test_a_tolerance_alone_asks_for_averages_and_operators_for_linear_ones(monkeypatch):
    asked = []

    def spy(equation, averages, linear):
        asked.append((averages, linear))
        raise InterruptedError

    monkeypatch.setattr(sys.modules["stochq.ensemble.simulate"], "default_scheme", spy)
    equation, histogram = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0), sq.Histogram([1, 0], [0.0, 1.0])
    run: dict[str, Any] = {"trajectories": 4096, "observables": {"p": [1, 0]}}
    others: tuple[dict[str, Any], ...] = (
        {"tolerance": 0.1},
        {},
        {"tolerance": 0.1, "keep": 1},
        {"tolerance": 0.1, "observables": {"p": lambda psi: jnp.abs(psi[0])}},
        {"tolerance": 0.1, "observables": {"p": [1, 0], "law": histogram}},
    )
    for other in others:
        with pytest.raises(InterruptedError):
            sq.simulate(equation, [0.6, 0.8], [0, 1], **run | other)
    assert [averages for averages, _ in asked] == [True, False, False, True, False]
    assert [linear for _, linear in asked] == [True, True, True, False, True]

"""The sweep over target levels: each level exact in law, the mean exact at any step where rates allow it."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from stochq.channels import RateMatrix, Separable
from stochq.laws import law_of
from tests import liouville
from tests.channels.cases import draw, stepper
from tests.judging import judge_sample
from tests.problems import state, transitions

SAMPLES = 2**17
LAWS = ("real", "complex")


def _swept(channel, law, h, psi, seed, dtype=np.float32):
    """Samples of the state after one sweep of length h, (samples, dim)."""
    flow = channel.flow(law_of(law))
    noise, h = draw(np.random.default_rng(seed), flow.budget, SAMPLES, dtype), jnp.asarray(h, dtype)
    states = jnp.broadcast_to(jnp.asarray(psi, np.complex64)[:, None], (len(psi), SAMPLES))
    return np.asarray(stepper(flow)(h, states, noise, flow.terms(h), False)).T


def _judge_density(after, expected, what):
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    judge_sample(after[:, :, None] * after[:, None, :].conj(), expected, what)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("h", [0.1, 1.7])
def test_the_mean_density_is_exact_over_any_step(law, h):
    rates, psi = np.array([0.9, 0.0, 0.3, 0.5]), state(4, 12)
    jumps = transitions(np.outer(rates, np.ones(4)), np.eye(4))
    expected = liouville.flow(jumps, np.outer(psi, psi.conj()), h)
    _judge_density(_swept(Separable(rates), law, h, psi, 1), expected, f"sweep, {law}, h = {h}")
    mapped = Separable(rates).flow(law_of(law)).mean_flow(h, False)(np.outer(psi, psi.conj()))
    np.testing.assert_allclose(mapped, expected, atol=1e-12)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("diagonal", [0.0, 0.8])
def test_any_rates_give_the_product_of_the_levels_in_both_directions(law, diagonal):
    """At a long step, where the two directions differ: ½(E₁E₂E₃ + E₃E₂E₁), each level's map E_μ exact."""
    rates = np.array([[diagonal, 0.9, 0.2], [0.4, 0.5 * diagonal, 1.1], [0.7, 0.1, diagonal]])
    psi, h = state(3, 13), 0.8
    units = [liouville.superoperator(np.zeros((3, 3)), _onto(rates, level)) for level in range(3)]
    maps = [scipy.linalg.expm(h * unit) for unit in units]
    both = 0.5 * (maps[2] @ maps[1] @ maps[0] + maps[0] @ maps[1] @ maps[2])
    expected = (both @ np.outer(psi, psi.conj()).reshape(-1)).reshape(3, 3)
    _judge_density(_swept(RateMatrix(rates), law, h, psi, 2), expected, f"matrix sweep, {law}, J_μμ {diagonal}")


def _onto(rates, level):
    """The jump operators with the target `level`."""
    kept = np.zeros_like(rates)
    kept[level] = rates[level]
    return transitions(kept, np.eye(len(rates)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("family", ["separable", "matrix"])
def test_arrivals_and_collapse_have_the_right_law(family, law):
    """One target: its population is a diffusion, dp = A(1−p)dt + √(2cAp)(1−p)dW with c = 2 for real noise of a real
    state and 1 for complex noise. Beyond the mean a step is right to third order: it is short here."""
    rate, psi = 1.0, np.array([0.6, 0.8])
    rates = np.array([rate, 0.0])
    channel = Separable(rates) if family == "separable" else RateMatrix(np.outer(rates, np.ones(2)))
    h = 0.1
    after = _swept(channel, law, h, psi, 3)
    population = np.abs(after[:, 0].astype(complex)) ** 2
    expected = [diffused(lambda p, k=k: p**k, 0.36, rate * h, 2.0 if law == "real" else 1.0) for k in (1, 2, 3)]
    judge_sample(np.stack([population**k for k in (1, 2, 3)], axis=1), np.array(expected), f"moments, {law}")


def diffused(function, p, time, c):
    """E f(p_t) by the backward equation u_t = (1−p)u' + c p(1−p)²u'' on a grid; A = 1."""
    grid, propagator = _diffusion(time, c)
    return float(np.interp(p, grid, propagator @ function(grid)))


@functools.cache
def _diffusion(time, c, cells=800):
    grid = np.linspace(0, 1, cells + 1)
    step = grid[1]
    drift, spread = 1 - grid, c * grid * (1 - grid) ** 2
    above, below = spread / step**2 + drift / (2 * step), spread / step**2 - drift / (2 * step)
    above[0], below[0] = drift[0] / step, 0.0
    generator = np.diag(above[:-1], 1) + np.diag(below[1:], -1)
    generator -= np.diag(generator.sum(axis=1))
    return grid, scipy.linalg.expm(time * generator)


@pytest.mark.parametrize("law", LAWS)
def test_both_sweeps_agree_where_both_apply(law):
    """With one target the corrected rate is the rate: number for number, as the norm takes the common factor away."""
    channel, psi = Separable(np.array([0.0, 0.6, 0.0])), state(3, 14)
    after = [_swept(each, law, 0.4, psi, 4) for each in (channel, RateMatrix(channel.rates()))]
    close = np.abs(after[0] - after[1]).max(axis=1) < 1e-4
    # A number at the edge of a decision may fall to either side in another rounding.
    assert close.mean() > 0.999


@pytest.mark.parametrize("law", LAWS)
def test_the_sweep_leaves_levels_without_gain_alone(law):
    channel, psi = Separable(np.array([0.0, 0.6, 0.0])), state(3, 14)
    after = _swept(channel, law, 0.1, psi, 5)
    np.testing.assert_allclose(after[:, 0] / after[:, 2], psi[0] / psi[2], rtol=1e-4)


def test_no_rates_change_nothing():
    psi = state(3, 15)
    for channel in (Separable(np.zeros(3)), RateMatrix(np.zeros((3, 3)))):
        np.testing.assert_allclose(_swept(channel, "real", 0.3, psi, 6)[0], psi, atol=1e-6)

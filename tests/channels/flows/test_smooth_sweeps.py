"""The sweeps through which gradients pass: of weak order 2, measured without sampling on all outcomes of one step.

Every normal takes the three nodes of a Gauss-Hermite rule, which have a Gaussian's moments up to the fifth: all that
an error of second order would see.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.channels import RateMatrix, Separable
from stochq.laws import law_of
from stochq.noise import StepNoise
from tests import liouville
from tests.channels.cases import stepper
from tests.channels.flows.test_sweeps import diffused
from tests.problems import state, transitions

LAWS = ("real", "complex")
STEPS = (0.08, 0.04, 0.02)
ANY = np.array([[0.7, 0.9], [0.4, 0.3]])
TARGETS = np.array([0.9, 0.4])
SOURCES = np.array([0.5, 1.2])
CHANNELS = {
    "targets": (Separable(TARGETS), np.outer(TARGETS, np.ones(2))),
    "products": (Separable(TARGETS, SOURCES), np.outer(TARGETS, SOURCES)),
    "any": (RateMatrix(ANY), ANY),
}


def _outcomes(channel, law, h, psi, visited):
    """States (dim, n) after one step and their chances (n,). visited: the levels whose normals matter,
    the same from either end."""
    flow = channel.smooth_flow(law_of(law))
    kinds, dim = flow.budget.complex_normals // channel.dim, channel.dim
    # Of complex normals both parts count.
    slots = [kind * dim + place for kind in range(kinds) for place in visited]
    points, weights = np.polynomial.hermite_e.hermegauss(3)
    weights = weights / weights.sum()
    rule = [np.array(list(itertools.product(values, repeat=2 * len(slots)))).T for values in (points, weights)]
    count = rule[0].shape[1]
    pairs = np.zeros((flow.budget.complex_normals, 2 * count), complex)
    pairs[slots] = np.tile(rule[0][: len(slots)] + 1j * rule[0][len(slots) :], 2)
    # Half of all upwards, half downwards.
    uniforms = np.repeat([0.75, 0.25], count)[None]
    noise = StepNoise(jnp.zeros((0, 2 * count)), jnp.asarray(pairs), jnp.asarray(uniforms))
    states = jnp.broadcast_to(jnp.asarray(psi)[:, None], (dim, 2 * count))
    after = stepper(flow)(jnp.asarray(h), states, noise, flow.terms(jnp.asarray(h)), False)
    return np.asarray(after), np.tile(rule[1].prod(axis=0), 2) / 2


def _order(errors):
    return np.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize("name", CHANNELS)
def test_the_mean_density_is_right_to_third_order(name):
    channel, rates = CHANNELS[name]
    psi, errors = state(2, 5), []
    with jax.enable_x64(True):
        for h in STEPS:
            after, chances = _outcomes(channel, "real", h, psi, (0, 1))
            exact = liouville.flow(transitions(rates, np.eye(2)), np.outer(psi, psi.conj()), h)
            errors.append(np.abs((after * chances) @ after.conj().T - exact).max())
    assert _order(errors) > 2.7 and errors[-1] < 3e-5, errors


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("family", ["separable", "matrix"])
def test_one_target_has_the_right_density_among_three_levels(family, law):
    """With complex amplitudes, so that V and S differ, for one operator of each source and the level's own."""
    psi, errors = state(3, 6), []
    rates = np.zeros((3, 3))
    rates[1] = 0.8 if family == "separable" else [0.5, 0.9, 1.3]
    channel = Separable(rates[:, 0]) if family == "separable" else RateMatrix(rates)
    with jax.enable_x64(True):
        for h in STEPS:
            after, chances = _outcomes(channel, law, h, psi, (1,))
            exact = liouville.flow(transitions(rates, np.eye(3)), np.outer(psi, psi.conj()), h)
            errors.append(np.abs((after * chances) @ after.conj().T - exact).max())
    assert _order(errors) > 2.7 and errors[-1] < 3e-5, errors


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("family", ["separable", "matrix"])
@pytest.mark.sweep(2)
def test_populations_have_the_right_law(family, law):
    """One target: dp = A(1−p)dt + √(2cAp)(1−p)dW with c = 2 for real noise of a real state, 1 for complex noise."""
    rates, psi = np.array([0.0, 1.0, 0.0]), np.array([0.48, 0.6, 0.64]) + 0j
    channel = Separable(rates) if family == "separable" else RateMatrix(np.outer(rates, np.ones(3)))
    c = 2.0 if law == "real" else 1.0
    exact = [[diffused(lambda p, k=k: p**k, 0.36, h, c) for k in (1, 2, 3)] for h in STEPS]
    found = []
    with jax.enable_x64(True):
        for h in STEPS:
            after, chances = _outcomes(channel, law, h, psi, (1,))
            population = np.abs(after[1]) ** 2
            found.append([chances @ population**k for k in (1, 2, 3)])
    errors = np.abs(np.array(found) - np.array(exact)).max(axis=1)
    assert _order(errors) > 2.5 and errors[-1] < 3e-5, errors

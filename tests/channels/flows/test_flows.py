"""Flows: exact in law for diagonal collapse, of weak order 2 for general operators."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.channels import DenseOperators, Features
from stochq.laws import law_of
from stochq.noise import StepNoise
from tests import liouville
from tests.channels.cases import CASES, DIAGONAL, LAWS, draw, stepper
from tests.judging import judge_sample
from tests.problems import hermitian, state


def _flow(channel, law):
    """The channel's flow, compiled: (dt, psi, noise) -> psi."""
    step = stepper(channel.flow(law_of(law)))

    def flow(dt, psi, noise, reverse=False):
        psi = jnp.asarray(psi)
        return step(jnp.asarray(dt, psi.real.dtype), psi, noise, None, reverse)

    return flow


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", DIAGONAL)
@pytest.mark.sweep(6)
def test_a_long_collapse_has_the_exact_mean_density(name, law):
    channel, jumps, _ = CASES[name]
    count, dt, psi = 2**15, 2.0, state(channel.dim, 6)
    noise = draw(np.random.default_rng(12), channel.flow(law_of(law)).budget, count, np.float32)
    states = jnp.broadcast_to(jnp.asarray(psi, jnp.complex64)[:, None], (channel.dim, count))
    after = np.asarray(_flow(channel, law)(dt, states, noise)).T
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    expected = liouville.flow(jumps, np.outer(psi, psi.conj()), dt)
    judge_sample(after[:, :, None] * after[:, None, :].conj(), expected, f"{name}, {law}")


def _of_each_kind():
    """One flow of each class, and of each law where phases alone are turned."""
    for channel, _, laws in CASES.values():
        for law in laws:
            for flow in (channel.flow(law_of(law)), channel.smooth_flow(law_of(law))):
                yield (type(flow).__name__, flow.normalises), flow, law


def test_what_says_that_it_normalises_does():
    """From states that are too long by a hundredth; all do but those that only turn phases."""
    for flow, law in {kind: (flow, law) for kind, flow, law in _of_each_kind()}.values():
        assert flow.normalises or law == "unitary"
        states = jnp.asarray(np.tile(1.01 * state(flow.channel.dim, 6)[:, None], 3), np.complex64)
        noise = draw(np.random.default_rng(3), flow.budget, 3, np.float32)
        after = stepper(flow)(jnp.float32(0.1), states, noise, None, False)
        np.testing.assert_allclose(np.linalg.norm(after, axis=0), 1.0 if flow.normalises else 1.01, atol=1e-5)


def _nodes(dimensions, order):
    """Points (dimensions, n) and weights (n,) of Gauss and Hermite's rule for standard normals."""
    points, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = np.array(list(itertools.product(points, repeat=dimensions))).T
    shares = np.array(list(itertools.product(weights / weights.sum(), repeat=dimensions)))
    return grid, shares.prod(axis=1)


def _collapse_all(channel, dt, psi, shares, order=24):
    """All outcomes of a collapse of a cloud of states (dim, n) with weights (n,), the Gaussians by quadrature."""
    points, weights = _nodes(channel.noises, order)
    states, chances, singles, uniforms = [], [], [], []
    for column, share in zip(psi.T, shares, strict=True):
        probability = np.abs(column) ** 2
        edges = np.cumsum(probability)
        for chosen, chance in enumerate(probability):
            states.append(np.repeat(column[:, None], len(weights), axis=1))
            chances.append(share * chance * weights)
            singles.append(points)
            uniforms.append(np.full((1, len(weights)), edges[chosen] - chance / 2))
    states, chances = np.concatenate(states, axis=1), np.concatenate(chances)
    noise = StepNoise(np.concatenate(singles, axis=1), np.zeros((0, len(chances)), complex), np.hstack(uniforms))
    after = _flow(channel, "real")(dt, states, noise)
    return np.asarray(after), chances


def test_two_short_collapses_are_one_long_one():
    """The law of a finite step is a semigroup, whatever is averaged: no error in dt at all."""
    channel, psi = Features(np.array([[0.5, -0.4, 0.1]]), 0.8), state(3, 7)[:, None]
    observable = hermitian(3, 8)

    def averages(states, weights):
        value = np.einsum("ib,ij,jb->b", states.conj(), observable, states).real
        populations = np.abs(states) ** 2
        return [weights @ value, weights @ value**2, weights @ (populations**2).sum(axis=0), weights @ value**4]

    with jax.enable_x64(True):
        once = _collapse_all(channel, 0.6, psi, np.ones(1))
        twice = _collapse_all(channel, 0.2, *_collapse_all(channel, 0.4, psi, np.ones(1)))
    np.testing.assert_allclose(averages(*once), averages(*twice), atol=1e-9)


@pytest.mark.parametrize("law", ["real", "complex"])
def test_the_smooth_collapse_has_local_weak_order_three(law):
    """With a Gaussian in the place of the drawn index the mean density is right to h³, for gradients to pass."""
    features, psi = np.array([[0.9, -0.6]]), state(2, 15)
    channel, errors = Features(features), []
    own, extra = (2, 2) if law == "complex" else (1, 2)
    points, weights = _nodes(own + extra, 6)
    with jax.enable_x64(True):
        empty = np.zeros((0, points.shape[1]))
        pairs = (points[:1] + 1j * points[1:2]) if law == "complex" else empty.astype(complex)
        noise = StepNoise(*map(jnp.asarray, (points[own if law == "complex" else 0 :], pairs, empty)))
        states = jnp.broadcast_to(jnp.asarray(psi)[:, None], (2, points.shape[1]))
        flow = stepper(channel.smooth_flow(law_of(law)))
        for h in (0.04, 0.02, 0.01):
            after = np.asarray(flow(jnp.asarray(h), states, noise, None, False))
            exact = liouville.flow([np.diag(features[0])], np.outer(psi, psi.conj()), h)
            errors.append(np.abs((after * weights) @ after.conj().T - exact).max())
    assert noise.real_normals.shape[0] == channel.smooth_flow(law_of(law)).budget.real_normals
    assert np.log2(errors[-2] / errors[-1]) > 2.7, errors


def _platen_outcomes(jump, h, steps, psi, law="real"):
    """Mean density after `steps` Platen steps of length h for one operator, the noise by quadrature."""
    channel = DenseOperators(jump[None])
    points, weights = _nodes(1 if law != "complex" else 2, 12)
    states, shares = psi[:, None], np.ones(1)
    for _ in range(steps):
        count = states.shape[1]
        states = np.repeat(states, len(weights), axis=1)
        tiled = np.tile(points, count)
        pairs = tiled[:1] + 1j * tiled[1:] if law == "complex" else np.zeros((0, states.shape[1]), complex)
        singles = tiled[:0] if law == "complex" else tiled
        noise = StepNoise(*map(jnp.asarray, (singles, pairs, np.zeros((0, states.shape[1])))))
        states = np.asarray(_flow(channel, law)(h, states, noise))
        shares = np.outer(shares, weights).reshape(-1)
    return states, shares


@pytest.mark.parametrize("law", LAWS)
def test_platen_has_local_weak_order_three(law):
    """Over one step the mean density is right to h³, hence weak order 2."""
    rng = np.random.default_rng(9)
    jump = 0.6 * (rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))
    if law == "unitary":
        jump = jump + jump.conj().T
    psi = state(3, 10)
    errors = []
    with jax.enable_x64(True):
        for h in (0.04, 0.02, 0.01):
            states, shares = _platen_outcomes(jump, h, 1, psi, law)
            mean = (states * shares) @ states.conj().T
            errors.append(np.abs(mean - liouville.flow([jump], np.outer(psi, psi.conj()), h)).max())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    # Complex noise is two operators one after the other: only with the reversed order after it is that of third order.
    assert orders[-1] > (1.8 if law == "complex" else 2.8), orders


def test_platen_has_local_weak_order_three_for_nonlinear_averages():
    """One step of h and two of h/2 agree to h³ in E⟨O⟩², too."""
    rng = np.random.default_rng(9)
    jump = 0.6 * (rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))
    psi, observable, differences = state(3, 10), hermitian(3, 11), []
    with jax.enable_x64(True):
        for h in (0.01, 0.005, 0.0025):
            values = []
            for steps in (1, 2):
                states, shares = _platen_outcomes(jump, h / steps, steps, psi)
                values.append(shares @ np.einsum("ib,ij,jb->b", states.conj(), observable, states).real ** 2)
            differences.append(abs(values[0] - values[1]))
    orders = np.log2(np.array(differences[:-1]) / np.array(differences[1:]))
    assert orders[-1] > 2.75, orders

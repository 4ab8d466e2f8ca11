"""What clicks do, family by family, against dense operators."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import BandedOperators, DenseOperators, Features, Kernel, Kicks, Projectors, RateMatrix, Separable
from stochq.channels.born import draw_level, draw_one
from tests import liouville
from tests.judging import judge_ensemble, judge_sample
from tests.problems import hermitian, state

RATES = np.array([[0.0, 0.8, 0.3, 0.1], [0.2, 0.0, 1.4, 0.5], [0.1, 0.4, 0.0, 0.6], [0.3, 0.2, 0.9, 0.0]])


def kernel_2d():
    distance = np.minimum(np.arange(6), 6 - np.arange(6))
    axis = np.exp(-(distance**2) / 3.0)
    return Kernel(np.multiply.outer(axis, axis) + 0.2 * (np.add.outer(distance, distance) == 0), 0.7)


def diosi_penrose():
    particle = sq.systems.particle(32, 32.0, 1.0, None)
    return sq.models.diosi_penrose(particle, gravity=1.0, length=1.5).channels[0]


FAMILIES = {
    "dense": lambda: DenseOperators([hermitian(4, 1), 1j * hermitian(4, 2) + hermitian(4, 3)]),
    "bands": lambda: BandedOperators((1, -1), np.stack([hermitian(4, seed)[:2] for seed in (4, 5)])),
    "bands of one diagonal each": lambda: BandedOperators(
        (1, 0, -1), np.eye(3)[:, :, None] * hermitian(4, 4)[:3, None]
    ),
    "projectors": lambda: Projectors([0.5, 1.0, 2.0, 0.0]),
    "many projectors": lambda: Projectors(np.linspace(0, 2, 100)),
    "features": lambda: Features(np.random.default_rng(6).normal(size=(3, 4)), 0.4),
    "kernel in two dimensions": kernel_2d,
    "Diósi and Penrose": diosi_penrose,
    "rates": lambda: RateMatrix(RATES),
    "separable": lambda: Separable([0.4, 0.3, 0.2, 0.1], [1.0, 2.0, 0.5, 0.7]),
    "thermalization": lambda: Separable([0.4, 0.3, 0.2, 0.0]),
    "kicks": lambda: Kicks(RATES),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.sweep(5)
def test_clicks_are_those_of_the_operators(name):
    """The mean over clicks is ΣLρL†/Tr, and every one leaves a state that its operator makes."""
    channel, count = FAMILIES[name](), 20_000
    operators, jumps = np.asarray(channel.operators()), channel.jumps()
    exact, loss = np.einsum("kji,kjl->il", operators.conj(), operators), np.asarray(jumps.loss())
    np.testing.assert_allclose(np.diag(loss) if loss.ndim == 1 else loss, exact, atol=1e-6 * np.abs(exact).max())
    psi = state(channel.dim, 7)
    columns = jnp.asarray(np.repeat(psi[:, None], count, axis=1), jnp.complex64)
    uniforms = jnp.asarray(np.random.default_rng(8).uniform(2**-32, 1, (jumps.uniforms, count)), jnp.float32)
    after, index = map(np.asarray, jumps.click(columns, uniforms))
    images = operators @ psi
    weights = np.sum(np.abs(images) ** 2, axis=1)
    rho = images.T @ images.conj() / weights.sum()
    level = np.arange(channel.dim) % 5
    operator = hermitian(channel.dim, 9)
    sample = np.stack(
        [np.abs(after.T) ** 2 @ level, np.einsum("ib,ij,jb->b", after.conj(), operator, after).real], axis=-1
    )
    judge_sample(sample, np.array([level @ np.diag(rho).real, np.trace(operator @ rho).real]), f"clicks of {name}")
    if jumps.count:
        made = images[index].T
        overlap = np.abs(np.sum(made.conj() * after, axis=0)) / np.linalg.norm(made, axis=0)
        np.testing.assert_allclose(overlap, 1, atol=1e-4)


@pytest.mark.release
@pytest.mark.parametrize("law", ["real", "complex", "any"])
def test_kicks_diffuse_as_they_jump(law):
    """Their operators are traced in a run of a diffusion: coherences and populations of the master equation."""
    matrix, rates, psi0, times = hermitian(3, 1), RATES[:3, :3], state(3, 2), np.array([0.0, 0.8])
    jumps = [np.diag(np.sqrt(np.diag(rates, -shift)), -shift) for shift in range(-2, 3)]
    rho = liouville.density(matrix, jumps, psi0, times)
    equation = sq.Equation(sq.systems.levels(matrix), [Kicks(rates)], law)
    observables = {"o": hermitian(3, 3)}
    result = sq.simulate(equation, psi0, times, observables=observables, trajectories=4096)
    judge_ensemble(result, {"o": liouville.expectation(observables["o"], rho)}, f"kicks, {law}")


@pytest.mark.parametrize("count", [5, 100])
def test_levels_of_weight_zero_are_never_drawn(count):
    """At the ends of (0, 1], of weights whose sum rounds up, with zeros before, among and after them."""
    weights = np.random.default_rng(12).uniform(0, 1, (count, 4096)).astype(np.float32) ** 4
    weights[[0, 2, -2, -1]] = 0
    for uniform in (np.float32(1), np.nextafter(np.float32(1), np.float32(0)), np.float32(2**-32)):
        chosen = np.asarray(draw_one(jnp.asarray(weights), jnp.full(4096, uniform)))
        assert np.take_along_axis(weights, chosen[None], axis=0).min() > 0
    level, inside = draw_level(jnp.asarray([[0.0], [0.25], [0.5], [0.0]]), jnp.asarray([0.75]))
    assert (int(level[0]), float(inside[0])) == (2, 0.3125)

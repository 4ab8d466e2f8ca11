"""Normals in the directions in which runs use them: slots, steps, trajectories, seeds. Mixed moments to sixth order,
autocorrelation, sums over many steps. The raw words are judged by `python -m benchmarks randomness`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from stochq.noise import Budget, seed_words
from stochq.noise.counter import draw_step
from tests.judging import judge, judge_sample

SINGLE, BUDGET, LAGS = np.dtype(np.float32), Budget(2, 1, 0), 64
POWERS = [(a, b) for a in range(7) for b in range(7) if 0 < a + b <= 6]
MOMENTS = (1.0, 0.0, 1.0, 0.0, 3.0, 0.0, 15.0)


@functools.cache
def _normals(trajectories, steps, seed=11):
    """(steps, normals of a step, trajectories)."""
    key, indices = jnp.asarray(seed_words(seed)), jnp.arange(trajectories, dtype=jnp.uint32)
    every = jax.vmap(lambda step: draw_step(key, indices, step, BUDGET, SINGLE))
    noise = jax.jit(every)(jnp.arange(steps, dtype=jnp.uint32))
    return np.concatenate([noise.real_normals, noise.complex_normals.real, noise.complex_normals.imag], axis=1).astype(
        float
    )


def _seeds(count):
    """The first normal of every seed."""
    one = jax.vmap(lambda key: draw_step(key, jnp.zeros(1, jnp.uint32), jnp.uint32(0), BUDGET, SINGLE))
    keys = jnp.asarray(np.array([seed_words(seed) for seed in range(count)]))
    return np.asarray(jax.jit(one)(keys).real_normals, float)[:, 0, 0]


NEIGHBOURS = {
    "slots": lambda: (_normals(2**18, 2)[0, 0], _normals(2**18, 2)[0, 1]),
    "parts of one draw": lambda: (_normals(2**18, 2)[0, 2], _normals(2**18, 2)[0, 3]),
    "steps of one draw": lambda: (_normals(2**18, 2)[0, 0], _normals(2**18, 2)[1, 0]),
    "steps of two draws": lambda: (_normals(2, 2**17)[1:-1:2, 0].ravel(), _normals(2, 2**17)[2::2, 0].ravel()),
    "trajectories": lambda: (_normals(2**18, 2)[0, :, 0::2].ravel(), _normals(2**18, 2)[0, :, 1::2].ravel()),
    "distant trajectories": lambda: np.split(_normals(2**18, 2)[1, 0], 2),
    "seeds": lambda: (_seeds(2**16)[0::2], _seeds(2**16)[1::2]),
}


@pytest.mark.release
@pytest.mark.parametrize("direction", NEIGHBOURS)
def test_mixed_moments_to_sixth_order(direction):
    one, other = NEIGHBOURS[direction]()
    products = np.stack([one**a * other**b for a, b in POWERS], axis=1)
    judge_sample(products, [MOMENTS[a] * MOMENTS[b] for a, b in POWERS], direction)


def test_mixed_moments_of_three():
    """Box and Muller's two normals share a radius and an angle: triple products would show a bad word."""
    drawn = _normals(2**18, 2)
    x, y, z = drawn[0, 2], drawn[0, 3], drawn[1, 2]
    products = [
        x * y * z,
        x * x * y * z,
        x * y * z * z,
        (x * x - 1) * (y * y - 1) * (z * z - 1),
        x**3 * y * z,
        x**2 * y**3 * z,
    ]
    judge_sample(np.stack(products, axis=1), np.zeros(len(products)), "triples")


def _correlations(series):
    """z of the autocorrelation at the first lags of unit normals along the first axis, summed over the second."""
    z = []
    for lag in range(1, LAGS + 1):
        products = series[lag:] * series[:-lag]
        z.append(products.sum() / np.sqrt(products.size))
    return np.array(z)


@pytest.mark.parametrize("transform", [lambda x: x, lambda x: (x * x - 1) / np.sqrt(2)], ids=["values", "squares"])
@pytest.mark.parametrize("direction", ["steps", "trajectories", "seeds"])
def test_autocorrelation(direction, transform):
    """Both sides of χ² over all lags: what repeats and what repels."""
    series = {
        "steps": lambda: _normals(2, 2**17).reshape(2**17, -1),
        "trajectories": lambda: _normals(2**18, 2).reshape(-1, 2**18).T,
        "seeds": lambda: _seeds(2**16)[:, None],
    }[direction]()
    upper = stats.chi2.sf(np.sum(_correlations(transform(series)) ** 2), LAGS)
    judge(min(1.0, 2 * min(upper, 1 - upper)), f"autocorrelation along {direction}")


def test_sums_over_many_steps_and_trajectories():
    """A random walk of many steps, and a mean over many trajectories, have their variances and fourth moments."""
    for series in (
        _normals(2, 2**17).reshape(2**9, 2**8, -1).sum(axis=1),
        _normals(2**18, 2)[0].reshape(4, -1, 2**8).sum(axis=2),
    ):
        walks = series.ravel() / 2**4
        judge(stats.kstest(walks, "norm").pvalue, "sums")
        judge_sample(np.stack([walks, walks**2, walks**4], axis=1), [0.0, 1.0, 3.0], "moments of sums")

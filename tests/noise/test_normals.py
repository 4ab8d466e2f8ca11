"""Normal and uniform variates: moments, tails, independence, precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from stochq.noise import normal_pair, threefry
from stochq.noise.normals import correlated, uniform
from tests.judging import judge, judge_mean, judge_sample

COUNT = 2**20
MOMENTS = np.array([0.0, 1.0, 0.0, 3.0, 0.0, 15.0])
# E[z^(2n)] = (2n − 1)!! gives the variance of each power.
VARIANCES = np.array([1.0, 2.0, 15.0, 96.0, 945.0, 10170.0])


def _words(seed=7, count=COUNT):
    counter = jnp.arange(count, dtype=jnp.uint32)
    return threefry(jnp.array([seed, 0], jnp.uint32), counter, jnp.zeros_like(counter))


def _normals(dtype=np.float32):
    with jax.enable_x64(dtype == np.float64):
        return np.stack(normal_pair(*_words(), np.dtype(dtype))).astype(float)


def test_moments_to_sixth_order():
    for z in _normals():
        powers = z[None] ** np.arange(1, 7)[:, None]
        judge_mean(powers.mean(axis=1), np.sqrt(VARIANCES / COUNT), MOMENTS, "moments")


def test_the_whole_distribution():
    for z in _normals():
        judge(stats.kstest(z, "norm").pvalue, "Kolmogorov and Smirnov")


def test_tails():
    z = np.abs(_normals())
    for bound in (2.0, 3.0, 4.0):
        expected = 2 * stats.norm.sf(bound)
        judge(stats.binomtest(int(np.sum(z > bound)), z.size, expected).pvalue, f"beyond {bound}")
    # The smallest uniform is 2^-32, so no normal is beyond sqrt(64 ln 2); some must come near to it.
    assert 4.8 < z.max() < 6.67
    extreme = normal_pair(jnp.uint32(0), jnp.uint32(0), np.dtype(np.float32))
    assert float(extreme[1]) == pytest.approx(np.sqrt(64 * np.log(2)), rel=1e-6)


def test_the_two_of_a_pair_are_independent():
    first, second = _normals()
    for a in (first, first**2 - 1, first**3):
        for b in (second, second**2 - 1, second**3):
            judge_sample(a * b, 0.0, "product of powers of a pair")


def test_consecutive_counters_are_independent():
    first, second = _normals()
    for lag in (1, 2, 1024):
        judge_sample(first[lag:] * first[:-lag], 0.0, f"lag {lag}")
        judge_sample((first[lag:] ** 2 - 1) * (second[:-lag] ** 2 - 1), 0.0, f"squares, lag {lag}")


def test_single_agrees_with_double_to_rounding():
    single, double = _normals(np.float32), _normals(np.float64)
    # Where the uniform is near one the radius is the root of a small number: its square carries the rounding.
    assert np.abs(single**2 - double**2).max() < 5e-5
    assert np.abs(single - double).mean() < 2e-7


def test_uniforms_are_uniform_and_never_zero():
    sample = np.asarray(uniform(_words()[0], np.dtype(np.float32)), float)
    assert 0 < sample.min() and sample.max() <= 1
    judge(stats.kstest(sample, "uniform").pvalue, "uniform")
    assert float(uniform(jnp.uint32(0), np.dtype(np.float32))) == 2.0**-32


@pytest.mark.parametrize("relation", [0.0, 0.9, -0.5 + 0.6j, 1.0, -1.0])
def test_correlated_complex_normals(relation):
    normals = jax.lax.complex(*normal_pair(*_words(), np.dtype(np.float32)))
    variance = jnp.full(COUNT, 1.3, jnp.float32)
    got = np.asarray(correlated(normals, variance, jnp.full(COUNT, 1.3 * relation, jnp.complex64)))
    judge_sample(got, 0.0, "mean")
    judge_sample(np.abs(got) ** 2, 1.3, "variance")
    judge_sample(got**2, 1.3 * relation, "relation")


def test_circular_complex_normals():
    normals = jax.lax.complex(*normal_pair(*_words(), np.dtype(np.float32)))
    got = np.asarray(correlated(normals, jnp.full(COUNT, 0.7, jnp.float32), None))
    judge_sample(np.abs(got) ** 2, 0.7, "variance")
    judge_sample(got**2, 0.0, "relation")

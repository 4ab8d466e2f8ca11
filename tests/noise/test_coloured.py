"""Chains of integrals of coloured noise: their covariances exactly, without sampling, and their draws by counters."""

from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import stochq as sq
from stochq.noise import Budget, Colouring, seed_words
from stochq.noise.counter import draw_step, draw_step_pair
from stochq.noise.spherical import concentration
from tests.judging import judge, judge_sample

SINGLE = sq.noise.OrnsteinUhlenbeck(0.7)
TRIPLE = sq.noise.SumOfOrnsteinUhlenbeck([0.2, 0.3, 0.5], [0.05, 0.7, 9.0])
WIDE = sq.noise.SumOfOrnsteinUhlenbeck(np.full(10, 0.1), np.geomspace(1e-3, 1e3, 10))
PARTS = {
    "one": (SINGLE, [1.0], [0.7]),
    "three": (TRIPLE, [0.2, 0.3, 0.5], [0.05, 0.7, 9.0]),
    "six decades": (WIDE, np.full(10, 0.1), np.geomspace(1e-3, 1e3, 10)),
}


def _autocovariance(weights, times, h, lags):
    """Cov(I_n, I_{n+k}) of Ornstein-Uhlenbeck processes of variance w/2τ, in fifty digits."""
    total = np.zeros(lags)
    with localcontext() as context:
        context.prec = 50
        for weight, time in zip(weights, times, strict=True):
            w, t, x = Decimal(float(weight)), Decimal(float(time)), Decimal(float(h)) / Decimal(float(time))
            a = (-x).exp()
            total[0] += float(w * t * (x - 1 + a))
            for k in range(1, lags):
                total[k] += float(w * t / 2 * (1 - a) ** 2 * a ** (k - 1))
    return total


def _of_chain(increments, lags):
    """The same of the recursion I = Σm + s z, m' = a m + g z, whose memory starts with the covariance that it has."""
    covariance = increments.root @ increments.root.T
    turn, ones = np.diag(increments.decay), np.ones(increments.memory)
    after = turn @ covariance @ turn + np.outer(increments.gain, increments.gain)
    np.testing.assert_allclose(after, covariance, rtol=0, atol=1e-12 * (np.abs(covariance).max() + increments.scale**2))
    shared = turn @ covariance @ ones + increments.gain * increments.scale
    later = [ones @ np.linalg.matrix_power(turn, k) @ shared for k in range(lags - 1)]
    return np.array([ones @ covariance @ ones + increments.scale**2, *later])


@pytest.mark.parametrize("h", [1e-5, 1e-2, 0.3, 2.0, 50.0])
@pytest.mark.parametrize("name", PARTS)
def test_the_chain_has_the_covariances_of_the_integrals(name, h):
    process, weights, times = PARTS[name]
    expected = _autocovariance(weights, times, h, 12)
    np.testing.assert_allclose(_of_chain(process.increments(h), 12), expected, rtol=1e-11, atol=1e-13 * expected[0])


def test_white_limit():
    increments = sq.noise.OrnsteinUhlenbeck(1e-6).increments(1.0)
    np.testing.assert_allclose(_of_chain(increments, 3), [1, 0, 0], atol=1.1e-6)
    assert float(increments.scale) == pytest.approx(1, abs=1.1e-6)


@pytest.mark.parametrize("process", [SINGLE, TRIPLE])
def test_spectrum_correlation_and_spread_belong_together(process):
    for omega in (0.0, 0.4, 3.0):
        value = 2 * integrate.quad(process.correlation, 0, 200, weight="cos", wvar=omega, limit=400)[0]
        assert process.spectrum(omega) == pytest.approx(value, rel=1e-6)
    for t in (1e-3, 0.5, 20.0):
        value = 2 * integrate.quad(lambda s, t=t: (t - s) * process.correlation(s), 0, t, limit=400)[0]
        assert process.spread(t) == pytest.approx(value, rel=1e-8)
    assert process.spectrum(0.0) == pytest.approx(1)
    mean = integrate.quad(lambda s: s * process.correlation(s), 0, 400, limit=400)[0] * 2
    assert process.memory_time == pytest.approx(mean, rel=1e-6)


def test_fit_recovers_a_sum_and_follows_a_power_law():
    def pink(w):
        return 1 / np.sqrt(1 + w**2)

    omega = np.geomspace(1e-2, 1e2, 300)
    recovered = sq.noise.fitted(TRIPLE.spectrum, (1e-3, 1e3), parts=80)
    np.testing.assert_allclose(recovered.spectrum(omega), TRIPLE.spectrum(omega), atol=2e-3)
    followed = sq.noise.fitted(pink, (1e-2, 1e2), tolerance=5e-3)
    np.testing.assert_allclose(followed.spectrum(omega), pink(omega), atol=5e-3)
    with pytest.raises(ValueError, match=r"spectrum: expected one that 24 .* more parts"):
        sq.noise.fitted(lambda w: np.exp(-(w**2)), (1e-2, 1e2))
    with pytest.raises(ValueError, match="spectrum: expected finite values"):
        sq.noise.fitted(lambda w: 1 - w, (1e-2, 1e2))
    with pytest.raises(ValueError, match="band: expected"):
        sq.noise.fitted(pink, (1.0, 0.1))


_draw_step = jax.jit(draw_step, static_argnums=(3, 4))


def _run(process, h, steps, trajectories, processes=2, seed=3):
    """Integrals (steps, processes, trajectories) as a run makes them."""
    colouring = Colouring(process.increments(h), np.float64(h))
    colouring = jax.tree.map(np.float32, colouring)
    key, budget = jnp.asarray(seed_words(seed)), colouring.budget(Budget(processes))
    trajectories = jnp.asarray(trajectories, jnp.uint32)
    memory = colouring.start(key, trajectories, processes, np.dtype(np.float32))
    step, found = jax.jit(lambda memory, noise: colouring.step(memory, noise)), []
    for index in range(steps):
        noise = _draw_step(key, trajectories, jnp.uint32(index), budget, np.dtype(np.float32))
        coloured, memory = step(memory, noise)
        found.append(np.asarray(coloured.real_normals, float) * np.sqrt(h))
    return np.array(found)


@pytest.mark.parametrize("name", ["one", "three"])
def test_sampled_integrals(name):
    process, weights, times = PARTS[name]
    sample = _run(process, 0.4, 4, np.arange(2**13))
    covariance = _autocovariance(weights, times, 0.4, 4)
    first, other = np.triu_indices(4)
    products = (sample[first] * sample[other]).transpose(2, 0, 1)
    judge_sample(products, np.repeat(covariance[other - first][:, None], 2, axis=1), "covariances")
    judge_sample((sample[:, 0] * sample[:, 1]).T, np.zeros(4), "independent processes")
    judge(stats.kstest(sample[3, 0] / np.sqrt(covariance[0]), "norm").pvalue, "Gaussian")


def test_a_trajectory_is_the_same_in_any_company():
    together = _run(TRIPLE, 0.4, 3, [7, 1, 2**31])
    for place, trajectory in enumerate([7, 1, 2**31]):
        np.testing.assert_allclose(together[..., place], _run(TRIPLE, 0.4, 3, [trajectory])[..., 0], rtol=1e-6)
    assert not np.any(together == _run(TRIPLE, 0.4, 3, [7, 1, 2**31], seed=4))


def test_pairs_of_steps_are_the_steps():
    colouring = Colouring(TRIPLE.increments(0.2), np.float64(0.2))
    key, trajectories = jnp.asarray(seed_words(1)), jnp.arange(5, dtype=jnp.uint32)
    memory = colouring.start(key, trajectories, 2, np.dtype(np.float32))
    drawn = draw_step_pair(key, trajectories, jnp.uint32(0), Budget(2), np.dtype(np.float32))
    both, after = jax.jit(lambda memory, noise: colouring.pair(memory, noise))(memory, drawn)
    step = jax.jit(lambda memory, noise: colouring.step(memory, noise))
    even, memory = step(memory, drawn.even())
    odd, memory = step(memory, drawn.odd())
    np.testing.assert_allclose(both.even().real_normals, even.real_normals, rtol=1e-6)
    np.testing.assert_allclose(both.odd().real_normals, odd.real_normals, rtol=1e-5)
    np.testing.assert_allclose(after, memory, rtol=1e-6)


@pytest.mark.parametrize("h", [0.02, 0.7, 8.0])
def test_spherical_walk(h):
    """Stationary law and correlation at the ends of steps, at any step: the memory holds the walker."""
    increments = jax.tree.map(np.float32, sq.noise.SphericalBrownian(1.0).increments(h))
    normals = jnp.asarray(np.random.default_rng(5).normal(size=(3, 3, 1, 2**15)), np.float32)
    start = increments.start(normals[0])
    integral, after = increments.step(start, normals[1])
    _, last = increments.step(after, normals[2])
    places = [np.asarray(walker[2, 0], float) for walker in (start, after, last)]
    np.testing.assert_allclose(np.linalg.norm(np.asarray(last), axis=0), 1, atol=1e-5)
    judge(stats.kstest(places[2], stats.uniform(-1, 2).cdf).pvalue, "uniform height")
    products = np.stack([places[0] * places[1], places[0] * places[2], places[0] ** 2], axis=1)
    judge_sample(products, np.array([np.exp(-h), np.exp(-2 * h), 1]) / 3, "correlation")
    judge_sample(np.asarray(start[0] * after[1])[0], 0.0, "isotropy")
    # The variance per time over many steps is that of the process, 2τ/3: h² ⟨I²⟩-like sum over all pairs of steps.
    scale, a = float(increments.scale), np.exp(-h)
    assert scale**2 / 3 * (1 + a) / (1 - a) / h == pytest.approx(2 / 3, rel=1e-6)
    np.testing.assert_allclose(np.asarray(integral[0]), 0.5 * scale * (places[0] + places[1]), atol=1e-6)


def test_concentration():
    for kappa in (1e-3, 0.3, 4.0, 250.0):
        cosine = 1 / np.tanh(kappa) - 1 / kappa
        assert concentration(cosine, 1 - cosine) == pytest.approx(kappa, rel=1e-8)
    assert concentration(1.0, 1e-12) == pytest.approx(1e12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sq.noise.OrnsteinUhlenbeck(0.0), "correlation_time: expected a positive number; got 0.0. Use None"),
        (lambda: sq.noise.OrnsteinUhlenbeck(np.inf), "correlation_time: expected finite"),
        (lambda: sq.noise.SphericalBrownian(-1.0), "correlation_time: expected a positive number"),
        (lambda: sq.noise.SumOfOrnsteinUhlenbeck([1.0, -0.1], [1.0, 2.0]), "weights: expected numbers that are zero"),
        (lambda: sq.noise.SumOfOrnsteinUhlenbeck([1.0], [1.0, 2.0]), "correlation_times: expected one for each"),
        (lambda: sq.noise.SumOfOrnsteinUhlenbeck([1.0], [0.0]), "correlation_times: expected positive"),
        (lambda: SINGLE.increments(0.0), "dt: expected a positive step"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        make()

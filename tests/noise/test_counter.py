"""A draw depends on (seed, trajectory, step, slot) and on nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stochq.noise import Budget, StepNoise, draw_step_pair, seed_words
from stochq.noise.counter import draw_step
from tests.judging import judge_sample

BUDGETS = [Budget(3, 0, 1), Budget(0, 4, 0), Budget(2, 3, 1), Budget(0, 0, 2), Budget(1, 0, 0), Budget(1, 2, 1, 3)]
SINGLE = np.dtype(np.float32)


def _key(seed=5):
    return jnp.asarray(seed_words(seed))


_draw_step = jax.jit(draw_step, static_argnums=(3, 4))
_draw_step_pair = jax.jit(draw_step_pair, static_argnums=(3, 4))


def _step(step, trajectories, budget, seed=5, dtype=SINGLE):
    return _draw_step(_key(seed), jnp.asarray(trajectories, jnp.uint32), jnp.uint32(step), budget, dtype)


def _assert_same(a, b, rounding=0.0):
    for left, right in zip(a, b, strict=True):
        if left is None:
            assert right is None
            continue
        np.testing.assert_allclose(left, right, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.sweep(3)
def test_a_step_is_half_of_its_pair(budget):
    """To rounding: two programs need not round alike."""
    trajectories = jnp.arange(10, 14, dtype=jnp.uint32)
    for pair in (0, 1, 77):
        both = _draw_step_pair(_key(), trajectories, jnp.uint32(pair), budget, SINGLE)
        _assert_same(both.even(), _step(2 * pair, trajectories, budget), 1e-6)
        _assert_same(both.odd(), _step(2 * pair + 1, trajectories, budget), 1e-6)


@pytest.mark.parametrize("budget", BUDGETS)
def test_shapes_follow_the_budget(budget):
    noise = _step(3, [0, 1, 2, 3, 4], budget)
    assert [part.shape for part in noise[:3]] == [(n, 5) for n in budget[:3]]
    assert noise.words is None if budget.words == 0 else noise.words.shape == (1, budget.words, 5)
    assert noise.complex_normals.dtype == jnp.complex64


@given(st.lists(st.integers(0, 2**32 - 1), min_size=5, max_size=5), st.integers(0, 1000))
def test_a_trajectory_draws_the_same_in_any_company(trajectories, step):
    budget = Budget(2, 3, 1)
    together = _step(step, trajectories, budget)
    for place, trajectory in enumerate(trajectories):
        alone = _step(step, [trajectory], budget)
        _assert_same([part[:, place] for part in together[:3]], [part[:, 0] for part in alone[:3]])


def test_no_number_is_drawn_twice():
    budget, seen = Budget(2, 3, 1), []
    for seed in (0, 1, 2**32, 2**63 + 7):
        for step in range(4):
            noise = _step(step, [0, 1, 2**31], budget, seed)
            seen += [noise.real_normals, noise.complex_normals.real, noise.complex_normals.imag, noise.uniforms]
    numbers = np.concatenate([np.ravel(part) for part in seen])
    assert len(np.unique(numbers)) == len(numbers)


def test_the_seed_fills_both_words():
    assert seed_words(2**32 + 3).tolist() == [3, 1]
    assert seed_words(2**64 - 1).tolist() == [2**32 - 1, 2**32 - 1]


def test_slots_trajectories_steps_and_parities_are_uncorrelated():
    budget, count = Budget(2, 2, 0), 2**17
    numbers = []
    for step in range(4):
        noise = _step(step, np.arange(count), budget)
        numbers += [*noise.real_normals, *noise.complex_normals.real, *noise.complex_normals.imag]
    numbers = np.asarray(jnp.stack(numbers), float)
    one, other = np.triu_indices(len(numbers), 1)
    judge_sample((numbers[one] * numbers[other]).T, np.zeros(len(one)), "correlations")
    judge_sample((numbers[:, 1:] * numbers[:, :-1]).T, np.zeros(len(numbers)), "neighbouring trajectories")
    squares = numbers**2 - 1
    judge_sample((squares[one] * squares[other]).T, np.zeros(len(one)), "correlations of squares")
    judge_sample(numbers.T**2, np.ones(len(numbers)), "variances")


def test_single_agrees_with_double_to_rounding():
    budget, trajectories = Budget(3, 3, 2), np.arange(1000)
    single = _step(9, trajectories, budget)
    with jax.enable_x64(True):
        double = _step(9, trajectories, budget, dtype=np.dtype(np.float64))
        assert double.real_normals.dtype == jnp.float64 and double.complex_normals.dtype == jnp.complex128
        for a, b in zip(single[:3], double[:3], strict=True):
            assert np.abs(np.asarray(a) - np.asarray(b)).max() < 2e-6


def test_split_and_join():
    noise = _step(0, np.arange(2**16), Budget(3, 2, 2))
    first, rest = noise.split(Budget(1, 2, 0))
    assert [part.shape[0] for part in first[:3]] == [1, 2, 0] and [part.shape[0] for part in rest[:3]] == [2, 0, 2]
    _assert_same([jnp.concatenate(parts) for parts in zip(first[:3], rest[:3], strict=True)], noise[:3])
    joined = noise.join_half_steps(_step(1, np.arange(2**16), Budget(3, 2, 2)))
    assert isinstance(joined, StepNoise)
    judge_sample(np.asarray(joined.real_normals.T) ** 2, np.ones(3), "joined singles")
    judge_sample(np.abs(np.asarray(joined.complex_normals.T)) ** 2, 2 * np.ones(2), "joined pairs")
    np.testing.assert_array_equal(joined.uniforms, noise.uniforms)


def test_budgets_add():
    assert Budget(1, 2, 3) + Budget(4, 5, 6) == Budget(5, 7, 9)
    assert Budget(1, 2, 3).slots_per_step_pair == 1 + 3 + 2 * 2

"""Increments of few values: the first moments of a Gaussian, and bits that serve once."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.noise import Budget, draw_step_pair, seed_words
from stochq.noise.discrete import COMPLEX, DYADIC, REAL, cells, dyadic_normals, dyadic_words, mark
from tests.judging import judge_sample

GAUSSIAN = [1, 0, 1, 0, 3, 0, 15, 0]


@pytest.mark.parametrize(("points", "count"), [(REAL, 8), (DYADIC, 6)])
def test_real_values_have_moments_of_a_gaussian(points, count):
    moments = [points.chances @ points.values**order for order in range(count)]
    np.testing.assert_allclose(moments, GAUSSIAN[:count], atol=1e-13)


def test_complex_values_have_seven_moments_of_a_circular_gaussian():
    z = COMPLEX.values
    for m, n in itertools.product(range(8), range(8)):
        if m + n <= 7:
            expected = {(0, 0): 1, (1, 1): 1, (2, 2): 2, (3, 3): 6}.get((m, n), 0)
            np.testing.assert_allclose(COMPLEX.chances @ (z**m * z.conj() ** n), expected, atol=1e-14)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 11, 13, 14, 25])
@pytest.mark.parametrize("marked", [True, False])
def test_every_bit_serves_once(count, marked):
    """Of all bits of all words, three move each cell and the others, if any, the mark."""
    size = dyadic_words(count, marked)
    bits = np.zeros((size, 32 * size), np.uint32)
    for bit in range(32 * size):
        bits[bit // 32, bit] = np.uint32(1) << np.uint32(bit % 32)
    cell = np.asarray(cells(jnp.asarray(bits), count))
    assert cell.shape == (count, 32 * size)
    assert all(sorted(row[row > 0]) == [1, 2, 4] for row in cell)
    if not marked:
        return
    with jax.enable_x64(True):
        place = np.asarray(mark(jnp.asarray(bits), count, np.dtype(np.float64)))
    moved = place > place.min()
    assert not np.any(moved & np.any(cell > 0, axis=0))
    assert moved.sum() >= 23
    # Each bit weighs half as much as the one above it.
    weights = np.sort(place[moved] - place.min())[::-1]
    np.testing.assert_allclose(weights, 2.0 ** -np.arange(1, len(weights) + 1), rtol=1e-12)


def _words(count, marked, trajectories):
    key, budget = jnp.asarray(seed_words(3)), Budget(words=dyadic_words(count, marked))
    columns = jnp.arange(trajectories, dtype=jnp.uint32)
    return draw_step_pair(key, columns, jnp.uint32(0), budget, np.dtype(np.float32))


def test_draws_and_their_sums_over_two_steps_have_the_moments():
    count, pair = 5, _words(5, True, 2**16)
    single, double = np.dtype(np.float32), pair.even().join_half_steps(pair.odd())
    for words in (pair.even_words, double.words):
        normals = np.asarray(dyadic_normals(words, count, single), float)
        powers = np.stack([normals**order for order in (1, 2, 3, 4, 5)], axis=-1)
        judge_sample(np.moveaxis(powers, 1, 0), np.broadcast_to(GAUSSIAN[1:6], (count, 5)), "moments")
        one, other = np.triu_indices(count, 1)
        judge_sample((normals[one] * normals[other]).T, np.zeros(len(one)), "correlations")
    place = np.asarray(mark(pair.even_words[0], count, single), float)
    assert 0 < place.min() and place.max() <= 1
    normals = np.asarray(dyadic_normals(pair.even_words, count, single), float)
    judge_sample(np.stack([place, place**2, *(normals * place)], axis=-1), [1 / 2, 1 / 3, *[0] * count], "mark")

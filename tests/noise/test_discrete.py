"""Increments of few values: the first moments of a Gaussian."""

import itertools

import numpy as np

from stochq.noise.discrete import FOUR_POINT, SEVENTH_DEGREE


def test_real_values_have_moments_of_a_gaussian():
    moments = [FOUR_POINT.chances @ FOUR_POINT.values**order for order in range(8)]
    np.testing.assert_allclose(moments, [1, 0, 1, 0, 3, 0, 15, 0], atol=1e-13)


def test_complex_values_have_seven_moments_of_a_circular_gaussian():
    z = SEVENTH_DEGREE.values
    for m, n in itertools.product(range(8), range(8)):
        if m + n <= 7:
            expected = {(0, 0): 1, (1, 1): 1, (2, 2): 2, (3, 3): 6}.get((m, n), 0)
            np.testing.assert_allclose(SEVENTH_DEGREE.chances @ (z**m * z.conj() ** n), expected, atol=1e-14)

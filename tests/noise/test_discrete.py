"""Increments of few values: the first moments of a Gaussian."""

import itertools

import numpy as np

from stochq.noise.discrete import COMPLEX, REAL


def test_real_values_have_moments_of_a_gaussian():
    moments = [REAL.chances @ REAL.values**order for order in range(8)]
    np.testing.assert_allclose(moments, [1, 0, 1, 0, 3, 0, 15, 0], atol=1e-13)


def test_complex_values_have_seven_moments_of_a_circular_gaussian():
    z = COMPLEX.values
    for m, n in itertools.product(range(8), range(8)):
        if m + n <= 7:
            expected = {(0, 0): 1, (1, 1): 1, (2, 2): 2, (3, 3): 6}.get((m, n), 0)
            np.testing.assert_allclose(COMPLEX.chances @ (z**m * z.conj() ** n), expected, atol=1e-14)

r"""Increments that take few values but have the moments of Gaussian ones up to the fifth or the seventh.

Five decide the weak order, 2, of averages, linear or not (Kloeden and Platen, *Numerical Solution of Stochastic
Differential Equations*, chapter 14). Seven make the leading error that of Gaussian increments, too: then the sum of two
increments errs as one of twice the variance does, and a pilot run on a shared path sees the whole of it.
"""

from typing import NamedTuple

import numpy as np


class Points(NamedTuple):
    """The values of one increment of unit variance, (n,), and their chances, (n,)."""

    values: np.ndarray
    chances: np.ndarray


def _hermite() -> Points:
    values, weights = np.polynomial.hermite_e.hermegauss(4)
    return Points(values, weights / weights.sum())


def _stroud() -> Points:
    """Stroud and Secrest's formula of degree 7 for the plane, opposite values opposite each other in the list, so that
    an antithetic uniform number tends to draw −z."""
    corner = np.exp(0.25j * np.pi)
    radii = np.sqrt((9 + 3 * np.sqrt(5)) / 4), np.sqrt(3), np.sqrt((9 - 3 * np.sqrt(5)) / 4)
    half = np.array([radii[0] * corner, 1j * radii[0] * corner, radii[1], 1j * radii[1]])
    half = np.append(half, [radii[2] * corner, 1j * radii[2] * corner])
    chances = np.repeat([(5 - 2 * np.sqrt(5)) / 45, 1 / 36, (5 + 2 * np.sqrt(5)) / 45], 2)
    return Points(np.concatenate([-half, half[::-1]]), np.concatenate([chances, chances[::-1]]))


# Gauss and Hermite's four values: E z² = 1, E z⁴ = 3, E z⁶ = 15; the odd moments vanish.
FOUR_POINT = _hermite()
# E|z|² = 1, E|z|⁴ = 2, E|z|⁶ = 6; no moments E z^m z̄^n with m ≠ n up to the seventh.
SEVENTH_DEGREE = _stroud()

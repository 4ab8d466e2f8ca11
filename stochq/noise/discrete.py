r"""Increments that take few values but have the moments of Gaussian ones up to the fifth.

Nothing else of the noise enters the averages of a scheme of weak order 2 at its leading order, linear or not
(Kloeden and Platen, *Numerical Solution of Stochastic Differential Equations*, chapter 14).
"""

from typing import NamedTuple

import numpy as np


class Points(NamedTuple):
    """The values of one increment of unit variance, (n,), and their chances, (n,)."""

    values: np.ndarray
    chances: np.ndarray


# E z² = 1, E z⁴ = 3; the odd moments vanish.
REAL = Points(np.sqrt(3) * np.array([-1.0, 0.0, 1.0]), np.array([1, 4, 1]) / 6)
# E|z|² = 1, E|z|⁴ = 2; a hexagon has no moments E z^m z̄^n with m ≠ n up to the fifth.
COMPLEX = Points(np.sqrt(2) * np.append(0, np.exp(1j * np.pi / 3 * np.arange(6))), np.append(1 / 2, np.full(6, 1 / 12)))

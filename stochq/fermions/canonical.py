"""Occupied levels of N free fermions in thermal equilibrium."""

import numpy as np


def draw_occupied(reduced: np.ndarray, particles: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (N,) of occupied levels, one draw from the canonical ensemble P ∝ exp(−Σ reduced energies).

    Levels are decided one after the other, with the partition functions of what is left:
    Z_N(i) = Z_N(i+1) + e^{−ε_i} Z_{N−1}(i+1) over levels i and later.

    >>> draw_occupied(np.array([0.0, 800.0, 0.0]), 2, np.random.default_rng(1)).tolist()
    [0, 2]
    """
    levels = len(reduced)
    logarithms = np.full((levels + 1, particles + 1), -np.inf)
    logarithms[:, 0] = 0.0
    for i in range(levels - 1, -1, -1):
        taken = logarithms[i + 1, :-1] - reduced[i]
        logarithms[i, 1:] = np.logaddexp(logarithms[i + 1, 1:], taken)
    occupied, left = [], particles
    for i in range(levels):
        if left and np.log(rng.random()) < logarithms[i + 1, left - 1] - reduced[i] - logarithms[i, left]:
            occupied.append(i)
            left -= 1
    return np.array(occupied)

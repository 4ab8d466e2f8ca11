"""Estimates at a bound: which they are, and how far from it the data let them be."""

import numpy as np

from stochq.inference.minimize import Minimum
from stochq.inference.problem import Problem

# A parameter this near to its bound, in standard errors, is at it where χ² falls towards the bound.
_NEAR = 0.2


def own_jacobian(problem: Problem, minimum: Minimum) -> np.ndarray:
    """Derivatives (n, P) of the residuals at a minimum with respect to the parameters in their own coordinates."""
    first, _ = problem.coordinates.slopes(problem.coordinates.bounded(minimum.at))
    return minimum.local.jacobian / np.where(first > 0, first, 1.0)


def at_bound(problem: Problem, minimum: Minimum) -> np.ndarray:
    """Which parameters (P,) end at a bound: χ² falls towards it, and the least that a parabola has lies beyond."""
    theta, jacobian = problem.coordinates.bounded(minimum.vector), own_jacobian(problem, minimum)
    bound, sign = problem.coordinates.nearest(theta)
    limited = np.isfinite(bound)
    distance = np.where(limited, np.abs(theta - np.where(limited, bound, 0.0)), 0.0)
    size = np.linalg.norm(jacobian, axis=0)
    inward = sign * (jacobian.T @ minimum.local.residuals)
    return limited & (distance * size < _NEAR) & (inward > 0) & (inward >= distance * size**2)


def from_bound(jacobian: np.ndarray, residuals: np.ndarray, held: np.ndarray, place: int, rise: float) -> float:
    r"""How far from its bound one of the parameters that are held there may be until √Δχ² is `rise`.

    $$|p|^2d^2 + 2|p\cdot r|d = \text{rise}^2$$

    p: its derivatives less what the parameters that are not held make up for.
    """
    varied = jacobian[:, ~held]
    own = jacobian[:, place]
    own = own - varied @ np.linalg.lstsq(varied, own, rcond=None)[0]
    square, slope = float(own @ own), abs(float(own @ residuals))
    return rise**2 / (slope + np.sqrt(slope**2 + square * rise**2))

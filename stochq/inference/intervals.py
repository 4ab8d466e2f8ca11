"""Confidence intervals: from the covariance, or where the profile of χ² has risen far enough."""

import jax
import numpy as np

from stochq.inference.edge import from_bound, own_jacobian
from stochq.inference.goodness import inflation
from stochq.inference.minimize import Minimum, gauss_newton
from stochq.inference.problem import Problem
from stochq.inference.result import Fit, flat

# The root of a rise of χ² is found to this much of a standard error, in so many attempts.
_TOLERANCE, _ATTEMPTS = 0.01, 25
# The first distance looked at, in the covariance's standard errors, and the most steps that the others take to follow.
_FURTHEST_GUESS, _FOLLOWING = 4.0, 50
# A bound is looked at from this fraction of the way to it: the prediction may not exist on it.
_NEARLY = 1e-9


def quantile(level: float, samples: float, dof: int) -> float:
    """Standard errors on both sides that hold the truth so often; Student's where weights are estimates."""
    from scipy.special import ndtri, stdtrit

    if not 0 < level < 1:
        raise ValueError(f"level: expected a probability between 0 and 1, such as 0.95; got {level}.")
    tail = (1 - level) / 2
    known = samples - 1 - dof
    return -float(ndtri(tail) if not np.isfinite(known) else stdtrit(max(known, 1), tail))


def wald(theta: np.ndarray, stderr: np.ndarray, reach: float, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """θ ± reach standard errors, within the bounds."""
    low, high = problem.coordinates.low, problem.coordinates.high
    return np.maximum(theta - reach * stderr, low), np.minimum(theta + reach * stderr, high)


def profile(
    theta: np.ndarray, stderr: np.ndarray, reach: float, rise: float, problem: Problem, minimum: Minimum
) -> tuple[np.ndarray, np.ndarray]:
    """Where the least χ² over all other parameters exceeds the minimum by `rise`², on both sides, (P,) each.

    A bound where it does not rise so far; infinite where nothing limits a parameter.
    """
    ends = np.empty((2, len(theta)))
    for side, sign in enumerate((-1.0, 1.0)):
        for place in range(len(theta)):
            ends[side, place] = _Side(problem, minimum, place, sign).end(theta[place], reach * stderr[place], rise)
    return ends[0], ends[1]


class _Side:
    """One parameter on one side of the minimum; the others follow from where they were."""

    def __init__(self, problem: Problem, minimum: Minimum, place: int, sign: float) -> None:
        self.problem, self.place, self.sign = problem, place, sign
        self.lowest, self.u = minimum.local.loss, minimum.vector.copy()
        self.others = np.flatnonzero(np.arange(len(self.u)) != place)
        bounds = problem.coordinates.low if sign < 0 else problem.coordinates.high
        self.bound = bounds[place]

    def end(self, centre: float, guess: float, rise: float) -> float:
        """The value at which √Δχ² is `rise`."""
        if not np.isfinite(guess) or centre == self.bound:
            return self.bound
        room = abs(self.bound - centre)
        inside, outside, distance = (0.0, 0.0), None, guess
        for _ in range(_ATTEMPTS):
            at_bound = distance >= room
            distance = room * (1 - _NEARLY) if at_bound else distance
            root = self._root(centre + self.sign * distance)
            if abs(root - rise) < _TOLERANCE * rise:
                break
            if root < rise and at_bound:
                return self.bound
            if root < rise:
                inside = (distance, root)
            else:
                outside = (distance, root)
            distance = _next(inside, outside, rise)
        else:
            if outside is None:
                return self.bound
        return centre + self.sign * distance

    def _root(self, value: float) -> float:
        """√Δχ² with the parameter held at a value, infinite where there is no prediction."""
        theta = self.problem.coordinates.bounded(self.u)
        theta[self.place] = value
        u = self.u.copy()
        u[self.place] = self.problem.coordinates.free(theta)[self.place]
        evaluate = self.problem.restricted(u, self.others)
        local = evaluate(u[self.others])
        if not local.finite:
            return np.inf
        if len(self.others):
            found = gauss_newton(evaluate, u[self.others], _FOLLOWING, local=local)
            local = found.local
            u[self.others] = found.vector
        self.u = u
        return float(np.sqrt(max(2 * (local.loss - self.lowest), 0.0)))


def _next(inside: tuple[float, float], outside: tuple[float, float] | None, rise: float) -> float:
    """The next distance to look at, from (distance, √Δχ²) where it is below the rise and where it is above."""
    near, low = inside
    if outside is None:
        return near * min(_FURTHEST_GUESS, max(1.2, rise / max(low, 1e-9)))
    far, high = outside
    share = (rise - low) / (high - low) if np.isfinite(high) else 0.5
    return near + (far - near) * min(max(share, 0.05), 0.95)


def _reach(fit: Fit, problem: Problem, level: float) -> float:
    """The quantile of a fit; errors from the scatter of R records at the estimate of P parameters have R − P values."""
    objective = problem.objective
    if objective.is_chi2 or fit.kind == "profile":
        return quantile(level, objective.samples, fit.dof)
    return quantile(level, objective.points, len(fit.names) - len(fit.at_bound) - 1)


def intervals_of(fit: Fit, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends (P,) of a fit's intervals."""
    problem, minimum = fit.problem, fit.minimum
    assert problem is not None and minimum is not None
    theta, stderr = flat(fit.parameters), np.sqrt(np.diagonal(fit.covariance))
    samples = problem.objective.samples
    reach = _reach(fit, problem, level)
    held = np.isin(fit.names, fit.at_bound)
    rise = reach * np.sqrt(inflation(fit.dof, samples))
    if fit.kind == "wald":
        low, high = wald(theta, stderr, reach, problem)
        bound, sign = problem.coordinates.nearest(theta)
        jacobian = own_jacobian(problem, minimum)
        for place in np.flatnonzero(held):
            far = theta[place] + sign[place] * from_bound(jacobian, minimum.local.residuals, held, int(place), rise)
            low[place], high[place] = sorted((bound[place], far))
        return low, high
    with jax.enable_x64(True):
        return profile(theta, stderr, reach, rise, problem, minimum)

"""What is minimised: the misfit of a prediction and the priors, as a function of free coordinates."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.planning import Coarse
from stochq.ensemble.sampling import Sampling
from stochq.inference.coordinates import Coordinates, Priors
from stochq.inference.data import Data
from stochq.inference.goodness import chance_of_rest, p_value
from stochq.inference.linearized import Linearized
from stochq.inference.minimize import Local
from stochq.inference.result import flat, shaped

# A step changes the distance of a parameter to its bound by no more than the exponential of this.
_LONGEST = 3.0


class Objective(Protocol):
    """The misfit of a model: half a χ², or minus a log-likelihood. hint: why it may not be finite."""

    def local(self, theta: np.ndarray) -> Local:
        """The misfit near parameters θ (P,)."""
        ...

    def loss(self, parameters: Any) -> jax.Array:
        """The misfit as a JAX function of parameters in the user's structure."""
        ...

    hint: str

    @property
    def points(self) -> int:
        """Numbers that are fitted."""
        ...

    @property
    def samples(self) -> float:
        """Gaussian values by which the errors of the data are known."""
        ...

    @property
    def is_chi2(self) -> bool:
        """Whether twice the misfit is a χ²."""
        ...

    @property
    def step_lengths(self) -> tuple[float, ...]:
        """The steps of means over trajectories that were left open."""
        ...

    def p_value(self, chi2: float, dof: int, theta: np.ndarray, covariance: np.ndarray) -> float:
        """The chance that data of the right model fit worse; covariance (P, P): of θ, zero for what is held."""
        ...

    def notes(self, parameters: Any) -> list[str]:
        """What must be said of the misfit at parameters in the user's structure."""
        ...

    def second_derivatives(self, theta: np.ndarray, covariance: np.ndarray, varied: np.ndarray) -> np.ndarray | None:
        """Those of the misfit in the parameters at `varied`, None for JᵀJ; covariance (P, P): how far to look."""
        ...

    def information(self, theta: np.ndarray) -> np.ndarray | None:
        """What these are expected to be, (P, P), if the model is right; None where the data tell it as well."""
        ...


class Means:
    """Half the χ² of predicted means."""

    hint = "Rates must be positive: the noise grows with their square root."

    def __init__(self, prediction: Linearized, data: Data) -> None:
        self.prediction, self.data = prediction, data

    @property
    def predict(self) -> Callable[..., Any]:
        return self.prediction.predict

    @property
    def step_lengths(self) -> tuple[float, ...]:
        return self.prediction.steps

    def local(self, theta: np.ndarray) -> Local:
        residuals, jacobian = self.data.linearized(*self.prediction(theta))
        return Local.of_squares(residuals, jacobian)

    @property
    def points(self) -> int:
        return len(self.data.mean)

    @property
    def samples(self) -> float:
        return self.data.samples

    @property
    def is_chi2(self) -> bool:
        return True

    def notes(self, parameters: Any) -> list[str]:
        return list(self.data.notes)

    def second_derivatives(self, theta: np.ndarray, covariance: np.ndarray, varied: np.ndarray) -> None:
        return None

    def information(self, theta: np.ndarray) -> None:
        return None

    def reweighted(self, theta: np.ndarray, like: Any) -> "Means":
        """The same with the sampling errors of the prediction at θ (P,) among those of the data."""
        parameters = jax.tree.map(jnp.asarray, shaped(theta, like))
        central, *varied = (
            np.asarray(self.data.deviations(predicted), np.float64)
            for predicted in Sampling().variations(lambda: self.predict(parameters))
        )
        return Means(self.prediction, self.data.with_prediction(np.stack(varied) - central, theta.size))

    def coarse_at(self, theta: np.ndarray, like: Any) -> list[Coarse]:
        """Where steps that were left open are certainly too coarse at θ (P,)."""
        return self.prediction.coarse_at(jax.tree.map(jnp.asarray, shaped(theta, like)))

    def with_steps_at(self, theta: np.ndarray, like: Any) -> "Means":
        """The same with the steps that were left open found anew at θ (P,)."""
        return Means(self.prediction.anew_at(shaped(theta, like)), self.data)

    def p_value(self, chi2: float, dof: int, theta: np.ndarray, covariance: np.ndarray) -> float:
        rest = chance_of_rest(self.data.off(self.prediction(theta)[0]))
        return min(p_value(chi2, dof, self.samples), rest)

    def loss(self, parameters: Any) -> jax.Array:
        return 0.5 * jnp.sum(jnp.square(self.data.residuals(self.predict(parameters))))


class Problem:
    """An objective with priors, in free coordinates or in the parameters' own. like: the parameters' structure."""

    def __init__(self, objective: Objective, coordinates: Coordinates, priors: Priors, like: Any) -> None:
        self.objective, self.coordinates, self.priors, self.like = objective, coordinates, priors, like
        self._last: tuple[bytes, Local] | None = None

    def own(self, theta: np.ndarray) -> Local:
        """The misfit near θ (P,) within the bounds, with the priors as further residuals."""
        if self._last is None or self._last[0] != theta.tobytes():
            self._last = theta.tobytes(), self.objective.local(theta)
        local = self._last[1]
        rows, known = self.priors.rows(theta), self.priors.known
        slopes = np.zeros((len(known), len(theta)))
        slopes[np.arange(len(known)), known] = 1 / self.priors.stderr[known]
        return local.with_rows(rows, slopes)

    def second_derivatives(self, theta: np.ndarray, covariance: np.ndarray, varied: np.ndarray) -> np.ndarray | None:
        """Those of the misfit and the priors with respect to the parameters at `varied`, None for JᵀJ."""
        found = self.objective.second_derivatives(theta, covariance, varied)
        if found is None:
            return None
        with np.errstate(divide="ignore"):
            return found + np.diag(1 / self.priors.stderr[varied] ** 2)

    def expected_covariance(self, theta: np.ndarray, varied: np.ndarray) -> np.ndarray | None:
        """The covariance (P, P) of an estimate of the parameters at `varied` that the model expects, zero for all
        others; None where the data tell it as well, or where it is not determined."""
        found = self.objective.information(theta)
        if found is None or not np.all(np.isfinite(found)):
            return None
        with np.errstate(divide="ignore"):
            known = (found + np.diag(1 / self.priors.stderr**2))[np.ix_(varied, varied)]
        if np.linalg.eigvalsh(known)[0] <= 0:
            return None
        covariance = np.zeros_like(found)
        covariance[np.ix_(varied, varied)] = np.linalg.inv(known)
        return covariance

    def notes(self, theta: np.ndarray) -> list[str]:
        """What must be said of the misfit at θ (P,)."""
        return self.objective.notes(jax.tree.map(jnp.asarray, shaped(theta, self.like)))

    def free(self, u: np.ndarray) -> Local:
        """The same near free coordinates u (P,), with what the coordinates bend a slope into."""
        theta = self.coordinates.bounded(u)
        # A step may go to where the prediction overflows; it is taken back.
        with np.errstate(over="ignore", invalid="ignore"):
            local = self.own(theta)
            first, second = self.coordinates.slopes(theta)
            bend = np.maximum(local.gradient * second, 0.0)
        limited = np.isfinite(self.coordinates.low) | np.isfinite(self.coordinates.high)
        longest = np.where(limited, _LONGEST, np.inf)
        return local._replace(jacobian=local.jacobian * first, curvature=bend, longest=longest)

    def loss(self, parameters: Any) -> jax.Array:
        """The misfit as a JAX function of free coordinates in the user's structure."""
        u = jnp.concatenate([jnp.reshape(leaf, -1) for leaf in jax.tree_util.tree_leaves(parameters)])
        theta = self.coordinates.bounded(u)
        return self.objective.loss(shaped(theta, self.like)) + 0.5 * jnp.sum(jnp.square(self.priors.rows(theta)))

    def restricted(self, u: np.ndarray, varied: np.ndarray) -> Callable[[np.ndarray], Local]:
        """`free` as a function of the coordinates at the places `varied`, the others as in u."""

        def evaluate(part: np.ndarray) -> Local:
            whole = u.copy()
            whole[varied] = part
            local = self.free(whole)
            return local._replace(
                jacobian=local.jacobian[:, varied], curvature=local.curvature[varied], longest=local.longest[varied]
            )

        return evaluate

    @functools.cached_property
    def start(self) -> np.ndarray:
        """The free coordinates (P,) of the start."""
        return self.coordinates.free(flat(self.like))

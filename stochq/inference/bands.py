"""What a fitted model predicts, with the error that its parameters' errors imply, and how the data differ from it."""

import functools
from typing import Any

import jax
import numpy as np

from stochq.inference.linearized import Linearized
from stochq.inference.problem import Means
from stochq.inference.result import Band, Determined, Fit, flat

# What is left of changes that cancel each other is rounding below this share of them.
_ROUNDING = 1e-5


def band(fit: Fit, times: Any) -> Band:
    """The prediction at the fitted parameters, at the data's times or at others."""
    means, theta = means_of(fit), _theta(fit)
    with jax.enable_x64(True):
        if times is None:
            prediction = means.prediction
        else:
            if not takes_times(means.predict):
                raise ValueError(
                    "times: expected none, as predict takes parameters alone. Write predict(parameters, times=TIMES)."
                )
            at: Any = functools.partial(means.predict, **{"times": np.asarray(times, dtype=np.float64)})
            leaves, structure = jax.tree_util.tree_flatten(fit.parameters)
            prediction = Linearized(at, structure, tuple(np.shape(leaf) for leaf in leaves))
        mean, slopes = prediction(theta)
    assert fit.determined is not None
    determined = fit.determined
    return Band(mean, jax.tree.map(lambda slope: stderr_of(slope, determined), slopes))


def residuals(fit: Fit) -> Any:
    """(data − prediction)/stderr at each point, as the prediction."""
    means, theta = means_of(fit), _theta(fit)
    with jax.enable_x64(True):
        predicted, _ = means.prediction(theta)
        return means.data.by_point(predicted, -means.data.deviations(predicted) / means.data.stderr)


def takes_times(predict: Any) -> bool:
    """Whether a function has an argument `times` beside the parameters."""
    return default_times(predict) is not _NO_ARGUMENT


_NO_ARGUMENT = object()


def default_times(predict: Any) -> Any:
    """The default of the argument `times` of a function."""
    import inspect

    try:
        argument = inspect.signature(predict).parameters.get("times")
    except (TypeError, ValueError):
        return _NO_ARGUMENT
    return _NO_ARGUMENT if argument is None else argument.default


def means_of(fit: Fit) -> Means:
    """What a fit of means minimised; ValueError for one of records."""
    assert fit.problem is not None
    objective = fit.problem.objective
    if not isinstance(objective, Means):
        raise ValueError("fit: expected one of means; records have no prediction to compare with.")
    return objective


def _theta(fit: Fit) -> np.ndarray:
    """The parameters (P,) just inside of their bounds, where the prediction exists."""
    assert fit.problem is not None and fit.minimum is not None
    return fit.problem.coordinates.bounded(fit.minimum.vector) if fit.at_bound else flat(fit.parameters)


def stderr_of(slopes: np.ndarray, determined: Determined) -> np.ndarray:
    """Standard errors (...) of what has the derivatives (..., P); those of the parts of complex values apart.

    Infinite where a step in a free direction changes it.
    """
    slopes = np.asarray(slopes)

    def error(part: np.ndarray) -> np.ndarray:
        known = np.einsum("...i,ij,...j->...", part, determined.covariance, part)
        changed = np.abs(part @ determined.free.T) > _ROUNDING * (np.abs(part) @ np.abs(determined.free.T))
        return np.where(np.any(changed, axis=-1), np.inf, np.sqrt(np.maximum(known, 0.0)))

    if np.iscomplexobj(slopes):
        return error(slopes.real) + 1j * error(slopes.imag)
    return error(slopes)

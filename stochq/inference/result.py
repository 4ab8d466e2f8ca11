"""What a fit returns: parameters, how well they are known and how they were found."""

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import numpy as np

from stochq.arrays import Times

if TYPE_CHECKING:
    import matplotlib.figure

    from stochq.inference.minimize import Minimum
    from stochq.inference.problem import Problem

# The probability within one standard error of a Gaussian.
ONE_SIGMA = 0.682689492137086


class History(NamedTuple):
    """The course of a fit.

    loss: (steps,) what is minimised: χ²/2, or of records −ℓ + ½Σ((θ − mean)/stderr)² with the log-likelihood ℓ and the
    priors.
    parameters: with the steps as leading axis.
    """

    loss: np.ndarray
    parameters: Any


class OtherMinimum(NamedTuple):
    """A minimum that a further start led to: its parameters and its χ², or the log-likelihood of records; the other is
    NaN."""

    parameters: Any
    chi2: float
    log_likelihood: float = np.nan


class Intervals(NamedTuple):
    """Lower and upper ends of confidence intervals, each in the structure of the parameters."""

    low: Any
    high: Any


class Determined(NamedTuple):
    """What the data determine of the parameters.

    covariance: (P, P), finite, that of all combinations of parameters but the free ones. free: (m, P) directions in
    which the data say nothing.
    """

    covariance: np.ndarray
    free: np.ndarray


class Band(NamedTuple):
    """A prediction and its standard error from that of the parameters, each in the structure of the prediction."""

    mean: Any
    stderr: Any


@dataclass(frozen=True)
class Fit:
    """Fitted parameters and their uncertainty. Prints as a table.

    parameters, stderr: as `start`; covariance (P, P) over the parameters in the order of `names`; chi2: of the
    independent combinations of the `points`; dof: their number less that of parameters; history: loss and parameters of
    every step; converged: whether the last step was far below the standard errors (None for an optimizer that does not
    tell); advice: what to do if not; p_value: the chance that data of the right model have a larger chi2, or
    records of it innovations further from white noise; notes: what
    the fit warned of; at_bound: names of parameters that end at a bound, whose standard error is how far χ² lets them
    from it and whose correlations are none; other_minima: where further starts led, the lowest first; log_likelihood:
    of records, relative to Wiener noise, which have no chi2 and dof; dt: steps of means over trajectories that predict
    left open, in the order of its calls, found for a bias below a tenth of their standard errors.
    """

    parameters: Any
    covariance: np.ndarray
    history: History
    names: tuple[str, ...]
    chi2: float
    points: int
    dof: int
    converged: bool | None
    advice: str = ""
    p_value: float = np.nan
    notes: tuple[str, ...] = ()
    at_bound: tuple[str, ...] = ()
    other_minima: tuple[OtherMinimum, ...] = ()
    kind: Literal["wald", "profile"] = "wald"
    log_likelihood: float = np.nan
    dt: tuple[float, ...] = ()
    problem: "Problem | None" = field(default=None, repr=False, compare=False)
    minimum: "Minimum | None" = field(default=None, repr=False, compare=False)
    determined: Determined | None = field(default=None, repr=False, compare=False)

    @property
    def stderr(self) -> Any:
        """Standard errors, in the structure of `parameters`."""
        return shaped(np.sqrt(np.diagonal(self.covariance)), self.parameters)

    @property
    def correlation(self) -> np.ndarray:
        """Correlations between the parameters' errors, (P, P)."""
        error = np.sqrt(np.diagonal(self.covariance))
        return self.covariance / np.outer(error, error)

    def intervals(self, level: float = 0.95) -> Intervals:
        """Confidence intervals that hold each parameter with this probability, of the kind that the fit was asked for.

        "wald": estimate ± a multiple of the standard error, within the bounds. "profile": where the least χ² over all
        other parameters has risen by the multiple's square; a bound where it does not rise so far.

        >>> import numpy as np, stochq as sq
        >>> fit = sq.fit(lambda rate: rate * np.array([2.0, 2.0]), (np.array([1.1, 0.9]), 0.1), start=1.0)
        >>> low, high = fit.intervals(0.95)
        >>> print(f"{low:.3f} {high:.3f}")
        0.431 0.569
        """
        from stochq.inference.intervals import intervals_of

        low, high = intervals_of(self, level)
        return Intervals(shaped(low, self.parameters), shaped(high, self.parameters))

    def predict(self, times: Times | None = None) -> Band:
        """What the model predicts at the fitted parameters, with the standard error that theirs imply.

        times: other times than the data's, where predict has a second argument `times`.
        """
        from stochq.inference.bands import band

        return band(self, times)

    @property
    def residuals(self) -> Any:
        """(data − prediction)/stderr at each point, in the structure of the prediction; NaN where none was fitted."""
        from stochq.inference.bands import residuals

        return residuals(self)

    def plot(self) -> "matplotlib.figure.Figure":
        """A figure of the data, the fitted prediction with a band of ±2 standard errors, and the residuals."""
        from stochq.inference.picture import draw

        return draw(self)

    def __str__(self) -> str:
        values = flat(self.parameters)
        width = max(len(name) for name in self.names)
        lines = [f"{name:<{width}}  {text}" for name, text in zip(self.names, self._values(values), strict=True)]
        ending = f", NOT converged: {self.advice}" if self.converged is False else ""
        lines.append(f"{self._quality()}, {len(self.history.loss)} steps{ending}")
        if self.dt:
            lines.append(f"predicted in steps dt = {', '.join(f'{dt:.4g}' for dt in self.dt)}")
        lines += [f"! {note}" for note in self.notes]
        for other in self.other_minima:
            told = ", ".join(
                f"{name} {value:.5g}" for name, value in zip(self.names, flat(other.parameters), strict=True)
            )
            known = np.isnan(other.log_likelihood)
            misfit = f"chi2 = {other.chi2:.1f}" if known else f"log-likelihood = {other.log_likelihood:.2f}"
            lines.append(f"another minimum: {told} with {misfit}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from stochq.plotting.notebook import as_html

        return as_html(f"Fit: {self._quality()}\n{self}", self.plot)

    def _quality(self) -> str:
        if not np.isnan(self.log_likelihood):
            chance = "" if np.isnan(self.p_value) else f", p = {self.p_value:.2g}"
            return f"log-likelihood = {self.log_likelihood:.2f} of {self.points} records{chance}"
        ratio = f" = {self.chi2 / self.dof:.2f}, p = {self.p_value:.2g}" if self.dof > 0 else ""
        return f"chi2/dof = {self.chi2:.1f}/{self.dof}{ratio}"

    def _values(self, values: np.ndarray) -> list[str]:
        errors = np.sqrt(np.diagonal(self.covariance))
        if self.kind == "wald" and not self.at_bound:
            return [number(value, error) for value, error in zip(values, errors, strict=True)]
        low, high = (flat(end) for end in self._one_sigma)
        rows = zip(self.names, values, errors, low, high, strict=True)
        return [
            number(value, error) if self.kind == "wald" and name not in self.at_bound else two_sided(value, least, most)
            for name, value, error, least, most in rows
        ]

    @functools.cached_property
    def _one_sigma(self) -> Intervals:
        return self.intervals(ONE_SIGMA)


def flat(parameters: Any) -> np.ndarray:
    """All parameters in one vector of float64."""
    leaves = [np.asarray(leaf, dtype=np.float64).reshape(-1) for leaf in jax.tree_util.tree_leaves(parameters)]
    return np.concatenate(leaves)


def shaped(vector: Any, like: Any) -> Any:
    """A vector (..., P), numpy or JAX, in the structure of the parameters `like`, leading axes kept."""
    leaves, structure = jax.tree_util.tree_flatten(like)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])
    parts = [
        vector[..., end - np.size(leaf) : end].reshape(vector.shape[:-1] + np.shape(leaf))
        for leaf, end in zip(leaves, ends, strict=True)
    ]
    return jax.tree_util.tree_unflatten(structure, parts)


def parameter_names(parameters: Any) -> tuple[str, ...]:
    """One readable name for every number in a pytree.

    >>> parameter_names({"field": np.zeros(2), "rate": 0.5})
    ('field[0]', 'field[1]', 'rate')
    """
    names = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(parameters):
        label = jax.tree_util.keystr(path, simple=True, separator=".") or "parameter"
        indices = np.ndindex(np.shape(leaf))
        names.extend(label + (f"[{', '.join(map(str, index))}]" if index else "") for index in indices)
    return tuple(names)


def number(value: float, error: float) -> str:
    """A value and its error, rounded to two digits of the error.

    >>> number(0.51234, 0.0213)
    '0.512 ± 0.021'
    """
    if not (np.isfinite(error) and error > 0):
        return f"{value:.6g} ± {error}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def two_sided(value: float, low: float, high: float) -> str:
    """A value with its distances to both ends of an interval, rounded to two digits of the smaller.

    >>> two_sided(0.51234, 0.4911, 0.5502)
    '0.512 +0.038 -0.021'
    """
    over, under = high - value, value - low
    least = min((part for part in (over, under) if part > 0), default=0.0)
    if not (np.isfinite(least) and least > 0):
        return f"{value:.6g} +{over:.2g} -{under:.2g}"
    digits = max(0, 1 - int(np.floor(np.log10(least))))
    return f"{value:.{digits}f} +{over:.{digits}f} -{under:.{digits}f}"

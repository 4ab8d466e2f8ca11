"""What a fit returns: parameters, how well they are known and how they were found."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np


class History(NamedTuple):
    """The course of a fit: loss (steps,) is χ²/2 and parameters have the steps as leading axis."""

    loss: np.ndarray
    parameters: Any


@dataclass(frozen=True)
class Fit:
    """Fitted parameters and their uncertainty.

    parameters, stderr: as `start`; covariance (P, P) over the parameters in the order of `names`; chi2: of the
    independent combinations of the `points`; dof: their number less that of parameters; history: loss and parameters of
    every step; converged: whether the last step was far below the standard errors (None for an optimizer that does not
    tell); advice: what to do if not; p_value: the chance that data of the right model have a larger chi2.
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

    @property
    def stderr(self) -> Any:
        """Standard errors, in the structure of `parameters`."""
        return shaped(np.sqrt(np.diagonal(self.covariance)), self.parameters)

    @property
    def correlation(self) -> np.ndarray:
        """Correlations between the parameters' errors, (P, P)."""
        error = np.sqrt(np.diagonal(self.covariance))
        return self.covariance / np.outer(error, error)

    def __str__(self) -> str:
        values = flat(self.parameters)
        errors = np.sqrt(np.diagonal(self.covariance))
        width = max(len(name) for name in self.names)
        lines = [f"{name:<{width}}  {number(v, e)}" for name, v, e in zip(self.names, values, errors, strict=True)]
        ending = f", NOT converged: {self.advice}" if self.converged is False else ""
        ratio = f" = {self.chi2 / self.dof:.2f}, p = {self.p_value:.2g}" if self.dof > 0 else ""
        return "\n".join(
            [*lines, f"chi2/dof = {self.chi2:.1f}/{self.dof}{ratio}, {len(self.history.loss)} steps{ending}"]
        )

    __repr__ = __str__


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

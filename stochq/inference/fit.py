"""Fitting parameters to measured means by least squares."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from stochq.arrays import check_numbers
from stochq.inference.data import Data, read_data
from stochq.inference.goodness import chance_of_rest, inflation, p_value
from stochq.inference.linearized import linearized
from stochq.inference.minimize import Minimum, descend, gauss_newton
from stochq.inference.result import Fit, flat, parameter_names, shaped

# Below this, relative to the best known direction, the data do not determine a combination of parameters; above its
# root, the share of a parameter in such a combination is more than rounding.
_UNDETERMINED = 1e-10
# A right model has so small a p-value once in ten thousand fits.
_UNLIKELY = 1e-4


def fit(predict: Callable[[Any], Any], data: Any, start: Any, *, optimizer: Any = None, steps: int = 100) -> Fit:
    r"""The parameters θ whose predicted means fit the measured ones best, and their uncertainty.

    $$\chi^2(\theta) = (m(\theta)-d)^T\Sigma^{-1}(m(\theta)-d),\quad
      \mathrm{cov}\,\theta = \Big(\frac{\partial m}{\partial\theta}^T\Sigma^{-1}
      \frac{\partial m}{\partial\theta}\Big)^{-1}$$

    An EnsembleResult brings the covariance Σ of its means between times and observables. Combinations of points that do
    not fluctuate are left out, and that Σ is itself an estimate is counted in the errors and in the p-value (Hotelling
    1931; Gleser and Olkin 1970), as in `sq.compare`.

    Parameters that must stay positive are best given as logarithms: predict(θ) then uses exp(θ), and the error of θ
    is the relative error. The prediction's own sampling error is not part of the covariance: predict from several
    times as many trajectories as the data, with another seed.

    Args:
        predict: a JAX function from parameters to means, such as `sq.expectations` of an equation built from them. As
            with `jax.jit` it must depend on its argument alone, so with one seed throughout: it is compiled once, and
            the program is kept for later fits with the same function and the same shapes.
        data: pairs (mean, stderr) in the structure predict returns, independent of each other, the stderr of a complex
            mean complex, with the error of the real part as its real part; or an EnsembleResult, of which the predicted
            names are fitted.
        start: pytree of numbers where the search begins.
        optimizer: None for damped Gauss-Newton steps, which stop when they are below a twentieth of a standard error;
            or one of optax, run for all steps with gradients in reverse mode.
        steps: the most steps to take.

    Returns:
        The parameters with their covariance, χ² and its p-value.

    Raises:
        ValueError: for data that do not match the prediction, are not finite or have no error, and for a start at which
            the prediction is not finite or a derivative means nothing, as at a rate of exactly zero.
        RuntimeError: when an optimizer runs to where the prediction is not finite.

    Warns of a p-value below 10⁻⁴, and of parameters that the data do not determine.

    >>> import numpy as np, stochq as sq
    >>> fit = sq.fit(lambda rate: rate * np.array([2.0, 2.0]), (np.array([1.1, 0.9]), 0.1), start=1.0)
    >>> print(fit)
    parameter  0.500 ± 0.035
    chi2/dof = 2.0/1 = 2.00, ... steps
    """
    check_numbers("Fit with numbers, outside grad, vmap and jit; predict alone is traced.", start=start, data=data)
    start = _checked_start(start)
    _check_steps(steps)
    with jax.enable_x64(True):
        prediction = linearized(predict, start)
        measured = read_data(data, prediction.predicted, flat(start).size)

        def residuals(parameters: Any) -> jax.Array:
            return measured.residuals(predict(parameters))

        def evaluate(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return measured.linearized(*prediction(vector))

        if optimizer is None:
            minimum = gauss_newton(evaluate, start, steps)
        else:
            minimum = descend(residuals, evaluate, start, optimizer, steps)
        rest = measured.off(prediction(minimum.vector)[0])
    found = _result(minimum, measured, start, rest)
    _warn_of_bad_fit(found)
    return found


def _result(minimum: Minimum, measured: Data, start: Any, rest: np.ndarray) -> Fit:
    names = parameter_names(start)
    chi2 = float(minimum.residuals @ minimum.residuals)
    inverse, rank = covariance(minimum.jacobian, names)
    dof = len(minimum.residuals) - rank
    return Fit(
        parameters=shaped(minimum.vector, start),
        covariance=inverse * inflation(dof, measured.samples),
        history=minimum.history,
        names=names,
        chi2=chi2,
        points=len(measured.mean),
        dof=dof,
        converged=minimum.converged,
        advice=minimum.advice,
        p_value=min(p_value(chi2, dof, measured.samples), chance_of_rest(rest)),
    )


def _warn_of_bad_fit(found: Fit) -> None:
    if found.converged is not False and found.p_value < _UNLIKELY:
        warnings.warn(
            f"fit: chi2 = {found.chi2:.4g} with {found.dof} degrees of freedom (p = {found.p_value:.1g}). The model "
            "does not describe the data, or the prediction is off: if chi2 falls with half the dt in predict it is "
            "biased, if it falls with more trajectories it is noisy.",
            stacklevel=3,
        )


def covariance(jacobian: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, int]:
    """(JᵀJ)⁻¹ for a Jacobian (k, P) in units of the data's errors, and how many combinations the data determine.

    Infinite for parameters that the data leave free, alone or in a combination.
    """
    scale = np.linalg.norm(jacobian, axis=0)
    without = [name for name, size in zip(names, scale, strict=True) if size == 0]
    if without:
        warnings.warn(
            f"fit: no effect on the prediction from {', '.join(without)}. Use it, or leave it out.", stacklevel=4
        )
    scale = np.where(scale > 0, scale, 1.0)
    scaled = jacobian / scale
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    known = values > _UNDETERMINED * values[-1]
    for free in vectors[:, ~known].T:
        parts = [(part, name) for part, name in zip(free, names, strict=True) if abs(part) > np.sqrt(_UNDETERMINED)]
        if len(parts) == 1 and parts[0][1] in without:
            continue
        direction = " ".join(f"{part:+.2g}·{name}" for part, name in parts)
        warnings.warn(f"fit: the data do not determine all parameters; free direction {direction}.", stacklevel=4)
    inverse = (vectors[:, known] / values[known]) @ vectors[:, known].T
    found = inverse / np.outer(scale, scale)
    undetermined = np.any(np.abs(vectors[:, ~known]) > np.sqrt(_UNDETERMINED), axis=1)
    found[undetermined, :] = found[:, undetermined] = np.inf
    return found, int(known.sum())


def _checked_start(start: Any) -> Any:
    """The start as float64 arrays; ValueError for none, or for what is not a finite real number."""
    if not jax.tree_util.tree_leaves(start):
        raise ValueError("start: expected at least one parameter; got none.")

    def check(path: Any, leaf: Any) -> np.ndarray:
        name = "start" + jax.tree_util.keystr(path)
        array = np.asarray(leaf)
        if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
            raise ValueError(f"{name}: expected finite real numbers; got {leaf!r}.")
        return array.astype(np.float64)

    return jax.tree_util.tree_map_with_path(check, start)


def _check_steps(steps: int) -> None:
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"steps: expected a whole number, at least 1; got {steps!r}.")

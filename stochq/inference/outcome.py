"""From minima to what a fit returns: covariance, degrees of freedom, and what must be said of it."""

from typing import Literal, NamedTuple

import numpy as np

from stochq.inference.edge import at_bound, from_bound, own_jacobian
from stochq.inference.goodness import inflation
from stochq.inference.minimize import Minimum
from stochq.inference.problem import Objective, Problem
from stochq.inference.records import RECORDS_PER_PARAMETER
from stochq.inference.result import Determined, Fit, History, OtherMinimum, parameter_names, shaped

# Below this, relative to the best known direction, the data do not determine a combination of parameters; above its
# root, the share of a parameter in such a combination is more than rounding.
_UNDETERMINED = 1e-10
# A right model has so small a p-value once in ten thousand fits.
_UNLIKELY = 1e-4
# Values to a point below which the least eigenvalues of a covariance are far below the true ones, (1 − √½)² of them.
_VALUES_PER_POINT = 2.0
# Records to a parameter from which p-values of right models were found to be uniform.
_RECORDS_FOR_P = 10
# Minima this far from each other, in standard errors, are two.
_APART = 1.0
_MODEL_ALONE = (
    "the second derivatives of the log-likelihood are not those of a maximum; the errors are from the scores alone, "
    "right where the model is."
)
_PARTLY_KNOWN = (
    "as the data do not determine all parameters, the errors of the others are from the scores alone, right where the "
    "model is."
)
_NO_P_VALUE = "interrupted after the search, before the p-value was known."
_NO_SECOND_DERIVATIVES = "interrupted after the search: the errors are from the scores alone, right where the model is."


def fit_from(problem: Problem, minima: list[Minimum], intervals: Literal["wald", "profile"], notes: list[str]) -> Fit:
    """The fit at the lowest of the minima; notes: what must be said of the search."""
    minimum = min(minima, key=lambda one: one.local.loss)
    names = parameter_names(problem.like)
    inside = problem.coordinates.bounded(minimum.vector)
    jacobian = own_jacobian(problem, minimum)
    held = at_bound(problem, minimum)
    theta = np.where(held, problem.coordinates.nearest(inside)[0], inside)
    known = _covariance(jacobian, minimum.local.residuals, held, names)
    is_chi2 = problem.objective.is_chi2
    dof = len(minimum.local.residuals) - known.rank if is_chi2 else 0
    wider = inflation(dof, problem.objective.samples)
    curvature, unusual = _by_curvature(problem, inside, held, known.covariance)
    covariance, of_model = known.covariance, known.determined * np.outer(~held, ~held)
    if curvature is not None:
        of_model = curvature
        covariance, more = _sandwich(problem, held, known.covariance, curvature)
        unusual = [*unusual, *more]
    chi2, log_likelihood = _misfit(problem, minimum)
    few = _too_few(problem.objective)
    rough = _few_records(problem.objective, int(np.sum(~held))) if intervals == "wald" else []
    p_value, late = np.nan, []
    if not few and (is_chi2 or not minimum.interrupted):
        p_value, late = _chance(problem, chi2, dof, inside, of_model, ~held)
    named = tuple(name for name, one in zip(names, held, strict=True) if one)
    return Fit(
        parameters=shaped(theta, problem.like),
        covariance=covariance * wider,
        history=History(minimum.losses, shaped(problem.coordinates.bounded(minimum.visited), problem.like)),
        names=names,
        chi2=chi2,
        points=problem.objective.points,
        dof=dof,
        converged=minimum.converged,
        advice=minimum.advice,
        p_value=p_value,
        notes=(
            *notes,
            *few,
            *rough,
            *known.notes,
            *unusual,
            *late,
            *_notes(minimum, named, chi2, dof, p_value),
            *problem.notes(inside),
        ),
        at_bound=named,
        other_minima=_others(problem, minima, minimum),
        kind=intervals,
        log_likelihood=log_likelihood,
        dt=problem.objective.step_lengths,
        problem=problem,
        minimum=minimum,
        determined=Determined(known.determined * wider, known.free),
    )


def _chance(
    problem: Problem, chi2: float, dof: int, theta: np.ndarray, covariance: np.ndarray, varied: np.ndarray
) -> tuple[float, list[str]]:
    """The p-value, NaN with a note where it is interrupted, or not known at the parameters that were found."""
    try:
        expected = problem.expected_covariance(theta, varied)
        return problem.objective.p_value(chi2, dof, theta, covariance if expected is None else expected), []
    except KeyboardInterrupt:
        return np.nan, [_NO_P_VALUE]
    except ValueError as error:
        return np.nan, [f"no p-value at these parameters: {error}"]


def _misfit(problem: Problem, minimum: Minimum) -> tuple[float, float]:
    """χ², in which priors are further data, or the log-likelihood of records alone; the other is NaN."""
    if problem.objective.is_chi2:
        return 2 * minimum.local.loss, np.nan
    rows = minimum.local.residuals[len(minimum.local.residuals) - len(problem.priors.known) :]
    return np.nan, 0.5 * float(rows @ rows) - minimum.local.loss


def _by_curvature(
    problem: Problem, theta: np.ndarray, held: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray | None, list[str]]:
    """H⁻¹ (P, P) of a misfit whose second derivatives H are not JᵀJ, zero for what is held: the covariance where the
    model is right. None where H is JᵀJ or not known, as next to a bound, which is noted."""
    varied = np.ix_(~held, ~held)
    if problem.objective.is_chi2 or not np.any(~held):
        return None, []
    if not np.all(np.isfinite(covariance[varied])):
        return None, [_PARTLY_KNOWN]
    try:
        second = problem.second_derivatives(theta, covariance, ~held)
    except KeyboardInterrupt:
        return None, [_NO_SECOND_DERIVATIVES]
    if second is None:
        return None, []
    if not np.all(np.isfinite(second)) or np.linalg.eigvalsh(second)[0] <= 0:
        return None, [_MODEL_ALONE]
    found = np.zeros_like(covariance)
    found[varied] = np.linalg.inv(second)
    return found, []


def _sandwich(
    problem: Problem, held: np.ndarray, covariance: np.ndarray, curvature: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    r"""The sandwich, right where the model is not, too, from (JᵀJ)⁻¹ and H⁻¹, and a note where these are far apart.

    $$\left(\frac R{R-P}\right)^2H^{-1}J^TJH^{-1}$$

    of R records and P parameters: that of the jackknife, as an estimate without one record is off by R/(R − P) times
    that record's score, in the mean over records (MacKinnon and White, J. Econometrics 29, 305 (1985)).
    """
    varied = np.ix_(~held, ~held)
    scores, inverse = covariance[varied], curvature[varied]
    records = problem.objective.points
    found = covariance.copy()
    found[varied] = inverse @ np.linalg.inv(scores) @ inverse * (records / (records - np.sum(~held))) ** 2
    names = [name for name, one in zip(parameter_names(problem.like), held, strict=True) if not one]
    return found, _note_of_scatter(names, scores, inverse)


def _note_of_scatter(names: list[str], scores: np.ndarray, curvature: np.ndarray) -> list[str]:
    """A note where the scatter of the scores and the second derivatives tell standard errors that are far apart.

    scores, curvature: the covariances by either alone, which agree for a model that is right and records enough.
    """
    ratios = np.sqrt(np.diagonal(curvature) / np.diagonal(scores))
    apart = [f"{name} by {ratio:.2g}" for name, ratio in zip(names, ratios, strict=True) if not 0.5 <= ratio <= 2]
    if not apart:
        return []
    return [
        "standard errors by the second derivatives, over those by the scatter of the scores, are far from 1: "
        f"{', '.join(apart)}. The model does not describe the data, or the records are too few for either."
    ]


class _Known(NamedTuple):
    """covariance (P, P), before what estimated weights add; determined (P, P), free (m, P): as of `Determined`; rank:
    how many combinations of parameters the data determine; notes: what must be said."""

    covariance: np.ndarray
    determined: np.ndarray
    free: np.ndarray
    rank: int
    notes: list[str]


def _covariance(jacobian: np.ndarray, residuals: np.ndarray, held: np.ndarray, names: tuple[str, ...]) -> _Known:
    """(JᵀJ)⁻¹ of the parameters that are not held; of one that is held, the distance at which χ² has risen by 1.

    Infinite for parameters that the data leave free, alone or in a combination.
    """
    varied = np.flatnonzero(~held)
    inner = _inverse(jacobian[:, varied], tuple(names[place] for place in varied))
    covariance, determined = np.zeros((2, len(held), len(held)))
    covariance[np.ix_(varied, varied)], determined[np.ix_(varied, varied)] = inner.covariance, inner.determined
    free = np.zeros((len(inner.free), len(held)))
    free[:, varied] = inner.free
    for place in np.flatnonzero(held):
        distance = from_bound(jacobian, residuals, held, int(place), 1.0)
        covariance[place, place] = determined[place, place] = distance**2
    return inner._replace(covariance=covariance, determined=determined, free=free)


def _inverse(jacobian: np.ndarray, names: tuple[str, ...]) -> _Known:
    scale = np.linalg.norm(jacobian, axis=0)
    without = [name for name, size in zip(names, scale, strict=True) if size == 0]
    notes = [f"no effect on the prediction from {', '.join(without)}. Use it, or leave it out."] if without else []
    scale = np.where(scale > 0, scale, 1.0)
    scaled = jacobian / scale
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    known = values > _UNDETERMINED * max(values[-1:], default=0.0)
    for free in vectors[:, ~known].T:
        parts = [(part, name) for part, name in zip(free, names, strict=True) if abs(part) > np.sqrt(_UNDETERMINED)]
        if len(parts) == 1 and parts[0][1] in without:
            continue
        direction = " ".join(f"{part:+.2g}·{name}" for part, name in parts)
        notes.append(f"the data do not determine all parameters; free direction {direction}.")
    inverse = (vectors[:, known] / values[known]) @ vectors[:, known].T / np.outer(scale, scale)
    free = vectors[:, ~known].T
    free = np.where(np.abs(free) > np.sqrt(_UNDETERMINED), free, 0.0)
    undetermined, covariance = np.any(free, axis=0), inverse.copy()
    covariance[undetermined, :] = covariance[:, undetermined] = np.inf
    return _Known(covariance, inverse, free / scale, int(known.sum()), notes)


def _too_few(objective: Objective) -> list[str]:
    """A note where so few values tell the covariance of the points that combinations seem not to fluctuate."""
    if objective.samples >= _VALUES_PER_POINT * objective.points:
        return []
    return [
        f"the errors of the {objective.points} points are from {objective.samples:.0f} Gaussian values, too few for a "
        "p-value; the errors of parameters may be larger than told. Take more trajectories."
    ]


def _few_records(objective: Objective, varied: int) -> list[str]:
    """A note where so few records to each parameter that varied tell the errors from their scatter."""
    if objective.is_chi2 or objective.points >= RECORDS_PER_PARAMETER * varied:
        return []
    rough = ", and p is rough" if objective.points < _RECORDS_FOR_P * varied else ""
    return [
        f"the errors are from the scatter of {objective.points} records, and uncertain by "
        f"{100 / np.sqrt(2 * (objective.points - varied)):.0f} %{rough}. Take "
        f"{RECORDS_PER_PARAMETER * varied} records, or cut long ones into pieces."
    ]


def _notes(minimum: Minimum, at_bound: tuple[str, ...], chi2: float, dof: int, p_value: float) -> list[str]:
    """What must be said of a fit."""
    notes = []
    if at_bound:
        notes.append(
            f"{', '.join(at_bound)} at the bound, where the data would go further; the other errors are those with it "
            "held there, its own interval has one side."
        )
    if minimum.converged is False:
        notes.append(f"stopped before a minimum: {minimum.advice}.")
    elif p_value < _UNLIKELY and np.isnan(chi2):
        notes.append(
            f"p = {p_value:.1g}: what the records say beyond the past is not the white noise that it is of the right "
            "model. The model does not describe the data."
        )
    elif p_value < _UNLIKELY:
        notes.append(
            f"chi2 = {chi2:.4g} with {dof} degrees of freedom (p = {p_value:.1g}). The model does not describe the "
            "data, or the prediction is off: if chi2 falls with half the dt in predict it is biased, if it falls with "
            "more trajectories it is noisy."
        )
    return notes


def _others(problem: Problem, minima: list[Minimum], best: Minimum) -> tuple[OtherMinimum, ...]:
    """The other minima that starts led to, the lowest first, each once."""
    found: list[Minimum] = [best]
    for one in sorted(minima, key=lambda one: one.local.loss):
        if one.converged is not False and all(_apart(one, known) for known in found):
            found.append(one)
    return tuple(
        OtherMinimum(shaped(problem.coordinates.bounded(one.vector), problem.like), *_misfit(problem, one))
        for one in found[1:]
    )


def _apart(one: Minimum, other: Minimum) -> bool:
    """Whether a step between two minima is many standard errors long by the derivatives at either."""
    step = one.vector - other.vector
    return min(one.local.size(step), other.local.size(step)) > _APART

"""Fitting parameters to measured means by least squares."""

import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import jax
import numpy as np

from stochq.arrays import Parameters, Prediction, check_numbers
from stochq.callers import users_line
from stochq.ensemble import EnsembleResult
from stochq.inference.checkpoint import Checkpoint, Log
from stochq.inference.coordinates import read_bounds, read_priors
from stochq.inference.linearized import linearized
from stochq.inference.long_records import Correlations
from stochq.inference.measured import read_data
from stochq.inference.minimize import Minimum, NotFinite, Show, check_start, descend, gauss_newton
from stochq.inference.outcome import fit_from
from stochq.inference.problem import Means, Objective, Problem
from stochq.inference.progress import shown
from stochq.inference.records import Records
from stochq.inference.result import Fit, flat, parameter_names, shaped
from stochq.inference.starts import further_starts
from stochq.measurement import Record
from stochq.systems.checks import check_flag

_GOES_ON = "interrupted; call again with the same arguments, start included, and it goes on from the checkpoint"
_STILL_COARSE = (
    "predict: the step found for it still moves the mean of {0.name!r} at t = {0.time:g} by {0.bias:.2g} at the "
    "minimum, more than a tenth of its standard error, {0.stderr:.2g}. Start from these parameters, or give dt."
)


class Optimizer(Protocol):
    """One of optax."""

    @property
    def init(self) -> Callable[..., object]: ...
    @property
    def update(self) -> Callable[..., object]: ...


def fit(
    predict: Prediction,
    data: Parameters | EnsembleResult | Correlations | Record,
    start: Parameters,
    *,
    optimizer: Optimizer | None = None,
    steps: int = 100,
    bounds: Parameters | None = None,
    priors: Parameters | None = None,
    starts: int | Sequence[Parameters] | None = None,
    intervals: Literal["wald", "profile"] = "wald",
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Fit:
    r"""The parameters θ whose predicted means fit the measured ones best, and their uncertainty.

    $$\chi^2(\theta) = (m(\theta)-d)^T\Sigma^{-1}(m(\theta)-d),\quad
      \mathrm{cov}\,\theta = \Big(\frac{\partial m}{\partial\theta}^T\Sigma^{-1}
      \frac{\partial m}{\partial\theta}\Big)^{-1}$$

    An EnsembleResult brings the covariance Σ of its means between times and observables. Combinations of points that do
    not fluctuate are left out, and that Σ is itself an estimate is counted in the errors and in the p-value (Hotelling
    1931; Gleser and Olkin 1970), as in `sq.compare`.

    Of records, predict gives the equation and the initial state, and what is minimised is −ℓ, with ℓ the log-likelihood
    of `sq.inference.log_likelihood`: Fisher scoring with the scores $s_r$ of the records,

    $$\mathrm{cov}\,\theta = H^{-1}\Big(\sum_r s_rs_r^T\Big)H^{-1},\quad
      H = -\frac{\partial^2\ell}{\partial\theta^2}$$

    which is right for a model that is not, too (White 1982). Their p-value is that of the innovations: what each bin
    says beyond the past, as a standard normal number, has a mean, a variance and correlations that are known if the
    model is right. Their law is exact for bins of any width where the likelihood is, at up to 8 levels and in phase
    space; for more levels it is that of the Kraus maps, and p is NaN for more columns than two or three. What the
    estimate takes of them is known from their derivatives, so that p is right for few records, too.

    Where Kraus maps serve mixed states and the bins are too wide for them at the start, they are halved inside, once or
    twice, as by `halvings` of `log_likelihood`.

    Where the prediction is sampled (`sq.expectations` with trajectories), its own covariance at the minimum, from the
    scatter of 64 groups of trajectories, is added to Σ, and points are thinned where they are too many for what 64
    groups tell: give it another seed than the data. A dt that is left out there is found at the start, and once more at
    the minimum where its bias is certainly beyond a tenth of the standard error there. An interrupt (Ctrl-C) ends
    the search, and the best so far is returned; one after the search leaves out the p-value, or what is in work.

    Args:
        predict: a JAX function from parameters to means, such as `sq.expectations` of an equation built from them. As
            with `jax.jit` it must depend on its argument alone, so with one seed throughout: it is compiled once, and
            kept for later fits with the same function, the same numbers that this reads from outside and the same
            shapes. A second argument `times` with a default lets the result predict at other times. For records: to
            (equation of sq.models.monitored, initial state), or (sq.gaussian.Monitored, sq.gaussian.State).
        data: pairs (mean, stderr) in the structure predict returns, independent of each other, the stderr of a complex
            mean complex, with the error of the real part as its real part; or an EnsembleResult, of which the predicted
            names are fitted; or what `sq.inference.correlations` finds in long records; or a Record, of at least five
            records to a parameter.
        start: pytree of numbers where the search begins.
        optimizer: None for damped Gauss-Newton steps, which stop when they are below a twentieth of a standard error;
            or one of optax (`pip install "stochq[optax]"`), run for all steps with gradients in reverse mode.
        steps: the most steps to take.
        bounds: pairs (low, high) in the structure of `start` or for some of its names, None for an open end. The search
            runs in coordinates in which the bounds are infinitely far.
        priors: pairs (mean, stderr) likewise: Gaussian knowledge from elsewhere, counted as further data.
        starts: further starts, a list of pytrees as `start`; or how many to take in all, spread over bounds or priors,
            which all parameters must then have. Other minima are reported.
        intervals: "wald", from the covariance, or "profile": where χ² rises by what the level asks for, all other
            parameters following.
        progress: whether steps are shown; None shows them on a terminal.
        checkpoint: a file (JSON), replaced whole after each step down. Where it exists the search goes on from there,
            its steps counted among `steps`: of the same prediction, data, start, bounds and priors alone, and without
            an optimizer. To go on, call again with the same arguments.

    Returns:
        The parameters with their covariance, χ² and its p-value.

    Raises:
        ValueError: for data that do not match the prediction, are not finite or have no error, for a start at which
            the prediction is not finite or a derivative means nothing, as at a rate of exactly zero, and for a
            checkpoint of another fit.
        FileExistsError: for a checkpoint that would replace another kind of file.
        RuntimeError: when an optimizer runs to where the prediction is not finite.
        ImportError: for an optimizer where optax is not installed.

    Warns of a p-value below 10⁻⁴, of parameters that the data do not determine or that end at a bound, and of a search
    that stopped early; each is also a line of the printed table.

    >>> import numpy as np, stochq as sq
    >>> fit = sq.fit(lambda rate: rate * np.array([2.0, 2.0]), (np.array([1.1, 0.9]), 0.1), start=1.0)
    >>> print(fit)
    parameter  0.500 ± 0.035
    chi2/dof = 2.0/1 = 2.00, ... steps
    """
    check_numbers("Fit with numbers, outside grad, vmap and jit; predict alone is traced.", start=start, data=data)
    start = checked_parameters(start, "start")
    _check_options(predict, steps, intervals, optimizer)
    progress = progress if progress is None else check_flag("progress", progress)
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise ValueError(f"checkpoint: expected the path of a file; got {checkpoint!r}.")
    if checkpoint is not None and optimizer is not None:
        raise ValueError("checkpoint: expected None with an optimizer, whose own state is not written down.")
    coordinates, prior = read_bounds(bounds, start), read_priors(priors, start)
    points = [flat(start), *further_starts(starts, start, coordinates, prior)]
    with jax.enable_x64(True):
        problem = Problem(_objective(predict, data, start), coordinates, prior, start)
        written = None if checkpoint is None else Checkpoint(checkpoint, problem, points)
        minima, notes = _minima(problem, points, optimizer, steps, progress, written)
        problem, minima, coarse = _with_steps_that_serve(problem, minima, steps)
        problem, minima = _with_sampling_errors(problem, minima, steps)
        found = fit_from(problem, minima, intervals, notes + coarse)
    for note in found.notes:
        warnings.warn(f"fit: {note}", stacklevel=users_line())
    return found


def _objective(predict: Callable[..., Any], data: Any, start: Any) -> Objective:
    """The misfit of what predict returns: means, or an equation that records are of."""
    if isinstance(data, Record):
        return Records(predict, data, start)
    prediction = linearized(predict, start)
    return Means(prediction, read_data(data, prediction.predicted, flat(start).size))


def _minima(
    problem: Problem,
    points: list[np.ndarray],
    optimizer: Any,
    steps: int,
    progress: bool | None,
    written: Checkpoint | None,
) -> tuple[list[Minimum], list[str]]:
    """The minimum that each of the starts (P,) leads to, until an interrupt, and notes of the starts left out."""
    names = parameter_names(problem.like)
    check_start(problem.own, points[0], names, problem.own(points[0]), problem.objective.hint)
    minima: list[Minimum] = []
    left_out = 0
    with shown(names, problem.coordinates, progress) as show:
        for place, point in enumerate(points):
            try:
                minima.append(_minimum(problem, point, optimizer, steps, show, Log(written, place)))
            except NotFinite:
                if not minima:
                    raise
                left_out += 1
            if minima[-1].interrupted:
                break
    return minima, _notes_of_starts(minima, len(points) - 1, left_out)


def _minimum(problem: Problem, start: np.ndarray, optimizer: Any, steps: int, show: Show, log: Log) -> Minimum:
    """Where the search from one start (P,) ends; NotFinite where there is no prediction."""
    trail = log.trail
    u = problem.coordinates.free(start) if trail is None else trail.visited[-1]
    local = problem.free(u)
    if not local.finite:
        raise NotFinite("predict: the prediction is not finite at the start.")
    if optimizer is None:
        found = gauss_newton(problem.free, u, steps, show, local, trail, log.keep)
        return found._replace(advice=_GOES_ON) if found.interrupted and log.checkpoint is not None else found
    return descend(problem.loss, problem.free, shaped(u, problem.like), optimizer, steps)


def _notes_of_starts(minima: list[Minimum], further: int, left_out: int) -> list[str]:
    """What must be said of the further starts; the first of the minima is that of the start itself."""
    notes = []
    if left_out:
        notes.append(
            f"starts: the prediction is not finite at {left_out} of {further} further starts, or where an optimizer "
            "went from them; they are left out."
        )
    early = sum(one.converged is False and not one.interrupted for one in minima[1:])
    if early:
        notes.append(
            f"starts: {early} of {further} searches from further starts stopped before a minimum, such as for want of "
            "steps; what they may have led to is not among the other minima."
        )
    return notes


def _with_steps_that_serve(
    problem: Problem, minima: list[Minimum], steps: int
) -> tuple[Problem, list[Minimum], list[str]]:
    """The problem with steps that were left open found anew, once, at the best of the minima, where those of the start
    are too coarse there; the minima then, and a note where these are too coarse as well."""
    best = min(minima, key=lambda one: one.local.loss)
    objective = problem.objective
    if not isinstance(objective, Means) or best.interrupted:
        return problem, minima, []
    theta = problem.coordinates.bounded(best.vector)
    if not objective.coarse_at(theta, problem.like):
        return problem, minima, []
    objective = objective.with_steps_at(theta, problem.like)
    problem = Problem(objective, problem.coordinates, problem.priors, problem.like)
    minima = _moved(problem, minima, steps)
    best = min(minima, key=lambda one: one.local.loss)
    coarse = objective.coarse_at(problem.coordinates.bounded(best.vector), problem.like)
    return problem, minima, [_STILL_COARSE.format(one) for one in coarse]


def _with_sampling_errors(problem: Problem, minima: list[Minimum], steps: int) -> tuple[Problem, list[Minimum]]:
    """The problem with a sampled prediction's own errors among those of the data, and the minima then."""
    best = min(minima, key=lambda one: one.local.loss)
    theta = problem.coordinates.bounded(best.vector)
    objective = problem.objective
    if not isinstance(objective, Means) or best.interrupted or not objective.prediction.sampled:
        return problem, minima
    weighted = Problem(objective.reweighted(theta, problem.like), problem.coordinates, problem.priors, problem.like)
    return weighted, _moved(weighted, minima, steps)


def _moved(problem: Problem, minima: list[Minimum], steps: int) -> list[Minimum]:
    """Where minima of a problem that differed a little move to, with what their searches went through."""
    moved = []
    for one in minima:
        after = gauss_newton(problem.free, one.vector, steps)
        whole = one._replace(vector=after.vector, local=after.local, at=after.at)
        moved.append(
            whole if one.converged is False else whole._replace(converged=after.converged, advice=after.advice)
        )
    return moved


def checked_parameters(parameters: Any, argument: str) -> Any:
    """Parameters as float64 arrays; ValueError for none, or for what is not a finite real number."""
    if not jax.tree_util.tree_leaves(parameters):
        raise ValueError(f"{argument}: expected at least one parameter; got none.")

    def check(path: Any, leaf: Any) -> np.ndarray:
        name = argument + jax.tree_util.keystr(path)
        array = np.asarray(leaf)
        if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
            raise ValueError(f"{name}: expected finite real numbers; got {leaf!r}.")
        return array.astype(np.float64)

    return jax.tree_util.tree_map_with_path(check, parameters)


def _check_options(predict: object, steps: int, intervals: str, optimizer: object) -> None:
    if not callable(predict):
        raise ValueError(f"predict: expected a JAX function of the parameters; got {type(predict).__name__}.")
    _check_takes_parameters(predict)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"steps: expected a whole number, at least 1; got {steps!r}.")
    if optimizer is not None and not all(callable(getattr(optimizer, name, None)) for name in ("init", "update")):
        raise ValueError(f"optimizer: expected None or one of optax, such as optax.adam(0.1); got {optimizer!r}.")
    if not isinstance(intervals, str) or intervals not in ("wald", "profile"):
        raise ValueError(f"intervals: expected 'wald' or 'profile'; got {intervals!r}.")


def _check_takes_parameters(predict: Callable[..., Any]) -> None:
    """ValueError for a function that cannot be called with the parameters alone."""
    try:
        signature = inspect.signature(predict)
    except (TypeError, ValueError):
        # Of functions that are not written in Python it may be unknown.
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise ValueError(
            f"predict: expected a function of one argument, the parameters as start has them; {error} in a call with "
            f"one, of {signature}. Give further arguments a default, or take them from outside."
        ) from None

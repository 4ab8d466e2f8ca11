"""How well data of an experiment determine parameters: Fisher information, before any data are taken."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.arrays import Parameters, Prediction, Times, check_numbers
from stochq.equation import Equation
from stochq.gaussian import Monitored
from stochq.gaussian.emitted import quantum_information as linear_quantum_information
from stochq.gaussian.information import fisher_information
from stochq.inference.coordinates import near
from stochq.inference.emitted import check_derivatives, quantum_information
from stochq.inference.fit import checked_parameters
from stochq.inference.linearized import linearized
from stochq.inference.measured import read_data
from stochq.inference.programs import tracing_predict
from stochq.inference.records import Layout, scores_of
from stochq.inference.result import flat, number, parameter_names, shaped
from stochq.inference.sampling import sample_records
from stochq.instruments.choose import bins_too_wide
from stochq.module import Module
from stochq.systems.checks import check_count, check_times

# A combination of parameters with less than this share of the best known one's information is not determined.
_UNDETERMINED = 1e-10


class Expected(NamedTuple):
    """A standard error that is to be expected, and how far it is uncertain itself."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Information:
    """Fisher information about parameters, (P, P) in the order of `names`, 1/(units of both parameters).

    Attributes:
        names: of the parameters.
        classical: of one record of all detectors, or of the means.
        stderr: of each number of `classical`, from the records that were drawn; zero for means and linear systems.
        quantum: of everything emitted and the system together, whatever is measured; None for means.
        state: of the system's state at the last time, when nothing is known of what it emitted; None likewise.
        duration: of one record; NaN for means.
        scores: (records, P) ∂ℓ/∂θ of those that were drawn; for means the rows of their derivatives, in units of their
            errors; for linear systems, of which none are drawn, a root R of the information, RᵀR.
    """

    names: tuple[str, ...]
    classical: np.ndarray
    stderr: np.ndarray
    quantum: np.ndarray | None
    state: np.ndarray | None
    duration: float
    scores: np.ndarray = field(repr=False)

    @property
    def per_time(self) -> "Information":
        """The same divided by the duration of a record; NaN for means."""
        parts = {name: getattr(self, name) for name in ("classical", "stderr", "quantum", "state")}
        rates = {name: part if part is None else part / self.duration for name, part in parts.items()}
        return replace(self, **rates, duration=1.0, scores=self.scores / np.sqrt(self.duration))

    def error(self, parameter: str, *, records: int = 1) -> Expected:
        r"""The standard error of a parameter from so many records, $\sqrt{(F^{-1})_{pp}}$, the others being unknown.

        Infinite where the data do not determine it. By Cramér and Rao no unbiased estimate has a smaller one.

        Raises:
            ValueError: for an unknown parameter, and less than one record.
        """
        check_count("records", records, 1)
        place = place_of(parameter, self.names)
        row = _inverse_row(self.classical, place)
        if row is None:
            return Expected(np.inf, 0.0)
        # Of the inverse: −F⁻¹ dF F⁻¹, with F the mean of the scores' squares.
        influences = np.square(self.scores @ row)
        variance = row[place]
        spread = np.std(influences) / np.sqrt(len(influences)) if np.any(self.stderr) else 0.0
        value = np.sqrt(variance / records)
        return Expected(float(value), float(value * 0.5 * spread / variance))

    def __str__(self) -> str:
        width = max(len("parameter"), *map(len, self.names))
        heads = ["information" if self.quantum is None else "of the record"]
        heads += [] if self.quantum is None else ["with all emitted", "of the state"]
        lines = [f"{'parameter':<{width}}  {'expected error':>18}  " + "  ".join(f"{head:>18}" for head in heads)]
        for place, name in enumerate(self.names):
            cells = [_told(*self.error(name)), _told(self.classical[place, place], self.stderr[place, place])]
            cells += [f"{part[place, place]:.4g}" for part in (self.quantum, self.state) if part is not None]
            lines.append(f"{name:<{width}}  " + "  ".join(f"{cell:>18}" for cell in cells))
        drawn = f"; {len(self.scores)} drawn" if np.any(self.stderr) else ""
        if not np.isnan(self.duration):
            lines.append(f"one record of duration {self.duration:g}{drawn}")
        return "\n".join(lines)

    __repr__ = __str__


def information(
    predict: Prediction,
    theta: Parameters,
    times: Times | None = None,
    *,
    records: int = 1000,
    seed: int = 0,
    stderr: Parameters | None = None,
) -> Information:
    r"""The Fisher information about parameters θ in a record, in all that is emitted, and in the state.

    $$F_{ij} = E[s_is_j],\quad s = \partial_\theta\ell$$

    from the scores of records drawn by `sample_records`, exact at the bins; of the field and the system together, which
    no measurement exceeds, by the two-sided master equation

    $$F_{ij} = 4\,\partial_{\theta_{1i}}\partial_{\theta_{2j}}\ln|\mathrm{Tr}\,\rho_{12}(T)|$$

    (Gammelmark and Mølmer, PRL 112, 170401 (2014)); of the state at the end by its symmetric logarithmic derivatives.
    Of means whose errors are independent it is $\partial m^T\Sigma^{-1}\partial m$, the inverse of the covariance of
    `sq.fit`. Linear systems are Gaussian: of their records (Gupta and Mehra, IEEE Trans. Autom. Control 19, 774
    (1974)), field and state it is known in closed form and no record is drawn.

    Args:
        predict: as of `sq.fit`: from parameters to (equation of sq.models.monitored, initial state), to
            (sq.gaussian.Monitored, sq.gaussian.State), or to means.
        theta: pytree of numbers, the parameters at which it is asked.
        times: (T,) ends of the record's bins, the start included; for records only. Of the record, what depends on time
            is taken in the middle of each bin, with a warning where it changes too much there.
        records: how many are drawn, at least two, and more than parameters; the information in one is known to some
            √(2/records).
        seed: of the records.
        stderr: for means only, their standard errors: a number, or in the structure that predict returns.

    Returns:
        The information of one record or of the means, with `error(parameter)`, the standard error to be expected.
        Parameters of the electronics and of dark counts are none of the field, in which there is nothing about them.

    Raises:
        ValueError: as of `sample_records`; where derivatives are not finite, as at an efficiency of 1; without times
            for records or without stderr for means.

    >>> import numpy as np, stochq as sq
    >>> def model(shift):
    ...     current = sq.measurement.homodyne([1.0, 1.0], offset=shift)
    ...     return sq.models.monitored(np.zeros((2, 2)), {"current": current}), [1.0, 0.0]
    >>> found = information(model, 0.3, [0.0, 1.0, 2.0], records=4000)
    >>> bool(abs(found.classical[0, 0] - 2.0) < 4 * found.stderr[0, 0])  # of the mean of white noise: its duration
    True
    """
    check_numbers("Ask with numbers, outside grad, vmap and jit; predict alone is traced.", theta=theta, times=times)
    theta = checked_parameters(theta, "theta")
    found = classical_information(predict, theta, times, records=records, seed=seed, stderr=stderr)
    if times is None:
        return found
    times = check_times(times)
    model: Callable[..., Any] = predict
    with jax.enable_x64(True):
        if isinstance(model(theta)[0], Monitored):
            with tracing_predict():
                emitted, state = linear_quantum_information(
                    lambda vector: model(shaped(vector, theta)), flat(theta), float(times[-1] - times[0])
                )
            check_derivatives(theta, emitted, state)
        else:
            emitted, state = quantum_information(model, flat(theta), theta, times)
    return replace(found, quantum=emitted, state=state)


def classical_information(
    predict: Callable[[Any], Any], theta: Any, times: Times | None, *, records: int, seed: int, stderr: Any
) -> Information:
    """`information` without what is known beyond the record."""
    with jax.enable_x64(True):
        predicted = predict(theta)
        if not is_of_records(predicted):
            return _of_means(predict, theta, times, stderr)
        times = _checked_times(times, stderr)
        if isinstance(predicted[0], Monitored):
            return _of_linear(predict, theta, times)
        scores = _scores(predict, theta, times, records, seed)
    return _of_scores(parameter_names(theta), scores, times)


def place_of(parameter: str, names: tuple[str, ...]) -> int:
    """Where a parameter stands among the names; ValueError for an unknown one."""
    if parameter not in names:
        raise ValueError(f"parameter: expected one of {', '.join(names)}; got {parameter!r}.{near(parameter, names)}")
    return names.index(parameter)


def is_of_records(predicted: Any) -> bool:
    """Whether a prediction is (equation, initial state), and not means; ValueError for systems of another kind."""
    if not isinstance(predicted, tuple) or not isinstance(predicted[0], Module):
        return False
    if not isinstance(predicted[0], (Equation, Monitored)):
        raise ValueError(
            "predict: expected (equation of sq.models.monitored or sq.gaussian.Monitored, state), or means; got "
            f"{type(predicted[0]).__name__}, of which no records are drawn."
        )
    return True


def _checked_times(times: Times | None, stderr: Any) -> np.ndarray:
    if times is None:
        raise ValueError("times: expected (T,) ends of the bins where predict returns (equation, state); got None.")
    if stderr is not None:
        raise ValueError("stderr: expected None where predict returns (equation, state); records bring their noise.")
    return check_times(times)


def _scores(predict: Callable[[Any], Any], theta: Any, times: np.ndarray, records: int, seed: int) -> np.ndarray:
    """∂ℓ/∂θ (records, P) of drawn records."""
    least = max(2, flat(theta).size + 1)
    if check_count("records", records, 1) < least:
        raise ValueError(
            f"records: expected at least {least} for {flat(theta).size} parameters, from whose scatter the errors "
            f"follow; got {records}. Some hundreds tell the information to ten per cent."
        )
    equation, state = predict(theta)
    record = sample_records(equation, state, times, records=records, seed=seed)
    likelihoods, scores = scores_of(predict, theta, Layout.of(record))(flat(theta), record.increments)
    if not np.all(np.isfinite(likelihoods)):
        raise bins_too_wide(float(np.diff(times).max()))
    check_derivatives(theta, scores.T)
    return scores


def _of_scores(names: tuple[str, ...], scores: np.ndarray, times: np.ndarray) -> Information:
    squares = scores[:, :, None] * scores[:, None]
    stderr = np.std(squares, axis=0) / np.sqrt(len(scores))
    return Information(names, squares.mean(axis=0), stderr, None, None, float(times[-1] - times[0]), scores)


def _of_linear(predict: Callable[[Any], Any], theta: Any, times: np.ndarray) -> Information:
    """In closed form, of (sq.gaussian.Monitored, state)."""
    with tracing_predict():
        of_theta = fisher_information(lambda vector: predict(shaped(vector, theta)), times)
        found = np.asarray(of_theta(jax.numpy.asarray(flat(theta))))
    check_derivatives(theta, found)
    values, vectors = np.linalg.eigh(found)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    duration = float(times[-1] - times[0])
    return Information(parameter_names(theta), found, np.zeros_like(found), None, None, duration, root)


def _of_means(predict: Callable[[Any], Any], theta: Any, times: Any, stderr: Any) -> Information:
    """JᵀΣ⁻¹J from the pieces of a least-squares fit."""
    if stderr is None or times is not None:
        given = "times, which belong into predict" if times is not None else "None"
        raise ValueError(
            "stderr: expected the standard errors, and no times, where predict returns means; got " + given + "."
        )
    for error in jax.tree_util.tree_leaves(stderr):
        if not np.all(np.isfinite(np.asarray(error))) or not np.all(np.real(error) > 0):
            raise ValueError(f"stderr: expected positive, finite standard errors; got {error}.")
    prediction = linearized(predict, theta)
    mean, slopes = prediction(flat(theta))
    data = read_data(_pairs(mean, stderr), prediction.predicted, flat(theta).size)
    _, jacobian = data.linearized(mean, slopes)
    check_derivatives(theta, jacobian.T)
    found = jacobian.T @ jacobian
    return Information(parameter_names(theta), found, np.zeros_like(found), None, None, np.nan, jacobian)


def _pairs(mean: Any, stderr: Any) -> Any:
    """(mean, stderr) for every array of a prediction; of a number, for both parts of complex ones."""
    if np.ndim(stderr) == 0 and not isinstance(stderr, dict):
        return jax.tree.map(lambda one: (one, stderr * (1 + 1j) if np.iscomplexobj(one) else stderr), mean)
    leaves, structure = jax.tree_util.tree_flatten(mean)
    try:
        errors = structure.flatten_up_to(stderr)
    except (ValueError, TypeError) as problem:
        raise ValueError(
            f"stderr: expected a number, or errors in the structure that predict returns; {problem}"
        ) from None
    return jax.tree_util.tree_unflatten(structure, list(zip(leaves, errors, strict=True)))


def _inverse_row(matrix: np.ndarray, place: int) -> np.ndarray | None:
    """A row of the inverse of an information matrix; None where the data leave this parameter free."""
    scale = np.sqrt(np.diagonal(matrix))
    if scale[place] == 0:
        return None
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    free = values <= _UNDETERMINED * values[-1]
    if np.any(np.abs(vectors[place, free]) > np.sqrt(_UNDETERMINED)):
        return None
    inverse = 1 / np.where(free, np.inf, values)
    return (vectors * inverse) @ vectors[place] / (scale * scale[place])


def _told(value: float, error: float) -> str:
    return number(value, error) if error > 0 else f"{value:.4g}"

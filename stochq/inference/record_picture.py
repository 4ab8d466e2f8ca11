"""The picture of a fit of records: their mean over all records beside the mean that the fitted model predicts."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from stochq.equation import Equation
from stochq.exact import evolve
from stochq.gaussian import Monitored, State
from stochq.gaussian.filtering import with_record
from stochq.inference.bands import stderr_of
from stochq.inference.observed import electronics, slots
from stochq.inference.picture import draw_panel
from stochq.inference.records import Records
from stochq.inference.result import Band, Fit, shaped
from stochq.measurement import Record
from stochq.measurement.record import COLUMNS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEIGHTS = (1.0, 0.35)
# Means are differenced over this part of a standard error of a parameter.
_STEP = 0.05
# Simpson's weights of a bin's start, middle and end.
_SIMPSON = np.array([1.0, 4.0, 1.0]) / 6


def draw_records(fit: Fit, objective: Records) -> "Figure":
    """A panel for each column of the records, the mean over them and its prediction, with residuals below."""
    from stochq import plotting

    record = objective.record
    predicted = mean_of_fit(fit, objective)
    counted = _counts(record)
    values = record.increments / np.where(counted, 1.0, np.diff(record.times)[:, None])
    measured, scatter = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(record))
    stderr = np.where(counted, counting_errors(measured, scatter, predicted.mean), scatter)
    centres = 0.5 * (record.times[1:] + record.times[:-1])
    with plotting.style():
        made, axes = plotting.figure(len(record.columns), rows_each=_HEIGHTS)
        for column, (name, (upper, lower)) in enumerate(zip(record.columns, axes, strict=True)):
            mean, off, data, error = (array[:, column] for array in (*predicted, measured, stderr))
            residuals = np.divide(data - mean, error, out=np.zeros_like(error), where=error > 0)
            draw_panel(upper, lower, centres, [mean, off, data, error, residuals])
            upper.set_ylabel(f"{name}: clicks per interval" if counted[column] else name)
            lower.set_xlabel("time $t$")
        made.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return made


def mean_of_fit(fit: Fit, objective: Records) -> Band:
    """The mean record (T-1, column) at the fitted parameters, and its error by differences along each of them."""
    assert fit.problem is not None and fit.minimum is not None and fit.determined is not None
    coordinates = fit.problem.coordinates
    theta = coordinates.bounded(fit.minimum.vector)
    steps = np.diag(_STEP * np.sqrt(np.diagonal(fit.determined.covariance)))

    def mean_at(vector: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            equation, state = objective.predict(shaped(vector, fit.parameters))
            return _mean(equation, state, objective.record)

    slopes = []
    for place, step in enumerate(steps):
        # No further than half-way to a bound.
        ahead = np.minimum(theta + step, 0.5 * (theta + coordinates.high))
        behind = np.maximum(theta - step, 0.5 * (theta + coordinates.low))
        ahead, behind = (np.where(step > 0, one, theta) for one in (ahead, behind))
        slopes.append((mean_at(ahead) - mean_at(behind)) / (ahead - behind)[place])
    known = fit.determined
    if np.all(np.isfinite(fit.covariance)):
        known = known._replace(covariance=fit.covariance)
    return Band(mean_at(theta), stderr_of(np.stack(slopes, axis=-1), known))


def counting_errors(measured: np.ndarray, scatter: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Standard errors (T-1, column) of mean counts where the model's mean is right.

    The variance is that mean times the ratio of both over all bins (Fano's): the scatter in a bin that saw no click
    says nothing.
    """
    total = np.sum(measured, axis=0)
    ratio = np.divide(np.sum(scatter**2, axis=0), total, out=np.zeros_like(total), where=total > 0)
    return np.sqrt(ratio * np.maximum(mean, 0.0))


def _mean(equation: Equation | Monitored, state: Any, record: Record) -> np.ndarray:
    if isinstance(equation, Monitored):
        return _mean_of_linear(equation, state, record)
    return mean_record(equation, state, record)


def mean_record(equation: Equation, state: np.ndarray, record: Record) -> np.ndarray:
    """The mean of each column over each bin, (T-1, column): of mean currents, and of counts where clicks are counted.

    By Simpson's rule over the bin, with the density matrices at its ends and in its middle.
    """
    times = _with_middles(record.times)
    density = evolve(equation, state, times).density
    if density is None:
        raise ValueError("fit: expected density matrices that fit into the memory for a picture; take fewer bins.")
    moments = times if equation.time_dependent else times[:1]
    measured = np.stack([_measured(equation, record, float(t)) for t in moments])
    means = np.einsum("tcij,tji->tc", np.broadcast_to(measured, (len(times), *measured.shape[1:])), density).real
    return _over_bins(means) * np.where(_counts(record), np.diff(record.times)[:, None], 1.0)


def _mean_of_linear(system: Monitored, state: State, record: Record) -> np.ndarray:
    """The same of a linear system, whose currents are Cx of its coordinates."""
    dynamics = system.dynamics
    gain = with_record(dynamics.drift, dynamics.diffusion, system.read, system.noise, system.hbar).gain
    states = dynamics.evolve(state, _with_middles(record.times))
    return _over_bins(np.asarray(states.mean) @ np.asarray(gain).T)


def _with_middles(edges: np.ndarray) -> np.ndarray:
    """Ends and middles of bins, in their order."""
    return np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))


def _over_bins(means: np.ndarray) -> np.ndarray:
    """Averages (T-1, column) over bins of what has these values at their ends and middles."""
    return np.tensordot(_SIMPSON, np.stack([means[k : len(means) - 2 + k : 2] for k in range(3)]), axes=1)


def _measured(equation: Equation, record: Record, t: float) -> np.ndarray:
    """The operators (column, dim, dim) whose means are those of the record's columns per time."""
    parts, known = equation.watched_parts(t), {slot.name: slot for slot in slots(equation)}
    found = []
    for name in record.names:
        slot = known[name]
        if slot.kind == "counting":
            operator = np.asarray(parts.counted[slot.place])
            found.append(operator.conj().T @ operator + np.asarray(parts.dark)[slot.place] * np.eye(equation.dim))
            continue
        for number, (scale, drift) in enumerate(zip(*electronics([slot]), strict=True)):
            operator = np.asarray(parts.watched[slot.place + number])
            found.append(scale * (operator + operator.conj().T) + drift * np.eye(equation.dim))
    return np.stack(found)


def _counts(record: Record) -> np.ndarray:
    """Whether each column counts clicks."""
    return np.array([kind == "counting" for kind in record.kinds for _ in range(COLUMNS[kind])])

"""Parameters that drift, followed along a record."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from stochq.arrays import Parameters, Prediction, check_numbers
from stochq.callers import users_line
from stochq.equation import Equation
from stochq.inference.coordinates import read_bounds
from stochq.inference.fit import checked_parameters
from stochq.inference.long_records import checked_interval
from stochq.inference.programs import tracing_predict
from stochq.inference.reading import halvings_for, note_of_wide_bins
from stochq.inference.records import Layout, checked_prediction
from stochq.inference.recursion import Course, Recursion, recursion
from stochq.inference.result import flat, number, parameter_names, shaped
from stochq.measurement import Record
from stochq.systems.checks import check_count, check_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Without a choice, parameters are renewed so often within the memory of the estimate, and at the latest after so many
# bins.
_WITHIN_MEMORY, _MOST_BINS = 50, 64


@dataclass(frozen=True)
class Tracked:
    """Parameters along a record.

    Attributes:
        times: (K,) ends of the blocks of bins after which the parameters were renewed.
        parameters: with a leading axis (K,), what is known at each time from the record before.
        stderr: their standard errors, as of parameters that stand still within the memory.
        covariance: (K, P, P) in the order of `names`.
        log_likelihood: of the whole record, each bin predicted with the parameters known before it.
        memory: the time over which the record is forgotten, and by which the parameters lag behind a drift; infinite
            where nothing is forgotten.
    """

    times: np.ndarray
    parameters: Any
    covariance: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    log_likelihood: float
    memory: float = np.inf

    @property
    def stderr(self) -> Any:
        last = jax.tree.map(lambda leaf: leaf[-1], self.parameters)
        return shaped(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)), last)

    def plot(self) -> "Figure":
        """A figure of every parameter against time, with a band of ±2 standard errors."""
        from stochq import plotting

        with plotting.style():
            made, axes = plotting.figure(len(self.names))
            errors = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)).T
            for (axis,), name, values, error in zip(axes, self.names, self._rows(), errors, strict=True):
                low, high = values - 2 * error, values + 2 * error
                axis.fill_between(self.times, low, high, alpha=0.25, linewidth=0, label="±2 standard errors")
                axis.plot(self.times, values, label="given the record so far")
                axis.set(xlabel="time $t$", ylabel=name)
            told = f"memory and lag: {self.memory:g} in time" if np.isfinite(self.memory) else None
            plotting.draw_legend(made, axes, told)
        return made

    def _rows(self) -> np.ndarray:
        """The parameters in the order of names, (P, K)."""
        leaves = jax.tree_util.tree_leaves(self.parameters)
        return np.concatenate([np.reshape(leaf, (len(self.times), -1)) for leaf in leaves], axis=1).T

    def __str__(self) -> str:
        values, errors = self._rows()[:, -1], np.sqrt(np.diagonal(self.covariance[-1]))
        width = max(len(name) for name in self.names)
        lines = [f"Tracked: {len(self.times)} times in [{self.times[0]:g}, {self.times[-1]:g}], at the last"]
        rows = zip(self.names, values, errors, strict=True)
        lines += [f"{name:<{width}}  {number(value, error)}" for name, value, error in rows]
        if np.isfinite(self.memory):
            lines.append(
                f"what drifts is followed with a lag of {self.memory:g} in time, the memory 1/(1 - forgetting)"
            )
        return "\n".join(lines)

    __repr__ = __str__


def track(
    predict: Prediction,
    record: Record,
    *,
    start: Parameters,
    uncertainty: Parameters,
    forgetting: float,
    bounds: Parameters | None = None,
    every: int | None = None,
) -> Tracked:
    r"""Parameters against time, by recursive maximum likelihood with exponential forgetting (Clausen et al. 2024).

    $$\theta_k = \arg\max_\theta \sum_{j\le k}\lambda^{k-j}\ln p_\theta(y_j\mid y_1\dots y_{j-1})$$

    to first order at every step: the filter is followed once, with the derivatives of its state, and the parameters
    move by the natural gradient. The memory is 1/(1−λ) bins, and so is the lag behind a parameter that drifts; with
    λ = 1 nothing is forgotten, and the end is as good as the maximum of the likelihood.

    Args:
        predict: a JAX function from parameters to (equation of `sq.models.monitored`, initial state), as of `sq.fit`,
            that does not depend on time.
        record: one or several that run at the same time, of bins of one width.
        start: pytree of numbers.
        uncertainty: standard errors of `start`, in its structure: how far the truth may be from it.
        forgetting: λ of one bin, above 0 and at most 1, such as 0.9999.
        bounds: as of `sq.fit`.
        every: bins after which the parameters are renewed, and instruments built anew; None takes a fiftieth of the
            memory, at most 64.

    Returns:
        The parameters at the end of every block, with their errors.

    Warns where bins are too wide for Kraus maps, which are halved inside at most twice, as those of fits.

    Raises:
        ValueError: for what `sq.fit` refuses, uncertainties that are not positive, bins of several widths, an equation
            that depends on time, and where the prediction stops to be finite on the way.

    >>> import numpy as np
    >>> import stochq as sq
    >>> def model(rate):
    ...     watched = sq.measurement.homodyne(np.array([[0.0, 0.0], [1.0, 0.0]]), efficiency=0.5)
    ...     return sq.models.monitored(0.5 * rate * np.array([[0.0, -1j], [1j, 0.0]]), {"x": watched}), [0.0, 1.0]
    >>> record = sq.inference.sample_records(*model(2.0), np.arange(2001) * 0.2, records=1, seed=1)
    >>> found = sq.inference.track(model, record, start=1.6, uncertainty=0.5, forgetting=1.0)
    >>> bool(abs(found.parameters[-1] - 2.0) < 4 * found.stderr[-1])
    True
    """
    check_numbers("Track with numbers, outside grad, vmap and jit.", start=start, uncertainty=uncertainty)
    start = checked_parameters(start, "start")
    interval = checked_interval(record)
    check_number("forgetting", forgetting)
    if not 0 < forgetting <= 1:
        raise ValueError(f"forgetting: expected a number above 0 and at most 1, of one bin; got {forgetting}.")
    spread = _checked_uncertainty(uncertainty, start)
    coordinates = read_bounds(bounds, start)
    remembered = _remembered(record, interval, forgetting)
    with jax.enable_x64(True):
        halvings = halvings_for(*_check_standing(predict, start), remembered)
    bins = len(record.times) - 1
    length = min(bins, _default(forgetting) if every is None else check_count("every", every, 1))
    increments, counts = _in_blocks(record, length)
    layout = Layout.of(record)._replace(times=(np.arange(length + 1) * interval).tobytes(), shape=increments.shape[1:])
    free = coordinates.free(flat(start))
    information = np.diag((coordinates.slopes(flat(start))[0] / spread) ** 2)
    with jax.enable_x64(True):
        program = recursion(predict, start, layout, coordinates, halvings)
        with tracing_predict():
            course = program.course(free, information, np.float64(forgetting), increments, counts)
        course = jax.device_get(course)
    memory = interval * _memory(forgetting)
    found = _tracked(course, coordinates, start, record.times[np.cumsum(counts)], float(memory))
    _warn_of_wide_bins(program, predict, jax.tree.map(lambda leaf: leaf[-1], found.parameters), remembered)
    return found


def _tracked(course: Course, coordinates: Any, start: Any, times: np.ndarray, memory: float) -> Tracked:
    vector = np.asarray(course.vector)
    bad = np.flatnonzero(~np.isfinite(vector).all(axis=1))
    if len(bad):
        if bad[0] > 1:
            _check_told(vector[: bad[0]], start)
        raise ValueError(
            f"record: expected what the model can write down; its likelihood is not finite before t = "
            f"{times[bad[0]]:.6g}. Give bounds, a start nearer to the truth, or a smaller uncertainty."
        )
    values = coordinates.bounded(vector)
    slopes = coordinates.slopes(values)[0]
    covariance = slopes[:, :, None] * np.asarray(course.covariance) * slopes[:, None, :]
    parameters = shaped(values, start)
    likelihood = float(course.log_likelihood[-1])
    return Tracked(times, parameters, covariance, parameter_names(start), likelihood, memory)


def _remembered(record: Record, interval: float, forgetting: float) -> Record:
    """So much of a record as the estimate has in its memory."""
    bins = int(min(len(record.times) - 1, np.ceil(_memory(forgetting))))
    return Record.of_run(
        np.arange(bins + 1) * interval, record.increments[:, :bins], record.names, record.kinds, record.fed_back
    )


def _warn_of_wide_bins(program: Recursion, predict: Callable[[Any], Any], parameters: Any, remembered: Record) -> None:
    if program.kind in ("exact", "commuting"):
        return
    with jax.enable_x64(True):
        equation, state = checked_prediction(predict(parameters))
        note = note_of_wide_bins(program.kind, program.halvings, equation, state, remembered)
    if note:
        bins = len(remembered.times) - 1
        warnings.warn(f"record: within a memory of {bins} bins, parameters are biased; {note}", stacklevel=users_line())


def _memory(forgetting: float) -> float:
    """In bins."""
    return np.inf if forgetting == 1 else 1 / (1 - forgetting)


def _check_told(vector: np.ndarray, start: Any) -> None:
    """ValueError for parameters that (K, P) never moved: the record says nothing of them, and what was known is
    forgotten."""
    names = parameter_names(start)
    untold = [name for name, still in zip(names, np.ptp(vector, axis=0) == 0, strict=True) if still]
    if untold:
        raise ValueError(
            "forgetting: expected a record that tells of every parameter within its memory; it tells nothing of "
            f"{', '.join(untold)}, and what was known at the start is forgotten. Leave it out of the parameters, or "
            "take forgetting=1."
        )


def _default(forgetting: float) -> int:
    """Bins of a block: a share of the memory."""
    return int(max(1, min(_MOST_BINS, _memory(forgetting) // _WITHIN_MEMORY)))


def _in_blocks(record: Record, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Increments (blocks, record, bin, column), the last filled up with zeros, and how many bins each block has."""
    records, bins, columns = record.increments.shape
    blocks = -(-bins // length)
    padded = np.pad(np.asarray(record.increments, np.float64), ((0, 0), (0, blocks * length - bins), (0, 0)))
    counts = np.minimum(length, bins - length * np.arange(blocks))
    return np.moveaxis(padded.reshape(records, blocks, length, columns), 1, 0), counts


def _checked_uncertainty(uncertainty: Any, start: Any) -> np.ndarray:
    """Standard errors (P,) in the order of the parameters."""
    try:
        given = jax.tree_util.tree_structure(start).flatten_up_to(uncertainty)
        leaves = jax.tree_util.tree_leaves(start)
        parts = [np.broadcast_to(np.asarray(one, float), leaf.shape) for one, leaf in zip(given, leaves, strict=True)]
        spread = np.concatenate([part.reshape(-1) for part in parts])
    except (ValueError, TypeError) as problem:
        raise ValueError(f"uncertainty: expected standard errors in the structure of start; {problem}") from None
    for name, one in zip(parameter_names(start), spread, strict=True):
        if not (np.isfinite(one) and one > 0):
            raise ValueError(f"uncertainty: expected a positive number for {name!r}; got {one:g}.")
    return spread


def _check_standing(predict: Callable[[Any], Any], start: Any) -> tuple[Equation, Any]:
    equation, state = checked_prediction(predict(start))
    if equation.time_dependent:
        raise ValueError(
            "predict: expected an equation that does not depend on time, whose parameters are tracked; this one does."
        )
    return equation, state

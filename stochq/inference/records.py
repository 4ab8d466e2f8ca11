"""The likelihood of records as a misfit: Fisher scoring from the score of each record."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number
from stochq.equation import Equation
from stochq.gaussian import Monitored
from stochq.gaussian.information import fisher_information
from stochq.inference.filtering import log_likelihood, traced_likelihood
from stochq.inference.innovations import innovations
from stochq.inference.middles import note_of_middles
from stochq.inference.minimize import Local
from stochq.inference.programs import Programs, tracing_predict
from stochq.inference.reading import halvings_for, note_of_wide_bins, quiet_reading, reading
from stochq.inference.result import flat, shaped
from stochq.inference.whiteness import chance_of_innovations, totals
from stochq.instruments.choose import Kind
from stochq.measurement import Record

# Scores are differenced over this part of a standard error for their second derivatives.
_STEP = 0.1
# Innovations are differenced over this part of one, in double precision.
_SHORT = 1e-4
# Fewer records than these to a parameter do not tell the information in one.
_FEWEST_PER_PARAMETER = 5
# Records to a parameter below which what their scatter says of errors is noted to be rough.
RECORDS_PER_PARAMETER = 20


class Layout(NamedTuple):
    """All of a record but its numbers: times as bytes, names, kinds, shape (record, interval, column), most clicks,
    whether it was fed back."""

    times: bytes
    names: tuple[str, ...]
    kinds: tuple[Any, ...]
    shape: tuple[int, ...]
    most_clicks: int
    fed_back: bool

    @staticmethod
    def of(record: Record) -> "Layout":
        counts = [np.max(record[name]) for name in record.names if record.kinds[record.names.index(name)] == "counting"]
        times = np.asarray(record.times, np.float64)
        most = int(max(counts, default=0))
        return Layout(times.tobytes(), record.names, record.kinds, record.increments.shape, most, record.fed_back)

    def record(self, increments: Any) -> Record:
        """A record of this layout."""
        return Record.of_run(np.frombuffer(self.times), increments, self.names, self.kinds, self.fed_back)


class Scores:
    """Log-likelihoods (R,) and their derivatives (R, P), compiled once for all records of a layout.

    kind: of the instrument. halvings: as of `Reading`.
    """

    def __init__(
        self,
        predict: Callable[[Any], Any],
        structure: Any,
        shapes: tuple[tuple[int, ...], ...],
        layout: Layout,
        halvings: int = 0,
    ) -> None:
        like = jax.tree_util.tree_unflatten(structure, [np.zeros(shape) for shape in shapes])

        def twice(vector: jax.Array, increments: jax.Array) -> tuple[Number, Number]:
            equation, state = _checked(predict(shaped(vector, like)))
            if isinstance(equation, Monitored):
                value = equation.log_likelihood(state, layout.record(increments), per_record=True)
                return value, value
            found = reading(equation, state, layout.record(increments), most_clicks=layout.most_clicks)
            self.kind = found.kind
            if found.kind == "mixed":
                found = found._replace(halvings=halvings)
            value = traced_likelihood(found)
            return value, value

        size = sum(int(np.prod(shape)) for shape in shapes)
        arguments = (jax.ShapeDtypeStruct(shape, np.float64) for shape in ((size,), layout.shape))
        self.kind: Kind = "exact"
        self.halvings = halvings
        with tracing_predict():
            lowered = jax.jit(jax.jacfwd(twice, has_aux=True)).lower(*arguments)
        self._compiled = lowered.compile()

    def __call__(self, vector: np.ndarray, increments: Array) -> tuple[np.ndarray, np.ndarray]:
        scores, values = jax.device_get(self._compiled(jnp.asarray(vector), increments))
        return values, scores


_kept = Programs(Scores)


def scores_of(predict: Callable[[Any], Any], like: Any, layout: Layout, halvings: int = 0) -> Scores:
    """Scores at parameters like these, from the programs kept where they are among them."""
    return _kept.of(predict, like, layout, halvings)


@Programs
def _linear_information(
    predict: Callable[[Any], Any], structure: Any, shapes: tuple[tuple[int, ...], ...], times: bytes
) -> Callable[[jax.Array], jax.Array]:
    """That in one record of a linear system, from θ (P,)."""
    like = jax.tree_util.tree_unflatten(structure, [np.zeros(shape) for shape in shapes])
    return fisher_information(lambda vector: predict(shaped(vector, like)), np.frombuffer(times))


def checked_prediction(predicted: Any) -> tuple[Equation, Any]:
    """The equation and the state of a prediction for records."""
    if not isinstance(predicted, tuple) or len(predicted) != 2 or not isinstance(predicted[0], Equation):
        raise ValueError(
            "predict: expected (equation, initial state) where data are a Record, the equation from "
            f"sq.models.monitored; got {type(predicted).__name__}."
        )
    return predicted


def _checked(predicted: Any) -> tuple[Any, Any]:
    """As `checked_prediction`, or a linear system in phase space with its state."""
    if isinstance(predicted, tuple) and len(predicted) == 2 and isinstance(predicted[0], Monitored):
        return predicted
    return checked_prediction(predicted)


class Records:
    """Minus the log-likelihood of records, with the scores of each."""

    hint = (
        "Rates must be positive, efficiencies below 1 where clicks need a loss, and bins short against the time in "
        "which the state becomes known."
    )

    def __init__(self, predict: Callable[[Any], Any], record: Record, start: Any) -> None:
        parameters = flat(start).size
        if len(record) < _FEWEST_PER_PARAMETER * parameters:
            raise ValueError(
                f"data: expected at least {_FEWEST_PER_PARAMETER * parameters} records for {parameters} parameters, "
                f"from whose scatter the errors follow; got {len(record)}. Cut long records into pieces."
            )
        equation, state = _checked(predict(jax.tree.map(jnp.asarray, start)))
        halvings = 0 if isinstance(equation, Monitored) else halvings_for(equation, state, record)
        self._scores = scores_of(predict, start, Layout.of(record), halvings)
        self._increments = jnp.asarray(np.asarray(record.increments, np.float64))
        self.predict, self.record, self.start = predict, record, start

    @property
    def points(self) -> int:
        return len(self.record)

    @property
    def samples(self) -> float:
        return np.inf

    @property
    def is_chi2(self) -> bool:
        return False

    @property
    def step_lengths(self) -> tuple[float, ...]:
        return ()

    def p_value(self, chi2: float, dof: int, theta: np.ndarray, covariance: np.ndarray) -> float:
        """By the innovations of the records; NaN where their law is not known."""
        total = self._whiteness(theta)
        if total is None:
            return np.nan
        scale = np.sqrt(np.diagonal(covariance))
        scale = np.where(scale > 0, scale, 1.0)
        sizes, axes = np.linalg.eigh(covariance / np.outer(scale, scale))
        steps = (scale[:, None] * axes * np.sqrt(np.maximum(sizes, 0.0))).T[sizes > 0]
        along = [self._slope(theta, step, total) for step in steps]
        return chance_of_innovations(total, np.reshape(along, (len(along), len(total))).T)

    def _whiteness(self, theta: np.ndarray) -> np.ndarray | None:
        """Features (features,) of the innovations at θ (P,), as of `totals`."""
        equation, state = _checked(self.predict(jax.tree.map(jnp.asarray, shaped(theta, self.start))))
        if isinstance(equation, Monitored):
            return totals(np.asarray(equation.filter(state, self.record).innovations))
        z = innovations(quiet_reading(equation, state, self.record, self._scores.halvings))
        return None if z is None else totals(z)

    def _slope(self, theta: np.ndarray, step: np.ndarray, total: np.ndarray) -> np.ndarray:
        """The derivative of these features along a step (P,), NaN where θ is at an end of all that is allowed, such as
        an efficiency of 1."""
        for short in (_SHORT, -_SHORT):
            try:
                after = self._whiteness(theta + short * step)
            except ValueError:
                continue
            if after is not None and np.all(np.isfinite(after)):
                return (after - total) / short
        return np.full_like(total, np.nan)

    def notes(self, parameters: Any) -> list[str]:
        equation, state = _checked(self.predict(parameters))
        if isinstance(equation, Monitored):
            return []
        notes = [note_of_middles(equation, self.record.times)]
        if self._scores.kind != "exact":
            notes.append(note_of_wide_bins(self._scores.kind, self._scores.halvings, equation, state, self.record))
        return [f"data: {note}" for note in notes if note]

    def local(self, theta: np.ndarray) -> Local:
        """The information is the sum of squares of the scores, and the residuals are all −1."""
        values, scores = self._scores(theta, self._increments)
        return Local.of_squares(-np.ones(len(values)), scores)._replace(loss=-float(values.sum()))

    def loss(self, parameters: Any) -> jax.Array:
        equation, state = _checked(self.predict(parameters))
        return -log_likelihood(equation, state, self.record, halvings=self._scores.halvings)

    def information(self, theta: np.ndarray) -> np.ndarray | None:
        """What few records of a linear system are expected to tell, in closed form."""
        few = len(self.record) < RECORDS_PER_PARAMETER * len(theta)
        if not few or not isinstance(_checked(self.predict(shaped(theta, self.start)))[0], Monitored):
            return None
        times = np.asarray(self.record.times, np.float64).tobytes()
        found = _linear_information.of(self.predict, self.start, times)(jnp.asarray(theta))
        return len(self.record) * np.asarray(found)

    def second_derivatives(self, theta: np.ndarray, covariance: np.ndarray, varied: np.ndarray) -> np.ndarray:
        """From differences of the scores along the covariance's axes."""
        root = np.linalg.cholesky(covariance[np.ix_(varied, varied)])
        columns = []
        for axis in root.T:
            step = np.zeros(len(theta))
            step[varied] = _STEP * axis
            ahead, behind = (self.local(theta + sign * step).gradient[varied] for sign in (1.0, -1.0))
            columns.append((ahead - behind) / (2 * _STEP))
        second = np.stack(columns, axis=1) @ np.linalg.inv(root)
        return 0.5 * (second + second.T)

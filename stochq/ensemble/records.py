"""Records beside a run: which increments are summed, over which intervals, and how they come to the host."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.channels.flow import LARGEST_MEAN_MAP
from stochq.ensemble.statistics import Statistic
from stochq.equation import Equation
from stochq.measurement import Line, Record
from stochq.measurement.record import COLUMNS, Kind
from stochq.schemes import Scheme

# The name of the statistic that holds them.
RECORDS = "records of detectors"
# Intervals whose length is a whole number of the record's, up to this relative distance, count as exactly that.
_SNAP = 1e-6
# So many numbers of a trajectory's record make a summary that fills a device call alone.
_MANY_NUMBERS = 64
_ROOT_TWO = math.sqrt(2.0)
# Of `RecordColumn`, by the kind of a record.
_PARTS: dict[Kind, tuple[str, ...]] = {"homodyne": ("Y",), "heterodyne": ("Y1", "Y2"), "counting": ("N",)}


class RecordColumn(NamedTuple):
    """One real column of a record: a sum over operators, each by its (channel, place in it).

    part: "Y", the increments themselves, or one of the two of complex ones, "Y1" = √2 Re Z and "Y2" = −√2 Im Z; "N",
    clicks.
    """

    sources: tuple[tuple[int, int], ...]
    part: str = "Y"


def counters(columns: tuple[RecordColumn, ...]) -> list[int]:
    """The places of the columns that count clicks."""
    return [place for place, column in enumerate(columns) if column.part == "N"]


def columns_of(line: Line, kind: Kind) -> list[RecordColumn]:
    """The columns of one record."""
    return [RecordColumn(line.sources, part) for part in _PARTS[kind]]


def sum_columns(columns: tuple[RecordColumn, ...], increments: tuple[jax.Array | None, ...]) -> jax.Array:
    """The increments of the columns, (column, block), from those of all channels, (K, block) each."""
    rows = []
    for sources, part in columns:
        parts = [_part(part, increments[channel], operator) for channel, operator in sources]
        rows.append(sum(parts[1:], parts[0]))
    return jnp.stack(rows)


def rate_of_clicks(equation: Equation, times: np.ndarray, of_loss: Callable[[np.ndarray], float]) -> float:
    """Of all channels that count, each where it is strongest between these times; of_loss: what is taken of a ΣL†L,
    (dim,) or (dim, dim)."""
    counted = [channel for channel in equation.channels if channel.law.counts]
    return sum(channel.strongest(times) * of_loss(np.asarray(channel.total_loss())) for channel in counted)


def _part(part: str, increments: jax.Array | None, operator: int) -> jax.Array:
    assert increments is not None
    one = increments[operator]
    if part in ("Y", "N"):
        return one
    scale = np.asarray(_ROOT_TWO, one.real.dtype)
    return one.real * scale if part == "Y1" else -one.imag * scale


@final
@dataclass(frozen=True)
class Recording:
    """What a run writes down.

    lines: of the equation, those that are asked for; kinds: of each. bins: (T-1,) intervals of the record in every
    interval of the saved times. scales, drifts: (column,), a detector writes scale·dY + drift·dt.
    means: {label: operator}, the Hermitian ones whose means the records have; a step has to serve them. fed_back:
    whether it drives the system.
    """

    lines: tuple[Line, ...]
    kinds: tuple[Kind, ...]
    bins: np.ndarray
    scales: np.ndarray
    drifts: np.ndarray
    means: Mapping[str, np.ndarray]
    fed_back: bool

    @property
    def columns(self) -> tuple[RecordColumn, ...]:
        lines = zip(self.lines, self.kinds, strict=True)
        return tuple(column for line, kind in lines for column in columns_of(line, kind))

    @property
    def counters(self) -> tuple[str, ...]:
        """The names of those that count clicks."""
        return tuple(line.name for line, kind in zip(self.lines, self.kinds, strict=True) if kind == "counting")

    def times(self, saved: np.ndarray) -> np.ndarray:
        """The ends of the record's intervals, the start included, from the saved times."""
        parts = [
            np.linspace(start, stop, count, endpoint=False)
            for start, stop, count in zip(saved[:-1], saved[1:], self.bins, strict=True)
        ]
        return np.append(np.concatenate(parts), saved[-1])

    def statistic(self, saved: np.ndarray) -> "Records":
        """What merges them."""
        names = tuple(line.name for line in self.lines)
        return Records(names, self.kinds, self.times(saved), self.scales, self.drifts, self.fed_back)


@final
class Records(Statistic):
    """The records of all trajectories, in their order; those of trajectories that failed are NaN.

    names, kinds: of the detectors; times: (intervals + 1,); scales, drifts: (column,).
    """

    names: tuple[str, ...] = eqx.field(static=True)
    kinds: tuple[Kind, ...] = eqx.field(static=True)
    times: Any
    scales: Any
    drifts: Any
    fed_back: bool = eqx.field(static=True)
    needs: ClassVar[str] = "records"

    @property
    def large(self) -> bool:
        return (len(self.times) - 1) * len(self.scales) > _MANY_NUMBERS

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.where((weights > 0)[None, None], data, jnp.nan)

    def on_host(self, summary: Any) -> list[np.ndarray]:
        return [np.moveaxis(np.asarray(summary), -1, 0)]

    def merge(self, total: list[np.ndarray], summary: list[np.ndarray]) -> list[np.ndarray]:
        return total + summary

    def finish(self, total: list[np.ndarray]) -> np.ndarray:
        """What the detectors wrote down, (trajectory, interval, column)."""
        widths = np.diff(np.asarray(self.times, float))[:, None]
        increments = np.concatenate(total)
        if np.any(self.scales != 1):
            increments *= self.scales.astype(increments.dtype)
        if np.any(self.drifts != 0):
            increments += (self.drifts * widths).astype(increments.dtype)
        return increments

    def record(self, increments: np.ndarray) -> Record:
        """As users see it."""
        return Record.of_run(np.asarray(self.times, float), increments, self.names, self.kinds, self.fed_back)


def recording_of(
    equation: Equation,
    scheme: Scheme,
    saved: np.ndarray,
    records: bool | Sequence[str],
    interval: float | None,
    asked: str = "records",
) -> Recording | None:
    """What is to be recorded, checked; None where nothing is.

    records: True for all of the equation's lines, or their names. interval: the length of the record's intervals; None
    takes those between saved times. asked: the argument that asks for them.
    """
    if records is False:
        if interval is not None:
            raise ValueError(f"interval: expected None without records; got {interval!r}. Pass records=True beside it.")
        return None
    lines = _chosen(equation, records, asked)
    kinds: tuple[Kind, ...] = tuple(equation.record_kind(line) for line in lines)
    for channel in {channel for line in lines for channel, _ in line.sources}:
        if problem := scheme.missing_record(equation.channels[channel]):
            raise ValueError(f"{asked}: expected a scheme that returns records: {problem}.")
    if scheme.feeds_back and equation.fed_back:
        raise ValueError(
            f"{asked}: expected False with feedback= on an equation from markovian_feedback: no filter knows both. Let "
            "one controller do both."
        )
    scales, drifts = [], []
    for line, kind in zip(lines, kinds, strict=True):
        written = _written(equation, line, kind)
        scales += [written[0]] * COLUMNS[kind]
        drifts += written[1]
    stepless = not equation.time_dependent and all(channel.law.counts for channel in equation.channels)
    means = _means(equation, lines) if equation.dim <= LARGEST_MEAN_MAP and (scheme.feeds_back or not stepless) else {}
    bins, fed_back = _bins(saved, interval), scheme.feeds_back or equation.fed_back
    return Recording(lines, kinds, bins, np.array(scales), np.array(drifts), means, fed_back)


def _chosen(equation: Equation, records: bool | Sequence[str], asked: str) -> tuple[Line, ...]:
    lines = equation.lines
    known = ", ".join(repr(line.name) for line in lines)
    if not lines:
        raise ValueError(f"{asked}: expected an equation that has records; {_why_none(equation)}.")
    if isinstance(records, bool):
        return lines
    if isinstance(records, str) or not isinstance(records, Sequence) or not records:
        raise ValueError(f"records: expected True, False or a list of names such as [{known}]; got {records!r}.")
    by_name = {line.name: line for line in lines}
    for name in records:
        if name not in by_name:
            raise ValueError(f"records: expected names among {known}; got {name!r}.")
        if list(records).count(name) > 1:
            raise ValueError(f"records: expected each name once; got {name!r} {list(records).count(name)} times.")
    return tuple(by_name[name] for name in records)


def _why_none(equation: Equation) -> str:
    """Why an equation has no records."""
    reasons = {reason for channel in equation.channels if (reason := channel.missing_record(channel.law))}
    return "; ".join(sorted(reasons)) if reasons else "nothing acts in it that a detector could watch"


def _written(equation: Equation, line: Line, kind: Kind) -> tuple[float, list[float]]:
    """The factor of a line's increments, and what is added to each of its columns per time."""
    if line.detector < 0:
        return 1.0, [0.0] * COLUMNS[kind]
    detector = equation.detectors[line.detector]
    drift = float(detector.drift)
    return float(detector.scale), [_ROOT_TWO * drift, 0.0] if kind == "heterodyne" else [drift]


def _means(equation: Equation, lines: tuple[Line, ...]) -> dict[str, np.ndarray]:
    """c + c† of every operator c whose current is recorded, Σc†c where clicks are counted, in the given basis."""
    found: dict[str, np.ndarray] = {}
    for line in lines:
        for place, operator in line.sources:
            channel = equation.channels[place]
            if channel.time_dependent:
                continue
            one = np.asarray(equation.in_given_basis(channel, np.asarray(channel.operators()[operator])))
            if channel.law.counts:
                label = f"clicks of {line.name}"
                found[label] = found.get(label, 0) + np.conj(one).T @ one
                continue
            for factor in channel.law.variants:
                found[f"record {line.name}, {place}, {operator}, {factor}"] = factor * one + np.conj(factor * one).T
    return found


def _bins(saved: np.ndarray, interval: float | None) -> np.ndarray:
    """How many intervals of a record lie in each saved one, (T-1,)."""
    widths = np.diff(saved)
    if interval is None:
        return np.ones(len(widths), np.int64)
    if isinstance(interval, bool) or not isinstance(interval, (int, float, np.number)) or not 0 < interval < np.inf:
        raise ValueError(f"interval: expected a positive length of time; got {interval!r}.")
    ratios = widths / interval
    whole = np.maximum(np.round(ratios), 1)
    wrong = np.abs(ratios - whole) > _SNAP * whole
    if np.any(wrong):
        place = int(np.argmax(wrong))
        raise ValueError(
            f"interval: expected a length that divides every interval of times, so that records begin and end where "
            f"states are saved; {float(interval):g} does not divide that from {saved[place]:g} to {saved[place + 1]:g}."
        )
    return whole.astype(np.int64)

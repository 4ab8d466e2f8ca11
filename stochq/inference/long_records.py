"""Two-time correlations of long records, which are fitted without filtering."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stochq.callers import users_line
from stochq.exact.binned import Pairs, checked_lags, checked_pairs
from stochq.inference.result import number
from stochq.measurement import Record
from stochq.measurement.record import COLUMNS
from stochq.systems.checks import check_count

# Blocks are this many times as long as the largest lag, so that neighbours are as good as independent, and there are no
# more of them than tell the covariance of some two hundred points.
_LAGS_IN_BLOCK, _MOST_BLOCKS, _LEAST_BLOCKS = 20, 4096, 20
# Samples that are multiplied at once stay in a core's cache.
_AT_ONCE = 32768
# Standard errors by which neighbouring blocks are correlated if they are not independent.
_CORRELATED = 6.0
# Differences of widths by the rounding of whoever wrote the times, relative to the widths.
_SAME = 1e-6


@dataclass(frozen=True, repr=False)
class Correlations:
    """Means and two-time correlations of a stationary record, data for `sq.fit`. Prints as a table.

    Attributes:
        lags: (L,) whole numbers of bins.
        interval: the width of a bin.
        mean: {"x": mean current, "x*y": (L,)}, as of `sq.exact.correlations`.
        covariance: (P, P) of all numbers in `mean`, one after the other, from the scatter of blocks.
        blocks: how many.
    """

    lags: np.ndarray
    interval: float
    mean: dict[str, np.ndarray]
    covariance: np.ndarray = field(repr=False)
    blocks: int

    @property
    def stderr(self) -> dict[str, np.ndarray]:
        """Standard errors, as `mean`."""
        errors, found = np.sqrt(np.diagonal(self.covariance)), {}
        for name, places in self.places.items():
            found[name] = errors[places].reshape(self.mean[name].shape)
        return found

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Where the numbers of each name stand in the covariance."""
        ends = np.cumsum([np.size(value) for value in self.mean.values()])
        return {name: np.arange(end - np.size(self.mean[name]), end) for name, end in zip(self.mean, ends, strict=True)}

    def __str__(self) -> str:
        errors = self.stderr
        lines = [
            f"Correlations at {len(self.lags)} lags in bins of {self.interval:g}, errors from {self.blocks} blocks"
        ]
        for name, value in self.mean.items():
            if np.ndim(value) == 0:
                lines.append(f"{name}  {number(float(value), float(errors[name]))}")
        pairs = [name for name, value in self.mean.items() if np.ndim(value)]
        rows = [["lag", *pairs]]
        for place, lag in enumerate(self.lags):
            told = [number(self.mean[name][place], errors[name][place]) for name in pairs]
            rows.append([f"{lag * self.interval:g}", *told])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["  ".join(one.ljust(width) for one, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(lines)

    __repr__ = __str__


def correlations(
    record: Record,
    lags: Iterable[int],
    *,
    pairs: Iterable[tuple[str, str]] | None = None,
    blocks: int | None = None,
) -> Correlations:
    r"""Means and two-time correlations of a stationary record, with errors that hold though samples are correlated.

    $$C_{12}(n) = \overline{I_1(t)\,I_2(t+nh)}$$

    of mean currents, or counts, averaged over all bins and records. The covariance is from the scatter of means over
    blocks (batch means), each many times as long as the largest lag. Fits of them need no filter, and take a second
    where the likelihood takes hours; they use what the chosen lags tell, and no more.

    Args:
        record: of bins of one width, in which the system is stationary throughout: leave out how it came there.
        lags: n (L,), whole numbers of bins, increasing; 0 has the shot noise in it.
        pairs: names of columns, the earlier one first; "name:1" and "name:2" for those of heterodyne detection. None
            takes each with itself.
        blocks: into how many the records are cut in all; None takes at most 4096, each at least 20 times as long as
            the largest lag, or a whole record. Give fewer where the system's memory is longer than that.

    Returns:
        What `sq.fit` takes as data for a predict that returns `sq.exact.correlations` of the same lags and interval.

    Raises:
        ValueError: for bins of several widths, records too short, unknown names, numbers that are not finite, and
            records that a controller fed back.

    Warns of blocks that are not independent, as where the record drifts.

    >>> import numpy as np
    >>> import stochq as sq
    >>> noise = np.random.default_rng(1).normal(size=100_000) * np.sqrt(0.1)
    >>> found = correlations(sq.inference.Record(np.linspace(0, 1e4, 100_001), noise, ["x"]), [0, 1, 2])
    >>> bool(np.all(np.abs(found.mean["x*x"] - [10, 0, 0]) < 4 * found.stderr["x*x"]))
    True
    """
    interval = checked_interval(record)
    if record.fed_back:
        raise ValueError(
            "record: expected one that nobody fed back, as its correlations do not tell to which equation they belong. "
            "Of one from sq.models.markovian_feedback take sq.inference.Record(record.times, record.increments, names)."
        )
    checked = checked_lags(lags)
    chosen = checked_pairs(record.columns, pairs)
    cut = _cut(record, int(checked[-1]), blocks)
    values = _block_means(record, interval, checked, chosen, cut)
    stacked = np.concatenate(list(values.values()))
    _warn_of_memory(stacked.reshape(len(stacked), len(record), cut.blocks))
    mean = {name: blocks.mean(axis=-1) for name, blocks in values.items()}
    mean |= {name: mean[name][0] for name in record.columns if name in mean}
    covariance = np.atleast_2d(np.cov(stacked)) / stacked.shape[1]
    return Correlations(checked, interval, mean, covariance, stacked.shape[1])


class _Cut(NamedTuple):
    """Into how many blocks each record is cut, and how many bins each has; the largest lag reaches beyond the last."""

    blocks: int
    length: int


def _cut(record: Record, largest: int, blocks: int | None) -> _Cut:
    records, usable = len(record), len(record.times) - 1 - largest
    if blocks is None:
        most = max(1, _MOST_BLOCKS // records)
        each = min(most, max(1, usable // (_LAGS_IN_BLOCK * max(largest, 1))))
    else:
        each = check_count("blocks", blocks, 1) // records
    length = usable // max(each, 1)
    if length < 1 or each < 1 or records * each < _LEAST_BLOCKS:
        raise ValueError(
            f"record: expected at least {_LEAST_BLOCKS} blocks, each {_LAGS_IN_BLOCK} times the largest lag, "
            f"{largest} bins, or records as many; got {max(each, 0) * records} of {records} records with "
            f"{len(record.times) - 1} bins. Take shorter lags, or more data."
        )
    return _Cut(each, length)


def _block_means(record: Record, interval: float, lags: np.ndarray, pairs: Pairs, cut: _Cut) -> dict[str, np.ndarray]:
    """Means over each block, (1, N) of the columns and (L, N) of the pairs."""
    used = dict.fromkeys(name for pair in pairs for name in pair)
    series = {name: _series(record, name, interval) for name in used}
    inside = cut.blocks * cut.length
    found = {name: series[name][:, :inside].reshape(1, -1, cut.length).mean(axis=-1) for name in used}
    for first, second in pairs:
        found[f"{first}*{second}"] = _products(series[first], series[second], lags, cut)
    return found


def _series(record: Record, column: str, interval: float) -> np.ndarray:
    """Mean currents (record, T) of a real column; counts of one that counts."""
    place = record.columns.index(column)
    kinds = [kind for kind in record.kinds for _ in range(COLUMNS[kind])]
    values = np.ascontiguousarray(record.increments[..., place], float)
    return values if kinds[place] == "counting" else values / interval


def _products(first: np.ndarray, second: np.ndarray, lags: np.ndarray, cut: _Cut) -> np.ndarray:
    """Means over blocks of I₁(t)I₂(t + nh), (L, record · block)."""
    found = np.empty((len(lags), len(first), cut.blocks))
    together = max(1, _AT_ONCE // cut.length)
    for row in range(0, len(first), together):
        rows = slice(row, row + together)
        for block in range(cut.blocks):
            begin = block * cut.length
            earlier = first[rows, begin : begin + cut.length]
            for place, lag in enumerate(lags):
                later = second[rows, begin + lag : begin + lag + cut.length]
                found[place, rows, block] = np.einsum("rt,rt->r", earlier, later)
    return found.reshape(len(lags), -1) / cut.length


def checked_interval(record: Record) -> float:
    """The width of a record's bins; ValueError for several, and for numbers that are not finite."""
    if not isinstance(record, Record):
        raise ValueError(
            f"record: expected a sq.inference.Record(times, increments, names); got {type(record).__name__}."
        )
    widths = np.diff(record.times)
    rounding = 4 * np.spacing(np.max(np.abs(record.times)))
    if np.ptp(widths) > _SAME * np.mean(widths) + rounding:
        raise ValueError(
            f"record: expected bins of one width, of which lags are whole numbers; got widths from {widths.min():.6g} "
            f"to {widths.max():.6g}. sq.inference.log_likelihood takes any."
        )
    bad = np.argwhere(~np.isfinite(record.increments))
    if len(bad):
        raise ValueError(
            f"record: expected finite numbers; got {record.increments[tuple(bad[0])]} in record {bad[0][0]}, interval "
            f"{bad[0][1]}. Cut the record there, or leave it out."
        )
    return float(record.times[-1] - record.times[0]) / len(widths)


def _warn_of_memory(values: np.ndarray) -> None:
    """Warn where blocks (P, record, block) are correlated with the next ones of the same record."""
    if values.shape[-1] < 2:
        return
    off = values - values.mean(axis=(1, 2), keepdims=True)
    variances = np.mean(off**2, axis=(1, 2))
    # What never changes, such as the counts of a dead detector, is correlated with nothing.
    shares = np.mean(off[..., 1:] * off[..., :-1], axis=(1, 2)) / np.where(variances > 0, variances, np.inf)
    count = values.shape[1] * (values.shape[2] - 1)
    if np.max(shares) * np.sqrt(count) > _CORRELATED:
        warnings.warn(
            f"record: expected blocks that are independent; neighbours are correlated by {shares.max():.2g}, "
            "and errors are too small. The record drifts, or remembers longer than the lags: give fewer `blocks`.",
            stacklevel=users_line(),
        )

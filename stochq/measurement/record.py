"""What detectors wrote down."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from stochq.arrays import ArrayLike, Times, as_complex
from stochq.systems.checks import check_times

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

Kind = Literal["homodyne", "heterodyne", "counting"]
# Real columns of each kind of record.
COLUMNS: dict[Kind, int] = {"homodyne": 1, "heterodyne": 2, "counting": 1}
_HALF = np.sqrt(0.5)
# Of more detectors than these a record does not tell all names.
_MOST_TOLD = 8


def column_names(name: str, kind: Kind) -> tuple[str, ...]:
    """The name of each real column of a record: "name:1" and "name:2" for the two of heterodyne detection."""
    return (name,) if COLUMNS[kind] == 1 else (f"{name}:1", f"{name}:2")


@final
class Record:
    r"""What the detectors of an experiment, real or simulated, wrote down: increments ∫dY over intervals of time.

    `record[name]` is the mean current over each interval, dY divided by its length: real for homodyne detection and in
    units of the noise, whose spread is 1/√length; complex for heterodyne, $Z = (Y_1 - iY_2)/\sqrt2$; for counting it is
    the number of clicks in each interval.

    Args:
        times: (T,) ends of the intervals, the start included.
        increments: (record, T-1, column) real, of ∫dY over the intervals as they were sampled, of any width;
            (record, T-1) or (T-1,) where there is one column.
        names: of the detectors, in the order of the columns; None numbers them.
        kinds: "homodyne", "heterodyne" (two columns, Y₁ and Y₂) or "counting" for each name; None takes homodyne.

    `fed_back` says whether it drove the system, as in `sq.simulate(..., feedback=)` and `sq.models.markovian_feedback`.

    Raises:
        ValueError: for times that do not increase, shapes that do not match, numbers that are not finite,
            and numbers of clicks that are negative or not whole.

    >>> Record([0.0, 0.5, 1.0], [0.1, -0.2], ["x"])["x"]
    array([[ 0.2, -0.4]])
    """

    fed_back: bool = False

    def __init__(
        self,
        times: Times,
        increments: ArrayLike,
        names: Sequence[str] | None = None,
        kinds: Sequence[Kind] | None = None,
    ) -> None:
        self.times = check_times(times)
        self.increments = _increments(increments, len(self.times) - 1)
        self.names, self.kinds = _names(names, kinds, self.increments.shape[-1])
        _check_counts(self)

    @classmethod
    def from_current(
        cls,
        times: Times,
        current: ArrayLike | Mapping[str, ArrayLike],
        kinds: Sequence[Kind] | None = None,
    ) -> "Record":
        """A record from mean currents over the intervals, as most instruments give them.

        Args:
            times: (T,) ends of the intervals, the start included.
            current: {name: (record, T-1) or (T-1,)}, complex for heterodyne, counts for counting; an array for one
                detector without a name.
            kinds: of each name; None takes "heterodyne" for complex currents and "homodyne" for real ones.

        >>> Record.from_current([0.0, 0.5, 1.0], {"x": [0.2, -0.4]}).increments[..., 0]
        array([[ 0.1, -0.2]])
        """
        times = check_times(times)
        currents = current if isinstance(current, Mapping) else {"0": current}
        arrays = [np.atleast_2d(np.asarray(one)) for one in currents.values()]
        if kinds is None:
            kinds = ["heterodyne" if np.iscomplexobj(one) else "homodyne" for one in arrays]
        widths = np.diff(times)
        columns = []
        for name, array, kind in zip(currents, arrays, kinds, strict=True):
            if array.shape[-1] != len(widths):
                raise ValueError(
                    f"current[{name!r}]: expected {len(widths)} intervals, one between neighbouring times; got "
                    f"{array.shape[-1]}."
                )
            columns += _columns(name, array, kind, widths)
        return cls(times, np.stack(columns, axis=-1), list(currents), kinds)

    @classmethod
    def of_run(
        cls,
        times: np.ndarray,
        increments: np.ndarray,
        names: tuple[str, ...],
        kinds: tuple[Kind, ...],
        fed_back: bool = False,
    ) -> "Record":
        """As the constructor, but rows of trajectories that failed may be NaN."""
        record = cls.__new__(cls)
        record.times, record.increments, record.names, record.kinds = times, increments, names, kinds
        record.fed_back = fed_back
        return record

    @property
    def columns(self) -> tuple[str, ...]:
        """The name of each real column, "name:1" and "name:2" for the two of heterodyne detection."""
        pairs = zip(self.names, self.kinds, strict=True)
        return tuple(column for name, kind in pairs for column in column_names(name, kind))

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.increments)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Any:
        return iter(self.names)

    def __getitem__(self, name: str) -> np.ndarray:
        """The mean current (record, interval) of a detector; counts for counting."""
        if name not in self.names:
            raise KeyError(f"{name!r}: expected one of {', '.join(map(repr, self.names))}.")
        place = self.names.index(name)
        kind, first = self.kinds[place], sum(COLUMNS[kind] for kind in self.kinds[:place])
        one = self.increments[..., first]
        if kind == "counting":
            return one
        if kind == "heterodyne":
            one = _HALF * (one - 1j * self.increments[..., first + 1])
        return one / np.diff(self.times)

    def to_xarray(self) -> "xarray.Dataset":
        """The record as a dataset; `.to_netcdf(path, engine="h5netcdf")` writes a file that `stochq fit` takes.

        >>> dict(Record([0.0, 0.5, 1.0], [0.1, -0.2], ["x"]).to_xarray().sizes)
        {'record': 1, 'record_interval': 2, 'record_column': 1, 'record_time': 3}
        """
        from stochq.io import record_to_dataset

        return record_to_dataset(self)

    def plot(self, trajectory: int = 0, names: Sequence[str] | None = None) -> "Figure":
        """A figure of one record: the current of each detector with a moving mean, or its counts.

        Args:
            trajectory: which of the records.
            names: of the detectors that are drawn; None takes the first eight, and one panel for all counters
                where there are more of them.

        Raises:
            ValueError: for a trajectory that has no record and a name of no detector.
        """
        from stochq.plotting import plot_record

        return plot_record(self, trajectory, names)

    def __repr__(self) -> str:
        each = [f"{name} ({kind})" for name, kind in zip(self.names, self.kinds, strict=True)]
        if len(each) > _MOST_TOLD:
            each = [*each[:3], "…", f"{each[-1]}, {len(each)} detectors"]
        watched = ", ".join(each)
        span = f"{self.times[0]:g} to {self.times[-1]:g}"
        told = ", fed back" if self.fed_back else ""
        return f"Record of {watched}{told}: {len(self)} times {len(self.times) - 1} intervals from {span}"


def _increments(values: ArrayLike, intervals: int) -> np.ndarray:
    array = np.asarray(as_complex(values, "increments"))
    if np.iscomplexobj(values):
        raise ValueError(
            "increments: expected real columns, two for a heterodyne record, sqrt(2) Re Z and -sqrt(2) Im Z; got "
            "complex ones. Record.from_current takes complex currents."
        )
    array = array.real
    if array.ndim == 1:
        array = array[None, :, None]
    elif array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[1] != intervals or not array.size:
        raise ValueError(
            f"increments: expected shape (record, {intervals}, column), an interval between neighbouring times; got "
            f"{np.shape(values)}."
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        record, interval, column = bad[0]
        raise ValueError(
            f"increments: expected finite numbers; got {array[tuple(bad[0])]} in record {record}, interval {interval}, "
            f"column {column}, {len(bad)} such in all. Cut the record there, or leave it out."
        )
    return array


def _names(
    names: Sequence[str] | None, kinds: Sequence[Kind] | None, columns: int
) -> tuple[tuple[str, ...], tuple[Kind, ...]]:
    for name, value in (("names", names), ("kinds", kinds)):
        if value is not None and not _is_list_of_texts(value):
            raise ValueError(f"{name}: expected a list of texts, one for each detector; got {value!r}.")
    count = columns if names is None else len(names)
    kinds = ["homodyne" for _ in range(count)] if kinds is None else kinds
    for kind in kinds:
        if kind not in COLUMNS:
            raise ValueError(f"kinds: expected each to be one of {', '.join(COLUMNS)}; got {kind!r}.")
    names = [str(place) for place in range(len(kinds))] if names is None else list(names)
    if len(set(names)) < len(names):
        raise ValueError(f"names: expected each detector to have a name of its own; got {', '.join(names)}.")
    wanted = sum(COLUMNS[kind] for kind in kinds)
    if len(names) != len(kinds) or wanted != columns:
        raise ValueError(
            f"increments: expected {wanted} columns for the detectors {', '.join(names)}, two for each heterodyne one; "
            f"got {columns}."
        )
    return tuple(names), tuple(kinds)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)


def _check_counts(record: Record) -> None:
    for name, kind in zip(record.names, record.kinds, strict=True):
        counts = record[name]
        bad = np.argwhere((counts < 0) | (counts % 1 != 0)) if kind == "counting" else []
        if len(bad):
            row, interval = bad[0]
            raise ValueError(
                f"increments: expected whole numbers of clicks of {name!r}, zero or more; got "
                f"{counts[row, interval]:g} in record {row}, interval {interval}, {len(bad)} such in all."
            )


def _columns(name: str, current: np.ndarray, kind: Kind, widths: np.ndarray) -> list[np.ndarray]:
    """The real columns of increments of a current."""
    if np.iscomplexobj(current) != (kind == "heterodyne"):
        expected, got = ("real", "complex") if np.iscomplexobj(current) else ("complex", "real")
        raise ValueError(
            f"current[{name!r}]: expected a {expected} array for {kind}; got a {got} one. A heterodyne current is "
            "Z = (Y1 - 1j * Y2) / sqrt(2), of two real ones; the others are real."
        )
    if kind == "counting":
        return [current]
    increments = current * widths
    if kind == "heterodyne":
        return [increments.real / _HALF, -increments.imag / _HALF]
    return [increments]

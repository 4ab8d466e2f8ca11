"""How a record is read: the equation beside it, the state it begins with, and the instrument for both."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.accelerators import on_accelerator
from stochq.arrays import Array, is_concrete
from stochq.callers import users_line
from stochq.ensemble.devices import records_per_call
from stochq.ensemble.runner import in_threads, workers
from stochq.inference.middles import note_of_middles
from stochq.inference.observed import as_monitored, initial_state, observe
from stochq.instruments.choose import Kind, Method, build, can_be_halved, checked_halvings, choose
from stochq.instruments.instrument import Instrument, Observed, Written
from stochq.instruments.widths import error_of_width

# Errors of the log-likelihood of a record from the width of its bins that are worth a warning.
_LARGEST_ERROR = 0.1
# A fit halves bins so often at most, for 16 times the work.
_HALVINGS_OF_FITS = 2
# Records that one call of the device follows, and so many that others do not go to another core.
_RECORDS, _FEWEST = 256, 32


class Reading(NamedTuple):
    """What `build` needs for an instrument, and the state (dim,) or (dim, dim) at the start.

    halvings: how often the bins are halved inside.
    """

    kind: Kind
    initial: Array
    observed: Observed
    halvings: int = 0

    @property
    def instrument(self) -> Instrument:
        """The instrument of the bins."""
        return build(self.kind, self.observed, self.halvings)

    def in_blocks(self, follow: Callable[..., Any], *arguments: Any, kept: int = 0, most: int = _RECORDS) -> Any:
        """What follow(instrument, state, *arguments, written) returns of all records, the log-likelihood (R,) first.

        At most so many records at a time on each core, and on an accelerator as many as fit; arrays have the records in
        front. kept: numbers of a record after each bin.
        """
        written = self.observed.written
        bins, _, records = written.current.shape
        size = records_per_call(self.observed.parts.hamiltonian.shape[-1] ** 2 + bins * kept, most, records)
        if not on_accelerator():
            size = min(size, max(_FEWEST, -(-records // workers())))
        with jax.enable_x64(True):
            own = partial(follow, self.instrument, self.initial, *arguments)
            total, *others = _in_blocks(own, written, size)
        return total + np.asarray(self.observed.correction), *others


def reading(
    equation: Any,
    state: Any,
    record: Any,
    method: Method = "auto",
    *,
    rank: int | None = None,
    linear: bool = False,
    most_clicks: int | None = None,
    halvings: int = 0,
) -> Reading:
    """Everything checked, in double precision; with a warning where bins are too wide for the instrument.

    rank, linear: as of `choose`. most_clicks: as of `observe`. halvings: as of `filter`.
    """
    equation = as_monitored(equation)
    with jax.enable_x64(True):
        initial = initial_state(state, equation.dim)
        observed = observe(equation, record, most_clicks)
        kind = choose(observed, initial, method, rank=rank, linear=linear)
        found = Reading(kind, initial, observed, checked_halvings(halvings, kind, observed))
        # A fit tells of the bins at the parameters that it finds.
        numbers = is_concrete((observed, initial, equation))
        problems = [wide_bins(found), note_of_middles(equation, record.times)] if numbers else []
    for problem in filter(None, problems):
        warnings.warn(f"record: {problem}", stacklevel=users_line())
    return found


def note_of_wide_bins(kind: Kind, halvings: int, equation: Any, state: Any, record: Any) -> str:
    """What `wide_bins` says of an instrument built where JAX traced, with numbers in place of what it traced."""
    equation = as_monitored(equation)
    initial = initial_state(state, equation.dim)
    return wide_bins(Reading(kind, initial, observe(equation, record), halvings))


def quiet_reading(equation: Any, state: Any, record: Any, halvings: int = 0) -> Reading:
    """As `reading` in double precision, without its warnings; halvings: of bins where Kraus maps serve mixed states."""
    equation = as_monitored(equation)
    initial = initial_state(state, equation.dim)
    observed = observe(equation, record)
    kind = choose(observed, initial, "auto")
    return Reading(kind, initial, observed, halvings if kind == "mixed" else 0)


def halvings_for(equation: Any, state: Any, record: Any) -> int:
    """How often a fit halves bins so that the log-likelihood of a record is off by less than a tenth, or twice.

    Only where maps are Kraus maps of mixed states and can be halved: other states would become mixed, and far slower.
    """
    found = quiet_reading(equation, state, record)
    if found.kind != "mixed" or not can_be_halved(found.observed):
        return 0
    error = _error(found)
    return next(
        (halvings for halvings in range(_HALVINGS_OF_FITS) if error / 4**halvings <= _LARGEST_ERROR), _HALVINGS_OF_FITS
    )


def _error(found: Reading) -> float:
    """By how much the width of the bins may make the log-likelihood of a record wrong: of second order in it."""
    observed = found.observed
    lengths, which = np.asarray(observed.lengths), np.asarray(observed.written.which)
    return error_of_width(observed.parts, lengths, which, found.initial) / 4**found.halvings


def wide_bins(found: Reading) -> str:
    """What to say of bins whose width costs more than a tenth of the log-likelihood of a record; empty for others."""
    if found.kind in ("exact", "commuting"):
        return ""
    error = _error(found)
    if not error > _LARGEST_ERROR:
        return ""
    return (
        "expected bins short enough for Kraus maps of second order, in which the Hamiltonian and what is written down "
        f"follow one after the other; over one record the log-likelihood may be off by {error:.2g}, which falls with "
        "the square of the bins' width. Take shorter bins, or method='exact' where it fits, or halve the bins inside "
        "(halvings=1, or 2), which makes the error four times smaller each time."
    )


def _in_blocks(follow: Callable[[Written], Any], written: Written, size: int) -> Any:
    """What `follow` returns of all records, so many at a time; its arrays have the records in front."""
    records = written.current.shape[-1]

    def call(first: int) -> Any:
        current, clicks = (
            _padded(np.asarray(array[..., first : first + size]), size) for array in (written.current, written.clicks)
        )
        with jax.enable_x64(True):
            return jax.device_get(follow(Written(current, clicks, written.which)))

    found = in_threads(call, range(0, records, size))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:records], *found)


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    """Zeros in place of the records that fill the last block."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, size - array.shape[-1])])

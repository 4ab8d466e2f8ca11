"""How a record is read: the equation beside it, the state it begins with, and the instrument for both."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from stochq.arrays import Array, is_concrete
from stochq.inference.observed import as_monitored, initial_state, observe
from stochq.instruments.choose import Kind, Method, choose
from stochq.instruments.instrument import Observed
from stochq.instruments.widths import error_of_width

# Errors of the log-likelihood of a record from the width of its bins that are worth a warning.
_LARGEST_ERROR = 0.1


class Reading(NamedTuple):
    """What `build` needs for an instrument, and the state (dim,) or (dim, dim) at the start."""

    kind: Kind
    initial: Array
    observed: Observed


def reading(
    equation: Any,
    state: Any,
    record: Any,
    method: Method = "auto",
    *,
    rank: int | None = None,
    linear: bool = False,
    most_clicks: int | None = None,
) -> Reading:
    """Everything checked, in double precision; with a warning where bins are too wide for the instrument.

    rank, linear: as of `choose`. most_clicks: as of `observe`.
    """
    equation = as_monitored(equation)
    initial = initial_state(state, equation.dim)
    observed = observe(equation, record, most_clicks)
    found = Reading(choose(observed, initial, method, rank=rank, linear=linear), initial, observed)
    # A fit tells of the bins at the parameters that it finds.
    if is_concrete((observed, initial)) and (problem := wide_bins(found)):
        warnings.warn(f"record: {problem}", stacklevel=3)
    return found


def note_of_wide_bins(kind: Kind, equation: Any, state: Any, record: Any) -> str:
    """What `wide_bins` says of an instrument built where JAX traced, with numbers in place of what it traced."""
    equation = as_monitored(equation)
    initial = initial_state(state, equation.dim)
    return wide_bins(Reading(kind, initial, observe(equation, record)))


def wide_bins(found: Reading) -> str:
    """What to say of bins whose width costs more than a tenth of the log-likelihood of a record; empty for others."""
    if found.kind in ("exact", "commuting"):
        return ""
    observed = found.observed
    error = error_of_width(
        observed.parts, np.asarray(observed.lengths), np.asarray(observed.written.which), found.initial
    )
    if not error > _LARGEST_ERROR:
        return ""
    return (
        "expected bins short enough for Kraus maps of second order, in which the Hamiltonian and what is written down "
        f"follow one after the other; over one record the log-likelihood may be off by {error:.2g}, which falls with "
        "the square of the bins' width. Take shorter bins, or method='exact' where it fits."
    )

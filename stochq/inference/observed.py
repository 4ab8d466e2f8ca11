"""An equation and a record of it, brought together: which operators wrote which column."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, is_concrete
from stochq.equation import Equation
from stochq.equation_input import as_equation
from stochq.exact.inputs import intervals
from stochq.instruments.instrument import Observed, Written
from stochq.measurement import Record
from stochq.measurement.line import WatchedParts
from stochq.measurement.record import COLUMNS, Kind
from stochq.measurement.spread import warn_of_currents
from stochq.operators import as_array
from stochq.systems.states import check_density, check_state, numbers

# A state whose second eigenvalue is below this is a ket.
_PURE = 1e-12


class Slot(NamedTuple):
    """One record that an equation can have: its name, kind, the first of its operators among those of its kind
    (currents or counters), and its detector, None where the equation has none."""

    name: str
    kind: Kind
    place: int
    detector: Any


def slots(equation: Equation) -> list[Slot]:
    """The records that an equation can have, in the order of its watched operators.

    Raises:
        ValueError: where it has none, with the reason.
    """
    found: list[Slot] = []
    places = {True: 0, False: 0}
    for line in equation.lines:
        detector = equation.detectors[line.detector] if line.detector >= 0 else None
        kind = equation.record_kind(line)
        counts = kind == "counting"
        found.append(Slot(line.name, kind, places[counts], detector))
        places[counts] += COLUMNS[kind]
    if not found:
        reasons = "; ".join(channel.missing_record(channel.law) for channel in equation.channels)
        raise ValueError(
            f"equation: expected one of which something is written down; {reasons or 'this one has no channels'}. Say "
            "who watches: sq.models.monitored(hamiltonian, {'current': sq.measurement.homodyne(L)})."
        )
    return found


def as_monitored(equation: Any) -> Equation:
    """An equation that a record can be of.

    Raises:
        ValueError: for something else and for coloured noise.
    """
    checked = as_equation(equation)
    if checked.colour is not None:
        raise ValueError("equation: expected one with white noise; coloured noise is a potential that nobody reads.")
    return checked


def observe(equation: Equation, record: Any, most_clicks: int | None = None) -> Observed:
    """The record's columns beside the operators that wrote them; detectors that it lacks have lost theirs.

    most_clicks: of one counter in one bin, where JAX traces the record's numbers, which were checked before.

    Raises:
        ValueError: for a record of other detectors or kinds, with numbers that are not finite.
    """
    known = {slot.name: slot for slot in slots(equation)}
    check_record(record, known)
    if record.fed_back and not equation.fed_back:
        raise ValueError(
            "record: expected one that nobody fed back, or the equation from sq.models.markovian_feedback(equation, "
            "{name: F}); this record drove its system through a controller, which the equation does not know. The "
            "states of the trajectories themselves are kept by sq.simulate(..., keep=)."
        )
    chosen = [known[name] for name in record.names]
    parts, lengths, which = parts_of_bins(equation, chosen, record.times)
    counts = np.array([slot.kind == "counting" for slot in chosen for _ in range(COLUMNS[slot.kind])], bool)
    traced = not is_concrete(record.increments)
    data = (jnp if traced else np).moveaxis(record.increments, 0, -1)
    diffusive = [slot for slot in chosen if slot.kind != "counting"]
    current, correction = _unit_noise(diffusive, data[:, ~counts], lengths[which])
    clicks = data[:, counts]
    most = (most_clicks or 0) if traced else int(clicks.max(initial=0))
    observed = Observed(parts, lengths, Written(current, clicks, which), correction, most)
    _warn_of_currents(observed)
    return observed


def parts_of_bins(
    equation: Equation, chosen: list[Slot], times: np.ndarray
) -> tuple[WatchedParts, np.ndarray, np.ndarray]:
    """The operators of these records, of all kinds of bins or with a leading axis (bins, ...); the bins' lengths
    (bins,); which of them each interval is, (T-1,)."""
    currents = [place for slot in chosen if slot.kind != "counting" for place in _places(slot)]
    counters = [slot.place for slot in chosen if slot.kind == "counting"]
    lengths = intervals(times)
    if not equation.time_dependent:
        lengths, which = np.unique(lengths, return_inverse=True)
        return _selected(equation.watched_parts(), currents, counters), lengths, which
    of_bin = jax.vmap(lambda t: _selected(equation.watched_parts(t), currents, counters))
    return of_bin(times[:-1] + 0.5 * lengths), lengths, np.arange(len(lengths))


def _places(slot: Slot) -> range:
    return range(slot.place, slot.place + COLUMNS[slot.kind])


def _selected(parts: WatchedParts, currents: list[int], counters: list[int]) -> WatchedParts:
    """The operators of the record's columns, in its order; what others would have written counts as lost."""
    arrays: Any = np if is_concrete(parts) else jnp
    other_currents = [k for k in range(len(parts.watched)) if k not in currents]
    other_counters = [k for k in range(len(parts.counted)) if k not in counters]

    def take(stack: Array, places: list[int]) -> Array:
        return arrays.asarray(stack)[np.array(places, int)]

    lost = arrays.concatenate([parts.lost, take(parts.watched, other_currents), take(parts.counted, other_counters)])
    return WatchedParts(
        parts.hamiltonian,
        take(parts.watched, currents),
        take(parts.counted, counters),
        take(parts.dark, counters),
        lost,
    )


def _unit_noise(chosen: list[Slot], raw: Array, lengths: np.ndarray) -> tuple[Array, Array]:
    """Columns (T, K, R) without gain and offset, and what these add to the log-likelihood, (R,)."""
    scales, drifts = electronics(chosen)
    if is_concrete((scales, drifts)) and np.all(np.equal(scales, 1.0)) and not np.any(drifts):
        return raw, np.zeros(raw.shape[-1])
    scale, drift = jnp.asarray(scales)[None, :, None], jnp.asarray(drifts)[None, :, None]
    widths = lengths[:, None, None]
    unit = (raw - drift * widths) / scale
    ratio = 0.5 * (raw**2 - unit**2) / widths - jnp.log(jnp.abs(scale))
    return unit, jnp.sum(ratio, axis=(0, 1))


def electronics(chosen: list[Slot]) -> tuple[list[Any], list[Any]]:
    """By what the increments of each diffusive column are multiplied, and what is added to them per time."""
    scales, drifts = [], []
    for slot in chosen:
        scale, drift = (1.0, 0.0) if slot.detector is None else (slot.detector.scale, slot.detector.drift)
        scales += [scale] * COLUMNS[slot.kind]
        # The offset is one of Z = (Y₁ − iY₂)/√2.
        drifts += [drift] if slot.kind == "homodyne" else [np.sqrt(2) * drift, 0.0]
    return scales, drifts


def check_record(record: Any, known: dict[str, Slot]) -> None:
    """ValueError unless it is a record of some of the equation's detectors, whole and finite."""
    if not isinstance(record, Record):
        raise ValueError(
            f"record: expected a sq.inference.Record(times, increments, names); got {type(record).__name__}. "
            "Record.from_current takes currents."
        )
    expected = ", ".join(f"{slot.name!r} ({slot.kind})" for slot in known.values())
    for name, kind in zip(record.names, record.kinds, strict=True):
        if name not in known:
            raise ValueError(
                f"record: expected detectors among {expected}; got {name!r}. Name it as the equation does."
            )
        if kind != known[name].kind:
            raise ValueError(f"record: expected detectors {expected}; {name!r} is a record of {kind} detection.")
    if not is_concrete(record.increments):
        return
    bad = np.argwhere(~np.isfinite(record.increments))
    if len(bad):
        row, interval, column = bad[0]
        raise ValueError(
            f"record: expected finite numbers; {record.columns[column]!r} has {record.increments[tuple(bad[0])]} in "
            f"interval {interval} of record {row}. Leave that record out."
        )


def _warn_of_currents(observed: Observed) -> None:
    """⟨c + c†⟩ is at most 2|c|."""
    current = observed.written.current
    if is_concrete((current, observed.parts)):
        signal = 2 * np.linalg.norm(np.asarray(observed.parts.watched), axis=(-1, -2)).max(initial=0.0)
        warn_of_currents(np.asarray(current), observed.lengths[observed.written.which], float(signal))


def initial_state(state: Any, dim: int) -> Array:
    """A checked ket (dim,), or a density matrix (dim, dim) that is not pure; traced ones as they are."""
    state = as_array("state", state)
    if not is_concrete(state):
        return state
    state = numbers("state", state)
    if np.ndim(state) != 2:
        return check_state(state, dim, "state")
    rho = check_density("state", state, dim)
    values, vectors = np.linalg.eigh(rho)
    return vectors[:, -1] if values[-1] > 1 - _PURE else rho

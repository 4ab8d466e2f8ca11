"""Records drawn by their own law, without following trajectories."""

import warnings
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from stochq.arrays import Array, StateLike, Times, check_numbers
from stochq.callers import users_line
from stochq.compiling import compiled
from stochq.equation import Equation
from stochq.inference.middles import note_of_middles
from stochq.inference.observed import as_monitored, electronics, initial_state, parts_of_bins, slots
from stochq.instruments.choose import LARGEST_EXACT, build, largest_rate, most_clicks
from stochq.instruments.exact import ExactInstrument
from stochq.instruments.hermite import Powers, hermite
from stochq.instruments.instrument import Observed, Written
from stochq.instruments.superoperators import traces
from stochq.measurement import Record
from stochq.measurement.record import COLUMNS, Kind
from stochq.systems.checks import check_count, check_times

# Newton's steps, each at most one standard deviation; from Φ⁻¹(u) a handful is enough.
_STEPS = 12
# Records that one call of the device draws.
_RECORDS = 4096


def sample_records(equation: Equation, state: StateLike, times: Times, *, records: int, seed: int = 0) -> Record:
    r"""Records of all detectors, exact in law at the given bins, however wide.

    The density of x = y/√h given the state is $\varphi(x)\sum_na_nHe_n(x)$, with $a_n$ the traces of the exact map's
    coefficients, and its distribution function $\Phi(x)-\varphi(x)\sum_{n\ge1}a_nHe_{n-1}(x)$ is inverted by Newton's
    method; several columns are drawn one after another.

    Args:
        equation: from `sq.models.monitored`, of at most 8 levels and two columns, or 4 levels and three.
        state: at the first time, a ket (dim,) or a density matrix (dim, dim).
        times: (T,) ends of the bins, the start included. What depends on time is taken in the middle of each bin, and
            a warning says where it changes too much in them.
        records: how many.
        seed: of the random numbers.

    Returns:
        The record, with the gain, offset and electronic noise of the detectors.

    Raises:
        ValueError: as of `filter`, and for larger systems, whose records `sq.simulate(..., records=True)` has.

    >>> import numpy as np, stochq as sq
    >>> equation = sq.models.monitored(np.zeros((2, 2)), {"z": sq.measurement.homodyne([1.0, -1.0])})
    >>> record = sq.inference.sample_records(equation, [1.0, 0.0], [0, 0.5, 1.0], records=4000)
    >>> bool(abs(record["z"].mean() - 2.0) < 5 / np.sqrt(4000))
    True
    """
    check_numbers("Draw records with numbers, outside grad, vmap and jit.", equation=equation, state=state, times=times)
    equation = as_monitored(equation)
    records = check_count("records", records, 1)
    seed = check_count("seed", seed, 0, most=2**63 - 1)
    times = check_times(times)
    known = slots(equation)
    columns = sum(COLUMNS[slot.kind] for slot in known)
    if equation.dim > LARGEST_EXACT.get(columns, 0):
        raise ValueError(
            f"equation: expected at most {LARGEST_EXACT.get(columns, 0)} levels with {columns} columns of records; got "
            f"{equation.dim}. Take sq.simulate(..., records=True), whose records have the bias of its step."
        )
    note = note_of_middles(equation, times)
    if note:
        warnings.warn(f"times: {note}", stacklevel=users_line())
    names = [slot.name for slot in known]
    kinds: list[Kind] = [slot.kind for slot in known]
    with jax.enable_x64(True):
        initial = initial_state(state, equation.dim)
        parts, lengths, which = parts_of_bins(equation, known, times)
        nothing = Written(np.zeros((0, 0, 0)), np.zeros((0, 0, 0)), which)
        most = most_clicks(largest_rate(parts), float(np.max(lengths)))
        instrument = build("exact", Observed(parts, lengths, nothing, np.zeros(0), most))
        key = jax.random.key_data(jax.random.key(seed))
        counters, size = parts.counted.shape[-3], min(records, _RECORDS)
        draw = partial(_drawn, instrument, counters, initial, key, which, size)
        blocks = [jax.device_get(draw(np.int64(first))) for first in range(0, records, _RECORDS)]
    current, clicks = (np.concatenate(parts, axis=-1)[..., :records] for parts in zip(*blocks, strict=True))
    written = _raw(known, current, clicks, np.diff(times))
    return Record.of_run(times, written, tuple(names), tuple(kinds), equation.fed_back)


def _raw(known: list, current: np.ndarray, clicks: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Columns (T, ..., R) as the detectors write them, in the record's order, (record, T, column)."""
    scales, drifts = (np.asarray(part) for part in electronics([s for s in known if s.kind != "counting"]))
    written = current * scales[None, :, None] + drifts[None, :, None] * widths[:, None, None]
    columns, places = [], {True: 0, False: 0}
    for slot in known:
        counts = slot.kind == "counting"
        for _ in range(COLUMNS[slot.kind]):
            columns.append((clicks if counts else written)[:, places[counts]])
            places[counts] += 1
    return np.moveaxis(np.stack(columns, axis=1), -1, 0)


@compiled
def _drawn(
    instrument: ExactInstrument, counters: int, state: Array, key: Array, which: Array, records: int, first: Array
) -> tuple[jax.Array, jax.Array]:
    """Currents (T, K, R) and clicks (T, C, R) of the records from `first` on."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
        jax.random.wrap_key_data(jnp.asarray(key)), first + jnp.arange(records)
    )
    currents = len(instrument.powers[0]) - counters

    def step(state: jax.Array, bin: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        number, which = bin
        uniform = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, number), (currents + counters,)))(
            keys
        )
        traced = jnp.einsum("i,pij,jr->pr", traces(instrument.dim), instrument.coefficients[which], state)
        x, clicks = _outcomes(by_exponents(instrument.powers, traced), currents, uniform.T)
        current = x * jnp.sqrt(instrument.lengths[which])
        prepared = instrument.prepare(Written(current[None], clicks[None], which[None]))
        after, _ = instrument.step(state, jax.tree.map(lambda array: array[0], prepared))
        return after, (current, clicks)

    start = instrument.start(state, records)
    return lax.scan(step, start, (jnp.arange(len(which)), jnp.asarray(which)))[1]


def by_exponents(powers: Powers, values: jax.Array) -> jax.Array:
    """Values (powers, R) with an axis for the exponent of each variable, (..., R); zero where no power is."""
    exponents = np.asarray(powers, int).reshape(len(powers), -1).T
    return jnp.zeros((*exponents.max(axis=1) + 1, values.shape[1])).at[tuple(exponents)].set(values)


def _outcomes(traced: jax.Array, currents: int, uniform: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Currents x (K, R) and clicks (C, R) from traces as of `by_exponents` and uniform numbers (K + C, R)."""

    def draw(column: int, rows: jax.Array) -> jax.Array:
        return (_inverted if column < currents else _clicks)(rows, uniform[column])

    outcomes = jnp.stack(in_turn(traced, currents, len(uniform), draw))
    return outcomes[:currents], outcomes[currents:]


def in_turn(
    traced: jax.Array,
    currents: int,
    columns: int,
    outcome: Callable[[int, jax.Array], jax.Array],
) -> list[jax.Array]:
    """What is written in each column, from traces as of `by_exponents`: x (R,) of currents, and then clicks (R,).

    One column after another by its law given those before: once it is known, its polynomials are summed over, and the
    columns after it were summed over by taking their He_0, or all of their clicks.

    outcome: of a column, from the coefficients of its law, in proportion to a_n or to the chances of n clicks.
    """
    found: list[jax.Array] = []
    for column in range(columns):
        other_currents = max(0, currents - column - 1)
        rows = traced[(slice(None), *(0,) * other_currents)]
        rows = jnp.sum(rows, axis=tuple(range(1, rows.ndim - 1)))
        found.append(outcome(column, rows))
        if column < currents:
            factors = jnp.stack(hermite(found[-1], len(rows)))
        else:
            factors = jnp.where(found[-1][None] == jnp.arange(len(rows))[:, None], 1.0, 0.0)
        traced = jnp.einsum("nr,n...r->...r", factors, traced)
    return found


def chance_below(coefficients: jax.Array, x: jax.Array) -> jax.Array:
    """Φ(x) − φ(x) Σ_{n≥1} a_nHe_{n−1}(x) for a_n in proportion to the coefficients."""
    terms = zip(coefficients[1:], hermite(x, len(coefficients)), strict=False)
    return norm.cdf(x) - norm.pdf(x) * sum((a / coefficients[0] * he for a, he in terms), jnp.zeros_like(x))


def chances_up_to(chances: jax.Array) -> jax.Array:
    """The chances (N, R) of at most 0, 1, … clicks, from numbers in proportion to those of 0, 1, … clicks."""
    sums = jnp.cumsum(chances, axis=0)
    return sums / sums[-1:]


def _inverted(coefficients: jax.Array, uniform: jax.Array) -> jax.Array:
    """x with a chance u of less."""

    def newton(_: int, x: jax.Array) -> jax.Array:
        terms = zip(coefficients, hermite(x, len(coefficients)), strict=True)
        density = sum((a / coefficients[0] * he for a, he in terms), jnp.zeros_like(x))
        off = chance_below(coefficients, x) - uniform
        return x - jnp.clip(off / (norm.pdf(x) * jnp.maximum(density, 1e-12)), -1, 1)

    return lax.fori_loop(0, _STEPS, newton, ndtri(uniform))


def _clicks(chances: jax.Array, uniform: jax.Array) -> jax.Array:
    return jnp.sum(uniform[None] > chances_up_to(chances)[:-1], axis=0).astype(uniform.dtype)

r"""Correlations of stationary records as they are sampled: averages over bins, not values at instants.

$$\frac1{h^2}\int_0^h\!\!ds\int_{nh}^{(n+1)h}\!\!dt\;\mathrm{Tr}\big[(c_2+c_2^\dagger)\,e^{\mathcal L(t-s)}
  (c_1\rho+\rho c_1^\dagger)\big] = \big\langle c_2+c_2^\dagger\big|\,e^{(n-1)h\mathcal L}\varphi_1(h\mathcal L)^2
  \big|c_1\rho+\rho c_1^\dagger\big\rangle$$

with φ₁(z) = (eᶻ − 1)/z, and 2φ₂(hℒ), φ₂(z) = (eᶻ − 1 − z)/z², where a current meets itself in one bin.
"""

from collections.abc import Iterable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import expm

from stochq.arrays import Array, is_concrete, nan_unless
from stochq.equation import Equation
from stochq.equation_input import as_equation
from stochq.exact.action import pack, packed_generator, unpack
from stochq.exact.lines import Counter, Current, quadrature_offsets
from stochq.exact.liouvillian import LARGEST_DIM
from stochq.exact.steady import steady_state
from stochq.exact.traced import bases_of
from stochq.measurement.line import WatchedParts
from stochq.measurement.record import column_names
from stochq.systems.checks import check_number

Pairs = tuple[tuple[str, str], ...]


class _Columns(NamedTuple):
    """The real columns of a record, C of them.

    after: (dim², C), packed E[I ρ'], ρ' the steady state after the record of a moment. rows: (C, dim²), what takes a
    packed density matrix to the mean of each column. shot: (C,), what a column's noise adds to its mean square.
    """

    after: jax.Array
    rows: jax.Array
    shot: jax.Array


def correlations(
    equation: Equation,
    lags: Iterable[int],
    *,
    interval: float,
    pairs: Iterable[tuple[str, str]] | None = None,
) -> dict[str, jax.Array]:
    r"""Means and two-time correlations of stationary records, exact at the bins as sampled, a JAX function.

    $$C_{12}(n) = \mathrm E\big[I_1(t)\,I_2(t+nh)\big],\qquad I(t) = \frac1h\int_t^{t+h}dY$$

    by the regression theorem (Tilloy, PRA 98, 010104 (2018)), with gain, offset, efficiency and noise of the detectors;
    squares of the means are not subtracted. Shot noise, gain²(1 + noise)/h, is in the numbers at n = 0 where a record
    meets itself, and nowhere else. `sq.inference.correlations` has the same of a record, for `sq.fit`.

    Args:
        equation: with one steady state, from `sq.models.monitored` or with records of its operators; at most 16 levels,
            nothing that depends on time. All its numbers may be traced.
        lags: n (L,), whole numbers of bins, increasing, none negative.
        interval: h, the width of all bins, in units of time; a number that is not traced.
        pairs: names of records, the earlier one first; "name:1" and "name:2" for the columns of heterodyne detection.
            None takes each with itself.

    Returns:
        {"x": mean, "y": mean, "x*y": (L,)} for the pair ("x", "y"): of mean currents in 1/√time, of counts where clicks
        are counted.

    Raises:
        ValueError: for an equation without records, with several steady states (while JAX traces it the numbers are
            NaN), with more levels or a dependence on time, for unknown names, and for lags that are no whole numbers.

    The light of a driven atom forgets within the atom's lifetime:

    >>> import numpy as np
    >>> import stochq as sq
    >>> lowering = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> atom = sq.models.monitored([[0.0, 1.0], [1.0, 0.0]], {"x": sq.measurement.homodyne(lowering)})
    >>> values = correlations(atom, [0, 1, 200], interval=0.1)
    >>> [round(float(value), 3) for value in values["x*x"]]
    [10.874, 0.846, 0.0]
    """
    equation = _checked(as_equation(equation))
    if not is_concrete(interval):
        raise ValueError(
            "interval: expected a number; JAX is tracing it, as grad, vmap and jit do. Only what is in the equation "
            "may be traced."
        )
    check_number("interval", interval)
    if not interval > 0:
        raise ValueError(f"interval: expected the width of the bins, positive; got {interval}.")
    checked = checked_lags(lags)
    names = _column_names(equation)
    chosen = checked_pairs(names, pairs)
    numbers = is_concrete((equation, jnp.zeros(())))
    if numbers:
        # Refuses equations with several steady states.
        steady_state(equation)
    with jax.enable_x64(bool(numbers) or jax.config.jax_enable_x64):
        means, values = _correlations(equation, _parts(equation), float(interval), tuple(checked.tolist()))
        return _by_name(chosen, names, means, values)


def checked_lags(lags: Iterable[int]) -> np.ndarray:
    """Lags as whole numbers of bins (L,); ValueError for others."""
    array = np.asarray(lags if isinstance(lags, np.ndarray) else list(lags))
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise ValueError(
            "lags: expected whole numbers of bins, at least one, such as range(1, 41); got an array of "
            f"{array.dtype} of shape {array.shape}. Divide times by the width of the bins."
        )
    if array[0] < 0 or np.any(np.diff(array) <= 0):
        raise ValueError("lags: expected increasing numbers of bins, none negative. Swap a pair for negative ones.")
    return array.astype(np.int64)


def checked_pairs(columns: tuple[str, ...], pairs: Iterable[tuple[str, str]] | None) -> Pairs:
    """Pairs of columns, each with itself where none are given; ValueError for names of no column."""
    chosen = tuple((name, name) for name in columns) if pairs is None else tuple(pairs)
    if not chosen or any(isinstance(pair, str) or len(pair) != 2 for pair in chosen):
        raise ValueError(f"pairs: expected pairs of names such as [('x', 'y')], at least one; got {pairs!r}.")
    for name in (name for pair in chosen for name in pair):
        if name not in columns:
            raise ValueError(f"pairs: expected names among {', '.join(map(repr, columns))}; got {name!r}.")
    return chosen


def _by_name(pairs: Pairs, columns: tuple[str, ...], means: jax.Array, values: jax.Array) -> dict[str, jax.Array]:
    """Means (C,) of the columns in the pairs and correlations (L, C, C), earlier column first, by their names."""
    index = {name: number for number, name in enumerate(columns)}
    named = {name: means[index[name]] for pair in pairs for name in pair}
    return named | {f"{first}*{second}": values[:, index[first], index[second]] for first, second in pairs}


def _checked(equation: Equation) -> Equation:
    if equation.colour is not None:
        raise ValueError("equation: expected one with white noise; coloured noise has no regression theorem.")
    if equation.time_dependent:
        raise ValueError("equation: expected one that does not depend on time, whose records can be stationary.")
    if equation.dim > LARGEST_DIM:
        raise ValueError(
            f"equation: expected at most {LARGEST_DIM} levels, whose generator is one matrix; got {equation.dim}. "
            "sq.exact.record_correlation takes more, at instants and without derivatives."
        )
    if not equation.lines:
        raise ValueError(
            "equation: expected one of which something is written down, such as "
            "sq.models.monitored(hamiltonian, {'x': sq.measurement.homodyne(L)})."
        )
    return equation


def _column_names(equation: Equation) -> tuple[str, ...]:
    """The names of the real columns, in the order of `_signals`."""
    lines = equation.lines
    return tuple(name for line in lines for name in column_names(line.name, equation.record_kind(line)))


def _parts(equation: Equation) -> WatchedParts:
    try:
        return equation.watched_parts()
    except jax.errors.TracerArrayConversionError:
        raise ValueError(
            "equation: expected numbers, or an equation from sq.models.monitored, where JAX traces what is watched; "
            "give each operator a detector, such as sq.measurement.homodyne(L)."
        ) from None


def _signals(equation: Equation, parts: WatchedParts, interval: float) -> list[Current | Counter]:
    """The real columns of all records, in their order: mean currents, and counts in a bin."""
    watched, counted = iter(parts.watched), zip(parts.counted, parts.dark, strict=True)
    signals: list[Current | Counter] = []
    for line in equation.lines:
        kind = equation.record_kind(line)
        if kind == "counting":
            signals += [Counter(*next(counted), interval)]
            continue
        detector = equation.detectors[line.detector] if line.detector >= 0 else None
        scale, drift = (1.0, 0.0) if detector is None else (detector.scale, detector.drift)
        signals += [Current(next(watched), scale, offset) for offset in quadrature_offsets(kind, drift)]
    return signals


def _columns(equation: Equation, parts: WatchedParts, rho: jax.Array, interval: float) -> _Columns:
    """The columns of all records in the steady state ρ (dim, dim)."""
    signals = _signals(equation, parts, interval)
    after = jnp.stack([_packed(signal.measured(rho)) for signal in signals], axis=1)
    rows = jnp.stack([_packed(signal.observable()) for signal in signals])
    means = rows @ _packed(rho)
    shot = [jnp.asarray(signal.shot_noise(interval, mean)) for signal, mean in zip(signals, means, strict=True)]
    return _Columns(after, rows, jnp.stack(shot))


def _packed(hermitian: Array) -> jax.Array:
    return pack(jnp.asarray(hermitian)).reshape(-1)


@eqx.filter_jit
def _correlations(
    equation: Equation, parts: WatchedParts, interval: float, lags: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
    """Means (C,) and correlations (L, C, C), the earlier column first."""
    size, bases = equation.dim**2, bases_of(equation)
    basis = jnp.eye(size).reshape(size, equation.dim, equation.dim)
    columns = jax.vmap(lambda one: packed_generator(equation, bases, jnp.zeros(()), one))(basis)
    generator = columns.reshape(size, size).T
    state = _stationary(generator, equation.dim)
    known = _columns(equation, parts, unpack(state.reshape(equation.dim, equation.dim)), interval)
    flow, same, different = _integrals(interval * generator, known.after)
    met = known.rows @ same
    later = lax.map(lambda after: known.rows @ after, _spread(flow, different, lags))
    if lags[0] == 0:
        later = jnp.concatenate([(met + met.T + jnp.diag(known.shot))[None], later])
    return known.rows @ state, jnp.swapaxes(later, 1, 2)


def _stationary(generator: jax.Array, dim: int) -> jax.Array:
    """The packed steady state (dim²,); NaN where there are several."""
    trace = jnp.eye(dim).reshape(-1)
    values = jnp.linalg.svd(lax.stop_gradient(generator), compute_uv=False)
    # Singular values below the rounding of the largest count as zero.
    rounding = 4 * jnp.finfo(generator.dtype).eps * len(generator)
    single = values[-2] > rounding * values[0] if dim > 1 else True
    pinned = generator + values[0] * trace[:, None] * trace[None] / dim
    return nan_unless(single, jnp.linalg.solve(pinned, values[0] * trace / dim))


def _integrals(matrix: jax.Array, vectors: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """e^A (n, n), φ₂(A)V and φ₁(A)²V = 4φ₂(2A)V − 2φ₂(A)V, of A (n, n) and V (n, C), by one exponential."""
    size, count = vectors.shape
    identity = jnp.eye(count)
    whole = jnp.zeros((size + 2 * count, size + 2 * count), matrix.dtype)
    whole = whole.at[:size, :size].set(matrix).at[:size, size : size + count].set(vectors)
    once = expm(whole.at[size : size + count, size + count :].set(identity))
    second, twice = once[:size, size + count :], (once @ once)[:size, size + count :]
    return once[:size, :size], second, twice - 2 * second


def _spread(flow: jax.Array, start: jax.Array, lags: tuple[int, ...]) -> jax.Array:
    """e^{(n−1)A}V (L, n, C) at the lags that are not 0."""
    gaps = np.diff([1, *(lag for lag in lags if lag)])
    different, which = np.unique(gaps, return_inverse=True)
    powers = jnp.stack([jnp.linalg.matrix_power(flow, int(gap)) for gap in different] or [flow])

    def step(now: jax.Array, which: jax.Array) -> tuple[jax.Array, jax.Array]:
        after = powers[which] @ now
        return after, after

    return lax.scan(step, start, jnp.asarray(which))[1]

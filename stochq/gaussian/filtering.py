r"""Kalman's filter of records of linear systems, exact for bins of any width.

Over a bin the coordinates and the record make one Gaussian vector of drift ((A, 0), (C, 0)) and noise ((B, s),
(sᵀ, 1)) with

$$C = 2\sqrt\eta\,\mathrm{Re}\,c,\qquad s = -\sqrt\eta\,\hbar\,\Omega\,\mathrm{Im}\,c^T$$

It is integrated exactly and then conditioned on the record's increment.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, Number, is_concrete
from stochq.gaussian.dynamics import Dynamics
from stochq.gaussian.phase_space import array_namespace, symplectic_form, transposed
from stochq.gaussian.propagation import propagators
from stochq.gaussian.state import State
from stochq.measurement import Record
from stochq.systems.checks import check_finite

# Bins of one block: a gradient keeps the moments at its start and makes the rest again.
_BLOCK = 256
# Times at which the size of the signal is looked at.
_LOOKS = 32


class Linear(NamedTuple):
    """dx = Ax dt + dw, dY = Cx dt + dv: drift A (2n, 2n), diffusion B (2n, 2n), gain C (m, 2n), cross s (2n, m) with
    E dw dvᵀ = s dt; the noise of Y is unit."""

    drift: Array
    diffusion: Array
    gain: Array
    cross: Array


class Filtered(NamedTuple):
    """Gaussian states given records.

    mean: (record, T, 2n), before and after every interval. covariance: (T, 2n, 2n), the same for all records.
    log_likelihood: (record,), relative to Wiener noise. innovations: (record, T-1, column), by how many standard
    deviations each increment is off what all before it let expect, in a bin one column after the other: independent
    standard normal numbers, if the model is right.
    """

    mean: Array
    covariance: Array
    log_likelihood: Array
    innovations: Array


class _Bin(NamedTuple):
    """Moments over a bin: of (x, Y), E (N, 2n) from x, and Q (N, N)."""

    propagator: Array
    noise: Array


@eqx.filter_jit
@jax.default_matmul_precision("highest")
def kalman(system: Linear, mean: Array, covariance: Array, increments: Array, lengths: Array, which: Array) -> Filtered:
    """The filter of increments (T-1, m, R) over bins of lengths[which] (T-1,), from a mean (2n,) and covariance."""
    bins, columns, records = increments.shape
    size = mean.shape[-1]
    steps = _bins(system, jnp.asarray(lengths))
    length = min(bins, _BLOCK)
    blocks = -(-bins // length)
    padding = blocks * length - bins
    data = jnp.pad(increments, ((0, padding), (0, 0), (0, 0))).reshape(blocks, length, columns, records)
    places = jnp.pad(which, (0, padding)).reshape(blocks, length)

    def step(moments: tuple[jax.Array, jax.Array], bin: tuple[jax.Array, jax.Array]) -> tuple:
        mean, covariance = moments
        increment, place = bin
        one = jax.tree.map(lambda array: array[place], steps)
        before = one.propagator @ mean
        root, pull, narrowed = _narrowed(one, covariance)
        innovation = _solved(root, increment - before[size:])
        after = before[:size] + transposed(pull) @ innovation
        h = jnp.asarray(lengths)[place]
        known = 0.5 * jnp.sum(jnp.square(increment) / h - jnp.square(innovation), axis=0)
        total = known - jnp.sum(jnp.log(jnp.diagonal(root))) + 0.5 * columns * jnp.log(h)
        return (after, narrowed), (total, after, narrowed, innovation)

    @jax.checkpoint
    def block(moments: tuple, bins: tuple) -> tuple:
        return lax.scan(step, moments, bins)

    start = jnp.repeat(mean[:, None], records, axis=1), jnp.asarray(covariance)
    found = lax.scan(block, start, (data, places))[1]
    totals, means, covariances, innovations = (
        array.reshape(blocks * length, *array.shape[2:])[:bins] for array in found
    )
    means = jnp.moveaxis(jnp.concatenate([start[0][None], means]), -1, 0)
    covariances = jnp.concatenate([start[1][None], covariances])
    return Filtered(means, covariances, jnp.sum(totals, axis=0), jnp.moveaxis(innovations, -1, 0))


def _narrowed(one: _Bin, covariance: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The lower root L of the covariance S of what a bin lets expect of the record, L⁻¹ times its covariance with x,
    and the covariance of x after the bin."""
    size = len(covariance)
    joint = jnp.asarray(one.propagator @ covariance @ transposed(one.propagator) + one.noise)
    root = jnp.linalg.cholesky(joint[size:, size:])
    pull = _solved(root, joint[size:, :size])
    narrowed = joint[:size, :size] - transposed(pull) @ pull
    return root, pull, 0.5 * (narrowed + transposed(narrowed))


@jax.default_matmul_precision("highest")
def covariances_of(system: Linear, covariance: jax.Array, lengths: jax.Array, which: jax.Array) -> tuple:
    """What the filter does in each bin whatever is written down: E (T, 2n, 2n) and G (T, m, 2n), by which the mean
    moves and tells the record; K (T, 2n, m), by which the innovation moves the mean; S (T, m, m), its covariance."""
    steps, size = _bins(system, lengths), len(covariance)

    def step(covariance: jax.Array, place: jax.Array) -> tuple[jax.Array, tuple]:
        one = jax.tree.map(lambda array: array[place], steps)
        root, pull, narrowed = _narrowed(one, covariance)
        gain = transposed(pull) @ _solved(root, jnp.eye(len(root)))
        return narrowed, (one.propagator[:size], one.propagator[size:], gain, root @ transposed(root))

    return lax.scan(step, covariance, which)[1]


def _bins(system: Linear, lengths: jax.Array) -> _Bin:
    size, columns = system.cross.shape
    drift = jnp.concatenate([jnp.asarray(system.drift), system.gain])
    drift = jnp.concatenate([drift, jnp.zeros((size + columns, columns))], axis=1)
    upper = jnp.concatenate([jnp.asarray(system.diffusion), system.cross], axis=1)
    lower = jnp.concatenate([transposed(jnp.asarray(system.cross)), jnp.eye(columns)], axis=1)
    found = propagators(drift, jnp.concatenate([upper, lower]), lengths)
    return _Bin(found.propagator[:, :, :size], found.noise)


def _solved(root: jax.Array, right: jax.Array) -> jax.Array:
    """L⁻¹b for a lower triangular L, of which there are few rows."""
    rows: list[jax.Array] = []
    for i in range(len(root)):
        known = sum((root[i, j] * rows[j] for j in range(i)), jnp.zeros_like(right[i]))
        rows.append((right[i] - known) / root[i, i])
    return jnp.stack(rows)


def with_record(drift: Array, diffusion: Array, read: Array, noise: str, hbar: Number) -> Linear:
    """The system with its record, in columns as the record has them; read: √η c (K, 2n)."""
    if noise == "complex":
        # L/√2 and iL/√2 of each operator, one after the other.
        arrays = array_namespace(read)
        read = arrays.stack([read, 1j * read], axis=1).reshape(-1, read.shape[-1]) / np.sqrt(2)
    form = symplectic_form(read.shape[-1] // 2)
    return Linear(drift, diffusion, 2 * read.real, -hbar * form @ read.imag.T)


def largest_signal(system: Linear, dynamics: Dynamics, state: State, times: np.ndarray) -> float:
    """The largest root mean square of a current's mean Cx on the way without a record, 1/√time."""
    chosen = np.unique(np.linspace(0, len(times) - 1, _LOOKS).astype(int))
    states = dynamics.evolve(state, np.asarray(times)[chosen])
    mean, covariance = np.asarray(states.mean), np.asarray(states.covariance)
    second = covariance + mean[..., :, None] * mean[..., None, :]
    squares = np.einsum("mi,tij,mj->tm", np.asarray(system.gain), second, np.asarray(system.gain))
    return float(np.sqrt(np.max(squares, initial=0.0)))


def checked_increments(record: Record, noise: str, count: int) -> np.ndarray:
    """The increments (T-1, column, record) of a record of so many detectors.

    Raises:
        ValueError: for other detectors, and for numbers that are not finite.
    """
    kind = "homodyne" if noise == "real" else "heterodyne"
    if not isinstance(record, Record) or record.kinds != (kind,) * count:
        kinds = ", ".join(record.kinds) if isinstance(record, Record) else type(record).__name__
        raise ValueError(
            f"record: expected a Record of {kind} detection for each of {count} jumps, in their order; got {kinds}."
        )
    if record.fed_back:
        raise ValueError(
            "record: expected one that nobody fed back; this one drove its system through a controller, which linear "
            "systems do not know. Use sq.inference.filter with an equation from sq.models.markovian_feedback."
        )
    check_finite("record.increments", record.increments)
    return np.moveaxis(record.increments, 0, -1)


def check_double(*arguments: object) -> None:
    """ValueError for traced numbers in single precision."""
    if not is_concrete(arguments) and jnp.zeros(()).dtype != np.float64:
        raise ValueError(
            "record: expected double precision where JAX traces the parameters, as differences of logarithms need it. "
            "Put the whole computation inside `with jax.enable_x64(True):`."
        )

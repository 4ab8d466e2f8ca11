"""The master equation as a function that JAX traces: three ways to the means (T, rows) of real observables."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import expm

from stochq.arrays import Array, ArrayLike, Number
from stochq.channels import Channel, Energy, Given
from stochq.equation import Equation
from stochq.exact.action import ChannelBases, generator, pack, packed_generator, unpack
from stochq.exact.ode import LEAST_STEPS
from stochq.exact.runge_kutta import Slope, Tolerance, find_common_steps, make_steps
from stochq.systems.basis import into
from stochq.systems.grid import Particle
from stochq.systems.hamiltonian import DiagonalHamiltonian
from stochq.systems.linear import apply_matrix
from stochq.systems.observables import LinearObservable

# Tolerances of the adaptive method, relative and absolute, by the precision.
_TOLERANCES = {"float64": (1e-8, 1e-10), "float32": (1e-5, 1e-6)}

# A real observable: a diagonal (dim,), a matrix (dim, dim) or a quadratic function of ψ.
Row = Array | Callable[[jax.Array], ArrayLike]
Rows = tuple[Row, ...]


class Times(NamedTuple):
    """The times (T,), the different lengths (U,) of the intervals between them, and which (T−1,) is which.

    stops: (S,) times at which a step must end, those at which a coefficient jumps among them; saved: (T,) places of the
    times among the stops.
    """

    points: np.ndarray
    lengths: np.ndarray
    which: np.ndarray
    stops: np.ndarray
    saved: np.ndarray


def bases_of(equation: Equation) -> ChannelBases:
    """The basis of every channel as columns (dim, dim); None for the given basis."""
    return tuple(equation.basis_matrix(channel) for channel in equation.channels)


def matrix_of(row: Row, dim: int) -> jax.Array:
    """A row as a diagonal (dim,) or a matrix (dim, dim)."""
    if not callable(row):
        return jnp.asarray(row)

    def value(parts: jax.Array) -> jax.Array:
        return cast(Any, row)(lax.complex(parts[:dim], parts[dim:]))

    # f = ⟨ψ|O|ψ⟩ has at ψ = |j⟩ the gradient 2 Re O|j⟩ in Re ψ and 2 Im O|j⟩ in Im ψ.
    gradients = jax.vmap(jax.grad(value))(jnp.eye(dim, 2 * dim))
    return 0.5 * lax.complex(gradients[:, :dim], gradients[:, dim:]).T


def reader(rows: Rows, dim: int) -> Callable[[jax.Array], jax.Array]:
    """The function ρ (dim, dim) -> means (rows,)."""
    prepared = [row if isinstance(row, LinearObservable) else matrix_of(row, dim) for row in rows]

    def read(rho: jax.Array) -> jax.Array:
        return jnp.stack([_mean(row, rho) for row in prepared])

    return read


def _mean(row: Row, rho: jax.Array) -> jax.Array:
    if isinstance(row, LinearObservable):
        return row.of_density(rho)
    if row.ndim == 1:
        return jnp.sum(row.real * jnp.diagonal(rho).real)
    return jnp.sum(row.T * rho).real


def common_basis(equation: Equation) -> str:
    """The basis in which the equation is solved element by element, "given" or "energy"; empty where there is none."""
    hamiltonian, channels = equation.hamiltonian, equation.channels
    if equation.time_dependent or not all(channel.is_secular for channel in channels):
        return ""
    diagonal = isinstance(hamiltonian, DiagonalHamiltonian)
    if diagonal and all(isinstance(channel.basis, Given) for channel in channels):
        return "given"
    if not diagonal and channels and all(isinstance(channel.basis, Energy) for channel in channels):
        return "energy"
    return ""


def closed_form(equation: Equation, rho: jax.Array, rows: Rows, times: Times) -> jax.Array:
    """Coherences that oscillate and decay one by one, and a rate equation for the populations."""
    hamiltonian, dim = equation.hamiltonian, equation.dim
    matrices = [matrix_of(row, dim) for row in rows]
    energies = jnp.asarray(getattr(hamiltonian, "diagonal", hamiltonian.energies))
    if common_basis(equation) == "energy":
        energies, vectors = jnp.asarray(hamiltonian.energies), jnp.asarray(hamiltonian.eigenvectors)
        rho, matrices = into(vectors, rho), [into(vectors, matrix) for matrix in matrices]
    frequencies = (energies[:, None] - energies[None, :]) / equation.hbar
    decay = sum((jnp.asarray(channel.decoherence()) for channel in equation.channels), jnp.zeros((dim, dim)))
    populations = _populations(equation.channels, jnp.diagonal(rho).real, times)
    off = rho - jnp.diag(jnp.diagonal(rho))

    def at(time: jax.Array, occupied: jax.Array) -> jax.Array:
        now = off * jnp.exp(-lax.complex(decay, frequencies) * time) + jnp.diag(occupied)
        return jnp.stack([_mean(matrix, now) for matrix in matrices])

    elapsed = jnp.asarray(times.points) - times.points[0]
    return lax.map(lambda each: at(*each), (elapsed, populations))


def _populations(channels: tuple[Channel, ...], start: jax.Array, times: Times) -> jax.Array:
    """The populations at each time, (T, dim)."""
    moving = [channel for channel in channels if channel.moves_populations]
    if not moving:
        return jnp.broadcast_to(start, (len(times.points), len(start)))
    arrivals = [channel.arrival_rates() for channel in moving]
    if all(rates is not None for rates in arrivals):
        target = sum(jnp.asarray(rates) for rates in arrivals)
        total = jnp.sum(target)
        elapsed = (jnp.asarray(times.points) - times.points[0])[:, None]
        gained = jnp.where(total > 0, -jnp.expm1(-total * elapsed) / jnp.where(total > 0, total, 1.0), elapsed)
        return jnp.exp(-total * elapsed) * start[None, :] + gained * (target * jnp.sum(start))[None, :]
    rates = jnp.stack([_rate_matrix(channel, len(start)) for channel in moving])
    return _iterate(jnp.sum(rates, axis=0), start, times)


def _rate_matrix(channel: Channel, dim: int) -> jax.Array:
    """R of ṗ = Rp, (dim, dim)."""
    level = jnp.eye(dim)
    columns = jax.vmap(lambda one: jnp.diagonal(channel.dissipator(jnp.zeros(()), jnp.diag(one) + 0j)).real)(level)
    return columns.T


def _iterate(matrix: jax.Array, start: jax.Array, times: Times) -> jax.Array:
    """dy/dt = M y at each time, (T, n), by the exponential of M over the different intervals."""
    propagators = lax.map(lambda length: expm(matrix * length), jnp.asarray(times.lengths, matrix.dtype))

    def step(y: jax.Array, which: jax.Array) -> tuple[jax.Array, jax.Array]:
        after = propagators[which] @ y
        return after, after

    later = lax.scan(step, start, jnp.asarray(times.which))[1]
    return jnp.concatenate([start[None], later])


def by_exponential(equation: Equation, rho: jax.Array, rows: Rows, times: Times) -> jax.Array:
    """The exponential of the whole generator."""
    dim, bases = equation.dim, bases_of(equation)
    identity = jnp.eye(dim * dim).reshape(-1, dim, dim)
    columns = jax.vmap(lambda packed: packed_generator(equation, bases, jnp.zeros(()), packed))(identity)
    solution = _iterate(columns.reshape(dim * dim, -1).T, pack(rho).reshape(-1), times)
    return jax.vmap(reader(rows, dim))(unpack(solution.reshape(-1, dim, dim)))


class _Frame(eqx.Module):
    """The rotating frame of a part of the Hamiltonian that is diagonal at the points of a grid or in its momenta.

    frequencies: E/ħ (dim,) of that part; shape: of the grid whose momenta are meant, None for the given basis.
    """

    frequencies: jax.Array
    shape: tuple[int, ...] | None = eqx.field(static=True)

    def enter(self, elapsed: Number, rho: jax.Array) -> jax.Array:
        return self._turned(-elapsed, self._transformed(rho, jnp.fft.fftn, jnp.fft.ifftn))

    def leave(self, elapsed: Number, rho: jax.Array) -> jax.Array:
        return self._transformed(self._turned(elapsed, rho), jnp.fft.ifftn, jnp.fft.fftn)

    def _turned(self, elapsed: Number, rho: jax.Array) -> jax.Array:
        # The product with 1 ends a fusion, in which XLA would compute every phase anew for each element of ρ.
        phases = apply_matrix(np.eye(len(self.frequencies)), jnp.exp(-1j * elapsed * self.frequencies))
        return phases[:, None] * phases.conj()[None, :] * rho

    def _transformed(self, rho: jax.Array, on_rows: Callable, on_columns: Callable) -> jax.Array:
        if self.shape is None:
            return rho
        rows = tuple(range(len(self.shape)))
        columns = tuple(range(len(self.shape), 2 * len(self.shape)))
        # A column belongs to a bra, whose wave runs the other way.
        tensor = on_columns(on_rows(rho.reshape(self.shape * 2), axes=rows, norm="ortho"), axes=columns, norm="ortho")
        return tensor.reshape(rho.shape)


def _frame(equation: Equation) -> tuple[_Frame | None, Callable[[jax.Array], jax.Array] | None]:
    """The frame, and what is left of −(i/ħ)[H, ρ] in it; None for all of it, in no frame."""
    hamiltonian = equation.hamiltonian
    if isinstance(hamiltonian, DiagonalHamiltonian):
        return _Frame(jnp.asarray(hamiltonian.diagonal) / equation.hbar, None), jnp.zeros_like
    if isinstance(hamiltonian, Particle):
        potential = jnp.asarray(hamiltonian.potential) / equation.hbar
        frame = _Frame(jnp.asarray(hamiltonian.kinetic).reshape(-1) / equation.hbar, hamiltonian.shape)
        return frame, lambda rho: -1j * (potential[:, None] - potential[None, :]) * rho
    return None, None


def by_integration(equation: Equation, rho: jax.Array, rows: Rows, times: Times) -> jax.Array:
    """An adaptive Runge-Kutta method, in the frame of what is fast and diagonal."""
    stops = jnp.asarray(times.stops, rho.real.dtype)
    arrays, rest = eqx.partition((equation, rho), eqx.is_array)
    leaves, structure = jax.tree_util.tree_flatten(arrays)
    relative, absolute = _TOLERANCES[str(stops.dtype)]
    longest = (stops[-1] - stops[0]) / (LEAST_STEPS if equation.time_dependent else 1)

    def problem(leaves: list[jax.Array], first: jax.Array) -> tuple[Slope, jax.Array]:
        one_equation, one_rho = eqx.combine(jax.tree_util.tree_unflatten(structure, leaves), rest)
        slope, _, start = _problem(one_equation, one_rho, (), first)
        return slope, start

    steps = find_common_steps(problem, leaves, stops, Tolerance(relative, absolute, longest))
    slope, read, start = _problem(equation, rho, rows, stops[0])
    return make_steps(slope, read, start, steps)[jnp.asarray(times.saved)]


def _problem(equation: Equation, rho: jax.Array, rows: Rows, first: jax.Array) -> tuple[Slope, Callable, jax.Array]:
    """The slope of the packed density matrix in its frame, what reads it at a time, and its start."""
    bases, read = bases_of(equation), reader(rows, equation.dim)
    frame, remainder = _frame(equation)
    if frame is None or remainder is None:
        return eqx.Partial(packed_generator, equation, bases), lambda t, packed: read(unpack(packed)), pack(rho)

    def slope(t: jax.Array, packed: jax.Array) -> jax.Array:
        now = frame.leave(t - first, unpack(packed))
        return pack(frame.enter(t - first, remainder(now) + generator(equation, bases, t, now, hamiltonian=False)))

    return slope, lambda t, packed: read(frame.leave(t - first, unpack(packed))), pack(frame.enter(0.0, rho))


def as_times(points: np.ndarray, lengths: np.ndarray, edges: np.ndarray) -> Times:
    """The times (T,) with the intervals (T−1,) between them sorted out, and the times (E,) at which something jumps."""
    different, which = np.unique(lengths, return_inverse=True)
    stops = np.union1d(points, edges)
    return Times(points, different, which.astype(np.int32), stops, np.searchsorted(stops, points).astype(np.int32))


METHODS: dict[str, Callable[[Equation, jax.Array, Rows, Times], jax.Array]] = {
    "closed-form": closed_form,
    "liouvillian": by_exponential,
    "ode": by_integration,
}


@eqx.filter_jit
def means(equation: Equation, rho: Array, rows: Rows, times: Times, method: str) -> jax.Array:
    """Means (T, rows) by one of the methods."""
    rho = jnp.asarray(rho, jnp.result_type(jnp.zeros(()), jnp.complex64))
    return METHODS[method](equation, rho, rows, times)

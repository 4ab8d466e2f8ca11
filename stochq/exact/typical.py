r"""The mean of thermalization without a matrix: one propagated state, and random vectors in equilibrium.

$$\rho(t) = e^{-at}U_t\rho_0U_t^\dagger + (1-e^{-at})\chi \qquad\text{(`thermalization` eq. 6)}$$

for a channel that commutes with the Hamiltonian. ⟨O⟩ of the first part is exact; of the second it is

$$\mathrm{Tr}\,\chi O\approx\frac{\sum_r\langle r|\chi^{1/2}O\chi^{1/2}|r\rangle}{\sum_r\langle r|\chi|r\rangle}$$

over R vectors |r⟩ of complex normals, whose error is one number for all times. χ itself is normalised by such a trace,
whose error is one of the rate.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Observable, StateLike
from stochq.equation import Equation
from stochq.exact.inputs import intervals
from stochq.exact.readout import plain_observables, sizes_and_ranges
from stochq.operators import as_array
from stochq.real_parts import by_observable, real_rows
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.linear import apply_matrix, inner, populations
from stochq.systems.states import check_state
from stochq.systems.typicality.traces import random_vectors

# Random vectors, as many as so many amplitudes allow; of few, their error is not known. Up to as many states the trace
# is over a basis, without an error.
_MOST_VECTORS, _FEWEST_VECTORS, _AMPLITUDES = 1024, 8, 2**24
# States up to which density matrices of a Hamiltonian that is never a matrix are integrated.
LARGEST_DENSE = 2**10
# Of an element of the propagated density matrix.
PROPAGATION_ERROR = 1e-9
# Amplitudes that are worked on at a time, and what tells these vectors from others of that seed.
_BLOCK, _SEED = 2**21, 19


def why_not_typical(equation: Equation) -> str:
    """Why its mean is not known without a matrix; empty where it is."""
    hamiltonian, channels = equation.hamiltonian, equation.channels
    if hamiltonian.time_dependent:
        return "the Hamiltonian depends on time"
    if len(channels) > 1 or any(channel.relaxation is None for channel in channels):
        return "it has channels besides one that relaxes to an equilibrium of the Hamiltonian, with which it commutes"
    return ""


def check_feasible(equation: Equation) -> None:
    """ValueError where neither a matrix fits nor the mean is known without one."""
    if equation.dim > LARGEST_DENSE and equation.hamiltonian.is_matrix_free and (reason := why_not_typical(equation)):
        raise ValueError(
            f"equation: expected one whose mean is known without its density matrix, or up to {LARGEST_DENSE} states; "
            f"got {equation.dim} states, and {reason}. Use sq.simulate, with an ensemble of another seed and a shorter "
            "dt as the reference."
        )


class Typical(NamedTuple):
    """expect {name: (T,)}; deviations {real row: (T, R)}, as of `ExactResult`; the observables without a value; sizes
    and ranges of the operators."""

    expect: dict[str, np.ndarray]
    deviations: dict[str, np.ndarray]
    left_out: tuple[str, ...]
    sizes: dict[str, float]
    ranges: dict[str, float]


def evolve_typical(
    equation: Equation, psi0: StateLike, times: np.ndarray, observables: Mapping[str, Observable] | None
) -> Typical:
    """The expectation values at times (T,), in double precision."""
    dim, psi = equation.dim, _ket(psi0, equation.dim)
    plain, left_out = plain_observables(observables, dim)
    wanted = {name: value for name, value in plain.items() if name not in left_out}
    rows = {name: _values_of(value) for name, value in real_rows(wanted, dim).items()}
    sizes = sizes_and_ranges({name: np.asarray(value) for name, value in wanted.items() if not callable(value)})
    read = jax.jit(lambda states: {name: values(states) for name, values in rows.items()})
    along = [jax.device_get(read(state[:, None])) for state in _propagated(equation, psi, times)]
    expect = {name: np.array([seen[name][0] for seen in along]) for name in rows}
    deviations: dict[str, np.ndarray] = {}
    for rate, rate_error, chi in filter(None, (channel.relaxation for channel in equation.channels)):
        decay = float(rate) * (times - times[0])
        share = -np.expm1(-decay)
        means, errors = _in_equilibrium(chi, dim, read)
        by_rate = {name: decay * np.exp(-decay) * (means[name] - value) for name, value in expect.items()}
        expect = {name: (1 - share) * value + share * means[name] for name, value in expect.items()}
        deviations = {} if dim <= _MOST_VECTORS else {name: np.outer(share, each) for name, each in errors.items()}
        deviations = _with_rate(deviations, by_rate, float(rate_error))
    return Typical(by_observable(expect, wanted), deviations, left_out, *sizes)


def _with_rate(
    deviations: Mapping[str, np.ndarray], by_rate: Mapping[str, np.ndarray], error: float
) -> dict[str, np.ndarray]:
    """The deviations (T, R) with one more: by how much a relative error of the rate moves the means (T,)."""
    if not error:
        return dict(deviations)
    return {
        name: np.concatenate([deviations.get(name, np.zeros((len(slope), 0))), error * slope[:, None]], axis=1)
        for name, slope in by_rate.items()
    }


def _ket(state: StateLike, dim: int) -> np.ndarray:
    array = as_array("psi0", state)
    if np.ndim(array) != 1:
        raise ValueError(
            f"psi0: expected a ket ({dim},) of a system that is never a matrix; got shape {np.shape(array)}. Means of "
            "a mixture are those of its states, weighted."
        )
    return check_state(array, dim)


def _propagated(equation: Equation, psi: np.ndarray, times: np.ndarray) -> Iterator[jax.Array]:
    state = jnp.asarray(psi, np.complex128)
    yield state
    for length in intervals(times):
        state = _step(equation.hamiltonian, jnp.asarray(length), jnp.asarray(equation.hbar, float), state)
        yield state


@jax.jit
def _step(hamiltonian: Hamiltonian, dt: jax.Array, hbar: jax.Array, psi: jax.Array) -> jax.Array:
    return jnp.asarray(hamiltonian.propagator(dt, hbar)(0.0, psi))


def _in_equilibrium(chi: Any, dim: int, read: Callable) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Tr χO of each observable, and what each vector (R,) adds to its error."""
    vectors = min(dim, int(np.clip(_AMPLITUDES // dim, _FEWEST_VECTORS, _MOST_VECTORS)))
    width = int(np.clip(_BLOCK // dim, 1, vectors))
    seen = [
        jax.device_get(_sample(chi, read, dim, first, min(width, vectors - first)))
        for first in range(0, vectors, width)
    ]
    norms = np.concatenate([norm for norm, _ in seen])
    means, single = {}, {}
    for name in seen[0][1]:
        each = np.concatenate([values[name] for _, values in seen])
        means[name] = each.sum() / norms.sum()
        single[name] = (each - means[name] * norms) / norms.sum() * np.sqrt(vectors / (vectors - 1))
    return means, single


def _sample(chi: Any, read: Callable, dim: int, first: int, count: int) -> tuple[jax.Array, dict[str, jax.Array]]:
    if dim <= _MOST_VECTORS:
        drawn = jnp.eye(dim, count, -first, dtype=np.complex128)
    else:
        drawn = random_vectors(_SEED, dim, first, count, np.dtype(np.complex128))
    states = _root(chi, drawn)
    return jnp.sum(jnp.abs(states) ** 2, axis=0), read(states)


@jax.jit
def _root(chi: Any, states: jax.Array) -> jax.Array:
    return chi.root(states)


def _values_of(row: Any) -> Callable[[jax.Array], jax.Array]:
    """⟨φ|O|φ⟩ of columns φ (dim, R) of any norm, O Hermitian."""
    if callable(row):
        return lambda states: jnp.asarray(jax.vmap(row, in_axes=-1)(states))
    array = np.asarray(row)
    if array.ndim == 1:
        return lambda states: array.real @ populations(states)
    return lambda states: inner(states, apply_matrix(array, states)).real[0]

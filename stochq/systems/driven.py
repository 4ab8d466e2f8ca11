"""Hamiltonians that depend on time through given functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Coefficient, Number, OperatorLike, as_matrix, as_real, is_concrete
from stochq.operators import as_operator, operator_list
from stochq.systems.checks import check_diagonal, check_finite, check_hermitian, is_hermitian, shape_of
from stochq.systems.hamiltonian import Hamiltonian, Propagator, State
from stochq.systems.influences import Influence, size_of
from stochq.systems.levels import as_hamiltonian
from stochq.systems.linear import apply_matrix, scale, taylor_exponential
from stochq.systems.margins import Margin
from stochq.systems.pauli.sums import PauliSum
from stochq.systems.time_functions import TimeFunction, time_function

# An operator H_j.
Term = OperatorLike | PauliSum
Coefficients = tuple[TimeFunction, ...]


class Driven(Hamiltonian):
    """H(t) = H_0 + sum_j f_j(t) H_j; made by `driven`, which checks its arguments.

    The diagonal terms (dim,) come first in `diagonals`, the others (dim, dim) in `matrices`; those whose coefficient
    is complex stand for f_j(t) H_j + h.c. `sums` of Pauli strings come last. `indices`: j of each, in this order.
    """

    static: Hamiltonian
    diagonals: tuple[Array, ...]
    matrices: tuple[Array, ...]
    diagonal_coefficients: Coefficients
    matrix_coefficients: Coefficients
    sums: tuple[PauliSum, ...]
    sum_coefficients: Coefficients
    indices: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, hamiltonian: Hamiltonian, terms: tuple[Array | PauliSum, ...], coefficients: Coefficients):
        pairs = list(zip(terms, coefficients, strict=True))
        kinds = [0 if isinstance(term, PauliSum) else np.ndim(term) for term in terms]
        self.static = hamiltonian
        diagonal, dense, free = (
            [pair for pair, kind in zip(pairs, kinds, strict=True) if kind == k] for k in (1, 2, 0)
        )
        self.diagonals, self.diagonal_coefficients = _columns_of(diagonal)
        self.matrices, self.matrix_coefficients = _columns_of(dense)
        self.sums, self.sum_coefficients = _columns_of(free)
        self.indices = tuple(sorted(range(len(pairs)), key=lambda j: (1, 2, 0).index(kinds[j])))

    @property
    def dim(self) -> int:
        return self.static.dim

    @property
    def is_matrix_free(self) -> bool:
        return self.static.is_matrix_free

    @property
    def spins(self) -> int | None:
        return self.static.spins

    @property
    def dims(self) -> tuple[int, ...]:
        return self.static.dims

    @property
    def values_of_hbar(self) -> tuple[Number, ...]:
        return self.static.values_of_hbar

    @property
    def margins(self) -> Mapping[str, Margin]:
        return self.static.margins

    @property
    def energies(self) -> Array:
        """Eigenvalues (dim,) of H_0, the part that does not depend on time."""
        return self.static.energies

    @property
    def eigenvectors(self) -> Array | None:
        """Eigenvectors (dim, dim) of H_0."""
        return self.static.eigenvectors

    @property
    def order(self) -> Array:
        return self.static.order

    @property
    def bandwidth(self) -> float:
        """Infinite: the given functions of time have no known bound."""
        return float("inf")

    @property
    def time_dependent(self) -> bool:
        return True

    @property
    def time_functions(self) -> Mapping[str, TimeFunction]:
        named = {f"coefficients[{j}]": function for j, function in zip(self.indices, self._functions, strict=True)}
        return named | {f"hamiltonian: {name}": function for name, function in self.static.time_functions.items()}

    @property
    def _functions(self) -> Coefficients:
        """In the order of `indices`."""
        return (*self.diagonal_coefficients, *self.matrix_coefficients, *self.sum_coefficients)

    @property
    def influences(self) -> tuple[Influence, ...]:
        pairs = [*zip(self.diagonals, self.diagonal_coefficients, strict=True)]
        pairs += zip(self.matrices, self.matrix_coefficients, strict=True)
        sizes = [size_of(term, function.has_complex_values) for term, function in pairs]
        sizes += [float(term.norm_bound) if is_concrete(term.norm_bound) else 0.0 for term in self.sums]
        named = zip(self.indices, sizes, self._functions, strict=True)
        own = [Influence(f"coefficients[{j}]", size, jax.vmap(f), f.knots, True) for j, size, f in named]
        inner = [one._replace(name=f"hamiltonian: {one.name}") for one in self.static.influences]
        return (*own, *inner)

    @property
    def operators(self) -> Mapping[str, Any]:
        """Observables of H_0; "energy" is that of H_0."""
        return self.static.operators

    def with_eigenvectors(self, vectors: ArrayLike) -> "Driven":
        return eqx.tree_at(lambda driven: driven.static, self, self.static.with_eigenvectors(vectors))

    def matrix(self, t: Number = 0.0) -> Array:
        diagonal, matrix = self._drive(t)
        total = self.static.matrix(t)
        for term, coefficient in zip(self.sums, self.sum_coefficients, strict=True):
            total = total + coefficient(t) * term.matrix()
        if diagonal is not None:
            total = total + (np.diag(diagonal) if is_concrete(diagonal) else jnp.diag(diagonal))
        return total if matrix is None else total + matrix

    def _drive(self, t: Number) -> tuple[Array | None, Array | None]:
        """The driving terms at time t, added up: diagonal part (dim,) and matrix part (dim, dim), None where empty."""
        return (
            _combine(self.diagonal_coefficients, self.diagonals, t),
            _combine(self.matrix_coefficients, self.matrices, t),
        )

    def apply(self, t: Number, psi: State) -> State:
        return self.static.apply(t, psi) + self._driving(t)(psi)

    def _driving(self, t: Number) -> Callable[[Array], Array]:
        """The action of the drive at time t; matrices and diagonals cost once, whatever the number of states."""
        diagonal, matrix = self._drive(t)
        factors = [coefficient(t) for coefficient in self.sum_coefficients]

        def action(psi: Array) -> Array:
            parts = [] if diagonal is None and matrix is None else [_act(diagonal, matrix, psi)]
            for factor, term in zip(factors, self.sums, strict=True):
                parts.append(jnp.asarray(factor, psi.real.dtype) * term.apply(psi))
            return sum(parts[1:], parts[0])

        return action

    @property
    def centre(self) -> Number:
        return self.static.centre

    def centred(self) -> "Driven":
        return eqx.tree_at(lambda driven: driven.static, self, self.static.centred())

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        return _DrivenPropagator(self, self.static.propagator(dt / 2, hbar), dt, hbar)


class _DrivenPropagator(Propagator):
    """Half a step of H_0, the drive frozen at the middle of the step, half a step of H_0."""

    hamiltonian: Driven
    half: Propagator
    dt: Number
    hbar: Number

    def __call__(self, t: Number, psi: State) -> State:
        middle = t + self.dt / 2
        # Added up before the series: the terms cost once per step, and once for all trajectories.
        drive = self.hamiltonian._driving(middle)
        psi = self.half(t, psi)
        psi = taylor_exponential(drive, self.dt / self.hbar, psi)
        return self.half(middle, psi)


def _columns_of(pairs: list[tuple[Any, TimeFunction]]) -> tuple[tuple[Any, ...], Coefficients]:
    return tuple(term for term, _ in pairs), tuple(function for _, function in pairs)


def _combine(coefficients: Coefficients, terms: tuple[Array, ...], t: Number) -> Array | None:
    """Sum of f_j(t) H_j, + h.c. where f_j is complex, in the precision of the terms; None if there is none."""
    total = None
    for coefficient, term in zip(coefficients, terms, strict=True):
        factor: Number = coefficient(t)
        concrete = is_concrete((factor, term))
        term = np.asarray(term) if concrete else jnp.asarray(term)
        kind = np.result_type(term, np.complex64) if jnp.iscomplexobj(factor) else np.real(term).dtype
        part = (np if concrete else jnp).asarray(factor, kind) * term
        if jnp.iscomplexobj(factor):
            part = part + part.conj().T
        total = part if total is None else total + part
    return total


def _act(diagonal: Array | None, matrix: Array | None, psi: Array) -> Array:
    if diagonal is None:
        assert matrix is not None
        return apply_matrix(matrix, psi)
    return scale(diagonal, psi) if matrix is None else scale(diagonal, psi) + apply_matrix(matrix, psi)


def driven(
    hamiltonian: Hamiltonian | OperatorLike,
    terms: OperatorLike | Term | Sequence[Term] | Sequence[tuple[Term, Coefficient]],
    coefficients: Coefficient | Sequence[Coefficient] | None = None,
) -> Driven:
    """Hamiltonian that depends on time.

    $$H(t) = H_0 + \\sum_j f_j(t)\\,H_j,\\qquad
      U(t+dt, t) \\approx e^{-iH_0 dt/2}\\,T_4\\!\\left[-i\\,dt\\sum_j f_j(t+\\tfrac{dt}{2})H_j\\right]e^{-iH_0 dt/2}$$

    with T_4 the exponential to fourth order; the step is of order 2 in dt. Keep dt times the drive well below 1.
    A complex f_j stands for f_j(t) A_j + h.c. with an operator A_j that is not Hermitian, as in
    $Fe^{i\\omega t}a$ + h.c.

    Args:
        hamiltonian: H_0, which also gives the energies, eigenvectors and observables.
        terms: operators H_j, each a matrix (dim, dim), a real diagonal (dim,) or a `sq.systems.PauliSum`; or pairs
            (H_j, f_j).
        coefficients: functions f_j of the time t, written with `jax.numpy`, one per term (or one function for one
            term), or from `sq.systems.sampled` and `sq.systems.piecewise`; None with pairs. Define them once: a new
            function is compiled anew.

    Raises:
        ValueError: for terms that do not fit, coefficients that are no functions of t, a real one of an operator that
            is not Hermitian, and a complex one of an operator that is.

    >>> import jax.numpy as jnp
    >>> from stochq.systems import driven, levels
    >>> rabi = driven(levels([0.0, 1.0]), [[[0.0, 1.0], [1.0, 0.0]]], [lambda t: 0.3 * jnp.cos(t)])
    >>> rabi.matrix(0.0).real.round(6).tolist()
    [[0.0, 0.3], [0.3, 1.0]]
    >>> rotating = driven(levels([0.0, 1.0]), [([[0.0, 1.0], [0.0, 0.0]], lambda t: 0.3 * jnp.exp(1j * t))])
    >>> rotating.matrix(jnp.pi / 2).imag.round(6).tolist()
    [[0.0, 0.3], [-0.3, 0.0]]
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    if coefficients is None:
        terms, coefficients = _pairs(terms)
    terms = operator_list("terms", terms)
    coefficients = (coefficients,) if callable(coefficients) else coefficients
    if isinstance(coefficients, str) or not isinstance(coefficients, Iterable):
        raise ValueError(f"coefficients: expected one function of t per term; got {coefficients!r}.")
    coefficients = tuple(coefficients)
    if len(terms) != len(coefficients) or not terms:
        raise ValueError(
            f"coefficients: expected one function of t per term, at least one; "
            f"got {len(terms)} terms and {len(coefficients)} coefficients."
        )
    functions = tuple(
        time_function(f"coefficients[{j}]", coefficient, complex_values=True)
        for j, coefficient in enumerate(coefficients)
    )
    checked = tuple(
        _term(j, term, function, hamiltonian.dim, hamiltonian.dims)
        for j, (term, function) in enumerate(zip(terms, functions, strict=True))
    )
    return Driven(hamiltonian, checked, functions)


def _pairs(terms: Any) -> tuple[list[Any], list[Any]]:
    """Operators and coefficients of [(H_j, f_j), ...]."""
    entries = list(terms) if isinstance(terms, (list, tuple)) else []
    if not entries or not all(isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1]) for pair in entries):
        raise ValueError(
            "terms: expected pairs [(operator, function of t), ...] where no coefficients are given; got something "
            "else. Write driven(H, [(A, lambda t: jnp.cos(t))])."
        )
    return [operator for operator, _ in entries], [function for _, function in entries]


def _term(
    index: int, term: OperatorLike | PauliSum, function: TimeFunction, dim: int, dims: tuple[int, ...]
) -> Array | PauliSum:
    if isinstance(term, PauliSum):
        return _checked_sum(index, term, function, dim)
    return _checked_term(index, as_operator(f"terms[{index}]", term, dims), function, dim)


def _checked_term(index: int, term: ArrayLike, function: TimeFunction, dim: int) -> Array:
    name = f"terms[{index}]"
    if shape_of(name, term) not in ((dim,), (dim, dim)):
        raise ValueError(f"{name}: expected shape ({dim},) or ({dim}, {dim}); got {np.shape(term)}.")
    if function.has_complex_values:
        _check_lowering(index, term)
        return as_matrix(term)
    if np.ndim(term) == 1:
        check_diagonal(name, term)
        return as_real(np.real(term) if is_concrete(term) else term)
    if is_concrete(term) and np.all(np.isfinite(term)) and not is_hermitian(term):
        raise ValueError(
            f"{name}: expected a Hermitian matrix with the real coefficients[{index}]; got one that is not. For "
            f"f(t)A + h.c. make f complex, lambda t: f(t) + 0j; else symmetrise, (A + A.conj().T) / 2."
        )
    check_hermitian(name, term)
    return as_matrix(term)


def _checked_sum(index: int, term: PauliSum, function: TimeFunction, dim: int) -> Array | PauliSum:
    if term.dim != dim:
        raise ValueError(f"terms[{index}]: expected a sum on states of dimension {dim}; got one on {term.sites} sites.")
    if function.has_complex_values:
        raise ValueError(
            f"coefficients[{index}]: expected real values, as terms[{index}] is Hermitian; got complex ones. Take "
            "jnp.real(f)."
        )
    return term if term.diagonal is None else term.diagonal


def _check_lowering(index: int, term: ArrayLike) -> None:
    """ValueError for an operator that is its own Hermitian conjugate, with a complex coefficient."""
    check_finite(f"terms[{index}]", term)
    if np.ndim(term) == 1 or (is_concrete(term) and is_hermitian(term)):
        raise ValueError(
            f"coefficients[{index}]: expected real values, as terms[{index}] is Hermitian; got complex ones, "
            "which stand for f(t)A + h.c. Take jnp.real(f) for f(t)A, 2 * jnp.real(f) for f(t)A + h.c."
        )

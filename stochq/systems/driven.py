"""Hamiltonians that depend on time through given functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from stochq.arrays import Array, Number, as_matrix, as_real, is_concrete
from stochq.functions import UserFunction, user_function
from stochq.operators import check_time_function, operator_list
from stochq.systems.checks import check_diagonal, check_hermitian, shape_of
from stochq.systems.hamiltonian import Hamiltonian, Propagator, State
from stochq.systems.levels import as_hamiltonian
from stochq.systems.linear import apply_matrix, scale, taylor_exponential

Coefficient = Callable[[Number], Number]
Coefficients = tuple[Coefficient, ...]


class Driven(Hamiltonian):
    """H(t) = H_0 + sum_j f_j(t) H_j; made by `driven`, which checks its arguments.

    The diagonal terms (dim,) come first in `diagonals`, the others (dim, dim) in `matrices`.
    """

    static: Hamiltonian
    diagonals: tuple[Array, ...]
    matrices: tuple[Array, ...]
    diagonal_coefficients: Coefficients = eqx.field(static=True)
    matrix_coefficients: Coefficients = eqx.field(static=True)

    def __init__(self, hamiltonian: Hamiltonian, terms: tuple[Array, ...], coefficients: Coefficients):
        pairs = list(zip(terms, coefficients, strict=True))
        self.static = hamiltonian
        self.diagonals = tuple(term for term, _ in pairs if np.ndim(term) == 1)
        self.diagonal_coefficients = tuple(f for term, f in pairs if np.ndim(term) == 1)
        self.matrices = tuple(term for term, _ in pairs if np.ndim(term) == 2)
        self.matrix_coefficients = tuple(f for term, f in pairs if np.ndim(term) == 2)

    @property
    def dim(self) -> int:
        return self.static.dim

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
    def operators(self) -> Mapping[str, Any]:
        """Observables of H_0; "energy" is that of H_0."""
        return self.static.operators

    def with_eigenvectors(self, vectors: ArrayLike) -> "Driven":
        return eqx.tree_at(lambda driven: driven.static, self, self.static.with_eigenvectors(vectors))

    def matrix(self, t: Number = 0.0) -> Array:
        diagonal, matrix = self._drive(t)
        total = self.static.matrix(t)
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
        return self.static.apply(t, psi) + _act(*self._drive(t), psi)

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
        diagonal, matrix = self.hamiltonian._drive(middle)
        psi = self.half(t, psi)
        psi = taylor_exponential(lambda phi: _act(diagonal, matrix, phi), self.dt / self.hbar, psi)
        return self.half(middle, psi)


def _combine(coefficients: Coefficients, terms: tuple[Array, ...], t: Number) -> Array | None:
    """Sum of f_j(t) H_j in the precision of the terms; None if there is none."""
    total = None
    for coefficient, term in zip(coefficients, terms, strict=True):
        factor = coefficient(t)
        if is_concrete((factor, term)):
            term = np.asarray(term)
            part = np.asarray(factor, np.real(term).dtype) * term
        else:
            term = jnp.asarray(term)
            part = jnp.asarray(factor, np.real(term).dtype) * term
        total = part if total is None else total + part
    return total


def _act(diagonal: Array | None, matrix: Array | None, psi: Array) -> Array:
    if diagonal is None:
        assert matrix is not None
        return apply_matrix(matrix, psi)
    return scale(diagonal, psi) if matrix is None else scale(diagonal, psi) + apply_matrix(matrix, psi)


def driven(
    hamiltonian: Hamiltonian | ArrayLike,
    terms: ArrayLike | Sequence[ArrayLike],
    coefficients: Coefficient | Sequence[Any],
) -> Driven:
    """Hamiltonian that depends on time.

    $$H(t) = H_0 + \\sum_j f_j(t)\\,H_j,\\qquad
      U(t+dt, t) \\approx e^{-iH_0 dt/2}\\,T_4\\!\\left[-i\\,dt\\sum_j f_j(t+\\tfrac{dt}{2})H_j\\right]e^{-iH_0 dt/2}$$

    with T_4 the exponential to fourth order; the step is of order 2 in dt. Keep dt times the drive well below 1.
    hamiltonian: H_0, which also gives the energies, eigenvectors and observables. terms: Hermitian operators H_j,
    each a diagonal (dim,) or a matrix (dim, dim). coefficients: functions f_j of the time t, written with
    `jax.numpy`, real, one per term (or one function for one term). Define them once: a new function is compiled anew.
    Raises: ValueError if the terms are not Hermitian or do not fit, or a coefficient is not a real function of t.

    >>> import jax.numpy as jnp
    >>> from stochq.systems import driven, levels
    >>> rabi = driven(levels([0.0, 1.0]), [[[0.0, 1.0], [1.0, 0.0]]], [lambda t: 0.3 * jnp.cos(t)])
    >>> rabi.matrix(0.0).real.round(6).tolist()
    [[0.0, 0.3], [0.3, 1.0]]
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    terms = operator_list("terms", terms)
    coefficients = (coefficients,) if callable(coefficients) else tuple(coefficients)
    if len(terms) != len(coefficients) or not terms:
        raise ValueError(
            f"coefficients: expected one function of t per term, at least one; "
            f"got {len(terms)} terms and {len(coefficients)} coefficients."
        )
    checked = tuple(_term(f"terms[{j}]", term, hamiltonian.dim) for j, term in enumerate(terms))
    functions = tuple(time_function(f"coefficients[{j}]", coefficient) for j, coefficient in enumerate(coefficients))
    return Driven(hamiltonian, checked, functions)


def _term(name: str, term: Any, dim: int) -> Array:
    if shape_of(name, term) not in ((dim,), (dim, dim)):
        raise ValueError(f"{name}: expected shape ({dim},) or ({dim}, {dim}); got {np.shape(term)}.")
    if np.ndim(term) == 1:
        check_diagonal(name, term)
        return as_real(np.real(term) if is_concrete(term) else term)
    check_hermitian(name, term)
    return as_matrix(term)


def time_function(name: str, coefficient: Any) -> UserFunction:
    """A user's function of the time, checked: one real number that JAX can compile."""
    if not callable(coefficient):
        raise ValueError(f"{name}: expected a function of the time t; got {coefficient!r}. Write lambda t: ... .")
    check_time_function(name, coefficient)
    function = user_function(coefficient)
    value: Any = function(0.0)
    if np.shape(value) != () or (is_concrete(value) and (np.iscomplexobj(value) or not np.isfinite(value))):
        raise ValueError(f"{name}: expected one finite real number at each time; got {value!r} at t = 0.")
    return function

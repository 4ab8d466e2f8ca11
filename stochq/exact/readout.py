"""Observables on a density matrix."""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import numpy as np

from stochq.arrays import Observable, is_concrete
from stochq.function_checks import check_state_function
from stochq.functions import user_function
from stochq.real_parts import has_complex_values, is_hermitian
from stochq.systems.checks import check_finite, shape_of
from stochq.systems.observables import LinearObservable

# A callable may compute in single precision: identities hold to this fraction of its values.
_QUADRATIC_TOLERANCE = 1e-4

# Eigenvalues (dim,) and eigenvectors (dim, dim) of a density matrix.
Mixture = tuple[np.ndarray, np.ndarray]


class Readout:
    """Expectation values of observables, {name: diagonal (dim,) | matrix (dim, dim) | callable(psi) -> number}.

    A callable is evaluated as Σ_k w_k f(v_k) over the eigenvectors of ρ, which is its expectation where f is
    quadratic in ψ, f(ψ) = ⟨ψ|O|ψ⟩. Callables that are not are listed in `left_out`. Statistics of states, such as
    sq.Density() and sq.Histogram(...), are skipped, so that one mapping serves `sq.simulate` and `sq.exact.evolve`.
    """

    def __init__(self, observables: Mapping[str, Observable] | None, dim: int) -> None:
        plain, self.left_out = plain_observables(observables, dim)
        self._rules = {name: _rule(name, value, dim) for name, value in plain.items() if name not in self.left_out}
        self._complex = {name for name in self._rules if _is_complex(plain[name], dim)}
        operators = {name: np.asarray(plain[name]) for name in self._rules if not callable(plain[name])}
        self.sizes, self.ranges = sizes_and_ranges(operators)
        self._needs_states = any(isinstance(rule, _OnStates) for rule in self._rules.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._rules)

    def __call__(self, rho: np.ndarray) -> np.ndarray:
        """The expectation values (observables,) on ρ (dim, dim), complex if one of them is."""
        mixture = np.linalg.eigh(rho) if self._needs_states else None
        return np.array([rule(rho, mixture) for rule in self._rules.values()])

    def by_name(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of values (time, observables), complex for those of complex observables only."""
        columns = dict(zip(self.names, values.T, strict=True))
        return {name: (v if name in self._complex else np.real(v)).copy() for name, v in columns.items()}


def plain_observables(
    observables: Mapping[str, Observable] | None, dim: int
) -> tuple[dict[str, Observable], tuple[str, ...]]:
    """What is no statistic of states, and the names of functions among it that are not quadratic in ψ."""
    plain = {
        name: _function(name, value, dim) for name, value in (observables or {}).items() if not _is_statistic(value)
    }
    return plain, tuple(name for name, value in plain.items() if callable(value) and not is_quadratic(value, dim))


def sizes_and_ranges(operators: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """The largest element of each operator, and a bound on the range of its expectation."""
    sizes = {name: float(np.abs(operator).max()) for name, operator in operators.items()}
    return sizes, {name: _range(operator) for name, operator in operators.items()}


def _function(name: str, value: Observable, dim: int) -> Observable:
    """A function as one that may be called in double precision; an array as it is."""
    if not callable(value):
        return value
    check_state_function(f"observables[{name!r}]", value, dim)
    return user_function(value)


def _range(operator: np.ndarray) -> float:
    """A bound on the range of its expectation: 2‖O − c‖, the norm by sums over rows and columns."""
    diagonal = operator if operator.ndim == 1 else np.diagonal(operator)
    centre = (diagonal.real.min() + diagonal.real.max()) / 2
    if operator.ndim == 1:
        return 2 * float(np.abs(operator - centre).max())
    sizes = np.abs(operator)
    np.fill_diagonal(sizes, np.abs(diagonal - centre))
    return 2 * float(max(sizes.sum(axis=0).max(), sizes.sum(axis=1).max()))


def _is_statistic(value: object) -> bool:
    return isinstance(value, eqx.Module) and not callable(value)


def _is_complex(value: Observable, dim: int) -> bool:
    return has_complex_values(value, dim) if callable(value) else not is_hermitian(np.asarray(value))


class _OnStates:
    """A callable psi -> number, averaged over the eigenvectors of ρ."""

    def __init__(self, function: Callable) -> None:
        self._function = jax.jit(jax.vmap(function, in_axes=-1))

    def __call__(self, rho: np.ndarray, mixture: Mixture | None) -> complex:
        assert mixture is not None
        weights, vectors = mixture
        return (weights @ np.asarray(self._function(vectors))).item()


def _rule(name: str, value: Observable, dim: int) -> Callable[[np.ndarray, Mixture | None], complex]:
    """The function (ρ, its eigenvalues and eigenvectors) -> expectation value."""
    if isinstance(value, LinearObservable):
        return lambda rho, mixture: np.asarray(value.of_density(rho)).item()
    if callable(value):
        return _OnStates(value)
    label = f"observables[{name!r}]"
    shape = shape_of(label, value)
    if shape not in ((dim,), (dim, dim)):
        raise ValueError(f"{label}: expected shape ({dim},) or ({dim}, {dim}) or a callable; got {shape}.")
    array = np.asarray(value)
    check_finite(label, array)
    to_number = np.real if is_hermitian(array) else np.asarray
    if array.ndim == 1:
        return lambda rho, mixture: to_number(np.real(np.diagonal(rho)) @ array).item()
    return lambda rho, mixture: to_number(np.sum(array.T * rho)).item()


def is_quadratic(function: Callable, dim: int) -> bool:
    """Whether f((a+b)/√2) + f((a−b)/√2) = f(a) + f(b), and with ib for b, for orthonormal a and b.

    A function that holds traced numbers cannot be looked at: it counts as something else.
    """
    if isinstance(function, LinearObservable) or dim < 2:
        return True
    rng = np.random.default_rng(1)
    vectors, _ = np.linalg.qr(rng.normal(size=(dim, 2)) + 1j * rng.normal(size=(dim, 2)))
    a, b = vectors.T
    states = np.stack([a, b, *[(a + phase * b) / np.sqrt(2) for phase in (1, -1, 1j, -1j)]], axis=-1)
    with jax.ensure_compile_time_eval():
        values = jax.jit(jax.vmap(function, in_axes=-1))(states)
    if not is_concrete(values):
        return False
    values = np.asarray(values)
    total = values[0] + values[1]
    violation = max(abs(values[2] + values[3] - total), abs(values[4] + values[5] - total))
    return bool(violation <= _QUADRATIC_TOLERANCE * np.abs(values).max())

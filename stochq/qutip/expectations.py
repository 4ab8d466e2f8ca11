"""QuTiP's e_ops: operators, `QobjEvo` and functions f(t, state), as observables of a run and what is made of them."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from qutip import Qobj, QobjEvo

from stochq.operators import as_operator
from stochq.qutip.time_dependence import as_sum
from stochq.real_parts import is_hermitian

# Values count as real where the imaginary parts of a function's are below this fraction of their size.
_REAL_RTOL = 1e-12


@dataclass(frozen=True)
class Expectation:
    """One of the e_ops.

    key: in QuTiP's dictionaries. label: in ours. given: what the user gave. observables: {name: matrix (dim, dim) or
    real diagonal (dim,)} of which the run takes means. factors: (observable, T), by which they are summed at each
    time; None for one operator. function: f(t, state), which is called with every state.
    """

    key: Hashable
    label: str
    given: Any
    observables: dict[str, np.ndarray]
    factors: np.ndarray | None
    function: Callable[[float, Qobj], Any] | None
    is_real: bool

    @property
    def needs_values(self) -> bool:
        """Whether its spread cannot be told by means and variances of operators alone."""
        return self.factors is not None

    def of_values(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """In every run at every time, (run, T), from those of the observables."""
        arrays = [values[name] for name in self.observables]
        if self.factors is None:
            return arrays[0]
        total = np.sum([factor * array for factor, array in zip(self.factors, arrays, strict=True)], axis=0)
        return total.real if self.is_real else total

    def __call__(self, t: float, state: Qobj) -> Any:
        """The value on one state, as QuTiP has it."""
        if self.function is not None:
            return self.function(t, state)
        return QobjEvo(self.given).expect(t, state)  # pyright: ignore[reportArgumentType]


def expectations_of(e_ops: object, times: np.ndarray, dim: int, dims: tuple[int, ...]) -> list[Expectation]:
    """The e_ops, one, a list or a dictionary, in order.

    Args:
        e_ops: None, a `Qobj`, a `QobjEvo`, a function f(t, state), or a list or a dictionary of them.
        times: (T,) of the run.
        dim: of the states. dims: of their parts.

    Raises:
        ValueError: for something else, and for operators of another system.
    """
    if e_ops is None:
        return []
    if isinstance(e_ops, dict):
        pairs = [(key, _label(key), op) for key, op in e_ops.items()]
    else:
        listed = list(e_ops) if isinstance(e_ops, (list, tuple)) else [e_ops]
        pairs = [(place, f"e_ops[{place}]", op) for place, op in enumerate(listed)]
    return [_expectation(key, label, op, times, dim, dims) for key, label, op in pairs]


def _label(key: Hashable) -> str:
    """A text key is its own label, where it cannot be taken for that of another of the e_ops or of what a run keeps."""
    is_plain = (
        isinstance(key, str)
        and not key.startswith("e_ops[")
        and not re.search(r"^$|, term | of every run|^mean density matrix$", key)
    )
    return key if isinstance(key, str) and is_plain else f"e_ops[{key!r}]"


def _expectation(
    key: Hashable, label: str, op: object, times: np.ndarray, dim: int, dims: tuple[int, ...]
) -> Expectation:
    name = f"e_ops[{key!r}]"
    if isinstance(op, Qobj) or (isinstance(op, QobjEvo) and op.isconstant):
        given = op if isinstance(op, Qobj) else op(0.0)
        matrix = _matrix(name, given, dim, dims)
        return Expectation(key, label, op, {label: matrix}, None, None, is_hermitian(matrix))
    if isinstance(op, QobjEvo):
        total = as_sum(name, op, float(times[0]), float(times[-1]))
        matrices = [_matrix(name, operator, dim, dims) for operator in total.operators]
        factors = total.at(times)
        observables = {f"{label}, term {place}": matrix for place, matrix in enumerate(matrices)}
        is_real = all(op(float(t)).isherm for t in times)
        return Expectation(key, label, op, observables, factors, None, is_real)
    if callable(op):
        return Expectation(key, label, op, {}, None, op, False)
    raise ValueError(
        f"{name}: expected a Qobj, a QobjEvo or a function f(t, state); got {type(op).__name__}. A dictionary or a "
        "list holds several."
    )


def _matrix(name: str, operator: Qobj, dim: int, dims: tuple[int, ...]) -> np.ndarray:
    """As a real diagonal (dim,) where it is one, else (dim, dim)."""
    matrix = np.asarray(as_operator(name, operator, dims))
    if matrix.shape != (dim, dim):
        raise ValueError(f"{name}: expected an operator on {dim} levels; got shape {matrix.shape}.")
    diagonal = np.diagonal(matrix)
    is_diagonal = np.count_nonzero(matrix) == np.count_nonzero(diagonal)
    return diagonal.real.copy() if is_diagonal and not np.any(diagonal.imag) else matrix


def check_functions(expectations: list[Expectation], t: float, state: Qobj) -> None:
    """ValueError where a function does not make one number of the first state."""
    for each in expectations:
        if each.function is not None:
            _value(each, t, state)


def values_of_function(each: Expectation, times: np.ndarray, states: list[list[Qobj]]) -> np.ndarray:
    """Of f(t, state) in every run at every time, (run, T)."""
    values = np.array([[_value(each, float(t), psi) for t, psi in zip(times, run, strict=True)] for run in states])
    if np.iscomplexobj(values) and np.abs(values.imag).max() <= _REAL_RTOL * np.abs(values).max():
        return values.real
    return values


def _value(each: Expectation, t: float, state: Qobj) -> complex | np.number:
    assert each.function is not None
    name = f"e_ops[{each.key!r}]"
    try:
        value = each.function(t, state)
    except Exception as error:
        raise ValueError(
            f"{name}: expected a function f(t, state) of a time and a Qobj; at t = {t:g} it raised "
            f"{type(error).__name__}: {error}."
        ) from error
    if isinstance(value, (np.ndarray, jax.Array)) and value.ndim == 0:
        value = np.asarray(value)[()]
    if not isinstance(value, (int, float, complex, np.number)):
        raise ValueError(
            f"{name}: expected a function f(t, state) with a number as its value; got {type(value).__name__}."
        )
    return value

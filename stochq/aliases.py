"""The kinds of arguments that users give, by name: what `help` shows, and type checkers hold calls against.

No text is an array: `psi0="x"` and `times=3` are faults that a type checker tells before the program runs. What a call
gets is checked by the library itself, whether or not a type checker was asked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from typing_extensions import TypeAliasType


@runtime_checkable
class HasArray(Protocol):
    """What NumPy makes an array of: a column of pandas, an array of xarray."""

    def __array__(self) -> np.ndarray: ...


@runtime_checkable
class Shaped(Protocol):
    """What other libraries make of operators and states has a shape: see `stochq.operators`."""

    @property
    def shape(self) -> object: ...


class InDiagonals(Protocol):
    """An operator of one part of a composite system, as `embed` returns it."""

    @property
    def offsets(self) -> tuple[int, ...]: ...
    @property
    def bands(self) -> np.ndarray | jax.Array: ...
    @property
    def hermitian(self) -> bool: ...


class Device(Protocol):
    """One of `jax.devices()`."""

    @property
    def id(self) -> int: ...
    @property
    def platform(self) -> str: ...
    @property
    def device_kind(self) -> str: ...
    def memory_stats(self) -> dict[str, int] | None: ...


# An array of the host or of JAX, traced or not.
Array = np.ndarray | jax.Array
# The same kind of array in as out.
SameArray = TypeVar("SameArray", np.ndarray, jax.Array, Array)

# A real number that JAX may be tracing: of Python, of NumPy, or an array without axes.
Number = TypeAliasType("Number", int | float | np.integer | np.floating | np.ndarray | jax.Array)
# A complex number that JAX may be tracing.
ComplexNumber = TypeAliasType("ComplexNumber", Number | complex | np.complexfloating)

_Arrays = np.ndarray | jax.Array | HasArray
_Real = int | float
_Complex = int | float | complex
# Lists in lists are written out: in a type that names itself a text would be a list of texts.
_Row = Sequence[_Complex] | Sequence[_Arrays]
_Rows = _Row | Sequence[Sequence[_Complex]] | Sequence[Sequence[_Arrays]]
_Stacks = _Rows | Sequence[Sequence[Sequence[_Complex]]] | Sequence[Sequence[Sequence[Sequence[_Complex]]]]
# What becomes an array: a number, lists of them, an array.
ArrayLike = TypeAliasType("ArrayLike", _Complex | _Arrays | _Stacks)
# Times in ascending order, (T,).
Times = TypeAliasType("Times", _Arrays | Sequence[_Real] | Sequence[_Arrays])
# An operator: its diagonal (dim,) or its matrix (dim, dim), of NumPy, JAX, SciPy, QuTiP or dynamiqs; or of one part.
OperatorLike = TypeAliasType("OperatorLike", _Arrays | Shaped | InDiagonals | _Rows)
# A pure state (dim,), or a density matrix (dim, dim); of the same libraries.
StateLike = TypeAliasType("StateLike", _Arrays | Shaped | _Rows)
# A function of a state (dim,), or of a density matrix where the states are such, whose value is a number.
StateFunction = TypeAliasType("StateFunction", Callable[[jax.Array], ArrayLike])
# Parameters of a model: a number, an array, or a tree of them, as JAX knows trees; also what has their structure.
Parameters = TypeAliasType("Parameters", ArrayLike | Mapping[str, object] | tuple[object, ...] | eqx.Module)
# A function from parameters, and what else it may take, to what it predicts.
Prediction = TypeAliasType("Prediction", Callable[..., object])
# A function of the time t, whose value is a real or a complex number; written with jax.numpy.
Coefficient = TypeAliasType("Coefficient", Callable[[jax.Array], ComplexNumber])
# A sum of products of operators of the parts of a system, {part: operator}, each with its factor where one is written.
_PartsOperators = Mapping[str, OperatorLike] | Mapping[int, OperatorLike]
Coupling = TypeAliasType(
    "Coupling", _PartsOperators | Sequence[_PartsOperators | tuple[ComplexNumber, _PartsOperators]]
)
# A sum of operators, each with its factor.
TermsInTime = TypeAliasType("TermsInTime", Sequence[tuple[OperatorLike, Coefficient]])
# What is averaged: an operator, or a function of a state.
Observable = TypeAliasType("Observable", OperatorLike | StateFunction)
# Observables by name, one of which may be the name of one that the system has; or a list of such names.
Observables = TypeAliasType("Observables", Mapping[str, Observable | str] | list[str] | tuple[str, ...])

"""Users' functions of a state or of the time: told whether JAX can compile them before they are used."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

TRACING_ERRORS = (
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.ConcretizationTypeError,
)


def shapes_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """`jax.eval_shape`, tracing to the end also where the function raises.

    Of a trace that is broken off JAX keeps the arrays for good, in the precision of that trace, and takes them for
    those of the other one as well. What it traces is a function of its own, as it remembers functions, too.
    """
    raised = []

    def completed(*values: Any) -> Any:
        try:
            return function(*values)
        except Exception as error:
            raised.append(error)
            return jnp.zeros(())

    shapes = jax.eval_shape(completed, *arguments)
    if raised:
        raise raised.pop()
    return shapes


def check_state_function(name: str, function: Callable[..., Any], *shape: int) -> None:
    """ValueError unless JAX can trace a function of one state (dim,), or (dim, dim)."""
    variable, example = ("psi", "jnp.vdot(psi, A @ psi)") if len(shape) == 1 else ("rho", "jnp.trace(A @ rho)")
    repair = f"Write it with jax.numpy: jnp.abs({variable}), {example}."
    try:
        value = _check_traceable(name, function, _state(shape), variable, repair)
    except Exception as error:
        _refuse_other_states(name, function, shape)
        # Operators of ours that act on other states say so of their argument.
        if isinstance(error, ValueError) and str(error).startswith("psi: "):
            raise ValueError(f"{name}: {str(error).removeprefix('psi: ')}") from None
        raise
    if value.size != 1:
        _refuse_other_states(name, function, shape)
        raise ValueError(
            f"{name}: expected a function of one state with one real number as its value; got an array of shape "
            f"{value.shape}. Give one function for each of its elements."
        )
    _check_elements(name, function, shape, variable)


class _Indexed:
    """A state that knows which of its elements there are; JAX takes the nearest one for one that there is not."""

    def __init__(self, state: jax.Array) -> None:
        self._state = state

    def __jax_array__(self) -> jax.Array:
        return self._state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def __getitem__(self, index: Any) -> jax.Array:
        entries = index if isinstance(index, tuple) else (index,)
        for entry, size in zip(entries, self._state.shape, strict=False):
            if isinstance(entry, (int, np.integer)) and not -size <= entry < size:
                raise _NoSuchElement(str(index))
        return self._state[index]


class _NoSuchElement(IndexError):
    """An element was asked for that the state has not."""


def _check_elements(name: str, function: Callable[..., Any], shape: tuple[int, ...], variable: str) -> None:
    """ValueError for a function that asks for an element beyond the last one by its number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shapes_of(lambda value: function(_Indexed(value)), _state(shape))
    except _NoSuchElement as error:
        raise ValueError(
            f"{name}: expected elements of a state of shape {shape}; the function asks for {variable}[{error}]."
        ) from None
    except Exception:
        # It does with the state what only an array can: nothing is known of its elements.
        return


def _state(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.result_type(np.complex64 if not jax.config.jax_enable_x64 else complex))


def _refuse_other_states(name: str, function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    """ValueError for a function of kets where states are density matrices, and the reverse."""
    dim, of_densities = shape[0], len(shape) == 2
    try:
        value = shapes_of(function, _state((dim,) if of_densities else (dim, dim)))
    except Exception:
        return
    if getattr(value, "size", 0) != 1:
        return
    if of_densities:
        raise ValueError(
            f"{name}: expected a function of a density matrix ({dim}, {dim}), which conditional=True looks at; got one "
            "of a ket. The overlap with a ket k is jnp.vdot(k, rho @ k).real."
        ) from None
    raise ValueError(
        f"{name}: expected a function of a ket ({dim},); got one of a density matrix. With conditional=True functions "
        "are of ρ; the overlap of a ket psi with a ket k is jnp.abs(jnp.vdot(k, psi)) ** 2."
    ) from None


def check_time_function(name: str, function: Callable[..., Any]) -> None:
    """ValueError unless JAX can trace a function of the time."""
    time = jax.ShapeDtypeStruct((), jnp.result_type(float))
    repair = "Write it with jax.numpy: jnp.cos(t) for np.cos(t), jnp.where(t < 1, a, b) for `if t < 1`."
    _check_traceable(name, function, time, "t", repair)


def _check_traceable(
    name: str, function: Callable[..., Any], argument: jax.ShapeDtypeStruct, variable: str, repair: str
) -> Any:
    """The shape and type of its value."""
    try:
        value = shapes_of(function, argument)
    except TRACING_ERRORS as error:
        raise ValueError(
            f"{name}: expected a function of {variable} that JAX can compile; got one that needs the numbers in "
            f"{variable} beforehand, as NumPy, math and `if` do. {repair}"
        ) from error
    except TypeError as error:
        if not any(words in str(error) for words in ("positional argument", "takes no arguments")):
            raise ValueError(_failing(name, variable, error, repair)) from error
        raise ValueError(f"{name}: expected a function of {variable} alone; got one with other arguments.") from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, NameError) as error:
        raise ValueError(_failing(name, variable, error, repair)) from error
    if not isinstance(value, jax.ShapeDtypeStruct):
        raise ValueError(
            f"{name}: expected a function of {variable} with a number as its value; got {type(value).__name__}."
        )
    return value


def _failing(name: str, variable: str, error: Exception, repair: str) -> str:
    return (
        f"{name}: expected a function of {variable}, an array of JAX, with a number as its value; got one that raises "
        f"{type(error).__name__}. {repair}"
    )

"""Functions of one array as traced programs, with copies of the arrays that they hold."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from stochq.arrays import Array, is_concrete
from stochq.real_products import by_real_products


class Program(NamedTuple):
    """A function of one array, traced: its operations and the arrays that it holds."""

    closed: core.ClosedJaxpr

    def __call__(self, argument: jax.Array) -> jax.Array:
        return core.jaxpr_as_fun(self.closed)(argument)[0]


def trace(function: Callable[[jax.Array], Array], argument: jax.Array) -> Program:
    """A function of one array, with copies of all arrays that it holds."""
    # A function object of its own, which dies here: JAX would remember the arrays as long as it lives.
    closed = jax.make_jaxpr(lambda x: jnp.asarray(function(x)))(argument)
    return Program(_with_copies(by_real_products(closed)))


def _with_copies(value: Any) -> Any:
    """A traced program with copies of all arrays, so that the originals' 32- or 64-bit forms are forgotten."""
    # From JAX 0.11 on both are one class, whose `jaxpr` is itself.
    if isinstance(value, core.ClosedJaxpr):
        return core.ClosedJaxpr(_operations_with_copies(value.jaxpr), _with_copies(value.consts))
    if isinstance(value, core.Jaxpr):
        return _operations_with_copies(value)
    if isinstance(value, core.Literal) and is_array(value.val):
        copy = type(value.val)(np.array(value.val))
        return cast(Any, core.Literal)(copy, value.aval)
    if isinstance(value, list):
        return [_with_copies(part) for part in value]
    if type(value) is tuple:
        return tuple(_with_copies(part) for part in value)
    return np.array(value) if is_array(value) and is_concrete(value) else value


def _operations_with_copies(program: core.Jaxpr) -> core.Jaxpr:
    equations = [
        equation.replace(
            invars=_with_copies(equation.invars),
            params={name: _with_copies(parameter) for name, parameter in equation.params.items()},
        )
        for equation in program.eqns
    ]
    return program.replace(eqns=equations, outvars=_with_copies(program.outvars))


def is_array(value: object) -> bool:
    """Whether a value is an array or a number of NumPy or JAX."""
    return isinstance(getattr(value, "dtype", None), np.dtype) and hasattr(value, "__array__")

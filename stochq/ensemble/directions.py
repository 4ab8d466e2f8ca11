"""Derivatives of what few perturbed numbers move: along each of them, whatever mode asks, and nothing is remembered."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

# A derivative along each of three costs about what one pass backwards does, and three times one in forward mode.
FEW = 2


def by_directions(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    r"""The same function of arrays, whose derivatives with respect to few real numbers θ are made along each of them.

    $$\dot f = \sum_k \frac{\partial f}{\partial\theta_k}\,\dot\theta_k$$

    Forward mode makes the columns ∂f/∂θ_k beside f. Reverse mode then turns round the sum alone, and goes through
    no step backwards. Where more than `FEW` numbers are perturbed, both modes are the ordinary ones.
    """

    def called(*arguments: jax.Array) -> jax.Array:
        # What functions inside hold may be traced, too.
        open_function, held = jax.closure_convert(function, *arguments)
        return _wrapped(open_function)(*arguments, *held)

    return called


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    wrapped = jax.custom_jvp(function)

    def rule(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
        places = [place for place, tangent in enumerate(tangents) if _moves(tangent)]
        along = [tangents[place] for place in places]
        if sum(_real_numbers(primals[place]) for place in places) > FEW:
            moving, of_moving = _split(function, primals, places)
            return jax.jvp(of_moving, moving, tuple(along))

        # Wrapped again for second derivatives.
        value, columns = _wrapped(lambda *primals: _with_columns(function, primals, places))(*primals)
        coordinates = jnp.concatenate([_coordinates(tangent) for tangent in along])

        def moved(column: jax.Array) -> jax.Array:
            return jnp.tensordot(coordinates.astype(column.dtype), column, 1)

        return value, jax.tree.map(moved, columns)

    wrapped.defjvp(rule, symbolic_zeros=True)
    return wrapped


def _split(function: Callable[..., Any], primals: tuple, places: Sequence[int]) -> tuple[tuple, Callable[..., Any]]:
    """The arguments at these places, and the function of them alone."""

    def of_moving(*moving: jax.Array) -> Any:
        given = list(primals)
        for place, value in zip(places, moving, strict=True):
            given[place] = value
        return function(*given)

    return tuple(primals[place] for place in places), of_moving


def _with_columns(function: Callable[..., Any], primals: tuple, places: Sequence[int]) -> tuple[Any, Any]:
    """The function, and its derivatives along every number of some arguments, stacked on a leading axis."""
    moving, of_moving = _split(function, primals, places)
    count = sum(map(_real_numbers, moving))
    basis, first = [], 0
    for value in moving:
        size = _real_numbers(value)
        unit = jnp.eye(count, dtype=value.real.dtype)[:, first : first + size]
        first += size
        if jnp.iscomplexobj(value):
            unit = lax.complex(*jnp.split(unit, 2, axis=1))
        basis.append(unit.reshape(count, *value.shape))
    if count == 1:
        value, column = jax.jvp(of_moving, moving, tuple(unit[0] for unit in basis))
        return value, jax.tree.map(lambda each: each[None], column)
    return jax.vmap(lambda *units: jax.jvp(of_moving, moving, units), out_axes=(None, 0))(*basis)


def _coordinates(tangent: jax.Array) -> jax.Array:
    """Its real numbers, (n,): real parts before imaginary ones."""
    flat = tangent.ravel()
    return jnp.concatenate([flat.real, flat.imag]) if jnp.iscomplexobj(flat) else flat


def _real_numbers(value: jax.Array) -> int:
    return value.size * (2 if jnp.iscomplexobj(value) else 1)


def _moves(tangent: Any) -> bool:
    return not isinstance(tangent, SymbolicZero) and jnp.issubdtype(tangent.dtype, jnp.inexact)

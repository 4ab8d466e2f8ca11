"""Traced programs whose products of complex arrays are made of real ones.

Where several calls of one program run beside each other on a processor, XLA 0.10 loses parts of products of large
complex matrices: silently, and the same parts every time (seen with 2048 rows and more). Its real products keep them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core


def by_real_products(program: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """The same program, programs inside its operations included; itself where it has no such product."""
    if not _has_complex_product(program):
        return program
    shapes = [jax.ShapeDtypeStruct(value.aval.shape, value.aval.dtype) for value in program.jaxpr.invars]
    return jax.make_jaxpr(lambda *arguments: _evaluated(program, arguments))(*shapes)


def _has_complex_product(value: Any) -> bool:
    if isinstance(value, core.ClosedJaxpr):
        value = value.jaxpr
    if isinstance(value, core.Jaxpr):
        return any(
            _is_complex_product(equation) or any(map(_has_complex_product, equation.params.values()))
            for equation in value.eqns
        )
    return isinstance(value, tuple | list) and any(map(_has_complex_product, value))


def _is_complex_product(equation: core.JaxprEqn) -> bool:
    if equation.primitive is not lax.dot_general_p:
        return False
    return jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.complexfloating)


def _evaluated(program: core.ClosedJaxpr, arguments: Sequence[jax.Array]) -> list[Any]:
    """Its results, operation by operation."""
    known: dict[Any, Any] = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    known |= zip(program.jaxpr.invars, arguments, strict=True)
    # Complex arrays that were real ones before.
    without_imaginary_part: dict[Any, Any] = {}

    def value(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    for equation in program.jaxpr.eqns:
        inputs = [value(atom) for atom in equation.invars]
        if _is_complex_product(equation):
            factors = [
                (without_imaginary_part[atom], None)
                if not isinstance(atom, core.Literal) and atom in without_imaginary_part
                else _parts(number)
                for atom, number in zip(equation.invars, inputs, strict=True)
            ]
            outputs = [_product(factors[0], factors[1], equation.params)]
        else:
            outputs = _bound(equation, inputs)
        if equation.primitive is lax.convert_element_type_p and not jnp.iscomplexobj(inputs[0]):
            without_imaginary_part[equation.outvars[0]] = inputs[0]
        known |= zip(equation.outvars, outputs, strict=True)
    return [value(atom) for atom in program.jaxpr.outvars]


def _bound(equation: core.JaxprEqn, inputs: Sequence[Any]) -> Sequence[Any]:
    parameters = {name: _rewritten(parameter) for name, parameter in equation.params.items()}
    with equation.ctx.manager:
        outputs = equation.primitive.bind(*inputs, **equation.primitive.get_bind_params(parameters))
    return outputs if equation.primitive.multiple_results else [outputs]


def _rewritten(value: Any) -> Any:
    if isinstance(value, core.ClosedJaxpr):
        return by_real_products(value)
    return tuple(_rewritten(part) for part in value) if type(value) is tuple else value


def _parts(number: Any) -> tuple[jax.Array, jax.Array | None]:
    number = jnp.asarray(number)
    return (number.real, number.imag) if jnp.iscomplexobj(number) else (number, None)


def _product(a: tuple[Any, Any], b: tuple[Any, Any], parameters: dict[str, Any]) -> jax.Array:
    wanted = parameters["preferred_element_type"]
    real_type = None if wanted is None else jnp.zeros((), wanted).real.dtype
    # As complex products on an accelerator, whose real ones would round to fewer bits.
    precision = parameters["precision"] or lax.Precision.HIGHEST

    def multiplied(one: Any, other: Any) -> Any:
        if one is None or other is None:
            return None
        dtype = jnp.result_type(one, other) if real_type is None else real_type
        return lax.dot_general(
            one.astype(dtype),
            other.astype(dtype),
            parameters["dimension_numbers"],
            precision=precision,
            preferred_element_type=real_type,
        )

    return lax.complex(
        _sum(multiplied(a[0], b[0]), multiplied(a[1], b[1]), lambda x, y: x - y),
        _sum(multiplied(a[0], b[1]), multiplied(a[1], b[0]), lambda x, y: x + y),
    )


def _sum(one: jax.Array, other: Any, combine: Callable[[Any, Any], jax.Array]) -> jax.Array:
    if one is None and other is None:
        raise AssertionError("a product of two real arrays is no complex one")
    if other is None:
        return one
    return other if one is None else combine(one, other)

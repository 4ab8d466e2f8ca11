"""Operations on entries: complex numbers are taken apart, what is known to be 0 or 1 costs nothing."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive

from stochq.ensemble.registers.entries import Complex, Entry, Node, Unsupported, is_complex

# What Pallas' Mosaic GPU backend makes of single numbers (jax 0.10), and what is written out below.
_ELEMENTWISE = frozenset({
    "abs", "add", "add_any", "and", "bitcast_convert_type", "clamp", "convert_element_type", "cos", "div", "eq",
    "exp", "exp2", "expm1", "ge", "gt", "integer_pow", "le", "log", "log1p", "lt", "max", "min", "mul", "ne", "neg",
    "not", "or", "rem", "round", "rsqrt", "select_n", "shift_left", "shift_right_arithmetic", "shift_right_logical",
    "sign", "sin", "sqrt", "square", "sub", "tanh", "xor",
})  # fmt: skip


def operation(primitive: Primitive, params: dict[str, Any]) -> Callable[..., Entry]:
    """The function of entries that an operation on every element of an array is."""
    name = primitive.name
    if name in _PARTS:
        return _PARTS[name]
    if name == "convert_element_type":
        return lambda entry: _converted(params, entry)
    if name == "integer_pow":
        return lambda entry: _power(primitive, params, entry)
    if name == "bitcast_convert_type":
        return lambda entry: _recast(primitive, params, entry)
    if name not in _ELEMENTWISE:
        raise Unsupported(f"the operation {name}")

    def apply(*operands: Entry) -> Entry:
        if not any(isinstance(operand, Complex) for operand in operands):
            return _real(primitive, params, *operands)
        if name not in _OF_COMPLEX:
            raise Unsupported(f"the operation {name} of complex numbers")
        return _OF_COMPLEX[name](*operands)

    return apply


def _real(primitive: Primitive, params: dict[str, Any], *operands: Entry) -> Entry:
    """An operation on real entries."""
    name = primitive.name
    if name in _SHORTCUTS:
        return _SHORTCUTS[name](*operands)
    return node(_WRITTEN_OUT.get(name) or partial(primitive.bind, **params), *operands)


def node(function: Callable[..., jax.Array], *operands: Entry) -> Node:
    """A function of vectors over trajectories, scalars among them repeated."""

    def run(*operands: jax.Array) -> jax.Array:
        # All vectors have one shape.
        shape = max((operand.shape for operand in operands), key=len)
        return function(*(each if each.shape == shape else jnp.broadcast_to(each, shape) for each in operands))

    return Node(run, operands)


def _square_root(x: jax.Array) -> jax.Array:
    return jnp.where(x == 0, x, x * lax.rsqrt(x))


def _exponential_minus_one(x: jax.Array) -> jax.Array:
    """By Kahan's quotient, in which the rounding of e^x cancels."""
    grown = jnp.exp(x)
    small = jnp.where(grown == 1, x, (grown - 1) * (x / jnp.log(grown)))
    return jnp.where(jnp.abs(x) > 0.5, grown - 1, small)


def _logarithm_of_one_plus(x: jax.Array) -> jax.Array:
    """As `_exponential_minus_one`."""
    whole = 1 + x
    small = jnp.where(whole == 1, x, jnp.log(whole) * (x / (whole - 1)))
    return jnp.where(jnp.abs(x) > 0.5, jnp.log(whole), small)


def _is(entry: Entry, number: int) -> bool:
    return isinstance(entry, np.generic) and bool(entry == number)


def add(a: Entry, b: Entry) -> Entry:
    """a + b; a known 0 costs nothing."""
    if isinstance(a, Complex) or isinstance(b, Complex):
        a, b = _pair(a), _pair(b)
        return Complex(add(a.real, b.real), add(a.imag, b.imag))
    if _is(a, 0):
        return b
    return a if _is(b, 0) else node(lax.add, a, b)


def subtract(a: Entry, b: Entry) -> Entry:
    """a − b; a known 0 for b costs nothing."""
    if isinstance(a, Complex) or isinstance(b, Complex):
        a, b = _pair(a), _pair(b)
        return Complex(subtract(a.real, b.real), subtract(a.imag, b.imag))
    return a if _is(b, 0) else node(lax.sub, a, b)


def multiply(a: Entry, b: Entry) -> Entry:
    """ab; a known 0 or 1 costs nothing."""
    if isinstance(a, Complex) or isinstance(b, Complex):
        return _complex_product(_pair(a), _pair(b))
    if _is(a, 0) or _is(b, 1):
        return a
    return b if _is(a, 1) or _is(b, 0) else node(lax.mul, a, b)


def _complex_product(a: Complex, b: Complex) -> Complex:
    real = subtract(multiply(a.real, b.real), multiply(a.imag, b.imag))
    return Complex(real, add(multiply(a.real, b.imag), multiply(a.imag, b.real)))


def _divide(a: Entry, b: Entry) -> Entry:
    if not isinstance(b, Complex):
        return Complex(_divide_real(a.real, b), _divide_real(a.imag, b))
    size = add(multiply(b.real, b.real), multiply(b.imag, b.imag))
    product = _complex_product(_pair(a), conjugate(b))
    return Complex(_divide_real(product.real, size), _divide_real(product.imag, size))


def _divide_real(a: Entry, b: Entry) -> Entry:
    return a if _is(b, 1) else node(lax.div, a, b)


def _negative(a: Entry) -> Entry:
    if isinstance(a, Complex):
        return Complex(_negative(a.real), _negative(a.imag))
    return node(lax.neg, a)


def conjugate(a: Entry) -> Complex:
    """a* of a complex number."""
    return Complex(a.real, _negative(a.imag))


def _select(which: Entry, *cases: Entry) -> Entry:
    if isinstance(which, np.generic):
        return cases[int(which)]
    if any(isinstance(case, Complex) for case in cases):
        pairs = [_pair(case) for case in cases]
        return Complex(_select(which, *(pair.real for pair in pairs)), _select(which, *(pair.imag for pair in pairs)))
    return node(lax.select_n, which, *cases)


def _square(a: Entry) -> Entry:
    return multiply(a, a)


def _power(primitive: Primitive, params: dict[str, Any], a: Entry) -> Entry:
    """Products for small powers; the reciprocal of a real number is left as it is."""
    power = params["y"]
    if power > 0:
        return reduce(multiply, [a] * power)
    if isinstance(a, Complex):
        raise Unsupported(f"the power {power} of complex numbers")
    one = node(lax.div, np.float32(1), a)
    return _power(primitive, {"y": -power}, one)


def _converted(params: dict[str, Any], a: Entry) -> Entry:
    dtype = params["new_dtype"]
    if isinstance(a, Complex):
        if not is_complex(dtype):
            raise Unsupported("a complex number as a real one")
        return a
    if is_complex(dtype):
        return Complex(_real_converted(np.dtype(np.float32), a), np.float32(0))
    return _real_converted(dtype, a)


def _real_converted(dtype: np.dtype, a: Entry) -> Entry:
    if isinstance(a, np.generic):
        return a.astype(dtype)
    return Node(lambda x: _as_type(x, dtype), (a,))


def _recast(primitive: Primitive, params: dict[str, Any], a: Entry) -> Entry:
    """Between integers a conversion, which wraps: Mosaic (jax 0.11) keeps the sign that a number had before."""
    dtype = params["new_dtype"]
    if isinstance(a, np.generic):
        return a.view(dtype)

    def recast(x: jax.Array) -> jax.Array:
        between_integers = jnp.issubdtype(x.dtype, jnp.integer) and jnp.issubdtype(dtype, jnp.integer)
        return x.astype(dtype) if between_integers else primitive.bind(x, **params)

    return Node(recast, (a,))


def _as_type(x: jax.Array, dtype: np.dtype) -> jax.Array:
    """Mosaic converts no numbers from and to truth values."""
    if x.dtype == dtype:
        return x
    if dtype == np.bool_:
        return x != 0
    if x.dtype == np.bool_:
        return jnp.where(x, np.ones((), dtype), np.zeros((), dtype))
    return x.astype(dtype)


def _pair(a: Entry) -> Complex:
    return a if isinstance(a, Complex) else Complex(a, np.float32(0))


# Operations that make something of complex numbers, or of their parts, or nothing at all.
_PARTS: dict[str, Callable[..., Entry]] = {
    "real": lambda z: _pair(z).real,
    "imag": lambda z: _pair(z).imag,
    "complex": Complex,
    "conj": lambda z: conjugate(_pair(z)),
    "select_n": _select,
    "square": _square,
}
# What Mosaic lacks.
_WRITTEN_OUT: dict[str, Callable[..., jax.Array]] = {
    "sqrt": _square_root,
    "expm1": _exponential_minus_one,
    "log1p": _logarithm_of_one_plus,
}
_SHORTCUTS: dict[str, Callable[..., Entry]] = {"add": add, "add_any": add, "sub": subtract, "mul": multiply}
_OF_COMPLEX: dict[str, Callable[..., Entry]] = {**_SHORTCUTS, "div": _divide, "neg": _negative}

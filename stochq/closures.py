"""Functions that hold traced numbers, as trees whose leaves these are: they pass gradients and compile once."""

from collections.abc import Callable, Hashable
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any, cast, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.held import held_numbers, is_of_users_class
from stochq.module import Module
from stochq.traces import trace

# What stands in a function for a number that is held apart, for the function itself, and for what is not there yet.
_HELD, _ITSELF, _EMPTY = "a number that is held apart", "the function itself", "nothing yet"
# How many functions and objects inside each other are searched, and the length of the largest list or dict.
_MAX_DEPTH, _MAX_LENGTH = 6, 10_000
_COMPILED = type(jax.jit(lambda x: x))
_SINGLE = {"float64": np.float32, "complex128": np.complex64}


@jax.tree_util.register_static
@final
class _Rest:
    """A function without the numbers that are held apart. Two are equal that have the same code and otherwise read the
    same."""

    def __init__(self, function: FunctionType) -> None:
        self.function, self._read = function, held_numbers(function)

    def _parts(self) -> Hashable:
        return self.function.__code__, id(self.function.__globals__), self._read

    def __hash__(self) -> int:
        return hash(self._parts())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rest) and self._parts() == other._parts()

    def __repr__(self) -> str:
        return "function"


@final
class Closure(Module):
    """A function of one array, and what is traced in the variables around it and in its defaults.

    held: numbers, trees of them, and functions that are closures themselves, in the order in which they stand there.
    """

    held: tuple[Any, ...]
    rest: _Rest

    def rebuilt(self) -> FunctionType:
        """The function with these numbers."""
        parts = iter([one.rebuilt() if isinstance(one, (Closure, _Object)) else one for one in self.held])
        kept = _outside(self.rest.function)
        filled = jax.tree.map(lambda leaf: next(parts) if leaf is _HELD else leaf, kept, is_leaf=_is_no_container)
        made = _with_outside(self.rest.function, filled)
        for cell in made.__closure__ or ():
            if _content(cell, made) is _ITSELF:
                cell.cell_contents = made
        return made

    def __call__(self, argument: Array) -> jax.Array:
        argument = jnp.asarray(argument)
        return trace(self.rebuilt(), argument)(argument)


@final
class _Object(Module):
    """An object of a user's class by the function that makes it of its attributes."""

    maker: Closure

    def rebuilt(self) -> Any:
        return self.maker.rebuilt()()


def as_closure(function: Any) -> Any:
    """A function that holds traced numbers as a `Closure`, methods and objects that are called among them; anything
    else as it is."""
    plain = _as_function(function)
    closed = _Search(_is_traced).closed(plain)
    return function if closed is plain else closed


def in_single_precision(function: Any) -> Any:
    """The function with the arrays of JAX that it holds in single precision: JAX warns of others where 64-bit mode is
    off."""
    closed = _Search(_is_double).closed(function)
    if closed is function:
        return function
    return jax.tree.map(lambda leaf: leaf.astype(_SINGLE[leaf.dtype.name]) if _is_double(leaf) else leaf, closed)


def _is_traced(leaf: Any) -> bool:
    return isinstance(leaf, jax.core.Tracer)


def _is_double(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and leaf.dtype.name in _SINGLE


def _as_function(called: Any) -> FunctionType:
    """What is called with one argument as a function around which all else stands in variables."""
    if isinstance(called, FunctionType):
        return called
    function, given, named = called, (), {}
    if isinstance(called, partial):
        function, given, named = called.func, called.args, called.keywords
    elif isinstance(called, MethodType):
        function, given = called.__func__, (called.__self__,)

    def unwound(argument: Any) -> Any:
        return function(*given, argument, **named)

    return cast(FunctionType, unwound)


def _maker_of(thing: Any) -> FunctionType:
    kind, attributes = type(thing), dict(vars(thing))

    def make() -> Any:
        made = object.__new__(kind)
        vars(made).update(attributes)
        return made

    return cast(FunctionType, make)


class _Search:
    """For numbers that are to be held apart, in functions and in objects of users' classes."""

    def __init__(self, is_held: Callable[[Any], bool]) -> None:
        self._is_held = is_held
        # Those in which there are none, so that objects that know each other are looked through once.
        self._free: dict[int, Any] = {}

    def closed(self, thing: Any, around: tuple[Any, ...] = ()) -> Any:
        """A function as a closure, or an object as an `_Object`, where it holds such numbers; anything else as it is.

        around: the functions and objects in whose variables this one was found, which may stand in its own.
        """
        is_object = is_of_users_class(thing)
        is_function = isinstance(thing, (FunctionType, _COMPILED))
        if not (is_object or is_function) or id(thing) in self._free or len(around) > _MAX_DEPTH:
            return thing
        if any(thing is one for one in around):
            return thing
        found = self._of_object(thing, around) if is_object else self._of_function(thing, around)
        if found is thing:
            self._free[id(thing)] = thing
        return found

    def _of_object(self, thing: Any, around: tuple[Any, ...]) -> Any:
        maker = _maker_of(thing)
        made = self.closed(maker, (*around, thing))
        return thing if made is maker else _Object(made)

    def _of_function(self, given: Any, around: tuple[Any, ...]) -> Any:
        function = given.__wrapped__ if isinstance(given, _COMPILED) else given
        if not isinstance(function, FunctionType):
            return given
        leaves, structure = jax.tree.flatten(_outside(function), is_leaf=_is_no_container)
        parts = [self.closed(leaf, (*around, function)) for leaf in leaves]
        apart = [part is not leaf or self._holds(leaf) for part, leaf in zip(parts, leaves, strict=True)]
        if not any(apart):
            return given
        # Functions that are made anew with this one are the same as before where their code and what they read is.
        parts = [_by_its_code(part) for part in parts]
        apart = [one or isinstance(part, (Closure, _Object)) for one, part in zip(apart, parts, strict=True)]
        kept = [_HELD if one else leaf for one, leaf in zip(apart, leaves, strict=True)]
        held = tuple(part for one, part in zip(apart, parts, strict=True) if one)
        return Closure(held, _Rest(_with_outside(function, structure.unflatten(kept))))

    def _holds(self, leaf: Any) -> bool:
        return not _is_plain_container(leaf) and any(map(self._is_held, jax.tree.leaves(leaf)))


def _by_its_code(function: Any) -> Any:
    is_local = isinstance(function, FunctionType) and "<locals>" in function.__qualname__
    return Closure((), _Rest(function)) if is_local else function


def _is_no_container(value: Any) -> bool:
    return not _is_plain_container(value) or not _is_looked_through(value)


def _is_plain_container(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple))


def _is_looked_through(container: Any) -> bool:
    """Not a large one, nor a dict whose names have no order, which is no tree to JAX."""
    if isinstance(container, dict) and len({type(name) for name in container}) > 1:
        return False
    return len(container) <= _MAX_LENGTH


def _outside(function: FunctionType) -> dict[str, Any]:
    """What a function holds: the variables around it, in order, and its defaults by place and by name."""
    cells = tuple(_content(cell, function) for cell in function.__closure__ or ())
    return {"cells": cells, "defaults": function.__defaults__ or (), "named": function.__kwdefaults__ or {}}


def _with_outside(function: FunctionType, outside: dict[str, Any]) -> FunctionType:
    """The code of a function with other variables around it and other defaults."""
    cells = tuple(CellType() if one is _EMPTY else CellType(one) for one in outside["cells"])
    made = FunctionType(function.__code__, function.__globals__, function.__name__, outside["defaults"], cells)
    made.__kwdefaults__ = outside["named"]
    return made


def _content(cell: CellType, function: FunctionType) -> Any:
    try:
        content = cell.cell_contents
    except ValueError:
        # A variable that has no value yet.
        return _EMPTY
    return _ITSELF if content is function else content

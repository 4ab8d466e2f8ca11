"""What a user's function holds beside its arguments: the numbers by which two calls of one function may differ."""

import dis
from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from hashlib import blake2b
from inspect import getattr_static
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, final

import jax
import numpy as np

# Arrays of more bytes are compared by so many of their numbers.
_LARGE, _LOOKED_AT = 2**20, 2**16


@final
class _Itself:
    """A thing that is compared by identity, and kept, as another one may later have its address."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.thing is other.thing

    def __repr__(self) -> str:
        # Without an address, so that fingerprints are the same in another process.
        return type(self.thing).__name__


class _Names(NamedTuple):
    """Global names that a function's code reads and does not assign; names of variables and attributes that it assigns;
    whether it changes lists and dicts, as a function does that counts its calls."""

    outside: tuple[str, ...] = ()
    assigned: frozenset[str] = frozenset()
    takes_notes: bool = False


_NO_NAMES = _Names()


def held_numbers(function: Callable[..., Any]) -> Hashable:
    """All numbers that a function reads from outside, as they are now: from global variables, from variables of the
    function around it, from defaults, and from functions and objects among these.

    Of functions that are compiled once it is a part of the key: where a global variable has another value, so has the
    function, though it is the same object. What the function itself changes does not count.
    """
    return _of_function(function, [])


def _of_function(function: Any, seen: list[Any]) -> Hashable:
    """seen: functions that were looked at already, to which this one is added."""
    if isinstance(function, partial):
        given = _value(function.args, seen, _NO_NAMES), _value(function.keywords, seen, _NO_NAMES)
        return _of_function(function.func, seen), *given
    if isinstance(function, MethodType):
        return _of_call(function.__func__, function.__self__, seen)
    if not isinstance(function, FunctionType):
        return _of_call(getattr_static(type(function), "__call__", None), function, seen)
    if any(function is one for one in seen):
        return None
    seen.append(function)
    names, outside = _names_in(function.__code__), function.__globals__
    read = {name: outside[name] for name in names.outside if name in outside}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name not in names.assigned:
            read[name] = _content(cell)
    read |= {"defaults": function.__defaults__, "further defaults": function.__kwdefaults__}
    return tuple((name, _value(value, seen, names)) for name, value in read.items())


def _of_call(method: Any, owner: object, seen: list[Any]) -> Hashable:
    """What a method reads from outside, and the numbers of the object that it belongs to."""
    if not isinstance(method, FunctionType):
        return _of_attributes(owner, _NO_NAMES)
    return _of_function(method, seen), _of_attributes(owner, _names_in(method.__code__))


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # A variable that has no value yet.
        return None


def _value(value: Any, seen: list[Any], names: _Names) -> Hashable:
    """A value by what can change in it; names: of the function that reads it."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        # By their text: NaN is not equal to itself, and 1 is equal to 1.0.
        return type(value), repr(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return _of_array(np.asarray(value))
    if isinstance(value, (ModuleType, type, jax.Array, jax.core.Tracer)):
        return _Itself(value)
    if isinstance(value, tuple):
        return tuple(_value(one, seen, names) for one in value)
    if isinstance(value, (list, dict)):
        if names.takes_notes or len(value) > _LOOKED_AT:
            return _Itself(value)
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return tuple((_value(name, seen, names), _value(one, seen, names)) for name, one in items)
    if isinstance(value, (FunctionType, MethodType, partial)):
        # Functions of a library stay as they are.
        is_users = isinstance(value, FunctionType) and any(value.__globals__ is one.__globals__ for one in seen)
        return (_Itself(value), _of_function(value, seen)) if is_users else _Itself(value)
    is_frozen = getattr(getattr(type(value), "__dataclass_params__", None), "frozen", False)
    return _Itself(value) if is_frozen else (_Itself(value), _of_attributes(value, names))


def _of_attributes(value: object, names: _Names) -> Hashable:
    """Numbers that an object has as its attributes, but for those that the function assigns."""
    plain = (bool, int, float, complex, str, np.ndarray, np.generic)
    own = getattr(value, "__dict__", {})
    kept = {name: one for name, one in own.items() if isinstance(one, plain) and name not in names.assigned}
    return tuple((name, _value(one, [], names)) for name, one in kept.items())


def _of_array(array: np.ndarray) -> Hashable:
    looked_at = array.reshape(-1)[:: max(1, array.size // _LOOKED_AT)] if array.nbytes > _LARGE else array
    content = repr(array).encode() if array.dtype.hasobject else looked_at.tobytes()
    return array.shape, array.dtype.str, blake2b(content).digest()


@lru_cache(maxsize=1024)
def _names_in(code: CodeType) -> _Names:
    outside, assigned, takes_notes = dict[str, None](), set[str](), False
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            outside[step.argval] = None
        assigned |= {step.argval} if step.opname in ("STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR") else set()
        noting = step.opname == "STORE_SUBSCR" or step.argval in ("append", "extend", "update", "add")
        takes_notes = takes_notes or noting
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _names_in(constant)
            outside |= dict.fromkeys(inner.outside)
            assigned |= inner.assigned
            takes_notes = takes_notes or inner.takes_notes
    return _Names(tuple(name for name in outside if name not in assigned), frozenset(assigned), takes_notes)

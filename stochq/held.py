"""What a user's function holds beside its arguments: the numbers by which two calls of one function may differ."""

import dis
import sys
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, partial
from hashlib import blake2b
from inspect import getattr_static
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, final

import jax
import numpy as np

_MISSING = object()
# Libraries, whose functions stay as they are, lie in these folders; these two wherever they lie.
_INSTALLED, _LIBRARIES = {"site-packages", "dist-packages"}, {"stochq", "jax"}
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
    modules that it imports by the names that it gives them; attributes of attributes that it reads of any of these, or
    of a variable, each with its name before them; which lists and dicts it changes, as a function does that counts its
    calls, by their names, or whether it may be any of them."""

    outside: tuple[str, ...] = ()
    assigned: frozenset[str] = frozenset()
    imported: tuple[tuple[str, str], ...] = ()
    chains: tuple[tuple[str, ...], ...] = ()
    noted: frozenset[str] = frozenset()
    takes_notes: bool = False

    def of(self, name: str) -> "_Names":
        """The same for what has this name."""
        return self._replace(takes_notes=self.takes_notes or name in self.noted)


_NO_NAMES = _Names()


def held_numbers(function: Callable[..., Any]) -> Hashable:
    """All numbers that a function reads from outside, as they are now: from global variables, from variables of the
    function around it, from defaults, and from functions, modules, classes and objects among these.

    Of functions that are compiled once it is a part of the key: where a global variable has another value, so has the
    function, though it is the same object. What the function itself changes does not count.
    """
    return _of_function(function, [])


def _of_function(function: Any, seen: list[Any], owner: Any = None) -> Hashable:
    """seen: functions that were looked at already, to which this one is added. owner: of a method."""
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
    found = tuple((name, _value(value, seen, names.of(name))) for name, value in read.items())
    starts = read | {name: sys.modules[module] for name, module in names.imported if module in sys.modules}
    starts |= {} if owner is None else dict.fromkeys(function.__code__.co_varnames[:1], owner)
    return (*found, *_through(starts, names, seen))


def _through(starts: Mapping[str, Any], names: _Names, seen: list[Any]) -> tuple[Hashable, ...]:
    """What is read as attributes of modules, classes and objects, `params.drive.omega`."""
    found = []
    for start, *attributes in names.chains:
        value = starts.get(start, _MISSING)
        for name in attributes:
            value = _MISSING if name in names.assigned else _attribute(value, name)
            if value is _MISSING:
                break
            found.append((start, name, _value(value, seen, names.of(name))))
    return tuple(found)


def _attribute(value: Any, name: str) -> Any:
    """An attribute, but for what is computed, such as properties."""
    if isinstance(value, ModuleType):
        return getattr(value, name, _MISSING)
    of_class = getattr_static(value if isinstance(value, type) else type(value), name, _MISSING)
    if isinstance(of_class, (staticmethod, classmethod)):
        return of_class.__func__
    if isinstance(value, type) or isinstance(of_class, FunctionType):
        return of_class
    if hasattr(type(of_class), "__get__"):
        return _MISSING
    return getattr(value, "__dict__", {}).get(name, of_class)


def _of_call(method: Any, owner: object, seen: list[Any]) -> Hashable:
    """What a method reads from outside, and the numbers of the object that it belongs to."""
    if not isinstance(method, FunctionType):
        return _of_attributes(owner, _NO_NAMES)
    return _of_function(method, seen, owner), _of_attributes(owner, _names_in(method.__code__))


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
        is_users = isinstance(value, FunctionType) and _is_users(value, seen)
        return (_Itself(value), _of_function(value, seen)) if is_users else _Itself(value)
    is_frozen = getattr(getattr(type(value), "__dataclass_params__", None), "frozen", False)
    return _Itself(value) if is_frozen else (_Itself(value), _of_attributes(value, names))


def _of_attributes(value: object, names: _Names) -> Hashable:
    """Numbers that an object has as its attributes, but for those that the function assigns or the class computes."""
    plain = (bool, int, float, complex, str, np.ndarray, np.generic)
    own = {name: one for name, one in getattr(value, "__dict__", {}).items() if isinstance(one, plain)}
    kept = {name: one for name, one in own.items() if name not in names.assigned and one is _attribute(value, name)}
    return tuple((name, _value(one, [], names)) for name, one in kept.items())


def _is_users(function: FunctionType, seen: list[Any]) -> bool:
    """Whether a function is from a module of the user's; functions of a library stay as they are."""
    if any(function.__globals__ is one.__globals__ for one in seen):
        return True
    return _is_users_module(function.__globals__)


def _is_users_module(names: Mapping[str, Any]) -> bool:
    """names: global ones of the module."""
    package = str(names.get("__name__")).partition(".")[0]
    if package in _LIBRARIES or package in sys.stdlib_module_names:
        return False
    return _INSTALLED.isdisjoint(PurePath(names.get("__file__") or "").parts)


def is_of_users_class(value: Any) -> bool:
    """Whether a value is an object with attributes of a class of the user's, and no tree of numbers."""
    kind = type(value)
    if not hasattr(value, "__dict__") or kind.__new__ is not object.__new__ or isinstance(value, (type, FunctionType)):
        return False
    module = sys.modules.get(kind.__module__)
    return module is not None and _is_users_module(vars(module)) and jax.tree_util.all_leaves([value])


def _of_array(array: np.ndarray) -> Hashable:
    looked_at = array.reshape(-1)[:: max(1, array.size // _LOOKED_AT)] if array.nbytes > _LARGE else array
    content = repr(array).encode() if array.dtype.hasobject else looked_at.tobytes()
    return array.shape, array.dtype.str, blake2b(content).digest()


@lru_cache(maxsize=1024)
def _names_in(code: CodeType) -> _Names:
    outside, assigned, noted, takes_notes = dict[str, None](), set[str](), set[str](), False
    imported, chains = dict[tuple[str, str], None](), dict[tuple[str, ...], None]()
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            outside[step.argval] = None
        assigned |= {step.argval} if step.opname in ("STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR") else set()
        if step.opname == "IMPORT_NAME":
            modules, read = _imports_at(steps[place:])
            imported |= dict.fromkeys(modules)
            chains |= dict.fromkeys(read)
        chains |= dict.fromkeys(_chain_at(steps, place))
        changed = _changed_at(steps, place)
        if changed is not None:
            noted.add(changed)
            takes_notes = takes_notes or not changed
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _names_in(constant)
            outside |= dict.fromkeys(inner.outside)
            imported |= dict.fromkeys(inner.imported)
            chains |= dict.fromkeys(inner.chains)
            assigned |= inner.assigned
            noted |= inner.noted
            takes_notes = takes_notes or inner.takes_notes
    unassigned = tuple(name for name in outside if name not in assigned)
    return _Names(unassigned, frozenset(assigned), tuple(imported), tuple(chains), frozenset(noted), takes_notes)


def _variable(step: dis.Instruction) -> str:
    """The name of the variable that is loaded, if one is: the last of two that are loaded at once."""
    if not step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FAST", "LOAD_CLASSDEREF")):
        return ""
    return step.argval[-1] if isinstance(step.argval, tuple) else step.argval


def _chain_at(steps: list[dis.Instruction], place: int) -> list[tuple[str, ...]]:
    """A variable that is loaded here, and the attributes that are read of it in a row; empty where there are none."""
    name, chain = _variable(steps[place]), []
    for step in steps[place + 1 :] if name else []:
        if step.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
            break
        chain.append(step.argval)
    return [(name, *chain)] if chain else []


def _imports_at(steps: list[dis.Instruction]) -> tuple[list[tuple[str, str]], list[tuple[str, ...]]]:
    """Of an import that stands first the modules by the names that it gives them, and what it takes from a module."""
    module = steps[0].argval
    modules, read = [(module, module)], []
    for step, after in zip(steps[1:], steps[2:], strict=False):
        if step.opname == "STORE_FAST" and not read:
            return [(step.argval, module)], read
        if step.opname == "IMPORT_FROM":
            # A module in a package, or a number, which is then no module's name.
            modules.append((after.argval, f"{module}.{step.argval}"))
            read.append((module, step.argval))
        elif step.opname != "STORE_FAST":
            break
    return modules, read


# Methods that change a list or a dict.
_CHANGING = ("append", "extend", "insert", "setdefault", "update")


def _changed_at(steps: list[dis.Instruction], place: int) -> str | None:
    """The name of the list or dict of which an element is set here; empty where it is unknown; None where none is, or
    one of the function's own variables."""
    step = steps[place]
    if step.opname == "STORE_SUBSCR":
        place -= 1
        # The index lies above the container.
        depth = dis.stack_effect(steps[place].opcode, steps[place].arg)
        while depth < 1 and place > 0:
            place -= 1
            depth += dis.stack_effect(steps[place].opcode, steps[place].arg)
        if depth == 2:
            return None
    elif step.opname not in ("LOAD_ATTR", "LOAD_METHOD") or step.argval not in _CHANGING:
        return None
    container = steps[max(place - 1, 0)]
    if container.opname.startswith("LOAD_FAST"):
        return None
    return container.argval if container.opname == "LOAD_ATTR" else _variable(container)

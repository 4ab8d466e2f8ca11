"""Users' functions as traced programs: one for each 64-bit mode of JAX, comparable between processes."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from stochq.accelerators import forced
from stochq.arrays import Array, is_concrete
from stochq.closures import Closure, as_closure, in_single_precision
from stochq.held import held_numbers
from stochq.traces import Program, is_array, trace

_FUNCTION = re.compile(r"<(?:function|bound method|built-in function) .*? at 0x[0-9a-f]+>")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_COMPILED = type(jax.jit(lambda x: x))
# Programs that are remembered; the functions and arrays inside are kept alive by them.
_REMEMBERED = 256


@jax.tree_util.register_static
@final
class UserFunction:
    """A function of one array that may hold NumPy arrays.

    JAX 0.10 remembers the 32-bit form of a NumPy array that a traced function holds, and takes it for the 64-bit form
    as well (`jax._src.abstract_arrays._canonicalize_ndarray_dtype` has no key for the mode). Here a function is traced
    apart for each mode, with copies of its arrays. Two of them are equal when they hold the same function object, and
    what this reads from outside, such as global variables, is the same as well.

    Args:
        function: a function of one array, written with `jax.numpy`.
        name: for the message.
    """

    _programs: "dict[tuple, Program]" = {}

    def __init__(self, function: Callable[[jax.Array], Array], name: str = "function") -> None:
        # What is compiled already keeps its arrays in one mode; it is compiled with the run in any case.
        self.function = function.__wrapped__ if isinstance(function, _COMPILED) else function
        self.name, self.held = name, held_numbers(self.function)

    def check_unchanged(self) -> None:
        """ValueError where what the function reads from outside is not what it was when it was given."""
        if held_numbers(self.function) != self.held:
            raise ValueError(
                f"{self.name}: expected a function that stays the same; what it reads from outside, such as a global "
                "variable, has changed since it was given. Build what it is a part of anew, or make the number an "
                "argument of a function that returns it."
            )

    def __call__(self, argument: Array) -> jax.Array:
        return self.program(argument)(jnp.asarray(argument))

    def program(self, argument: Array) -> Program:
        """The program for arguments of this shape and type, in the 64-bit mode that is set."""
        argument = jnp.asarray(argument)
        kind = jnp.zeros(()).dtype, argument.shape, argument.dtype, argument.weak_type
        key = self.function, self.held, kind
        known = self._programs.get(key)
        if known is not None:
            return known
        self.check_unchanged()
        function = self.function if jax.config.jax_enable_x64 else in_single_precision(self.function)
        program = trace(function, argument)
        if is_concrete(program.closed.consts):
            while len(self._programs) >= _REMEMBERED:
                self._programs.pop(next(iter(self._programs)), None)
            self._programs[key] = program
        return program

    def __hash__(self) -> int:
        return hash((self.function, self.held))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserFunction) and (self.function, self.held) == (other.function, other.held)

    def __repr__(self) -> str:
        return "UserFunction"


def user_function(value: Any, name: str = "function") -> Any:
    """A plain function as a `UserFunction`; a tree of numbers that can be called (its leaves are cast) as it is, and a
    function that holds traced numbers as such a tree.

    name: for the message. Raises: ValueError for an object without a hash, by which its program is remembered.
    """
    if isinstance(value, UserFunction) or not jax.tree_util.all_leaves([value]):
        return value
    value = as_closure(value)
    if isinstance(value, Closure):
        return value
    try:
        hash(value)
    except TypeError as error:
        raise ValueError(
            f"{name}: expected a function that stays the same; got {type(value).__name__}, whose numbers may change. "
            "Write @dataclass(frozen=True), with eq=False where it holds arrays."
        ) from error
    return UserFunction(value, name)


def check_unchanged(tree: Any) -> None:
    """ValueError where what a function in a tree reads from outside is not what it was when it was given."""
    for leaf in jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, UserFunction)):
        if isinstance(leaf, UserFunction):
            leaf.check_unchanged()


def digest_of_program(function: Callable[..., Any], *arguments: Any) -> str:
    """A hash of what a function computes on arguments of these shapes: of its operations and of all numbers in it.

    The same for a function that is defined twice, in another process, and on any device: as a processor evaluates it.
    """
    with forced(False):
        closed = jax.make_jaxpr(lambda *args: function(*args))(*arguments)
    digest = hashlib.sha256(without_addresses(closed.jaxpr).encode())
    for number in _numbers(closed):
        value = np.asarray(number)
        digest.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    return digest.hexdigest()


def without_addresses(value: object) -> str:
    """The text of a value without what changes from one process to the next."""
    return _ADDRESS.sub("", _FUNCTION.sub("<function>", str(value)))


def digest_of_numbers(tree: object) -> str:
    """A digest of all leaves of a tree, arrays by their numbers; not of its structure."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        is_array = isinstance(leaf, np.ndarray | jax.Array)
        digest.update(f"{leaf.shape}{leaf.dtype}".encode() if is_array else repr(leaf).encode())
        digest.update(np.asarray(leaf).tobytes() if is_array else b"")
    return digest.hexdigest()


def _numbers(value: object) -> Iterator[object]:
    """All numbers in a traced program and in the programs inside its operations, in order."""
    if isinstance(value, core.ClosedJaxpr):
        yield from value.consts
        value = value.jaxpr
    if isinstance(value, core.Jaxpr):
        for equation in value.eqns:
            yield from (atom.val for atom in equation.invars if isinstance(atom, core.Literal))
            for parameter in equation.params.values():
                yield from _numbers(parameter)
        yield from (atom.val for atom in value.outvars if isinstance(atom, core.Literal))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _numbers(part)
    elif is_array(value):
        yield value

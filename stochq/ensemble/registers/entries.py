"""The numbers that one thread holds, and arrays of them.

An array is known (a NumPy array of numbers), fixed (a JAX array, the same in all steps and evaluated outside of them),
or an array of entries (a NumPy array of objects): known numbers, real numbers still to be computed, and pairs of these.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import numpy as np
from numpy.typing import DTypeLike

from stochq.arrays import ArrayLike

Operation = Callable[..., Any]


class Unsupported(Exception):
    """Something that cannot be done in registers, in words that complete "a step needs ..."."""


@dataclass(slots=True)
class _Allowance:
    """How many operations may still be written, and what is needed where there are more."""

    left: int
    more: str

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unsupported(self.more)


_ALLOWANCE: ContextVar[_Allowance | None] = ContextVar("operations that may still be written", default=None)


@contextmanager
def at_most(operations: int, more: str) -> Iterator[None]:
    """Inside, one operation more raises `Unsupported` as it is written, with these words; those that no result needs
    count as well."""
    before = _ALLOWANCE.set(_Allowance(operations, more))
    try:
        yield
    finally:
        _ALLOWANCE.reset(before)


class Node:
    """A real number, an operation on others. A leaf, which has no operation, is given where the others are computed."""

    __slots__ = ("operands", "operation")

    def __init__(self, operation: Operation | None = None, operands: "tuple[Entry, ...]" = ()) -> None:
        allowance = _ALLOWANCE.get()
        if operation is not None and allowance is not None:
            allowance.spend()
        self.operation = operation
        self.operands = operands


@final
class Element(Node):
    """A leaf: a real number in a fixed array. index: in the flat array; imaginary: which part of a complex number."""

    __slots__ = ("array", "imaginary", "index")

    def __init__(self, array: jax.Array, index: int, imaginary: bool = False) -> None:
        super().__init__()
        self.array = array
        self.index = index
        self.imaginary = imaginary


class Complex(NamedTuple):
    """The two parts of a complex number."""

    real: "Entry"
    imag: "Entry"


# Of an array: a known number, a real one still to be computed, or two of these.
Entry = np.generic | Node | Complex
# Known, fixed, or of entries.
Operand = np.ndarray | jax.Array


def is_known(array: Operand) -> bool:
    """Whether an array holds numbers, not entries that are given later."""
    return isinstance(array, np.ndarray) and array.dtype != object


def is_complex(dtype: DTypeLike) -> bool:
    """Whether numbers of this type have two parts."""
    return np.issubdtype(dtype, np.complexfloating)


def leaves(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array of entries that are given later."""
    return _filled(shape, lambda _: Complex(Node(), Node()) if is_complex(dtype) else Node())


def entries(array: Operand) -> np.ndarray:
    """Any array as one of entries."""
    if isinstance(array, jax.Array):
        return _filled(array.shape, lambda index: _element(array, index))
    if not is_known(array):
        return array
    flat = array.ravel()
    if is_complex(array.dtype):
        return _filled(array.shape, lambda index: Complex(flat[index].real, flat[index].imag))
    return _filled(array.shape, lambda index: flat[index])


def _element(array: jax.Array, index: int) -> Element | Complex:
    if is_complex(array.dtype):
        return Complex(Element(array, index), Element(array, index, imaginary=True))
    return Element(array, index)


def _filled(shape: tuple[int, ...], entry: Callable[[int], Entry]) -> np.ndarray:
    """An array of entries from their places in the flat array."""
    flat = np.empty(int(np.prod(shape)), object)
    for index in range(flat.size):
        flat[index] = entry(index)
    return flat.reshape(shape)


def of_entries(function: Callable[..., Entry], *arrays: Operand) -> np.ndarray:
    """A function of the entries of arrays that have one shape, or are scalars."""
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    rows = [np.broadcast_to(entries(array), shape).ravel() for array in arrays]
    return _filled(shape, lambda index: function(*(row[index] for row in rows)))


def real_parts(arrays: Iterable[Operand]) -> list[Entry]:
    """The real entries of arrays one after another, both parts of complex ones."""
    flat: list[Entry] = []
    for array in arrays:
        for entry in entries(array).ravel():
            flat.extend(entry if isinstance(entry, Complex) else (entry,))
    return flat


def compute(wanted: Sequence[Entry], leaf: Callable[[Node], ArrayLike]) -> list[Any]:
    """The values of real entries, each made when it is first needed.

    leaf: the value of a leaf. Without recursion: chains of operations are as long as all loops of a step together.
    """
    values: dict[Node, Any] = {}

    def value(entry: Entry) -> Any:
        return values[entry] if isinstance(entry, Node) else entry

    for node in in_order(wanted):
        if node.operation is None:
            values[node] = leaf(node)
        else:
            values[node] = node.operation(*map(value, node.operands))
    return [value(entry) for entry in wanted]


def in_order(wanted: Sequence[Entry]) -> list[Node]:
    """All nodes behind real entries, operands before what is made of them."""
    order: dict[Node, None] = {}
    for entry in wanted:
        stack = [entry]
        while stack:
            top = stack[-1]
            if not isinstance(top, Node) or top in order:
                stack.pop()
                continue
            missing = [operand for operand in top.operands if isinstance(operand, Node) and operand not in order]
            if missing:
                stack.extend(reversed(missing))
                continue
            order[top] = None
            stack.pop()
    return list(order)


def operations(wanted: Sequence[Entry]) -> int:
    """How many real operations make these entries."""
    return sum(node.operation is not None for node in in_order(wanted))

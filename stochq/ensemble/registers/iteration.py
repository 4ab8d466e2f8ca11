"""An iteration of a time loop as what one thread does to the numbers of one trajectory."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike

from stochq.ensemble.registers.entries import (
    Element,
    Node,
    Unsupported,
    compute,
    in_order,
    leaves,
    operations,
    real_parts,
)
from stochq.ensemble.registers.rewrite import rewrite


class Interval(NamedTuple):
    """Of the iterations between two saved times: the time of the first, the length of a step, and the first draw."""

    t: jax.Array
    dt: jax.Array
    first: jax.Array


@final
class Iteration:
    """An iteration, traced for one trajectory and rewritten as arithmetic on single numbers.

    What depends on the shared arrays alone is evaluated here, once, in the surrounding program if there is one.

    Args:
        function: (shared, interval, trajectory (1,), index, carried) -> carried.
        shared: a tree whose arrays are the same in all iterations.
        carried: a tree of arrays (..., columns), or of their shapes; a trajectory has every block-th column.
        block: trajectories that draw noise.
        dtype: of times, and of the state's real numbers.

    Raises:
        Unsupported: where an iteration needs what a thread cannot do.
    """

    def __init__(self, function: Callable[..., Any], shared: Any, carried: Any, block: int, dtype: np.dtype) -> None:
        arrays, constants = eqx.partition(shared, lambda leaf: isinstance(leaf, (jax.Array, np.ndarray)))
        arrays = jax.tree.map(jnp.asarray, arrays)
        one = jax.tree.map(lambda leaf: _shape((*leaf.shape[:-1], leaf.shape[-1] // block), leaf.dtype), carried)
        interval = Interval(_shape((), dtype), _shape((), dtype), _shape((), np.int32))
        varying = interval, _shape((1,), np.uint32), _shape((), np.int32), one
        _check_state(jax.tree.leaves(one), dtype)

        def iterate(arrays: Any, *arguments: Any) -> Any:
            return function(eqx.combine(arrays, constants), *arguments)

        program = jax.make_jaxpr(iterate)(arrays, *varying)
        given = [leaves(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(varying)]
        self.block = block
        self._given: list[Node] = real_parts(given)
        self._results = real_parts(rewrite(program, *jax.tree.leaves(arrays), *given))
        elements = [node for node in in_order(self._results) if isinstance(node, Element)]
        self.numbers, self._places = _gathered(elements)

    @property
    def operations(self) -> int:
        """Real operations, those included that are written twice."""
        return operations(self._results)

    def __call__(
        self,
        numbers: dict[np.dtype, Any],
        interval: Interval,
        trajectory: jax.Array,
        index: jax.Array,
        rows: Sequence[jax.Array],
    ) -> list[jax.Array]:
        """The state's real numbers after an iteration, vectors over trajectories.

        numbers: `self.numbers`, or references to them; trajectory: their indices, uint32; index: of the iteration, from
        0 on; rows: the state's real numbers before it.
        """
        given = dict(zip(self._given, (*interval, trajectory, index, *rows), strict=True))

        def leaf(node: Node) -> Any:
            if not isinstance(node, Element):
                return given[node]
            dtype, place = self._places[node]
            number = numbers[dtype][place]
            return number != 0 if dtype == np.bool_ else number

        return compute(self._results, leaf)


def _shape(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """What stands for an array where a function is traced."""
    return jax.ShapeDtypeStruct(shape, dtype)


def _check_state(state: list[jax.ShapeDtypeStruct], dtype: np.dtype) -> None:
    for leaf in state:
        if np.zeros((), leaf.dtype).real.dtype != dtype:
            raise Unsupported(f"a state with numbers of type {np.dtype(leaf.dtype)}")


def _gathered(elements: list[Element]) -> tuple[dict[np.dtype, jax.Array], dict[Element, tuple[np.dtype, int]]]:
    """The arrays behind elements, those of one type in one vector, and where the elements are there."""
    parts: dict[np.dtype, list[jax.Array]] = {}
    begins: dict[tuple[int, bool], tuple[np.dtype, int]] = {}
    for element in elements:
        key = id(element.array), element.imaginary
        if key not in begins:
            part = jnp.ravel(element.array.imag if element.imaginary else element.array.real)
            dtype = np.dtype(part.dtype)
            together = parts.setdefault(dtype, [])
            begins[key] = dtype, sum(map(len, together))
            together.append(part.astype(jnp.int32) if dtype == np.bool_ else part)
    places = {}
    for element in elements:
        dtype, begin = begins[id(element.array), element.imaginary]
        places[element] = dtype, begin + element.index
    return {dtype: jnp.concatenate(together) for dtype, together in parts.items()}, places


def as_rows(carried: Any, block: int) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """Real numbers (row, block) of a tree of arrays (..., k·block), both parts of complex ones; and the way back."""
    flat, structure = jax.tree.flatten(carried)
    parts = [_real_rows(leaf, block) for leaf in flat]
    ends = np.cumsum([len(part) for part in parts])[:-1]

    def restore(rows: jax.Array) -> Any:
        back = [_from_real_rows(part, leaf) for part, leaf in zip(jnp.split(rows, ends), flat, strict=True)]
        return jax.tree.unflatten(structure, back)

    return jnp.concatenate(parts), restore


def _real_rows(leaf: jax.Array, block: int) -> jax.Array:
    rows = leaf.reshape(-1, block)
    return jnp.stack([rows.real, rows.imag], axis=1).reshape(-1, block) if jnp.iscomplexobj(leaf) else rows


def _from_real_rows(rows: jax.Array, leaf: jax.Array) -> jax.Array:
    if not jnp.iscomplexobj(leaf):
        return rows.reshape(leaf.shape)
    return jax.lax.complex(rows[0::2], rows[1::2]).reshape(leaf.shape)

"""What moves numbers about or adds them up: done by NumPy on arrays of entries, so that a kernel has nothing of it."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import numpy as np
from jax import lax

from stochq.ensemble.registers.arithmetic import add, multiply, node
from stochq.ensemble.registers.entries import Entry, Unsupported, entries, is_known, of_entries

Params = dict[str, Any]


def _broadcast(params: Params, array: np.ndarray) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for size, dimension in zip(array.shape, params["broadcast_dimensions"], strict=True):
        shape[dimension] = size
    return np.broadcast_to(array.reshape(shape), params["shape"])


def _reshape(params: Params, array: np.ndarray) -> np.ndarray:
    return array.reshape(params["new_sizes"])


def _squeeze(params: Params, array: np.ndarray) -> np.ndarray:
    return np.squeeze(array, tuple(params["dimensions"]))


def _expand(params: Params, array: np.ndarray) -> np.ndarray:
    return np.expand_dims(array, tuple(params["dimensions"]))


def _transpose(params: Params, array: np.ndarray) -> np.ndarray:
    return array.transpose(params["permutation"])


def _reverse(params: Params, array: np.ndarray) -> np.ndarray:
    return np.flip(array, params["dimensions"])


def _concatenate(params: Params, *arrays: np.ndarray) -> np.ndarray:
    return np.concatenate([entries(array) for array in arrays], axis=params["dimension"])


def _stack(params: Params, *arrays: np.ndarray) -> np.ndarray:
    return np.stack([entries(array) for array in arrays], axis=params["axis"])


def _slice(params: Params, array: np.ndarray) -> np.ndarray:
    strides = params["strides"] or (1,) * array.ndim
    return array[tuple(map(slice, params["start_indices"], params["limit_indices"], strides))]


def _dynamic_slice(params: Params, array: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    return array[_window(starts, array.shape, params["slice_sizes"])]


def _dynamic_update_slice(params: Params, array: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    out = entries(array).copy()
    out[_window(starts, array.shape, update.shape)] = entries(update)
    return out


def _window(starts: tuple[np.ndarray, ...], shape: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[slice, ...]:
    """A window that a loop's index moves; JAX keeps it inside the array."""
    if not all(is_known(start) for start in starts):
        raise Unsupported("a place in an array that is drawn")
    begins = [int(np.clip(start, 0, whole - size)) for start, whole, size in zip(starts, shape, sizes, strict=True)]
    return tuple(slice(begin, begin + size) for begin, size in zip(begins, sizes, strict=True))


def _cumulative_sum(params: Params, array: np.ndarray) -> np.ndarray:
    rows = np.moveaxis(entries(array), params["axis"], 0)
    ordered = list(rows[::-1] if params["reverse"] else rows)
    sums = [ordered[0]]
    for row in ordered[1:]:
        sums.append(of_entries(add, sums[-1], row))
    stacked = np.stack(sums[::-1] if params["reverse"] else sums)
    return np.moveaxis(stacked, 0, params["axis"])


def _reduction(combine: Callable[[Entry, Entry], Entry]) -> Callable[[Params, np.ndarray], np.ndarray]:
    def reduced(params: Params, array: np.ndarray) -> np.ndarray:
        axes = tuple(params["axes"])
        moved = np.moveaxis(entries(array), axes, range(len(axes)))
        rows = moved.reshape(-1, *moved.shape[len(axes) :])
        return reduce(lambda a, b: of_entries(combine, a, b), (rows[index, ...] for index in range(len(rows))))

    return reduced


def _matrix_product(params: Params, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Batch dimensions, then those of a, then those of b."""
    (left, right), (batch_a, batch_b) = params["dimension_numbers"]
    rows, free_a = _as_matrices(entries(a), batch_a, left)
    columns, free_b = _as_matrices(entries(b), batch_b, right)
    out = np.empty((len(rows), rows.shape[1], columns.shape[1]), object)
    for batch, i, j in np.ndindex(out.shape):
        terms = (multiply(x, y) for x, y in zip(rows[batch, i], columns[batch, j], strict=True))
        out[batch, i, j] = reduce(add, terms)
    return out.reshape(*(a.shape[axis] for axis in batch_a), *free_a, *free_b)


def _as_matrices(array: np.ndarray, batch: Sequence[int], summed: Sequence[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """(batch, free, summed), and the shape of the free dimensions."""
    free = [axis for axis in range(array.ndim) if axis not in (*batch, *summed)]
    sizes = [[array.shape[axis] for axis in axes] for axes in (batch, free, summed)]
    moved = array.transpose(*batch, *free, *summed)
    return moved.reshape([int(np.prod(size)) for size in sizes]), tuple(sizes[1])


def _split(params: Params, array: np.ndarray) -> list[np.ndarray]:
    return np.split(array, np.cumsum(params["sizes"])[:-1], axis=params["axis"])


def _unstack(params: Params, array: np.ndarray) -> list[np.ndarray]:
    axis = params["axis"]
    return [part.squeeze(axis) for part in np.split(array, array.shape[axis], axis)]


def _scatter(params: Params, array: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    """Entries set at known places, which JAX finds by setting numbers of entries in place of them."""
    if not is_known(indices):
        raise Unsupported("a place in an array that is drawn")
    arrays = entries(array), entries(updates)
    flat = np.concatenate([each.ravel() for each in arrays])
    numbers = np.arange(len(flat), dtype=np.float32)
    before, after = (
        part.reshape(each.shape) for part, each in zip(np.split(numbers, [array.size]), arrays, strict=True)
    )
    with jax.ensure_compile_time_eval():
        chosen = lax.scatter_p.bind(before, indices, after, **params)
    return flat[np.asarray(chosen, int)]


# Of the two that have several results.
PARTS: dict[str, Callable[..., list[np.ndarray]]] = {"split": _split, "unstack": _unstack}
STRUCTURE: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "cumsum": _cumulative_sum,
    "dot_general": _matrix_product,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "expand_dims": _expand,
    "reduce_and": _reduction(partial(node, lax.bitwise_and)),
    "reduce_max": _reduction(partial(node, lax.max)),
    "reduce_min": _reduction(partial(node, lax.min)),
    "reduce_or": _reduction(partial(node, lax.bitwise_or)),
    "reduce_sum": _reduction(add),
    "reshape": _reshape,
    "rev": _reverse,
    "scatter": _scatter,
    "slice": _slice,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}

"""Host-side parameters: numpy in double precision unless a gradient is being traced."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_concrete(value: Any) -> bool:
    """Whether `value` holds numbers that may be checked now (it is not being traced by JAX)."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(value))


def as_real(value: Any) -> Any:
    """`value` as a float64 numpy array; a traced value passes through untouched."""
    return np.asarray(value, dtype=np.float64) if is_concrete(value) else value


def as_complex(value: Any) -> Any:
    """`value` as a complex128 numpy array; a traced value passes through untouched."""
    return np.asarray(value, dtype=np.complex128) if is_concrete(value) else value


def as_matrix(value: Any) -> Any:
    """`value` as float64 if it has no imaginary part, complex128 otherwise; a traced value passes through."""
    if not is_concrete(value):
        return value
    array = np.asarray(value)
    if np.iscomplexobj(array) and np.any(array.imag):
        return array.astype(np.complex128)
    return np.ascontiguousarray(array.real, dtype=np.float64)


def stacked(values: Sequence[Any]) -> Any:
    """Arrays stacked on a new leading axis, by numpy unless one of them is traced."""
    return np.stack(values) if is_concrete(values) else jnp.stack(values)


def square_root(value: Any) -> Any:
    """The square root, by numpy unless it is traced."""
    return np.sqrt(value) if is_concrete(value) else jnp.sqrt(value)


# A rounding error of one operation, relative.
UNIT = {"single": 2.0**-24, "double": 2.0**-53}


def rounding(precision: str, steps: float) -> float:
    """The relative error of a mean from rounding, the same in all trajectories; it grows with the number of steps."""
    return UNIT[precision] * (16 + 0.25 * steps)

"""Host-side parameters: numpy in double precision unless a gradient is being traced."""

from collections.abc import Mapping, Sequence
from types import CellType
from typing import Any, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np

from stochq.aliases import Array as Array
from stochq.aliases import ArrayLike as ArrayLike
from stochq.aliases import Coefficient as Coefficient
from stochq.aliases import ComplexNumber as ComplexNumber
from stochq.aliases import Coupling as Coupling
from stochq.aliases import Number as Number
from stochq.aliases import Observable as Observable
from stochq.aliases import Observables as Observables
from stochq.aliases import OperatorLike as OperatorLike
from stochq.aliases import Parameters as Parameters
from stochq.aliases import Prediction as Prediction
from stochq.aliases import SameArray as SameArray
from stochq.aliases import Shaped as Shaped
from stochq.aliases import StateFunction as StateFunction
from stochq.aliases import StateLike as StateLike
from stochq.aliases import TermsInTime as TermsInTime
from stochq.aliases import Times as Times
from stochq.forks import check_not_forked


def is_concrete(value: object) -> bool:
    """Whether `value` holds numbers that may be checked now (it is not being traced by JAX)."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(value))


def nan_unless(condition: Any, value: Any) -> Any:
    """The value where a condition holds, elsewhere NaN, and so its derivatives: behind `where` these would be zero.

    >>> import jax
    >>> slope = jax.grad(lambda x: nan_unless(x > 0, x**2))
    >>> float(slope(3.0)), float(slope(-3.0))
    (6.0, nan)
    """
    return value * jnp.where(condition, 1.0, jnp.nan)


def check_numbers(instead: str, **arguments: object) -> None:
    """ValueError for a call that needs numbers while `jax.grad`, `vmap` or `jit` traces it, naming what is traced.

    Args:
        instead: what to do, a sentence.
        arguments: of the call, by name; functions count as what they hold.

    Raises:
        RuntimeError: in a forked worker that cannot compute.
    """
    check_not_forked()
    for name, value in arguments.items():
        check_names(name, value)
        for path, leaf in jax.tree_util.tree_leaves_with_path(value):
            cells = getattr(leaf, "__closure__", None) or ()
            held = " (held by the function)" if cells else ""
            if not is_concrete([leaf, *(_contents(cell) for cell in cells)]):
                # A private field is known by its public name.
                place = name + jax.tree_util.keystr(path).replace("._", ".") + held
                raise ValueError(
                    f"{name}: expected numbers; JAX is tracing {place}, as grad, vmap and jit do. {instead}"
                )
    if not is_concrete(jnp.zeros(())):
        name = next(iter(arguments))
        raise ValueError(f"{name}: expected a call outside jax.jit, which traces everything inside. {instead}")


def check_names(name: str, value: object) -> None:
    """ValueError for a mapping with keys that are no texts."""
    if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
        other = next(key for key in value if not isinstance(key, str))
        raise ValueError(f"{name}: expected names that are texts; got {other!r}. Write {str(other)!r}.")


def _contents(cell: CellType) -> object:
    """What a function's cell holds; None where nothing was put in yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def as_real(value: ArrayLike, name: str = "") -> Any:
    """`value` as a float64 numpy array of its own; a traced value passes through untouched.

    Raises:
        ValueError: for what is no array of real numbers, if it has a name.
    """
    if not is_concrete(value):
        return value
    if name and _dtype(name, value).kind not in "biufO":
        raise ValueError(f"{name}: expected real numbers; got {value!r}.")
    return _converted(name, value, np.float64)


def as_complex(value: ArrayLike, name: str = "") -> Any:
    """`value` as a complex128 numpy array of its own; a traced value passes through untouched. Raises: as `as_real`."""
    if not is_concrete(value):
        return value
    if name and _dtype(name, value).kind not in "biufcO":
        raise ValueError(f"{name}: expected numbers; got {value!r}.")
    return _converted(name, value, np.complex128)


def _dtype(name: str, value: object) -> np.dtype:
    return _converted(name, value, None).dtype


def _converted(name: str, value: Any, dtype: Any) -> np.ndarray:
    try:
        # A copy: JAX remembers an array that a program holds in the precision of that program, and would take it so in
        # another one.
        return np.asarray(value) if dtype is None else np.array(value, dtype)
    except (TypeError, ValueError, OverflowError):
        if not name:
            raise
        raise ValueError(f"{name}: expected an array of numbers; got {value!r}.") from None


def as_matrix(value: ArrayLike, name: str = "") -> Any:
    """`value` as float64 if it has no imaginary part, complex128 otherwise; a traced value passes through.

    Raises:
        ValueError: as `as_real`.
    """
    if not is_concrete(value):
        return value
    array = np.asarray(as_complex(value, name) if name else value)
    if np.iscomplexobj(array) and np.any(array.imag):
        return array.astype(np.complex128)
    return np.array(array.real, dtype=np.float64, order="C")


_Tree = TypeVar("_Tree")


def copied_in_programs(tree: _Tree) -> _Tree:
    """The tree; where a program is being traced, with copies of its NumPy arrays, as in `copied`."""
    # Under jit even what depends on nothing is traced.
    if is_concrete(jnp.zeros(())):
        return tree
    return jax.tree.map(lambda leaf: np.array(leaf) if isinstance(leaf, np.ndarray) else leaf, tree)


def copied(value: Number) -> Number:
    """A number of a system for arithmetic with traced ones: a copy, as JAX would remember its form of single precision
    and take it for that of double precision."""
    return np.array(value) if is_concrete(value) else value


def stacked(values: Sequence[Array]) -> Array:
    """Arrays stacked on a new leading axis, by numpy unless one of them is traced."""
    return np.stack(values) if is_concrete(values) else jnp.stack(values)


@overload
def square_root(value: Array) -> Array: ...
@overload
def square_root(value: Number) -> Number: ...
def square_root(value: Number) -> Number:
    """The square root, by numpy unless it is traced."""
    return np.sqrt(value) if is_concrete(value) else jnp.sqrt(value)


# Below the rounding of one in double precision.
_INVISIBLE = 1e-17


def square_root_of_pairs(value: Number) -> Number:
    """The square root s of a number that goes into products s·s alone, whose derivative exists where s = 0, too.

    Traced, the root of zero is one too small to be seen, so that 2s·s' is finite.
    """
    if is_concrete(value):
        return np.sqrt(value)
    return jnp.sqrt(jnp.where(value == 0, _INVISIBLE + value, value))


# A rounding error of one operation, relative.
UNIT = {"single": 2.0**-24, "double": 2.0**-53}


def rounding(precision: str, steps: float, units_per_step: float = 0.5) -> float:
    """The relative error of a mean from rounding, the same in all trajectories; it grows with the number of steps."""
    return UNIT[precision] * (16 + units_per_step * steps)

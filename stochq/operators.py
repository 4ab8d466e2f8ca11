"""The door: operators, kets and density matrices of NumPy, JAX, SciPy, QuTiP and dynamiqs become arrays.

Other libraries are not imported to find out what came: of a class of one that nobody imported there is no object.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.arrays import is_concrete

# Sparse operators on more levels are not made dense: 1 GiB of complex numbers.
LARGEST_DENSE = 8192
# Fewer diagonals than this fraction of the dimension make banded storage the faster one.
BANDED_FRACTION = 1 / 8


class Bands(NamedTuple):
    """An operator with few diagonals: bands[b, i] is the element in row i and column i + offsets[b], (b, dim)."""

    offsets: tuple[int, ...]
    bands: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.bands.shape[1], self.bands.shape[1]

    def matrix(self) -> np.ndarray:
        """The operator as a dense matrix (dim, dim)."""
        dim = self.bands.shape[1]
        dense = np.zeros((dim, dim), self.bands.dtype)
        for offset, band in zip(self.offsets, self.bands, strict=True):
            rows = np.arange(max(0, -offset), min(dim, dim - offset))
            dense[rows, rows + offset] = band[rows]
        return dense


def is_foreign(value: object) -> bool:
    """Whether a value is an operator or a state of another library than NumPy and JAX, or a sparse one of theirs."""
    return _is_qutip(value) or _is_sparse(value) or _is_qarray(value) or _depends_on_time(value)


def as_array(name: str, value: Any) -> Any:
    """An operator, a ket or a density matrix as an array; what is no other library's passes as it is.

    Args:
        name: of the argument, for messages.
        value: a `qutip.Qobj`, a matrix of `scipy.sparse` or `jax.experimental.sparse`, or a `QArray` of dynamiqs.

    Returns:
        A NumPy array in the precision of the value, of JAX where it is traced: matrices (dim, dim), kets (dim,).

    Raises:
        ValueError: for a bra, a superoperator, an operator that depends on time, and one that is too large.

    >>> import scipy.sparse
    >>> as_array("psi0", scipy.sparse.csr_array([[0.0], [1.0]])).tolist()
    [0.0, 1.0]
    """
    if not is_foreign(value):
        return value
    _check_kind(name, value)
    if min(value.shape) > LARGEST_DENSE:
        raise ValueError(
            f"{name}: expected at most {LARGEST_DENSE} levels of an operator with other elements than a few diagonals; "
            f"got shape {tuple(value.shape)}. Give a function of a state, or a sq.systems.PauliSum of spins."
        )
    array = _dense(value)
    is_column = array.ndim == 2 and array.shape[1] == 1 and array.shape[0] > 1
    return array[:, 0] if is_column else array


def as_operator(name: str, value: Any, dims: tuple[int, ...] = ()) -> Any:
    """An operator as an array, (dim, dim) or its diagonal (dim,), as `as_array` makes them.

    Args:
        name: of the argument, for messages.
        value: the operator.
        dims: of the parts of the Hamiltonian's system, where they are known.

    Raises:
        ValueError: as `as_array`, for kets, and for operators on other parts.
    """
    if not is_foreign(value):
        return value
    check_parts(name, value, dims)
    array = as_array(name, value)
    if array.ndim == 1 and len(value.shape) == 2:
        raise ValueError(f"{name}: expected an operator; got a ket. A projector is psi @ psi.dag().")
    return array


def refuse_foreign(name: str, value: object) -> None:
    """ValueError for an object of another library where an array of numbers is expected."""
    if is_foreign(value):
        raise ValueError(f"{name}: expected an array of numbers; got an operator, {type(value).__name__}.")


def bands_of(name: str, value: Any) -> Bands | None:
    """The diagonals of a sparse operator that are not zero, where they are few; None of everything else."""
    if not is_foreign(value):
        return None
    _check_kind(name, value)
    shape = tuple(value.shape)
    entries = _entries(value) if len(shape) == 2 and shape[0] == shape[1] and is_concrete(value) else None
    if entries is None:
        return None
    rows, columns, numbers = entries
    offsets = np.unique((columns - rows)[numbers != 0])
    offsets = offsets if len(offsets) else np.zeros(1, int)
    if len(offsets) > max(1, BANDED_FRACTION * shape[0]):
        return None
    inside = np.isin(columns - rows, offsets)
    bands = np.zeros((len(offsets), shape[0]), numbers.dtype)
    places = np.searchsorted(offsets, (columns - rows)[inside])
    np.add.at(bands, (places, rows[inside]), numbers[inside])
    return Bands(tuple(int(offset) for offset in offsets), bands)


def parts_of(value: object) -> tuple[int, ...]:
    """The dimensions of the parts of a composite system that an operator or a state knows of; none elsewhere.

    >>> import qutip
    >>> parts_of(qutip.tensor(qutip.sigmax(), qutip.qeye(3)))
    (2, 3)
    """
    if not (_is_instance(value, "qutip", "Qobj") or _is_qarray(value)):
        return ()
    dims: Any = value.dims
    if _is_qarray(value):
        return tuple(int(dim) for dim in dims)
    sides = [side for side in dims if isinstance(side, list) and all(isinstance(dim, int) for dim in side)]
    return max(map(tuple, sides), key=np.prod, default=())


def check_parts(name: str, value: object, parts: tuple[int, ...]) -> None:
    """ValueError for an operator or a state on other parts than those of the Hamiltonian, where both are known."""
    check_dims(name, parts_of(value), parts)


def check_dims(name: str, known: tuple[int, ...], parts: tuple[int, ...]) -> None:
    """ValueError for other parts than those of the Hamiltonian, where both are known."""
    if len(known) > 1 and len(parts) > 1 and known != parts:
        raise ValueError(
            f"{name}: expected the parts of the Hamiltonian, of dimensions {list(parts)}; got {list(known)}. Bring "
            "them into one order, as qutip's permute does."
        )


def holds_function(entry: object) -> bool:
    """Whether something is a function, or a list with one, as QuTiP's format for drives has."""
    members = entry if isinstance(entry, (list, tuple)) else [entry]
    return any(callable(member) and not is_foreign(member) for member in members)


def operator_list(name: str, values: object) -> list[Any]:
    """The entries of a list of operators; ValueError where a single operator may be meant.

    An array with two axes is one matrix to its owner and a list of diagonals to Python, and so are plain lists of
    numbers that form a square: both are refused. Arrays (K, dim, dim) are lists of matrices, and lists whose entries
    are arrays of their own are what they look like. An operator of another library cannot be a list: it is one.

    >>> len(operator_list("jumps", [np.array([0.0, 1.0]), [[0.0, 1.0], [0.0, 0.0]]]))
    2
    """
    if is_foreign(values):
        batch = len(getattr(values, "shape", ())) == 3
        return list(as_array(name, values)) if batch else [values]
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise ValueError(f"{name}: expected a list; got {_described(values)}. Write [{_short(values)}].")
    if isinstance(values, (np.ndarray, jax.Array)) and values.ndim < 3:
        raise ValueError(
            f"{name}: expected a list of operators; got one array of shape {values.shape}. Write [L] for the one "
            "operator L, list(rows) for several diagonals."
        )
    entries = list(values)
    if _may_be_one_matrix(entries):
        raise ValueError(
            f"{name}: expected a list of operators; got plain lists of numbers that may be one {len(entries)} x "
            f"{len(entries)} matrix as well as {len(entries)} diagonals. Write [L] for the one operator L, and "
            "[numpy.array(row), ...] for diagonals."
        )
    if entries and all(_is_number(entry) for entry in entries):
        raise ValueError(f"{name}: expected a list of operators; got one diagonal. Write [diagonal].")
    return entries


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float, complex, np.number))


def _may_be_one_matrix(entries: list[object]) -> bool:
    """Whether plain lists of numbers form a square of at least two rows."""
    rows = [entry for entry in entries if isinstance(entry, (list, tuple)) and all(map(_is_number, entry))]
    return len(entries) > 1 and len(rows) == len(entries) and all(len(row) == len(entries) for row in rows)


def _described(value: object) -> str:
    return repr(value) if isinstance(value, (str, bytes)) else type(value).__name__


def _short(value: object) -> str:
    return repr(value) if isinstance(value, (str, bytes)) else "L"


def _is_instance(value: object, module: str, *names: str) -> bool:
    """Whether a value is of a class of a module; a module that nobody imported has made none."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, each, ()) for each in names))


def _is_qutip(value: object) -> bool:
    return _is_instance(value, "qutip", "Qobj", "QobjEvo")


def _is_scipy(value: object) -> bool:
    loaded = sys.modules.get("scipy.sparse")
    return loaded is not None and loaded.issparse(value)


def _is_jax_sparse(value: object) -> bool:
    return _is_instance(value, "jax.experimental.sparse", "JAXSparse")


def _is_sparse(value: object) -> bool:
    return _is_scipy(value) or _is_jax_sparse(value)


def _is_qarray(value: object) -> bool:
    """dynamiqs is told by its protocol: it is no dependency, and its class has no name that is public."""
    return hasattr(value, "to_jax") and hasattr(value, "dims")


def _depends_on_time(value: object) -> bool:
    return _is_instance(value, "qutip", "QobjEvo") or _is_instance(value, "dynamiqs", "TimeQArray")


def _check_kind(name: str, value: Any) -> None:
    """ValueError for what is neither an operator nor a ket."""
    if _depends_on_time(value):
        raise ValueError(
            f"{name}: expected an operator that does not depend on time; got {type(value).__name__}. Write a "
            "Hamiltonian as sq.systems.driven(H0, [(H1, lambda t: jnp.cos(t))])."
        )
    if getattr(value, "issuper", False) or getattr(value, "vectorized", False):
        raise ValueError(
            f"{name}: expected an operator; got a superoperator. Give H and its jump operators, "
            "sq.models.unravel(H, [L])."
        )
    if _is_instance(value, "qutip", "Qobj") and value.type not in ("oper", "ket", "scalar"):
        raise ValueError(f"{name}: expected an operator or a ket; got a {value.type}. Write .dag() behind a bra.")


def _dense(value: Any) -> Any:
    if _is_instance(value, "qutip", "Qobj"):
        return value.full()
    if _is_scipy(value):
        return value.toarray()
    dense = value.todense if _is_jax_sparse(value) else value.to_jax
    if not is_concrete(value):
        return dense()
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        return np.asarray(dense())


def _entries(value: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Rows, columns and values of the elements that a sparse operator (dim, dim) holds; None of a dense one."""
    if _is_qutip(value):
        value = value.data.as_scipy() if hasattr(value.data, "as_scipy") else value
    if _is_scipy(value):
        entries = value.tocoo()
        return entries.row, entries.col, entries.data
    if _is_instance(value, "jax.experimental.sparse", "BCOO") and value.n_batch == value.n_dense == 0:
        rows, columns = np.asarray(value.indices).T
        inside = (rows < value.shape[0]) & (columns < value.shape[1])  # others are padding
        return rows[inside], columns[inside], np.asarray(value.data)[inside]
    if _is_jax_sparse(value) or getattr(value, "layout", None) is not None and "dia" in str(value.layout):
        dense = _dense(value)
        rows, columns = np.nonzero(dense)
        return rows, columns, dense[rows, columns]
    return None

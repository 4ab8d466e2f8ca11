"""States, density matrices and operators as objects of QuTiP, which is imported only when one is made."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

if TYPE_CHECKING:
    from qutip import Qobj, QobjEvo


class QutipStates(NamedTuple):
    """States of a run as QuTiP's objects.

    kept: of each kept trajectory its states at all times, `kept[trajectory][time]`: kets, or density matrices of a run
    with conditional=True; empty where none were kept. density: the mean density matrix at each time, `density[time]`;
    empty where it was not asked for. reduced {name: `[time]`}: the mean density matrices of parts, of each `sq.Reduced`
    by its name; results that were read from files have none.
    """

    kept: list[list["Qobj"]]
    density: list["Qobj"]
    reduced: dict[str, list["Qobj"]]


def as_kets(states: np.ndarray, dims: tuple[int, ...]) -> Any:
    """Kets (..., dim) as lists of lists of `Qobj`, one for each leading axis. dims: of the parts; empty for one."""
    return _nested(states, 1, lambda psi: _qobj(psi[:, None], dims, [1]))


def as_operators(matrices: np.ndarray, dims: tuple[int, ...]) -> Any:
    """Matrices (..., dim, dim) as lists of lists of `Qobj`. dims: of the parts; empty for one."""
    return _nested(matrices, 2, lambda matrix: _qobj(matrix, dims, list(dims) or [len(matrix)]))


def changing_operator(matrix: Callable[[float], np.ndarray], dims: tuple[int, ...]) -> "QobjEvo":
    """A function of the time with matrices (dim, dim) as its values, which is evaluated in double precision."""
    qutip = _qutip()

    def operator(t: float) -> "Qobj":
        with jax.enable_x64(True):
            return as_operators(matrix(float(t)), dims)

    return qutip.QobjEvo(operator)


def _nested(array: np.ndarray, axes: int, convert: Callable[[np.ndarray], Any]) -> Any:
    return convert(array) if array.ndim == axes else [_nested(one, axes, convert) for one in array]


def _qobj(matrix: np.ndarray, dims: tuple[int, ...], right: list[int]) -> "Qobj":
    return _qutip().Qobj(np.asarray(matrix, np.complex128), dims=[list(dims) or [len(matrix)], right])


def _qutip() -> Any:
    try:
        import qutip
    except ImportError as error:
        raise ImportError('to_qutip needs QuTiP, which is not installed: pip install "stochq[qutip]".') from error

    return qutip

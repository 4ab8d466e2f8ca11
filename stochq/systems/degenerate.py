"""Eigenvectors in which conserved quantities are sharp, also where energies are degenerate."""

from collections.abc import Mapping

import numpy as np

from stochq.systems.basis import into

# Values closer than this fraction of their range, or of their size, are one level.
LEVEL_RTOL = 1e-9
SIZE_RTOL = 1e-12
# Largest commutator accepted, and largest element off the diagonal that counts as zero, relative to the operators.
COMMUTATOR_RTOL = 1e-6
OFF_DIAGONAL_RTOL = 1e-10


def sharp_eigenvectors(
    energies: np.ndarray, vectors: np.ndarray, operators: Mapping[str, np.ndarray]
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Common eigenvectors of a Hamiltonian and of operators that commute with it and with each other.

    Each operator is diagonalised inside the levels that the Hamiltonian and the operators before it leave degenerate.

    Args:
        energies: (dim,), ascending.
        vectors: eigenvectors of the Hamiltonian, one per column (dim, dim).
        operators: {name: diagonal (dim,) or Hermitian matrix (dim, dim)}.

    Returns:
        The common eigenvectors (dim, dim), energies ascending, or None where `vectors` are such already; and the
        eigenvalue (dim,) of each operator in each of them.

    Raises:
        ValueError: if an operator does not commute with the Hamiltonian or with one before it.

    >>> swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> vectors, values = sharp_eigenvectors(np.zeros(2), np.eye(2), {"swap": swap})
    >>> values["swap"].round(12).tolist()
    [-1.0, 1.0]
    """
    common, changed = vectors, False
    known = {"the Hamiltonian": energies}
    groups = _split(np.arange(len(energies)), energies, _resolution(energies))
    for name, operator in operators.items():
        own = into(common, operator)
        _check_commutes(name, own, known)
        scale = max(float(np.abs(own).max()), np.finfo(float).tiny)
        values, parts = np.real(np.diagonal(own)).copy(), []
        for group in groups:
            block = own[np.ix_(group, group)]
            if np.abs(block - np.diag(np.diagonal(block))).max() > OFF_DIAGONAL_RTOL * scale:
                values[group], turned = np.linalg.eigh(block)
                common = common.astype(np.result_type(common, turned), copy=not changed)
                common[:, group] = common[:, group] @ turned
                changed = True
        for group in groups:
            parts.extend(_split(group, values[group], _resolution(values)))
        groups, known[name] = parts, values
    return (common if changed else None), {name: known[name] for name in operators}


def _resolution(values: np.ndarray) -> float:
    return LEVEL_RTOL * float(np.ptp(values)) + SIZE_RTOL * float(np.abs(values).max())


def _split(group: np.ndarray, values: np.ndarray, resolution: float) -> list[np.ndarray]:
    """The members of a group in parts of equal values."""
    order = np.argsort(values, kind="stable")
    return np.split(group[order], np.flatnonzero(np.diff(values[order]) > resolution) + 1)


def _check_commutes(name: str, own: np.ndarray, known: Mapping[str, np.ndarray]) -> None:
    """own: the operator in a basis in which all that is known is diagonal, with the known values (dim,)."""
    for other, values in known.items():
        violation = float(np.abs(own * (values[:, None] - values[None, :])).max())
        rounding = COMMUTATOR_RTOL * float(np.ptp(values)) + SIZE_RTOL * float(np.abs(values).max())
        if violation > rounding * float(np.abs(own).max()):
            raise ValueError(
                f"{name}: expected a conserved quantity, which commutes with {other}; the largest element of their "
                f"commutator is {violation:.3g}. Leave one of them out."
            )

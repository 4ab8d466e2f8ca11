"""Reduced density matrices of many columns at once, and operators on a part of the sites."""

from collections.abc import Sequence

import numpy as np

from stochq.arrays import Array
from stochq.systems.subsystems import checked_sites, reduced, sites_of

# Up to so many elements of a reduced density matrix its error goes over a basis of operators; of a larger one over as
# many random operators.
_PROBES = 16


def reduced_sum(columns: np.ndarray, part: Sequence[int] | int) -> np.ndarray:
    """Σ_r of the reduced density matrices of columns (dim, R), R a power of two: the columns are further sites."""
    sites = checked_sites(part)
    sites_of(len(columns), sites)
    more = columns.shape[1].bit_length() - 1
    return np.asarray(reduced(columns.reshape(-1), [site + more for site in sites]))


def on_part(columns: Array, operator: np.ndarray, part: Sequence[int] | int) -> np.ndarray:
    """An operator (2^k, 2^k) on a part of the sites, applied to columns (dim, R)."""
    columns = np.asarray(columns)
    sites = len(columns).bit_length() - 1
    axes = [sites - 1 - site for site in reversed(checked_sites(part))]
    moved = np.moveaxis(columns.reshape((2,) * sites + (-1,)), axes, range(len(axes)))
    product = operator.astype(columns.dtype) @ moved.reshape(len(operator), -1)
    return np.moveaxis(product.reshape(moved.shape), range(len(axes)), axes).reshape(columns.shape)


def probes(dim: int) -> list[np.ndarray]:
    """Hermitian matrices (dim, dim) with Tr A² = 1: an orthonormal basis of few, or random ones of a larger space."""
    if dim**2 > _PROBES:
        rng = np.random.default_rng(0)
        drawn = [rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim)) for _ in range(_PROBES)]
        hermitian = [matrix + matrix.conj().T for matrix in drawn]
        return [matrix / np.linalg.norm(matrix) for matrix in hermitian]
    units = np.eye(dim)
    pairs = [(i, j) for i in range(dim) for j in range(i)]
    diagonal = [np.outer(unit, unit).astype(complex) for unit in units]
    upper = [np.outer(units[i], units[j]) * np.sqrt(0.5) for i, j in pairs]
    return [*diagonal, *(unit + unit.T for unit in upper), *(1j * (unit - unit.T) for unit in upper)]

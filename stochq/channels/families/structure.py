"""Which family holds given matrices."""

import numpy as np

from stochq.arrays import Array, is_concrete
from stochq.channels.families.banded import BandedOperators
from stochq.channels.families.dense import DenseOperators
from stochq.channels.families.operators import Operators
from stochq.systems.basis import Basis

# Fewer diagonals than this fraction of the dimension make banded storage the faster one.
_BANDED_FRACTION = 1 / 8


def structured(matrices: Array, basis: Basis | None = None, factors: Array | None = None) -> Operators:
    """Matrices (K, dim, dim) as bands where these are few, dense otherwise, or where they are traced.

    factors: (K,) by which they are multiplied, which may be traced where the matrices are not.
    """
    scale = np.ones(1) if factors is None else factors
    if not is_concrete(matrices):
        return DenseOperators(scale[:, None, None] * matrices, basis)
    stack = np.asarray(matrices)
    dim = stack.shape[-1]
    occupied = np.argwhere(np.any(stack != 0, axis=0))
    offsets = sorted({int(column - row) for row, column in occupied}) or [0]
    if len(offsets) > _BANDED_FRACTION * dim:
        return DenseOperators(scale[:, None, None] * stack, basis)
    bands = np.zeros((stack.shape[0], len(offsets), dim), stack.dtype)
    for row, offset in enumerate(offsets):
        inside = np.arange(max(0, -offset), min(dim, dim - offset))
        bands[:, row, inside] = stack[:, inside, inside + offset]
    return BandedOperators(tuple(offsets), scale[:, None, None] * bands, basis)

"""Which family holds given matrices."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from stochq.arrays import Array, is_concrete, stacked
from stochq.channels.families.banded import BandedOperators
from stochq.channels.families.dense import DenseOperators
from stochq.channels.families.operators import Operators
from stochq.operators import BANDED_FRACTION, Bands
from stochq.systems.basis import Basis


def structured(
    operators: Array | Sequence[Array | Bands], basis: Basis | None = None, factors: Array | None = None
) -> Operators:
    """Matrices (K, dim, dim) as bands where these are few, dense otherwise, or where they are traced.

    factors: (K,) by which they are multiplied, which may be traced where the matrices are not.
    """
    scale = np.ones(1) if factors is None else factors
    if isinstance(operators, Sequence) and all(isinstance(one, Bands) for one in operators):
        offsets, bands = _on_one_set(cast(Sequence[Bands], operators))
        if len(offsets) <= BANDED_FRACTION * bands.shape[-1]:
            return BandedOperators(offsets, scale[:, None, None] * bands, basis)
    matrices = stacked([one.matrix() if isinstance(one, Bands) else one for one in operators])
    if not is_concrete(matrices):
        return DenseOperators(scale[:, None, None] * matrices, basis)
    stack = np.asarray(matrices)
    dim = stack.shape[-1]
    occupied = np.argwhere(np.any(stack != 0, axis=0))
    offsets = sorted({int(column - row) for row, column in occupied}) or [0]
    if len(offsets) > BANDED_FRACTION * dim:
        return DenseOperators(scale[:, None, None] * stack, basis)
    bands = np.zeros((stack.shape[0], len(offsets), dim), stack.dtype)
    for row, offset in enumerate(offsets):
        inside = np.arange(max(0, -offset), min(dim, dim - offset))
        bands[:, row, inside] = stack[:, inside, inside + offset]
    return BandedOperators(tuple(offsets), scale[:, None, None] * bands, basis)


def _on_one_set(operators: Sequence[Bands]) -> tuple[tuple[int, ...], np.ndarray]:
    """The diagonals that any of the operators has, and all of theirs (K, diagonals, dim)."""
    offsets = tuple(sorted({offset for one in operators for offset in one.offsets}))
    dim, kind = operators[0].shape[0], np.result_type(*(one.bands for one in operators))
    bands = np.zeros((len(operators), len(offsets), dim), kind)
    for place, one in enumerate(operators):
        for offset, band in zip(one.offsets, one.bands, strict=True):
            inside = np.arange(max(0, -offset), min(dim, dim - offset))
            bands[place, offsets.index(offset), inside] = band[inside]
    return offsets, bands

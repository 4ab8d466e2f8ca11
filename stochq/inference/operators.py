"""Observables of conditional states."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stochq.real_parts import real_rows
from stochq.systems.checks import check_finite, shape_of


def operator_rows(observables: Mapping[str, Any], dim: int) -> dict[str, np.ndarray]:
    """Hermitian matrices (dim, dim) by row: each operator, or its two Hermitian parts.

    Raises:
        ValueError: for no observables, functions, and operators of another shape.
    """
    if not isinstance(observables, Mapping) or not observables:
        raise ValueError("observables: expected {name: operator} with at least one; got none.")
    for name, value in observables.items():
        label = f"observables[{name!r}]"
        if callable(value) or shape_of(label, value) not in ((dim,), (dim, dim)):
            what = "a function" if callable(value) else f"shape {np.shape(value)}"
            raise ValueError(
                f"{label}: expected an operator ({dim}, {dim}) or a diagonal ({dim},), for a density matrix; "
                f"got {what}."
            )
        check_finite(label, value)
    rows = real_rows({name: np.asarray(value) for name, value in observables.items()}, dim)
    return {name: (np.diag(row) if row.ndim == 1 else row).astype(complex) for name, row in rows.items()}

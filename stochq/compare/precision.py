"""What rounding may do to the means of an ensemble and to exact values."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stochq.arrays import UNIT, rounding
from stochq.ensemble.result import EnsembleResult
from stochq.exact.result import ExactResult

# With a purity this close to one all trajectories are in one state.
_PURE = 1e-9


class Rounding(NamedTuple):
    """Rounding errors of one observable: of the means, the same in all trajectories, and from one to another; width:
    how far it may move where it does not fluctuate at any time."""

    common: float
    scatter: float
    width: float


def rounding_errors(
    ensemble: EnsembleResult, exact: ExactResult, rows: Mapping[str, Sequence[str]]
) -> dict[str, Rounding]:
    """The rounding errors of each real row.

    Args:
        ensemble, exact: in real rows.
        rows: of each observable, one or both parts.
    """
    widths = {} if _stays_pure(exact) else exact.ranges
    errors: dict[str, Rounding] = {}
    for name, parts in rows.items():
        common, scatter = _errors(ensemble, exact, parts, exact.sizes.get(name, 0.0))
        errors |= dict.fromkeys(parts, Rounding(common, scatter, widths.get(name, 0.0)))
    return errors


def _stays_pure(exact: ExactResult) -> bool:
    """Whether all trajectories are in one state, so that no event can have been missed; False where it is not known."""
    if exact.density is None:
        return False
    return bool(np.einsum("tij,tji->t", exact.density, exact.density).real.min() > 1 - _PURE)


def _errors(ensemble: EnsembleResult, exact: ExactResult, rows: Sequence[str], largest: float) -> tuple[float, float]:
    """Common errors, which grow with the number of steps, and scatter, which does with its root.

    Args:
        rows: of one observable: both parts of a complex one are rounded with its modulus.
        largest: element of its operator, with which a value that vanishes exactly is rounded in the reference, whose
            error counts too.
    """
    spreads = [ensemble.stderr[row] * np.sqrt(ensemble.trajectories) for row in rows]
    values = [*spreads, *(source[row] for source in (ensemble.mean, exact.expect) for row in rows)]
    size = max(np.finfo(float).tiny, *(float(np.abs(value).max()) for value in values))
    steps = float(ensemble.info.get("steps", 0))
    common = rounding(ensemble.precision, steps) + exact.error
    in_reference = largest * (rounding("double", 0.0) + exact.error)
    scatter = size * UNIT[ensemble.precision] * (16 + 4 * np.sqrt(steps))
    return size * common + in_reference, scatter

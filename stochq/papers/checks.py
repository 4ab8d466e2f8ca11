"""Checks of regenerated numbers. Tolerances come from statistics or from rounding, never from taste.

All statistical checks of a paper together raise a false alarm with probability FALSE_ALARMS at most (Bonferroni).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from stochq.arrays import ArrayLike
from stochq.compare.comparison import Comparison

FALSE_ALARMS = 1e-3
# The largest number of checks a paper may have.
VERDICTS = 100
LEVEL = FALSE_ALARMS / VERDICTS


@dataclass(frozen=True)
class Check:
    """One number against its reference: passed if |value - reference| <= tolerance. stderr: of the value, if known.

    >>> Check("half", 0.5, 0.5, 1e-12).passed
    True
    """

    name: str
    value: float
    reference: float
    tolerance: float
    stderr: float | None = None

    @property
    def passed(self) -> bool:
        return bool(abs(self.value - self.reference) <= self.tolerance)

    def as_dict(self) -> dict[str, Any]:
        """The check as it is written to JSON."""
        numbers = {name: float(getattr(self, name)) for name in ("value", "reference", "tolerance")}
        stderr = None if self.stderr is None else float(self.stderr)
        return {"name": self.name, **numbers, "stderr": stderr, "passed": self.passed}


def by_error(name: str, value: float, stderr: float, reference: float, groups: int | None = None) -> Check:
    """A mean or a fit against its exact value. groups: from how many groups its error was estimated, if few.

    >>> round(by_error("mean", 1.0, 0.1, 1.2).tolerance, 3)
    0.442
    """
    quantile = stats.norm.isf(LEVEL / 2) if groups is None else stats.t.isf(LEVEL / 2, groups - 1)
    return Check(name, float(value), float(reference), float(quantile * stderr), float(stderr))


def by_largest_z(name: str, values: ArrayLike, stderrs: ArrayLike, references: ArrayLike) -> Check:
    """Several means at once by the largest of their z."""
    z = np.abs(np.asarray(values) - np.asarray(references)) / np.asarray(stderrs)
    return Check(f"{name}: largest of {z.size} z", float(z.max()), 0.0, float(stats.norm.isf(LEVEL / 2 / z.size)))


def by_comparison(name: str, comparison: Comparison) -> Check:
    """An ensemble against the master equation: the p-value of all points together is not below the level."""
    return by_p_value(name, comparison.p_value)


def by_counts(name: str, counts: ArrayLike, expected: Sequence[float] | np.ndarray) -> Check:
    """Counts in classes against expected counts of the same total, Pearson's χ²."""
    return by_p_value(name, float(stats.chisquare(np.asarray(counts), np.asarray(expected)).pvalue))


def by_p_value(name: str, p_value: float) -> Check:
    """A p-value is not below the level."""
    return Check(f"{name}: p-value", float(p_value), 1.0, 1.0 - LEVEL)

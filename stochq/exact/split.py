"""Symmetric splitting into parts that are solved exactly, extrapolated to high order.

Strang's composition A(h/2) B(h) A(h/2) of n sub-steps over a step H has an error in even powers of H/n. Sub-step
numbers 1, 2, 3, ... and polynomial extrapolation in (H/n)² remove one power pair after another, until two successive
columns agree within the tolerance (Gragg, Bulirsch and Stoer's method with Strang's splitting as its base).
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from stochq.exact.inputs import intervals
from stochq.exact.ode import Solved
from stochq.exact.parts import ExactPart, Step
from stochq.exact.rotation import relative

TOLERANCE = 1e-8
_SUBSTEPS = (1, 2, 3, 4, 6, 8, 12)
# A step that needs fewer columns than this is too short for its cost.
_EASY_COLUMNS = 5
# The first step: about this many radians of the fastest element.
_FIRST_ANGLE = 4.0
_HALVINGS = 40
# The largest change of ρ in all the time that is left for which the steady state counts as reached.
STEADY_ATOL = 0.1 * TOLERANCE
# The columns of a step cannot agree better than this.
_ROUNDING = 64 * np.finfo(float).eps
_CACHE_BYTES = 2**28


class Splitting:
    """Exactly solvable parts and the prepared solutions of each; density matrices are held in the first one's basis."""

    def __init__(self, parts: list[ExactPart]) -> None:
        self.parts = parts
        self.changes = [relative(parts[0].basis, part.basis) for part in parts]
        dim = _dimension(parts)
        self._step = lru_cache(maxsize=max(8, _CACHE_BYTES // (16 * dim * dim)))(self._prepare)
        self.substeps = 0

    def _prepare(self, index: int, length: float) -> Step:
        return self.parts[index].step(length)

    def strang(self, rho: np.ndarray, length: float, count: int) -> np.ndarray:
        """`count` symmetric sub-steps over `length`; neighbouring halves of the first part are joined."""
        h = length / count
        rho = self._step(0, 0.5 * h)(rho)
        for done in range(1, count + 1):
            rho = self._inner(rho, h, 1)
            rho = self._step(0, h if done < count else 0.5 * h)(rho)
        self.substeps += count
        return rho

    def _inner(self, rho: np.ndarray, h: float, index: int) -> np.ndarray:
        """The palindrome of the parts from `index` on."""
        if index == len(self.parts):
            return rho
        last = index == len(self.parts) - 1
        rho = self._visit(rho, h if last else 0.5 * h, index)
        return rho if last else self._visit(self._inner(rho, h, index + 1), 0.5 * h, index)

    def _visit(self, rho: np.ndarray, h: float, index: int) -> np.ndarray:
        change = self.changes[index]
        return change.from_basis(self._step(index, h)(change.to_basis(rho)))

    def slope(self, rho: np.ndarray) -> np.ndarray:
        """dρ/dt, all parts together."""
        total = np.zeros_like(rho)
        for part, change in zip(self.parts, self.changes, strict=True):
            total += change.from_basis(part.slope(change.to_basis(rho)))
        return total

    def advance(self, rho: np.ndarray, length: float, tolerance: float) -> tuple[np.ndarray, float, int] | None:
        """ρ after one extrapolated step, its error and the columns used; None when they do not converge."""
        previous: list[np.ndarray] = []
        last_error = np.inf
        for column, count in enumerate(_SUBSTEPS):
            row = [self.strang(rho, length, count)]
            for k in range(column):
                ratio = (count / _SUBSTEPS[column - k - 1]) ** 2
                row.append(row[k] + (row[k] - previous[k]) / (ratio - 1))
            error = float(np.abs(row[-1] - row[-2]).max()) if column else np.inf
            if error <= tolerance:
                return row[-1], error, column
            if column > 2 and error > last_error:
                return None
            previous, last_error = row, error
        return None


def _dimension(parts: list[ExactPart]) -> int:
    arrays = (array for part in parts for array in (part.frequencies, part.decay) if array is not None)
    return next(len(array) for array in arrays)


def evolve_split(parts: list[ExactPart], rho: np.ndarray, times: np.ndarray) -> Iterator[Solved]:
    """The density matrix at each time; the error of all steps together stays below the tolerance."""
    basis = parts[0].basis
    march = _March(Splitting(parts), basis.to_basis(rho), float(times[-1] - times[0]))
    yield Solved(rho, 0.0, 0)
    for length in intervals(times):
        march.advance(float(length))
        yield Solved(basis.from_basis(march.rho), march.error, march.splitting.substeps)


class _March:
    """A density matrix on its way through a span of time, in steps that follow how well they converge."""

    def __init__(self, splitting: Splitting, rho: np.ndarray, span: float) -> None:
        self.splitting, self.rho, self.error = splitting, rho, 0.0
        self._left, self._allowed = span, TOLERANCE / span
        self._step = _FIRST_ANGLE / max(sum(part.width for part in splitting.parts), 1e-300)
        self._steady = False

    def advance(self, length: float) -> None:
        """Move on by `length` in equal steps, halved or doubled as they converge."""
        remaining = max(1, int(np.ceil(length / self._step * (1 - 1e-9))))
        h, too_long, halvings = length / remaining, np.inf, 0
        while remaining and not self._steady:
            outcome = self.splitting.advance(self.rho, h, max(self._allowed * h, _ROUNDING))
            if outcome is None:
                too_long, h, remaining, halvings = h, h / 2, 2 * remaining, halvings + 1
                if halvings > _HALVINGS:
                    raise RuntimeError('The splitting does not converge. Use method="ode".')
                continue
            rho, spent, columns = outcome
            self.error, remaining, self._left = self.error + spent, remaining - 1, self._left - h
            moved = float(np.abs(rho - self.rho).max()) / h
            self.rho, self._step = rho, h
            self._steady = moved * self._left <= STEADY_ATOL and self._is_steady()
            if columns < _EASY_COLUMNS and 2 * h < too_long:
                self._step = 2 * h
                if remaining and remaining % 2 == 0:
                    h, remaining = 2 * h, remaining // 2

    def _is_steady(self) -> bool:
        """Whether all that is left changes ρ by less than a tenth of the tolerance.

        The evolution contracts the trace norm, that of dρ/dt as well, which therefore never grows. Where ρ went in a
        step does not tell: after a whole period it is where it was.
        """
        largest = np.sqrt(len(self.rho)) * float(np.linalg.norm(self.splitting.slope(self.rho)))
        return largest * self._left <= STEADY_ATOL

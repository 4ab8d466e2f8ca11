"""The differences between an ensemble's means and exact values, and whether they are larger than their errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from stochq.arrays import UNIT
from stochq.compare.hotelling import CERTAINLY_OFF, Verdict, hotelling
from stochq.compare.precision import Rounding
from stochq.compare.rare import chosen_points, left_out, told
from stochq.ensemble.result import EnsembleResult

# Values that do not fluctuate count as wrong when they are off by this many times the expected rounding error.
_BEYOND_ROUNDING = 10.0


class _Point(NamedTuple):
    """A real row at one time, and the row of the covariance that belongs to it."""

    covariance_row: int
    name: str
    index: int


@dataclass(frozen=True)
class Deviations:
    """An ensemble beside exact values (T,), both in real rows, with the rounding errors of each row.

    uncertainty: the deviations of `ExactResult`, (T, R) of each row; none where the values are exact.
    """

    ensemble: EnsembleResult
    exact: Mapping[str, np.ndarray]
    rounding: Mapping[str, Rounding]
    uncertainty: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def z(self) -> dict[str, np.ndarray]:
        """Differences in units of their error, {row: (T,)}; 0 or infinite where nothing fluctuates."""
        return {row: self._scores(row) for row in self.exact}

    def verdict(self, rows: Sequence[str]) -> Verdict:
        """The test of all fluctuating points of some rows together."""
        impossible = sum(int(np.isinf(self.z[row]).sum()) for row in rows)
        if impossible:
            return Verdict(np.inf, impossible, 0.0)
        points, effective = self._fluctuating(rows)
        if not points:
            return Verdict(0.0, 0, 1.0)
        chosen = chosen_points(effective)
        rare = np.abs([self.z[points[k].name][points[k].index] for k in chosen.left_out])
        if np.max(rare, initial=0.0) > CERTAINLY_OFF:
            return Verdict(np.inf, int(np.sum(rare > CERTAINLY_OFF)), 0.0)
        return self._hotelling([points[k] for k in chosen.places], chosen.effective)

    def left_out(self) -> list[str]:
        """Which points are not tested for want of trajectories in which something happened, a line for each row."""
        points, effective = self._fluctuating(list(self.exact))
        if not points:
            return []
        places = [(point.name, point.index) for point in points]
        left = left_out(places, effective, chosen_points(effective), self.ensemble.covariance_points)
        return ["  " + line for line in told(left, self.ensemble.times)]

    def _scores(self, row: str) -> np.ndarray:
        difference = np.asarray(self.ensemble.mean[row]) - self.exact[row]
        rounding = self.rounding[row]
        unseen = self.ensemble.unseen(row, rounding.width)
        floor = np.hypot(rounding.common, unseen)
        if row in self.uncertainty:
            floor = np.hypot(floor, np.linalg.norm(self.uncertainty[row], axis=1))
        z = difference / np.hypot(self.ensemble.stderr[row], floor)
        agreeing = np.where(unseen > rounding.common, z, 0.0)
        agrees = np.abs(difference) <= _BEYOND_ROUNDING * floor
        settled = np.where(agrees, agreeing, np.copysign(np.inf, difference))
        return np.where(self._still(row), settled, z)

    def _still(self, row: str) -> np.ndarray:
        """Where single trajectories do not differ by more than rounding, (T,)."""
        return self.ensemble.stderr[row] * np.sqrt(self.ensemble.trajectories) <= self.rounding[row].scatter

    def _fluctuating(self, rows: Sequence[str]) -> tuple[list[_Point], np.ndarray]:
        """The points of these rows at which trajectories differ, and N_eff at each."""
        still = {row: self._still(row) for row in rows}
        points = [
            _Point(covariance_row, name, index)
            for covariance_row, (name, index) in enumerate(self.ensemble.covariance_points)
            if name in still and not still[name][index]
        ]
        worth = {row: self.ensemble.effective_samples(row) for row in rows}
        return points, np.array([worth[point.name][point.index] for point in points], dtype=int)

    def _hotelling(self, points: Sequence[_Point], effective: int) -> Verdict:
        ensemble = self.ensemble
        assert ensemble.covariance is not None
        rows = [point.covariance_row for point in points]
        unseen = {name: ensemble.unseen(name, self.rounding[name].width) for _, name, _ in points}
        covariance = np.asarray(ensemble.covariance)[np.ix_(rows, rows)] * (ensemble.samples / ensemble.trajectories)
        return hotelling(
            np.array([ensemble.mean[name][index] - self.exact[name][index] for _, name, index in points]),
            covariance + ensemble.samples * self._covariance_of_exact(points),
            np.array([np.hypot(self.rounding[name].common, unseen[name][index]) for _, name, index in points]),
            ensemble.samples,
            16 * UNIT[ensemble.precision],
            effective,
        )

    def _covariance_of_exact(self, points: Sequence[_Point]) -> np.ndarray:
        """Of the errors of the exact values, which one estimate has at all times, (P, P)."""
        if not self.uncertainty:
            return np.zeros((len(points), len(points)))
        rows = np.array([self.uncertainty[name][index] for _, name, index in points])
        return rows @ rows.T

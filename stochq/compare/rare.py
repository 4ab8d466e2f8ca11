"""Which points of an ensemble have errors that are known, where some events are so rare that few or none were seen."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stochq.compare.hotelling import POINTS_PER_TRAJECTORY, thinned
from stochq.ensemble.tails import FEW_SAMPLES

# A choice among points that lets at least so many times as many be tested is made.
_WORTH_A_CHOICE = 3
# Times that a line lists.
_MOST_TOLD = 12


class Chosen(NamedTuple):
    """places: the points to test or to fit, ascending; effective: Gaussian values that tell their errors; left_out:
    the points whose errors are known worse than those of any among which the choice was."""

    places: np.ndarray
    effective: int
    left_out: np.ndarray


def chosen_points(effective: np.ndarray, least: int = 1) -> Chosen:
    """The points whose errors are known best, as many as their errors allow.

    A few points at which a rare event was seen once would otherwise say how many of all may be tested: n points, each
    worth at least N_eff Gaussian values, allow the lesser of n and N_eff/20, and that is made as large as can be, if it
    is three times what all points allow.

    Args:
        effective: N_eff (points,), `EnsembleResult.effective_samples` at each.
        least: points that are wanted in any case.
    """
    best_first = np.sort(effective)[::-1]
    counts = np.arange(1, len(effective) + 1)
    known = np.minimum(counts, np.maximum(1, np.floor(POINTS_PER_TRAJECTORY * best_first)))
    last = int(np.argmax(np.minimum(counts, np.maximum(known, least))))
    if known.max() < _WORTH_A_CHOICE * known[-1]:
        # Where little is gained all stay: of points alike, those that look best known do so by chance.
        last = -1
    worst = best_first[last]
    inside = np.flatnonzero(effective >= worst)
    places = inside[thinned(len(inside), max(float(worst), least / POINTS_PER_TRAJECTORY))]
    return Chosen(places, int(effective[places].min()), np.flatnonzero(effective < worst))


def left_out(
    points: Sequence[tuple[str, int]], effective: np.ndarray, chosen: Chosen, known: Sequence[tuple[str, int]]
) -> dict[str, list[int]]:
    """Times of each row, as indices, that are left out as too few trajectories have seen what happens, or none has.

    Args:
        points: (row, time index) that fluctuate, with N_eff (points,) in `effective`, among which was chosen.
        known: points of which the covariance is known. None has seen anything before a row first fluctuates.
    """
    few = [points[place] for place in chosen.left_out if effective[place] < FEW_SAMPLES]
    first = {
        row: min(index for name, index in points if name == row) for row in dict.fromkeys(row for row, _ in points)
    }
    none = [(row, index) for row, index in known if 0 < index < first.get(row, 0)]
    times = {row: sorted(index for name, index in few + none if name == row) for row in first}
    return {row: indices for row, indices in times.items() if indices}


def told(left: Mapping[str, list[int]], times: np.ndarray) -> list[str]:
    """A line for each row."""
    lines = []
    for row, indices in left.items():
        at = ", ".join(f"{times[index]:.4g}" for index in indices[:_MOST_TOLD])
        more = f" and {len(indices) - _MOST_TOLD} more" if len(indices) > _MOST_TOLD else ""
        lines.append(f"{row} is left out at t = {at}{more}, where too few trajectories tell its error.")
    return lines

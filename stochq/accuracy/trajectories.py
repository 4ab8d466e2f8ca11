"""A run to a stated tolerance: |bias| + 2 standard errors below it, for every observable at every time.

The bias may take a quarter of the tolerance, the standard errors the rest: a little more than two of them, since a run
is judged by the worst of its points, so that no more than one run in twenty is off by more than its tolerance. The step
follows from a pilot run of the shared-path refinement, whose own uncertainty counts as bias. The number of trajectories
follows from the variance seen so far, with a guard: n trajectories on which an observable of range R did not fluctuate
do not exclude an event of probability P = 3/n (95 %), whose variance is PR². Where the mean density matrix is known the
event cannot be that large: by Hölder's and Jensen's inequalities its variance is at most, for every k,

$$P^{1-1/k}\\big(\\mathrm{Tr}\\,\\bar\\rho\\,(O-\\langle O\\rangle)^{2k}\\big)^{1/k}.$$

Of a function of ψ that matrix tells how seldom it goes far: beside states in which trajectories are with a chance of c
at most it has a range R(c), and the event a variance of at most P R(c₁)² + c₁ R(c₂)² + c₂ R(c₃)² + …, P > c₁ > c₂ > ….

Trajectories come in pairs with opposite noise as long as their means vary less than those of two independent ones.
"""

from typing import NamedTuple, Protocol

import numpy as np

from stochq.accuracy.bias import SHARE_OF_TOLERANCE
from stochq.accuracy.rare_events import CHANCES

# Standard errors that must fit beside the bias.
ERRORS = 2.2
# No fewer trajectories decide anything.
FEWEST = 2048
# A bias that leaves less of the tolerance than this leaves nothing.
LEAST_ROOM = 0.1
# The next stretch of a run aims this little beyond what the variance so far asks for.
MARGIN = 1.02
# Relative tolerance of the bisection for the number of trajectories.
COUNT_RTOL = 1.001
# A variance from few trajectories is not worth more than this many times as many.
GROWTH = 8.0
# An excess kurtosis up to this needs no allowance: the variance is known well from the fewest trajectories.
LIGHT_KURTOSIS = 3.0
# An event that was not seen weighs at most this many standard deviations of what was: an operator's range may be far
# beyond what its state ever reaches.
LARGEST_JUMP = 1000.0
# Orders 2k of the moments that bound it.
MOMENTS = (2, 4, 6, 8, 12, 16)


class SampleMoments(Protocol):
    """Samples so far: their number, and sums of second and fourth powers of the deviations from the mean, (T,
    observables)."""

    @property
    def count(self) -> float: ...
    @property
    def squares(self) -> np.ndarray: ...
    @property
    def fourths(self) -> np.ndarray: ...


def _kurtosis_beyond(moments: SampleMoments, light: float) -> np.ndarray:
    """How far the excess kurtosis of values is above that of light tails, (T, observables), zero below."""
    squares = np.asarray(moments.squares, dtype=float)
    fourth = moments.count * moments.fourths / np.where(squares > 0, squares, 1.0) ** 2
    return np.where(squares > 0, np.maximum(fourth - 3.0 - light, 0.0), 0.0)


class Target(NamedTuple):
    """names of the values of a readout, in its order; watched (observables,): which of them a user asked for; ranges
    (observables,) of their values; bias (T, observables): an upper bound on the size of the time-step error and of
    rounding, rounding (observables,) of the latter alone; moments (orders, T, observables): bounds on
    E|O − ⟨O⟩|^order in units of the ranges; tail_ranges (chances, observables): ranges without states rarer than
    CHANCES."""

    tolerance: float
    names: tuple[str, ...]
    watched: np.ndarray
    ranges: np.ndarray
    bias: np.ndarray
    rounding: np.ndarray
    moments: np.ndarray | None = None
    tail_ranges: np.ndarray | None = None

    def wanted(self, moments: SampleMoments, cap: int) -> int:
        """How many samples there should be next, by the variance so far; at most `cap`, no more if that is enough.

        Where the bias leaves no room, as many as would do without it: no number of trajectories removes a bias.
        """
        count = float(moments.count)
        if self._needed(moments, count) <= count:
            return int(count)
        # What was not seen in n samples becomes less likely with n: the number that is needed falls with n.
        low, high = count, min(GROWTH, cap / count) * count
        if self._needed(moments, high) > high:
            return int(high)
        while high > COUNT_RTOL * low:
            middle = np.sqrt(low * high)
            low, high = (low, middle) if self._needed(moments, middle) <= middle else (middle, high)
        return int(min(cap, np.ceil(MARGIN * high)))

    def needed(self, moments: SampleMoments) -> tuple[float, str]:
        """How many samples the tolerance takes by the variance so far, to a factor of two, whatever the cap; and for
        which of the values."""
        high = float(moments.count)
        while self._needed(moments, high) > high and high < np.finfo(float).max / 2:
            high *= 2
        seen, unseen = self.variance(moments, high)
        errors = np.where(self.watched, ((seen + unseen) / self._room() ** 2)[1:], -np.inf)
        return high, self.names[int(errors.max(axis=0).argmax())]

    def _needed(self, moments: SampleMoments, count: float) -> float:
        """What the variance of so many samples asks for."""
        seen, unseen = self.variance(moments, count)
        return float(np.max(((seen + unseen) / self._room() ** 2)[1:, self.watched]))

    def _room(self) -> np.ndarray:
        """What a standard error may be."""
        room = self.tolerance - self.bias
        return np.where(room > LEAST_ROOM * self.tolerance, room, (1 - SHARE_OF_TOLERANCE) * self.tolerance) / ERRORS

    def variance(self, moments: SampleMoments, count: float) -> tuple[np.ndarray, np.ndarray]:
        """Of single samples, (T, observables): what was seen, and what `count` samples may have missed."""
        seen = moments.squares / max(float(moments.count) - 1, 1)
        # Under heavy tails the variance seen may be too small by twice its own standard error.
        seen = seen * (1 + 2 * np.sqrt(_kurtosis_beyond(moments, LIGHT_KURTOSIS) / count))
        largest = np.sqrt(seen.max(axis=0))
        # What never fluctuated by as much as the tolerance may all be hidden in an event that was not seen.
        still = largest <= self.tolerance
        width = np.where(still, self.ranges, np.minimum(self.ranges, LARGEST_JUMP * largest))
        chance = 3 / count
        unseen = np.minimum(chance * width**2, self._tail_bound(chance))
        if self.moments is None:
            return seen, unseen
        halves = np.array(MOMENTS)[:, None, None] / 2
        bounds = min(chance, 1.0) ** (1 - 1 / halves) * self.moments ** (1 / halves) * self.ranges**2
        return seen, np.minimum(unseen, bounds.min(axis=0))

    def _tail_bound(self, chance: float) -> np.ndarray | float:
        """What an event of this chance adds to the variance, (observables,), assuming that larger values are rarer."""
        if self.tail_ranges is None:
            return np.inf
        rarer = chance > CHANCES
        return np.r_[chance, CHANCES[rarer]] @ np.concatenate([self.tail_ranges[rarer], self.ranges[None]]) ** 2

    def reached(self, moments: SampleMoments) -> tuple[float, str]:
        """The largest |bias| + ERRORS standard errors, and which observable it belongs to."""
        count = float(moments.count)
        errors = self.bias + ERRORS * np.sqrt(sum(self.variance(moments, count)) / count)
        largest = np.where(self.watched, errors[1:].max(axis=0), -np.inf)
        return float(largest.max()), self.names[int(largest.argmax())]

    def prefers_pairs(self, moments: SampleMoments, spread: np.ndarray, done: int) -> bool:
        """Whether means over pairs, with these moments, promise the tolerance with no more trajectories than singles.

        spread: what a single value varies by beyond the mean over its pair; done: trajectories that ran in pairs.
        """
        seen = moments.squares / max(float(moments.count) - 1, 1)
        pairs, singles = (np.max((each / self._room() ** 2)[1:, self.watched]) for each in (seen, seen + spread))
        return bool(2 * pairs - done <= singles)

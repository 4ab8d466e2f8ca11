"""What functions of the time do to a state, and whether steps that take them in their middles notice it."""

from collections.abc import Callable
from typing import NamedTuple, final

import jax
import numpy as np

from stochq.arrays import ArrayLike, is_concrete
from stochq.systems.time_functions import values_at

# A function is looked at once in each of so many equal parts of a run, at random in it: no step has the same rhythm.
PARTS = 2**16
# Steps that may be judged hold so many parts each.
PARTS_PER_STEP = 8
# Within a step and in the whole run a part of what a function does may be missed; angles in radians, or jumps.
_IN_A_STEP, _OF_ALL = 0.05, 0.1
# Matrices up to this dimension are diagonalised to see how large they are.
_LARGEST_DIAGONALISED = 128
# The series of a drive is stable up to this angle in half a step, over which it is taken.
STABLE_ANGLE = 2.8


class Influence(NamedTuple):
    """A coefficient of an operator: size · |value(t)| is an angle of rotation, or a number of jumps, per time.

    name: of the function, for messages; value: of times (n,), real or complex, (n,); knots (K,): times between which it
    is smooth, where they are known; rotates: whether it is an angle of a series in powers of the operator.
    """

    name: str
    size: float
    value: Callable[[jax.Array], jax.Array]
    knots: np.ndarray
    rotates: bool


@final
class Followed:
    """An influence from the first time of a run to the last, integrated without steps.

    edges: times at which coefficients jump; parts: in each of which it is looked at once.
    """

    def __init__(self, influence: Influence, start: float, stop: float, edges: np.ndarray, parts: int = PARTS) -> None:
        self.influence, self._parts = influence, parts
        marks = np.concatenate([influence.knots, edges])
        inside = marks[(marks > start) & (marks < stop)]
        self._ends = np.unique(np.concatenate([np.linspace(start, stop, parts + 1), inside]))
        lengths = np.diff(self._ends)
        points = self._ends[:-1] + np.random.default_rng(0).random(len(lengths)) * lengths
        self.values = values_at(influence.value, points)
        self._integral = np.concatenate([[0.0], np.cumsum(self.values * lengths)])
        self._total = float(np.sum(np.abs(self.values) * lengths))
        self._span = stop - start

    @property
    def share_of_time(self) -> float:
        """Of the run in which it acts, (∫|f|)² / T∫|f|²; 1 where it is constant."""
        squares = float(np.sum(np.abs(self.values) ** 2 * np.diff(self._ends)))
        return self._total**2 / (self._span * squares) if squares else 1.0

    def is_judged(self, steps: int) -> bool:
        """Whether its integrals are known well enough to judge so many steps."""
        return steps * PARTS_PER_STEP <= self._parts

    def is_noticed(self, ends: np.ndarray, negligible: float) -> bool:
        """Whether steps with these ends, (N + 1,), make of the values in their middles what it does, about; of a drive,
        which is taken in the middles of half steps, whether these do so as well.

        negligible: an angle, or a number of jumps, that does not matter.
        """
        if not self.influence.rotates:
            return self._is_noticed(ends, negligible)
        is_stable = self.largest_angle(ends) <= STABLE_ANGLE
        return is_stable and all(self._is_noticed(some, negligible) for some in (ends, halved(ends)))

    def largest_angle(self, ends: np.ndarray) -> float:
        """In half a step, of steps with these ends."""
        halves = halved(ends)
        return self.influence.size * float(np.abs(self._made(halves)).max())

    def _made(self, ends: np.ndarray) -> np.ndarray:
        return values_at(self.influence.value, 0.5 * (ends[1:] + ends[:-1])) * np.diff(ends)

    def _is_noticed(self, ends: np.ndarray, negligible: float) -> bool:
        made, size = self._made(ends), self.influence.size
        missed = size * np.abs(made - np.diff(np.interp(ends, self._ends, self._integral)))
        if missed.max() > min(_IN_A_STEP, 10 * negligible):
            return False
        room = max(_OF_ALL * size * self._total, negligible)
        wrong = abs(made.sum() - self._integral[-1]), abs(np.abs(made).sum() - self._total)
        return bool(size * max(wrong) <= room)


def halved(ends: np.ndarray) -> np.ndarray:
    """The ends of half steps, (2N + 1,), of those of steps."""
    return np.sort(np.concatenate([ends, 0.5 * (ends[1:] + ends[:-1])]))


def size_of(operator: ArrayLike, complex_coefficient: bool = False) -> float:
    """The largest |eigenvalue| of a Hermitian operator, a diagonal (dim,) or a matrix (dim, dim); of another one, A,
    with a complex coefficient, that of e^{iφ}A + h.c. whatever φ, or a bound; 0 of numbers that are traced."""
    if not is_concrete(operator):
        return 0.0
    array = np.asarray(operator)
    if array.ndim == 1:
        return float(np.abs(array).max())
    if complex_coefficient:
        turned = (np.exp(0.25j * np.pi * k) * array for k in range(4))
        return max(size_of(one + one.conj().T) for one in turned)
    if len(array) <= _LARGEST_DIAGONALISED:
        return float(np.abs(np.linalg.eigvalsh(array)).max())
    return float(np.abs(array).sum(axis=0).max())


def largest_of(loss: np.ndarray) -> float:
    """No less than the largest eigenvalue of ΣL†L, a diagonal (dim,) or a matrix (dim, dim)."""
    return float(np.abs(loss).max() if loss.ndim == 1 else np.abs(loss).sum(axis=0).max())

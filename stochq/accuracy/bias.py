"""The time-step bias of means, what it may be, and the step that follows from it."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stochq.accuracy.grid import steps_of
from stochq.arrays import rounding

# Without a tolerance the bias may be this part of the standard error, with one this part of the tolerance.
SHARE_OF_STDERR, SHARE_OF_TOLERANCE = 0.1, 0.25
# A bias scales with a power of the step where it is at most this part of what there is to see.
ASYMPTOTIC = 0.1


class Bias(NamedTuple):
    """A bias estimated at one step, arrays (T, observables).

    value, error: the bias and the standard error of its estimate; spread: the largest standard deviation of single
    trajectories; scale: the size of the values, which rounding goes with; variation: how far the mean moves in time;
    jump_rate: the largest rate, averaged over jumps, of the channels that the scheme does not solve exactly
    (`resolution`), 1/time.
    """

    value: np.ndarray
    error: np.ndarray
    spread: np.ndarray
    scale: np.ndarray
    variation: np.ndarray
    jump_rate: float = 0.0

    @property
    def bound(self) -> np.ndarray:
        """Its size with its uncertainty, (T, observables)."""
        return np.abs(self.value) + 2 * self.error

    def is_asymptotic(self, limit: np.ndarray) -> bool:
        """Whether the bias is small enough to scale with a power of the step. limit: what is small in any case."""
        return bool(np.all(np.abs(self.value) <= ASYMPTOTIC * (self.spread + self.variation) + limit))


@dataclass(frozen=True)
class Allowance:
    """What the bias of a run may be: a part of its tolerance, or of the standard error of so many trajectories."""

    trajectories: int
    tolerance: float | None
    precision: str
    rounding_per_step: float

    @property
    def share(self) -> float:
        """What the user's question allows, in standard deviations of single trajectories without a tolerance."""
        if self.tolerance is not None:
            return SHARE_OF_TOLERANCE * self.tolerance
        return SHARE_OF_STDERR / float(np.sqrt(self.trajectories))

    def wanted(self, bias: Bias) -> np.ndarray:
        """What the user's question allows, (T, observables)."""
        return self.share * (np.ones_like(bias.value) if self.tolerance is not None else bias.spread)

    def rounding(self, bias: Bias, steps: float) -> np.ndarray:
        """What rounding adds in so many steps, (T, observables): no shorter step makes it less."""
        return np.maximum(rounding(self.precision, steps, self.rounding_per_step) * bias.scale, np.finfo(float).tiny)

    def limit(self, bias: Bias, steps: float) -> np.ndarray:
        """The larger of both: below rounding a bias cannot be reduced."""
        return np.maximum(self.wanted(bias), self.rounding(bias, steps))

    def reason(self, bias: Bias, steps: float) -> str:
        """Why a step of so many to the end was taken."""
        rounded, wanted = self.rounding(bias, steps), self.wanted(bias)
        if np.any(rounded > wanted):
            share = float(rounded.max())
            return f"rounding in {self.precision} precision, about {share:.1g}, outweighs the bias of shorter steps"
        if self.tolerance is None:
            return f"bias below {SHARE_OF_STDERR:g} of the largest standard error"
        share = SHARE_OF_TOLERANCE * self.tolerance
        return f"bias with its uncertainty below {share:.2g}, a quarter of the tolerance"


class Estimator(abc.ABC):
    """Estimates the time-step bias of the means of some observables. Abstract: by the mean map or by pilot runs.

    longest: the first step to try; order: the power of the step with which the bias falls; multiple: steps of an
    interval come in such multiples; certain: whether every step may be judged by itself, rather than scaled; source:
    where the estimate comes from, in words. edges: times over which no step reaches, None where there are none.
    """

    edges: np.ndarray | None = None
    longest: float
    order: float
    multiple: int
    certain: bool

    @abc.abstractmethod
    def bias(self, h: float, allowance: Allowance) -> Bias:
        """The bias at step h."""

    @abc.abstractmethod
    def difference(self, h: float, finer: float) -> tuple[np.ndarray, np.ndarray]:
        """Means at step h minus those at a finer one, and the standard error, (T, observables) each."""

    @abc.abstractmethod
    def source(self, h: float) -> str:
        """Where an estimate at step h comes from, in words."""


@dataclass(frozen=True)
class StepPlan:
    """The step of a run: dt; bias: its estimate {name: (T,)}; bound: its size with its uncertainty, (T, observables);
    reason: in words; moments: bounds on E|O − ⟨O⟩|^order in units of the ranges where they are known."""

    dt: float
    bias: Mapping[str, np.ndarray] = field(default_factory=dict)
    reason: str = "given"
    bound: np.ndarray | None = None
    moments: np.ndarray | None = None


def total_steps(times: np.ndarray, h: float) -> int:
    """Steps from the first time to the last."""
    return int(steps_of(times, h).sum())

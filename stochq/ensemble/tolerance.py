"""A run to a stated tolerance: |bias| + 2 standard errors below it, for every observable at every time.

The bias may take a quarter of the tolerance, the standard errors the rest: a little more than two of them, since a run
is judged by the worst of its points, so that no more than one run in twenty is off by more than its tolerance. The step
follows from a pilot run of the shared-path refinement, whose own uncertainty counts as bias. The number of trajectories
follows from the variance seen so far, with a guard: n trajectories on which an observable of range R did not fluctuate
do not exclude an event of probability P = 3/n (95 %), whose variance is PR². Where the mean density matrix is known the
event cannot be that large: by Hölder's and Jensen's inequalities its variance is at most, for every k,

$$P^{1-1/k}\\big(\\mathrm{Tr}\\,\\bar\\rho\\,(O-\\langle O\\rangle)^{2k}\\big)^{1/k}.$$

Trajectories come in pairs with opposite noise as long as their means vary less than those of two independent ones.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from stochq.ensemble.batch import Problem
from stochq.ensemble.observables import ordered_names
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Totals, run
from stochq.ensemble.statistics import Moments
from stochq.ensemble.step_size import Bias, Pilots, StepChoice, division_of
from stochq.schemes import Scheme

BIAS_SHARE = 0.25
# Standard errors that must fit beside the bias.
ERRORS = 2.2
# No fewer trajectories decide anything.
FIRST = 2048
# A bias that leaves less of the tolerance than this leaves nothing.
LEAST_ROOM = 0.1
# The next stretch of a run aims this little beyond what the variance so far asks for.
MARGIN = 1.02
# To which factor the number of trajectories is told.
PRECISION = 1.001
# A variance from few trajectories is not worth more than this many times as many.
GROWTH = 8.0
# An event that was not seen weighs at most this many standard deviations of what was: an operator's range may be far
# beyond what its state ever reaches. A function's range is not known at all.
LARGEST_JUMP = 1000.0
LARGEST_JUMP_OF_FUNCTION = 100.0
# Orders 2k of the moments that bound it.
MOMENTS = (2, 4, 6, 8, 12, 16)
# Pilots grow while their noise hides a bias that may be small enough, up to this many trajectories.
LARGEST_PILOT = 65_536
_HALVINGS = 16


class Target(NamedTuple):
    """names of the values of a readout, in its order; watched (observables,): which of them a user asked for; ranges
    (observables,) of the operators' values, infinite if unknown; bias (T, observables): an upper bound on the
    time-step error's size; moments (orders, T, observables): bounds on E|O − ⟨O⟩|^order in units of the ranges."""

    tolerance: float
    names: tuple[str, ...]
    watched: np.ndarray
    ranges: np.ndarray
    bias: np.ndarray
    moments: np.ndarray | None = None

    def wanted(self, moments: Moments, cap: int) -> int:
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
        while high > PRECISION * low:
            middle = np.sqrt(low * high)
            low, high = (low, middle) if self._needed(moments, middle) <= middle else (middle, high)
        return int(min(cap, np.ceil(MARGIN * high)))

    def _needed(self, moments: Moments, count: float) -> float:
        """What the variance of so many samples asks for."""
        seen, unseen = self.variance(moments, count)
        return float(np.max(((seen + unseen) / self._room() ** 2)[1:, self.watched]))

    def _room(self) -> np.ndarray:
        """What a standard error may be."""
        room = self.tolerance - self.bias
        return np.where(room > LEAST_ROOM * self.tolerance, room, (1 - BIAS_SHARE) * self.tolerance) / ERRORS

    def variance(self, moments: Moments, count: float) -> tuple[np.ndarray, np.ndarray]:
        """Of single samples, (T, observables): what was seen, and what `count` samples may have missed."""
        seen = moments.squares / max(float(moments.count) - 1, 1)
        known = np.isfinite(self.ranges)
        width = np.minimum(self.ranges, np.where(known, LARGEST_JUMP, LARGEST_JUMP_OF_FUNCTION) * np.sqrt(seen))
        width = np.where((seen == 0) & known, self.ranges, width)
        chance = 3 / count
        unseen = chance * width**2
        if self.moments is None:
            return seen, unseen
        halves = np.array(MOMENTS)[:, None, None] / 2
        bounds = min(chance, 1.0) ** (1 - 1 / halves) * self.moments ** (1 / halves) * self.ranges**2
        return seen, np.minimum(unseen, bounds.min(axis=0))

    def reached(self, moments: Moments) -> tuple[float, str]:
        """The largest |bias| + ERRORS standard errors, and which observable it belongs to."""
        count = float(moments.count)
        errors = self.bias + ERRORS * np.sqrt(sum(self.variance(moments, count)) / count)
        largest = np.where(self.watched, errors[1:].max(axis=0), -np.inf)
        return float(largest.max()), self.names[int(largest.argmax())]

    def prefers_pairs(self, moments: Moments, spread: np.ndarray) -> bool:
        """Whether means over pairs, with these moments, promise the tolerance with no more trajectories than singles.

        spread: what a single value varies by beyond the mean over its pair.
        """
        seen = moments.squares / max(float(moments.count) - 1, 1)
        pairs, singles = (np.max((each / self._room() ** 2)[1:, self.watched]) for each in (seen, seen + spread))
        return bool(2 * pairs <= singles)


def target_of(
    tolerance: float,
    names: tuple[str, ...],
    observables: Mapping[str, Any],
    bound: np.ndarray,
    moments: np.ndarray | None,
) -> Target:
    """bound, moments: in the order of a readout of these observables alone; names: of one that holds monitors too."""
    columns = [names.index(name) for name in ordered_names(observables)]
    watched, ranges, bias = np.zeros(len(names), bool), np.zeros(len(names)), np.zeros((len(bound), len(names)))
    watched[columns], ranges[columns], bias[:, columns] = True, ranges_of(observables), bound
    if moments is not None:
        known, moments = moments, np.ones((len(moments), *bias.shape))
        moments[..., columns] = known
    return Target(tolerance, names, watched, ranges, bias, moments)


def run_to(
    target: Target,
    build: Callable[[bool], Problem],
    antithetic: bool | None,
    cap: int,
    precision: str,
    batch: int | None,
    progress: bool | None,
) -> tuple[Problem, Totals]:
    """Run until the target is met or `cap` trajectories are done. Whole blocks at a time: the batch decides nothing.

    build: the problem, antithetic or not; antithetic: None begins with pairs and starts again without if they are no
    better.
    """
    problem, worthwhile = build(antithetic is not False), True
    each = 2 if problem.loop.antithetic else 1

    def whole_blocks(trajectories: int) -> int:
        return min(-(-trajectories // problem.block) * problem.block, cap // each * each)

    def extend(summaries: tuple[Any, ...], done: int) -> int:
        nonlocal worthwhile
        more = whole_blocks(each * target.wanted(summaries[0], cap // each))
        # What is enough, or all there may be, is not run again for being dear.
        if antithetic is None and more > done:
            worthwhile = target.prefers_pairs(summaries[0], problem.statistics[-1].finish(summaries[-1]))
        return more if worthwhile else done

    steps = int(np.sum(problem.grid.steps))
    totals = run(problem, whole_blocks(FIRST), steps, precision, batch, progress, extend)
    if worthwhile or totals.interrupted:
        return problem, totals
    return run_to(target, build, False, cap, precision, batch, progress)


def report_on(result: EnsembleResult, target: Target, totals: Totals, cap: int) -> None:
    """What was aimed at and reached, in result.info; a warning where the tolerance was not met."""
    reached, name = target.reached(totals.summaries[0])
    result.info.update(tolerance=target.tolerance, reached=reached, decided_by=name)
    if reached <= target.tolerance or totals.interrupted:
        return
    warnings.warn(
        f"tolerance: {target.tolerance:g} was not met; {result.trajectories} trajectories, of at most {cap}, reached "
        f"{reached:.3g} for {name!r} at dt = {result.dt:.3g}. Allow more of them, or a shorter dt if you gave one.",
        stacklevel=3,
    )


def check_tolerance(
    tolerance: Any, trajectories: int, scheme: Scheme, observables: Mapping[str, Any], statistics: Mapping[str, Any]
) -> float:
    """The tolerance as a number.

    Raises ValueError for one that is not positive, for a small cap, for a scheme without an order, and where there is
    no mean to be judged.
    """
    if not (isinstance(tolerance, (int, float, np.number)) and np.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance: expected a positive number; got {tolerance!r}.")
    if trajectories < FIRST:
        raise ValueError(
            f"trajectories: expected a cap of at least {FIRST} with a tolerance, the least that can tell an error; got "
            f"{trajectories}."
        )
    if scheme.weak_order < 1:
        raise ValueError(f"scheme: expected one of known weak order with a tolerance; {scheme.name} has none.")
    if len(statistics) == len(observables):
        raise ValueError(
            "observables: expected at least one operator or function beside densities and histograms with a tolerance, "
            "which judges means; got none."
        )
    return float(tolerance)


def choose_step_for(
    pilots: Callable[[int], Pilots],
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    tolerance: float,
    given: float | None,
) -> tuple[StepChoice, np.ndarray]:
    """The largest step whose bias, its uncertainty included, takes a quarter of the tolerance; and that bound (T, n).

    given: a step that the user chose; its bias is estimated all the same.
    """
    allowed, size = BIAS_SHARE * tolerance, FIRST
    h = pilots(size).longest if given is None else given
    for _ in range(_HALVINGS):
        bias = pilots(size).bias(h)
        # Where the pilot's noise alone is in the way, more of it is cheaper than a shorter step.
        while bias.asymptotic and _bound(bias).max() > allowed > np.abs(bias.value).max() and size < LARGEST_PILOT:
            size *= 4
            bias = pilots(size).bias(h)
        if bias.asymptotic:
            break
        h /= 2
    else:
        raise RuntimeError(
            f"tolerance: no step down to {h:.2g} keeps the bias of the pilot run small. Give dt yourself."
        )
    worst = float(_bound(bias).max()) / allowed
    dt = division_of(times, h / max(worst, 1.0) ** (1 / scheme.weak_order)) if given is None else given
    shrink = (dt / h) ** scheme.weak_order
    names = ordered_names(observables)
    why = "given" if given is not None else f"bias with its uncertainty below {allowed:.2g}, a quarter of the tolerance"
    reason = f"{why}; bias from {size} pilot trajectories at {h:.3g}"
    estimate = {name: shrink * bias.value[:, i] for i, name in enumerate(names)}
    return StepChoice(dt, estimate, reason), shrink * _bound(bias)


def _bound(bias: Bias) -> np.ndarray:
    return np.abs(bias.value) + 2 * bias.error


def ranges_of(observables: Mapping[str, Any]) -> np.ndarray:
    """Largest less smallest value of each operator, in the order of a readout; infinite for functions."""
    return np.array([_range(observables[name]) for name in ordered_names(observables)])


def _range(operator: Any) -> float:
    if callable(operator):
        return np.inf
    array = np.asarray(operator)
    values = array.real if array.ndim == 1 else np.linalg.eigvalsh(array)
    return float(np.max(values) - np.min(values))

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

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from stochq.ensemble.batch import Problem
from stochq.ensemble.observables import ordered_names, readout
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Totals, run
from stochq.ensemble.statistics import Moments
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
# beyond what its state ever reaches.
LARGEST_JUMP = 1000.0
# Orders 2k of the moments that bound it.
MOMENTS = (2, 4, 6, 8, 12, 16)
# Pilots grow while their noise hides a bias that may be small enough, up to this many trajectories.
LARGEST_PILOT, _PILOT_BYTES = 65_536, 2**30
# Basis states, and as many superpositions, on which a function's range is looked for.
_PROBES = 64
# What is left of one that is out of reach.
_OUTSIDE = 1e-6
# Chances, descending, for which it is asked what a function may come to where trajectories are more often; a mean
# density matrix in double precision tells no smaller ones.
CHANCES = 10.0 ** -np.arange(2, 15)


# Fewer trajectories are run sooner than it is found out where they can be.
MANY = 8192


class Reach(NamedTuple):
    """The eigenstates of the sum of mean density matrices over the saved times: chances (dim,), ascending, and states
    (dim, dim) as columns. E|⟨k|ψ⟩|² is no more than the chance of k at any of these times."""

    chances: np.ndarray
    states: np.ndarray

    def beside(self, chance: float) -> np.ndarray:
        """The states (dim, kept) beside the rarest, in which trajectories are with no more than this chance in all."""
        return self.states[:, np.cumsum(self.chances.clip(0)) > chance]


class Target(NamedTuple):
    """names of the values of a readout, in its order; watched (observables,): which of them a user asked for; ranges
    (observables,) of their values; bias (T, observables): an upper bound on the size of the time-step error and of
    rounding, rounding (observables,) of the latter alone; moments (orders, T, observables): bounds on
    E|O − ⟨O⟩|^order in units of the ranges; beside (chances, observables): ranges beside states rarer than CHANCES."""

    tolerance: float
    names: tuple[str, ...]
    watched: np.ndarray
    ranges: np.ndarray
    bias: np.ndarray
    rounding: np.ndarray
    moments: np.ndarray | None = None
    beside: np.ndarray | None = None

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
        largest = np.sqrt(seen.max(axis=0))
        # What never fluctuated by as much as the tolerance may all be hidden in an event that was not seen.
        still = largest <= self.tolerance
        width = np.where(still, self.ranges, np.minimum(self.ranges, LARGEST_JUMP * largest))
        chance = 3 / count
        unseen = np.minimum(chance * width**2, self._in_layers(chance))
        if self.moments is None:
            return seen, unseen
        halves = np.array(MOMENTS)[:, None, None] / 2
        bounds = min(chance, 1.0) ** (1 - 1 / halves) * self.moments ** (1 / halves) * self.ranges**2
        return seen, np.minimum(unseen, bounds.min(axis=0))

    def _in_layers(self, chance: float) -> np.ndarray | float:
        """What an event of this chance adds to the variance, (observables,), if it is the rarer the farther it goes."""
        if self.beside is None:
            return np.inf
        rarer = chance > CHANCES
        return np.r_[chance, CHANCES[rarer]] @ np.concatenate([self.beside[rarer], self.ranges[None]]) ** 2

    def reached(self, moments: Moments) -> tuple[float, str]:
        """The largest |bias| + ERRORS standard errors, and which observable it belongs to."""
        count = float(moments.count)
        errors = self.bias + ERRORS * np.sqrt(sum(self.variance(moments, count)) / count)
        largest = np.where(self.watched, errors[1:].max(axis=0), -np.inf)
        return float(largest.max()), self.names[int(largest.argmax())]

    def prefers_pairs(self, moments: Moments, spread: np.ndarray, done: int) -> bool:
        """Whether means over pairs, with these moments, promise the tolerance with no more trajectories than singles.

        spread: what a single value varies by beyond the mean over its pair; done: trajectories that ran in pairs.
        """
        seen = moments.squares / max(float(moments.count) - 1, 1)
        pairs, singles = (np.max((each / self._room() ** 2)[1:, self.watched]) for each in (seen, seen + spread))
        return bool(2 * pairs - done <= singles)


def target_of(
    tolerance: float,
    names: tuple[str, ...],
    observables: Mapping[str, Any],
    psi: np.ndarray,
    bound: np.ndarray,
    moments: np.ndarray | None,
    reach: Callable[[], Reach | None],
    rounding: float,
) -> Target:
    """bound, moments: in the order of a readout of these observables alone; names: of one that holds monitors too;
    reach: of the run, if it is known; rounding: the relative error of the run's numbers."""
    columns = [names.index(name) for name in ordered_names(observables)]
    lowest, highest = extremes_of(observables, psi)
    watched, ranges, sizes = np.zeros(len(names), bool), np.zeros(len(names)), np.zeros(len(names))
    watched[columns], ranges[columns] = True, highest - lowest
    sizes[columns] = np.maximum(np.abs(lowest), np.abs(highest))
    # Samples that a range asks for if nothing is known but it.
    asked = np.sqrt(3) * ERRORS * ranges / ((1 - BIAS_SHARE) * tolerance)
    far = any(callable(observables[name]) and asked[names.index(name)] > MANY for name in observables)
    found, beside = reach() if far else None, None
    if found is not None:
        beside, sizes = _within(found, observables, names, psi, ranges, sizes)
    rounded = rounding * sizes
    bias = np.zeros((len(bound), len(names))) + rounded
    bias[:, columns] += bound
    if moments is not None:
        known, moments = moments, np.ones((len(moments), *bias.shape))
        moments[..., columns] = known
    return Target(tolerance, names, watched, ranges, bias, rounded, moments, beside)


def _within(
    reach: Reach,
    observables: Mapping[str, Any],
    names: tuple[str, ...],
    psi: np.ndarray,
    ranges: np.ndarray,
    sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Ranges beside states rarer than CHANCES, (chances, observables), and what values come to in the mean, from the
    ranges and sizes, (observables,), without a reach: other ones for functions only."""
    beside, sizes = np.tile(ranges, (len(CHANCES), 1)), sizes.copy()
    for name, observable in observables.items():
        if callable(observable):
            column, (low, high) = names.index(name), extremes_beside(observable, psi, reach)
            beside[:, column] = high - low
            largest = np.append(np.maximum(np.abs(low), np.abs(high)), sizes[column])
            sizes[column] = np.append(1.0, CHANCES) @ largest
    return beside, sizes


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
            spread = problem.statistics[-1].finish(summaries[-1])
            worthwhile = target.prefers_pairs(summaries[0], spread, done)
        return more if worthwhile else done

    steps = int(np.sum(problem.grid.steps))
    totals = run(problem, whole_blocks(FIRST), steps, precision, batch, progress, extend)
    if worthwhile or totals.interrupted:
        return problem, totals
    try:
        single, alone = run_to(target, build, False, cap, precision, batch, progress)
    except KeyboardInterrupt:
        return problem, totals._replace(interrupted=True)
    return single, alone._replace(seconds=totals.seconds + alone.seconds)


def report_on(result: EnsembleResult, target: Target, totals: Totals, cap: int) -> None:
    """What was aimed at and reached, in result.info; a warning where the tolerance was not met."""
    reached, name = target.reached(totals.summaries[0])
    result.info.update(tolerance=target.tolerance, reached=reached, decided_by=name)
    if reached <= target.tolerance or totals.interrupted:
        return
    advice = "Allow more of them, or a shorter dt if you gave one."
    if target.rounding[target.names.index(name)] > BIAS_SHARE * target.tolerance:
        advice = "Rounding is in the way: subtract a constant from the observable, or take precision='double'."
    warnings.warn(
        f"tolerance: {target.tolerance:g} was not met; {result.trajectories} trajectories, of at most {cap}, reached "
        f"{reached:.3g} for {name!r} at dt = {result.dt:.3g}. {advice}",
        stacklevel=3,
    )


def pilot_sizes(times: np.ndarray, observables: Mapping[str, Any]) -> tuple[int, int]:
    """Trajectories of pilots at first, and at most: their values are held at all times."""
    each = 32 * len(times) * len(observables)
    return FIRST, int(np.clip(_PILOT_BYTES // each, FIRST, LARGEST_PILOT))


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


def extremes_of(observables: Mapping[str, Any], psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of every observable, in the order of a readout.

    Those of a function are what it takes on basis states, on some superpositions of them and on psi.
    """
    pairs = [_extremes(name, observables[name], psi) for name in ordered_names(observables)]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def _extremes(name: str, operator: Any, psi: np.ndarray) -> tuple[float, float]:
    if callable(operator):
        values = np.asarray(readout({name: operator}, len(psi))(jnp.asarray(_probes(psi), np.complex64)))
        values = values[np.isfinite(values)]
        if not values.size:
            return 0.0, 0.0
    else:
        array = np.asarray(operator)
        values = array.real if array.ndim == 1 else np.linalg.eigvalsh(array)
    return float(np.min(values)), float(np.max(values))


def _probes(psi: np.ndarray) -> np.ndarray:
    """States (dim, probes) that tell what a function may come to, psi the last."""
    dim = len(psi)
    levels = np.unique(np.linspace(0, dim - 1, min(dim, _PROBES)).round().astype(int))
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((dim, _PROBES)) + 1j * rng.standard_normal((dim, _PROBES))
    mixed /= np.linalg.norm(mixed, axis=0)
    return np.concatenate([np.eye(dim)[:, levels], mixed, psi[:, None]], axis=1)


def extremes_beside(function: Any, psi: np.ndarray, reach: Reach) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of a function, (chances,) each, on what is left of the probes without the
    states rarer than each of CHANCES; zeros where it has none."""
    states = np.concatenate([_projected(_probes(psi), reach.beside(chance)) for chance in CHANCES], axis=1)
    values = np.asarray(readout({"f": function}, len(psi))(jnp.asarray(states, np.complex64)))
    values = values.reshape(len(CHANCES), -1)
    finite = np.isfinite(values)
    low, high = np.min(values, 1, where=finite, initial=np.inf), np.max(values, 1, where=finite, initial=-np.inf)
    known = finite.any(axis=1)
    return np.where(known, low, 0.0), np.where(known, high, 0.0)


def _projected(states: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Normalized parts of states (dim, n) in the span of others; the last one's where nothing is left."""
    inside = kept @ (kept.conj().T @ states)
    sizes = np.linalg.norm(inside, axis=0)
    return np.where(sizes > _OUTSIDE, inside, inside[:, -1:]) / np.where(sizes > _OUTSIDE, sizes, sizes[-1])

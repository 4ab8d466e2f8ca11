"""Trajectories for QuTiP's words: what is asked of an ensemble, and what comes of it."""

import time
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from qutip import Qobj

from stochq.accelerators import host_memory
from stochq.ensemble import Density, EnsembleResult, simulate
from stochq.ensemble.observables import ordered_names
from stochq.equation import Equation
from stochq.measurement import Clicks
from stochq.qutip.expectations import Expectation
from stochq.qutip.kept_runs import RunStates, RunValues
from stochq.qutip.seeds import Range
from stochq.qutip.words import in_qutips_words
from stochq.real_parts import by_observable, real_rows
from stochq.schemes import Scheme

# With a timeout there are so many portions, of so many trajectories.
_PORTIONS, _PORTION = 16, (64, 2048)
# Names of statistics beside the e_ops.
_VALUES, _STATES, _DENSITY = "values of every run", "states of every run", "mean density matrix"


@dataclass(frozen=True)
class Setup:
    """What evolves and what is asked of it.

    times: (T,). conditional: whether states are density matrices given the records. scheme: None for the best.
    arguments: further ones of `sq.simulate`. as_density: whether states are handed over as density matrices though kets
    are run.
    """

    equation: Equation
    state: Qobj
    times: np.ndarray
    expectations: list[Expectation]
    conditional: bool = False
    scheme: Scheme | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    as_density: bool = False

    @property
    def observables(self) -> dict[str, np.ndarray]:
        """Operators whose means the run takes."""
        return {name: matrix for each in self.expectations for name, matrix in each.observables.items()}

    def simulate(self, trajectories: Range, **changed: Any) -> EnsembleResult:
        """A range of trajectories; changed: arguments of `sq.simulate` that are others than those of the setup."""
        arguments: dict[str, Any] = {"times": self.times, "observables": self.observables, **self.arguments, **changed}
        with in_qutips_words():
            return simulate(
                self.equation, self.state, scheme=self.scheme, conditional=self.conditional, seed=trajectories.seed,
                first=trajectories.first, trajectories=trajectories.count, **arguments,
            )  # fmt: skip


@dataclass(frozen=True)
class Request:
    """How many trajectories, and what is kept of them.

    ranges: of trajectories. dt: None chooses. tolerance: None makes all of them. values, states: whether those of every
    run are kept; density: whether the mean density matrix at every time is. timeout: after so many seconds no further
    portion of the trajectories is begun.
    """

    ranges: list[Range]
    dt: float | None
    tolerance: float | None
    progress: bool | None
    values: bool
    states: bool
    density: bool
    timeout: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    values: {observable: (run, T)}, states: (run, T, dim) or (run, T, dim, dim), None where not asked for. clicks: of
    every counter in the order of the runs. beyond_ensemble: whether values and states are others than those whose means
    the ensemble has. ranges: of the trajectories that were made.
    """

    ensemble: EnsembleResult
    values: dict[str, np.ndarray] | None
    states: np.ndarray | None
    clicks: dict[str, Clicks] = field(default_factory=dict)
    beyond_ensemble: bool = False
    ranges: list[Range] = field(default_factory=list)


def run(setup: Setup, request: Request) -> Outcome:
    """The trajectories that are asked for; of several ranges in their order.

    Raises:
        ValueError: for states or values of every run that this machine has no memory for.
    """
    _check_memory(setup, request)
    observables: dict[str, Any] = dict(setup.observables)
    if request.values and observables:
        observables[_VALUES] = RunValues()
    if request.states:
        observables[_STATES] = RunStates()
    if request.density or not observables:
        observables[_DENSITY] = Density()
    arguments: dict[str, Any] = {"observables": observables, "progress": request.progress}
    ranges = request.ranges if request.timeout is None else _portions(request.ranges)
    if len(ranges) > 1:
        return _run_several(setup, replace(request, ranges=ranges), arguments)
    ensemble = setup.simulate(ranges[0], dt=request.dt, tolerance=request.tolerance, **arguments)
    return _outcome(setup, [ensemble])


def _check_memory(setup: Setup, request: Request) -> None:
    """To a tolerance it is not known before how many runs there are."""
    limit, count = host_memory(), sum(each.count for each in request.ranges)
    if limit is None or request.tolerance is not None:
        return
    # Complex numbers of single precision in parts and put together; values are put together in double precision.
    size = setup.equation.dim ** (2 if setup.conditional or setup.as_density else 1)
    each = 2.0 * len(setup.times) * (request.states * 8 * size + request.values * 12 * len(setup.observables))
    if count * each > limit:
        raise ValueError(
            f"ntraj: expected runs whose states and values fit in memory; {count} take {count * each:.3g} bytes "
            f"of {limit:.3g}. At most {int(limit / each)} do; without keep_runs_results, and without functions among "
            "e_ops, any number does."
        )


def _portions(ranges: list[Range]) -> list[Range]:
    """The same trajectories in portions, after each of which the clock is looked at."""
    most = int(np.clip(sum(each.count for each in ranges) // _PORTIONS, *_PORTION))
    return [
        each._replace(first=each.first + done, count=min(most, each.count - done))
        for each in ranges
        for done in range(0, each.count, most)
    ]


def _run_several(setup: Setup, request: Request, arguments: dict[str, Any]) -> Outcome:
    if request.tolerance is not None:
        raise ValueError(
            "target_tol: expected None with seeds of trajectories that do not follow each other. Leave one of them out."
        )
    begun, parts = time.perf_counter(), []
    dt, count = request.dt, sum(each.count for each in request.ranges)
    if dt is None:
        # The step that serves them all: its bias falls with the square of it, the standard error with √count.
        longest = max(request.ranges, key=lambda each: each.count)
        chosen = setup.simulate(longest, **arguments)
        dt = chosen.dt and chosen.dt * (longest.count / count) ** 0.25
    for each in request.ranges:
        if parts and request.timeout is not None and time.perf_counter() - begun > request.timeout:
            break
        parts.append(setup.simulate(each, dt=dt or None, **arguments))
    return _outcome(setup, parts)


def _outcome(setup: Setup, parts: list[EnsembleResult]) -> Outcome:
    values, states = None, None
    if _VALUES in parts[0].statistics:
        rows = np.concatenate([_made(part, _VALUES) for part in parts])
        observables, shape = setup.observables, _shape(setup)
        names = ordered_names(real_rows(observables, *shape))
        values = by_observable({name: rows[..., place] for place, name in enumerate(names)}, observables)
    if _STATES in parts[0].statistics:
        states = np.concatenate([_made(part, _STATES) for part in parts])
        if setup.as_density and states.ndim == 3:
            states = states[..., :, None] * states[..., None, :].conj()
    ensemble = reduce(EnsembleResult.merge, parts)
    # What every run was is handed over; kept twice it would take twice the memory.
    rest = {name: value for name, value in ensemble.statistics.items() if name not in (_VALUES, _STATES)}
    clicks = {name: reduce(Clicks.joined, [part.clicks[name] for part in parts]) for name in parts[0].clicks}
    ranges = [Range(seed, first, stop - first) for part in parts for seed, first, stop in part.ranges]
    return Outcome(replace(ensemble, statistics=rest), values, states, clicks, ranges=ranges)


def _made(part: EnsembleResult, name: str) -> np.ndarray:
    """Of the trajectories of a range, without those that fill up its last block."""
    _, first, stop = part.ranges[0]
    return part.statistics[name][: stop - first]


def _shape(setup: Setup) -> tuple[int, ...]:
    return (setup.equation.dim,) * (2 if setup.conditional else 1)

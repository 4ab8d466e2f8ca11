"""Trajectories for QuTiP's words: what is asked of an ensemble, and what comes of it."""

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from qutip import Qobj

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
    run are kept; density: whether the mean density matrix at every time is.
    """

    ranges: list[Range]
    dt: float | None
    tolerance: float | None
    progress: bool | None
    values: bool
    states: bool
    density: bool


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    values: {observable: (run, T)}, states: (run, T, dim) or (run, T, dim, dim), None where not asked for. clicks: of
    every counter in the order of the runs. beyond_ensemble: whether values and states are others than those whose means
    the ensemble has.
    """

    ensemble: EnsembleResult
    values: dict[str, np.ndarray] | None
    states: np.ndarray | None
    clicks: dict[str, Clicks] = field(default_factory=dict)
    beyond_ensemble: bool = False


def run(setup: Setup, request: Request) -> Outcome:
    """The trajectories that are asked for; of several ranges in their order."""
    observables: dict[str, Any] = dict(setup.observables)
    if request.values and observables:
        observables[_VALUES] = RunValues()
    if request.states:
        observables[_STATES] = RunStates()
    if request.density or not observables:
        observables[_DENSITY] = Density()
    arguments: dict[str, Any] = {"observables": observables, "progress": request.progress}
    if len(request.ranges) > 1:
        return _run_several(setup, request, arguments)
    ensemble = setup.simulate(request.ranges[0], dt=request.dt, tolerance=request.tolerance, **arguments)
    return _outcome(setup, [ensemble])


def _run_several(setup: Setup, request: Request, arguments: dict[str, Any]) -> Outcome:
    if request.tolerance is not None:
        raise ValueError(
            "seeds: expected one seed, or those of trajectories that follow each other, with target_tol; got a list of "
            "others. Leave target_tol out, or give one seed."
        )
    dt, count = request.dt, sum(each.count for each in request.ranges)
    if dt is None:
        # The step that serves them all: its bias falls with the square of it, the standard error with √count.
        longest = max(request.ranges, key=lambda each: each.count)
        chosen = setup.simulate(longest, **arguments)
        dt = chosen.dt and chosen.dt * (longest.count / count) ** 0.25
    return _outcome(setup, [setup.simulate(each, dt=dt or None, **arguments) for each in request.ranges])


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
    return Outcome(replace(ensemble, statistics=rest), values, states, clicks)


def _made(part: EnsembleResult, name: str) -> np.ndarray:
    """Of the trajectories of a range, without those that fill up its last block."""
    _, first, stop = part.ranges[0]
    return part.statistics[name][: stop - first]


def _shape(setup: Setup) -> tuple[int, ...]:
    return (setup.equation.dim,) * (2 if setup.conditional else 1)

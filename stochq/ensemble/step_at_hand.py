"""The step of means through which gradients pass: found, or checked, at the numbers that parameters have."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import numpy as np

from stochq.accuracy.coefficients import warn_of_missed_coefficients
from stochq.accuracy.grid import time_grid
from stochq.arrays import is_concrete
from stochq.callers import users_line
from stochq.ensemble.planning import Coarse, plan_step, too_coarse
from stochq.ensemble.sampling import Sampling, watched
from stochq.ensemble.task import Task
from stochq.function_checks import TRACING_ERRORS
from stochq.functions import digest_of_numbers, without_addresses

# Runs whose given step was warned of, whatever their parameters, and those that were checked with all their numbers.
_WARNED: set[tuple] = set()
_CHECKED: set[tuple] = set()
_MOST_KNOWN = 1024


class StepLeftOpen(ValueError):
    """A step that has to be found where the numbers of the parameters are not known."""


@final
class OpenSteps:
    """The steps of calls that leave them open, in the order of the calls.

    known: what the calls take; calls beyond them find their own. judge: whether those that are known are looked at.
    taken: so far. coarse: where those that were looked at are certainly too coarse.
    """

    def __init__(self, known: tuple[float, ...] = (), judge: bool = False) -> None:
        self._known, self._judge = known, judge
        self.taken: list[float] = []
        self.coarse: list[Coarse] = []

    def take(self, task: Task, trajectories: int) -> float:
        """The step of the next call."""
        place = len(self.taken)
        if place >= len(self._known):
            self.taken.append(found_step(task, trajectories))
            return self.taken[-1]
        dt = self._known[place]
        self.taken.append(dt)
        coarse = too_coarse(_at_hand(task), trajectories, dt) if self._judge else None
        self.coarse += [] if coarse is None else [coarse]
        return dt


@final
@dataclass(frozen=True)
class WithSteps:
    """A function in which the calls of `sq.expectations` that leave the step open take these, in their order."""

    function: Callable[..., Any]
    steps: tuple[float, ...]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        with _opened(OpenSteps(self.steps)):
            return self.function(*arguments, **options)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function, whose signature is that of this one, too."""
        return self.function


_OPEN: ContextVar[OpenSteps | None] = ContextVar("open steps", default=None)


@contextmanager
def _opened(steps: OpenSteps) -> Iterator[OpenSteps]:
    token = _OPEN.set(steps)
    try:
        yield steps
    finally:
        _OPEN.reset(token)


def steps_at(function: Callable[[Any], Any], parameters: Any) -> tuple[float, ...]:
    """The steps that calls of `sq.expectations` inside a function find at parameters that are numbers."""
    # Watched, the means are sampled by the very program that tells their errors later.
    with watched(Sampling()), _opened(OpenSteps()) as found:
        function(parameters)
    return tuple(found.taken)


def coarse_at(function: Callable[[Any], Any], steps: tuple[float, ...], parameters: Any) -> list[Coarse]:
    """Where steps that calls inside a function take are certainly too coarse at parameters that are numbers."""
    with watched(Sampling()), _opened(OpenSteps(steps, judge=True)) as looked_at:
        function(parameters)
    return looked_at.coarse


def open_step(task: Task, trajectories: int) -> float:
    """The step of a call that leaves it open: the one that whoever calls it holds, or found."""
    steps = _OPEN.get()
    return found_step(task, trajectories) if steps is None else steps.take(task, trajectories)


def found_step(task: Task, trajectories: int) -> float:
    """The step that `simulate` would take, for a bias below a tenth of the standard error; StepLeftOpen inside jit."""
    at_hand = _at_hand(task)
    try:
        with jax.ensure_compile_time_eval():
            return plan_step(at_hand, trajectories, None, None).dt
    except TRACING_ERRORS as error:
        raise ValueError(
            "dt: expected a number where functions in the equation or the observables hold traced values; got None. "
            "Give dt, or make them of numbers."
        ) from error


def _at_hand(task: Task) -> Task:
    """The task with the numbers of its parameters; StepLeftOpen where they are not known."""
    known = _numbers((task.equation, task.frame, task.psi, task.observables, task.scheme))
    if known is None:
        raise StepLeftOpen(
            "dt: expected a number where jit or vmap traces the parameters, whose values a step depends on; got None. "
            "Call once outside with numbers, or give dt. In sq.fit leave jit and vmap out of predict: the fit compiles "
            "it, with a step that it finds at the start."
        )
    equation, frame, psi, observables, scheme = known
    arguments = {"equation": equation, "frame": frame, "observables": observables, "scheme": scheme}
    return replace(task, psi=np.asarray(psi), **arguments)


def check_given_step(task: Task, trajectories: int, dt: float) -> None:
    """Warn of a given step whose bias is certainly beyond a tenth of the standard error; once for all parameters."""
    structure = without_addresses(jax.tree.structure((task.equation, task.observables)))
    run = (structure, task.scheme.name, dt, trajectories, task.times.tobytes(), np.asarray(task.psi).tobytes())
    checked = (*run, digest_of_numbers((task.equation, task.observables)))
    if run in _WARNED or checked in _CHECKED:
        return
    for known in (_CHECKED, _WARNED):
        if len(known) >= _MOST_KNOWN:
            known.clear()
    _CHECKED.add(checked)
    warn_of_missed_coefficients(task.equation, time_grid(task.times, dt, edges=task.edges))
    found = too_coarse(task, trajectories, dt)
    if found is not None:
        _WARNED.add(run)
        warnings.warn(
            f"dt: a step of {dt:g} moves the mean of {found.name!r} at t = {found.time:g} by {found.bias:.2g}, more "
            f"than a tenth of its standard error over {trajectories} trajectories, {found.stderr:.2g}. Take a shorter "
            "dt, or leave it out.",
            stacklevel=users_line(),
        )


def _numbers(tree: Any) -> Any:
    """A tree with the values of what `jax.grad` and `jax.jvp` trace; None where those are not known yet."""
    leaves, structure = jax.tree.flatten(tree)
    while not is_concrete(leaves):
        seen = _primals(leaves)
        if seen is None:
            return None
        leaves = seen
    return jax.tree.unflatten(structure, leaves)


def _primals(leaves: list[Any]) -> list[Any] | None:
    """Arrays one derivative further down; None where none is taken of them."""
    traced = [place for place, leaf in enumerate(leaves) if isinstance(leaf, jax.core.Tracer)]
    seen: list[Any] = []

    @jax.custom_jvp
    def look(values: list[Any]) -> list[Any]:
        return values

    @look.defjvp
    def see(primals: tuple, tangents: tuple) -> tuple[list[Any], list[Any]]:
        seen.extend(primals[0])
        return primals[0], tangents[0]

    look([leaves[place] for place in traced])
    if not seen:
        return None
    found = list(leaves)
    for place, value in zip(traced, seen, strict=True):
        found[place] = value
    return found

"""`noise="any"`: averages of operators do not depend on the law of the noise, so the cheapest one is taken."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np

from stochq.accelerators import on_accelerator
from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid, time_grid
from stochq.accuracy.trajectories import FEWEST
from stochq.arrays import is_concrete
from stochq.channels import Channel
from stochq.ensemble.jumps.problem import has_exact_jumps
from stochq.ensemble.law_pilots import (
    SHORTEST_PILOT,
    WORTH_A_PILOT,
    First,
    Question,
    TooLong,
    Trial,
    pilot_grid,
    trials_of,
)
from stochq.ensemble.planning import plan_step
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution
from stochq.ensemble.task import Task
from stochq.equation import Equation
from stochq.functions import digest_of_numbers
from stochq.laws import ANY, COMPLEX, JUMP, REAL, UNITARY, Law
from stochq.schemes import default_scheme, frame_of

# What was asked before, and the law that was chosen with what to tell of it: so many are remembered.
_CHOSEN: "OrderedDict[Hashable, tuple[Law, Mapping[str, str]]]" = OrderedDict()
_MOST_REMEMBERED = 256
# The run of a task by a plan.
Make = Callable[[Task, StepPlan, Question], EnsembleResult]


def check_linear(observables: Mapping[str, object], single: str) -> None:
    """ValueError for what depends on the law of the noise.

    observables: of which means are wanted; single: what asks for single trajectories, in words.
    """
    functions = [name for name, value in observables.items() if callable(value)]
    nonlinear = f"the function {functions[0]!r}" if functions else single
    if nonlinear:
        raise ValueError(
            f"noise: expected a law that is named for {nonlinear}, which is another under each; 'any' is for averages "
            "of operators, and for densities. Take 'real', 'complex', 'unitary' or 'jump'."
        )


def under_smooth_law(equation: Equation, observables: Mapping[str, object]) -> Equation:
    """The equation with the laws that are left open unitary where that surely exists and real elsewhere, for means
    through which gradients pass: they vary least over the trajectories of a random potential."""
    check_linear(observables, "")

    def named(channel: Channel) -> Channel:
        if channel.law != ANY:
            return channel
        # Traced operators do not tell whether they are Hermitian.
        known = channel.is_hermitian or (is_concrete(channel) and not channel.unsupported(UNITARY))
        return channel.with_law(UNITARY if known else REAL)

    channels = [named(channel) for channel in equation.channels]
    return Equation(equation.hamiltonian, channels, None, equation.hbar, equation.colour, equation.detectors)


class Choice(NamedTuple):
    """The task under the law that was chosen, its step where it is known, what to tell of it, and the result where that
    is there already."""

    task: Task
    plan: StepPlan | None = None
    told: Mapping[str, str] = MappingProxyType({})
    result: EnsembleResult | None = None


def choose_law(task: Task, question: Question, execution: Execution, make: Make) -> Choice:
    """The law with the least time times variance.

    It is that of the same call earlier in this process, whatever its seed; of runs in which pilots could not pay, the
    most promising one. Else pilots are made: diffusive laws are compared at one step; the best of them, at its own
    step, with exact jumps. What a tolerance takes is known only once the run has begun: it begins with the most
    promising law.
    """
    asked = _values(task, question)
    law, told = _CHOSEN.get(asked, (None, {}))
    if law is not None and (under := _under(task, law, question)) is not None:
        return Choice(under, None, {**told, "law_reason": f"{told['law_reason']}; by an earlier call"})
    law, choice = _chosen(task, question, execution, make)
    _CHOSEN[asked] = law, choice.told
    while len(_CHOSEN) > _MOST_REMEMBERED:
        _CHOSEN.popitem(last=False)
    return choice


def _chosen(task: Task, question: Question, execution: Execution, make: Make) -> tuple[Law, Choice]:
    """As `choose_law`, whatever was chosen before."""
    laws = _laws_there(task, question)
    law, under = next(laws)
    short = {"law": law.name, "law_reason": "the run is too short for pilots to pay"}
    if question.trajectories <= WORTH_A_PILOT * SHORTEST_PILOT:
        return law, Choice(under, None, short)
    first = None if has_exact_jumps(under.equation) else _planned_quietly(under, question)
    if question.tolerance is not None and first is not None:
        # How long it is, is known to a factor of two.
        most = int(2 * WORTH_A_PILOT * FEWEST)
        try:
            return law, Choice(under, first[0], short, make(under, first[0], replace(question, most=most)))
        except TooLong:
            pass
    best, plan, told = _chosen_by_pilots(chain([(law, under)], laws), question, execution, first)
    return best.law, Choice(best.task, plan, told)


def forget_laws() -> None:
    """Let every call make pilots again."""
    _CHOSEN.clear()


def _values(task: Task, question: Question) -> Hashable:
    """All that decides which law is the best but the machine: what is asked of which equation, with its numbers."""
    parts = task.equation, task.psi, task.times, dict(task.observables), dict(task.statistics), question.scheme
    leaves, structure = jax.tree.flatten(parts)
    arrays, constants = eqx.partition(leaves, eqx.is_array)
    numbers = digest_of_numbers(arrays)
    return structure, tuple(constants), numbers, replace(question, scheme=None), task.precision, on_accelerator()


def _chosen_by_pilots(
    laws: Iterator[tuple[Law, Task]], question: Question, execution: Execution, first: First
) -> tuple[Trial, StepPlan | None, dict[str, str]]:
    quiet = replace(execution, progress=False, devices=None, first=0, checkpoint=None)
    trials = trials_of(laws, question, quiet, first)
    work, plan = question.work(trials), None
    best = trials[int(np.argmin(work))]
    if not best.exact:
        plan, grid = _planned(best.task, question) if first is None or best is not trials[0] else first
        like = grid if first is None else first[1]
        longer = grid.total_steps / pilot_grid(best.task, question.dt, like).total_steps
        work = [cost if trial.exact else cost * longer for cost, trial in zip(work, trials, strict=True)]
        best = trials[int(np.argmin(work))]
    costs = ", ".join(f"{trial.law.name} {cost / min(work):.3g}" for trial, cost in zip(trials, work, strict=True))
    told = {"law": best.law.name, "law_reason": f"least time × variance by pilots, relative: {costs}"}
    return best, None if best.exact else plan, told


def _planned(task: Task, question: Question) -> tuple[StepPlan, TimeGrid]:
    plan = plan_step(task, question.trajectories, question.dt, question.tolerance)
    return plan, time_grid(task.times, plan.dt, 1, task.edges)


def _planned_quietly(task: Task, question: Question) -> First:
    """None where there is something to warn of, or no such step: told if that law is taken, which plans it anew."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _planned(task, question)
    except (ValueError, Warning):
        return None


def _laws_there(task: Task, question: Question) -> Iterator[tuple[Law, Task]]:
    """The laws that there are, most promising first, each with the task under it.

    Raises:
        ValueError: where there is none.
    """
    seen: set[tuple[Law, ...]] = set()
    for law in _in_order(task, question):
        one = _under(task, law, question)
        if one is not None and (laws := tuple(channel.law for channel in one.equation.channels)) not in seen:
            seen.add(laws)
            yield law, one
    if not seen:
        raise ValueError(LEFT_WITHOUT)


def _in_order(task: Task, question: Question) -> Iterator[Law]:
    """The laws, most promising first. Unitary noise spares coherent motion, and random numbers. Of transitions real
    noise draws complex numbers as well: complex noise draws hardly more there, and a mean varies less (measured on OQT
    of 8 and 64 levels)."""
    yield UNITARY
    real = _under(task, REAL, question)
    draws_complex = real is not None and real.scheme.budget(real.frame).complex_normals > 0
    yield from (COMPLEX, REAL, JUMP) if draws_complex else (REAL, COMPLEX, JUMP)


LEFT_WITHOUT = "noise: no law of the noise has a scheme for this equation. Name one, 'real', to be told why."


def _under(task: Task, law: Law, question: Question) -> Task | None:
    """The task with its open channels under a law, real where they have not that one; None where no scheme serves."""
    open_channels = [channel for channel in task.equation.channels if channel.law == ANY]
    if law != REAL and all(channel.unsupported(law) for channel in open_channels):
        return None
    old = task.equation
    channels = [
        channel if channel.law != ANY else channel.with_law(REAL if channel.unsupported(law) else law)
        for channel in old.channels
    ]
    if any(channel.unsupported(channel.law) for channel in channels):
        return None
    equation = Equation(old.hamiltonian, channels, None, old.hbar, old.colour, old.detectors)
    if has_exact_jumps(equation):
        if question.dt is not None or question.scheme is not None or question.pairs:
            return None
    scheme = default_scheme(equation, question.averages) if question.scheme is None else question.scheme
    if scheme.requires(equation):
        return None
    return replace(task, equation=equation, frame=frame_of(equation), scheme=scheme)

"""Pilots that tell what laws of the noise cost: short runs by few steps."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from stochq.accelerators import on_accelerator
from stochq.accuracy.bias import SHARE_OF_TOLERANCE, StepPlan
from stochq.accuracy.grid import TimeGrid, longest_interval, time_grid
from stochq.accuracy.resolution import explicit_limit, jump_rate_of
from stochq.accuracy.search import JUMPS_PER_STEP
from stochq.accuracy.trajectories import ERRORS, FEWEST
from stochq.compiling import PROGRAMS
from stochq.ensemble.batch import Runnable
from stochq.ensemble.jumps.problem import build_jump_problem, has_exact_jumps
from stochq.ensemble.pilots import PILOT_SEED
from stochq.ensemble.problem import build_problem
from stochq.ensemble.runner import Execution, run, workers
from stochq.ensemble.statistics import MEAN, PAIR_SPREAD
from stochq.ensemble.task import Task
from stochq.events import announce
from stochq.laws import Law
from stochq.schemes import Scheme

# Pilots end where a run takes less than this many times what one more of them does: all of them together then take a
# quarter of it at most.
WORTH_A_PILOT = 20.0
# Trajectories of the shortest pilot.
SHORTEST_PILOT = FEWEST // 4
# A pilot of fewer seconds is made of four times as many trajectories as well, and then takes so many times as long in
# all (measured on OQT and SUV of 8 levels); at least this part of what it takes goes with their number.
_LONG, _WITH_LONGER, _LEAST_SHARE = 0.02, 2.7, 0.1
# Variances below this part of the largest are no smaller for a run, which has some other error.
_LEAST_VARIANCE = 1e-6
# A pilot makes this part of the steps between saved times that are furthest apart.
_PILOT_STEPS = 2
# The plan and the steps of a run under the first law.
First = tuple[StepPlan, TimeGrid] | None


class TooLong(Exception):
    """A run takes more trajectories than `Question.most`."""


@dataclass(frozen=True)
class Trial:
    """What a pilot tells of a law: variance (observables,), the largest of all times, of the mean over N trajectories
    times N; seconds for a trajectory; whether that is enough for no other law to be tried."""

    task: Task
    law: Law
    variance: np.ndarray
    seconds: float
    is_enough: bool = False

    @property
    def exact(self) -> bool:
        """Whether it takes no time step."""
        return has_exact_jumps(self.task.equation)


@dataclass(frozen=True)
class Question:
    """What is asked of the run, as of `simulate`. pairs: whether antithetic, None where that is left to the run;
    scheme: the user's. most: a run that turns out to take more trajectories ends with `TooLong`."""

    trajectories: int
    tolerance: float | None
    dt: float | None
    pairs: bool | None
    scheme: Scheme | None
    averages: bool
    most: int | None = None

    def check_length(self, trajectories: float) -> None:
        """TooLong where so many are more than `most`."""
        if self.most is not None and trajectories > self.most:
            raise TooLong

    def work(self, trials: list[Trial]) -> list[float]:
        """Seconds that each law takes until the answer is known as well as by any other."""
        variances = np.stack([trial.variance for trial in trials])
        if self.tolerance is not None:
            room = (1 - SHARE_OF_TOLERANCE) * self.tolerance
            counts = np.maximum(FEWEST, variances.max(axis=1) * (ERRORS / room) ** 2)
        else:
            largest = np.maximum(variances.max(axis=0), np.finfo(float).tiny)
            counts = self.trajectories * np.maximum(variances / largest, _LEAST_VARIANCE).mean(axis=1)
        return [float(trial.seconds * count) for trial, count in zip(trials, counts, strict=True)]


def trials_of(laws: Iterator[tuple[Law, Task]], question: Question, execution: Execution, first: First) -> list[Trial]:
    """Pilots of the laws that there are, until the run takes no longer than some more of them."""
    trials: list[Trial] = []
    for law, one in laws:
        announce(f"choosing the law of the noise: pilots of {law.name}", "law tried", logging.DEBUG, law=law.name)
        begun = _seconds()

        def is_last(trial: Trial, longer: float = 1.0, begun: float = begun) -> bool:
            return min(question.work([*trials, trial])) < WORTH_A_PILOT * longer * (_seconds() - begun)

        trial = _pilot(one, law, question, execution, None if first is None else first[1], is_last)
        ends = trial.is_enough or is_last(trial)
        trials.append(trial)
        if ends:
            break
    return trials


def _pilot(
    task: Task,
    law: Law,
    question: Question,
    execution: Execution,
    like: TimeGrid | None,
    is_last: Callable[..., bool],
) -> Trial:
    """like: as of `pilot_grid`; is_last: whether no other law will be tried after such a one, where another pilot takes
    so many times as long as this one did so far."""
    problem, steps = _pilot_problem(replace(task, seed=PILOT_SEED, statistics={}), question, like)
    size, built = max(SHORTEST_PILOT, problem.block), PROGRAMS.built
    trial = _trial(task, law, problem, size, steps, execution)
    if PROGRAMS.built > built:
        # The first time was that of the compiler.
        trial = _trial(task, law, problem, size, steps, execution)
    if trial.seconds * size > _LONG or 4 * size > question.trajectories:
        return trial
    if is_last(trial, _WITH_LONGER):
        return replace(trial, is_enough=True)
    longer = _trial(task, law, problem, 4 * size, steps, execution)
    # What any run costs, however short, is the same in both.
    added = (4 * longer.seconds - trial.seconds) / 3
    return replace(longer, seconds=max(added, _LEAST_SHARE * longer.seconds))


def _pilot_problem(task: Task, question: Question, like: TimeGrid | None) -> tuple[Runnable, int]:
    if has_exact_jumps(task.equation):
        jumps = build_jump_problem(task, trajectories=question.trajectories)
        return jumps, int(np.sum(jumps.grid.steps))
    grid = pilot_grid(task, question.dt, like)
    pairs = question.pairs is not False
    return build_problem(task, grid, pairs, trajectories=question.trajectories), grid.total_steps


def _seconds() -> float:
    """Of a processor its own time over its cores, so that other work on the machine does not count; what an accelerator
    takes is known by the wall clock, once its numbers have arrived."""
    return time.perf_counter() if on_accelerator() else time.process_time() / workers()


def _trial(task: Task, law: Law, problem: Runnable, size: int, steps: int, execution: Execution) -> Trial:
    start = _seconds()
    summaries = run(problem, size, steps, execution).summaries
    seconds = _seconds() - start
    moments = summaries[MEAN]
    variance = moments.squares / max(float(moments.count) - 1.0, 1.0)
    if PAIR_SPREAD in summaries:
        count, squares = summaries[PAIR_SPREAD]
        variance = np.minimum(2 * variance, variance + squares / max(float(count), 1.0))
    return Trial(task, law, variance.max(axis=0), seconds / size)


def pilot_grid(task: Task, dt: float | None, like: TimeGrid | None) -> TimeGrid:
    """The steps of a pilot: of a given length, or few, which resolve the rates at the start and what is not exact.

    like: those of a run, which are taken where they are no more and resolve all that these have to; a pilot's program
    then is the run's where both make even numbers of steps, or both do not.
    """
    resolved = np.inf if dt is not None else _longest_resolved(task)
    h = min(longest_interval(task.times) / _PILOT_STEPS, resolved) if dt is None else dt
    grid = time_grid(task.times, h, 1, task.edges)
    if like is None or like.even == grid.even and like.total_steps >= grid.total_steps:
        return grid
    if like.total_steps <= grid.total_steps:
        # A law that has to resolve jumps takes more steps than one that does not.
        return like if like.lengths.max() <= resolved else grid
    finer = time_grid(task.times, longest_interval(task.times) / (int(grid.steps.max()) + 1), 1, task.edges)
    return finer if like.even == finer.even else grid


def _longest_resolved(task: Task) -> float:
    """The longest step that resolves the rates at the start and what is not exact."""
    longest = explicit_limit(task.equation, task.scheme)
    rate = jump_rate_of(task.equation, task.frame, task.scheme, task.times, means=True)
    if rate is None:
        return longest
    return min(longest, JUMPS_PER_STEP / max(rate.in_state(task.psi), np.finfo(float).tiny))

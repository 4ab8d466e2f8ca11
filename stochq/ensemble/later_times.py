"""Runs whose final states are stored, and go on from them to later times."""

import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stochq.accelerators import host_memory
from stochq.accuracy.grid import TimeGrid, time_grid
from stochq.callers import users_line
from stochq.ensemble.batch import Problem, looks_at_states
from stochq.ensemble.checkpoint import Checkpoint
from stochq.ensemble.execution import Execution, Extend, Totals
from stochq.ensemble.final_states import FINAL, FinalStates, Start
from stochq.ensemble.fingerprint import different_parts, fingerprint
from stochq.ensemble.runner import precision_context, run
from stochq.ensemble.statistics import MEAN
from stochq.ensemble.stored import start_of
from stochq.ensemble.task import Task
from stochq.ensemble.tree import Part
from stochq.events import note

# Copies that lie in memory and on the disk while they are written, and bytes from which a warning tells of them.
_IN_MEMORY, _ON_DISK, _MANY = 4, 2, 2**28
_MEBIBYTE = 2**20


def check_may_be_stored(checkpoint: object, reasons: Mapping[str, bool]) -> None:
    """ValueError where final states do not tell how a run goes on. reasons: what stands in the way, if it is there."""
    if checkpoint is None:
        raise ValueError("store_final_states: expected a checkpoint beside it, the file that holds them; got None.")
    why = next((why for why, there in reasons.items() if there), "")
    if why:
        raise ValueError(f"store_final_states: expected False with {why}; got True.")


def storing(problem: Problem) -> Problem:
    """The problem with the final states of all trajectories among its summaries."""
    loop = problem.loop._replace(threads=None)
    return problem._replace(loop=loop, statistics={**problem.statistics, FINAL: FinalStates()})


def run_to_later_times(
    task: Task,
    dt: float,
    grid: TimeGrid,
    build: Callable[[Task, TimeGrid], Problem],
    problem: Problem,
    trajectories: int,
    steps: int,
    execution: Execution,
    extend: Extend | None = None,
    most: int | None = None,
) -> Totals:
    """As `run`, from the final states of an earlier run in the checkpoint as far as they are there.

    dt: the step; build: the problem of a task on a grid, which stores its final states.
    """
    checkpoint = execution.checkpoint
    assert checkpoint is not None

    check = partial(_check_room, problem, precision=execution.precision, checkpoint=checkpoint)
    check(trajectories)

    def extend_within_room(summaries: dict[str, Any], done: int) -> int:
        assert extend is not None
        wanted = extend(summaries, done)
        if wanted > done:
            check(wanted)
        return wanted

    asked = None if extend is None else extend_within_room
    start = _start(task, dt, grid, build, problem, execution)
    if start is not None:
        later, going_on = steps - int(start.step), problem._replace(start=start)
        totals = run(going_on, trajectories, later, execution, asked, most, start.trajectories)
        if totals.interrupted or totals.done >= totals.wanted:
            return totals
        checkpoint.reopen()
    return run(problem, trajectories, steps, execution, asked, most)


def _check_room(problem: Problem, trajectories: int, precision: str, checkpoint: Checkpoint) -> None:
    """ValueError for final states that neither memory nor disk have room for; a warning of many bytes."""
    states = looks_at_states(problem)
    with precision_context(precision):
        seen = eqx.filter_eval_shape(lambda parts, first: parts.data(first, states)["final"], problem, jnp.uint32(0))
    needed = trajectories * seen.shape[0] * seen.dtype.itemsize
    text = f"the final states of {trajectories} trajectories take {needed / _MEBIBYTE:.3g} MiB"
    places = (
        (shutil.disk_usage(checkpoint.folder).free, _ON_DISK, checkpoint.folder),
        (host_memory(), _IN_MEMORY, "memory"),
    )
    for room, copies, place in places:
        if room is not None and copies * needed > room:
            raise ValueError(
                f"store_final_states: expected False, or room for {copies} copies while they are written; {text}, and "
                f"there are {room / _MEBIBYTE:.3g} MiB in {place}. Take fewer trajectories, saved times or observables."
            )
    note(text, "final states", bytes=needed)
    if needed > _MANY:
        warnings.warn(f"store_final_states: {text} in the checkpoint.", stacklevel=users_line())


def _start(
    task: Task,
    dt: float,
    grid: TimeGrid,
    build: Callable[[Task, TimeGrid], Problem],
    problem: Problem,
    execution: Execution,
) -> Start | None:
    """Where the trajectories of the checkpoint go on; None where it has none, or of these very times."""
    checkpoint, precision = execution.checkpoint, execution.precision
    assert checkpoint is not None
    earlier = checkpoint.earlier(fingerprint(problem, precision))
    if earlier is None or not earlier["parts"]:
        return None
    parts = [Part(*part) for part in earlier["parts"]]
    times = len(parts[0].summaries[MEAN].mean)
    if FINAL not in parts[0].summaries or times >= len(task.times):
        return None
    recording = task.recording
    if recording is not None:
        recording = replace(recording, bins=recording.bins[: times - 1])
    before = replace(task, times=task.times[:times], recording=recording)
    made = time_grid(before.times, dt, 1 if recording is None else recording.bins, before.edges)
    short = build(before, made)
    _check_same(fingerprint(short, precision), earlier["problem"], checkpoint)
    _check_steps(made, grid, short, problem)
    done = parts[-1].stop - parts[0].start
    if done > checkpoint.most:
        raise ValueError(
            f"trajectories: expected at least {done}, which the checkpoint {checkpoint.path} holds; got "
            f"{checkpoint.most}."
        )
    checkpoint.go_on_from(earlier)
    return start_of(parts, made.total_steps, times, len(made.steps), problem)


def _check_same(here: Mapping[str, str], there: Mapping[str, str], checkpoint: Checkpoint) -> None:
    """ValueError where the earlier part of a run is not the one that was made."""
    if different := different_parts(there, here):
        raise ValueError(
            f"times: expected those of the run in the checkpoint {checkpoint.path} and later ones after them, and all "
            f"else as it was; up to the last of its times this run differs in {different}. Begin `times` with its "
            "times, and give the dt that its result tells."
        )


def _check_steps(made: TimeGrid, grid: TimeGrid, short: Problem, problem: Problem) -> None:
    """ValueError where a run that is made at once takes other steps to the earlier times, or draws otherwise."""
    count = len(made.steps)
    same = np.array_equal(made.steps, grid.steps[:count]) and np.array_equal(made.lengths, grid.lengths[:count])
    reason = "" if same else "the earlier intervals would have other steps"
    if not reason and short.loop.uniform != problem.loop.uniform:
        reason = "the later intervals have steps of another length, where the earlier ones had all the same"
    if not reason and short.loop.paired != problem.loop.paired:
        reason = "a later interval has an odd number of steps, where neighbouring steps shared their random numbers"
    if reason:
        raise ValueError(
            f"times: expected later ones with which a run made at once takes the very steps that were made; {reason}. "
            "Space the later times by even multiples of dt."
        )

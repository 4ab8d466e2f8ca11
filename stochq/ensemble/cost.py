"""What a run costs, said before it starts: hours that it is expected to take, and memory that it keeps to its end."""

import warnings

import numpy as np

from stochq.accelerators import host_memory, on_accelerator
from stochq.accuracy.work import UNIT_ON_TWO_CORES, work_of_step
from stochq.callers import users_line
from stochq.ensemble.devices import block_size
from stochq.ensemble.runner import usable_cores
from stochq.ensemble.task import Task
from stochq.events import note

# A run that takes longer warns of it.
_LONG_HOURS = 1.0
# Amplitudes times steps times trajectories below which no run takes minutes, so that nothing is estimated.
_SHORT = 1e9
# How many times the speed of two cores a card has: a guess, the same for all of them, not measured for each equation.
_CARD = 100.0
_YEAR, _DAY = 8766.0, 24.0


def expected_hours(task: Task, trajectories: float, steps: float) -> float:
    """Hours of so many trajectories of so many steps on this machine, from counted operations, to a factor of about
    three on a processor; zero for what takes no minutes."""
    size = task.dim**2 if task.conditional else task.dim
    if trajectories * steps * size < _SHORT:
        return 0.0
    work = trajectories * steps * work_of_step(task.equation) * (size / task.dim)
    speed = _CARD if on_accelerator() else usable_cores() / 2
    return work * UNIT_ON_TWO_CORES / speed / 3600


def check_max_hours(hours: float) -> float:
    """The longest that a run may be expected to take. Raises: ValueError for what is no positive number."""
    if isinstance(hours, bool) or not isinstance(hours, (int, float, np.number)) or not hours > 0:
        raise ValueError(f"max_hours: expected a positive number of hours, math.inf for any; got {hours!r}.")
    return float(hours)


def check_hours(task: Task, hosts: int, steps: int, trajectories: float, what: str = "this run") -> float:
    """Hours that so many trajectories are expected to take on so many hosts; refused where the task may not take them,
    told where they are many.

    what: takes them, for the message. Raises: ValueError.
    """
    hours = expected_hours(task, trajectories, steps) / hosts
    if not hours:
        return 0.0
    cost = f"about {in_words(hours)}, {trajectories:.3g} trajectories of {steps:.3g} steps each"
    note(f"{what}: {cost}", "cost expected", hours=hours, trajectories=trajectories, steps=steps)
    if hours > task.max_hours:
        raise ValueError(
            f"max_hours: expected {task.max_hours:g} at most; {what} is estimated to take {cost}. Take fewer "
            "trajectories, a larger tolerance or a longer dt, or averages alone from sq.exact.evolve; or pass "
            f"max_hours={_rounded_up(hours):g} to run it nevertheless."
        )
    if hours > _LONG_HOURS:
        warnings.warn(f"{what} is estimated to take {cost}.", stacklevel=users_line())
    return hours


def in_words(hours: float) -> str:
    """A number of hours in a fitting unit."""
    for size, unit in ((_YEAR, "years"), (_DAY, "days"), (1.0, "hours")):
        if hours >= 2 * size:
            return f"{_two_digits(hours / size)} {unit}"
    return f"{_two_digits(60 * hours)} minutes"


def _two_digits(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"


def _rounded_up(hours: float) -> float:
    """Twice as many, to one digit: estimates are rough."""
    size = 10.0 ** np.floor(np.log10(2 * hours))
    return float(np.ceil(2 * hours / size) * size)


def check_fits(task: Task, trajectories: int, keep: int) -> None:
    """ValueError for states, records and times that this machine has no memory for, before anything is run."""
    size, number = task.dim ** (2 if task.conditional else 1), 8 if task.precision == "double" else 4
    times, block = len(task.times), block_size(size, task.scheme.smallest_block(task.equation), trajectories or None)
    # Parts and what is made of them are there at the same time.
    _check_fits("keep", keep, 4.0 * number * times * size, "whole states of trajectories")
    if task.recording is not None:
        numbers = float(task.recording.bins.sum()) * len(task.recording.columns)
        _check_fits("records", trajectories, 2.0 * number * numbers, "records of trajectories")
    if not on_accelerator():
        each = float(number * block * len(task.watched))
        _check_fits("times", times, each, f"values of {block} trajectories side by side at all times")


def _check_fits(name: str, count: int, each: float, what: str) -> None:
    limit = host_memory()
    if limit is not None and count * each > limit:
        raise ValueError(
            f"{name}: expected {what} that fit in memory; {count} of them take {count * each:.3g} bytes of "
            f"{limit:.3g}. At most {int(limit / each)} do."
        )

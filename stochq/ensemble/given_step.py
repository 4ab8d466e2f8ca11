"""A step that the user gives is taken as it is, and told of where it resolves less than what happens in it."""

import math
import warnings

from stochq.accuracy.resolution import unresolved
from stochq.callers import users_line
from stochq.ensemble.task import Task


def warn_about_step(task: Task, dt: float) -> None:
    """Say that a step is too long for a rate or a frequency, and how long it may be. dt: the longest that is made."""
    found = unresolved(task.equation, task.frame, task.scheme, task.psi, task.times, dt)
    if found is None:
        return
    product, longest = found.size * dt, _rounded_down(found.limit / found.size)
    warnings.warn(
        f"dt: a step of {dt:g} does not resolve the {found.what} {found.size:.3g} of the equation: {product:.3g} in "
        f"one step, where {task.scheme.name} serves up to {found.limit:g}. Means may be off by a tenth of their range "
        f"or more. Leave dt out (dt=None), which finds a step, or take dt <= {longest:g}.",
        stacklevel=users_line(),
    )


def _rounded_down(value: float) -> float:
    """To two digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / unit) * unit:.2g}")

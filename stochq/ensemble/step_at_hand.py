"""The step of means through which gradients pass: found, or checked, at the numbers that parameters have."""

import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from stochq.arrays import is_concrete
from stochq.ensemble.planning import plan_step, too_coarse
from stochq.ensemble.task import Task
from stochq.functions import digest_of_numbers, without_addresses
from stochq.operators import TRACING_ERRORS

# Runs whose given step was warned of, whatever their parameters, and those that were checked with all their numbers.
_WARNED: set[tuple] = set()
_CHECKED: set[tuple] = set()
_MOST_KNOWN = 1024


def found_step(task: Task, trajectories: int) -> float:
    """The step that `simulate` would take, for a bias below a tenth of the standard error; ValueError inside jit."""
    known = _numbers((task.equation, task.frame, task.psi, task.observables, task.scheme))
    if known is None:
        raise ValueError(
            "dt: expected a number where jit, vmap or sq.fit traces the parameters, whose values a step depends on; "
            "got None. Call once outside with numbers, or give dt."
        )
    equation, frame, psi, observables, scheme = known
    arguments = {"equation": equation, "frame": frame, "observables": observables, "scheme": scheme}
    at_hand = replace(task, psi=np.asarray(psi), **arguments)
    try:
        with jax.ensure_compile_time_eval():
            return plan_step(at_hand, trajectories, None, None).dt
    except TRACING_ERRORS as error:
        raise ValueError(
            "dt: expected a number where functions in the equation or the observables hold traced values; got None. "
            "Give dt, or make them of numbers."
        ) from error


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
    found = too_coarse(task, trajectories, dt)
    if found is not None:
        _WARNED.add(run)
        warnings.warn(
            f"dt: a step of {dt:g} moves the mean of {found.name!r} at t = {found.time:g} by {found.bias:.2g}, more "
            f"than a tenth of its standard error over {trajectories} trajectories, {found.stderr:.2g}. Take a shorter "
            "dt, or leave it out.",
            stacklevel=4,
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

"""Which loop makes the steps of a run, and why: one step after another, or one kernel between two saved times."""

import os
from importlib import import_module
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.accelerators import on_accelerator
from stochq.ensemble.advance import drawing, iteration_of
from stochq.ensemble.batch import Problem
from stochq.ensemble.devices import default_device
from stochq.ensemble.registers import Unsupported, at_most

# The environment variable that turns the persistent kernel on in `sq.simulate`: "1" where it can make the steps, "must"
# or not at all.
SWITCH = "STOCHQ_PERSISTENT"
# Threads of a block; and the most real operations of a step, whose state and intermediate numbers have to fit into the
# 255 registers of a thread, and whose code into the cache for instructions. A state of more levels fills them alone.
THREADS, MOST_OPERATIONS, MOST_LEVELS = 128, 9000, 64
# Operations are written before those that no result needs are left out: up to 1.3 times as many in all cases seen.
WRITTEN_PER_OPERATION = 2
# What was counted, or why it could not be, of so many kinds of problems at most: it takes some tenths of a second.
_COUNTED: dict[tuple[Any, ...], int | Unsupported] = {}
_MOST_COUNTED = 256
_OFF = f"the persistent kernel is off unless {SWITCH}=1, which takes it where it can"
_IN_ONE_KERNEL = "one kernel between two saved times, a thread for each trajectory"


def with_chosen_loop(problem: Problem) -> Problem:
    """The problem, stepped by the persistent kernel where that is asked for and possible."""
    if not _asked() or _why_not(problem):
        return problem
    return problem._replace(loop=problem.loop._replace(threads=THREADS))


def check_loop(problem: Problem) -> None:
    """ValueError where nothing but the persistent kernel is to make the steps, and it cannot."""
    if _asked() == "must" and problem.loop.threads is None:
        raise ValueError(
            f"{SWITCH}: expected '1', which takes it where it can, or a run that the persistent kernel can make; "
            f"{_why_not(problem)}."
        )


def check_without_kernel(what: str) -> None:
    """ValueError where nothing but the persistent kernel is to make the steps of what it never makes."""
    if _asked() == "must":
        raise ValueError(
            f"{SWITCH}: expected '1', which takes it where it can, with {what}; got 'must'. The persistent kernel is "
            "one of sq.simulate in steps."
        )


def told(problem: Problem) -> str:
    """Which loop makes the steps of a problem, and why."""
    if problem.loop.threads is not None:
        return _IN_ONE_KERNEL
    reason = _why_not(problem) if _asked() or not _on_cuda() else _OFF
    return f"one step after another: {reason}"


def _asked() -> str:
    """Empty where it is not."""
    value = os.environ.get(SWITCH, "")
    if value not in ("", "0", "1", "must"):
        raise ValueError(f"{SWITCH}: expected '0', '1' or 'must'; got {value!r}.")
    return "" if value == "0" else value


def _on_cuda() -> bool:
    return on_accelerator() and "cuda" in default_device().client.platform_version.lower()


def _why_not(problem: Problem) -> str:
    """Why the persistent kernel cannot make the steps; empty where it can."""
    loop = problem.loop
    if not _on_cuda():
        return "the persistent kernel needs a CUDA device"
    if problem.psi0.dtype != np.complex64:
        return "the persistent kernel holds states in single precision"
    if problem.grid.colouring is not None:
        return "the persistent kernel draws white noise, and this is coloured"
    if loop.conditioning is not None:
        return "the persistent kernel carries no density matrices"
    if loop.clicks:
        return "the persistent kernel remembers no times of clicks"
    if problem.size > MOST_LEVELS:
        return f"the persistent kernel holds up to {MOST_LEVELS} levels, not {problem.size}"
    try:
        operations = operations_per_step(problem)
    except Unsupported as error:
        return f"a step needs {error}, for which the persistent kernel is not made"
    if operations > MOST_OPERATIONS:
        return f"a step takes {operations} operations, of which the persistent kernel makes up to {MOST_OPERATIONS}"
    try:
        # Asked for last: it takes longer than all the rest.
        import_module("stochq.ensemble.persistent")
    except ImportError as error:
        return f"JAX's own compiler of kernels, by which the persistent kernel is made, is not complete here: {error}"
    return ""


def operations_per_step(problem: Problem) -> int:
    """Real operations of a step of one trajectory, both of a pair where there are antithetic ones; `Unsupported` where
    a thread cannot make it, or there are far too many. Counted once of problems that differ in numbers alone."""
    leaves, structure = jax.tree.flatten((problem.loop._replace(block=1, threads=None), problem.frame, problem.psi0))
    kind = structure, *((leaf.shape, leaf.dtype) if hasattr(leaf, "dtype") else leaf for leaf in leaves)
    if kind not in _COUNTED:
        if len(_COUNTED) >= _MOST_COUNTED:
            _COUNTED.clear()
        try:
            _COUNTED[kind] = _count_operations(problem)
        except Unsupported as error:
            _COUNTED[kind] = error
        except Exception as error:
            # A fault of the rewriting, which is to cost no more than speed.
            _COUNTED[kind] = Unsupported(f"what was not foreseen ({type(error).__name__}: {error})")
    found = _COUNTED[kind]
    if isinstance(found, Unsupported):
        raise found
    return found


def _count_operations(problem: Problem) -> int:
    loop, stride = problem.loop._replace(block=1), drawing(problem.loop)[1]
    dtype, counts = problem.psi0.real.dtype, []

    def trace(parts: tuple[Any, ...]) -> None:
        frame, length, t, psi, key = parts
        stepper = loop.scheme.prepare(frame, length)
        state = stepper.init(t, tuple(frame.to_frame(psi) for _ in loop.scheme.weights))
        record = (jnp.zeros((len(loop.record), 1), dtype), None) if loop.record else None
        budget = loop.scheme.budget(frame)
        counts.append(iteration_of(loop, stepper, budget, key, dtype, (state, None, None, record)).operations)

    psi = jax.ShapeDtypeStruct((problem.psi0.shape[0], loop.columns), problem.psi0.dtype)
    time = jax.ShapeDtypeStruct((), dtype)
    most = WRITTEN_PER_OPERATION * MOST_OPERATIONS
    with at_most(most * stride, f"more than {most} operations"):
        eqx.filter_eval_shape(trace, (_shapes(problem.frame), time, time, psi, _shapes(problem.key)))
    return -(-counts[0] // stride)


def _shapes(tree: Any) -> Any:
    """Arrays as their shapes, whose numbers matter to no count."""
    return jax.tree.map(
        lambda leaf: (
            jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if isinstance(leaf, (np.ndarray, jax.Array)) else leaf
        ),
        tree,
    )

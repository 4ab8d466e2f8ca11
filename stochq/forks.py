"""Forked workers: one whose parent has computed has none of the threads that compute, and would wait for ever."""

import os

_IS_CUT_OFF = False


def check_not_forked() -> None:
    """RuntimeError in a process that was forked after its parent had begun to compute."""
    if _IS_CUT_OFF:
        raise RuntimeError(
            "this worker was forked from a process that had computed before, and has none of its threads: it would "
            "wait for ever. Start workers by multiprocessing.get_context('spawn') or 'forkserver', or fork before the "
            "first computation."
        )


def _look() -> None:
    """In a child, that has what its parent had of JAX."""
    global _IS_CUT_OFF
    # There is no public way to ask. Where JAX has changed, workers wait as they would without the question.
    from jax._src import xla_bridge

    asked = getattr(xla_bridge, "backends_are_initialized", None)
    _IS_CUT_OFF = bool(asked and asked())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look)

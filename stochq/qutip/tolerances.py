"""QuTiP's target_tol as a tolerance of the total error."""

from typing import Any

import numpy as np

from stochq.ensemble import EnsembleResult


def tolerance_of(target_tol: Any, e_ops: int) -> float | None:
    """The tolerance of bias and two standard errors, for all e_ops at all times: the smallest absolute one.

    A relative tolerance would only add to what is allowed, and is not used.

    Args:
        target_tol: None, atol, (atol, rtol), or a list of (atol, rtol) for each of the e_ops.
        e_ops: how many there are.

    Raises:
        ValueError: for other things, an atol of zero, and no e_ops.
    """
    if target_tol is None:
        return None
    if not e_ops:
        raise ValueError("target_tol: expected None without e_ops, whose error it is of. Give e_ops, or leave it out.")
    try:
        targets = np.asarray(target_tol, float)
    except (TypeError, ValueError):
        targets = np.full(3, np.nan)
    if targets.shape not in ((), (2,), (e_ops, 2)) or not np.all(np.isfinite(targets)) or np.any(targets < 0):
        raise ValueError(
            f"target_tol: expected a number, a pair (atol, rtol), or a list of {e_ops} such pairs; got {target_tol!r}."
        )
    smallest = float(np.min(targets if targets.ndim == 0 else targets[..., 0]))
    if smallest == 0:
        raise ValueError(
            "target_tol: expected an absolute tolerance above zero; a relative one alone is that of means which nobody "
            "knows before. Give (atol, rtol) with a positive atol."
        )
    return smallest


def timeout_of(timeout: object) -> float | None:
    """Seconds, or None for any number of them; ValueError for anything else."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float, np.number)) or not timeout > 0:
        raise ValueError(f"timeout: expected a positive number of seconds or None; got {timeout!r}.")
    return None if timeout == np.inf else float(timeout)


def end_condition(ensemble: EnsembleResult, ntraj: int, target_tol: Any) -> str:
    """QuTiP's word for why a run came to its end."""
    if ensemble.info["interrupted"]:
        return "timeout"
    if ensemble.trajectories + ensemble.failed >= ntraj:
        return "ntraj reached"
    return "timeout" if target_tol is None else "target tolerance reached"

"""QuTiP's target_tol as a tolerance of the total error."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stochq.accuracy.trajectories import FEWEST
from stochq.ensemble import EnsembleResult
from stochq.qutip.expectations import Expectation


def tolerance_of(target_tol: Any, expectations: Sequence[Expectation], ntraj: int) -> float | None:
    """The tolerance of bias and two standard errors, for all e_ops at all times: the smallest absolute one.

    A relative tolerance would only add to what is allowed, and is not used. With fewer trajectories than an error can
    be told by, it is None: all of them are made.

    Args:
        target_tol: None, atol, (atol, rtol), or a list of (atol, rtol) for each of the e_ops.
        expectations: the e_ops.
        ntraj: how many trajectories there may be.

    Raises:
        ValueError: for other things, an atol of zero, no e_ops, and functions among them.
    """
    if target_tol is None:
        return None
    if not expectations:
        raise ValueError("target_tol: expected None without e_ops, whose error it is of. Give e_ops, or leave it out.")
    count = len(expectations)
    try:
        targets = np.asarray(target_tol, float)
    except (TypeError, ValueError):
        targets = np.full(3, np.nan)
    if targets.shape not in ((), (2,), (count, 2)) or not np.all(np.isfinite(targets)) or np.any(targets < 0):
        raise ValueError(
            f"target_tol: expected a number, a pair (atol, rtol), or a list of {count} such pairs; got {target_tol!r}."
        )
    absolute = np.broadcast_to(targets if targets.ndim == 0 else targets[..., 0], count)
    if np.min(absolute) == 0:
        raise ValueError(
            "target_tol: expected an absolute tolerance above zero; a relative one alone is that of means which nobody "
            "knows before. Give (atol, rtol) with a positive atol."
        )
    if ntraj < FEWEST:
        return None
    return float(min(_of_observables(atol, each) for atol, each in zip(absolute, expectations, strict=True)))


def _of_observables(atol: float, each: Expectation) -> float:
    """What the observables of one of the e_ops may be off, so that it is off by atol at most at all times."""
    if each.function is not None:
        raise ValueError(
            f"target_tol: expected operators alone among the e_ops, whose error is told while the run goes on; "
            f"e_ops[{each.key!r}] is a function. Leave one of them out, or give an ntraj below {FEWEST}."
        )
    if each.factors is None:
        return atol
    return atol / (float(np.abs(each.factors).sum(axis=0).max()) or 1.0)


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

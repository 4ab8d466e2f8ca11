"""Single against double precision on the same random numbers: what rounding does to means and to single states."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.accuracy.bias import SHARE_OF_STDERR
from stochq.accuracy.same_draws import difference
from stochq.callers import users_line
from stochq.ensemble.batch import Runnable
from stochq.ensemble.kept import kept_states

if TYPE_CHECKING:
    from stochq.ensemble.result import EnsembleResult

# Trajectories that are made in both.
SAMPLE = 256
# Values that differ by more than this part of the largest do so by more than rounding in double precision.
_SEEN = 1e-10


def compare_precisions(result: "EnsembleResult", build: Callable[[str], Runnable]) -> dict[str, Any]:
    """For `result.info`: how far the first trajectories of a run are off in single precision; a warning where their
    means certainly are by more than a tenth of a standard error of the run.

    build: the problem in a precision, without pairs.

    Returns:
        {"precision_check": {...}} with trajectories; observable and time, of all that fluctuate where the mean is off
        by most standard errors of the run; deviation of the mean, single minus double, and its error;
        in_standard_errors; median and far of states at the last time, as of `same_draws.difference`. Empty where no
        trajectory stays finite.
    """
    first, count = result.ranges[0][1], min(SAMPLE, result.trajectories + result.failed)
    (states, values), (exact_states, exact_values) = (
        _made(build(precision), count, precision, first) for precision in ("single", "double")
    )
    last, exact_last = states[:, -1].reshape(count, -1), exact_states[:, -1].reshape(count, -1)
    finite = np.isfinite(last).all(axis=1) & np.isfinite(exact_last).all(axis=1)
    if not finite.any():
        return {}
    apart = difference(last[finite].T, exact_last[finite].T)
    real = result.in_real_rows()
    found = [_deviation(real, row, values[row], exact_values[row]) for row in real.mean]
    told = {
        "trajectories": count,
        **max(found, key=lambda one: one["in_standard_errors"]),
        "median": apart["median"],
        "far": apart["far"],
    }
    _warn(told, result.precision)
    return {"precision_check": told}


def _deviation(real: "EnsembleResult", row: str, values: np.ndarray, exact: np.ndarray) -> dict[str, Any]:
    """Where the mean of a real row is off by most standard errors, of the times at which it fluctuates."""
    finite = np.isfinite(values).all(axis=1) & np.isfinite(exact).all(axis=1)
    exact, off = exact[finite], values[finite].astype(float) - exact[finite]
    if not len(off):
        exact = off = np.zeros((1, len(real.times)))
    fluctuates = (exact.std(axis=0) > _SEEN * np.abs(exact).max()) & (real.stderr[row] > 0)
    share = np.zeros(len(fluctuates))
    share[fluctuates] = np.abs(off.mean(axis=0))[fluctuates] / real.stderr[row][fluctuates]
    worst = int(np.argmax(share))
    return {
        "observable": row,
        "time": float(real.times[worst]),
        "deviation": float(off[:, worst].mean()),
        "error": float(off[:, worst].std() / np.sqrt(max(len(off) - 1, 1))),
        "in_standard_errors": float(share[worst]),
    }


def _made(problem: Runnable, count: int, precision: str, first: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """States and values of so many trajectories, no more than these side by side."""
    return kept_states(problem.with_block(min(problem.block, count)), count, precision, first)


def _warn(told: dict[str, Any], precision: str) -> None:
    size, share = abs(told["deviation"]), told["in_standard_errors"]
    if precision == "single" and share * (size - 2 * told["error"]) > SHARE_OF_STDERR * size:
        warnings.warn(f"precision: {in_words(told)}. Take precision='double'.", stacklevel=users_line())


def in_words(told: dict[str, Any]) -> str:
    """What was found, a clause."""
    return (
        f"single precision moves the mean of {told['observable']!r} at t = {told['time']:.4g} by "
        f"{told['deviation']:.2g} ± {told['error']:.1g}, {told['in_standard_errors']:.2g} standard errors, on "
        f"{told['trajectories']} trajectories of the same draws; amplitudes differ by {told['median']:.1g} (median)"
    )

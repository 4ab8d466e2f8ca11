"""Whether a row reaches its figures, and whether the libraries agree on what they computed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.problems import Target

COMPILE_SECONDS = 5.0
# Five correlated times per row and a dozen rows: a z beyond this by chance is rarer than one run in a hundred.
LARGEST_Z = 4.0
# The error of a mean over fewer is itself too uncertain to judge by.
FEWEST_TRAJECTORIES = 100


class Check(NamedTuple):
    """A figure, its bound and whether it is met; at_least says on which side."""

    name: str
    value: float
    bound: float
    at_least: bool
    passed: bool


def check(name: str, value: float, bound: float, at_least: bool) -> Check:
    """A check, rounded to what is worth printing. NaN does not pass."""
    passed = value >= bound if at_least else value <= bound
    return Check(name, float(f"{value:.4g}"), bound, at_least, bool(passed))


def checks(row: dict[str, Any], targets: Sequence[Target]) -> list[Check]:
    """The figures to be reached in one row, compile times and agreement included."""
    found = [_target(row, target) for target in targets]
    for method in ("default", "euler"):
        entry = row[f"stochq_{method}"]
        found.append(check(f"compile, {method}, s", entry.get("compile_seconds", np.nan), COMPILE_SECONDS, False))
    for peer in ("dynamiqs", "qutip"):
        z = agreement(row["stochq_euler"], row[peer])
        if z is not None:
            found.append(check(f"agreement with {peer}, largest |z|", z, LARGEST_Z, False))
    return found


def _target(row: dict[str, Any], target: Target) -> Check:
    own = row[f"stochq_{target.method}"].get("nanoseconds", np.nan)
    if target.ratio is not None:
        other = row["dynamiqs"].get("nanoseconds", np.nan)
        return check(f"dynamiqs / stochq {target.method}", other / own, target.ratio, True)
    assert target.nanoseconds is not None
    return check(f"stochq {target.method}, ns", own, target.nanoseconds, False)


def agreement(one: dict[str, Any], other: dict[str, Any]) -> float | None:
    """The largest |difference| of two means over the saved times after the first, in combined standard errors.

    None where one did not run, ran over other times, or ran too few trajectories.
    """
    if "cannot" in one or "cannot" in other or one["steps"] != other["steps"]:
        return None
    if min(one["trajectories"], other["trajectories"]) < FEWEST_TRAJECTORIES:
        return None
    difference = np.subtract(one["mean"], other["mean"])[1:]
    return float(np.max(np.abs(difference) / np.hypot(one["stderr"], other["stderr"])[1:]))

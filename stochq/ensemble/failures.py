"""Trajectories that became non-finite: which they are, and how one is replayed alone."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stochq.callers import users_line
from stochq.ensemble.tree import MOST_NAMED

if TYPE_CHECKING:
    from stochq.ensemble.result import EnsembleResult

# The seed and the number of a trajectory.
Trajectory = tuple[int, int]
# So many are told in words.
_TOLD = 8


def warn_about_failures(result: "EnsembleResult", advice: str = "") -> None:
    """Say which trajectories are left out of the means. advice: what to do, a sentence."""
    if result.failed:
        which = told(result.failed_trajectories, result.failed)
        warnings.warn(
            f"{result.failed} of {result.failed + result.trajectories} trajectories became non-finite and are left out "
            f"of the means: {which}. {advice}".strip(),
            stacklevel=users_line(),
        )


def replayed_by(result: "EnsembleResult", averages_only: bool) -> str:
    """How the first trajectory that failed is looked at, a sentence.

    averages_only: whether states of single trajectories cannot be asked for.
    """
    if not result.failed:
        return ""
    if not result.trajectories:
        return "Nothing is left: kept states and kept_values tell when it happened."
    first = result.failed_trajectories[0][1]
    arguments = [f"first={first}", "trajectories=1", *([] if averages_only else ["keep=1"])]
    if result.antithetic:
        arguments = [f"first={first - first % 2}", "trajectories=2", "antithetic=True"]
    arguments += [f"dt={result.dt!r}"] if result.dt else []
    arguments += ["without tolerance"] if "tolerance" in result.info else []
    scheme = f" with scheme {result.scheme}" if averages_only else ""
    return f"The same call{scheme} with {', '.join(arguments)} replays the first of them."


def told(failures: Sequence[Trajectory], failed: int) -> str:
    """Trajectories that failed in words, by seed; failed: how many there are, known or not."""
    shown = failures[:_TOLD]
    parts = []
    for seed in dict.fromkeys(seed for seed, _ in shown):
        parts.append(f"{', '.join(str(number) for of, number in shown if of == seed)} of seed {seed}")
    more = [f"{failed - len(shown)} more"] if failed > len(shown) else []
    return " and ".join(parts + more)


def joined_failures(one: Iterable[Trajectory], other: Iterable[Trajectory]) -> list[Trajectory]:
    """The first trajectories that failed in either run."""
    return sorted([*one, *other])[:MOST_NAMED]

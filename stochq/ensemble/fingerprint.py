"""What tells one problem from another, from one process to the next."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import numpy as np

from stochq.functions import without_addresses

if TYPE_CHECKING:
    from stochq.ensemble.batch import Runnable

# What the parts of a problem are made of, in the words of who runs it.
PARTS = {
    "loop": "the scheme, antithetic pairs or conditional",
    "frame": "the equation",
    "grid": "times or dt",
    "psi0": "psi0",
    "read": "the observables",
    "statistics": "the statistics of states or the number of times and observables",
}


def different_parts(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Which parts of two problems differ, in words; empty where none does."""
    names = [name for name in {**a, **b} if a.get(name) != b.get(name)]
    return ", ".join(PARTS.get(name, name) for name in names)


def fingerprint(problem: "Runnable", precision: str) -> dict[str, str]:
    """Hashes of all that decides a trajectory and what is seen of it, but not of the seed, by the problem's fields.

    Functions are known by their traced programs and the numbers in them, which are the same in the next process. What
    suits one device alone, as how many trajectories stand side by side, decides nothing.
    """
    problem = problem.anywhere()
    with jax.enable_x64(precision == "double"):
        programs = problem.programs()
    parts = problem._asdict()
    return {name: _digest(part, programs.get(name, "")) for name, part in parts.items() if name not in ("key", "start")}


def _digest(part: object, programs: str) -> str:
    leaves, structure = jax.tree_util.tree_flatten(part)
    digest = hashlib.sha256(without_addresses(structure).encode())
    for leaf in leaves:
        is_array = hasattr(leaf, "dtype")
        digest.update(np.asarray(leaf).tobytes() if is_array else without_addresses(repr(leaf)).encode())
    digest.update(programs.encode())
    return digest.hexdigest()[:16]

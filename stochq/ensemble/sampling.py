"""How far means over trajectories may be off, for whoever computes something from them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np

# Groups of trajectories whose scatter tells the error.
GROUPS = 64


class Sampling:
    """What `sq.expectations` sampled inside a function, and the same with one group of trajectories weighing more.

    sampled: whether it sampled at all, traced or not.
    """

    def __init__(self) -> None:
        self.sampled = False
        self._runs: list[tuple[jax.Array, jax.Array]] = []
        self._place, self._group = 0, -1

    def means(self, run: Callable[[], tuple[jax.Array, jax.Array]]) -> jax.Array:
        """Means (T, R) of a run, or those of the same run earlier with a group's deviation added."""
        if self._group < 0:
            self._runs.append(run())
        mean, deviations = self._runs[self._place]
        self._place += 1
        return mean if self._group < 0 else mean + deviations[self._group]

    def variations(self, function: Callable[[], Any]) -> Iterator[Any]:
        """What a function returns, and then with each group of trajectories weighing more; it samples only once."""
        for group in range(-1, GROUPS):
            self._place, self._group = 0, group
            with watched(self):
                yield function()


_CURRENT: ContextVar[Sampling | None] = ContextVar("sampling", default=None)


def current() -> Sampling | None:
    """Who watches the calls of `sq.expectations`, if anybody does."""
    return _CURRENT.get()


@contextmanager
def watched(sampling: Sampling) -> Iterator[None]:
    """Let `sampling` see all calls of `sq.expectations` inside."""
    token = _CURRENT.set(sampling)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def deviations(sums: np.ndarray, counts: np.ndarray, trajectories: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean (T, R), and (GROUPS, T, R) whose squares add up to the squares of its standard errors.

    sums: (groups, T, R) over some trajectories each; counts: (groups,) how many.
    """
    mean = sums.sum(axis=0) / trajectories
    off = (sums - counts[:, None, None] * mean) / trajectories
    folded = np.zeros((GROUPS, *mean.shape), off.dtype)
    np.add.at(folded, np.arange(len(off)) % GROUPS, off)
    known = min(GROUPS, int(np.count_nonzero(counts)))
    return mean, folded * np.sqrt(known / max(known - 1, 1))

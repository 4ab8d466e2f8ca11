"""Summaries of trajectories put together in one order, whatever the ranges in which they were run.

Sums of floating-point numbers depend on the order in which they are made. Here it is that of a binary tree over blocks:
two neighbours of 2^j blocks each make one of 2^(j+1), and what is left is summed from the first trajectory on. What a
range of whole blocks sums up to is then the same for one run, for one that was interrupted, and for many runs of parts
of it that were merged in any order.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, NamedTuple

# By the names of statistics: two summaries as one. Neither is changed.
Merges = Mapping[str, Callable[[Any, Any], Any]]
# Trajectories that failed are counted; so many are named.
MOST_NAMED = 16


class Part(NamedTuple):
    """Summaries by name of trajectories start .. stop-1 of a seed, made in blocks of so many, and how many failed.

    failures: the first trajectories that did, at most MOST_NAMED.
    """

    seed: int
    start: int
    stop: int
    block: int
    failed: int
    summaries: dict[str, Any]
    failures: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it consists of whole blocks."""
        return (self.stop - self.start) % self.block == 0


Parts = tuple[Part, ...]


def added(parts: Parts, part: Part, merges: Merges) -> Parts:
    """The parts with one that comes after all of them."""
    while parts and _are_halves(parts[-1], part):
        part = _sum(parts[-1], part, merges)
        parts = parts[:-1]
    return (*parts, part)


def joined(parts: Iterable[Part], merges: Merges) -> Parts:
    """Parts of any runs, as those of one run over the same trajectories."""
    ordered = sorted(parts, key=lambda part: (part.seed, part.start))
    return reduce(lambda done, part: added(done, part, merges), ordered, ())


def total(parts: Parts, merges: Merges) -> dict[str, Any]:
    """The summaries of all trajectories, by name."""
    first, *others = (part.summaries for part in parts)
    return reduce(lambda one, other: _merged(one, other, merges), others, first)


def _are_halves(a: Part, b: Part) -> bool:
    size, offset = a.stop - a.start, a.start % a.block
    same = (a.seed, a.block, a.stop, size) == (b.seed, b.block, b.start, b.stop - b.start)
    return same and a.is_whole and (a.start - offset) % (2 * size) == 0


def _sum(a: Part, b: Part, merges: Merges) -> Part:
    return a._replace(
        stop=b.stop,
        failed=a.failed + b.failed,
        summaries=_merged(a.summaries, b.summaries, merges),
        failures=(a.failures + b.failures)[:MOST_NAMED],
    )


def _merged(a: dict[str, Any], b: dict[str, Any], merges: Merges) -> dict[str, Any]:
    return {name: merge(a[name], b[name]) for name, merge in merges.items()}

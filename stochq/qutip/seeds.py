"""QuTiP's seeds, one for each trajectory, as stochq's: one seed and the number of the trajectory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final, overload

import numpy as np
from numpy.random import SeedSequence

# The seed of trajectories that a list of plain numbers counts.
_COUNTED = 2**62 + 1
_LARGEST_SEED, _LARGEST_TRAJECTORY = 2**62, 2**32 - 1


class Range(NamedTuple):
    """Trajectories first .. first + count - 1 of a seed."""

    seed: int
    first: int
    count: int


@final
@dataclass(frozen=True)
class Children(Sequence[SeedSequence]):
    """The children first .. first + count - 1 of a `SeedSequence`, as it spawns them, made when they are looked at."""

    entropy: Any
    spawn_key: tuple[int, ...]
    pool_size: int
    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, place: int) -> SeedSequence: ...
    @overload
    def __getitem__(self, place: slice) -> "Sequence[SeedSequence]": ...
    def __getitem__(self, place: int | slice) -> "SeedSequence | Sequence[SeedSequence]":
        chosen = range(self.first, self.first + self.count)[place]
        if isinstance(chosen, int):
            return SeedSequence(self.entropy, spawn_key=(*self.spawn_key, chosen), pool_size=self.pool_size)
        if chosen.step == 1:
            return replace(self, first=chosen.start, count=len(chosen))
        return [self[number - self.first] for number in chosen]


def ranges_of(seeds: object, ntraj: int) -> tuple[list[Range], Sequence[SeedSequence]]:
    """Which trajectories are run, and QuTiP's seed of each.

    An integer, and a `SeedSequence` as far as it has spawned, count the trajectories of one seed: the k-th child of
    SeedSequence(n) is trajectory k of seed n. So `seeds=previous.seeds`, and parts of it, make the same trajectories.

    Args:
        seeds: None for new ones, an integer, a `SeedSequence`, or a list of one of them for each trajectory.
        ntraj: how many are run.

    Returns:
        The ranges in the order of the seeds, and the seeds.

    Raises:
        ValueError: for a list that is too short or holds a seed twice, and for other things.

    >>> ranges_of(7, 100)[0]
    [Range(seed=7, first=0, count=100)]
    >>> ranges_of(ranges_of(7, 100)[1][40:50], 10)[0]
    [Range(seed=7, first=40, count=10)]
    """
    each = _for_each(seeds, ntraj)
    if isinstance(each, Children):
        seed, first = _place(each[0])
        return [Range(seed, first, ntraj)], each
    places = [_place(seed) for seed in each]
    if len(set(places)) < len(places):
        raise ValueError(
            f"seeds: expected another one for each trajectory; got {len(places) - len(set(places))} twice."
        )
    ranges: list[Range] = []
    for seed, number in places:
        last = ranges[-1] if ranges else None
        if last is not None and last.seed == seed and last.first + last.count == number:
            ranges[-1] = last._replace(count=last.count + 1)
        else:
            ranges.append(Range(seed, number, 1))
    return ranges, each


def _for_each(seeds: object, ntraj: int) -> Sequence[SeedSequence]:
    """One for each trajectory, as QuTiP spawns them."""
    if seeds is None:
        seeds = int(SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(2))
    if _is_seed(seeds):
        parent = SeedSequence(_as_any(seeds))
        return Children(parent.entropy, (), parent.pool_size, 0, ntraj)
    if isinstance(seeds, SeedSequence):
        first = seeds.n_children_spawned
        seeds.spawn(ntraj)  # so that it spawns others the next time
        return Children(seeds.entropy, tuple(seeds.spawn_key), seeds.pool_size, first, ntraj)
    if isinstance(seeds, str) or not isinstance(seeds, (Sequence, np.ndarray)):
        raise ValueError(
            "seeds: expected a whole number of at least 0, a numpy.random.SeedSequence, or a list of one for each "
            f"trajectory; got {seeds!r}."
        )
    if len(seeds) < ntraj:
        raise ValueError(f"seeds: expected at least ntraj = {ntraj} of them in a list; got {len(seeds)}.")
    for seed in seeds[:ntraj]:
        if not (isinstance(seed, SeedSequence) or _is_seed(seed)):
            raise ValueError(
                f"seeds: expected whole numbers or numpy.random.SeedSequence in a list; got {type(seed).__name__}."
            )
    return [seed if isinstance(seed, SeedSequence) else SeedSequence(int(seed)) for seed in seeds[:ntraj]]


def share_some(ones: Sequence[SeedSequence], others: Sequence[SeedSequence]) -> bool:
    """Whether a seed is among both."""
    if isinstance(ones, Children) and isinstance(others, Children):
        if replace(ones, first=0, count=0) != replace(others, first=0, count=0):
            return False
        return max(ones.first, others.first) < min(ones.first + ones.count, others.first + others.count)
    known = {(str(each.entropy), tuple(each.spawn_key)) for each in ones}
    return any((str(each.entropy), tuple(each.spawn_key)) in known for each in others)


def _is_seed(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 0)


def _as_any(value: Any) -> int:
    return int(value)


def _place(seed: SeedSequence) -> tuple[int, int]:
    """stochq's seed and number of the trajectory."""
    entropy, key = seed.entropy, tuple(seed.spawn_key)
    is_number = isinstance(entropy, (int, np.integer))
    if not key and is_number and int(_as_any(entropy)) < _LARGEST_TRAJECTORY:
        return _COUNTED, _as_any(entropy)
    if len(key) == 1 and is_number and int(_as_any(entropy)) < _LARGEST_SEED:
        return _as_any(entropy), int(key[0])
    parent, number = (key[:-1], key[-1]) if key else ((), 0)
    return _hashed(f"{entropy} {parent}"), int(number)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2

"""When a counter clicked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Clicks:
    """The clicks of one counter in all trajectories, in the order of trajectories and of time.

    trajectory (clicks,): which one clicked; time (clicks,): when; trajectories: how many there are, those without a
    click included. `clicks[n]` are the times of trajectory n, `len(clicks)` is the number of trajectories. One that
    failed, whose record is NaN, has one time, NaN.

    >>> clicks = Clicks(np.array([0, 2, 2]), np.array([0.5, 0.1, 0.7]), 3)
    >>> clicks, clicks[2], clicks.waiting_times()
    (Clicks: 3 in 3 trajectories, array([0.1, 0.7]), array([0.6]))
    """

    trajectory: np.ndarray
    time: np.ndarray
    trajectories: int

    def __len__(self) -> int:
        """How many trajectories there are."""
        return self.trajectories

    @property
    def total(self) -> int:
        """How many clicks there are in all trajectories that did not fail."""
        return int(np.count_nonzero(~np.isnan(self.time)))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[trajectory] for trajectory in range(self.trajectories))

    def __getitem__(self, trajectory: int) -> np.ndarray:
        """The times of the clicks of one trajectory."""
        if not isinstance(trajectory, (int, np.integer)):
            raise TypeError(
                f"trajectory: expected the number of one; got {trajectory!r}. `part(first, last)` has several."
            )
        if not 0 <= trajectory < self.trajectories:
            raise IndexError(f"trajectory: expected a number from 0 to {self.trajectories - 1}; got {trajectory}.")
        first, last = np.searchsorted(self.trajectory, [trajectory, trajectory + 1])
        return self.time[first:last]

    def waiting_times(self) -> np.ndarray:
        """The times between neighbouring clicks of the same trajectory, all of them in one array."""
        same = np.diff(self.trajectory) == 0
        return np.diff(self.time)[same]

    def joined(self, other: "Clicks") -> "Clicks":
        """With those of other trajectories after these."""
        trajectory = np.concatenate([self.trajectory, other.trajectory + self.trajectories])
        return Clicks(trajectory, np.concatenate([self.time, other.time]), self.trajectories + other.trajectories)

    def part(self, first: int, last: int) -> "Clicks":
        """Those of trajectories first to last − 1, counted from 0."""
        begin, end = np.searchsorted(self.trajectory, [first, last])
        return Clicks(self.trajectory[begin:end] - first, self.time[begin:end], last - first)

    def __repr__(self) -> str:
        return f"Clicks: {self.total} in {self.trajectories} trajectories"


@final
class ClicksByName(dict[str, Clicks]):
    """The clicks of every counter by its name, which say why where there are none.

    why_none: what to tell of a counter of this run that has no times.
    """

    def __init__(self, clicks: Mapping[str, Clicks], why_none: str) -> None:
        super().__init__(clicks)
        self.why_none = why_none

    def __missing__(self, name: object) -> Clicks:
        expected = f"expected one of {', '.join(map(repr, self))}" if self else self.why_none
        raise KeyError(f"{name!r}: {expected}.")

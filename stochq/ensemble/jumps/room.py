"""Room for the times of clicks, of which nobody knows before the run how many there are."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from stochq.ensemble.devices import limits
from stochq.ensemble.records import RECORDS
from stochq.ensemble.runner import Totals

_Run = TypeVar("_Run")


def run_with_room(
    run_all: Callable[[int], tuple[_Run, Totals]], expected: float, counters: list[int], block: int, precision: str
) -> tuple[_Run, Totals]:
    """A run that remembers the times of all recorded clicks: again, with more room, where a trajectory has more.

    run_all: from the room for clicks of a trajectory; expected: how many it has; counters: the columns of the records
    that count them.
    """
    most = limits().log // (3 * block * (8 if precision == "double" else 4))
    room = _power_of_two(expected + 8 * np.sqrt(expected) + 8)
    while True:
        held = min(room, most)
        problem, totals = run_all(held)
        parts = totals.summaries[RECORDS]
        # Of trajectories that failed there are none, but NaN.
        counts = max(float(np.nan_to_num(part[..., counters].sum(axis=(1, 2))).max(initial=0)) for part in parts)
        if counts <= held:
            return problem, totals
        if held < room:
            raise ValueError(
                f"records: expected at most {held} clicks of a trajectory, whose times fit the memory; got "
                f"{counts:.0f}. Go on from the kept final states in runs over shorter times."
            )
        room = _power_of_two(counts)


def _power_of_two(count: float) -> int:
    return 2 ** int(np.ceil(np.log2(max(count, 1))))

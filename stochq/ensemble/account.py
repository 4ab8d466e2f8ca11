"""What the log is told of a run while it lasts: how far it is, how fast, how well its means are known."""

import logging
import time
from typing import final

from stochq.accelerators import used_memory
from stochq.ensemble.batch import Runnable
from stochq.ensemble.moments import largest_errors
from stochq.ensemble.statistics import MEAN
from stochq.ensemble.tree import Merges, Parts, total
from stochq.events import LOG, note

# Seconds between two accounts: what they cost is some merges.
_PERIOD = 5.0


@final
class Account:
    """Of one run; made when its programs are compiled.

    done: how many trajectories were there before.
    """

    def __init__(self, problem: Runnable, merges: Merges, done: int) -> None:
        self._problem, self._merges = problem, merges
        self._start, self._already, self._due = time.perf_counter(), done, 0.0

    def calls_done(self, parts: Parts, done: int, wanted: int) -> None:
        """Say how far the run is, at the first call and the last and every few seconds between."""
        now = time.perf_counter()
        if not LOG.isEnabledFor(logging.INFO) or (now < self._due and done < wanted):
            return
        self._due = now + _PERIOD
        rate = (done - self._already) / max(now - self._start, 1e-9)
        left = (wanted - done) / rate if rate > 0 else None
        note(
            f"{done} of {wanted} trajectories, {rate:.3g} per second",
            "trajectories",
            done=done,
            wanted=wanted,
            rate=rate,
            seconds_left=left,
            failed=sum(part.failed for part in parts),
            stderr=largest_errors(self._problem.names, total(parts, self._merges)[MEAN]),
            memory=used_memory(),
        )

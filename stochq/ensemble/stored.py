"""What a checkpoint holds of trajectories, put together for those that go on."""

from collections.abc import Sequence

import numpy as np

from stochq.ensemble.batch import Problem
from stochq.ensemble.final_states import FINAL, Start
from stochq.ensemble.jumps.log import CLICKS, ClickRows
from stochq.ensemble.records import RECORDS, counters
from stochq.ensemble.tree import Part


def start_of(parts: Sequence[Part], steps: int, times: int, intervals: int, problem: Problem) -> Start | None:
    """Where the trajectories of these parts go on as those of a problem; None where none is known whole.

    steps, times, intervals: how many of them lie behind.
    """
    known = parts[-1].stop - parts[0].start
    numbers = np.concatenate([array for part in parts for array in part.summaries[FINAL]], axis=-1)
    records, log, logged = None, None, None
    if problem.loop.record:
        rows = np.concatenate([array for part in parts for array in part.summaries[RECORDS]])
        records = np.moveaxis(rows, 0, -1)
    if problem.loop.clicks and records is not None:
        clicks = [rows for part in parts for rows in part.summaries[CLICKS]]
        log, logged = _logs(clicks, problem.loop.clicks, numbers.dtype)
        counted = records[:, counters(problem.loop.record)].sum(axis=(0, 1))
        # A run that ended before it was made again with more room for clicks does not know all of them.
        known = min(known, int(np.argmax(np.append(counted > logged, True))))
    if not known:
        return None
    arrays = (_in_blocks(array, known, problem.block) for array in (numbers, records, log, logged))
    numbers, *written = arrays
    first, step = np.asarray(parts[0].start, np.uint32), np.asarray(steps, np.int32)
    return Start(numbers, first, step, times, intervals, known, *written)


def _in_blocks(array: np.ndarray | None, known: int, block: int) -> np.ndarray | None:
    """Of the trajectories that are known, on the last axis, filled up to whole blocks."""
    if array is None:
        return None
    widths = [(0, 0)] * (array.ndim - 1) + [(0, -known % block)]
    return np.pad(array[..., :known], widths, mode="edge")


def _logs(rows: Sequence[ClickRows], room: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Logs (3, room, trajectories) as of `Tape`, and how many clicks of each trajectory there are, (trajectories,)."""
    total = sum(each.trajectories for each in rows)
    log, logged = np.full((3, room, total), -1, dtype), np.zeros(total, np.uint32)
    begin = 0
    for each in rows:
        counts = np.bincount(each.trajectory, minlength=each.trajectories)
        place = np.arange(len(each.trajectory)) - np.repeat(np.cumsum(counts) - counts, counts)
        fits = place < room
        entry = np.stack([each.interval, each.offset, each.record]).astype(dtype)
        log[:, place[fits], begin + each.trajectory[fits]] = entry[:, fits]
        logged[begin : begin + each.trajectories] = counts
        begin += each.trajectories
    return log, logged

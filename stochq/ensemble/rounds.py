"""Runs that hosts share: each makes ranges of blocks of its own, and the first puts them together.

A run goes in rounds. Of the blocks of a round every host makes a range; one message from each, of sums and not of
trajectories, and one back end it. Which host made a block changes nothing: sums are those of the binary tree.
"""

import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from stochq.callers import users_line
from stochq.ensemble.account import Account
from stochq.ensemble.batch import Runnable
from stochq.ensemble.checkpoint import Stage
from stochq.ensemble.devices import default_device
from stochq.ensemble.execution import Execution, Extend, Totals, count, resumed
from stochq.ensemble.fingerprint import fingerprint
from stochq.ensemble.progress import shown
from stochq.ensemble.team import Team
from stochq.ensemble.tree import Merges, Part, Parts, joined, total

# Seconds of a round, beside which a message is short, and which a kill loses at most.
ROUND_SECONDS = 30.0
# Blocks of each host in the first round, and how many times as many there may be in the next.
_FIRST_BLOCKS, _GROWTH = 4, 8
# A range of trajectories on this host alone: what `run` in runner.py makes of them.
Alone = Callable[[int, int], Totals]


class _Known(NamedTuple):
    """What the first host found in the checkpoint, as all others are told."""

    parts: Parts
    wanted: int
    seconds: float


class _Share(NamedTuple):
    """What a host made of a round."""

    parts: Parts
    seconds: float
    interrupted: bool


class _State(NamedTuple):
    """How far a run is, as the first host tells. The parts are known to it alone until all that are wanted are done."""

    done: int
    blocks: int
    interrupted: bool
    parts: Parts


def run_together(
    alone: Alone,
    team: Team,
    problem: Runnable,
    trajectories: int,
    execution: Execution,
    extend: Extend | None,
    most: int | None,
) -> Totals:
    """As `run`, by all hosts of a team; each is given the same totals. alone: makes a range of trajectories here."""
    start, first = time.perf_counter(), execution.first
    merges = {name: statistic.merge for name, statistic in problem.statistics.items()}
    heard = team.agree(trajectories=trajectories, **fingerprint(problem, execution.precision))
    stage = None if execution.checkpoint is None else execution.checkpoint.stage(problem, execution.precision)
    known, heard_later = _known(team, stage)
    heard = heard or heard_later
    parts, wanted, earlier = resumed(known, trajectories, extend, most, merges)
    state = _State(count(parts), _FIRST_BLOCKS * team.count, False, parts)
    with shown(execution.progress) as display:
        account = Account(problem, merges, state.done)
        try:
            while state.done < wanted and not state.interrupted:
                begin = first + state.done
                own = _range(begin, min(begin + state.blocks * problem.block, first + wanted), problem.block, team)
                share = _Share((), 0.0, True) if heard else _made(alone, *own)
                state, heard = _exchanged(team, state, share, merges, first, wanted)
                display.advance(state.done, wanted)
                if team.is_first:
                    account.calls_done(state.parts, state.done, wanted)
                if stage is not None and state.parts:
                    stage.keep(state.parts, wanted, earlier + time.perf_counter() - start)
                if extend is not None and state.done == wanted and not state.interrupted:
                    wanted = max(wanted, extend(total(state.parts, merges), wanted))
                    heard = team.agree(wanted=wanted) or heard
        finally:
            if stage is not None and stage.parts:
                stage.save()
    return _totals(state, merges, wanted, earlier + time.perf_counter() - start, execution)


def _totals(state: _State, merges: Merges, wanted: int, seconds: float, execution: Execution) -> Totals:
    """Of a run that came to its end or was interrupted. Raises: KeyboardInterrupt where nothing is done."""
    if not state.parts:
        raise KeyboardInterrupt
    if state.interrupted:
        warnings.warn(f"interrupted: the result holds {state.done} of {wanted} trajectories.", stacklevel=users_line())
    devices = execution.devices or (default_device(),)
    return Totals(total(state.parts, merges), state.parts, seconds, state.interrupted, devices, wanted)


def _known(team: Team, stage: Stage | None) -> tuple[_Known, bool]:
    """How far an earlier run came, on all hosts, and whether an interrupt came meanwhile."""
    here = _Known((), 0, 0.0) if stage is None else _Known(stage.parts, stage.wanted, stage.seconds)
    told, heard = team.spread(here._replace(parts=_plain(here.parts))._asdict())
    return _Known(_restored(told["parts"]), int(told["wanted"]), float(told["seconds"])), heard


def _range(start: int, stop: int, block: int, team: Team) -> tuple[int, int]:
    """The trajectories of this host in a round: whole blocks, but for the last."""
    blocks = -(-(stop - start) // block)
    low, high = (start + block * (blocks * index // team.count) for index in (team.index, team.index + 1))
    return low, min(high, stop)


def _made(alone: Alone, start: int, stop: int) -> _Share:
    if stop <= start:
        return _Share((), 0.0, False)
    begun = time.perf_counter()
    try:
        with warnings.catch_warnings():
            # Of all hosts one tells it.
            warnings.filterwarnings("ignore", "interrupted: ")
            totals = alone(start, stop)
    except KeyboardInterrupt:
        return _Share((), 0.0, True)
    return _Share(totals.parts, time.perf_counter() - begun, totals.interrupted)


def _exchanged(
    team: Team, state: _State, share: _Share, merges: Merges, first: int, wanted: int
) -> tuple[_State, bool]:
    """How far the run is after a round, and whether an interrupt came meanwhile."""
    told, early = team.gather(share._replace(parts=_plain(share.parts))._asdict())
    answer: dict[str, Any] = {}
    if team.is_first:
        state = _after(state, [_Share(**content) for content in told], merges, first)
        is_final = state.interrupted or state.done == wanted
        answer = state._replace(parts=_plain(state.parts) if is_final else ())._asdict()
    answer, late = team.spread(answer)
    if not team.is_first:
        state = _State(**{**answer, "parts": _restored(answer["parts"])})
    return state, early or late


def _after(state: _State, shares: list[_Share], merges: Merges, first: int) -> _State:
    """The state with what all hosts made, as far as no host was interrupted before."""
    parts = list(state.parts)
    for part in _restored(part for share in shares for part in share.parts):
        if part.start != first + count(tuple(parts)):
            break
        parts.append(part)
    merged = joined(parts, merges)
    slowest = max(share.seconds for share in shares)
    longer = min(ROUND_SECONDS / max(slowest, 1e-9), _GROWTH)
    blocks = max(len(shares), int(state.blocks * longer))
    return _State(count(merged), blocks, any(share.interrupted for share in shares), merged)


def _plain(parts: Parts) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(part) for part in parts)


def _restored(parts: Iterable[Iterable[Any]]) -> Parts:
    return tuple(Part(*part) for part in parts)

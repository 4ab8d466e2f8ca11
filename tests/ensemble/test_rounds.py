"""Which blocks the hosts of a run make, and what is kept of a round that was interrupted."""

from types import SimpleNamespace

import pytest

from stochq.ensemble.rounds import ROUND_SECONDS, _after, _range, _Share, _State
from stochq.ensemble.tree import joined
from tests.ensemble.test_ranges import MERGES, block, in_words


@pytest.mark.parametrize(("start", "stop", "count"), [(30, 130, 3), (0, 95, 4), (20, 41, 5), (7, 27, 2)])
def test_hosts_take_ranges_of_whole_blocks_that_cover_a_round(start, stop, count):
    teams = [SimpleNamespace(index=index, count=count) for index in range(count)]
    taken = [number for team in teams for number in range(*_range(start, stop, 10, team))]
    assert taken == list(range(start, stop))
    for team in teams:
        low, high = _range(start, stop, 10, team)
        assert (low - start) % 10 == 0 and ((high - start) % 10 == 0 or high == stop)


def share(start, stop, seconds=3.0, interrupted=False):
    parts = joined([block(each) for each in range(start, stop, 10)], MERGES)
    return _Share(tuple(map(tuple, parts)), seconds, interrupted)


def test_the_blocks_of_all_hosts_are_summed_as_those_of_one():
    before = joined([block(0), block(10)], MERGES)
    shares = [share(20, 50), share(50, 80, seconds=ROUND_SECONDS / 2), share(80, 110)]
    state = _after(_State(20, 9, False, before), shares, MERGES, 0)
    whole = joined([block(start) for start in range(0, 110, 10)], MERGES)
    assert state == _State(110, 18, False, whole)
    assert in_words(state.parts) == in_words(whole)


def test_of_an_interrupted_round_what_lies_behind_a_gap_is_dropped():
    shares = [share(20, 50), share(50, 60, interrupted=True), share(80, 110)]
    state = _after(_State(20, 9, False, joined([block(0), block(10)], MERGES)), shares, MERGES, 0)
    assert (state.done, state.interrupted) == (60, True)
    nothing = _after(_State(0, 9, False, ()), [share(0, 0, 0.0, True), share(30, 60)], MERGES, 0)
    assert (nothing.done, nothing.parts, nothing.interrupted) == (0, (), True)


def test_rounds_grow_until_they_take_their_time():
    state = _State(0, 8, False, ())
    for seconds, blocks in ((1e-3, 64), (ROUND_SECONDS, 8), (10 * ROUND_SECONDS, 2)):
        assert _after(state, [share(0, 10, seconds), share(10, 20, 1e-3)], MERGES, 0).blocks == blocks

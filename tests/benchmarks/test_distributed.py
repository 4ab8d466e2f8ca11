"""What N nodes are projected to deliver, and what children tell."""

import pytest

from benchmarks import children
from benchmarks.distributed import _projected


@pytest.mark.parametrize(
    ("nodes", "taking_in", "efficiency"),
    # 40 parts are 100 kB, which at 1.25 GB/s take 80 µs, and merging 920 µs; the longest call takes 0.5 s of 30 more.
    [(1, 0.001, 30 / 30.5), (100, 0.1, 30 / 30.6), (1000, 1.0, 30 / 31.5)],
)
def test_all_nodes_wait_while_the_first_takes_in_what_they_made(nodes, taking_in, efficiency):
    row = {"problem": "p", "largest_bytes": 50_000, "merge_seconds": 0.46e-3, "longest_call_seconds": 0.5, "parts": 20}
    found = _projected(row, nodes)
    assert found["nodes"] == nodes and found["taking_in_seconds"] == pytest.approx(taking_in)
    assert found["efficiency"] == pytest.approx(efficiency)


def test_a_child_tells_among_other_lines(capsys):
    children.tell({"seconds": [0.5]})
    assert children.told(f"stochq: a line\n{capsys.readouterr().out}another\n") == {"seconds": [0.5]}
    assert children.told("nothing of it\n") is None

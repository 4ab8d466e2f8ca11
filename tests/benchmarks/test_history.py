"""The history of throughput: what is slower, what is within the spread, and commits that it has not."""

import json

import numpy as np
import pytest

from benchmarks import history, throughput


def entry(commit, reference, **rows):
    return {
        "commit": commit,
        "machine": {"cpu": "one", "date": "2026-11-28T00:00:00"},
        "reference": reference,
        "rows": rows,
    }


@pytest.mark.parametrize(
    "reference, row, slower, apart",
    [
        (10.0, [100.0, 99.0, 103.0], False, False),
        (10.0, [130.0, 125.0, 135.0], True, True),
        (10.0, [130.0, 101.0, 150.0], False, False),
        (10.0, [108.0, 106.0, 109.0], False, True),
        (10.0, [70.0, 69.0, 71.0], False, True),
        (20.0, [200.0, 198.0, 206.0], False, False),
        (20.0, [260.0, 250.0, 270.0], True, True),
    ],
)
def test_a_row_is_slower_beyond_a_tenth_and_beyond_the_spread_by_the_machines_pace(reference, row, slower, apart):
    then = entry("a", 10.0, qubit=[100.0, 98.0, 105.0], other=[1.0, 1.0, 1.0])
    (change,) = history.changes(then, entry("b", reference, qubit=row, new=[1.0, 1.0, 1.0]))
    assert (change.name, change.slower, change.apart) == ("qubit", slower, apart)
    np.testing.assert_allclose(change.ratio, row[0] / 100.0 * 10.0 / reference)


def test_the_last_entry_of_a_commit_is_found_and_another_is_told_of(tmp_path):
    path = tmp_path / "history.jsonl"
    lines = [entry("abc1", 10.0), entry("def2", 10.0), entry("abc1", 11.0)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    assert history.find("abc", path)["reference"] == 11.0
    with pytest.raises(SystemExit, match="--compare: expected a commit .* got 999. There are: abc1, def2"):
        history.find("999", path)
    with pytest.raises(SystemExit, match="none yet"):
        history.find("abc", tmp_path / "nothing.jsonl")


def test_comparing_ends_with_one_where_a_row_is_slower(tmp_path, monkeypatch, capsys):
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(entry("abc1", 10.0, **{"suv-2": [100.0, 98.0, 105.0]})))
    times = {"nanoseconds": 150.0, "low": 140.0, "high": 160.0}
    monkeypatch.setattr(history, "run_child", lambda *arguments: times)
    monkeypatch.setattr(history, "reference_nanoseconds", lambda: 10.0)
    with pytest.raises(SystemExit) as ended:
        history.compare("abc1", throughput.choose(False, ["suv"]), False, path)
    printed = capsys.readouterr().out
    assert ended.value.code == 1 and "suv-2" in printed and "x 1.50  slower" in printed
    times |= {"nanoseconds": 101.0, "low": 99.0, "high": 104.0}
    history.compare("abc1", throughput.choose(False, ["suv"]), False, path)
    assert "within the spread" in capsys.readouterr().out


def test_the_reference_runs():
    assert history.reference_nanoseconds() > 0

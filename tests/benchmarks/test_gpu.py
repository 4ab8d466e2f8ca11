"""The table of an accelerator: shares, ratios and verdicts from measurements that were made up."""

import pytest

from benchmarks import gpu

# Bytes, operations and normals per second.
CEILINGS = {"copy": 1.6e12, "arithmetic": 4.8e13, "noise": 8e10}


def _row(monkeypatch, name, nanoseconds):
    monkeypatch.setattr(gpu, "run_child", lambda name, library, *rest: nanoseconds[library])
    return gpu._row(name, 10**6, CEILINGS)


def test_the_tighter_ceiling_and_the_peer_are_judged(monkeypatch):
    row = _row(monkeypatch, "suv-8", {"stochq": {"nanoseconds": 0.2}, "dynamiqs": {"nanoseconds": 3.0}})
    # 5e9 steps of 128 bytes, 480 operations and 8 normals a second.
    assert row["shares"] == pytest.approx({"copy": 0.4, "arithmetic": 0.05, "noise": 0.5})
    share, ratio = row["checks"]
    assert share["passed"] and share["value"] == 0.5
    assert not ratio["passed"] and ratio["value"] == pytest.approx(15)
    assert gpu._cells(row)[1:] == ["5e+09", "40 %", "5 %", "50 %", "50 %", "3.33e+08", "15x"]


def test_what_failed_is_told_and_not_judged(monkeypatch):
    row = _row(monkeypatch, "suv-8", {"stochq": {"cannot": "failed: out of memory"}, "dynamiqs": {"cannot": "x"}})
    assert row["checks"] == [] and gpu._cells(row)[1] == "failed: out of memory"


def test_a_problem_without_a_peer_has_no_ratio(monkeypatch):
    row = _row(monkeypatch, "oqt-64", {"stochq": {"nanoseconds": 2.0}})
    assert len(row["checks"]) == 1 and gpu._cells(row)[-2:] == ["–", "–"]


def test_without_an_accelerator_nothing_is_claimed(capsys, monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    assert gpu.gpu() is None
    assert "nothing was measured, and nothing is claimed" in capsys.readouterr().out

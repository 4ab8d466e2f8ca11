"""Time to an accuracy: the search for a peer's step on made-up peers, ratios, marks."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import accuracy, accuracy_report, reaching
from benchmarks.problems import find

PROBLEM = find("tunnelling-3")
PATIENCE = reaching.Patience(0.2, 30.0, 2)


def _search(monkeypatch, error_of, spread=0.01, patience=PATIENCE):
    """A peer whose mean is off by error_of(dt): normal values around the exact answer."""
    exact = reaching.exact_answer(PROBLEM)

    def make(problem, method):
        def run(trajectories, steps, seed):
            interval = float(PROBLEM.times[1] - PROBLEM.times[0])
            noise = np.random.default_rng([seed, steps]).normal(size=(trajectories, len(exact)))
            return exact + error_of(interval / steps) + spread * noise

        return run, 4000

    monkeypatch.setattr(reaching, "dynamiqs_peer", make)
    return reaching.reach_with_peer(PROBLEM, "dynamiqs", "EulerMaruyama", patience)


def test_the_longest_step_with_a_small_bias_is_found(monkeypatch):
    # 0.02 dt ≤ 1e-3 from dt = 0.05 on: interval 0.8 / 16.
    found = _search(monkeypatch, lambda dt: 0.02 * dt)
    assert found["dt"] == pytest.approx(0.05) and not found["step_extrapolated"]
    assert [entry[0] for entry in found["search"]] == [1, 2, 4, 8, 16]
    # Variance 1e-4 asks for a hundred trajectories.
    assert found["trajectories"] == pytest.approx(100, rel=0.1)


def test_a_peer_that_diverges_takes_shorter_steps(monkeypatch):
    found = _search(monkeypatch, lambda dt: np.nan if dt > 0.3 else 0.0)
    assert found["dt"] == pytest.approx(0.2)
    given_up = _search(monkeypatch, lambda dt: np.nan)
    assert "diverges" in given_up["cannot"]


def test_without_time_the_step_follows_from_the_order(monkeypatch):
    found = _search(monkeypatch, lambda dt: 0.05 * dt, spread=1e-5, patience=replace_search(0.0))
    # 0.04 at 0.8: forty times shorter.
    assert found["step_extrapolated"] and found["dt"] == pytest.approx(0.02)


def replace_search(seconds):
    return PATIENCE._replace(search=seconds)


def test_what_is_not_resolved_counts_for_the_peer():
    off, error = np.array([0.0, 0.004]), np.array([0.0, 0.002])
    level = reaching.Level(1, off, error, error, [1.0], 0.0, 0.0, 100)
    assert level.excess == 0.0
    assert level._replace(error=error / 4).excess == pytest.approx(3.0)
    assert level._replace(failed=0.02).excess == np.inf


def entry(seconds, **other):
    made = {"seconds": seconds, "low": 0.5 * seconds, "high": 2 * seconds, "steps": 10, "compile_seconds": 1.0}
    return made | {"extrapolated": False} | other


ROW = {
    "title": "a problem",
    "stochq": entry(0.1),
    "dynamiqs EulerMaruyama": entry(50.0, extrapolated=True, step_extrapolated=True),
    "dynamiqs Rouchon1": entry(20.0, extrapolated=True),
    "qutip platen": {"cannot": "over 240 s"},
}


def test_the_ratio_is_to_the_best_peer_with_what_is_left_open():
    assert accuracy_report.best_peer(ROW) == "dynamiqs Rouchon1"
    assert accuracy_report.ratio(ROW) == "200x (50–800) †"
    searched = ROW | {"dynamiqs Rouchon1": ROW["dynamiqs Rouchon1"] | {"patience": "thorough"}}
    assert accuracy_report.ratio(searched) == "200x (50–800)"
    assert accuracy_report.ratio({"title": "", "stochq": entry(1.0)}) == "–"


def test_the_best_peer_is_one_that_was_searched_with_patience(monkeypatch):
    thorough = {"EulerMaruyama": 60.0, "Rouchon1": 45.0, "platen": 55.0}
    monkeypatch.setattr(
        accuracy, "_entry", lambda problem, library, method, patience: entry(thorough[method]) | {"asked": patience}
    )
    row = deepcopy(ROW) | {"qutip platen": entry(40.0), "dynamiqs EulerMaruyama": entry(50.0)}
    accuracy._look_again(PROBLEM, row, {"date": "", "load": 0.0})
    # 20 becomes 45, then 40 becomes 55: 45 is the least, and 50 was never looked at.
    assert accuracy_report.best_peer(row) == "dynamiqs Rouchon1"
    assert [row[key].get("asked") for key in accuracy_report.LIBRARIES[1:4]] == [None, "thorough", "thorough"]


def test_a_search_that_fails_leaves_what_is_known(monkeypatch):
    monkeypatch.setattr(accuracy, "_entry", lambda *arguments: {"cannot": "over 240 s"})
    row = deepcopy(ROW)
    accuracy._look_again(PROBLEM, row, {"date": "", "load": 0.0})
    assert row["dynamiqs Rouchon1"]["seconds"] == 20.0


def test_what_was_not_run_in_full_is_marked():
    cells = accuracy_report.cells(ROW)
    assert cells[:6] == ["a problem", "0.1 s", "≈ 50 s", "~ 20 s", "–", "–"]
    assert len(cells) == len(accuracy_report.HEADERS)


def test_problems_of_their_own_are_offered_to_everybody():
    for name in ("tunnelling-3", "tunnelling-8", "homodyne-2"):
        problem = find(name)
        assert problem.dynamiqs and problem.qutip_steps
        assert replace(problem, name="other").title == problem.title

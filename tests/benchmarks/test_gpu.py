"""The command for a card: rehearsed on a processor as if that were one, and what it says of rows that fail."""

import json
from collections import deque
from queue import Empty

import numpy as np
import pytest

from benchmarks import gpu, gpu_references, gpu_rows, gpu_steps, gpu_targets
from stochq.accuracy.same_draws import difference
from stochq.ensemble import which_loop


def _rehearse(tmp_path, monkeypatch, only):
    monkeypatch.setenv("OUT", str(tmp_path))
    found = gpu.gpu(400.0, True, only)
    assert found is not None
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["rows"] == found["rows"] and written["machine"]["backend"] == "cpu"
    # A peer may be missing.
    assert [line for line in found["rows"] if line.get("failed", "not installed") != "not installed"] == []
    return found["rows"], {check["title"]: check["found"] for check in written["checks"]}


@pytest.mark.release
def test_a_part_is_rehearsed(tmp_path, monkeypatch, capsys):
    lines, checks = _rehearse(tmp_path, monkeypatch, ["normals", "suv-2"])
    assert {line["row"] for line in lines} == {"normals", "suv-2 default", "suv-2 default, xla"}
    (agreement, *_) = (line for line in lines if line.get("way") == "xla" and line["what"] == "agreement")
    assert agreement["median"] < 1e-5 and agreement["agrees"]
    (judged, *_) = (line for line in lines if line.get("way") == "xla" and line["what"] == "chi2")
    assert judged["trajectories"] == 1000 and judged["p_value"] > 1e-3
    assert checks["suv-2 default, xla: agrees with a processor"]["passed"]
    assert checks["suv-8 default, trajectory-steps/s"] is None
    assert "not measured  suv-8 default, trajectory-steps/s" in capsys.readouterr().out


@pytest.mark.release
def test_all_of_it_is_rehearsed(tmp_path, monkeypatch):
    lines, _ = _rehearse(tmp_path, monkeypatch, [])
    assert {line["row"] for line in lines} == {row.name for row in gpu_rows.ROWS}
    assert len({line["row"] for line in lines if line.get("what") == "agreement" and line.get("way") == "xla"}) == 14
    assert all(line["agrees"] for line in lines if "agrees" in line)


def test_the_persistent_kernel_is_measured_where_it_agrees(tmp_path, monkeypatch):
    """Its text, interpreted; and nothing is timed of a loop whose trajectories are others."""
    monkeypatch.setattr(which_loop, "_on_cuda", lambda: True)

    def measured():
        np.savez(tmp_path / "suv-2 default.npz", **gpu_steps.reference("suv-2", "default", 256, False, 20))
        monkeypatch.setattr(gpu_steps, "_SEED", 3)
        return list(gpu_steps.measure_steps("suv-2", "default", ("persistent",), (1000,), 256, tmp_path))

    agreement, rate = measured()
    assert agreement["agrees"] and agreement["median"] > 0 and rate["steps_per_s"] > 0
    monkeypatch.setattr(gpu_steps, "_SEED", 4)
    (agreement,) = measured()
    assert not agreement["agrees"] and agreement["far"] > 0.5


def test_without_an_accelerator_nothing_is_claimed(capsys):
    assert gpu.gpu(400.0, False, ["copy"]) is None
    assert "nothing was measured, and nothing is claimed" in capsys.readouterr().out


def test_what_is_measured_is_named():
    with pytest.raises(SystemExit, match="^--only: expected one of copy, arithmetic, .*; got nothing[.]$"):
        gpu.gpu(400.0, True, ["nothing"])


def test_states_agree_but_for_the_few_where_rounding_drew_another_index():
    states = np.full((2, 1000), 0.6 + 0.8j)
    other = states + 1e-7
    assert difference(other, states) == {"median": pytest.approx(1e-7), "far": 0.0, "not finite": 0, "agrees": True}
    other[1, :10] += 0.1
    assert difference(other, states)["agrees"] and difference(other, states)["far"] == 0.01
    other[0, 11] += 0.1
    assert not difference(other, states)["agrees"]
    assert not difference(states + 2e-5, states)["agrees"]
    other = states.copy()
    other[0, 0] = np.nan
    assert difference(other, states)["not finite"] == 1 and not difference(other, states)["agrees"]


class _Told:
    """A worker that says these lines, and then nothing, or ends."""

    def __init__(self, *lines, ends):
        self.lines, self.ends = deque(lines), ends

    def next(self, seconds):
        if self.lines:
            return self.lines.popleft()
        if self.ends:
            return None
        raise Empty

    def reason(self):
        return "ended with code -11: nothing said"


@pytest.mark.parametrize(("ends", "why"), [(True, "ended with code -11: nothing said"), (False, "took too long")])
def test_a_row_that_fails_costs_the_others_nothing(ends, why):
    journal, left = gpu.Journal(True), deque(gpu_rows.ROWS[:4])
    machine = {"machine": {"backend": "gpu", "device": "made up"}}
    told = [machine, {"begin": "copy"}, {"row": "copy", "value": 3e12}, {"end": "copy"}, {"begin": "arithmetic"}]
    assert gpu._follow(_Told(*told, ends=ends), left, journal, 400.0, False)
    assert [row.name for row in left] == ["normals", "suv-8 default"]
    assert [(line["row"], line.get("value", line.get("failed"))) for line in journal.rows] == [
        ("copy", 3e12),
        ("arithmetic", why),
    ]
    # A process that never begins is not started again.
    assert not gpu._follow(_Told(machine, ends=ends), left, journal, 400.0, False)
    assert gpu._follow(_Told(machine, {"begin": "normals"}, ends=False), left, journal, 0.0, False) is False


def test_waiting_for_a_processor_does_not_count_as_the_time_of_a_row(monkeypatch):
    monkeypatch.setattr(gpu, "_REFERENCE_SECONDS", 1000.0)
    journal, left, asked = gpu.Journal(True), deque(gpu_rows.ROWS[3:4]), []
    told = [{"begin": "suv-8 default"}, {"row": "suv-8 default", "what": gpu_references.WAITS}]
    told += [{"row": "suv-8 default", "what": gpu_references.WAITED}, {"end": "suv-8 default"}]
    worker = _Told(*told, ends=True)
    following = worker.next
    monkeypatch.setattr(worker, "next", lambda seconds: asked.append(seconds) or following(seconds))
    assert gpu._follow(worker, left, journal, 4000.0, True) and not left
    np.testing.assert_allclose(asked[1:], [75.0, 1000.0, 75.0], atol=1.0)


def test_a_row_does_not_wait_for_a_process_that_has_ended(tmp_path):
    setting = gpu_rows.Setting(True, tmp_path)
    with gpu._worker(gpu.REFERENCE, [], setting, "cpu") as worker:
        assert worker.next(100.0) is None
        lines = gpu_steps.measure_steps("suv-2", "default", ("xla",), (1000,), 256, tmp_path)
        assert next(lines) == {"what": gpu_references.WAITS}
        with pytest.raises(RuntimeError, match="^on a processor: the process ended before this problem$"):
            next(lines)


def test_what_is_watched_beside_the_observable_fluctuates():
    """The norm, which is the population of all levels that hold as much as any, is 1 in every trajectory."""
    for steps in gpu_rows.references():
        watched = gpu_steps.stated(steps.name, steps.method, 256, 256, 2).observables["first"]
        assert watched.sum() == watched.max() == 1.0


LINES = [
    {"row": "normals", "what": "ceiling", "value": 4e11},
    {"row": "suv-8 default", "what": "agreement", "way": "persistent", "agrees": True, "compile_s": 12.0},
    {"row": "suv-8 default", "what": "chi2", "way": "persistent", "p_value": 0.4},
    {"row": "suv-8 default, xla", "way": "one graph", "trajectories": 10**6, "steps_per_s": 1e9},
    {"row": "suv-8 default", "way": "persistent", "trajectories": 10**6, "steps_per_s": 2e10},
    {"row": "suv-8 default", "way": "persistent", "trajectories": 10**7, "steps_per_s": 9e10},
    {"row": "suv-8 default, xla", "what": "agreement", "way": "xla", "agrees": False, "compile_s": 3.0},
    {"row": "dynamiqs suv-8", "way": "dynamiqs", "trajectories": 20_000, "steps_per_s": 2e9},
    {"row": "oqt-64 default", "way": "xla", "trajectories": 10**6, "steps_per_s": 1e8},
    {"row": "oqt-64 default", "way": "one graph", "trajectories": 10**6, "steps_per_s": 1.5e8},
    {"row": "csl-64 default", "way": "xla", "trajectories": 10**6, "steps_per_s": 1e8},
    {"row": "csl-64 default", "way": "one graph", "trajectories": 10**6, "steps_per_s": 1.1e8},
    {"row": "simulate", "what": "wall", "way": "xla", "seconds": 0.1},
    {"row": "simulate", "what": "wall", "way": "persistent", "seconds": 0.5},
    {"row": "suv-8 default, xla", "way": "xla", "trajectories": 10**6, "steps_per_s": 7e10},
    {"row": "oqt-8 default", "what": "agreement", "way": "persistent", "left out": "a step takes 5000 operations"},
    {"row": "filter", "what": "seconds", "seconds": 0.1},
    {"row": "filter on the processor", "what": "seconds", "seconds": 0.8},
    {"row": "gradient", "what": "seconds", "seconds": 0.1},
]


def test_figures_are_judged_by_the_best_loop_that_agrees():
    found = {each.title: each.found for each in gpu_targets.verdicts(LINES)}
    assert not found["suv-8 default, xla: agrees with a processor"].passed
    assert found["suv-8 default, persistent: p against the master equation"].passed
    rate, ratio = found["suv-8 default, trajectory-steps/s"], found["suv-8 default, stochq / dynamiqs"]
    assert (rate.value, rate.passed) == (2e10, True)
    assert (ratio.value, ratio.passed) == (10.0, False)
    assert found["oqt-8 default, trajectory-steps/s"] is None
    assert (found["normals alone, per second"].value, found["longest compilation, s"].value) == (4e11, 12.0)
    assert found["simulate, SUV d=8, 10⁷ trajectories of 200 steps, s"].value == 0.5
    assert gpu_targets.ratios(LINES) == ["filter: 8 times the processor"]
    (graph,) = (each for title, each in found.items() if title.startswith("one graph"))
    assert (graph.value, graph.passed) == (1.1, False)

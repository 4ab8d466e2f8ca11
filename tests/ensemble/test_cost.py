"""What cannot work, or takes days, is said before it starts."""

import math
import re
import warnings

import numpy as np
import pytest

import stochq as sq
from stochq.accuracy.trajectories import Target
from stochq.ensemble import cost, in_steps, pilots, runner
from stochq.ensemble.moments import Moments

QUBIT = sq.systems.levels([[0.0, 0.5], [0.5, 0.0]])
SUV = sq.models.suv(QUBIT, strength=1.0)
LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])
P = {"p": [1.0, 0.0]}


def run(equation=SUV, times=(0, 1), **options) -> sq.EnsembleResult:
    options = {"observables": P, "trajectories": 100, "dt": 0.25, **options}
    return sq.simulate(equation, [0.6, 0.8], times, **options)


@pytest.fixture
def nothing_runs(monkeypatch):
    """Whoever begins with the work fails."""

    def begun(*_, **__):
        raise AssertionError("the work has begun")

    for module, name in ((runner, "Batch"), (pilots, "pilot_run"), (in_steps, "run")):
        monkeypatch.setattr(module, name, begun)


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr(cost, "host_memory", lambda: 10**9)


@pytest.mark.usefixtures("nothing_runs", "small_machine")
def test_what_does_not_fit_in_memory_is_named_before_the_work():
    """Of 10⁹ bytes: states of 2 levels at 51 times, twice in 8 bytes each: 1632. Records of 50 numbers: 400."""
    times = np.linspace(0, 1, 51)
    with pytest.raises(ValueError, match="^keep: .* 1000000 of them take 1.63e.09 bytes of 1e.09. At most 612745 do"):
        run(times=times, trajectories=10**6, keep=10**6, dt=None)
    watched = sq.models.monitored(QUBIT, {"h": sq.measurement.homodyne(LOWER)})
    with pytest.raises(ValueError, match="^records: .* 3000000 of them take 1.2e.09 bytes of 1e.09. At most 2500000 d"):
        run(watched, times=times, trajectories=3 * 10**6, records=True, dt=0.02)
    with pytest.raises(ValueError, match="^times: expected values of 1024 trajectories .* At most 244140 do"):
        run(times=np.linspace(0, 1, 300_000), dt=None)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("equation", [SUV, sq.models.unravel(QUBIT, [LOWER], noise="jump")])
def test_a_run_of_years_is_asked_for(equation):
    options = {} if equation.channels[0].law.counts else {"dt": 1e-7}
    times = np.linspace(0, 1e5, 1001) if equation.channels[0].law.counts else (0, 1)
    options = {"dt": None, "trajectories": 4 * 10**9, **options}
    with pytest.raises(
        ValueError, match="^max_hours: expected 24 at most; this run is estimated to take about .* (days|years)"
    ):
        run(equation, times=times, **options)
    with (
        pytest.warns(UserWarning, match="^this run is estimated to take about"),
        pytest.raises(AssertionError, match="beg"),
    ):
        run(equation, times=times, max_hours=math.inf, **options)


def test_the_estimate_is_of_the_right_size(monkeypatch):
    """Work is in proportion to trajectories, steps and, within a factor, levels; two cores are twice as fast as one."""
    monkeypatch.setattr(cost, "usable_cores", lambda: 2)
    seen = []
    monkeypatch.setattr(in_steps, "check_hours", lambda task, *_: seen.append(task))
    run()
    task = seen[0]
    hours = cost.expected_hours(task, 1e9, 1000)
    # A step of a qubit takes between ten and a hundred nanoseconds on one core.
    assert 1e12 * 1e-8 / 2 < hours * 3600 < 1e12 * 1e-7 / 2
    assert cost.expected_hours(task, 2e9, 500) == pytest.approx(hours)
    monkeypatch.setattr(cost, "usable_cores", lambda: 4)
    assert cost.expected_hours(task, 1e9, 1000) == pytest.approx(hours / 2)
    assert cost.expected_hours(task, 1000, 1000) == 0


@pytest.mark.parametrize(
    ("hours", "words"), [(0.5, "30 minutes"), (3.0, "3 hours"), (60.0, "2.5 days"), (8766 * 1e3, "1000 years")]
)
def test_hours_in_words(hours, words):
    assert cost.in_words(hours) == words


def test_a_tolerance_out_of_reach_is_told_before_the_bulk_of_the_run(monkeypatch):
    """Values 0 and 10¹² of a qubit: (2.2 σ/.075)² trajectories, σ near .4·10¹², of which 4096 are allowed."""
    monkeypatch.setattr(cost, "_SHORT", 0.0)
    with pytest.warns(UserWarning) as caught:
        run(observables={"p": [1e12, 0.0]}, tolerance=0.1, trajectories=4096)
    before, after = (str(each.message) for each in caught)
    assert re.match(r"tolerance: 0.1 takes some \de.2[56] trajectories, for 'p'; it will not be met with 4096", before)
    assert "was not met" in after


def test_how_many_a_tolerance_takes():
    """A variance of 1/12 of values between 0 and 1, at (2.2/ε)² of it, to a factor of two; unseen events are rarer."""
    n = 2048.0
    moments = Moments(n, np.full((2, 1), 0.5), np.full((2, 1), n / 12), np.zeros((2, 1)), np.full((2, 1), n / 80))
    target = Target(1e-4, ("p",), np.array([True]), np.ones(1), np.zeros((2, 1)), np.zeros(1))
    needed, name = target.needed(moments)
    exact = (2.2 / 1e-4) ** 2 / 12
    assert name == "p" and exact <= needed <= 2.1 * exact


@pytest.mark.parametrize("hours", [0.0, -1.0, "a day", True, np.nan])
def test_hours_that_are_none(hours):
    with pytest.raises(ValueError, match="^max_hours: expected a positive number of hours"):
        run(max_hours=hours)


def test_short_runs_say_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(max_hours=0.01)


def test_grids_of_more_points_than_fit_are_refused():
    for points, dimensions in ((10**12, 1), (2**63 - 1, 1), (1000, 3)):
        with pytest.raises(ValueError, match="^points: expected a whole number of at least 2 and at most"):
            sq.systems.particle(points, 1.0, 1.0, dimensions=dimensions)

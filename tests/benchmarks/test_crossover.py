"""Crossover dimensions: interpolation, sizes of ensembles, the table, and one dimension really measured."""

import numpy as np
import pytest

from benchmarks import crossover


def test_power_laws_cross_where_they_should():
    dims = np.array([2, 8, 32, 128])
    assert crossover.crossing(dims, 1e-3 * dims**3.0, 1.0 * dims**2.0) == "above 128"
    assert crossover.crossing(dims, 1e-2 * dims**3.0, 1.0 * dims**2.0) == "100"
    assert crossover.crossing(dims, 1.0 * dims**3.0, 1.0 * dims**2.0) == "below 2"


def test_the_last_crossing_counts():
    # The master equation's method changes at 8: beyond 64 the ensemble stays ahead.
    assert crossover.crossing([2, 4, 8, 16, 256], [1, 4, 0.25, 0.25, 4.0], [1.0] * 5) == "64"


def test_as_many_trajectories_as_the_error_asks_for():
    assert crossover.trajectories_for(0.5, 0.01) == 2500
    assert crossover.trajectories_for(0.001, 0.01) == 100


def test_steps_of_finer_ensembles_follow_what_was_run_in_full():
    assert crossover.finer_steps(20, []) == 40
    full = {"coarse": {"steps": 10}, "fine": {"steps": 30, "run": 7, "trajectories": 7}}
    part = {"coarse": {"steps": 10}, "fine": {"steps": 80, "run": 3, "trajectories": 7}}
    assert crossover.finer_steps(20, [full, part]) == 60


def test_short_calls_are_repeated_and_long_ones_are_not(monkeypatch):
    seconds, seeds = iter([1.0, 0.2, 0.4, 0.3]), []
    monkeypatch.setattr(crossover, "_clock", lambda call, number: (next(seconds), call(number)))
    assert crossover.timed(seeds.append) == (0.3, None) and seeds == [1, 2, 3, 4]
    # Compilation is not part of a call.
    seconds, seeds = iter([9.0, 1.5]), []
    assert crossover.timed(seeds.append) == (1.5, None) and seeds == [1, 2]
    seconds = iter([30.0])
    monkeypatch.setattr(crossover, "_clock", lambda call, number: (next(seconds), "only"))
    assert crossover.timed(lambda number: None) == (30.0, "only")


def _point(dim, exact, ensemble):
    entry = {"seconds": ensemble, "trajectories": 100, "steps": 10, "run": 100}
    return {
        "dim": dim,
        "exact_seconds": exact,
        "method": "ode",
        "deviation": 0.3,
        "coarse": entry,
        "fine": entry | {"seconds": 100 * ensemble, "trajectories": 10_000},
        "hints": [[exact, ensemble], [exact, 1000 * ensemble]],
    }


def test_the_tables_have_measured_and_estimated_dimensions():
    row = {
        "name": "x",
        "title": "a model",
        "loads": [0.1],
        "points": [_point(4, 1.0, 16.0), _point(16, 64.0, 64.0), _point(64, 4096.0, 256.0)],
    }
    assert crossover.cells([row]) == [["a model", "16", "16", "above 64", "above 64", "ode", "64"]]
    assert "a model" in crossover.points_table(row)
    where = {"cpu": "a processor", "cores": 2, "date": "2030-01-02T03:04:05+00:00"}
    text = crossover.page_text({"machine": where, "rows": [row]})
    assert "| a model | 16 | 16 | above 64 | above 64 | ode | 64 |" in text and "2030-01-02" in text
    assert "Other work" not in text
    busy = crossover.page_text({"machine": where, "rows": [row | {"loads": [0.1, 3.0]}]})
    assert "Other work ran on the machine (load up to 3.0)" in busy


@pytest.mark.parametrize("name", crossover.MODELS)
def test_models_and_their_statements_fit(name):
    model = crossover.MODELS[name]
    dim = 2 ** model.exponents[0]
    statement = model.statement(dim)
    assert model.equation(dim).dim == dim == len(statement.psi0) == len(statement.observable)
    assert 0 < model.span <= np.ptp(statement.observable)


def test_one_dimension_is_measured():
    model = crossover.MODELS["suv"]._replace(exponents=(1,))
    point = crossover._point(model, 2, [])
    assert point["dim"] == 2 and point["exact_seconds"] > 0 and point["coarse"]["seconds"] > 0
    # Of the standard error that was asked for.
    expected = (point["deviation"] / 0.01) ** 2
    assert point["coarse"]["trajectories"] == pytest.approx(expected, rel=1e-3)
    assert point["fine"]["trajectories"] == pytest.approx(100 * expected, rel=1e-3)

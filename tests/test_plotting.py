"""Pictures have labelled axes, a legend that covers nothing, and lines that can be told apart without colour."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from stochq import io, plotting
from stochq.ensemble.conditional import GIVEN_RECORDS
from stochq.ensemble.result import EnsembleResult
from stochq.inference.filtering import Filtered
from stochq.inference.smoothing import Smoothed
from stochq.measurement import Clicks, Record

TIMES = np.linspace(0.0, 3.0, 31)


def make_result(names=("energy", "population_0"), **info):
    curves = {name: np.exp(-(i + 1) * TIMES) for i, name in enumerate(names)}
    errors = {name: 0.02 * np.minimum(TIMES, 1.0) for name in names}
    return EnsembleResult(
        times=TIMES,
        mean=curves,
        stderr=errors,
        variance={name: 100 * error**2 for name, error in errors.items()},
        trajectories=10000,
        failed=0,
        seed=0,
        scheme="Strang",
        dt=0.01,
        precision="single",
        fingerprint={},
        ranges=[(0, 0, 10000)],
        info=info,
    )


def exact_of(result):
    return {name: mean + 0.001 for name, mean in result.mean.items()}


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_part_that_is_rounding_of_the_other_is_drawn_at_its_scale():
    curve = 1e-17 * np.sin(TIMES) + 1j * np.exp(-TIMES)
    result = dataclasses.replace(
        make_result(("a",)), mean={"a": curve}, stderr={"a": 0.0 * curve}, variance={"a": 0.0 * curve}
    )
    real, imaginary = (np.ptp(axes.get_ylim()) for axes in plotting.plot_result(result).axes)
    assert real == pytest.approx(imaginary) and imaginary > 0.9


def test_every_axis_is_labelled():
    result = make_result(**{"unit:time": "s", "unit:energy": "J"})
    figure = plotting.plot_result(result, exact_of(result))
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    assert labels == [
        ("time $t$  [s]", r"$\langle H\rangle$  [J]"),
        ("time $t$  [s]", "$p_{0}$"),
    ]


def test_legend_names_what_is_drawn():
    result = make_result()
    values = {"energy": np.ones((3, len(TIMES)))}
    figure = plotting.plot_result(result, exact_of(result), trajectories=values)
    expected = ["single trajectories", "±2 standard errors", "mean of 10 000", "exact"]
    assert legend_texts(figure) == expected
    assert "exact" not in legend_texts(plotting.plot_result(result))


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("residuals", [False, True])
def test_legend_covers_no_panel(tmp_path, count, residuals):
    result = make_result([f"name_{i}" for i in range(count)])
    figure = plotting.plot_result(result, exact_of(result), residuals=residuals)
    figure.savefig(tmp_path / "picture.png")
    legend = figure.legends[0].get_window_extent()
    assert len(figure.axes) == count * (2 if residuals else 1)
    assert not any(legend.overlaps(axes.get_window_extent()) for axes in figure.axes)
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.width


def test_points_without_spread_have_no_z():
    result = make_result(["energy"])
    figure = plotting.plot_result(result, exact_of(result), residuals=True)
    z = np.asarray(figure.axes[1].lines[0].get_ydata())
    assert np.isnan(z[0])
    np.testing.assert_allclose(z[10:], -0.001 / 0.02)


def test_an_exact_result_may_be_given_as_an_object():
    class Exact:
        expect = {"energy": np.zeros(len(TIMES))}

    figure = plotting.plot_result(make_result(), Exact(), names=["energy"])
    assert np.all(np.asarray(figure.axes[0].lines[-1].get_ydata()) == 0)


def test_lines_differ_without_colour():
    assert len(set(plotting.LINES)) == len(plotting.PALETTE) == len(set(plotting.PALETTE)) == len(plotting.MARKERS)


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="names: expected names among energy, population_0; got 'enrgy'"):
        plotting.plot_result(make_result(), names=["enrgy"])


def test_no_global_state_is_touched():
    code = "import sys; from stochq import plotting; assert 'matplotlib' not in sys.modules; print('ok')"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "ok"
    plotting.plot_result(make_result())
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_kept_trajectories_of_a_result_are_drawn_also_of_a_loaded_one(tmp_path):
    result = dataclasses.replace(make_result(), kept_values={"energy": np.arange(93.0).reshape(3, 31)})
    for shown in (result, io.load(result.save(tmp_path / "r.nc"))):
        figure = plotting.plot_result(shown)
        assert "single trajectories" in legend_texts(figure)
        drawn = [line.get_ydata() for line in figure.axes[0].get_lines()][:3]
        np.testing.assert_array_equal(drawn, result.kept_values["energy"])


def test_a_record_is_drawn_with_its_mean_since_the_start():
    times = np.array([0.0, 0.5, 2.0])
    increments = np.array([[[1.0, 2.0, 4.0, 0.0], [3.0, 1.0, 2.0, 2.0]]])
    record = Record(times, increments, ["x", "z", "n"], ["homodyne", "heterodyne", "counting"])
    figure = record.plot()
    x, z, n = figure.axes
    np.testing.assert_allclose(x.get_lines()[0].get_ydata(), [2.0, 2.0])
    np.testing.assert_allclose([line.get_ydata() for line in z.get_lines()], np.array([[4, 1.5], [-8, -3]]) / 2**0.5)
    assert "clicks" in n.get_ylabel() and "time" in x.get_ylabel() and x.get_xlabel() == "time $t$"
    with pytest.raises(ValueError, match="trajectory: expected one of the 1 records; got 1"):
        record.plot(1)


def test_a_long_record_is_drawn_with_a_moving_mean_and_whole_numbers_of_clicks():
    times = np.concatenate([[0.0], np.cumsum(np.resize([0.5, 1.5], 400))])
    widths = np.diff(times)
    increments = np.stack([np.sin(0.1 * times[:-1]) * widths, np.arange(400) % 3], axis=-1)
    x, n = Record(times, increments[None], ["x", "n"], ["homodyne", "counting"]).plot().axes
    (mean,) = x.get_lines()
    assert mean.get_label() == "moving mean of 8 intervals"
    charge = [increments[k : k + 8, 0].sum() for k in range(393)]
    np.testing.assert_allclose(mean.get_ydata(), np.array(charge) / 8.0, atol=1e-12)
    np.testing.assert_allclose(mean.get_xdata()[:2], [4.0, 4.5])
    ticks = n.get_yticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_of_many_detectors_the_first_or_those_named_are_drawn():
    names = [f"d{k}" for k in range(11)]
    record = Record([0.0, 1.0], np.zeros((1, 1, 11)), names)
    figure = record.plot()
    title = figure.legends[0].get_title().get_text()
    assert len(figure.axes) == 8 and title == "3 more detectors are left out; choose with names=[...]"
    (axes,) = record.plot(names=["d10"]).axes
    assert axes.get_ylabel().startswith("d10:")
    with pytest.raises(ValueError, match="names: expected names among d0, .*; got 'd11'"):
        record.plot(names=["d11"])


def followed():
    """Two kept trajectories with clicks, and what their records tell."""
    values = {"energy": np.array([np.cos(TIMES), np.sin(TIMES)]), "population_0": np.array([TIMES, TIMES**2])}
    clicks = {"counter": Clicks(np.array([0, 1, 1]), np.array([0.5, 0.1, 2.7]), 2)}
    result = dataclasses.replace(make_result(), kept_values=values, clicks=clicks)
    means = {"energy": np.array([0.9 * np.cos(TIMES), 0.9 * np.sin(TIMES)])}
    purity, nothing = np.ones((2, len(TIMES))), np.zeros(2)
    filtered = Filtered(TIMES, means, purity, log_likelihood=nothing, discarded=nothing)
    return result, filtered


def test_a_trajectory_is_drawn_beside_what_its_record_tells_and_over_its_clicks():
    result, filtered = followed()
    figure = result.plot_trajectory(1, filtered=filtered)
    first, second = figure.axes
    lines = {line.get_label(): line for line in first.get_lines()}
    # The state jumped at 0.1 and 2.7, between saved times: the line is broken there.
    drawn = np.asarray(lines["trajectory 1"].get_ydata())
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], np.sin(TIMES))
    before = np.flatnonzero(np.isnan(drawn)) - 1
    np.testing.assert_array_equal(before - np.arange(2), [np.sum(TIMES < 0.1) - 1, np.sum(TIMES < 2.7) - 1])
    np.testing.assert_allclose(np.asarray(lines["given its record"].get_ydata()), 0.9 * np.sin(TIMES))
    np.testing.assert_allclose(np.asarray(lines["clicks of counter"].get_xdata()), [0.1, 2.7])
    assert [line.get_label() for line in second.get_lines()] == ["trajectory 1", "clicks of counter"]
    assert legend_texts(figure) == ["trajectory 1", "given its record", "clicks of counter"]
    assert len({str(line.get_linestyle()) for line in first.get_lines()}) == 3
    only = result.plot_trajectory(0, names=["population_0"])
    assert [axes.get_ylabel() for axes in only.axes] == ["$p_{0}$"]


def test_the_clicks_of_every_counter_are_drawn():
    result, _ = followed()
    clicks = {f"counter {k}": Clicks(np.array([0]), np.array([0.1 * k]), 2) for k in range(20)}
    (axes, _) = dataclasses.replace(result, clicks=clicks).plot_trajectory(0).axes
    marks = axes.get_lines()[1:]
    assert [line.get_label() for line in marks] == [f"clicks of counter {k}" for k in range(20)]
    near = {plotting.BLUE, plotting.SKY, plotting.VERMILION, plotting.ORANGE}
    assert not near & {line.get_color() for line in marks}
    np.testing.assert_allclose([float(np.asarray(line.get_xdata())[0]) for line in marks], 0.1 * np.arange(20))
    heights = [float(np.asarray(line.get_ydata())[0]) for line in marks]
    assert np.all(np.diff(heights) > 0) and heights[-1] < 1


def test_of_many_counters_a_panel_shows_which_clicked():
    result, _ = followed()
    clicks = {f"L{k}": Clicks(np.array([0, 1]), np.array([0.1 * k, 0.2]), 2) for k in range(64)}
    axes, _, counters = dataclasses.replace(result, clicks=clicks).plot_trajectory(0).axes
    (marks,) = axes.get_lines()[1:]
    np.testing.assert_allclose(np.asarray(marks.get_xdata()), 0.1 * np.arange(64))
    assert marks.get_label() == "clicks of 64 counters"
    points = np.array([np.ravel(line.get_xydata()) for line in counters.get_lines()])
    np.testing.assert_allclose(points, np.stack([0.1 * np.arange(64), np.arange(64)], axis=1))
    assert [text.get_text() for text in counters.get_yticklabels()] == ["L0", "L63"]
    at = np.linspace(-8.0, 7.75, 64)
    _, _, counters = dataclasses.replace(result, clicks=clicks).plot_trajectory(0, places=at).axes
    assert [float(np.ravel(line.get_ydata())[0]) for line in counters.get_lines()] == at.tolist()
    with pytest.raises(ValueError, match="^places: expected a number for each of more than 20 counters"):
        dataclasses.replace(result, clicks=clicks).plot_trajectory(0, places=at[1:])


def test_the_record_of_many_counters_is_drawn_in_one_panel_and_told_in_short():
    counts = np.zeros((1, 4, 30))
    counts[0, 2, 7] = counts[0, 3, 29] = 1.0
    record = Record([0.0, 1.0, 2.0, 3.0, 5.0], counts, [f"L{k}" for k in range(30)], ["counting"] * 30)
    (axes,) = record.plot().axes
    assert [tuple(np.ravel(line.get_xydata())) for line in axes.get_lines()] == [(2.5, 7.0), (4.0, 29.0)]
    start = "Record of L0 (counting), L1 (counting), L2 (counting), …, L29 (counting), 30 detectors: 1 times"
    assert repr(record).startswith(start)


def test_a_kept_trajectory_is_drawn_beside_its_own_record():
    """After a merge the kept trajectories are not the first ones."""
    result, filtered = followed()
    far = dataclasses.replace(result, kept_rows=np.array([1, 3]))
    four = np.arange(4.0)[:, None] + np.zeros(len(TIMES))
    told = dataclasses.replace(filtered, mean={"energy": four}, purity=np.ones((4, len(TIMES))))
    clicks = {"counter": Clicks(np.array([1, 3]), np.array([0.5, 2.7]), 4)}
    axes = dataclasses.replace(far, clicks=clicks).plot_trajectory(1, filtered=told, names=["energy"]).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    drawn = np.asarray(lines["trajectory 1"].get_ydata())
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], np.sin(TIMES))
    np.testing.assert_allclose(np.asarray(lines["given its record"].get_ydata()), 3.0)
    np.testing.assert_allclose(np.asarray(lines["clicks of counter"].get_xdata()), [2.7])


def test_a_trajectory_that_is_not_there_is_not_drawn():
    result, filtered = followed()
    with pytest.raises(ValueError, match="^trajectory: expected one of the 2 that were kept; got 2.*keep=3"):
        result.plot_trajectory(2)
    with pytest.raises(ValueError, match="^trajectory: expected a run with keep="):
        make_result().plot_trajectory()
    with pytest.raises(ValueError, match="^names: expected names among energy, population_0; got 'x'"):
        result.plot_trajectory(names=["x"])
    short = dataclasses.replace(filtered, purity=filtered.purity[:1])
    with pytest.raises(ValueError, match="^filtered: expected the state given record 1; got 1 records"):
        result.plot_trajectory(1, filtered=short)


def test_conditional_means_are_drawn_in_their_spread_beside_the_trajectory():
    """Record 3 of four, whose trajectory is the second of those that were kept."""
    result, _ = followed()
    result = dataclasses.replace(result, kept_rows=np.array([1, 3]))
    mean = {"energy": np.arange(4.0)[:, None] + np.zeros(len(TIMES)), "a": np.full((4, len(TIMES)), 1 + 2j)}
    variance = {"energy": np.full((4, len(TIMES)), 0.25), "a": np.full((4, len(TIMES)), 0.04 + 0.09j)}
    told = [np.zeros(4)] * 3
    nothing = np.zeros(0)
    for found, kind in (
        (Filtered(TIMES, mean, *told, variance=variance), "given the record so far"),
        (Smoothed(TIMES, mean, nothing, nothing, variance), "given the whole record"),
    ):
        figure = found.plot(record=3, truth=result, spread=True)
        first, real, imaginary = figure.axes
        lines = {line.get_label(): np.asarray(line.get_ydata()) for line in first.get_lines()}
        np.testing.assert_allclose(lines[kind], 3.0)
        np.testing.assert_allclose(lines["the trajectory itself"], np.sin(TIMES))
        for axes, low, high in ((first, 2.5, 3.5), (real, 0.8, 1.2), (imaginary, 1.7, 2.3)):
            heights = axes.collections[0].get_paths()[0].vertices[:, 1]
            assert heights.min() == pytest.approx(low) and heights.max() == pytest.approx(high)
        assert [axes.get_ylabel() for axes in figure.axes] == [r"$\langle H\rangle$", "Re a", "Im a"]
        assert legend_texts(figure) == ["± spread of single outcomes", kind, "the trajectory itself"]
        (only,) = found.plot("energy").axes
        assert len(only.get_lines()) == 1 and not only.collections
        conditional = dataclasses.replace(result, info=result.info | {"kept": GIVEN_RECORDS})
        seen = legend_texts(found.plot("energy", record=3, truth=conditional))
        assert seen == [kind, "conditional state of the simulation"]
        with pytest.raises(ValueError, match="^observables: expected some of energy, a; got 'energi'.*'energy'"):
            found.plot("energi")
        with pytest.raises(ValueError, match="^record: expected one of the 4 records; got 4"):
            found.plot(record=4)
        with pytest.raises(ValueError, match="^truth: expected a result that kept the trajectory of record 2"):
            found.plot(record=2, truth=result)

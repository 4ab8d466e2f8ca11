"""What detectors wrote down: currents with a moving mean, and clicks in each interval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stochq.plotting.clicks import draw_counters
from stochq.plotting.look import BLUE, ORANGE, SKY, VERMILION, draw_legend, figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stochq.measurement import Record

# So many detectors are drawn where nobody says which.
_MOST_DETECTORS = 8
# A current's moving mean: so many windows in the whole time, of at least so many intervals; no moving mean where fewer
# windows fit.
_WINDOWS, _FEWEST_INTERVALS, _FEWEST_WINDOWS = 50, 5, 4


def plot_record(record: "Record", trajectory: int = 0, names: Sequence[str] | None = None) -> "Figure":
    """One panel per detector of one record: its mean current over each interval, and a moving mean, of few intervals
    the mean since the start.

    Currents are in units of the noise, whose spread over an interval is 1/√length; of heterodyne detection both
    quadratures are drawn, of counters the clicks in each interval.
    names: of the detectors; None for the first eight, with all counters in one panel where there are more of them.

    Raises:
        ValueError: for a trajectory that has no record and a name of no detector.
    """
    if not 0 <= trajectory < len(record):
        raise ValueError(f"trajectory: expected one of the {len(record)} records; got {trajectory!r}.")
    for name in [] if names is None else names:
        if name not in record:
            raise ValueError(f"names: expected names among {', '.join(record.names)}; got {name!r}.")
    kinds = dict(zip(record.names, record.kinds, strict=True))
    counters = [name for name in record.names if kinds[name] == "counting"]
    together = counters if names is None and len(counters) > _MOST_DETECTORS else []
    chosen = [name for name in record.names if name not in together] if names is None else list(names)
    shown = chosen[:_MOST_DETECTORS] if names is None else chosen
    with style():
        made, axes = figure(len(shown) + bool(together))
        if together:
            centres = 0.5 * (record.times[1:] + record.times[:-1])
            clicks = [centres[record[name][trajectory] > 0] for name in together]
            draw_counters(axes.pop()[0], record.times, clicks, together, None, "time $t$")
        for name, (panel, *_) in zip(shown, axes, strict=True):
            _draw_detector(panel, name, kinds[name], record.times, record[name][trajectory])
        left_out = len(chosen) - len(shown)
        title = f"{left_out} more detectors are left out; choose with names=[...]" if left_out else None
        draw_legend(made, axes, title)
    return made


def _draw_detector(axes: "Axes", name: str, kind: str, times: np.ndarray, values: np.ndarray) -> None:
    if kind == "counting":
        _draw_counts(axes, times, values)
        axes.set_ylabel(f"{name}: clicks per interval")
    else:
        _draw_current(axes, times, values)
        text = name if "current" in name else f"{name}: current"
        axes.set_ylabel(f"{text}  [time$^{{-1/2}}$]")
    axes.set_xlabel("time $t$")
    axes.margins(x=0.01)


def _draw_counts(axes: "Axes", times: np.ndarray, counts: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.stairs(counts, times, color=BLUE, fill=True, alpha=0.6, label="clicks")
    axes.set_ylim(0, 1.05 * max(1.0, np.max(counts, initial=0.0, where=np.isfinite(counts))))
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _draw_current(axes: "Axes", times: np.ndarray, current: np.ndarray) -> None:
    at, means, told = _smooth_current(times, current)
    parts = {"Re ": np.real, "Im ": np.imag} if np.iscomplexobj(current) else {"": np.real}
    for (name, part), (colour, mean_colour) in zip(parts.items(), ((SKY, BLUE), (ORANGE, VERMILION)), strict=False):
        axes.stairs(part(current), times, baseline=None, color=colour, linewidth=0.7, label=f"{name}current")
        dashes = (0, (5, 2)) if name == "Im " else "-"
        axes.plot(at, part(means), color=mean_colour, linestyle=dashes, label=f"{name}{told}")


def _smooth_current(times: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Times, means and what they are: over a window that moves, of few intervals since the start."""
    charge = np.concatenate([[0.0], np.cumsum(current * np.diff(times))])
    window = max(_FEWEST_INTERVALS, round(len(current) / _WINDOWS))
    if len(current) < _FEWEST_WINDOWS * window:
        return times[1:], charge[1:] / (times[1:] - times[0]), "mean since the start"
    begins, ends = times[:-window], times[window:]
    means = (charge[window:] - charge[:-window]) / (ends - begins)
    return 0.5 * (begins + ends), means, f"moving mean of {window} intervals"

"""Pictures of results. Every colour has a line style of its own, so that they survive a grey printer."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.arrays import ArrayLike
from stochq.ensemble.result import EnsembleResult
from stochq.files import check_replaceable, is_picture, replace_file
from stochq.real_parts import in_rows, row_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stochq.exact.result import ExactResult
    from stochq.inference.filtering import Filtered
    from stochq.measurement import Record

# Okabe and Ito's palette, which eyes with the common forms of colour blindness tell apart. Its yellow is left out:
# too light for a line.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (2, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Of more counters than this one panel of its own shows which clicked: rows of strokes would fill the others.
_MOST_COUNTERS = 20
# Of clicks: none is near those of a trajectory and its filtered state, as sky blue and orange are.
_CLICK_COLOURS = (BLACK, GREEN, PURPLE, "0.6")
# What is drawn no higher than this part of the other part of a complex observable is rounding.
_ROUNDING = 1e-6
# So many kept trajectories are drawn where nobody says which.
MOST_TRAJECTORIES = 20
# So many detectors of a record likewise.
_MOST_DETECTORS = 8
# A current's moving mean: so many windows in the whole time, of at least so many intervals; no moving mean where fewer
# windows fit.
_WINDOWS, _FEWEST_INTERVALS, _FEWEST_WINDOWS = 50, 5, 4

SYMBOLS = {
    "energy": r"$\langle H\rangle$",
    "position": r"$\langle x\rangle$",
    "position_squared": r"$\langle x^2\rangle$",
    "momentum": r"$\langle p\rangle$",
    "momentum_squared": r"$\langle p^2\rangle$",
    "kinetic": r"$\langle p^2\rangle/2m$",
    "number": r"$\langle a^\dagger a\rangle$",
    "magnetization": r"$\langle\sigma^z\rangle$, mean over sites",
    "transverse": r"$\langle\sigma^x\rangle$, mean over sites",
    "total_sz": r"$\langle S^z\rangle$",
    "nearest_zz": r"$\langle\sigma^z_i\sigma^z_{i+1}\rangle$, mean over bonds",
}
NUMBERED = {"sigma_z": r"$\langle\sigma^z_{%s}\rangle$", "population": r"$p_{%s}$"}


@contextmanager
def style() -> Iterator[None]:
    """The look of every picture: readable sizes, colours that are told apart, room made by the layout."""
    import matplotlib
    from cycler import cycler

    settings: Any = {
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.labelsize": 11,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.formatter.useoffset": False,
        "axes.formatter.limits": (-3, 4),
        "axes.formatter.use_mathtext": True,
        "lines.linewidth": 1.6,
        "lines.markersize": 4,
        "savefig.dpi": 160,
        "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=LINES),
    }
    with matplotlib.rc_context(settings):
        yield


def figure(panels: int = 1, *, rows_each: Sequence[float] = (1.0,)) -> "tuple[Figure, list[list[Axes]]]":
    """A figure of `panels` panels, each a column of axes that share x, with the given relative heights.

    Returns the figure and axes[panel][row]. It belongs to no window and to no global state. Call it within `style()`.
    """
    from matplotlib.figure import Figure

    columns = 2 if panels == 4 else min(panels, 3)
    rows, each = math.ceil(panels / columns), len(rows_each)
    width = 6.4 if columns == 1 else 4.3 * columns
    made = Figure(figsize=(width, 3.1 * rows * sum(rows_each) / rows_each[0] + 0.5), layout="constrained")
    grid = made.add_gridspec(rows * each, columns, height_ratios=list(rows_each) * rows)
    axes: list[list[Axes]] = []
    for panel in range(panels):
        row, column = divmod(panel, columns)
        top = made.add_subplot(grid[row * each, column])
        lower = [made.add_subplot(grid[row * each + i, column], sharex=top) for i in range(1, each)]
        axes.append([top, *lower])
    return made, axes


def plot_result(
    result: EnsembleResult,
    exact: "ExactResult | Mapping[str, np.ndarray] | None" = None,
    names: Sequence[str] | None = None,
    trajectories: Mapping[str, np.ndarray] | None = None,
    residuals: bool = False,
) -> "Figure":
    """One panel per observable: the mean with ±2 standard errors, the exact curve, and single trajectories.

    A complex observable has two panels, one for each part.

    exact: an exact result, or {name: (time,)}; trajectories: {name: (trajectory, time)} values of single runs, those of
    the first kept states where none are given;
    residuals: below each panel, how many standard errors the mean is away from the exact curve.
    Raises: ValueError for a name that the result does not hold.
    """
    shown = list(result.mean) if names is None else list(names)
    for name in shown:
        if name not in result.mean:
            raise ValueError(f"names: expected names among {', '.join(result.mean)}; got {name!r}.")
    panels = _panels(result, shown)
    if trajectories is None:
        trajectories = {name: values[:MOST_TRAJECTORIES] for name, values in result.kept_values.items()}
    result, curves, single = result.in_real_rows(), in_rows(_curves(exact)), in_rows(trajectories)
    with style():
        heights = (1.0, 0.35) if residuals and curves else (1.0,)
        made, axes = figure(len(panels), rows_each=heights)
        for (name, text), column in zip(panels.items(), axes, strict=True):
            _draw_panel(column[0], result, name, curves.get(name), single.get(name))
            column[0].set_ylabel(text)
            if len(column) > 1:
                _draw_residuals(column[1], result, name, curves.get(name))
                column[0].tick_params(labelbottom=False)
            column[-1].set_xlabel(time_label(result))
        _draw_rounding_flat(list(panels), [column[0] for column in axes])
        draw_legend(made, axes)
    return made


def plot_trajectory(
    result: EnsembleResult,
    trajectory: int = 0,
    *,
    filtered: "Filtered | None" = None,
    names: Sequence[str] | None = None,
    places: ArrayLike | None = None,
) -> "Figure":
    """One panel per observable of one kept trajectory: its value, what its record tells of it, and its clicks as marks.

    The line is broken between saved times with a click between them: the state jumped there.
    Of many counters, such as the points of space in `sq.models.grw`, one more panel shows which clicked, by its place
    among all, over time.

    trajectory: which of those that were kept; its record and clicks are in row `result.kept_rows[trajectory]`;
    filtered: from `sq.inference.filter` of the result's records, whose conditional mean is drawn beside the trajectory;
    names: of the observables, None for all that are kept; places: where each of many counters is, (counters,), such as
    `particle.coordinates[0]` for the hits of `sq.models.grw`, None for their numbers.
    Raises: ValueError for a trajectory that was not kept or filtered, a name that the result does not hold, and places
        of other counters than there are.
    """
    kept = result.kept_values
    count = min(map(len, kept.values()), default=0)
    if not 0 <= trajectory < count:
        wanted = f"one of the {count} that were kept" if count else "a run with keep="
        raise ValueError(f"trajectory: expected {wanted}; got {trajectory!r}. Pass keep={trajectory + 1} to simulate.")
    row = int(result.kept_rows[trajectory])
    if filtered is not None and row >= len(filtered.purity):
        raise ValueError(f"filtered: expected the state given record {row}; got {len(filtered.purity)} records.")
    for name in [] if names is None else names:
        if name not in kept:
            raise ValueError(f"names: expected names among {', '.join(kept)}; got {name!r}.")
    many = len(result.clicks) > _MOST_COUNTERS
    if places is not None and not (many and np.shape(places) == (len(result.clicks),)):
        raise ValueError(
            f"places: expected a number for each of more than {_MOST_COUNTERS} counters, which have a panel of their "
            f"own; got shape {np.shape(places)} for {len(result.clicks)} counters."
        )
    panels = _panels(result, list(kept) if names is None else list(names))
    values = in_rows({name: each[trajectory] for name, each in kept.items()})
    means = {} if filtered is None else in_rows({name: each[row] for name, each in filtered.mean.items()})
    with style():
        made, axes = figure(len(panels) + many)
        if many:
            clicks = [times[row] for times in result.clicks.values()]
            _draw_counters(axes.pop()[0], result.times, clicks, list(result.clicks), places, time_label(result))
        for (name, text), (panel, *_) in zip(panels.items(), axes, strict=True):
            _draw_between_clicks(panel, result, row, values[name], f"trajectory {trajectory}")
            if filtered is not None and name in means:
                panel.plot(
                    filtered.times, means[name], color=VERMILION, linestyle=(0, (5, 2)), label="given its record"
                )
            _mark_clicks(panel, result, row)
            panel.set_ylabel(text)
            panel.set_xlabel(time_label(result))
            panel.margins(x=0.01)
        _draw_rounding_flat(list(panels), [column[0] for column in axes])
        draw_legend(made, axes)
    return made


def _draw_rounding_flat(names: list[str], axes: "list[Axes]") -> None:
    """A part of a complex observable that is rounding of the other, around zero at the other's scale."""
    by_name = dict(zip(names, axes, strict=True))
    for real in names:
        imaginary = "Im " + real.removeprefix("Re ")
        if not real.startswith("Re ") or imaginary not in by_name:
            continue
        parts = by_name[real], by_name[imaginary]
        tallest = max(float(np.ptp(part.get_ylim())) for part in parts)
        for part in parts:
            if np.ptp(part.get_ylim()) < _ROUNDING * tallest:
                part.set_ylim(-0.5 * tallest, 0.5 * tallest)


def _draw_between_clicks(axes: "Axes", result: EnsembleResult, row: int, values: np.ndarray, label: str) -> None:
    """A line broken between saved times with a click between them, where the state jumped; lone points as dots."""
    clicks = np.concatenate([np.zeros(0), *(times[row] for times in result.clicks.values())])
    # A click at a saved time is seen at it.
    places = np.unique(np.searchsorted(result.times, clicks, side="left"))
    places = places[(places > 0) & (places < len(result.times))]
    ends = np.concatenate([[0], places, [len(values)]])
    lone = np.flatnonzero(np.diff(ends) == 1)
    dots: dict[str, Any] = {"marker": ".", "markevery": (ends[lone] + lone).tolist()} if len(lone) else {}
    times, values = (np.insert(array, places, np.nan) for array in (result.times, values))
    axes.plot(times, values, color=BLUE, label=label, **dots)


def _mark_clicks(axes: "Axes", result: EnsembleResult, trajectory: int) -> None:
    """A stroke at the lower edge for each click, those of every counter in a row of their own unless there are many."""
    rows = {f"clicks of {name}": clicks[trajectory] for name, clicks in result.clicks.items()}
    if len(rows) > _MOST_COUNTERS:
        rows = {f"clicks of {len(rows)} counters": np.concatenate(list(rows.values()))}
    distance = min(0.06, 0.94 / max(1, len(rows)))
    for place, (name, times) in enumerate(rows.items()):
        colour = _CLICK_COLOURS[place % len(_CLICK_COLOURS)]
        height = np.full(len(times), 0.03 + distance * place)
        across = axes.get_xaxis_transform()
        axes.plot(
            times,
            height,
            "|",
            transform=across,
            color=colour,
            markersize=9,
            markeredgewidth=1.5,
            label=name,
        )


def _draw_counters(
    axes: "Axes",
    times: np.ndarray,
    clicks: Sequence[np.ndarray],
    names: Sequence[str],
    places: ArrayLike | None,
    label: str,
) -> None:
    """A mark at the time of each click and at its counter's place, of none given that among all."""
    heights = np.arange(len(names)) if places is None else np.asarray(places, float)
    for height, own in zip(heights, clicks, strict=True):
        if len(own):
            axes.plot(own, np.full(len(own), height), "o", color=_CLICK_COLOURS[0], markersize=4)
    margin = 0.5 * np.ptp(heights) / max(len(heights) - 1, 1)
    axes.set(xlim=(times[0], times[-1]), ylim=(heights.min() - margin, heights.max() + margin), xlabel=label)
    if places is None:
        axes.set_yticks([0, len(names) - 1], [names[0], names[-1]])
    axes.set_ylabel("counter that clicks" if places is None else "place of the counter")


def plot_record(record: "Record", trajectory: int = 0, names: Sequence[str] | None = None) -> "Figure":
    """One panel per detector of one record: its mean current over each interval, and a moving mean, of few intervals
    the mean since the start.

    Currents are in units of the noise, whose spread over an interval is 1/√length; of heterodyne detection both
    quadratures are drawn, of counters the clicks in each interval.
    names: of the detectors; None for the first eight, with all counters in one panel where there are more of them.
    Raises: ValueError for a trajectory that has no record and a name of no detector.
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
            _draw_counters(axes.pop()[0], record.times, clicks, together, None, "time $t$")
        for name, (panel, *_) in zip(shown, axes, strict=True):
            values = record[name][trajectory]
            if kinds[name] == "counting":
                _draw_counts(panel, record.times, values)
                panel.set_ylabel(f"{name}: clicks per interval")
            else:
                _draw_current(panel, record.times, values)
                text = name if "current" in name else f"{name}: current"
                panel.set_ylabel(f"{text}  [time$^{{-1/2}}$]")
            panel.set_xlabel("time $t$")
            panel.margins(x=0.01)
        left_out = len(chosen) - len(shown)
        title = f"{left_out} more detectors are left out; choose with names=[...]" if left_out else None
        draw_legend(made, axes, title)
    return made


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


def save_figure(made: "Figure", path: str | Path) -> Path:
    """Write a picture, in the format that its name ends in, else PNG; only an earlier picture is replaced.

    Raises: FileExistsError if something else stands there, OSError if it cannot be written, ValueError for a format
        that matplotlib does not know.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    target = check_replaceable(path, "picture", is_picture)
    form = Path(path).suffix.removeprefix(".").lower() or "png"
    replace_file(target, lambda aside: made.savefig(aside, format=form))
    return Path(path)


def _panels(result: EnsembleResult, names: Sequence[str]) -> dict[str, str]:
    """The real rows to be drawn and their labels."""
    panels: dict[str, str] = {}
    for name in names:
        text = label(result, name)
        rows = row_names(name, np.iscomplexobj(result.mean[name]))
        panels |= {row: text if row == name else f"{row.removesuffix(name)}{text}" for row in rows}
    return panels


def label(result: EnsembleResult, name: str) -> str:
    """The axis label of an observable: its symbol and, if the result carries one, its unit."""
    return _with_unit(symbol(name), result.info.get(f"unit:{name}"))


def symbol(name: str) -> str:
    """What an observable is called in a picture."""
    family, _, number = name.rpartition("_")
    return NUMBERED[family] % number if family in NUMBERED else SYMBOLS.get(name, name.replace("_", " "))


def time_label(result: EnsembleResult) -> str:
    """The label of the time axis, with its unit if the result carries one."""
    return _with_unit("time $t$", result.info.get("unit:time"))


def _with_unit(text: str, unit: str | None) -> str:
    return f"{text}  [{unit}]" if unit else text


def _curves(exact: "ExactResult | Mapping[str, np.ndarray] | None") -> Mapping[str, np.ndarray]:
    if exact is None:
        return {}
    return exact if isinstance(exact, Mapping) else exact.expect


def _draw_panel(
    axes: "Axes", result: EnsembleResult, name: str, exact: np.ndarray | None, values: np.ndarray | None
) -> None:
    times, mean, error = result.times, result.mean[name], result.stderr[name]
    for i, single in enumerate(() if values is None else values):
        axes.plot(times, single, color=ORANGE, linestyle="-", linewidth=0.6, label="" if i else "single trajectories")
    axes.fill_between(
        times, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.3, linewidth=0, label="±2 standard errors"
    )
    axes.plot(times, mean, color=BLUE, linestyle="-", label=f"mean of {result.trajectories:,}".replace(",", " "))
    if exact is not None:
        axes.plot(times, exact, color=BLACK, linestyle=(0, (4, 3)), linewidth=1.2, label="exact")
    axes.margins(x=0.01)


def _draw_residuals(axes: "Axes", result: EnsembleResult, name: str, exact: np.ndarray | None) -> None:
    if exact is not None:
        error = result.stderr[name]
        z = np.full_like(error, np.nan)
        # A point without spread, as the start is, has no z.
        np.divide(result.mean[name] - exact, error, out=z, where=error > 1e-9 * np.max(error, initial=0.0))
        axes.plot(result.times, z, color=BLUE, linestyle="none", marker="o", markersize=2.5)
    axes.axhspan(-2, 2, color=BLUE, alpha=0.12, linewidth=0)
    axes.set_ylim(-4.5, 4.5)
    axes.set_yticks([-2, 0, 2])
    axes.set_ylabel("$z$")


def draw_legend(made: "Figure", axes: "list[list[Axes]]", title: str | None = None) -> None:
    """Above all panels, where it can cover no curve: one entry per kind of line, from whichever panel has it."""
    entries: dict[str, Any] = {}
    for column in axes:
        handles, labels = column[0].get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    # So many beside each other as fit the figure: a handle takes half an inch, a letter some seven hundredths.
    fitting = int(made.get_figwidth() / (0.5 + 0.07 * max(map(len, entries), default=1)))
    columns = max(1, min(len(entries), fitting))
    made.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=columns, title=title)

"""The look of every picture. Every colour has a line style of its own, so that they survive a grey printer."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochq.files import check_replaceable, is_picture, replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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

    Returns the figure and `axes[panel][row]`. It belongs to no window and to no global state. Call it within `style()`.
    """
    from stochq.plotting.notebook import Picture

    columns = 2 if panels == 4 else min(panels, 3)
    rows, rows_of_panel = math.ceil(panels / columns), len(rows_each)
    width = 6.4 if columns == 1 else 4.3 * columns
    made = Picture(figsize=(width, 3.1 * rows * sum(rows_each) / rows_each[0] + 0.5), layout="constrained")
    grid = made.add_gridspec(rows * rows_of_panel, columns, height_ratios=list(rows_each) * rows)
    axes: list[list[Axes]] = []
    for panel in range(panels):
        row, column = divmod(panel, columns)
        top = made.add_subplot(grid[row * rows_of_panel, column])
        lower = [made.add_subplot(grid[row * rows_of_panel + i, column], sharex=top) for i in range(1, rows_of_panel)]
        axes.append([top, *lower])
    return made, axes


def save_figure(made: "Figure", path: str | Path) -> Path:
    """Write a picture, in the format that its name ends in, else PNG; only an earlier picture is replaced.

    Raises:
        FileExistsError: if something else stands there.
        OSError: if it cannot be written.
        ValueError: for a format that matplotlib does not know.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    target = check_replaceable(path, "picture", is_picture)
    form = Path(path).suffix.removeprefix(".").lower() or "png"
    replace_file(target, lambda aside: made.savefig(aside, format=form))
    return Path(path)


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

"""Pictures of results."""

from stochq.plotting.look import (
    BLACK,
    BLUE,
    GREEN,
    LINES,
    MARKERS,
    ORANGE,
    PALETTE,
    PURPLE,
    SKY,
    VERMILION,
    draw_legend,
    figure,
    save_figure,
    style,
)
from stochq.plotting.means import MOST_TRAJECTORIES, plot_result
from stochq.plotting.panels import NUMBERED, SYMBOLS, label, symbol, time_label
from stochq.plotting.record import plot_record
from stochq.plotting.trajectory import plot_trajectory

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "LINES",
    "MARKERS",
    "MOST_TRAJECTORIES",
    "NUMBERED",
    "ORANGE",
    "PALETTE",
    "PURPLE",
    "SKY",
    "SYMBOLS",
    "VERMILION",
    "draw_legend",
    "figure",
    "label",
    "plot_record",
    "plot_result",
    "plot_trajectory",
    "save_figure",
    "style",
    "symbol",
    "time_label",
]

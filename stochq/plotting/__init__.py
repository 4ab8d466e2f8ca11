"""Pictures of results and of their states: Bloch sphere, Wigner function, densities, spins; each of them over time."""

from stochq.plotting.animation import animate
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
from stochq.plotting.maps import populations, position, spins
from stochq.plotting.means import MOST_TRAJECTORIES, plot_exact, plot_result
from stochq.plotting.panels import NUMBERED, SYMBOLS, label, symbol, time_label
from stochq.plotting.phase_space import phase_space
from stochq.plotting.qutip_pictures import bloch, wigner
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
    "animate",
    "bloch",
    "draw_legend",
    "figure",
    "label",
    "phase_space",
    "plot_exact",
    "plot_record",
    "plot_result",
    "plot_trajectory",
    "populations",
    "position",
    "save_figure",
    "spins",
    "style",
    "symbol",
    "time_label",
    "wigner",
]

"""The picture of simulated heating of fermions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.output import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


STYLES = list(zip(plotting.PALETTE, plotting.LINES, plotting.MARKERS, strict=True))
# Relative deviations drawn, in percent.
DEVIATION = 2.5
TIME = r"time $t$  [$mr_C^2/\hbar$]"


class Sweep(NamedTuple):
    """Simulated powers against the cut-off, the exact ones at the same cut-offs, and the exact curve."""

    points: Series
    exact: np.ndarray
    curve: Series


def draw(
    gases: tuple[Any, Any],
    occupations: Mapping[str, np.ndarray],
    runs: tuple[Mapping[str, sq.EnsembleResult], Mapping[str, sq.EnsembleResult]],
    sweeps: Mapping[str, Sweep],
) -> "Figure":
    """White noise, coloured noise, and power against cut-off; below, simulated over exact."""
    with plotting.style():
        made, axes = plotting.figure(3, rows_each=(1.0, 0.45))
        titles = ("white noise", r"coloured noise, $\Omega=\hbar/mr_C^2$")
        for (above, below), gas, results, title in zip(axes[:2], gases, runs, titles, strict=True):
            _gains(above, below, gas, occupations, results)
            above.set_title(title)
        _sweep(axes[2][0], axes[2][1], sweeps)
        axes[0][1].set_ylabel("deviation  [%]")
        for above, below in axes:
            above.tick_params(labelbottom=False)
            below.axhline(0.0, color=plotting.BLACK, linestyle="-", linewidth=0.8)
            below.set_ylim(-DEVIATION, DEVIATION)
    return made


def _gains(
    above: "Axes", below: "Axes", gas: Any, occupations: Mapping[str, np.ndarray], results: Mapping[str, Any]
) -> None:
    rate = 4 * gas.heating([0]) if gas.colour is None else None
    for i, (name, result) in enumerate(results.items()):
        color, line, marker = STYLES[i]
        fine = np.linspace(result.times[0], result.times[-1], 81)
        exact = gas.energy_gain(occupations[name], fine)
        if rate is None or i == 0:
            label = "eq. A23, all three" if rate is not None else "_"
            above.plot(
                fine, exact, color=plotting.BLACK if rate else color, linestyle="-" if rate else line, label=label
            )
        at = gas.energy_gain(occupations[name], result.times)[1:]
        mean, error = result.mean["gain"][1:], 2 * result.stderr["gain"][1:]
        above.errorbar(result.times[1:], mean, error, color=color, linestyle="none", marker=marker, label=name)
        aside = result.times[1:] + (i - 1) * 0.015 * result.times[-1]
        percent = 100 * (mean / at - 1)
        below.errorbar(aside, percent, 100 * error / at, color=color, linestyle="none", marker=marker, markersize=3)
    above.set_ylabel(r"gain per particle  [$\hbar^2/mr_C^2$]")
    above.legend(loc="upper left")
    below.set_xlabel(TIME)


def _sweep(above: "Axes", below: "Axes", sweeps: Mapping[str, Sweep]) -> None:
    for i, (name, (points, exact, curve)) in enumerate(sweeps.items()):
        color, line, marker = STYLES[i]
        above.plot(curve.x, curve.y, color=color, linestyle=line, label=f"{name}, eq. 13")
        value, error = np.asarray(points.y), 2 * np.asarray(points.stderr)
        above.errorbar(points.x, value, error, color=color, linestyle="none", marker=marker)
        aside = np.asarray(points.x) * 1.08 ** (i - 1)
        below.errorbar(
            aside, 100 * (value / exact - 1), 100 * error / exact, color=color, linestyle="none", marker=marker
        )
    above.axhline(1.0, color=plotting.BLACK, linestyle=":", linewidth=1)
    above.set(xscale="log", ylabel="power over white noise", ylim=(0, 1.08))
    above.set_title("power against cut-off")
    above.legend(loc="lower right")
    below.set_xlabel(r"cut-off $\Omega=1/\tau$  [$\hbar/mr_C^2$]")

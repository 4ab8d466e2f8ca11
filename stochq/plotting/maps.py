"""Maps over time: chances of levels, of places, and spins of a chain; each at one time as a profile."""

from typing import TYPE_CHECKING

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.plotting.look import BLUE, figure, style
from stochq.plotting.panels import time_label
from stochq.plotting.states import index_of, populations_of
from stochq.systems.grid import Particle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


def populations(result: EnsembleResult, *, trajectory: int | None = None, time: float | None = None) -> "Figure":
    """The chances of the levels of the given basis, over time, or as bars at one time.

    Args:
        result: a run with `keep=` or with `sq.Density()` among its observables.
        trajectory: one of the kept ones; None for the mean.
        time: at which bars are drawn; None for a map over all times.

    Raises:
        ValueError: for a run without states, a trajectory that was not kept, and a time outside.
    """
    chances = populations_of(result, trajectory)
    return _map_or_profile(result, np.arange(chances.shape[1]), chances, time, ("level $k$", "$p_k$"), bars=True)


def position(
    result: EnsembleResult, particle: Particle, *, trajectory: int | None = None, time: float | None = None
) -> "Figure":
    """Where a particle is: its density over time, or at one time, in one dimension or two.

    Args:
        result: a run with `keep=` or with `sq.Density()` among its observables.
        particle: the `sq.systems.particle` that was simulated.
        trajectory: one of the kept ones, whose density is |ψ|²; None for the mean.
        time: at which it is drawn; None for a map over all times, in two dimensions for the last one.

    Raises:
        ValueError: for another system, three dimensions, a run without states, a trajectory that was not kept, and a
            time outside.
    """
    if not isinstance(particle, Particle):
        raise ValueError(
            f"particle: expected the sq.systems.particle that was simulated; got {type(particle).__name__}."
        )
    if particle.dimensions > 2:
        raise ValueError(
            f"particle: expected one dimension or two; got {particle.dimensions}. Draw a marginal of yours."
        )
    cell = (float(particle.length) / particle.points) ** particle.dimensions
    density = populations_of(result, trajectory) / cell
    first = np.asarray(particle.coordinates[0])
    if particle.dimensions == 1:
        return _map_or_profile(result, first, density, time, ("$x$", r"$\rho(x)$"), bars=False)
    index = index_of(result.times, time)
    grid = density[index].reshape(particle.points, particle.points)
    axis = first.reshape(grid.shape)[:, 0]
    with style():
        made, ((panel,),) = figure()
        _draw_map(panel, axis, axis, grid.T, r"$\rho(x, y)$")
        panel.set(xlabel="$x$", ylabel="$y$", aspect="equal", title=_told(result, index))
    return made


def spins(result: EnsembleResult, *, trajectory: int | None = None, time: float | None = None) -> "Figure":
    r"""⟨σ^z⟩ of every spin of a chain, as a map of sites over time, or as a profile at one time.

    The states are those of spins 1/2 in the basis of `sq.systems.ising`: bit j of a level is 0 where spin j is up.

    Args:
        result: a run with `keep=` or with `sq.Density()` among its observables.
        trajectory: one of the kept ones; None for the mean.
        time: at which it is drawn; None for a map over all times.

    Raises:
        ValueError: for a dimension that is no power of two, a run without states, a trajectory that was not kept, and a
            time outside.
    """
    chances = populations_of(result, trajectory)
    sites = chances.shape[1].bit_length() - 1
    if sites < 1 or 2**sites != chances.shape[1]:
        raise ValueError(f"result: expected the 2^n levels of n spins 1/2; got {chances.shape[1]} levels.")
    signs = 1 - 2 * (np.arange(2**sites)[:, None] >> np.arange(sites) & 1)
    labels = ("site $j$", r"$\langle\sigma^z_j\rangle$")
    return _map_or_profile(result, np.arange(sites), chances @ signs, time, labels, bars=True, span=(-1.0, 1.0))


def _map_or_profile(
    result: EnsembleResult,
    places: np.ndarray,
    values: np.ndarray,
    time: float | None,
    labels: tuple[str, str],
    *,
    bars: bool,
    span: tuple[float, float] | None = None,
) -> "Figure":
    low, high = span or (0.0, float(values.max()))
    with style():
        made, ((panel,),) = figure()
        if time is None:
            _draw_map(panel, result.times, places, values.T, labels[1], (low, high))
            panel.set(xlabel=time_label(result), ylabel=labels[0])
            if len(result.times) > 1:
                panel.set_xlim(result.times[0], result.times[-1])
        else:
            index = index_of(result.times, time)
            _draw_profile(panel, places, values[index], bars)
            panel.set(xlabel=labels[0], ylabel=labels[1], title=_told(result, index))
            panel.set_ylim(low - 0.05 * (high - low) * (low < 0), high + 0.05 * (high - low))
    return made


def _draw_map(
    panel: "Axes",
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    label: str,
    span: tuple[float, float] | None = None,
) -> None:
    low, high = span or (None, None)
    colours = "RdBu_r" if low is not None and low < 0 else "viridis"
    mesh = panel.pcolormesh(_edges(x), _edges(y), values, cmap=colours, vmin=low, vmax=high, rasterized=True)
    panel.grid(False)
    if np.issubdtype(y.dtype, np.integer):
        _mark_whole_numbers(panel.yaxis)
    if panel.figure is not None:
        panel.figure.colorbar(mesh, ax=panel, label=label)


def _edges(places: np.ndarray) -> np.ndarray:
    """The edges of cells around these places, half-way between them; of a place alone a cell of width 1."""
    if len(places) == 1:
        return places[0] + np.array([-0.5, 0.5])
    inside = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - inside[0]], inside, [2 * places[-1] - inside[-1]]])


def _mark_whole_numbers(axis: "Axis") -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_profile(panel: "Axes", places: np.ndarray, values: np.ndarray, bars: bool) -> None:
    if bars:
        panel.bar(places, values, color=BLUE, width=0.8)
        _mark_whole_numbers(panel.xaxis)
    else:
        panel.plot(places, values, color=BLUE)
        panel.fill_between(places, values, color=BLUE, alpha=0.15, linewidth=0)
        panel.margins(x=0.01)


def _told(result: EnsembleResult, index: int) -> str:
    return f"$t$ = {result.times[index]:.4g}"

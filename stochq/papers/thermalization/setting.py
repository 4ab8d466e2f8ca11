"""What several claims share: a chain in a product state, groups of trajectories, and drawing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.arrays import ArrayLike, Observable, StateLike, Times
from stochq.papers.output import PURE, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIME = r"time $t$  [$\hbar/\alpha\mathcal{N}$]"
# Units of columns: time in units of the rate, and a pure number over it.
TIME_UNIT = "ħ/αN"
OVER_TIME = (TIME_UNIT, PURE)


def chain(sites: int) -> sq.systems.Hamiltonian:
    """An Ising chain that is not integrable: its energies are spread and not degenerate."""
    return sq.systems.ising(sites, coupling=1.0, transverse=0.9, longitudinal=0.4)


def product_state(sites: int, angle: float) -> np.ndarray:
    """All spins turned by `angle` from +z towards +x, (2^sites,)."""
    psi = np.ones(1)
    for _ in range(sites):
        psi = np.kron(psi, [np.cos(angle / 2), np.sin(angle / 2)])
    return psi


# Digits of the integrated master equation, as `sq.exact.evolve` has it with method="ode".
INTEGRATED = 1e-8


def integrated(
    equation: sq.Equation, start: StateLike, times: Times, observables: Mapping[str, Observable] | None = None
) -> sq.exact.ExactResult:
    """The master equation by a Runge-Kutta method, which knows none of the closed forms that it is to judge."""
    return sq.exact.evolve(equation, start, times, observables=observables, method="ode")


def whole(count: int, effort: float, least: int = 64) -> int:
    """A number of trajectories, scaled."""
    return max(least, round(count * effort))


def grouped(
    equation: sq.Equation,
    psi0: StateLike,
    times: Times,
    observables: Mapping[str, Observable | sq.Statistic],
    *,
    trajectories: int,
    groups: int,
    seed: int,
    dt: float,
) -> list[sq.EnsembleResult]:
    """Independent runs, whose scatter is the error of whatever is computed from an ensemble."""
    each = max(2, trajectories // groups)
    return [
        sq.simulate(
            equation,
            psi0,
            times,
            observables=observables,
            trajectories=each,
            seed=seed + 1 + group,
            dt=dt,
            progress=False,
        )
        for group in range(groups)
    ]


def jackknife(
    results: Sequence[sq.EnsembleResult], function: Callable[[Sequence[sq.EnsembleResult]], ArrayLike]
) -> tuple[np.ndarray, np.ndarray]:
    """A function of all groups with the bias of finite ensembles removed, and its standard error."""
    count = len(results)
    full = np.asarray(function(results))
    without = np.array([function([*results[:i], *results[i + 1 :]]) for i in range(count)])
    mean = without.mean(axis=0)
    error = np.sqrt((count - 1) / count * np.sum((without - mean) ** 2, axis=0))
    return count * full - (count - 1) * mean, error


def ensemble_series(
    name: str,
    result: sq.EnsembleResult,
    observable: str,
    scale: float = 1.0,
    units: tuple[str, str] = OVER_TIME,
) -> Series:
    """A mean with its standard errors; times multiplied by `scale`."""
    return Series(name, result.times * scale, result.mean[observable], result.stderr[observable], units=units)


def draw_curve(axes: "Axes", series: Series, index: int, label: str | None = None, **options: Any) -> None:
    """A line in the palette's colour and line style."""
    settings: dict[str, Any] = {
        "color": plotting.PALETTE[index],
        "linestyle": plotting.LINES[index],
        "label": label or series.name,
    }
    axes.plot(series.x, series.y, **(settings | options))


def draw_points(axes: "Axes", series: Series, index: int, label: str | None = None, **options: Any) -> None:
    """Points with bars of two standard errors, in the palette's colour and marker."""
    settings: dict[str, Any] = {
        "color": plotting.PALETTE[index],
        "marker": plotting.MARKERS[index],
        "label": label or series.name,
    }
    settings |= {"linestyle": "none", "capsize": 2, "elinewidth": 1.2, "markersize": 4.5}
    axes.errorbar(series.x, series.y, 2 * np.asarray(series.stderr), **(settings | options))


def draw_singles(axes: "Axes", times: Times, values: Iterable[np.ndarray], label: str = "single trajectories") -> None:
    """Thin lines, one per row of values (trajectory, time)."""
    for index, single in enumerate(values):
        axes.plot(
            times,
            single,
            color=plotting.SKY,
            linestyle="-",
            linewidth=0.6,
            zorder=1,
            label=label if index == 0 else "_",
        )


def expectation(states: np.ndarray, operator: ArrayLike) -> np.ndarray:
    """Values of a diagonal or dense operator in kept states (trajectory, time, dim)."""
    operator = np.asarray(operator)
    if operator.ndim == 1:
        return np.abs(states) ** 2 @ operator
    return np.einsum("nti,ij,ntj->nt", states.conj(), operator, states, optimize=True).real

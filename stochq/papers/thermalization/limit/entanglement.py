r"""(e) Entropy of half a chain in single systems: each comes to the entropy of a random state, and stays.

From a product state in the middle of the spectrum, whose canonical equilibrium is even (β = 0), single states become
Haar's. Half a chain of dimension $m = n = 2^{\mathcal N/2}$ then has the mean entropy of Page (1993),

$$S = \sum_{k=n+1}^{mn}\frac1k - \frac{m-1}{2n},$$

whatever the chain. Without OQT the chaotic chain comes near it, the integrable one stays below. Each state is pure all
the time: this entropy is of the half, not of the whole.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import by_largest_z
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part, lengths, spins

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COUPLING, TRANSVERSE, ALPHA, SEED = 1.0, 0.9, 0.05, 1501
FIELDS = {"integrable": 0.0, "chaotic": 0.4}
SIZES, LONGER, END = (4, 6, 8), (10, 12), 8.0
TIMES = np.linspace(0.0, END, 33)


def entropies(effort: float, sizes: tuple[int, ...] | None = None) -> Part:
    """Entropy of half a chain over time, and its late mean against Page's."""
    sizes = lengths(SIZES, LONGER, effort) if sizes is None else sizes
    count = setting.whole(64, effort, 16)
    ends = np.array([_entropy(sites, "chaotic", 1.0, count)[:, -1] for sites in sizes])
    mean, error = ends.mean(axis=1), ends.std(axis=1, ddof=1) / np.sqrt(count)
    pages = np.array([page(2 ** (sites // 2)) for sites in sizes])
    largest = sizes[-1]
    singles = {
        f"{name}, {label}": _entropy(largest, name, strength, 2)[0]
        for name in FIELDS
        for label, strength in (("unitary", 0.0), ("OQT", 1.0))
    }
    series = [
        Series("late entropy of single systems", sizes, mean, error, units=(PURE, PURE)),
        Series("Page", sizes, pages, units=(PURE, PURE)),
        *(Series(f"entropy: {name}", TIMES, some, units=setting.OVER_TIME) for name, some in singles.items()),
    ]
    checks = [by_largest_z("late entropy of half a chain against Page's", mean, error, pages)]
    return Part(series, checks, (partial(_draw, series[2:], pages[-1], largest),))


def page(half: int) -> float:
    """Mean entropy of half of a random pure state of dimension half²."""
    return float(np.sum(1 / np.arange(half + 1, half**2 + 1)) - (half - 1) / (2 * half))


def _entropy(sites: int, name: str, strength: float, count: int) -> np.ndarray:
    """Entropies (trajectory, time) of half a chain whose spins start along y; times in relaxation times of OQT."""
    system, rate = spins(sites, COUPLING, TRANSVERSE, FIELDS[name]), ALPHA * sites
    along_y = 1j ** np.array([state.bit_count() for state in range(2**sites)]) * 2 ** (-sites / 2)
    run = sq.simulate(
        sq.models.oqt(system, strength=strength * rate, equilibrium=sq.canonical(system, 0.0), noise="complex"),
        along_y,
        TIMES / rate,
        observables={"transverse": system.operators["transverse"]},
        trajectories=count,
        keep=count,
        dt=float(TIMES[1] / rate),
        seed=SEED + sites,
        progress=False,
    )
    half = 2 ** (sites // 2)
    weights = np.linalg.svd(run.kept.reshape(*run.kept.shape[:2], half, half), compute_uv=False) ** 2
    return -np.sum(weights * np.log(np.maximum(weights, np.finfo("f4").tiny)), axis=-1)


def _draw(series: list[Series], expected: float, sites: int, axes: "Axes") -> None:
    for index, some in enumerate(series):
        setting.draw_curve(axes, some, index, some.name.removeprefix("entropy: "))
    axes.axhline(expected, color=plotting.BLACK, linestyle=":", label="Page, random states")
    axes.set(xlabel=setting.TIME, ylabel="entropy of half a chain", ylim=(0, None))
    axes.set_title(f"(e) single systems of {sites} sites")
    axes.legend()

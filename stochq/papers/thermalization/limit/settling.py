r"""(b) When ONE system stays within δ of its equilibrium, with OQT and without, integrable and chaotic.

⟨σ^x⟩, mean over sites, of an Ising chain whose spins all start along x, with the canonical equilibrium of their energy.
Its mean under OQT is known,

$$E\langle O\rangle(t) = O_\chi + e^{-at}(\langle O\rangle_{\rm unitary}(t) - O_\chi),$$

and single systems follow it up to fluctuations that die with the size (a). Without OQT the integrable chain (h = 0)
keeps the occupations of its modes, which no canonical state has: ⟨σ^x⟩ oscillates about another value, ½ in a long one.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

import stochq as sq
from stochq import plotting
from stochq.arrays import Number
from stochq.papers.checks import LEVEL, Check, by_comparison
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part, all_sigma_x, lengths, over_states, spins, thermal_mean
from stochq.papers.thermalization.limit.fermions import Modes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COUPLING, TRANSVERSE, ALPHA, SEED = 1.0, 0.6, 0.06, 1201
# Longitudinal field, and β at which the canonical energy is that of spins along x, -g a site.
CHAINS = {"integrable": (0.0, 0.56), "chaotic": (0.3, 0.43)}
DELTA, END, POINTS, SHOWN = 0.15, 40.0, 161, 3
SIZES, LONGER, SMALL = (4, 6, 8, 10), (12, 14), 8
UNITS, TIMES_UNITS = ("ħ/J", PURE), (PURE, "ħ/J")


class Course:
    """⟨σ^x⟩ over time of a chain: without OQT, in the mean over OQT, and in single systems."""

    def __init__(self, sites: int, name: str, count: int) -> None:
        longitudinal, beta = CHAINS[name]
        self.system = spins(sites, COUPLING, TRANSVERSE, longitudinal)
        self.sites, self.name = sites, name
        self.times = np.linspace(0, END, POINTS)
        self.chi = sq.canonical(self.system, beta)
        self.observables = {"transverse": self.system.operators["transverse"]}
        self.thermal = thermal_mean(self.system, self.chi, self.observables["transverse"])
        self.psi0 = np.full(2**sites, 2 ** (-sites / 2))
        self.unitary = self.exact(0.0).expect["transverse"]
        self.expected = self.exact(ALPHA * sites)
        self.mean = self.expected.expect["transverse"]
        self.run = sq.simulate(
            self.equation(ALPHA * sites),
            self.psi0,
            self.times,
            observables=self.observables,
            trajectories=count,
            keep=count,
            seed=SEED + sites,
            dt=self.times[1],
            progress=False,
        )
        self.singles = over_states(all_sigma_x, self.run.kept)

    def equation(self, strength: Number) -> sq.Equation:
        """OQT with complex noise."""
        return sq.models.oqt(self.system, strength=strength, equilibrium=self.chi, noise="complex")

    def exact(self, strength: float) -> sq.exact.ExactResult:
        """The master equation."""
        return sq.exact.evolve(self.equation(strength), self.psi0, self.times, observables=self.observables)

    def settled(self, values: np.ndarray, delta: float = DELTA) -> np.ndarray:
        """The first time after which values (..., times) stay within δ of equilibrium; infinite if they do not."""
        outside = np.abs(values - self.thermal) > delta
        after = POINTS - np.argmax(outside[..., ::-1], axis=-1)
        times = np.append(self.times, np.inf)
        return np.where(outside.any(axis=-1), times[after], 0.0)


def all_courses(effort: float, sizes: tuple[int, ...] | None = None) -> dict[str, list[Course]]:
    """Those of both chains, by size. Fluctuations of small chains are large, and their trajectories cheap."""
    sizes = lengths(SIZES, LONGER, effort) if sizes is None else sizes
    few, many = setting.whole(16, effort, 8), setting.whole(200, effort, 32)
    return {name: [Course(sites, name, few if sites > SMALL else many) for sites in sizes] for name in CHAINS}


def settling_part(courses: dict[str, list[Course]]) -> Part:
    """Times to stay within δ, over the number of sites, and the courses of the largest chains."""
    largest = {name: some[-1] for name, some in courses.items()}
    checks = [check for course in largest.values() for check in _checks(course)] + _integrable(largest["integrable"])
    times = {name: _times(name, some) for name, some in courses.items()}
    series = [some for name in CHAINS for some in times[name] + _course(largest[name])]
    panels = (*(partial(_draw_course, largest[name]) for name in CHAINS), partial(_draw_times, times))
    return Part(series, checks, panels)


def _times(name: str, courses: list[Course]) -> list[Series]:
    sizes = [course.sites for course in courses]
    latest = [course.settled(course.singles).max() for course in courses]
    means = [course.settled(course.mean) for course in courses]
    forever = [course.settled(course.unitary) for course in courses]
    return [
        Series(f"{name}: OQT, the latest of all single systems stays", sizes, latest, units=TIMES_UNITS),
        Series(f"{name}: OQT, the mean stays", sizes, means, units=TIMES_UNITS),
        Series(f"{name}: unitary, it stays", sizes, forever, units=TIMES_UNITS),
    ]


def _course(course: Course) -> list[Series]:
    name, times = f"{course.name}, {course.sites} sites", course.times
    return [
        Series(f"{name}: unitary", times, course.unitary, units=UNITS),
        Series(f"{name}: OQT mean, exact", times, course.mean, units=UNITS),
        Series(f"{name}: equilibrium", [0, END], [course.thermal] * 2, units=UNITS),
        *(Series(f"{name}: OQT trajectory {i}", times, course.singles[i], units=UNITS) for i in range(SHOWN)),
    ]


def _checks(course: Course) -> list[Check]:
    """The ensemble; and every single system: none settles earlier or later than the mean does for δ ± fluctuations."""
    name = f"{course.name}, {course.sites} sites"
    spread = np.sqrt(course.run.variance["transverse"].max())
    margin = stats.norm.isf(LEVEL / course.singles.size / 2) * spread
    first, last = (float(course.settled(course.mean, DELTA + sign * margin)) for sign in (1, -1))
    settled = course.settled(course.singles)
    inside = float(np.mean((settled >= first) & (settled <= last)))
    return [
        by_comparison(f"{name}: the ensemble", sq.compare(course.run, course.expected)),
        Check(f"{name}: share of single systems that settle from t = {first:.3g} to {last:.3g}", inside, 1.0, 0.0),
    ]


def _integrable(course: Course) -> list[Check]:
    """Without OQT: as free fermions, and still beyond δ at the end, within a period of the slowest mode inside."""
    modes = Modes(course.sites, COUPLING, TRANSVERSE)
    difference = float(np.abs(course.unitary - modes.along_x(course.times)).max())
    last = min(float(course.settled(course.unitary)), END)
    # The slowest mode of all sits at the ends, with an energy of almost 0.
    period = float(np.pi / np.sort(modes.halves)[1])
    return [
        Check("integrable, unitary: free fermions, largest difference", difference, 0.0, setting.INTEGRATED),
        Check("integrable, unitary: last time beyond δ", last, END, period),
    ]


def _draw_course(course: Course, axes: "Axes") -> None:
    axes.axhspan(course.thermal - DELTA, course.thermal + DELTA, color="0.92", label=rf"equilibrium ± $\delta={DELTA}$")
    setting.draw_singles(axes, course.times, course.singles[:SHOWN], "single systems, OQT")
    axes.plot(course.times, course.unitary, color=plotting.PALETTE[1], linestyle="-", linewidth=0.9, label="unitary")
    axes.plot(course.times, course.mean, color=plotting.PALETTE[0], linestyle="--", label="mean, OQT")
    axes.set(xlabel=r"time $t$  [$\hbar/J$]", ylabel=r"$\langle\sigma^x\rangle$, mean over sites", ylim=(-0.15, 1.6))
    axes.set_title(f"(b) {course.name} chain of {course.sites} sites")
    axes.legend(loc="upper right")


def _draw_times(times: dict[str, list[Series]], axes: "Axes") -> None:
    """Times beyond the run, and times of those that never settle in it, stand at its end."""
    for index, (name, (latest, _, forever)) in enumerate(times.items()):
        shift, color = 0.16 * (index - 0.5), plotting.PALETTE[index]
        for some, marker, filled, label in (
            (latest, "o", color, "OQT, slowest of all"),
            (forever, "^", "none", "unitary"),
        ):
            height = np.minimum(some.y, END)
            axes.plot(
                some.x + shift, height, marker, color=color, mfc=filled, linestyle="none", label=f"{name}: {label}"
            )
    axes.axhline(END, color="0.6", linewidth=0.8)
    axes.set(yscale="log", xlabel=r"number of sites $\mathcal{N}$", ylim=(0.3, 1.5 * END))
    axes.set_ylabel(rf"within $\delta={DELTA}$ from $t$ on  [$\hbar/J$]")
    axes.set_title("(b) when systems have settled; line: not in the run")
    axes.legend(loc="lower left", fontsize="small")

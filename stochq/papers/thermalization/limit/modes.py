r"""(c) What unitary dynamics never equilibrates: the occupations of the modes of the integrable chain.

Each is conserved by H, whatever the initial state. Under OQT every one goes from its initial value to Fermi's,

$$E\,m_n(t) = e^{-at}m_n(0) - (1-e^{-at})\tanh(\beta\varepsilon_n/2), \qquad m_n = 2\hat n_n - 1,$$

in the mean, and in ONE system up to fluctuations of variance Tr χm̃χm̃/(1 + Tr χ²), known in closed form.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_error, by_largest_z
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part, lengths, spins
from stochq.papers.thermalization.limit.fermions import Modes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COUPLING, TRANSVERSE, BETA, ALPHA, SEED = 1.0, 0.6, 0.56, 0.06, 1301
SITES, LONGER, END = (10,), (14,), 8.0
TIMES = np.linspace(0.0, END, 33)


def occupations(effort: float, sites: int | None = None) -> Part:
    """Occupations over energy before and after, and their distance from Fermi's law over time."""
    sites = lengths(SITES, LONGER, effort)[-1] if sites is None else sites
    modes, count = Modes(sites, COUPLING, TRANSVERSE), setting.whole(24, effort, 12)
    system, rate = spins(sites, COUPLING, TRANSVERSE, 0.0), ALPHA * sites
    chi, psi0 = sq.canonical(system, BETA), np.full(2**sites, 2 ** (-sites / 2))
    runs = [_run(modes, system, strength, chi, psi0, count) for strength in (0.0, rate)]
    forever, values = runs
    fermi, variance = modes.thermal(BETA), modes.variance(BETA)
    checks = [_conserved(forever), *_equilibrated(values, fermi, variance)]
    return _part(modes, forever, values, fermi, checks)


def _run(
    modes: Modes, system: sq.systems.Hamiltonian, strength: float, chi: np.ndarray, psi0: np.ndarray, count: int
) -> np.ndarray:
    """⟨m_n⟩ (trajectory, time, mode); times in relaxation times of OQT."""
    rate = ALPHA * modes.sites
    run = sq.simulate(
        sq.models.oqt(system, strength=strength, equilibrium=chi, noise="complex"),
        psi0,
        TIMES / rate,
        observables={"energy": system.operators["energy"]},
        trajectories=count,
        keep=count,
        dt=float(TIMES[1] / rate),
        seed=SEED,
        progress=False,
    )
    return np.array([[modes.occupations(psi) for psi in states] for states in run.kept])


def _conserved(forever: np.ndarray) -> Check:
    change = float(np.abs(forever - forever[:, :1]).max())
    # Rounding of single precision, a step at a time.
    return Check("unitary: change of the occupations", change, 0.0, len(TIMES) * 16 * float(np.finfo("f4").eps))


def _equilibrated(values: np.ndarray, fermi: np.ndarray, variance: np.ndarray) -> list[Check]:
    """Means over trajectories at all times by their largest z; late deviations of single systems against theory."""
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    law = fermi + np.exp(-TIMES)[:, None] * (values[0, 0] - fermi)
    # At every fourth time: neighbours share their noise.
    late = values[:, -1]
    scaled = np.mean((late - fermi) ** 2 / variance, axis=1)
    return [
        by_largest_z("OQT: means of all modes", mean[4::4], error[4::4], law[4::4]),
        by_error(
            "OQT: squared deviations of single systems over their variance",
            scaled.mean(),
            scaled.std(ddof=1) / np.sqrt(len(scaled)),
            1.0,
            len(scaled),
        ),
    ]


def _part(modes: Modes, forever: np.ndarray, values: np.ndarray, fermi: np.ndarray, checks: list[Check]) -> Part:
    energies, one = 2 * modes.halves, (1 + values[0]) / 2
    initial, law = (1 + values[0, 0]) / 2, (1 + fermi) / 2
    distances = {
        "unitary": np.sqrt(np.mean((forever[0] - fermi) ** 2, axis=1)) / 2,
        "one system, OQT": np.sqrt(np.mean((values[0] - fermi) ** 2, axis=1)) / 2,
    }
    occupied = ("J", PURE)
    series = [
        Series("occupation: initial, and for ever without OQT", energies, initial, units=occupied),
        Series("occupation: Fermi's law", energies, law, units=occupied),
        Series("occupation: one system under OQT at the end", energies, one[-1], units=occupied),
        *(Series(f"distance: {name}", TIMES, some, units=setting.OVER_TIME) for name, some in distances.items()),
    ]
    return Part(series, checks, (partial(_draw_law, series[:3], modes.sites), partial(_draw_distance, series[3:])))


def _draw_law(series: list[Series], sites: int, axes: "Axes") -> None:
    initial, law, one = series
    order = np.argsort(law.x)
    axes.plot(law.x[order], law.y[order], color=plotting.PALETTE[0], label="Fermi's law")
    axes.plot(initial.x, initial.y, "s", color=plotting.PALETTE[1], mfc="none", label="initial, kept without OQT")
    axes.plot(
        one.x,
        one.y,
        "o",
        color=plotting.PALETTE[2],
        markersize=4,
        label=rf"one system, $t={END:g}\,\hbar/\alpha\mathcal{{N}}$",
    )
    axes.set(xlabel=r"energy of the mode $\varepsilon_n$  [$J$]", ylabel=r"occupation $\langle n_n\rangle$")
    axes.set_title(f"(c) modes of the integrable chain, {sites} sites")
    axes.legend()


def _draw_distance(series: list[Series], axes: "Axes") -> None:
    for index, some in enumerate(series):
        setting.draw_curve(axes, some, index, some.name.removeprefix("distance: "))
    axes.set(xlabel=setting.TIME, ylabel="r.m.s. distance from Fermi's law", ylim=(0, None))
    axes.set_title("(c) a system forgets its occupations")
    axes.legend()

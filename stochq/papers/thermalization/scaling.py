"""The larger, the faster: relaxation at the rate α𝒩/ħ of chains with 𝒩 sites and one α."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

import stochq as sq
from stochq import plotting
from stochq.papers.checks import by_error
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ALPHA, SIZES, SEED = 0.1, (2, 3, 5, 7), 809
# Weak error of the step well below the statistical one: 25 steps per relaxation time.
STEPS = 25


def size_scaling(effort: float = 1.0) -> Claim:
    """Rates fitted to the energy of chains that relax to a canonical state, against α𝒩."""
    runs = [_relax(sites, setting.whole(2048, effort, 256)) for sites in SIZES]
    fits = np.array([fit for _, fit in runs])
    checks = [
        by_error(f"fitted rate over α𝒩 for 𝒩 = {n}", rate / (ALPHA * n), error / (ALPHA * n), 1.0)
        for n, (rate, error) in zip(SIZES, fits, strict=True)
    ]
    series = [
        Series("fitted rate", SIZES, *fits.T, units=(PURE, "J/ħ")),
        Series("law", [0, 8], [0, 8 * ALPHA], units=(PURE, "J/ħ")),
    ]
    return Claim(series + [some for some, _ in runs], checks, _draw(series, [some for some, _ in runs]))


def _relax(sites: int, count: int) -> tuple[Series, tuple[float, float]]:
    """(⟨H⟩ - E_χ)/(E_0 - E_χ) of the ensemble and the rate fitted to it with its error."""
    system, psi0 = setting.chain(sites), setting.product_state(sites, 0.8)
    chi = sq.canonical(system, 0.2)
    start, end = float(psi0 @ system.matrix().real @ psi0), float(chi @ system.energies)
    scaled = (system.matrix().real - end * np.eye(system.dim)) / (start - end)
    rate = ALPHA * sites
    times = np.linspace(0, 2 / rate, 11)
    result = sq.simulate(
        sq.models.oqt(system, strength=rate, equilibrium=chi),
        psi0,
        times,
        observables={"energy": scaled},
        trajectories=count,
        seed=SEED + sites,
        dt=1 / (STEPS * rate),
        progress=False,
    )
    name = f"{sites} sites"
    return setting.ensemble_series(name, result, "energy", 1.0, ("ħ/J", PURE)), _fit_rate(result)


def _fit_rate(result: sq.EnsembleResult) -> tuple[float, float]:
    """One rate in e^{-at}, by least squares with the covariance between times."""
    assert result.covariance is not None
    points = [time for _, time in result.covariance_points]
    whiten = np.linalg.inv(np.linalg.cholesky(result.covariance / result.trajectories))
    times, mean = result.times[points], result.mean["energy"][points]
    found = least_squares(lambda rate: whiten @ (mean - np.exp(-rate * times)), 1 / times[-1])
    return float(found.x[0]), float(1 / np.linalg.norm(found.jac))


def _draw(series: list[Series], runs: list[Series]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        for index, (sites, run) in enumerate(zip(SIZES, runs, strict=True)):
            grid = np.linspace(0, run.x[-1], 80)
            left.plot(
                grid, np.exp(-ALPHA * sites * grid), color=plotting.PALETTE[index], linestyle=plotting.LINES[index]
            )
            setting.draw_points(left, run, index, rf"$\mathcal{{N}}={sites}$ ± 2 s.e.")
        left.set(xlabel=r"time $t$  [$\hbar/J$]", ylabel=r"$(\langle H\rangle-E_\chi)\,/\,(E_0-E_\chi)$")
        left.legend()
        setting.draw_curve(right, series[1], 0, r"$\alpha\mathcal{N}/\hbar$")
        setting.draw_points(right, series[0], 1, "fitted ± 2 s.e.")
        right.set(
            xlabel=r"number of sites $\mathcal{N}$", ylabel=r"relaxation rate  [$J/\hbar$]", xlim=(0, 8), ylim=(0, None)
        )
        right.legend()
    return made

"""Eq. 6: the ensemble relaxes as ρ(t) = e^{-at} Uρ₀U† + (1 - e^{-at})χ, and Tr(ρ - χ)² as e^{-2at}."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison, by_error
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SITES, RATE, ANGLE, SEED, GROUPS = 6, 0.6, -0.6, 101, 16


def relaxation_claim(effort: float = 1.0) -> Claim:
    """Energy, populations and the squared distance from equilibrium of a chain of six sites."""
    system, psi0 = setting.chain(SITES), setting.product_state(SITES, ANGLE)
    chi = sq.microcanonical(system, psi0)
    equation = sq.models.oqt(system, strength=RATE, equilibrium=chi)
    times = np.linspace(0, 3 / RATE, 25)
    observables = {"energy": system.matrix().real} | _populations(system, psi0, chi)
    closed = sq.exact.oqt_closed_form(system, psi0, times, rate=RATE, equilibrium=chi)
    exact = setting.integrated(equation, psi0, times, observables)
    count = setting.whole(4096, effort)
    result = sq.simulate(equation, psi0, times, observables=observables, trajectories=count, seed=SEED, progress=False)
    early = times[: np.searchsorted(times, 1.6 / RATE)]
    groups = setting.grouped(
        equation, psi0, early, {"rho": sq.Density()}, trajectories=count, groups=GROUPS, seed=SEED, dt=result.dt
    )
    vectors = np.asarray(system.eigenvectors)
    target = vectors @ np.diag(chi) @ vectors.T
    distance, slope = _distance_law(groups, target, early, times, closed)
    difference = float(np.abs(exact.density - closed).max())
    checks = [
        Check("eq. 6 for ρ against the integrated equation, largest difference", difference, 0.0, setting.INTEGRATED),
        by_comparison("⟨H⟩ and populations against the integrated equation", sq.compare(result, exact)),
        by_error("rate of Tr(ρ - χ)², in a", *slope, 2.0, GROUPS),
    ]
    series = [Series(f"{n} exact", times * RATE, exact.expect[n], units=_units(n)) for n in observables]
    series += [setting.ensemble_series(f"{n} ensemble", result, n, RATE, _units(n)) for n in observables]
    return Claim(series + distance, checks, _draw(series, distance, list(observables), slope))


def _units(name: str) -> tuple[str, str]:
    return (setting.TIME_UNIT, "J" if name == "energy" else PURE)


def _populations(system: sq.systems.Hamiltonian, psi0: np.ndarray, chi: np.ndarray) -> dict[str, np.ndarray]:
    """Projectors on one eigenstate inside the window and the fullest one outside."""
    vectors = np.asarray(system.eigenvectors)
    filled = np.abs(vectors.T @ psi0) ** 2
    inside = int(np.argmin(np.where(chi > 0, filled, 2)))
    outside = int(np.argmax(np.where(chi > 0, -1, filled)))
    return {
        "population inside": np.outer(vectors[:, inside], vectors[:, inside]),
        "population outside": np.outer(vectors[:, outside], vectors[:, outside]),
    }


def _squared_distance(groups: Sequence[sq.EnsembleResult], target: np.ndarray) -> np.ndarray:
    """Tr(ρ - χ)² (time,) without the bias of a finite ensemble: pairs of a trajectory with itself are taken out."""
    count = sum(group.trajectories for group in groups)
    rho = sum(group.density * (group.trajectories / count) for group in groups)
    purity = np.einsum("tij,tij->t", rho, rho.conj()).real
    overlap = np.einsum("tij,ij->t", rho, target.conj()).real
    return (count * purity - 1) / (count - 1) - 2 * overlap + np.sum(np.abs(target) ** 2)


def _distance_law(
    groups: list[sq.EnsembleResult], target: np.ndarray, early: np.ndarray, times: np.ndarray, closed: np.ndarray
) -> tuple[list[Series], tuple[float, float]]:
    value, error = setting.jackknife(groups, lambda some: _squared_distance(some, target))

    def slope(some: Sequence[sq.EnsembleResult]) -> float:
        logarithm = np.log(_squared_distance(some, target)[1:] / value[0])
        weight = (value[1:] / error[1:]) ** 2
        return -np.sum(weight * early[1:] * logarithm) / np.sum(weight * early[1:] ** 2) / RATE

    exact = np.sum(np.abs(closed - target) ** 2, axis=(1, 2))
    law = sq.exact.oqt_squared_distance(exact[0], RATE, times)
    rate, rate_error = setting.jackknife(groups, slope)
    series = [
        Series("distance exact", times * RATE, exact, units=setting.OVER_TIME),
        Series("distance law", times * RATE, law, units=setting.OVER_TIME),
        Series("distance ensemble", early * RATE, value, error, units=setting.OVER_TIME),
    ]
    return series, (float(rate), float(rate_error))


def _draw(series: list[Series], distance: list[Series], names: list[str], slope: tuple[float, float]) -> "Figure":
    labels = [r"$\langle H\rangle$", "inside the window", "outside the window"]
    with plotting.style():
        made, axes = plotting.figure(3)
        for index in range(len(names)):
            panel = axes[0 if index == 0 else 1][0]
            setting.draw_curve(panel, series[index], index, f"{labels[index]}, eq. 6")
            setting.draw_points(panel, series[index + len(names)], index, "ensemble ± 2 s.e.", markersize=3.5)
        axes[0][0].set_ylabel(r"energy $\langle H\rangle$  [$J$]")
        axes[1][0].set_ylabel("population of an eigenstate")
        panel = axes[2][0]
        setting.draw_curve(panel, distance[1], 0, r"$D_0\,e^{-2\alpha\mathcal{N}t/\hbar}$")
        setting.draw_points(panel, distance[2], 1, "ensemble ± 2 s.e.")
        panel.set_yscale("log")
        panel.set_ylabel(r"$\mathrm{Tr}(\rho-\chi)^2$")
        panel.set_title(rf"fitted rate {slope[0]:.3f} $\pm$ {slope[1]:.3f}  [$\alpha\mathcal{{N}}/\hbar$]")
        for (panel,) in axes:
            panel.set_xlabel(setting.TIME)
            panel.legend()
    return made

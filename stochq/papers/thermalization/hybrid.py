"""Eq. 8: where reduction and thermalization together lead, from the microcanonical to Born's distribution of it."""

from typing import TYPE_CHECKING

import jax
import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison, by_largest_z
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


X_BASIS = np.array([[1.0, 1.0], [1.0, -1.0]]) * 0.5**0.5
Z_CHI, THERMALIZATION, SEED = 0.5, 0.4, 601
POINTS = (0.05, 0.3, 1.75, 10.0)
SITES = 4
NUMBERS = (PURE, PURE)
PLATEAU = ("ħ/unit of energy", PURE)
CHAIN_RATIOS = np.geomspace(1e-3, 1e5, 25)


def hybrid_steady_state(effort: float = 1.0) -> Claim:
    """The steady state over 𝒥/α for a qubit and a chain, and Born's rule at intermediate times."""
    count = setting.whole(4000, effort, 256)
    qubit, qubit_checks = _qubit(count)
    many, chain_checks = _chain(CHAIN_RATIOS)
    plateau, plateau_checks = _plateau(count)
    checks = qubit_checks + chain_checks + plateau_checks
    return Claim(qubit + many + plateau, checks, _draw(qubit, many, plateau))


def _qubit_equation(reduction: float, thermalization: float = THERMALIZATION, gap: float = 1.0) -> sq.Equation:
    chi = [(1 - Z_CHI) / 2, (1 + Z_CHI) / 2]
    return sq.models.sui(
        sq.systems.levels([-gap / 2, gap / 2]),
        reduction=reduction,
        thermalization=thermalization,
        equilibrium=chi,
        basis=X_BASIS,
    )


def _qubit(count: int) -> tuple[list[Series], list[Check]]:
    """z_∞ = a z_χ/(a + r), H ∝ σ_z, reduction in σ_x. The second level is the upper one, z = +1."""
    ratios = np.geomspace(0.01, 100, 41)
    z = np.array([-1.0, 1.0])

    def steady(reduction: float) -> float:
        return float(np.diag(sq.exact.steady_state(_qubit_equation(reduction))).real @ z)

    law = np.array([sq.exact.sui_qubit_steady_z(r * THERMALIZATION, THERMALIZATION, Z_CHI) for r in ratios])
    exact = np.array([steady(ratio * THERMALIZATION) for ratio in ratios])
    means, errors = [], []
    for index, ratio in enumerate(POINTS):
        equation = _qubit_equation(ratio * THERMALIZATION)
        # Slower of the two: 14 relaxation times leave less than a millionth of the start.
        times = np.linspace(0, 14 / THERMALIZATION / (1 + ratio), 15)
        result = sq.simulate(
            equation, [0.6, 0.8], times, observables={"z": z}, trajectories=count, seed=SEED + index, progress=False
        )
        means.append(result.mean["z"][-1])
        errors.append(result.stderr["z"][-1])
    expected = [sq.exact.sui_qubit_steady_z(p * THERMALIZATION, THERMALIZATION, Z_CHI) for p in POINTS]
    checks = [
        Check("z_∞ = a z_χ/(a + r), largest difference", float(np.abs(exact - law).max()), 0.0, 1e-9),
        by_largest_z("z of the ensemble at late times", means, errors, expected),
    ]
    return [
        Series("qubit exact", ratios, exact, units=NUMBERS),
        Series("qubit law", ratios, law, units=NUMBERS),
        Series("qubit ensemble", POINTS, means, errors, units=NUMBERS),
    ], checks


def _chain(ratios: np.ndarray) -> tuple[list[Series], list[Check]]:
    """Distances of the steady state from χ and from χ without coherences between the collapse states."""
    system = setting.chain(SITES)
    chi = sq.microcanonical(system, setting.product_state(SITES, 0.8))
    vectors = np.asarray(system.eigenvectors)
    thermal = vectors @ np.diag(chi) @ vectors.T
    reduced = np.diag(np.diag(thermal))
    to_thermal, to_reduced = [], []
    for ratio in ratios:
        rho = sq.exact.steady_state(sq.models.sui(system, reduction=ratio, thermalization=1.0, equilibrium=chi))
        to_thermal.append(np.linalg.norm(rho - thermal))
        to_reduced.append(np.linalg.norm(rho - reduced))
    weak, strong = to_thermal[0], to_reduced[-1]
    checks = [
        # First order of perturbation theory at both ends: the distance falls as the ratio and as its inverse.
        Check(
            "chain: ρ_∞ - χ per 𝒥/α, at the two weakest ratios", to_thermal[1] / weak * ratios[0] / ratios[1], 1.0, 0.01
        ),
        Check("chain: ρ_∞ is χ for weak reduction", weak, 0.0, 2 * ratios[0]),
        Check("chain: ρ_∞ is Born's distribution of χ for strong reduction", strong, 0.0, 100 / ratios[-1]),
    ]
    return [
        Series("chain to thermal", ratios, to_thermal, units=NUMBERS),
        Series("chain to Born", ratios, to_reduced, units=NUMBERS),
    ], checks


def _plateau(count: int) -> tuple[list[Series], list[Check]]:
    """Long after the reduction and long before thermalization, outcomes have the Born statistics of the start."""
    equation = _qubit_equation(20.0, thermalization=0.02, gap=0.5)
    psi0 = sq.normalize([0.4, 1.0])
    times = np.concatenate([[0.0], np.geomspace(0.02, 200, 25)])
    x = {"x": [[0.0, 1.0], [1.0, 0.0]], "pointer": _distinct}
    exact = sq.exact.evolve(equation, psi0, times, observables={"x": x["x"]})
    coarse = times[[0, 7, 13, 16, 19, 22, 25]]
    result = sq.simulate(
        equation,
        psi0,
        coarse,
        observables=x,
        trajectories=max(256, count // 4),
        seed=SEED + 50,
        dt=0.02,
        progress=False,
    )
    judged = sq.exact.evolve(equation, psi0, coarse, observables={"x": x["x"]})
    check = by_comparison("⟨σ_x⟩ from Born's value to equilibrium", sq.compare(result, judged))
    return [
        Series("plateau exact", times[1:], exact.expect["x"][1:], units=PLATEAU),
        Series("plateau ensemble", coarse[1:], result.mean["x"][1:], result.stderr["x"][1:], units=PLATEAU),
        Series("plateau reduced", coarse[1:], result.mean["pointer"][1:], result.stderr["pointer"][1:], units=PLATEAU),
    ], [check]


def _distinct(psi: jax.Array) -> jax.Array:
    """⟨σ_x⟩² of one trajectory: 1 once it is reduced."""
    return (2 * (psi[0].conj() * psi[1]).real) ** 2


def _draw(qubit: list[Series], many: list[Series], plateau: list[Series]) -> "Figure":
    ratio = r"ratio of strengths $\mathcal{J}/\alpha$"
    with plotting.style():
        made, axes = plotting.figure(3)
        first, second, third = (column[0] for column in axes)
        setting.draw_curve(first, qubit[1], 0, r"$z_\chi\,/\,(1+\mathcal{J}/\alpha)$")
        setting.draw_curve(first, qubit[0], 6, "steady state of eq. 8", linestyle="none", marker=".", markersize=4)
        setting.draw_points(first, qubit[2], 1, "ensemble ± 2 s.e.")
        first.set(xscale="log", xlabel=ratio, ylabel=r"$\langle\sigma_z\rangle_\infty$, qubit")
        setting.draw_curve(second, many[0], 0, r"to the microcanonical $\chi$")
        setting.draw_curve(second, many[1], 1, r"to Born's $\sum_k P_k\chi P_k$")
        second.set(xscale="log", yscale="log", xlabel=ratio, ylabel=r"$\|\rho_\infty-\cdot\|$, chain of 4 sites")
        setting.draw_curve(third, plateau[0], 0, r"$E\langle\sigma_x\rangle$, exact")
        setting.draw_points(third, plateau[1], 1, r"ensemble ± 2 s.e.")
        setting.draw_points(third, plateau[2], 2, r"$E\langle\sigma_x\rangle^2$ ± 2 s.e.")
        third.set(
            xscale="log",
            xlabel=r"time $t$  [$\hbar$ / unit of energy]",
            ylabel="qubit, fast reduction",
            ylim=(-0.15, 1.65),
        )
        for panel in (first, second, third):
            panel.legend(loc="upper right" if panel is third else "best")
    return made

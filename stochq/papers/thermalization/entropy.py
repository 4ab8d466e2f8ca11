"""The entropy of the ensemble: it never falls for states inside the window, and does for others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_largest_z
from stochq.papers.output import Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIM, INSIDE, RATE, SEED, GROUPS = 8, 4, 1.0, 307, 20
CHI = np.where(np.arange(DIM) < INSIDE, 1 / INSIDE, 0.0)
NAMES = ("pure, inside the window", "pure, outside the window", "fully mixed")


def entropy_claim(effort: float = 1.0) -> Claim:
    """S(t) of OQT from three starts, exact, with ensembles for the two pure ones."""
    system = sq.systems.levels(np.arange(DIM) ** 1.3)
    equation = sq.models.oqt(system, strength=RATE, equilibrium=CHI)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 8, 240)])
    inside, outside = np.zeros(DIM), np.zeros(DIM)
    inside[:INSIDE], outside[-1] = INSIDE**-0.5, 1.0
    starts = (np.outer(inside, inside), np.outer(outside, outside), np.eye(DIM) / DIM)
    densities = [_density(equation, start, times) for start in starts]
    curves = [
        Series(f"S, {name}", times, _entropy(rho), units=setting.OVER_TIME)
        for name, rho in zip(NAMES, densities, strict=True)
    ]
    rates = [
        Series(f"dS/dt, {name}", times[1:], _production(rho[1:]), units=(setting.TIME_UNIT, "αN/ħ"))
        for name, rho in zip(NAMES, densities, strict=True)
    ]
    checks = _exact_checks(curves) + [_rate_check(equation, outside)]
    points = [
        _ensemble(name, equation, psi, setting.whole(40_000, effort, 2000), SEED + 100 * index)
        for index, (name, psi) in enumerate(zip(NAMES, (inside, outside), strict=False))
    ]
    exact = [_entropy(_density(equation, psi, _TIMES)) for psi in (inside, outside)]
    checks += [
        by_largest_z(f"S of the ensemble, {name}", some.y, some.stderr, truth[1:])
        for name, some, truth in zip(NAMES, points, exact, strict=False)
    ]
    return Claim(curves + rates + points, checks, _draw(curves, rates, points))


_TIMES = np.array([0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0])


def _density(equation: sq.Equation, start: np.ndarray, times: np.ndarray) -> np.ndarray:
    density = setting.integrated(equation, start, times).density
    assert density is not None
    return density


def _eigenvalues(rho: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.eigvalsh(rho), 1e-300)


def _entropy(rho: np.ndarray) -> np.ndarray:
    """-Tr ρ ln ρ of (time, dim, dim)."""
    weights = _eigenvalues(rho)
    return -np.sum(weights * np.log(weights), axis=-1)


def _production(rho: np.ndarray) -> np.ndarray:
    r"""$\dot S = a\,\mathrm{Tr}[(\rho-\chi)\ln\rho]$ within the range of ρ."""
    weights, vectors = np.linalg.eigh(rho)
    kept = weights > 1e-14
    logarithm = np.where(kept, np.log(np.where(kept, weights, 1.0)), 0.0)
    target = np.einsum("tji,j,tji->ti", vectors.conj(), CHI, vectors).real
    return RATE * np.sum((np.where(kept, weights, 0.0) - target) * logarithm, axis=-1)


def _exact_checks(curves: list[Series]) -> list[Check]:
    inside, outside, mixed = (curve.y for curve in curves)
    # Eq. 6 at the last time: one level of weight w + (1 - w)/D, the others of (1 - w)/D.
    left = np.exp(-RATE * curves[0].x[-1])
    weights = (1 - left) / INSIDE + left * (np.arange(INSIDE) == 0)
    end = -np.sum(weights * np.log(weights))
    return [
        Check("largest fall of S between times, pure inside", float(max(-np.diff(inside).min(), 0.0)), 0.0, 1e-8),
        Check("S at the end, pure inside", float(inside[-1]), float(end), 1e-6),
        # The maximum of S = h(q) + (1 - q) ln D over the weight q outside, reached at q = 1/(D + 1).
        Check("highest S of the pure state outside: ln(D + 1)", float(outside.max()), np.log(INSIDE + 1), 1e-4),
        Check("S of the fully mixed state falls by ln(d/D)", float(mixed[0] - mixed[-1]), np.log(DIM / INSIDE), 5e-3),
    ]


def _rate_check(equation: sq.Equation, start: np.ndarray) -> Check:
    """The formula for dS/dt against central differences of the integrated S, around the maximum of S and beyond."""
    step = 1e-2
    times = np.array([0.5, 1.0, 1.5, 2.5])
    around = (times[:, None] + step * np.arange(-2, 3)).ravel()
    rho = _density(equation, start, np.concatenate([[0.0], around]))[1:].reshape(len(times), 5, DIM, DIM)
    slope = _entropy(rho) @ np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / (12 * step)
    difference = float(np.abs(slope - _production(rho[:, 2])).max())
    # The differences are of fourth order in the step.
    return Check("dS/dt = a Tr[(ρ - χ) ln ρ] against differences of S, largest", difference, 0.0, step**3)


def _ensemble(name: str, equation: sq.Equation, psi0: np.ndarray, count: int, seed: int) -> Series:
    groups = setting.grouped(
        equation, psi0, _TIMES, {"rho": sq.Density()}, trajectories=count, groups=GROUPS, seed=seed, dt=0.05
    )

    def of(some: Sequence[sq.EnsembleResult]) -> np.ndarray:
        return _entropy(np.mean([group.density for group in some], axis=0)[1:])

    return Series(f"S ensemble, {name}", _TIMES[1:], *setting.jackknife(groups, of), units=setting.OVER_TIME)


def _draw(curves: list[Series], rates: list[Series], points: list[Series]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        for index, (curve, rate) in enumerate(zip(curves, rates, strict=True)):
            setting.draw_curve(left, curve, index, NAMES[index])
            setting.draw_curve(right, rate, index, NAMES[index])
        for index, some in enumerate(points):
            setting.draw_points(left, some, index, ("ensembles ± 2 s.e.", "_")[index])
        left.axhline(np.log(INSIDE), color=plotting.BLACK, linestyle=":", linewidth=1)
        left.annotate(r"$\ln D$", (7.9, np.log(INSIDE)), textcoords="offset points", xytext=(-2, -12), ha="right")
        left.set(xlabel=setting.TIME, ylabel=r"entropy $S = -\mathrm{Tr}\,\rho\ln\rho$", ylim=(0, None))
        right.axhline(0, color=plotting.BLACK, linestyle=":", linewidth=1)
        right.set(xlabel=setting.TIME, ylabel=r"$\dot S$  [$\alpha\mathcal{N}/\hbar$]", xlim=(0, 4), ylim=(-0.5, 2))
        left.legend()
        right.legend()
    return made

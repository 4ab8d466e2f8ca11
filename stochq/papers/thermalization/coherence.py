"""An observable that never equilibrates in standard quantum theory: |E⟩⟨E'| + h.c."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison
from stochq.papers.output import Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SITES, RATE, SEED, SHOWN = 4, 0.4, 1009, 5


def coherence_claim(effort: float = 1.0) -> Claim:
    """It oscillates for ever without OQT and dies out as e^{-at} with it, in the mean over single systems."""
    system, psi0 = setting.chain(SITES), setting.product_state(SITES, -0.8)
    chi = sq.microcanonical(system, psi0)
    operator, gap, amplitude, phase = _off_diagonal(system, psi0, chi)
    times = np.linspace(0, 8 / RATE, 161)
    standard, thermalizing = (sq.models.oqt(system, strength=strength, equilibrium=chi) for strength in (0.0, RATE))
    observables = {"coherence": operator}
    forever = setting.integrated(standard, psi0, times, observables).expect["coherence"]
    damped = setting.integrated(thermalizing, psi0, times, observables)
    result = sq.simulate(
        thermalizing,
        psi0,
        times,
        observables=observables,
        trajectories=setting.whole(4000, effort, 256),
        seed=SEED,
        dt=times[1],
        keep=SHOWN,
        progress=False,
    )
    wave = amplitude * np.cos(gap * times - phase)
    checks = [
        _same("without OQT: an undamped cosine", forever, wave),
        _same("with OQT: the cosine times e^-at", damped.expect["coherence"], wave * np.exp(-RATE * times)),
        by_comparison("with OQT: the ensemble", sq.compare(result, damped)),
    ]
    singles = setting.expectation(result.kept, operator)
    series = [
        Series("standard quantum theory", times * RATE, forever, units=setting.OVER_TIME),
        Series("OQT exact", times * RATE, damped.expect["coherence"], units=setting.OVER_TIME),
        setting.ensemble_series("OQT ensemble", result, "coherence", RATE),
        Series("envelope", times * RATE, amplitude * np.exp(-RATE * times), units=setting.OVER_TIME),
        *(
            Series(f"OQT trajectory {i}", times * RATE, single, units=setting.OVER_TIME)
            for i, single in enumerate(singles)
        ),
    ]
    return Claim(series, checks, _draw(series))


def _same(name: str, integrated: np.ndarray, law: np.ndarray) -> Check:
    difference = float(np.abs(integrated - law).max())
    return Check(f"{name}, largest difference", difference, 0.0, setting.INTEGRATED)


def _off_diagonal(
    system: sq.systems.Hamiltonian, psi0: np.ndarray, chi: np.ndarray
) -> tuple[np.ndarray, float, float, float]:
    """The operator between the two fullest eigenstates of the window, their gap, its amplitude and phase."""
    vectors, energies = np.asarray(system.eigenvectors), np.asarray(system.energies)
    overlap = vectors.conj().T @ psi0
    low, high = np.sort(np.argsort(np.abs(overlap) * (chi > 0))[-2:])
    one_way = np.outer(vectors[:, low], vectors[:, high].conj())
    product = overlap[low].conj() * overlap[high]
    return (
        one_way + one_way.conj().T,
        float(energies[high] - energies[low]),
        2 * float(np.abs(product)),
        float(np.angle(product)),
    )


def _draw(series: list[Series]) -> "Figure":
    forever, damped, mean, envelope, *singles = series
    label = r"$\langle\,|E\rangle\langle E^{\prime}|+\mathrm{h.c.}\,\rangle$"
    top = float(np.max([single.y for single in singles] + [envelope.y]))
    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        setting.draw_curve(left, forever, 1, "standard quantum theory", linestyle="-", linewidth=1.0)
        setting.draw_curve(left, damped, 0, "OQT, master equation")
        for sign in (1, -1):
            left.plot(
                envelope.x,
                sign * np.asarray(envelope.y),
                color=plotting.BLACK,
                linestyle=":",
                linewidth=1.2,
                label=r"$\pm\,e^{-\alpha\mathcal{N}t/\hbar}$" if sign > 0 else "_",
            )
        setting.draw_singles(right, singles[0].x, [single.y for single in singles[:3]], "single systems under OQT")
        low, high = (np.asarray(mean.y) + sign * 2 * np.asarray(mean.stderr) for sign in (-1, 1))
        right.fill_between(
            mean.x, low, high, color=plotting.BLUE, alpha=0.35, linewidth=0, label="mean ± 2 s.e.", zorder=3
        )
        right.plot(
            damped.x, damped.y, color=plotting.BLACK, linestyle="--", linewidth=1, label="master equation", zorder=4
        )
        for panel in (left, right):
            panel.set(xlabel=setting.TIME, ylabel=label, ylim=(-1.15 * top, 1.75 * top))
            panel.legend(loc="upper right", ncols=2)
    return made

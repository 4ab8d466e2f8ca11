"""Eqs. 3 and 4: what the window [E - √V, E + √V] does to the energy and its variance."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SIZES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
SITES, RATE, SEED = 4, 0.4, 211
# The window of this product state holds a dozen eigenstates, with a mean that is not the state's energy.
ANGLE = -0.6
ENERGY = (setting.TIME_UNIT, "√V")
VARIANCE = (setting.TIME_UNIT, "V")


def energy_window_claim(effort: float = 1.0) -> Claim:
    """The window keeps the energy only where its own mean is E, and the variance not at all."""
    even, chains = _even_spectra(), _chains()
    drift = [_drift("E kept", *_symmetric(), effort, SEED), _drift("E not kept", *_lopsided(), effort, SEED + 1)]
    series = [even, chains, *(item for curves, _ in drift for item in curves)]
    spacing = 8.0 / SIZES[-1]
    checks = [
        Check("V of the window over V, even spectrum of 2048 levels", float(even.y[-1]), 1 / 3, spacing),
        *(check for _, some in drift for check in some),
    ]
    return Claim(series, checks, _draw(even, chains, drift))


def _packet(levels: int) -> tuple[sq.systems.Hamiltonian, np.ndarray]:
    """Levels evenly spaced over [-4, 4] and a state with Gaussian populations of width 1 about 0."""
    energies = (np.arange(levels) + 0.5) * 8 / levels - 4
    return sq.systems.levels(energies), sq.normalize(np.exp(-(energies**2) / 4))


def _even_spectra() -> Series:
    windows = [sq.microcanonical(*_packet(levels)).window for levels in SIZES]
    states = [window.states for window in windows]
    ratios = [window.variance / window.state_variance for window in windows]
    return Series("variance ratio, even spectrum", states, ratios, units=(PURE, PURE))


def _chains() -> Series:
    """The same for product states of chains, of 4 to 9 sites."""
    found = []
    for sites in range(4, 10):
        window = sq.microcanonical(setting.chain(sites), setting.product_state(sites, -0.8)).window
        found.append((window.states, window.variance / window.state_variance))
    return Series("variance ratio, chains", *np.array(found).T, units=(PURE, PURE))


def _symmetric() -> tuple[sq.systems.Hamiltonian, np.ndarray]:
    return _packet(16)


def _lopsided() -> tuple[sq.systems.Hamiltonian, np.ndarray]:
    return setting.chain(SITES), setting.product_state(SITES, ANGLE)


def _drift(
    name: str, system: sq.systems.Hamiltonian, psi0: np.ndarray, effort: float, seed: int
) -> tuple[list[Series], list[Check]]:
    """⟨H⟩ and ⟨H²⟩ - ⟨H⟩² of an ensemble, relative to the state's, with their exact curves."""
    chi = sq.microcanonical(system, psi0)
    window, matrix = chi.window, system.matrix().real
    spread = window.state_variance**0.5
    shifted = (matrix - window.state_energy * np.eye(system.dim)) / spread
    observables = {"energy": shifted, "square": shifted @ shifted}
    equation = sq.models.oqt(system, strength=RATE, equilibrium=chi)
    times = np.linspace(0, 4 / RATE, 17)
    exact = setting.integrated(equation, psi0, times, observables)
    count = setting.whole(4000, effort)
    result = sq.simulate(equation, psi0, times, observables=observables, trajectories=count, seed=seed, progress=False)
    final = (window.energy - window.state_energy) / spread
    law = final * (1 - np.exp(-RATE * times))
    error = float(np.abs(exact.expect["energy"] - law).max())
    variance = exact.expect["square"] - exact.expect["energy"] ** 2
    curves = [
        Series(f"{name}: energy exact", times * RATE, exact.expect["energy"], units=ENERGY),
        setting.ensemble_series(f"{name}: energy ensemble", result, "energy", RATE, ENERGY),
        Series(f"{name}: variance exact", times * RATE, variance, units=VARIANCE),
        Series(f"{name}: variance ensemble", times * RATE, *_variance(result), units=VARIANCE),
    ]
    return curves, [
        Check(f"{name}: ⟨H⟩(t) = E + (E_χ - E)(1 - e^-at), largest difference", error, 0.0, setting.INTEGRATED),
        by_comparison(f"{name}: ⟨H⟩ and ⟨H²⟩ of the ensemble", sq.compare(result, exact)),
    ]


def _variance(result: sq.EnsembleResult) -> tuple[np.ndarray, np.ndarray]:
    """⟨H²⟩ - ⟨H⟩² of the ensemble and its error, the covariance of the two means included."""
    assert result.covariance is not None
    mean = result.mean["energy"]
    points = {point: index for index, point in enumerate(result.covariance_points)}
    error = np.zeros_like(mean)
    for time in range(1, len(mean)):
        pick = [points["energy", time], points["square", time]]
        slope = np.array([-2 * mean[time], 1.0])
        error[time] = np.sqrt(slope @ result.covariance[np.ix_(pick, pick)] @ slope / result.trajectories)
    return result.mean["square"] - mean**2 + result.stderr["energy"] ** 2, error


def _draw(even: Series, chains: Series, drift: list[tuple[list[Series], list[Check]]]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(3)
        panel = axes[0][0]
        panel.plot(even.x, even.y, color=plotting.BLUE, marker="o", label="even spectrum")
        panel.plot(chains.x, chains.y, color=plotting.VERMILION, marker="s", linestyle="none", label="Ising chains")
        panel.axhline(1 / 3, color=plotting.BLACK, linestyle=":", linewidth=1.2, label="1/3")
        panel.set(xscale="log", xlabel="eigenstates in the window", ylabel=r"$V_\chi\,/\,V$")
        panel.legend()
        for index, (curves, _) in enumerate(drift):
            label = ("window centred on $E$", "window not centred")[index]
            for panel, first in ((axes[1][0], 0), (axes[2][0], 2)):
                setting.draw_curve(panel, curves[first], index, f"{label}, eq. 6")
                setting.draw_points(panel, curves[first + 1], index, "ensemble ± 2 s.e.")
        axes[1][0].set(xlabel=setting.TIME, ylabel=r"$(\langle H\rangle-E)\,/\,\sqrt{V}$")
        axes[2][0].set(xlabel=setting.TIME, ylabel=r"$(\langle H^2\rangle-\langle H\rangle^2)\,/\,V$")
        axes[1][0].legend()
        axes[2][0].legend()
    return made

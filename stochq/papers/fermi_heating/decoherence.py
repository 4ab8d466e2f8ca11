"""What coloured noise leaves of a superposition, by trajectories and in closed form."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers import checks
from stochq.papers.output import PURE, Claim, Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRAJECTORIES, RATE = 40_000, 1.0
TIMES = np.linspace(0.0, 6.0, 13)
CORRELATION_TIMES = (0.1, 1.0, 5.0)
MIXTURE = ((0.4, 0.6), (0.1, 4.0))


def decoherence_claim(effort: float = 1.0) -> Claim:
    """|ρ_ab| = exp{−½γ(a−b)²[t − τ(1 − e^{−t/τ})]} for Lorentzian noise, and its like for a sum of two."""
    colours: dict[str, sq.noise.Coloured] = {
        f"memory {time:g}": sq.noise.OrnsteinUhlenbeck(time) for time in CORRELATION_TIMES
    }
    colours["two Lorentzians"] = sq.noise.SumOfOrnsteinUhlenbeck(*MIXTURE)
    count, series, found = max(int(TRAJECTORIES * effort), 500), [], []
    for seed, (name, colour) in enumerate(colours.items()):
        ensemble, exact = _run(colour, count, seed)
        found.append(checks.by_comparison(name, sq.compare(ensemble, exact)))
        fine = np.linspace(TIMES[0], TIMES[-1], 121)
        law = sq.exact.coloured_decoherence(fine, rate=RATE, difference=1.0, colour=colour)
        series.append(Series(name, TIMES, ensemble.mean["x"], ensemble.stderr["x"], units=("1/γ", PURE)))
        series.append(Series(f"{name}, exact", fine, law, units=("1/γ", PURE)))
    return Claim(series, found, _draw(series))


def _run(colour: sq.noise.Coloured, trajectories: int, seed: int) -> tuple[sq.EnsembleResult, sq.exact.ExactResult]:
    """A superposition of two eigenvalues of A that differ by 1, [A, H] = 0; the step does not matter."""
    places = np.array([0.0, 1.0]) * np.sqrt(RATE)
    still = sq.systems.levels([0.0, 0.0])
    equation = sq.models.unravel(still, [places], noise="unitary", colour=colour)
    coherence, psi = {"x": np.array([[0.0, 1.0], [1.0, 0.0]])}, np.full(2, np.sqrt(0.5))
    step = float(TIMES[1] - TIMES[0])
    run = sq.simulate(equation, psi, TIMES, observables=coherence, trajectories=trajectories, dt=step, seed=seed)
    return run, sq.exact.evolve(equation, psi, TIMES, observables=coherence)


def _label(name: str) -> str:
    return name.replace("memory ", r"$\gamma\tau=$")


def _draw(series: list[Series]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(1)
        panel = axes[0][0]
        for index, (points, law) in enumerate(zip(series[::2], series[1::2], strict=True)):
            colour = plotting.PALETTE[index]
            marker = plotting.MARKERS[index]
            panel.errorbar(
                points.x, points.y, 2 * points.stderr, color=colour, fmt=marker, markersize=4, label=_label(points.name)
            )
            panel.plot(law.x, law.y, color=colour, linestyle=plotting.LINES[index])
        white = series[1].x
        panel.plot(white, np.exp(-0.5 * RATE * white), color="0.5", linewidth=0.8, label="white noise")
        panel.plot([], [], color="0.5", linestyle="-", label="lines: exact; points ± 2 s.e.")
        panel.set(xlabel=r"time $\gamma t$", ylabel=r"coherence $|\rho_{ab}(t)|/|\rho_{ab}(0)|$", ylim=(0, 1.03))
        panel.legend(loc="upper right")
    return made

"""The same oscillator as CSL trajectories on a grid of positions: the full kernel, not its Gaussian limit."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.arrays import Array
from stochq.papers import checks
from stochq.papers.output import Claim, Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRAJECTORIES, POINTS, BOX, STEP = 10_000, 64, 16.0, 0.0625
# δ = λ/4r_C² in units ω = m = ħ = 1.
RATE, LENGTH = 0.4, 1.0
DIFFUSION = RATE / (4 * LENGTH**2)
TIMES, FINE = np.linspace(0.0, 5.0, 21), np.linspace(0.0, 5.0, 201)
UNITS = {"qq": "ħ/mω", "pp": "mħω", "H": "ħω"}
NAMES = {"qq": "position_squared", "pp": "momentum_squared"}


def trajectories(effort: float = 1.0) -> Claim:
    """⟨q²⟩ and ⟨p²⟩ of any CSL kernel obey the moments of phase space; the energy gains δ per unit of time."""
    particle = sq.systems.particle(POINTS, BOX, 1.0, sq.systems.harmonic(1.0))
    equation = sq.models.csl(particle, rate=RATE, length=LENGTH)
    count = max(int(TRAJECTORIES * effort), 200)
    watched = {short: particle.operators[long] for short, long in NAMES.items()} | {"H": particle.operators["energy"]}
    psi0 = particle.gaussian(0.0, np.sqrt(0.5))
    ensemble = sq.simulate(equation, psi0, TIMES, observables=watched, trajectories=count, dt=STEP, seed=1)
    curves = _curves(TIMES)
    found = [
        checks.by_largest_z(name, ensemble.mean[name][1:], ensemble.stderr[name][1:], curve[1:])
        for name, curve in curves.items()
    ]
    series = [
        Series(name, TIMES, ensemble.mean[name], ensemble.stderr[name], units=("1/ω", UNITS[name])) for name in curves
    ]
    series += [
        Series(f"{name}, phase space", FINE, curve, units=("1/ω", UNITS[name])) for name, curve in _curves(FINE).items()
    ]
    return Claim(series, found, _draw(series))


def _curves(times: np.ndarray) -> dict[str, Array]:
    exact = sq.gaussian.csl_oscillator(DIFFUSION).evolve(sq.gaussian.vacuum(), times).covariance
    return {"qq": exact[:, 0, 0], "pp": exact[:, 1, 1], "H": 0.5 + DIFFUSION * times}


def _draw(series: list[Series]) -> "Figure":
    labels = (r"$\langle q^2\rangle$", r"$\langle p^2\rangle$", r"$\langle H\rangle$")
    with plotting.style():
        made, axes = plotting.figure(1)
        panel = axes[0][0]
        for index, text in enumerate(labels):
            points, curve = series[index], series[index + 3]
            colour = plotting.PALETTE[index]
            panel.errorbar(
                points.x,
                points.y,
                2 * points.stderr,
                color=colour,
                fmt=plotting.MARKERS[index],
                markersize=4,
                label=f"{text} ± 2 s.e.",
            )
            panel.plot(curve.x, curve.y, color=colour, linestyle=plotting.LINES[index])
        panel.plot([], [], color=plotting.BLACK, linestyle="-", label="lines: phase space")
        panel.set(xlabel=r"time $\omega t$", ylabel=r"moments  [$\hbar=m=\omega=1$]")
        panel.legend(loc="upper left")
    return made

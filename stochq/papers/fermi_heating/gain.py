"""The energy that CSL gives a free particle, by trajectories: in 1 to 3 dimensions, and with a cut-off in the noise."""

from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers import checks
from stochq.papers.checks import Check
from stochq.papers.fermi_heating.spectra import gain_ratio
from stochq.papers.output import PURE, Claim, Series, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# White noise: units ħ = m = r_C = 1; points per dimension and trajectories by the number of dimensions.
RATE, DURATION, BOX, WIDTH = 0.4, 1.0, 14.0, 1.1
GRIDS = {1: (24, 16_000), 2: (20, 8_000), 3: (16, 2_000)}
# Coloured noise: x = ħ/(2m r_C² Ω), box, points and step.
SWEEP = ((0.1, 16.0, 24, 0.1), (0.3, 16.0, 24, 0.1), (1.0, 16.0, 24, 0.1), (3.0, 32.0, 40, 0.2), (10.0, 48.0, 56, 0.25))
TRAJECTORIES = 12_000
# The gain is steady after some correlation times, and stays that of a particle at rest while kicks are rare.
FIRST, LAST, KICKS = 5.0, 9.0, 0.01
# The printed numbers have six digits.
GOLD = {0.1: 0.927850, 1.0: 0.253966, 10.0: 0.00842529}
GOLD_TOLERANCE = 1e-6
POWER = "ħ³/(m² r_C⁴)"
UNITS = {"dimensions": PURE, "gain": POWER, "stderr": POWER, "formula": POWER, "z": PURE}


@cache
def white_gain(effort: float = 1.0) -> Claim:
    """Ė = Dλħ²/(4m r_C²) for a free particle in D dimensions, for collapse (real noise) and a random potential."""
    rows: dict[str, list[Any]] = {name: [] for name in ("dimensions", "noise", "gain", "stderr", "formula", "z")}
    found: list[Check] = []
    for dimensions, (points, trajectories) in GRIDS.items():
        formula = sq.exact.csl_energy_gain(rate=RATE, length=1.0, mass=1.0, dimensions=dimensions)
        for noise in ("real", "unitary"):
            gain, stderr = _white(dimensions, noise, points, max(200, int(trajectories * effort)))
            found.append(checks.by_error(f"D = {dimensions}, {noise} noise", gain, stderr, formula))
            for name, value in zip(
                rows, (dimensions, noise, gain, stderr, formula, (gain - formula) / stderr), strict=True
            ):
                rows[name].append(value)
    return Claim(Table(rows, UNITS), found, _draw_white(rows))


def _white(dimensions: int, noise: Literal["real", "unitary"], points: int, trajectories: int) -> tuple[float, float]:
    """The gain per unit of time and its standard error. Kicks add to the kinetic energy whatever the step."""
    particle = sq.systems.particle(points, BOX, 1.0, None, dimensions=dimensions)
    equation = sq.models.csl(particle, rate=RATE, length=1.0, noise=noise)
    psi = particle.gaussian(np.zeros(dimensions) if dimensions > 1 else 0.0, WIDTH)
    energy = particle.operators["energy"]
    run = sq.simulate(
        equation, psi, [0, DURATION], observables={"H": energy}, trajectories=trajectories, dt=DURATION / 4
    )
    return float(run.mean["H"][1] - run.mean["H"][0]) / DURATION, float(run.stderr["H"][1]) / DURATION


@cache
def coloured_gain(effort: float = 1.0) -> Claim:
    """The gain under a Lorentzian cut-off Ω falls with ħ/(2m r_C² Ω) as eq. 13 says, over two decades."""
    cutoffs = [entry[0] for entry in SWEEP]
    count = max(500, int(TRAJECTORIES * effort))
    values = [simulated_ratio(*entry, trajectories=count) for entry in SWEEP]
    gains, stderrs = np.array(values).T
    formula = [gain_ratio(lorentzian, x, 1) for x in cutoffs]
    found = [
        checks.by_error(f"x = {x:g}", *value, wanted) for x, value, wanted in zip(cutoffs, values, formula, strict=True)
    ]
    found += [
        Check(f"eq. 13 at x = {x:g}", gain_ratio(lorentzian, x, 3), gold, GOLD_TOLERANCE) for x, gold in GOLD.items()
    ]
    fine = np.geomspace(0.05, 20, 60)
    series = [Series("simulated, 1 dimension", cutoffs, gains, stderrs, units=(PURE, PURE))]
    series += [
        Series(f"eq. 13, D = {d}", fine, [gain_ratio(lorentzian, x, d) for x in fine], units=(PURE, PURE))
        for d in (1, 2, 3)
    ]
    return Claim(series, found, _draw_coloured(series))


def lorentzian(scaled: float) -> float:
    """S at ω = scaled·Ω, of the Ornstein-Uhlenbeck process."""
    return 1 / (1 + scaled**2)


def simulated_ratio(
    x: float, box: float, points: int, dt: float, *, trajectories: int, seed: int = 0
) -> tuple[float, float]:
    """The gain of a plane wave at rest in one dimension relative to white noise, and its standard error.

    A plane wave fills the periodic box, so the particle is given by its matrix: a grid would refuse the state.
    """
    correlation_time = 2 * x
    times = np.array([0.0, *(dt * np.ceil(share * max(correlation_time, 4 * dt) / dt) for share in (FIRST, LAST))])
    rate = KICKS / times[-1]
    particle = sq.systems.particle(points, box, 1.0, None)
    noise = sq.noise.OrnsteinUhlenbeck(correlation_time)
    collapse = sq.models.csl(particle, rate=rate, length=1.0, noise="unitary", colour=noise)
    free = sq.systems.levels(np.asarray(particle.matrix()).real)
    equation = sq.Equation(free, collapse.channels, "unitary", colour=noise)
    rest = np.full(points, points**-0.5)
    watched = {"H": np.asarray(particle.matrix()).real}
    run = sq.simulate(equation, rest, times, observables=watched, trajectories=trajectories, dt=dt, seed=seed)
    span = rate / 4 * (times[2] - times[1])
    variance = np.array([-1, 1]) @ run.covariance @ np.array([-1, 1])
    return float(run.mean["H"][2] - run.mean["H"][1]) / span, float(np.sqrt(variance / run.trajectories)) / span


def _draw_white(rows: dict[str, list[Any]]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(1)
        panel = axes[0][0]
        for index, (noise, shift) in enumerate((("real", -0.08), ("unitary", 0.08))):
            chosen = [place for place, law in enumerate(rows["noise"]) if law == noise]
            take = partial(_chosen, rows, chosen)
            panel.errorbar(
                take("dimensions") + shift,
                take("gain") / take("formula"),
                2 * take("stderr") / take("formula"),
                color=plotting.PALETTE[index],
                fmt=plotting.MARKERS[index],
                markersize=4,
                label=f"{noise} noise ± 2 s.e.",
            )
        panel.axhline(1.0, color="0.4", linestyle="--", label="formula")
        panel.set(xlabel=r"dimensions $D$", ylabel=r"energy gain $\dot E\;/\;(D\lambda\hbar^2/4mr_C^2)$")
        panel.set(xlim=(0.6, 3.4), ylim=(0.94, 1.08))
        panel.set_xticks([1, 2, 3])
        panel.legend(loc="upper left")
    return made


def _chosen(rows: dict[str, list[Any]], places: list[int], name: str) -> np.ndarray:
    return np.array([rows[name][place] for place in places], dtype=float)


def _draw_coloured(series: list[Series]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(1)
        panel = axes[0][0]
        points = series[0]
        for index, curve in enumerate(series[1:]):
            line = plotting.LINES[index]
            panel.plot(curve.x, curve.y, color=plotting.PALETTE[index], linestyle=line, label=curve.name)
        panel.errorbar(
            points.x, points.y, 2 * points.stderr, color="black", fmt="o", markersize=4, label=points.name, zorder=3
        )
        panel.set(xscale="log", yscale="log", ylim=(1e-3, 1.6))
        panel.set(xlabel=r"$\hbar/(2mr_C^2\Omega)$", ylabel=r"heating power $P/P_{\rm white}$")
        panel.legend(loc="lower left")
    return made

"""Single systems at equilibrium: they stay pure and fluctuate for ever, and their time averages are the ensemble's."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_counts, by_error
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SITES, RATE, SEED, DIM, SHOWN = 4, 0.4, 907, 6, 3
# Correlations of single trajectories die out within a few relaxation times.
START, END = 6.0, 40.0


def single_trajectory(effort: float = 1.0) -> Claim:
    """A chain's transverse magnetization in time, and the law of a state's populations at equilibrium."""
    series, checks = _time_averages(setting.whole(256, effort, 32))
    law, law_checks = _dirichlet(setting.whole(20_000, effort, 2000))
    return Claim(series + law, checks + law_checks, _draw(series, law))


def _time_averages(count: int) -> tuple[list[Series], list[Check]]:
    system, psi0 = setting.chain(SITES), setting.product_state(SITES, -0.8)
    chi = sq.microcanonical(system, psi0)
    operator = np.asarray(system.operators["transverse"])
    vectors = np.asarray(system.eigenvectors)
    expected = float(np.einsum("iu,ij,ju,u->", vectors, operator, vectors, chi))
    times = np.linspace(0, END, 321) / RATE
    result = sq.simulate(
        sq.models.oqt(system, strength=RATE, equilibrium=chi),
        psi0,
        times,
        observables={"transverse": operator},
        trajectories=count,
        seed=SEED,
        dt=times[1] / 2,
        keep=count,
        progress=False,
    )
    values = setting.expectation(result.kept, operator)
    late = times * RATE >= START
    averages = values[:, late].mean(axis=1)
    error = averages.std(ddof=1) / np.sqrt(count)
    running = np.cumsum(values[:, late], axis=1) / np.arange(1, late.sum() + 1)
    series = [
        *(Series(f"trajectory {i}", times * RATE, values[i], units=setting.OVER_TIME) for i in range(SHOWN)),
        *(
            Series(f"running average {i}", times[late] * RATE, running[i], units=setting.OVER_TIME)
            for i in range(SHOWN)
        ),
        setting.ensemble_series("ensemble", result, "transverse", RATE),
        Series("microcanonical", [0, END], [expected, expected], units=setting.OVER_TIME),
    ]
    return series, [
        by_error("time averages against the microcanonical value", averages.mean(), error, expected, count),
        _ergodic(values[:, late] ** 2),
    ]


def _ergodic(squares: np.ndarray) -> Check:
    """⟨σ^x⟩² over the times of one half of the trajectories, and over the other half at the last time."""
    half = len(squares) // 2
    in_time, at_once = squares[:half].mean(axis=1), squares[half:, -1]
    error = np.sqrt(in_time.var(ddof=1) / len(in_time) + at_once.var(ddof=1) / len(at_once))
    difference = in_time.mean() - at_once.mean()
    return by_error("⟨σ^x⟩², mean over time less mean over trajectories", difference, error, 0.0, half)


def _dirichlet(count: int) -> tuple[list[Series], list[Check]]:
    """Complex noise and even χ on the whole space: Haar-random states, whose populations are Dirichlet(1, ..., 1)."""
    even = np.full(DIM, 1 / DIM)
    equation = sq.models.oqt(sq.systems.levels(np.arange(DIM) ** 1.2), strength=1.0, equilibrium=even, noise="complex")
    edges = stats.beta.ppf(np.linspace(0, 1, 17), 1, DIM - 1)
    first = np.eye(DIM)[0]
    result = sq.simulate(
        equation,
        np.eye(DIM)[1],
        np.linspace(0, 10, 11),
        observables={"participation": _participation, "law": sq.Histogram(first, edges)},
        trajectories=count,
        seed=SEED + 1,
        progress=False,
    )
    counts = result.histograms["law"][1][-1]
    density = counts / counts.sum() / np.diff(edges)
    # Where the law equals its own mean over the bin, so that wide bins lie on the curve.
    places = 1 - (1 / len(counts) / np.diff(edges) / (DIM - 1)) ** (1 / (DIM - 2))
    error = np.sqrt(counts) / counts.sum() / np.diff(edges)
    grid = np.linspace(0, 0.75, 100)
    mean, stderr = result.mean["participation"], result.stderr["participation"]
    series = [
        Series("law of p", places, density, error, units=(PURE, PURE)),
        Series("Beta(1, d-1)", grid, stats.beta.pdf(grid, 1, DIM - 1), units=(PURE, PURE)),
        Series("participation", result.times, mean, stderr, units=setting.OVER_TIME),
    ]
    return series, [
        by_error("E[Σp²] for complex noise and even χ", mean[-1], stderr[-1], 2 / (DIM + 1)),
        by_counts("law of a population, Beta(1, d - 1)", counts, np.full(len(counts), counts.sum() / len(counts))),
    ]


def _participation(psi: jax.Array) -> jax.Array:
    return jnp.sum(jnp.abs(psi) ** 4)


def _draw(series: list[Series], law: list[Series]) -> "Figure":
    runs, averages, (mean, expected) = series[:SHOWN], series[SHOWN : 2 * SHOWN], series[2 * SHOWN :]
    with plotting.style():
        made, axes = plotting.figure(3)
        first, second, third = (column[0] for column in axes)
        setting.draw_singles(first, runs[0].x, [runs[0].y], "one trajectory")
        setting.draw_curve(first, mean, 0, "ensemble mean")
        first.set(xlabel=setting.TIME, ylabel=r"$\langle\sigma^x\rangle$, mean over sites")
        for index, average in enumerate(averages):
            setting.draw_curve(second, average, index + 1, f"trajectory {index + 1}")
        second.set(xlabel=setting.TIME, ylabel=r"running time average of $\langle\sigma^x\rangle$", xlim=(START, END))
        for panel in (first, second):
            panel.plot(
                expected.x, expected.y, color=plotting.BLACK, linestyle=":", label=r"$\mathrm{Tr}\,\chi\sigma^x$"
            )
            panel.legend()
        setting.draw_curve(third, law[1], 0, rf"Beta$(1,d-1)$, $d={DIM}$")
        setting.draw_points(third, law[0], 1, "complex noise ± 2 s.e.")
        third.set(xlabel="population $p_0$ of a level", ylabel="probability density", xlim=(-0.02, 0.75))
        third.legend()
    return made

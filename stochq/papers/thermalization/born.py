"""Eq. 7 with H = 0: a pointer reduces to one of its states, with Born's frequencies and constant means on the way."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison, by_counts
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


BORN = np.array([0.30, 0.24, 0.18, 0.13, 0.09, 0.06])
STRENGTH, END, SEED, SHOWN = 1.0, 20.0, 401, 3
TIME = r"time $t$  [$\hbar/\mathcal{JN}$]"
UNITS = ("ħ/JN", PURE)


def born_claim(effort: float = 1.0) -> Claim:
    """Final frequencies over six pointer states and the martingale of their populations."""
    dim = len(BORN)
    equation = sq.models.suv(sq.systems.levels(np.zeros(dim)), strength=STRENGTH)
    psi0 = np.sqrt(BORN) * np.exp(1j * np.arange(dim))
    times = np.linspace(0, END, 81)
    populations = {f"population {k}": np.eye(dim)[k] for k in range(dim)}
    winners = {f"winner {k}": _winner(k) for k in range(dim)}
    count = setting.whole(20_000, effort, 2000)
    # Without a Hamiltonian the flow is exact over any interval: one step from one saved time to the next.
    result = sq.simulate(
        equation,
        psi0,
        times,
        observables=populations | winners | {"largest": _largest},
        trajectories=count,
        seed=SEED,
        dt=times[1],
        keep=1,
        progress=False,
    )
    exact = sq.exact.evolve(equation, psi0, times, observables=populations)
    frequency = np.array([result.mean[name][-1] for name in winners])
    error = np.array([result.stderr[name][-1] for name in winners])
    checks = [
        Check("largest population at the end, mean", float(result.mean["largest"][-1]), 1.0, 1e-4),
        by_counts("final frequencies against Born's", np.round(frequency * count), BORN * count),
        by_comparison("constant means of the populations", sq.compare(result, exact)),
    ]
    series = [
        Series("final frequencies", np.arange(dim), frequency, error, units=(PURE, PURE)),
        Series("Born", np.arange(dim), BORN, units=(PURE, PURE)),
        *(setting.ensemble_series(name, result, name, STRENGTH, UNITS) for name in populations),
        *(
            Series(f"one trajectory: population {k}", times, np.abs(result.kept[0, :, k]) ** 2, units=UNITS)
            for k in range(dim)
        ),
    ]
    return Claim(series, checks, _draw(series, result))


def _winner(k: int) -> Callable[[jax.Array], jax.Array]:
    return lambda psi: jnp.where(jnp.argmax(jnp.abs(psi) ** 2) == k, 1.0, 0.0)


def _largest(psi: jax.Array) -> jax.Array:
    return jnp.max(jnp.abs(psi) ** 2)


def _draw(series: list[Series], result: sq.EnsembleResult) -> "Figure":
    frequency, reference, *curves = series
    with plotting.style():
        made, axes = plotting.figure(3)
        first, second, third = (column[0] for column in axes)
        for k, population in enumerate(np.abs(result.kept[0].T) ** 2):
            first.plot(result.times, population, label=f"$p_{k}$")
        first.set(xlabel=TIME, ylabel="populations of one trajectory", ylim=(-0.03, 1.03), xlim=(0, 8))
        first.legend(loc="center right")
        for k in range(SHOWN):
            some, color = curves[k], plotting.PALETTE[k]
            low, high = (some.y + sign * 2 * np.asarray(some.stderr) for sign in (-1, 1))
            second.fill_between(some.x, low, high, color=color, alpha=0.25, linewidth=0)
            setting.draw_curve(second, some, k, rf"$E[p_{k}]$ ± 2 s.e.")
            second.axhline(BORN[k], color=plotting.BLACK, linestyle=":", linewidth=1, label="_" if k else "Born")
        second.set(xlabel=TIME, ylabel="mean population", ylim=(0.16, 0.35))
        second.legend(loc="upper right", ncols=2)
        third.bar(reference.x, reference.y, color=plotting.SKY, width=0.7, label=r"Born, $|\psi_k|^2$")
        setting.draw_points(third, frequency, 6, "final frequency ± 2 s.e.")
        third.set(xlabel="pointer state $k$", ylabel="frequency")
        third.grid(axis="x", visible=False)
        third.legend()
    return made

"""How long reduction takes: the first time at which a two-level state is within ε of a pointer state."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_error
from stochq.papers.output import PURE, Claim, Series
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


EPSILONS = (0.3, 0.1, 0.03, 0.01, 0.003)
GAMMAS = (0.5, 1.0, 2.0)
SPACING, END, SEED, SHOWN = 0.025, 7.0, 503, 12
# Rates and times have any unit and its inverse.
RATES = ("unit of rate", "1/unit of rate")


def collapse_time_claim(effort: float = 1.0) -> Claim:
    r"""Mean times against $(a/8\gamma)\tanh(a/2)$, $a=\ln\frac{2-\varepsilon}{\varepsilon}$."""
    count = setting.whole(4000, effort, 1000)
    times, paths = _paths(1.0, count, SEED)
    by_epsilon = np.array([_mean_time(times, paths, 1.0, epsilon) for epsilon in EPSILONS])
    by_gamma = []
    for index, gamma in enumerate(GAMMAS):
        by_gamma.append(_mean_time(*_paths(gamma, count, SEED + 1 + index), gamma, 0.01))
    values = np.array(by_gamma)
    law = sq.exact.two_level_suv_mean_collapse_time
    checks = [
        by_error(f"γ t for ε = {e:g}", t, s, float(law(1.0, e))) for e, (t, s) in zip(EPSILONS, by_epsilon, strict=True)
    ]
    checks += [
        by_error(f"t for γ = {g:g}, ε = 0.01", t, s, float(law(g, 0.01)))
        for g, (t, s) in zip(GAMMAS, values, strict=True)
    ]
    coarse = _mean_time(times[::2], paths[:, ::2], 1.0, 0.01)[0]
    checks.append(Check("γ t at twice the spacing of looks", coarse, by_epsilon[3, 0], 0.25 * by_epsilon[3, 1]))
    grid = np.geomspace(EPSILONS[-1], 0.6, 60)
    rates = np.geomspace(0.4, 2.5, 40)
    series = [
        Series("mean time over epsilon", EPSILONS, *by_epsilon.T, units=(PURE, "1/γ")),
        Series("law over epsilon", grid, law(1.0, grid), units=(PURE, "1/γ")),
        Series("mean time over gamma", GAMMAS, *values.T, units=RATES),
        Series("law over gamma", rates, law(rates, 0.01), units=RATES),
        *(Series(f"trajectory {i}: z", times, np.tanh(paths[i]), units=("1/γ", PURE)) for i in range(SHOWN)),
    ]
    return Claim(series, checks, _draw(series))


def _paths(gamma: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and u = artanh⟨σ_z⟩ (trajectory, time), from z = 0. L = √γ σ_z is SUV at the rate 2γ."""
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=2 * gamma)
    times = np.arange(0, round(END / SPACING) + 1) * (SPACING / gamma)
    result = sq.simulate(
        equation,
        np.full(2, 0.5**0.5),
        times,
        observables={"z": [1.0, -1.0]},
        trajectories=count,
        seed=seed,
        dt=times[1],
        keep=count,
        progress=False,
    )
    size = np.maximum(np.abs(result.kept).astype(float), 1e-30)
    return times, np.log(size[..., 0] / size[..., 1])


def _mean_time(times: np.ndarray, paths: np.ndarray, gamma: float, epsilon: float) -> tuple[float, float]:
    r"""Mean first time with |z| = 1 - ε and its error.

    Looking at the saved times alone would miss crossings between them. Given the outcome, u is a Brownian motion of
    variance 4γt with a drift, so between two saved times it is a Brownian bridge, which passes a level at distances
    x, y above both ends with probability $e^{-2xy/4\gamma\,dt}$, whatever the drift. The chance of having survived
    is the product over intervals, and its integral is the time.
    """
    level = np.arctanh(1 - epsilon)
    survival = np.ones_like(paths)
    stay = np.ones_like(paths[:, 1:])
    for side in (level - paths, level + paths):
        exponent = 2 * side[:, :-1] * side[:, 1:] / (4 * gamma * np.diff(times))
        passed = (side[:, :-1] <= 0) | (side[:, 1:] <= 0)
        stay *= np.where(passed, 0.0, -np.expm1(-np.where(passed, 0.0, exponent)))
    survival[:, 1:] = np.cumprod(stay, axis=1)
    each = np.trapezoid(survival, times, axis=1)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def _draw(series: list[Series]) -> "Figure":
    by_epsilon, law, by_gamma, law_gamma, *singles = series
    with plotting.style():
        made, axes = plotting.figure(3)
        first, second, third = (column[0] for column in axes)
        setting.draw_singles(first, singles[0].x, [single.y for single in singles])
        for side in (-0.99, 0.99):
            first.axhline(
                side, color=plotting.BLACK, linestyle="--", linewidth=1, label=r"$|z|=0.99$" if side > 0 else "_"
            )
        first.set(xlabel=r"time $\gamma t$", ylabel=r"$z=\langle\sigma_z\rangle$", xlim=(0, 2), ylim=(-1.08, 1.4))
        first.legend(loc="upper right")
        setting.draw_curve(second, law, 0, r"$(a/8)\,\tanh(a/2)$")
        setting.draw_points(second, by_epsilon, 1, "ensemble ± 2 s.e.")
        second.set(
            xscale="log", xlabel=r"distance from the pointer state $\varepsilon$", ylabel=r"mean time $\gamma\bar t$"
        )
        second.legend()
        setting.draw_curve(third, law_gamma, 0, r"$0.655\,/\,\gamma$")
        setting.draw_points(third, by_gamma, 1, "ensemble ± 2 s.e.")
        third.set(xlabel=r"rate $\gamma$", ylabel=r"mean time $\bar t$ to $\varepsilon=0.01$")
        third.legend()
    return made

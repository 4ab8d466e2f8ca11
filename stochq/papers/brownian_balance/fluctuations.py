"""What the paper does not have: the entropy produced along single paths, and the theorems it obeys."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers import checks
from stochq.papers.brownian_balance import setting
from stochq.papers.checks import Check
from stochq.papers.output import PURE, Claim, Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PATHS, STEP = 100_000, 0.05
TIMES = np.linspace(0.0, 20.0, 11)
BINS = np.linspace(-4.0, 6.0, 41)
# Fewer paths than this in a bin have no normal error.
FEWEST = 50
DENSITY = (PURE, PURE)
MEANS = ("1/ω", PURE)


class Ends(NamedTuple):
    """Probability per unit of Σ in every bin and its standard error, from paths and from reversed paths times e^Σ."""

    forward: np.ndarray
    forward_error: np.ndarray
    reversed_: np.ndarray
    reversed_error: np.ndarray


def fluctuation_theorem(effort: float = 1.0) -> Claim:
    """Paths of the minimal oscillator in its steady state: E[e^{−Σ}] = 1, E[Σ] = Πt, P(Σ) = e^Σ P_R(−Σ)."""
    model = sq.gaussian.brownian(setting.MASS, setting.FREQUENCY, setting.FRICTION, setting.BETA)
    steady, count = model.steady_state(), max(int(PATHS * effort), 1000)
    run: dict[str, Any] = {"trajectories": count, "dt": STEP, "keep": count}
    forward = sq.gaussian.langevin(model, steady, TIMES, seed=1, **run)
    backward = sq.gaussian.langevin(model, steady, TIMES, seed=2, reverse=True, **run)
    rate = float(model.entropy_production(steady))
    closed = sq.gaussian.path_entropy(model, steady, TIMES, STEP)
    finer = sq.gaussian.path_entropy(model, steady, TIMES, STEP / 2)
    ends = _ends(forward.kept[:, -1, -1].astype(float), backward.kept[:, -1, -1].astype(float))
    found = [
        checks.by_largest_z(
            "E[exp(-entropy)] = 1", forward.mean["exp(-entropy)"][1:], forward.stderr["exp(-entropy)"][1:], 1.0
        ),
        checks.by_largest_z(
            "mean entropy of paths", forward.mean["entropy"][1:], forward.stderr["entropy"][1:], closed[1:]
        ),
        # Of order one in the step or better, the error is at most twice the change when the step is halved.
        Check("closed form against Pi t", closed[-1], rate * TIMES[-1], 2 * abs(finer[-1] - closed[-1])),
        _detailed(ends),
    ]
    middle = 0.5 * (BINS[1:] + BINS[:-1])
    series = [
        Series("P(entropy)", middle, ends.forward, ends.forward_error, units=DENSITY),
        Series("exp(entropy) P_R(-entropy)", middle, ends.reversed_, ends.reversed_error, units=DENSITY),
        Series("E[exp(-entropy)]", TIMES, forward.mean["exp(-entropy)"], forward.stderr["exp(-entropy)"], units=MEANS),
        Series("E[entropy]", TIMES, forward.mean["entropy"], forward.stderr["entropy"], units=MEANS),
        Series("Pi t", TIMES, rate * TIMES, units=MEANS),
    ]
    return Claim(series, found, _draw(middle, ends, series))


def _ends(forward: np.ndarray, backward: np.ndarray) -> Ends:
    width = BINS[1] - BINS[0]
    ones, weights = np.ones_like(forward), np.exp(-backward)
    found = []
    for values, weight in ((forward, ones), (-backward, weights)):
        mean = np.histogram(values, BINS, weights=weight)[0] / values.size
        second = np.histogram(values, BINS, weights=weight**2)[0] / values.size
        found += [mean / width, np.sqrt(np.maximum(second - mean**2, 0.0) / values.size) / width]
    return Ends(*found)


def _detailed(ends: Ends) -> Check:
    """Bin by bin, where the counts are large enough for normal errors."""
    relative = [
        ends.forward_error / np.maximum(ends.forward, 1e-300),
        ends.reversed_error / np.maximum(ends.reversed_, 1e-300),
    ]
    enough = np.all([(0 < r) & (r < FEWEST**-0.5) for r in relative], axis=0)
    error = np.hypot(ends.forward_error, ends.reversed_error)[enough]
    return checks.by_largest_z("detailed theorem", ends.forward[enough], error, ends.reversed_[enough])


def _draw(middle: np.ndarray, ends: Ends, series: list[Series]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(2, rows_each=(1.0, 0.6))
        (upper, lower), (above, below) = axes
        # Bins known to better than a half: beyond, error bars on a logarithmic scale mislead.
        seen = ends.forward_error < 0.5 * ends.forward
        turned = ends.reversed_error < 0.5 * ends.reversed_
        upper.errorbar(
            middle[seen], ends.forward[seen], 2 * ends.forward_error[seen], color=plotting.BLUE, fmt="o", markersize=4,
            label=r"$P(\Sigma)$ ± 2 s.e.",
        )  # fmt: skip
        upper.errorbar(
            middle[turned], ends.reversed_[turned], 2 * ends.reversed_error[turned], color=plotting.VERMILION, fmt="s",
            markersize=5, markerfacecolor="none", label=r"$e^{\Sigma}P_R(-\Sigma)$ ± 2 s.e.",
        )  # fmt: skip
        upper.set(yscale="log", ylabel="density", ylim=(2e-4, 2))
        upper.set_title(rf"$\omega t={TIMES[-1]:g}$")
        upper.legend(loc="upper left")
        upper.tick_params(labelbottom=False)
        both = seen & turned
        ratio = ends.forward[both] / ends.reversed_[both]
        error = ratio * np.hypot(
            ends.forward_error[both] / ends.forward[both], ends.reversed_error[both] / ends.reversed_[both]
        )
        lower.errorbar(middle[both], ratio, 2 * error, color=plotting.BLACK, fmt="o", markersize=3)
        lower.axhline(1.0, color="grey", linewidth=1)
        lower.set(xlabel=r"entropy of a path $\Sigma$", ylabel="ratio", ylim=(0.5, 1.5))
        mean, produced = series[3], series[4]
        look: dict[str, Any] = {"color": plotting.BLUE, "fmt": "o", "markersize": 4}
        above.errorbar(mean.x, mean.y, 2 * mean.stderr, label=r"$E[\Sigma]$ ± 2 s.e.", **look)
        above.plot(produced.x, produced.y, color=plotting.VERMILION, linestyle="--", label=r"$\Pi_St$")
        above.set(ylabel=r"mean entropy")
        above.legend(loc="upper left")
        above.tick_params(labelbottom=False)
        integral = series[2]
        below.errorbar(integral.x, integral.y, 2 * integral.stderr, **look)
        below.axhline(1.0, color="grey", linewidth=1)
        below.set(xlabel=r"time $\omega t$", ylabel=r"$E[e^{-\Sigma}]$")
    return made

r"""(a) The fluctuations of a local mean at equilibrium, in time and from system to system, die with the size.

At equilibrium $d\langle O\rangle$ has the noise
$\sqrt a\,2\,\mathrm{Re}\,\psi^\dagger(O-\langle O\rangle)\chi^{1/2}d\eta$ and relaxes at the rate a, so that the second
moment of its deviation is stationary where
$2a\,\mathrm{Var} = 2a\,E\langle(O-\langle O\rangle)\chi(O-\langle O\rangle)\rangle$. The Hamiltonian drops out: it
commutes with χ, and the noise does not tell $\chi^{1/2}d\eta$ from $U\chi^{1/2}d\eta$. With
$E|\psi\rangle\langle\psi| = \chi$ and $\tilde O = O - \mathrm{Tr}\,\chi O$ this is

$$\mathrm{Var}\langle O\rangle = \frac{\mathrm{Tr}\,\chi\tilde O\chi\tilde O}{1+\mathrm{Tr}\,\chi^2}$$

to order 1/D², $D = 1/\mathrm{Tr}\,\chi^2$, and exactly for an even χ, whose states are Haar's (the denominator is that
of Haar's fourth moments). It is what canonical typicality says of a state drawn from χ. For a local O it falls as 1/D,
exponentially with the number of sites.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.papers.checks import Check, by_error, by_largest_z
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part, lengths, over_states, sigma_x, spins

if TYPE_CHECKING:
    from matplotlib.axes import Axes


BETA, ALPHA, SEED = 0.2, 0.1, 1103
CHAIN, SIZES, LONGER = (1.0, 0.9, 0.4), (4, 6, 8, 10, 12, 14), (16, 18)
# Up to so many sites trajectories are cheap; beyond so many they are dear.
SMALL, LARGE = 8, 14
# In units of the relaxation time: when means are at equilibrium, how far apart squares are independent, and the step.
START, APART, STEP = 8.0, 1.5, 0.25
LENGTH = 40


def fluctuations_part(effort: float, sizes: tuple[int, ...] | None = None) -> Part:
    """Variance of ⟨σ^x⟩ at a site over trajectories and over the time of one of them, against 1/Tr χ²."""
    sizes = lengths(SIZES, LONGER, effort) if sizes is None else sizes
    rows = np.array([_measure(sites, _trajectories(sites, effort)) for sites in sizes])
    dimension, predicted, over_trajectories, error, over_time, time_error = rows.T
    checks = [
        by_largest_z("variance over trajectories against Tr χÕχÕ/(1 + Tr χ²)", over_trajectories, error, predicted),
        by_largest_z("variance over the time of one trajectory", over_time, time_error, predicted),
        *_exponents("over trajectories", dimension, over_trajectories, error, predicted),
        *_exponents("over time", dimension, over_time, time_error, predicted),
    ]
    units = (PURE, PURE)
    series = [
        Series("variance predicted", dimension, predicted, units=units),
        Series("variance over trajectories", dimension, over_trajectories, error, units=units),
        Series("variance over time", dimension, over_time, time_error, units=units),
        Series("effective dimension", sizes, dimension, units=units),
    ]
    return Part(series, checks, (partial(_draw, series),))


def _trajectories(sites: int, effort: float) -> int:
    return setting.whole(400 if sites <= SMALL else 64 if sites <= LARGE else 16, effort, 32)


def _measure(sites: int, count: int) -> tuple[float, ...]:
    """Effective dimension, predicted variance, and both measured ones with their standard errors."""
    system, psi0, rate = spins(sites, *CHAIN), setting.product_state(sites, 0.8), ALPHA * sites
    chi, site = sq.canonical(system, BETA), sites // 2
    mean, purity, predicted = predict(system, chi, site)
    times = np.concatenate([[0.0], START + APART * np.arange(LENGTH)]) / rate
    local = partial(sigma_x, site=site)
    equation = sq.models.oqt(system, strength=rate, equilibrium=chi, noise="complex")
    run = partial(sq.simulate, equation, psi0, dt=STEP / rate, progress=False)
    many = run(times[:2], observables={"square": lambda psi: (local(psi) - mean) ** 2}, trajectories=count, seed=SEED)
    one = run(times, observables={"local": local}, trajectories=2, keep=1, seed=SEED + 1)
    squares = (over_states(local, one.kept[0, 1:]) - mean) ** 2
    # Squares that are APART keep a correlation of e^{-2 APART} at most.
    correlated = np.sqrt((1 + np.exp(-2 * APART)) / (1 - np.exp(-2 * APART)))
    errors = many.stderr["square"][-1], squares.std(ddof=1) / np.sqrt(LENGTH) * correlated
    # Few squares that happen to be small have too small a scatter as well: no less than that of a normal deviation's.
    expected = predicted * np.sqrt(2 / count), predicted * np.sqrt(2 / LENGTH) * correlated
    error, time_error = np.maximum(errors, expected)
    return (1 / purity, predicted, many.mean["square"][-1], error, squares.mean(), time_error)


def predict(system: sq.systems.Hamiltonian, chi: Any, site: int) -> tuple[float, float, float]:
    """Tr χO, Tr χ² and the variance of ⟨O⟩, O = σ^x at a site."""
    if system.is_matrix_free:
        operator = system.operators[f"sigma_x_{site}"]
        mean = float(chi.mean(operator).value)
        shifted = operator.apply(chi.states) - mean * chi.states
        square = float(jnp.sum(jnp.abs(chi.root(shifted)) ** 2))
        return mean, float(chi.purity), square / (1 + float(chi.purity))
    vectors = np.asarray(system.eigenvectors)
    states = np.arange(system.dim)
    operator = vectors.T @ vectors[states ^ (1 << site)]
    mean, purity = float(np.diag(operator) @ chi), float(chi @ chi)
    shifted = operator - mean * np.eye(system.dim)
    return mean, purity, float(chi @ np.abs(shifted) ** 2 @ chi) / (1 + purity)


def _exponents(
    name: str, dimension: np.ndarray, variance: np.ndarray, error: np.ndarray, predicted: np.ndarray
) -> list[Check]:
    """Variance ∝ D^(-x): x by weighted least squares, against that of the predicted variances with the same weights."""
    weights = np.square(variance / error)
    x = np.log(dimension)
    x = x - np.average(x, weights=weights)
    spread = np.sum(weights * x**2)
    fit, reference = (-np.sum(weights * x * np.log(y)) / spread for y in (variance, predicted))
    return [by_error(f"exponent of the variance {name} in 1/D", fit, 1 / np.sqrt(spread), reference)]


def _draw(series: list[Series], axes: "Axes") -> None:
    predicted, over_trajectories, over_time, _ = series
    setting.draw_curve(axes, predicted, 0, r"$\mathrm{Tr}\,\chi\tilde O\chi\tilde O/(1+\mathrm{Tr}\,\chi^2)$")
    setting.draw_points(axes, over_trajectories, 1, "over trajectories")
    setting.draw_points(axes, over_time, 2, "over time of one")
    axes.set(xscale="log", yscale="log", xlabel=r"$D=1/\mathrm{Tr}\,\chi^2$")
    axes.set_ylabel(r"variance of $\langle\sigma^x_j\rangle$")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(lambda value, position: "")
    axes.set_title("(a) fluctuations at equilibrium")
    axes.legend()

"""What the claims share: the rates of fig. 3, closed forms of eqs. 30 and 31, entropy by kind of bath."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stochq import gaussian, plotting
from stochq.arrays import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATE, PROBE, COUPLING, ENDS = 1e-6, 1e-7, 3e-7, (1.0, 2.0)
OCCUPATION = r"occupation $\langle a_k^\dagger a_k\rangle$"
RESERVOIRS, SELF_CONSISTENT = r"reservoirs, $\Pi_r$", r"self-consistent baths, $\Pi_{sc}$"


class Split(NamedTuple):
    """Quanta per unit of time from the hot to the cold reservoir, and the entropy production by kind of bath."""

    current: float
    reservoirs: float
    self_consistent: float

    @property
    def total(self) -> float:
        return self.reservoirs + self.self_consistent

    @property
    def by_currents(self) -> float:
        """The total by currents times affinities, eq. 26, of one cold and one hot kind of reservoir."""
        return float(self.current * affinity(*ENDS))


def affinity(cold: ArrayLike, hot: ArrayLike) -> np.ndarray:
    """1/(n_1 + ½) - 1/(n_L + ½), entropy per quantum."""
    return 1 / (np.asarray(cold) + 0.5) - 1 / (np.asarray(hot) + 0.5)


def split_chain(line: "gaussian.Chain") -> Split:
    """Of the uniform chain, in O(L)."""
    produced = line.entropy_production()
    return Split(line.current, float(produced.reservoirs.sum()), float(produced.probes.sum()))


def split_network(
    couplings: np.ndarray,
    cold: Iterable[int],
    hot: Iterable[int],
    probe: float | np.ndarray = PROBE,
    ends: tuple[float, float] = ENDS,
) -> "tuple[gaussian.Network, np.ndarray, Split]":
    """The network with reservoirs at the named sites and probes at all, its steady state, and its entropy."""
    rates, occupations = np.zeros(len(couplings)), np.zeros(len(couplings))
    for sites, value in zip((cold, hot), ends, strict=True):
        rates[list(sites)], occupations[list(sites)] = RATE, value
    network = gaussian.network(couplings, rates, occupations).with_probes(probe)
    steady = network.steady_state()
    reservoirs, probes = network.entropy_production(steady).sum(axis=1)
    current = network.bath_currents(steady)[0, list(cold)].sum()
    return network, steady, Split(float(current), float(reservoirs), float(probes))


def power_of_ten(value: float) -> str:
    """LaTeX of a number as it is written in a legend, without its dollars."""
    mantissa, exponent = f"{value:.0e}".split("e")
    power = rf"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa}\times{power}"


def draw_kinds(
    axes: "Axes", x: np.ndarray, reservoirs: np.ndarray, self_consistent: np.ndarray, **options: Any
) -> None:
    """Both kinds of entropy production, as dots and squares in the colours of fig. 3."""
    kinds = (
        (reservoirs, plotting.VERMILION, "o", RESERVOIRS),
        (self_consistent, plotting.BLUE, "s", SELF_CONSISTENT),
    )
    for values, color, marker, label in kinds:
        settings = {"color": color, "marker": marker, "label": label, "linestyle": "none", "markersize": 3.6}
        axes.plot(x, values, **(settings | options))

"""Fig. 2: occupations along the chain, ballistic without self-consistent baths and diffusive with them.

The caption gives γ = 1e-5 and L = 10, but neither the reservoirs' occupations nor the values of the curves; fig. 3's
occupations 1 and 2 are taken, and values that show the same.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stochq import gaussian, plotting
from stochq.papers.checks import Check
from stochq.papers.lattice_transport import setting
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RATE, SITES = 1e-5, 10
COUPLINGS, PROBES, LENGTHS = (1e-6, 3e-6, 1e-5, 1e-4), (0.0, 1e-6, 1e-5, 1e-4), (10, 20, 50, 200)


def fig2a(effort: float = 1.0) -> Claim:
    """Without self-consistent baths: flat between the ends, for several couplings."""
    lines = [_chain(coupling=value) for value in COUPLINGS]
    return _claim(lines, "coupling", COUPLINGS, r"\lambda")


def fig2b(effort: float = 1.0) -> Claim:
    """With Γ = 1e-6: linear between the ends, for several couplings."""
    lines = [_chain(coupling=value, probe=1e-6) for value in COUPLINGS]
    return _claim(lines, "coupling", COUPLINGS, r"\lambda")


def fig2c(effort: float = 1.0) -> Claim:
    """For several rates Γ of the self-consistent baths."""
    lines = [_chain(probe=value) for value in PROBES]
    return _claim(lines, "probe_rate", PROBES, r"\Gamma")


def fig2d(effort: float = 1.0) -> Claim:
    """For several lengths: the longer, the smaller the jumps at the ends."""
    lines = [_chain(sites=value, probe=1e-6) for value in LENGTHS]
    return _claim(lines, "sites", LENGTHS, "L")


def _chain(sites: int = SITES, coupling: float = 1e-5, probe: float = 0.0) -> "gaussian.Chain":
    return gaussian.chain(sites, coupling, RATE, setting.ENDS, probe=probe)


def _claim(lines: Sequence["gaussian.Chain"], name: str, values: Sequence[float], symbol: str) -> Claim:
    columns = {
        "site": np.concatenate([np.arange(1, line.sites + 1) for line in lines]),
        "occupation": np.concatenate([line.site_occupations for line in lines]),
        name: np.repeat(values, [line.sites for line in lines]),
    }
    units = {"site": PURE, "occupation": PURE, name: PURE if name == "sites" else "ω"}
    return Claim(Table(columns, units), _checks(lines), _draw(lines, values, symbol))


def _checks(lines: Sequence["gaussian.Chain"]) -> list[Check]:
    """The general solver for networks against the formulas of the paper and of `chain`."""
    law, line_form, flow = 0.0, 0.0, 0.0
    for line in lines:
        network = _network(line)
        steady = network.steady_state()
        occupations = network.site_occupations(steady)
        law = max(law, float(np.abs(occupations - _law(line)).max()))
        line_form = max(line_form, float(np.abs(occupations - line.site_occupations).max()))
        bonds = np.diagonal(network.currents(steady), 1)
        flow = max(flow, float(np.abs(bonds / _current(line) - 1).max()))
    return [
        Check("general solver against eq. 29a, largest difference", law, 0.0, 1e-10),
        Check("general solver against the chain, largest difference", line_form, 0.0, 1e-10),
        Check("its currents through the bonds over eq. 30, largest deviation", flow, 0.0, 1e-8),
    ]


def _current(line: "gaussian.Chain") -> float:
    """Eq. 30."""
    bottom = 4 * line.coupling**2 + RATE**2 + RATE * line.probes[0] * (line.sites - 1)
    return float(2 * line.coupling**2 * RATE * (setting.ENDS[1] - setting.ENDS[0]) / bottom)


def _law(line: "gaussian.Chain") -> np.ndarray:
    """Eq. 29a."""
    sites, probe = line.sites, line.probes[0]
    k, (cold, hot) = np.arange(1, sites + 1), setting.ENDS
    ends = RATE**2 * ((k == 1).astype(float) - (k == sites))
    bottom = 4 * line.coupling**2 + RATE**2 + RATE * probe * (sites - 1)
    return (cold + hot) / 2 + (cold - hot) / 2 * (probe * RATE * (sites - 2 * k + 1) + ends) / bottom


def _network(line: "gaussian.Chain") -> "gaussian.Network":
    rates, occupations = np.zeros(line.sites), np.zeros(line.sites)
    rates[[0, -1]], occupations[[0, -1]] = RATE, setting.ENDS
    return gaussian.network(line.couplings(), rates, occupations).with_probes(line.probes)


def _draw(lines: Sequence["gaussian.Chain"], values: Sequence[float], symbol: str) -> "Figure":
    lengths = len({line.sites for line in lines}) > 1
    with plotting.style():
        made, ((axes,),) = plotting.figure()
        for index, (line, value) in enumerate(zip(lines, values, strict=True)):
            k = np.arange(1, line.sites + 1)
            number = f"{value:.0f}" if value >= 1 else rf"{setting.power_of_ten(value)}\,\omega" if value else "0"
            axes.plot(
                (k - 1) / (line.sites - 1) if lengths else k,
                line.site_occupations,
                color=plotting.PALETTE[index],
                linestyle=plotting.LINES[index],
                linewidth=1.2,
                marker=plotting.MARKERS[index] if line.sites <= 50 else "none",
                markersize=3 if line.sites > 20 else 5,
                label=rf"${symbol}={number}$",
            )
        for end, name in zip(setting.ENDS, ("n_1", "n_L"), strict=True):
            axes.axhline(end, color=plotting.BLACK, linewidth=0.8, linestyle=":")
            axes.annotate(
                f"${name}$", (1, end), xycoords=("axes fraction", "data"), xytext=(4, 0),
                textcoords="offset points", va="center",
            )  # fmt: skip
        place = "position $(k-1)/(L-1)$" if lengths else "site $k$"
        axes.set(xlabel=place, ylabel=setting.OCCUPATION, ylim=(0.95, 2.05))
        axes.legend(loc="upper left", bbox_to_anchor=(0.01, 0.96))
        axes.set_title(_parameters(lines), fontsize=9.5)
    return made


def _parameters(lines: Sequence["gaussian.Chain"]) -> str:
    """What all curves share."""
    shared = {
        r"\gamma": {RATE},
        r"\lambda": {line.coupling for line in lines},
        r"\Gamma": {float(line.probes[0]) for line in lines},
    }
    parts = [
        rf"${symbol}={setting.power_of_ten(value)}\,\omega$" if value else f"${symbol}=0$"
        for symbol, values in shared.items()
        if len(values) == 1
        for value in values
    ]
    lengths = {line.sites for line in lines}
    return ", ".join(parts + [f"$L={length}$" for length in lengths if len(lengths) == 1])

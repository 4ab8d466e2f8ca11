"""Not in the paper: a chain of disordered frequencies: self-consistent baths first help transport, then hinder it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from stochq import gaussian, plotting
from stochq.papers.checks import Check
from stochq.papers.lattice_transport import setting
from stochq.papers.lattice_transport.setting import COUPLING, ENDS, PROBE, RATE
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Width of the box from which frequencies are drawn, in units of the coupling.
DISORDERS, SITES, SEED = (0.0, 5.0, 20.0), 16, 271
PROBES = np.geomspace(1e-8, 1e-3, 16)
LENGTHS = (4, 8, 16, 32, 64)
SAMPLES, FEWER = 16, 8


def disordered_chain(effort: float = 1.0) -> Claim:
    """Current and entropy production against the rate of the self-consistent baths and against the length."""
    by_rate = [_row(disorder, SITES, rate, round(SAMPLES * effort)) for disorder in DISORDERS for rate in PROBES]
    by_length = [_row(disorder, sites, PROBE, round(FEWER * effort)) for disorder in DISORDERS for sites in LENGTHS]
    rows = by_rate + by_length
    clean = [row for row in rows if row["disorder"] == 0]
    chains = [
        setting.split_chain(gaussian.chain(row["sites"], COUPLING, RATE, ENDS, probe=row["probe_rate"]))
        for row in clean
    ]
    best = int(np.argmax([row["current"] for row in by_rate if row["disorder"] == 20]))
    off = [abs(row["self_consistent"] / line.self_consistent - 1) for row, line in zip(clean, chains, strict=True)]
    checks = [
        # The weakest currents move occupations by 1e-6 only, which leaves their differences ten digits.
        Check("sum relative to currents times affinities (eq. 26), largest difference", _unbalanced(rows), 0.0, 1e-8),
        Check("without disorder, Π_sc relative to the uniform chain, largest difference", max(off), 0.0, 1e-8),
        _fast_dephasing(by_rate),
        Check("disorder 20λ: a rate between the ends carries most (1 if so)", float(0 < best < len(PROBES) - 1), 1, 0),
    ]
    table = {name: [row[name] for row in rows] for name in rows[0] if name != "unbalanced"}
    units = dict.fromkeys(table, "ω") | {"disorder": "λ", "sites": PURE}
    return Claim(Table(table, units), checks, _draw(by_rate, by_length))


def _row(disorder: float, sites: int, probe: float, samples: int) -> dict[str, Any]:
    """Means over realisations, and standard errors. All rates see the same realisations."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(max(2, samples) if disorder else 1):
        frequencies = disorder * COUPLING * (rng.random(sites) - 0.5)
        couplings = np.diag(frequencies) + COUPLING * (np.eye(sites, k=1) + np.eye(sites, k=-1))
        found.append(setting.split_network(couplings, [0], [sites - 1], probe)[-1])
    row: dict[str, Any] = {"disorder": disorder, "sites": sites, "probe_rate": float(probe)}
    for name in ("current", "reservoirs", "self_consistent"):
        values = np.array([getattr(split, name) for split in found])
        row[name] = float(values.mean())
        row[f"{name}_stderr"] = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    row["unbalanced"] = max(abs(split.total / split.by_currents - 1) for split in found)
    return row


def _unbalanced(rows: list[dict[str, Any]]) -> float:
    return float(max(row["unbalanced"] for row in rows))


def _fast_dephasing(rows: list[dict[str, Any]]) -> Check:
    """Probes faster than all else: quanta hop at random, at 2λ²/Γ whatever the disorder, up to (20λ/Γ)²."""
    fast = PROBES[-1]
    last = next(row for row in rows if row["disorder"] == 20 and row["probe_rate"] == fast)
    # Two contacts of rate γ in series with bonds, of which those at the ends are damped by (2Γ + γ)/2.
    bonds = ((SITES - 1) * fast + RATE) / (2 * COUPLING**2)
    law = (ENDS[1] - ENDS[0]) / (bonds + 2 / RATE)
    tolerance = (20 * COUPLING / fast) ** 2
    return Check("Γ = 1e-3, disorder 20λ: current over that of random hopping", last["current"] / law, 1.0, tolerance)


def _draw(by_rate: list[dict[str, Any]], by_length: list[dict[str, Any]]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(3)
        first, second, third = (column[0] for column in axes)
        for index, disorder in enumerate(DISORDERS):
            label = rf"$W={disorder:g}\,\lambda$" if disorder else "no disorder"
            _draw_points(first, by_rate, disorder, "probe_rate", "current", index, label)
        for panel, rows, x in ((second, by_rate, "probe_rate"), (third, by_length, "sites")):
            for kind, color, symbol in (
                ("reservoirs", plotting.VERMILION, r"$\Pi_r$"),
                ("self_consistent", plotting.BLUE, r"$\Pi_{sc}$"),
            ):
                for disorder, marker, line in ((0.0, "none", "--"), (20.0, "o" if kind == "reservoirs" else "s", "-")):
                    label = symbol + (rf", $W={disorder:g}\,\lambda$" if disorder else ", no disorder")
                    _draw_points(panel, rows, disorder, x, kind, 0, label, color=color, marker=marker, linestyle=line)
        rate = r"rate of the self-consistent baths $\Gamma$  [$\omega$]"
        production = r"entropy production $\Pi$  [$\omega$]"
        first.set(xlabel=rate, ylabel=r"current $j$  [$\omega$]", ylim=(2e-12, 3e-6))
        second.set(xlabel=rate, ylabel=production, ylim=(1e-14, 3e-6))
        third.set(xlabel="length of the chain $L$  [sites]", ylabel=production, ylim=(1e-15, 3e-7))
        third.set_title(rf"$\Gamma={setting.power_of_ten(PROBE)}\,\omega$")
        first.set_title(f"{SITES} sites, mean over disorder ± 2 s.e.")
        second.set_title(f"{SITES} sites")
        for panel in (first, second, third):
            panel.set(xscale="log", yscale="log")
            panel.legend(loc="lower left" if panel is third else "best")
        third.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
        third.minorticks_off()
    return made


def _draw_points(
    panel: "Axes", rows: list[dict[str, Any]], disorder: float, x: str, y: str, index: int, label: str, **options: Any
) -> None:
    some = [row for row in rows if row["disorder"] == disorder]
    settings: dict[str, Any] = {
        "color": plotting.PALETTE[index],
        "marker": plotting.MARKERS[index],
        "linestyle": plotting.LINES[index],
        "linewidth": 1.1,
        "markersize": 3.6,
        "elinewidth": 1,
        "label": label,
    }
    errors = [2 * row[f"{y}_stderr"] for row in some] if disorder else None
    panel.errorbar([row[x] for row in some], [row[y] for row in some], errors, **(settings | options))

"""Fig. 3: entropy production at the reservoirs and at the self-consistent baths against the length of the chain."""

from typing import TYPE_CHECKING

import numpy as np

from stochq import gaussian, plotting
from stochq.arrays import Number
from stochq.papers.checks import Check
from stochq.papers.lattice_transport import setting
from stochq.papers.lattice_transport.setting import COUPLING, ENDS, PROBE, RATE, Split
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LONGEST, FITTED_FROM = 3000, 1000
# Numbers of the same chain from an independent dense solution, and their last digit.
GOLD = {10: (1.304613e-8, 8.192812e-9), 100: (5.672859e-10, 3.695592e-9)}
DIGIT = 5e-7


def fig3(effort: float = 1.0) -> Claim:
    """Π_r falls as L⁻², Π_sc as L⁻¹: diffusion soon costs more than what happens at the reservoirs."""
    lengths = np.unique(np.concatenate([np.arange(2, 41), np.geomspace(40, LONGEST, 61).round().astype(int), [100]]))
    splits = [setting.split_chain(_chain(int(length))) for length in lengths]
    by_length = dict(zip(lengths.tolist(), splits, strict=True))
    columns = {
        "L": lengths,
        "reservoirs": np.array([split.reservoirs for split in splits]),
        "self_consistent": np.array([split.self_consistent for split in splits]),
    }
    exponents = [_exponent(lengths, columns[kind]) for kind in ("reservoirs", "self_consistent")]
    crossing = next(length for length, split in by_length.items() if split.self_consistent > split.reservoirs)
    checks = _checks(by_length) + [
        Check("first L with more entropy from the self-consistent baths", crossing, 16, 0),
        # The exponents' approach to -2 and -1 is known: 4λ² + γ² against γΓL, 1.4 % at L = 1000.
        Check("exponent of the reservoirs over L from 1000 to 3000", exponents[0], -1.98, 0.005),
        Check("exponent of the self-consistent baths over L from 1000 to 3000", exponents[1], -0.98, 0.005),
    ]
    return Claim(
        Table(columns, {"L": PURE, "reservoirs": "ω", "self_consistent": "ω"}),
        checks,
        _draw(columns, exponents, crossing),
    )


def _chain(sites: int, probe: float = PROBE) -> "gaussian.Chain":
    return gaussian.chain(sites, COUPLING, RATE, ENDS, probe=probe)


def _law(sites: Number, probe: float = PROBE) -> Number:
    """Eq. 31."""
    bottom = 4 * COUPLING**2 + RATE**2 + RATE * probe * (sites - 1)
    return 2 * COUPLING**2 * RATE * (ENDS[1] - ENDS[0]) / bottom * setting.affinity(*ENDS)


def _exponent(lengths: np.ndarray, values: np.ndarray) -> float:
    late = lengths >= FITTED_FROM
    return float(np.polyfit(np.log(lengths[late]), np.log(values[late]), 1)[0])


def _checks(by_length: dict[int, Split]) -> list[Check]:
    worst = max(abs(split.total / _law(length) - 1) for length, split in by_length.items())
    checks = [
        Check("Π_r + Π_sc relative to eq. 31, largest difference", float(worst), 0.0, 1e-10),
    ]
    for length, (reservoirs, self_consistent) in GOLD.items():
        found = by_length[length]
        checks += [
            Check(f"Π_r for L = {length}", found.reservoirs, reservoirs, DIGIT * reservoirs),
            Check(f"Π_sc for L = {length}", found.self_consistent, self_consistent, DIGIT * self_consistent),
        ]
    _, _, dense = setting.split_network(_chain(100).couplings(), [0], [99])
    checks.append(
        Check(
            "Π_sc for L = 100 by the general solver, relative", dense.self_consistent / found.self_consistent, 1, 1e-9
        )
    )
    return checks


def _draw(columns: dict[str, np.ndarray], exponents: list[float], crossing: int) -> "Figure":
    lengths = columns["L"]
    grid = np.geomspace(2, LONGEST, 200)
    with plotting.style():
        made, ((axes,),) = plotting.figure()
        axes.plot(grid, _law(grid), color=plotting.BLACK, linewidth=1.2, linestyle="-", label="sum, eq. 31")
        axes.axhline(
            float(_law(2, probe=0.0)), color=plotting.GREEN, linestyle=(0, (5, 2)), linewidth=1.2,
            label=r"ballistic, $\Gamma=0$",
        )  # fmt: skip
        setting.draw_kinds(axes, lengths, columns["reservoirs"], columns["self_consistent"], markersize=3.2)
        for kind, exponent in zip(("reservoirs", "self_consistent"), exponents, strict=True):
            late = lengths[lengths >= FITTED_FROM / 10]
            line = columns[kind][-1] * (late / LONGEST) ** exponent
            axes.plot(late, 0.5 * line, color="0.35", linewidth=1, linestyle="-")
            axes.annotate(
                rf"$L^{{{exponent:.2f}}}$", (late[len(late) // 2], 0.5 * line[len(late) // 2]),
                xytext=(-4, -4), textcoords="offset points", ha="right", va="top",
            )  # fmt: skip
        axes.axvline(crossing, color="0.6", linewidth=0.8)
        axes.annotate(f"$L={crossing}$", (crossing, 9e-8), xytext=(4, 0), textcoords="offset points")
        axes.set(xscale="log", yscale="log", xlabel="length of the chain $L$  [sites]")
        axes.set(ylabel=r"entropy production $\Pi$  [$\omega$]", ylim=(1e-13, 2e-7))
        axes.legend(loc="lower left")
    return made

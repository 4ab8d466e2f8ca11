"""Not in the paper: the entropic cost of diffusion from deep in the quantum regime to the classical one."""

from typing import TYPE_CHECKING

import numpy as np

from stochq import gaussian, plotting
from stochq.papers.checks import Check
from stochq.papers.lattice_transport import setting
from stochq.papers.lattice_transport.setting import COUPLING, PROBE, RATE
from stochq.papers.lattice_transport.square import lattice
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SITES, SHARES, HOTTER = 100, (4, 16, 100), 2.0
COLD = np.geomspace(0.05, 50, 61)


def temperature_claim(effort: float = 1.0) -> Claim:
    """Reservoirs at T and 2T, T/ω from 0.05 to 50. Clausius' entropy is $j\\omega(1/T_1-1/T_L)$."""
    cold, hot = _occupation(COLD), _occupation(HOTTER * COLD)
    by_length = {sites: [_split(sites, *ends) for ends in zip(cold, hot, strict=True)] for sites in SHARES}
    splits = by_length[SITES]
    current = np.array([split.current for split in splits])
    total = np.array([split.total for split in splits])
    clausius = current * (1 - 1 / HOTTER) / COLD
    columns = {
        "temperature": COLD,
        "current": current,
        "reservoirs": np.array([split.reservoirs for split in splits]),
        "self_consistent": np.array([split.self_consistent for split in splits]),
        "clausius": clausius,
    }
    shares = {sites: np.array([s.self_consistent / s.total for s in found]) for sites, found in by_length.items()}
    columns |= {f"self_consistent_share_L{sites}": share for sites, share in shares.items()}
    wigner = 2 * (np.tanh(1 / (2 * COLD)) - np.tanh(1 / (2 * HOTTER * COLD)))
    checks = [
        Check("entropy per quantum, relative to 2tanh(ω/2T) of both ends", _worst(total / current, wigner), 0.0, 1e-10),
        *_limits(),
    ]
    return Claim(Table(columns, _units(columns)), checks, _draw(columns, shares, wigner))


def _limits() -> list[Check]:
    """Both ends of the scale for a lattice of 4 × 4 sites, by the general solver: entropy per quantum."""
    side = 4
    couplings = lattice(side, side)
    warm, cold = 50.0, 0.05
    classical = _per_quantum(couplings, warm) / ((1 - 1 / HOTTER) / warm)
    # tanh x = x - x³/3 + O(x⁵) at x = 1/2T
    second_order = 1 - (1 - HOTTER**-3) / (1 - 1 / HOTTER) / (12 * warm**2)
    # 1/(n + ½) = 2 - 4n + O(n²)
    ends = _occupation(np.array([cold, HOTTER * cold]))
    quantum = _per_quantum(couplings, cold) / (4 * (ends[1] - ends[0]))
    return [
        Check("4 × 4 sites at T = 50 ω: Wigner's over Clausius'", classical, second_order, warm**-4),
        Check("4 × 4 sites at T = 0.05 ω: Π/4j(n_L - n_1)", quantum, 1.0, 4 * float(ends[1])),
    ]


def _per_quantum(couplings: np.ndarray, cold: float) -> float:
    ends = tuple(_occupation(np.array([cold, HOTTER * cold])))
    split = setting.split_network(couplings, [0], [len(couplings) - 1], ends=ends)[-1]
    return split.total / split.current


def _units(columns: dict[str, np.ndarray]) -> dict[str, str]:
    shares = {name: PURE for name in columns if "share" in name}
    return dict.fromkeys(columns, "ω") | {"temperature": "ħω/k_B"} | shares


def _occupation(ratio: np.ndarray) -> np.ndarray:
    return 1 / np.expm1(1 / ratio)


def _split(sites: int, cold: float, hot: float) -> setting.Split:
    return setting.split_chain(gaussian.chain(sites, COUPLING, RATE, (cold, hot), probe=PROBE))


def _worst(values: np.ndarray, references: np.ndarray) -> float:
    return float(np.abs(values / references - 1).max())


def _draw(columns: dict[str, np.ndarray], shares: dict[int, np.ndarray], wigner: np.ndarray) -> "Figure":
    label = r"temperature of the cold reservoir $T_1$  [$\hbar\omega/k_B$]"
    with plotting.style():
        made, axes = plotting.figure(3)
        first, second, third = (column[0] for column in axes)
        first.plot(COLD, columns["clausius"], color=plotting.BLACK, linestyle=":", label="sum, Clausius")
        first.plot(COLD, wigner * columns["current"], color=plotting.GREEN, linestyle="-", label="sum, eq. 31")
        setting.draw_kinds(first, COLD, columns["reservoirs"], columns["self_consistent"])
        first.set(yscale="log", ylabel=r"entropy production $\Pi$  [$\omega$]", ylim=(1e-18, 1e-7))
        first.set_title(f"chain of {SITES} sites, $T_L={HOTTER:g}\\,T_1$")
        second.plot(COLD, columns["clausius"] / columns["current"], color=plotting.BLACK, linestyle=":",
                    label=r"Clausius, $\omega(1/T_1-1/T_L)$")  # fmt: skip
        second.plot(COLD, wigner, color=plotting.GREEN, linestyle="-",
                    label=r"Wigner, $\frac{1}{n_1+1/2}-\frac{1}{n_L+1/2}$")  # fmt: skip
        second.set(yscale="log", ylabel=r"entropy per quantum $\Pi/j$")
        for index, (sites, share) in enumerate(shares.items()):
            third.plot(
                COLD, share, color=plotting.PALETTE[index], linestyle=plotting.LINES[index], label=f"$L={sites}$"
            )
        third.set(ylabel=r"share of diffusion $\Pi_{sc}/\Pi$", ylim=(0, 1))
        for panel in (first, second, third):
            panel.set(xscale="log", xlabel=label)
        first.legend(loc="lower right")
        second.legend(loc="upper right")
        third.legend(loc="lower right", bbox_to_anchor=(1, 0.2))
    return made

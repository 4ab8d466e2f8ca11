"""All that was simulated against the paper's formulas, in one table and one picture."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from stochq import plotting
from stochq.papers.checks import Check, by_p_value
from stochq.papers.fermi_heating.fermions import fermions_claim
from stochq.papers.fermi_heating.gain import coloured_gain, white_gain
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PARTS = {
    "(a) free particle, white noise": white_gain,
    "(b) particle at rest, cut-off in the noise": coloured_gain,
    "(c) fermions": fermions_claim,
}


def heating_claim(effort: float = 1.0) -> Claim:
    """Heating by trajectories over formula: eq. 15 in 1 to 3 dimensions, eq. 13 with a cut-off, A23 for fermions."""
    found = [(part, check) for part, make in PARTS.items() for check in make(effort).checks]
    rows = [(part, check) for part, check in found if check.stderr is not None]
    simulated = np.array([check.value for _, check in rows])
    stderr = np.array([check.stderr for _, check in rows])
    formula = np.array([check.reference for _, check in rows])
    table = Table(
        {
            "part": [part for part, _ in rows],
            "case": [check.name for _, check in rows],
            "simulated_over_formula": simulated / formula,
            "stderr_over_formula": stderr / formula,
            "z": (simulated - formula) / stderr,
        },
        dict.fromkeys(("simulated_over_formula", "stderr_over_formula", "z"), PURE),
    )
    return Claim(table, [_together((simulated - formula) / stderr)], _draw(rows))


def _together(z: np.ndarray) -> Check:
    """What each case alone does not show: deviations that are too large, or too small, all together."""
    p_value = 2 * min(stats.chi2.sf(z @ z, len(z)), stats.chi2.cdf(z @ z, len(z)))
    return by_p_value(f"χ² of all {len(z)} cases, too large or too small", float(p_value))


def _draw(rows: list[tuple[str, Check]]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(1)
        panel, height = axes[0][0], 0.24 * len(rows) + 1.2
        made.set_size_inches(7.5, height)
        places = np.arange(len(rows))[::-1]
        for index, part in enumerate(PARTS):
            chosen = [number for number, (of, _) in enumerate(rows) if of == part]
            checks = [rows[number][1] for number in chosen]
            ratio = np.array([check.value / check.reference for check in checks])
            error = np.array([2 * (check.stderr or 0.0) / check.reference for check in checks])
            look: dict[str, Any] = {"color": plotting.PALETTE[index], "fmt": plotting.MARKERS[index], "markersize": 4}
            panel.errorbar(ratio, places[chosen], xerr=error, label=part, **look)
        panel.axvline(1.0, color=plotting.BLACK, linewidth=0.8)
        panel.set_yticks(places, [check.name for _, check in rows])
        panel.set(xlabel="simulated over formula, with two standard errors", ylim=(-0.7, len(rows) - 0.3))
        panel.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), fontsize=8)
    return made

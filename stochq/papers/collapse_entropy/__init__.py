"""Artini and Paternostro 2023: collapse of an oscillator and its entropy production. One module per group of figures.

The signs that the printed equations lost are restored; the uncertainty principle asks for f ≤ 2δ (printed ≥).
"""

from pathlib import Path

from stochq.papers import output
from stochq.papers.checks import Check
from stochq.papers.collapse_entropy.breakdown import breakdown_claim
from stochq.papers.collapse_entropy.csl import fig1, fig5, fig6
from stochq.papers.collapse_entropy.dissipative import fig2, fig7, fig8
from stochq.papers.collapse_entropy.grid import trajectories
from stochq.papers.collapse_entropy.snapshots import fig3, fig4

CLAIMS: dict[str, output.Maker] = {
    "fig1": fig1,
    "fig2": fig2,
    "fig3": fig3,
    "fig4": fig4,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "fig8": fig8,
    "map": breakdown_claim,
    "trajectories": trajectories,
}


def reproduce(out: Path, figure: str | None = None, effort: float = 1.0) -> list[Check]:
    """Regenerate the figures of the paper (or the one called `figure`) into `out`; effort below 1 makes a coarser map.

    Raises:
        ValueError: for a figure that is not one of `CLAIMS`.
    """
    return output.reproduce("collapse-entropy", CLAIMS, out, figure, effort)

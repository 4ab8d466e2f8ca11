"""Artini, Lo Monaco, Imparato, Paternostro and Donadi 2026: quantum Brownian motion and detailed balance.

ħ = m = ω = 1, η = .3, β = 2 unless a figure varies them. Corrected: eq. 14 has σ_pq = −mD_qq, so that eq. 15 is
Π_S = η(βħω)²/16, and eq. 19 prints the exponent instead of the covariance.
"""

from pathlib import Path

from stochq.papers import output
from stochq.papers.brownian_balance.fluctuations import fluctuation_theorem
from stochq.papers.brownian_balance.hilbert import trajectories
from stochq.papers.brownian_balance.production import eq15, squeezing
from stochq.papers.brownian_balance.table import table_claim
from stochq.papers.checks import Check

CLAIMS: dict[str, output.Maker] = {
    "table": table_claim,
    "production": squeezing,
    "eq15": eq15,
    "fluctuation-theorem": fluctuation_theorem,
    "trajectories": trajectories,
}


def reproduce(out: Path, figure: str | None = None, effort: float = 1.0) -> list[Check]:
    """Regenerate the table and figures (or the one called `figure`) into `out`; effort: the number of paths and
    trajectories relative to the published pictures.

    Raises:
        ValueError: for a figure that is not one of `CLAIMS`.
    """
    return output.reproduce("brownian-balance", CLAIMS, out, figure, effort)

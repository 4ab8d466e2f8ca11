"""Mukherjee 2025: objective quantum thermalization, collapse, and both together. One module per claim."""

from pathlib import Path

from stochq.papers import output
from stochq.papers.checks import Check
from stochq.papers.thermalization.born import born_claim
from stochq.papers.thermalization.coherence import coherence_claim
from stochq.papers.thermalization.collapse_time import collapse_time_claim
from stochq.papers.thermalization.energy_window import energy_window_claim
from stochq.papers.thermalization.entropy import entropy_claim
from stochq.papers.thermalization.hybrid import hybrid_steady_state
from stochq.papers.thermalization.limit import limit_claim
from stochq.papers.thermalization.relaxation import relaxation_claim
from stochq.papers.thermalization.scaling import size_scaling
from stochq.papers.thermalization.signalling import no_signalling
from stochq.papers.thermalization.single import single_trajectory

CLAIMS: dict[str, output.Maker] = {
    "relaxation": relaxation_claim,
    "energy-window": energy_window_claim,
    "entropy": entropy_claim,
    "born": born_claim,
    "collapse-time": collapse_time_claim,
    "hybrid-steady-state": hybrid_steady_state,
    "no-signalling": no_signalling,
    "size-scaling": size_scaling,
    "single-trajectory": single_trajectory,
    "coherence": coherence_claim,
    "limit": limit_claim,
}


def reproduce(out: Path, figure: str | None = None, effort: float = 1.0) -> list[Check]:
    """Regenerate the claims of the paper (or the one called `figure`) into `out`.

    effort: the number of trajectories relative to the published pictures; error bars and tolerances follow. From 2 on
    `limit` has longer chains, too: up to 18 spins.

    Raises:
        ValueError: for a figure that is not one of `CLAIMS`.
    """
    return output.reproduce("thermalization", CLAIMS, out, figure, effort)

"""Adler, Bassi, Carlesso and Vinante 2019: CSL heating of Fermi liquids, its table and its exclusion plot."""

from pathlib import Path

from stochq.papers import output
from stochq.papers.checks import Check
from stochq.papers.fermi_heating.decoherence import decoherence_claim
from stochq.papers.fermi_heating.exclusion import fig1
from stochq.papers.fermi_heating.fermions import fermions_claim
from stochq.papers.fermi_heating.gain import coloured_gain, white_gain
from stochq.papers.fermi_heating.heating import heating_claim
from stochq.papers.fermi_heating.table import table1

CLAIMS: dict[str, output.Maker] = {
    "table1": table1,
    "fig1": fig1,
    "white-gain": white_gain,
    "coloured-gain": coloured_gain,
    "fermions": fermions_claim,
    "heating": heating_claim,
    "decoherence": decoherence_claim,
}


def reproduce(out: Path, figure: str | None = None, effort: float = 1.0) -> list[Check]:
    """Regenerate the claims of the paper (or the one called `figure`) into `out`.

    effort: the number of trajectories relative to the published pictures, for claims that simulate.

    Raises:
        ValueError: for a figure that is not one of `CLAIMS`.
    """
    return output.reproduce("fermi-heating", CLAIMS, out, figure, effort)

"""Malouf, Santos, Correa, Paternostro and Landi 2019: entropy production in harmonic networks. One module per claim."""

from pathlib import Path

from stochq.papers import output
from stochq.papers.checks import Check
from stochq.papers.lattice_transport.disorder import disordered_chain
from stochq.papers.lattice_transport.profiles import fig2a, fig2b, fig2c, fig2d
from stochq.papers.lattice_transport.scaling import fig3
from stochq.papers.lattice_transport.square import square_lattice
from stochq.papers.lattice_transport.temperature import temperature_claim

CLAIMS: dict[str, output.Maker] = {
    "fig2a": fig2a,
    "fig2b": fig2b,
    "fig2c": fig2c,
    "fig2d": fig2d,
    "fig3": fig3,
    "square-lattice": square_lattice,
    "disordered-chain": disordered_chain,
    "temperature": temperature_claim,
}


def reproduce(out: Path, figure: str | None = None, effort: float = 1.0) -> list[Check]:
    """Regenerate the figures of the paper (or the one called `figure`), and three that it does not have, into `out`.

    effort: scales the number of realisations of disorder and the sizes of the two-dimensional lattices.

    Raises:
        ValueError: for a figure that is not one of `CLAIMS`.
    """
    return output.reproduce("lattice-transport", CLAIMS, out, figure, effort)

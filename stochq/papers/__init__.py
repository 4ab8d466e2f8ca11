"""One folder per paper: its tables and figures, regenerated through the public API and checked."""

from collections.abc import Callable
from pathlib import Path

from stochq.papers.brownian_balance import reproduce as _brownian_balance
from stochq.papers.checks import Check as Check
from stochq.papers.collapse_entropy import reproduce as _collapse_entropy
from stochq.papers.fermi_heating import reproduce as _fermi_heating
from stochq.papers.lattice_transport import reproduce as _lattice_transport
from stochq.papers.thermalization import reproduce as _thermalization

# Each takes the folder in which it makes one of its own, one figure's name or None for all, and how many trajectories
# to take relative to what the published pictures take; it returns checks.
PAPERS: dict[str, Callable[[Path, str | None, float], list[Check]]] = {
    "thermalization": _thermalization,
    "lattice-transport": _lattice_transport,
    "collapse-entropy": _collapse_entropy,
    "brownian-balance": _brownian_balance,
    "fermi-heating": _fermi_heating,
}

"""One folder per paper: its tables and figures, regenerated through the public API and checked."""

from collections.abc import Callable
from pathlib import Path

from stochq.papers.checks import Check as Check
from stochq.papers.fermi_heating import reproduce as _fermi_heating
from stochq.papers.thermalization import reproduce as _thermalization

# Each takes the folder to write to and one figure's name or None for all, and returns its checks.
PAPERS: dict[str, Callable[[Path, str | None], list[Check]]] = {
    "thermalization": _thermalization,
    "fermi-heating": _fermi_heating,
}

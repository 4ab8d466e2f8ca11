"""The plane of collapse rate and correlation length: what is excluded, and by what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stochq.arrays import ArrayLike
from stochq.bounds.checks import positive, positive_lengths
from stochq.bounds.data import bodies, experiments
from stochq.bounds.experiment import Experiment
from stochq.bounds.spectra import Spectrum
from stochq.constants import PROPOSALS, Proposal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_BODIES = ("Neptune", "neutron star")


@dataclass(frozen=True)
class Exclusion:
    """Bounds on λ in 1/s at correlation lengths r_C in m (lengths,): upper and lower ones (lengths,) by name."""

    lengths: np.ndarray
    upper: Mapping[str, np.ndarray]
    lower: Mapping[str, np.ndarray]
    proposals: tuple[Proposal, ...]
    experiments: Mapping[str, Experiment]
    spectrum: Spectrum | None = None
    noise_temperature: float | None = None

    def strongest(self) -> np.ndarray:
        """The smallest of the upper bounds in 1/s (lengths,)."""
        return np.min(list(self.upper.values()), axis=0)

    def excluding(self, rate: float, length: float) -> list[str]:
        """The names of what excludes a rate λ in 1/s at a length r_C in m, computed at just this length.

        Raises:
            ValueError: for numbers that are not positive.

        >>> "XENONnT X-rays" in exclusion().excluding(1e-8, 1e-7)
        True
        """
        positive("1/s", rate=rate)
        found = []
        for name, experiment in self.experiments.items():
            bound = float(experiment.rate_bound(length, self.spectrum, self.noise_temperature))
            if rate < bound if experiment.lower else rate > bound:
                found.append(name)
        return found

    def plot(self, highlight: Sequence[str] = ()) -> "Figure":
        """The picture; the lines of `highlight` are drawn thick. Raises: ValueError for a name that is not shown."""
        from stochq.bounds.picture import draw

        return draw(self, highlight)


def exclusion(
    lengths: ArrayLike | None = None,
    among: Iterable[Experiment] | None = None,
    *,
    spectrum: Spectrum | None = None,
    noise_temperature: float | None = None,
    proposals: Sequence[Proposal] = PROPOSALS,
) -> Exclusion:
    r"""Bounds on CSL from experiments, each computed from its inputs (see `experiments`, `bodies`, `omitted`).

    Args:
        lengths: r_C in m (lengths,); None: 1e-9 to 1e-3.
        among: experiments; None: all of the package's, with Neptune and the neutron star of `fermi-heating` (2019),
            figure 1.
        spectrum: γ(ω)/γ(0) of ω in rad/s: the coloured variant of every bound.
        noise_temperature: in K: the dissipative variant of every bound.
        proposals: points to be shown.

    Raises:
        ValueError: for lengths that are not positive and ascending, two experiments of one name, a bad spectrum, or
            both variants at once.

    >>> found = exclusion([1e-7], [experiments()["LISA Pathfinder 2016"]])
    >>> f"{found.strongest()[0]:.2e}"
    '2.99e-08'
    """
    grid = positive_lengths(np.geomspace(1e-9, 1e-3, 121) if lengths is None else lengths)
    if grid.ndim != 1 or np.any(np.diff(grid) <= 0):
        raise ValueError(f"lengths: expected ascending correlation lengths (lengths,), in metres; got {lengths!r}.")
    chosen: dict[str, Experiment] = {}
    for experiment in default_experiments() if among is None else among:
        if experiment.name in chosen:
            raise ValueError(f"among: expected different names; got {experiment.name!r} twice.")
        chosen[experiment.name] = experiment
    if not any(not experiment.lower for experiment in chosen.values()):
        raise ValueError("among: expected at least one experiment that bounds the rate from above; got none.")
    bounds = {name: each.rate_bound(grid, spectrum, noise_temperature) for name, each in chosen.items()}
    upper = {name: bound for name, bound in bounds.items() if not chosen[name].lower}
    lower = {name: bound for name, bound in bounds.items() if chosen[name].lower}
    return Exclusion(grid, upper, lower, tuple(proposals), chosen, spectrum, noise_temperature)


def default_experiments() -> list[Experiment]:
    """All experiments of the package, and the two radiating bodies of the paper's figure."""
    radiating = bodies()
    return [*experiments().values(), *(radiating[name] for name in SHOWN_BODIES)]

"""States that are about to leave the basis: refused at the start where they must be, told at the end."""

import warnings
from collections.abc import Mapping
from typing import Any, final

import numpy as np

from stochq.arrays import Array
from stochq.callers import users_line
from stochq.equation import Equation
from stochq.systems.margins import Margin

# Probability that may sit where the basis ends before results suffer.
START_LIMIT = 1e-6
RUN_LIMIT = 1e-3


def check_start(equation: Equation, psi: np.ndarray) -> None:
    """ValueError when psi0 wraps around the box or its momenta do not fit the grid."""
    for margin in equation.hamiltonian.margins.values():
        if margin.begun and (weight := margin.at(psi)) > START_LIMIT:
            raise ValueError(margin.begun.format(weight=weight))


def monitors_of(equation: Equation) -> Mapping[str, Any]:
    """Hidden observables that watch during a run where the basis ends."""
    return {name: margin.weight for name, margin in equation.hamiltonian.margins.items()}


def gained(margins: Mapping[str, Margin], psi: np.ndarray, info: Mapping[str, Any]) -> dict[str, float]:
    """By how much the largest means in the info of a run from psi exceed what was there at the start."""
    return {name: info.get(name[1:], 0.0) - margin.at(psi) for name, margin in margins.items()}


def warn_about_margins(margins: Mapping[str, Margin], weights: Mapping[str, float]) -> None:
    """Warn where states reached the end of the basis, by the probability that they gained there."""
    for name, margin in margins.items():
        if weights[name] > RUN_LIMIT:
            warnings.warn(margin.reached.format(weight=weights[name]), stacklevel=users_line())


@final
class Ends:
    """What density matrices, one after another, gain where the basis ends and it is known by populations."""

    def __init__(self, margins: Mapping[str, Margin]) -> None:
        self._margins = {name: each for name, each in margins.items() if isinstance(each.weight, np.ndarray)}
        self._weights: dict[str, list[float]] = {name: [] for name in self._margins}

    def look(self, rho: Array) -> None:
        populations = np.diagonal(np.asarray(rho)).real
        for name, margin in self._margins.items():
            assert isinstance(margin.weight, np.ndarray)
            self._weights[name].append(float(margin.weight @ populations))

    def warn(self) -> None:
        """Once, of the largest gain."""
        warn_about_margins(self._margins, {name: max(seen) - seen[0] for name, seen in self._weights.items()})

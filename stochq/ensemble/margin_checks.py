"""States that are about to leave the basis: refused at the start where they must be, told at the end."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

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


def warn_about_margins(margins: Mapping[str, Margin], psi: np.ndarray, info: Mapping[str, Any]) -> None:
    """Warn when a run from psi reached where the basis ends, by the largest means in its info."""
    for name, margin in margins.items():
        gained = info.get(name[1:], 0.0) - margin.at(psi)
        if gained > RUN_LIMIT:
            warnings.warn(margin.reached.format(weight=gained), stacklevel=users_line())

"""Wrap-around and aliasing of a particle on a periodic grid: refused at the start, reported at the end."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stochq.callers import users_line
from stochq.equation import Equation
from stochq.systems.grid import Particle

# Probability that may sit at the box's edge, or momentum weight near the grid's limit, before results suffer.
START_LIMIT = 1e-6
RUN_LIMIT = 1e-3
EDGE, ALIAS = "_edge_weight", "_alias_weight"


def check_grid_state(equation: Equation, psi: np.ndarray) -> None:
    """ValueError when psi0 wraps around the box or its momenta do not fit the grid."""
    grid = equation.hamiltonian
    if not isinstance(grid, Particle):
        return
    starts = psi.reshape(len(psi), -1).T
    if (edge := sum(float(grid.edge_weight(one)) for one in starts)) > START_LIMIT:
        raise ValueError(
            f"psi0: expected a packet away from the box's edge; {edge:.2g} of its weight sits there and would wrap "
            "around. Lengthen the box: sq.systems.particle(points, length, ...)."
        )
    if (alias := sum(float(grid.alias_weight(one)) for one in starts)) > START_LIMIT:
        raise ValueError(
            f"psi0: expected momenta well inside the grid's limit; {alias:.2g} of its momentum weight lies in the top "
            "tenth and would alias. Take more points on the same length."
        )


def grid_monitors(equation: Equation) -> Mapping[str, Callable]:
    """Hidden observables that watch the edge and the largest momenta during a run."""
    grid = equation.hamiltonian
    return {EDGE: grid.edge_weight, ALIAS: grid.alias_weight} if isinstance(grid, Particle) else {}


def warn_about_grid(info: Mapping[str, Any]) -> None:
    """Warn when the run reached the edge of the box or the momentum limit of the grid."""
    if info.get(EDGE, 0.0) > RUN_LIMIT:
        warnings.warn(
            f"the wave function reached the edge of the box (weight {info[EDGE]:.2g}) and wraps around: lengthen it.",
            stacklevel=users_line(),
        )
    if info.get(ALIAS, 0.0) > RUN_LIMIT:
        warnings.warn(
            f"the wave function reached the grid's largest momenta (weight {info[ALIAS]:.2g}) and aliases: "
            "take more points.",
            stacklevel=users_line(),
        )

"""Where a basis ends: weights next to what it leaves out, refused at the start or told at the end."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.callers import users_line
from stochq.module import Module
from stochq.systems.part_axis import PartAxis

# Probability that may sit where the basis ends before results suffer.
START_LIMIT = 1e-6
RUN_LIMIT = 1e-3


EDGE, ALIAS, CUTOFF = "_edge_weight", "_alias_weight", "_cutoff_weight"


class Margin(NamedTuple):
    """A part of the basis from which states would go on to what it leaves out.

    weight: the probability there, as a diagonal (dim,) or a function of ψ (dim,). reached: what is said of a run that
    got there, with {weight}. begun: what is said of an initial state that is there, with {weight}; empty where it may.
    """

    weight: np.ndarray | Callable[[jax.Array], jax.Array]
    reached: str
    begun: str = ""

    def at(self, psi: np.ndarray) -> float:
        """The weight of ψ (dim,), or of eigenvectors times the roots of their weights (dim, rank)."""
        states = np.reshape(psi, (len(psi), -1))
        if isinstance(self.weight, np.ndarray):
            return float(np.sum(self.weight @ np.abs(states) ** 2))
        return sum(float(self.weight(jnp.asarray(state))) for state in states.T)

    def of_part(self, name: str, axis: PartAxis) -> "Margin":
        """The same of a part of a composite system."""
        weight = self.weight[axis.levels] if isinstance(self.weight, np.ndarray) else OfPart(self.weight, axis)
        return Margin(weight, f"{name}: {self.reached}", self.begun and f"psi0: of {name}, {self.begun[6:]}")


@final
class OfPart(Module):
    """A quadratic function of the states of one part, of joint states: summed over those of the other parts."""

    weight: Callable[[jax.Array], jax.Array]
    axis: PartAxis = eqx.field(static=True)

    def __call__(self, psi: jax.Array) -> jax.Array:
        return jnp.sum(jax.vmap(self.weight, in_axes=1)(self.axis.rows(psi)))


ALIAS_REACHED = (
    "the wave function reached the grid's largest momenta (weight {weight:.2g}) and aliases: take more points."
)


def grid_margins(edge: Callable[[jax.Array], jax.Array], alias: Callable[[jax.Array], jax.Array]) -> dict[str, Margin]:
    """The edge of a periodic box and the largest momenta of its grid, from their weights."""
    return {
        EDGE: Margin(
            edge,
            "the wave function reached the edge of the box (weight {weight:.2g}) and wraps around: lengthen it.",
            "psi0: expected a packet away from the box's edge; {weight:.2g} of its weight sits there and would wrap "
            "around. Lengthen the box: sq.systems.particle(points, length, ...).",
        ),
        ALIAS: Margin(
            alias,
            ALIAS_REACHED,
            "psi0: expected momenta well inside the grid's limit; {weight:.2g} of its momentum weight lies in the top "
            "tenth and would alias. Take more points on the same length.",
        ),
    }


def fock_margin(cutoff: int) -> dict[str, Margin]:
    """The highest of so many Fock states; nothing of two, which stand for an atom."""
    if cutoff == 2:
        return {}
    highest = np.zeros(cutoff)
    highest[-1] = 1.0
    reached = (
        f"the highest of the {cutoff} Fock states gained a probability of {{weight:.2g}}: what would go on to higher "
        "ones is cut off. Raise the cutoff."
    )
    return {CUTOFF: Margin(highest, reached)}


def check_start(margins: Mapping[str, Margin], psi: np.ndarray) -> None:
    """ValueError when psi0 wraps around the box or its momenta do not fit the grid."""
    for margin in margins.values():
        if margin.begun and (weight := margin.at(psi)) > START_LIMIT:
            raise ValueError(margin.begun.format(weight=weight))


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

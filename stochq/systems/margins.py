"""Where a basis ends: weights of a state next to what it leaves out."""

from collections.abc import Callable
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.module import Module
from stochq.systems.part_axis import PartAxis

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
    """The highest of so many Fock states."""
    highest = np.zeros(cutoff)
    highest[-1] = 1.0
    reached = (
        f"the highest of the {cutoff} Fock states gained a probability of {{weight:.2g}}: what would go on to higher "
        "ones is cut off. Raise the cutoff."
    )
    return {CUTOFF: Margin(highest, reached)}

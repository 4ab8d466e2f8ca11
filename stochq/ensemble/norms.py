"""How far norms of states differ from one, of all trajectories, where steps do not normalise by construction."""

from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.statistics import Statistic
from stochq.systems.linear import level_sum, populations

# The name of the statistic.
NORMS = "norms of states"


def deviations(states: tuple[jax.Array, ...], of_densities: bool) -> jax.Array:
    """Of states (dim, block) how far |ψ|² differs from one, (1, block), the most of several; of density matrices (dim,
    dim, block) how far the trace does, and by how much Tr ρ² exceeds one, (2, block)."""
    if of_densities:
        (rho,) = states
        traces = jnp.trace(rho).real
        purities = jnp.sum(populations(rho), axis=(0, 1))
        return jnp.stack([jnp.abs(traces - 1), jnp.maximum(purities - 1, 0)])
    found = [jnp.abs(level_sum(populations(psi)) - 1) for psi in states]
    return jnp.max(jnp.stack(found), axis=0)


@final
class Norms(Statistic):
    """The largest of these deviations of all trajectories at all saved times, (1,) or (2,)."""

    needs: ClassVar[str] = "norms"
    of_trajectories: ClassVar[bool] = False

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.max(jnp.where(weights > 0, data, 0), axis=(0, -1))

    def merge(self, total: Any, summary: Any) -> np.ndarray:
        return np.maximum(total, summary)

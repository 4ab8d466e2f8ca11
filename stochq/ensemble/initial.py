"""The states that trajectories start from."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from stochq.noise.counter import STATE_SLOT, slot_words
from stochq.noise.normals import uniform

# From one column for each initial state to one for each trajectory, (..., states) -> (..., columns).
Spread = Callable[[jax.Array], jax.Array]


def starting_states(psi0: jax.Array, key: jax.Array, trajectories: jax.Array, columns: int) -> tuple[jax.Array, Spread]:
    """Normalised states (dim, n), and what makes of anything about them the same of every trajectory.

    What is done to all initial states is done to n columns only. psi0: (dim,), or states times the roots of their
    weights (dim, n), of which each trajectory draws one by a number that depends on nothing but the seed and itself.
    columns: of all trajectories; mirror images, in the second half, start where their trajectories do.
    """
    if psi0.ndim == 1:
        return psi0[:, None], lambda one: jnp.broadcast_to(one, (*one.shape[:-1], columns))
    weights = jnp.sum(jnp.square(psi0.real) + jnp.square(psi0.imag), axis=0)
    chances = jnp.cumsum(weights)
    words, _ = slot_words(key, trajectories, jnp.uint32(STATE_SLOT), 1)
    drawn = uniform(words[0], weights.dtype) * chances[-1]
    index = jnp.sum(drawn[None] > chances[:-1, None], axis=0)
    index = jnp.tile(index, columns // len(trajectories))
    return psi0 / jnp.sqrt(weights)[None], lambda one: jnp.take(one, index, axis=-1)

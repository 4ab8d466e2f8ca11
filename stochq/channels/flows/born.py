"""A level drawn by Born's rule, one for each trajectory."""

import jax
import jax.numpy as jnp
from jax import lax

from stochq.systems.linear import level_sum


def draw_level(probability: jax.Array, uniform: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A level j with chance p_j/Σp, and how far into its share the uniform number falls, in (0, p_j].

    probability: (dim, *columns); uniform: in (0, 1], (*columns,). Level by level, its share is taken from what a
    uniform part of the total leaves, as long as something is left.
    """

    def take(level: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        left, inside, index = carry
        inside = jnp.where(left > 0, left, inside)
        left = left - probability[level]
        return left, inside, index + (left > 0).astype(jnp.int32)

    start = uniform * level_sum(probability)[0]
    zero = jnp.zeros(uniform.shape, jnp.int32)
    # A loop: neither a triangular product nor XLA's cumulative sum is linear in the number of levels.
    left, inside, index = lax.fori_loop(0, probability.shape[0] - 1, take, (start, start, zero))
    return index, jnp.where(left > 0, left, inside)

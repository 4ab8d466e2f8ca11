"""A level drawn by Born's rule, one for each trajectory."""

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accelerators import repeat
from stochq.systems.linear import level_sum

# From so many weights on, a group of them is drawn first and one of the group then.
_MANY_LEVELS = 64
# Levels that an accelerator takes at a time: each is a few operations.
LEVELS_TOGETHER = 64


def draw_level(probability: jax.Array, uniform: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A level j with chance p_j/Σp, and how far into its share the uniform number falls, in (0, p_j].

    probability: (dim, *columns); uniform: in (0, 1], (*columns,). Level by level, its share is taken from what a
    uniform part of the total leaves, as long as something is left. What rounding leaves beyond the last level that has
    a share is that level's; the first level is drawn where none has.
    """

    def take(level: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        left, inside, index = carry
        share = probability[level]
        reached = (left > 0) & (share > 0)
        inside, index = jnp.where(reached, jnp.minimum(left, share), inside), jnp.where(reached, level, index)
        return left - share, inside, index

    start = uniform * level_sum(probability)[0]
    zero = jnp.zeros(uniform.shape, jnp.int32)
    # A loop: neither a triangular product nor XLA's cumulative sum is linear in the number of levels.
    _, inside, index = repeat(probability.shape[0], take, (start, start, zero), LEVELS_TOGETHER)
    return index, inside


def draw_one(weights: jax.Array, uniform: jax.Array) -> jax.Array:
    """An index j with the chance w_j/Σw. weights: (K, *columns); uniform: (*columns,) in (0, 1]."""
    count = weights.shape[0]
    if count < _MANY_LEVELS:
        return draw_level(weights, uniform)[0]
    size = int(np.ceil(np.sqrt(count)))
    padding = size * size - count
    padded = jnp.concatenate([weights, jnp.zeros((padding, *weights.shape[1:]), weights.dtype)])
    groups = padded.reshape(size, size, *weights.shape[1:])
    group, inside = draw_level(jnp.sum(groups, axis=1), uniform)
    own = jnp.take_along_axis(groups, group[None, None], axis=0)[0]
    total = level_sum(own)[0]
    member = draw_level(own, jnp.minimum(inside / jnp.where(total > 0, total, 1), 1))[0]
    return size * group + member

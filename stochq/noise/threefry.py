"""The threefry-2x32 block cipher with its rounds unrolled, so that XLA fuses and vectorises it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def _rotate_left(word: jax.Array, distance: int) -> jax.Array:
    return (word << np.uint32(distance)) | (word >> np.uint32(32 - distance))


# Traced once for each shape: tracing its 20 rounds anew at every use takes most of the time of a first call.
@partial(jax.jit, inline=True)
def threefry(key: jax.Array, counter_0: jax.Array, counter_1: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two uniform 32-bit words for every pair of counters (Salmon et al. 2011, threefry-2x32, 20 rounds).

    key: (2,) uint32. Counters: uint32 arrays of one shape. Returns two uint32 arrays of that shape.

    >>> import jax.numpy as jnp
    >>> words = threefry(jnp.zeros(2, jnp.uint32), jnp.uint32(0), jnp.uint32(0))
    >>> [hex(int(word)) for word in words]
    ['0x6b200159', '0x99ba4efe']
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    word_0 = jnp.asarray(counter_0, jnp.uint32) + schedule[0]
    word_1 = jnp.asarray(counter_1, jnp.uint32) + schedule[1]
    for group in range(5):
        for distance in _ROTATIONS[group % 2]:
            word_0 = word_0 + word_1
            word_1 = word_0 ^ _rotate_left(word_1, distance)
        word_0 = word_0 + schedule[(group + 1) % 3]
        word_1 = word_1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return word_0, word_1

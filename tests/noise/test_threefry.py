"""The block cipher against its published answers and against JAX's own."""

import jax.extend.random
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.noise import threefry

# Known answers of threefry-2x32 with 20 rounds from its authors' test vectors: key, counter, words.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("key", "counter", "words"), KNOWN)
def test_known_answers(key, counter, words):
    got = threefry(jnp.array(key, jnp.uint32), jnp.uint32(counter[0]), jnp.uint32(counter[1]))
    assert tuple(int(word) for word in got) == words


def test_the_same_words_as_jax():
    rng = np.random.default_rng(1)
    key = jnp.asarray(rng.integers(0, 2**32, 2, dtype=np.uint32))
    counters = jnp.asarray(rng.integers(0, 2**32, (2, 1000), dtype=np.uint32))
    got = threefry(key, counters[0], counters[1])
    # JAX takes the two counters as the halves of one array.
    expected = jax.extend.random.threefry_2x32(key, counters.reshape(-1)).reshape(2, -1)
    np.testing.assert_array_equal(np.stack(got), expected)

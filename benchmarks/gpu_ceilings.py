"""What a card delivers at most: bytes, operations and normals per second, the last two by kernels kept in registers."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accelerators import forced
from stochq.ensemble.persistent import advance_in_threads
from stochq.ensemble.registers import Interval, Iteration
from stochq.noise.normals import normal_pair
from stochq.noise.threefry import threefry

# Threads of a block; multiply-adds of a round, each two operations.
THREADS, _MULTIPLY_ADDS = 128, 64
_KEY = (np.uint32(1), np.uint32(2))
# (lane (1,) uint32, round, x (1,)) -> x, of one thread
Body = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def median_seconds(call: Callable[[int], Any], repeats: int = 3) -> float:
    """Of warm calls that have finished; call: from the number of the repeat, so that no two are alike."""
    jax.block_until_ready(call(0))
    seconds = []
    for repeat in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call(repeat + 1))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def copy(rehearse: bool) -> Iterator[dict[str, Any]]:
    """Bytes per second, read and written."""
    array = jnp.ones(2**16 if rehearse else 2**28, jnp.float32)
    scaled = jax.jit(lambda x, factor: x * factor)
    yield {"what": "ceiling", "unit": "B/s", "value": 2 * array.nbytes / median_seconds(lambda k: scaled(array, k))}


def arithmetic(rehearse: bool) -> Iterator[dict[str, Any]]:
    """Single-precision operations per second of dependent multiply-adds."""

    def spin(lane: jax.Array, index: jax.Array, x: jax.Array) -> jax.Array:
        for _ in range(_MULTIPLY_ADDS):
            x = x * np.float32(0.999) + np.float32(1e-3)
        return x

    yield {"what": "ceiling", "unit": "operations/s", "value": 2 * _MULTIPLY_ADDS * _rounds_per_second(spin, rehearse)}


def normals(rehearse: bool) -> Iterator[dict[str, Any]]:
    """Normals per second of the library's own generator."""

    def draw(lane: jax.Array, index: jax.Array, x: jax.Array) -> jax.Array:
        word, other = threefry(_KEY, lane, jnp.zeros_like(lane) + index.astype(jnp.uint32))
        first, second = normal_pair(word, other, np.dtype(np.float32))
        return x + first + second

    yield {"what": "ceiling", "unit": "normals/s", "value": 2 * _rounds_per_second(draw, rehearse)}


def _rounds_per_second(body: Body, rehearse: bool) -> float:
    """Of all threads together; rehearsed by the kernel's text, interpreted."""
    count, rounds = (THREADS, 2) if rehearse else (2**20, 512)
    with forced(False) if rehearse else nullcontext():
        kernel = jax.jit(partial(in_registers, body, count))
        seconds = median_seconds(lambda k: kernel(np.int32(rounds + k % 2)))
    return count * rounds / seconds


def in_registers(body: Body, count: int, rounds: jax.Array) -> jax.Array:
    """A number (count,) for each thread, which holds it through all rounds."""

    def iterate(shared: tuple, interval: Interval, lane: jax.Array, index: jax.Array, x: jax.Array) -> jax.Array:
        return body(lane, index, x)

    lanes, x = jnp.arange(count, dtype=jnp.uint32), jnp.zeros(count, jnp.float32)
    iteration = Iteration(iterate, (), x, count, np.dtype(np.float32))
    advance = advance_in_threads(iteration, lanes, 1, THREADS)
    return advance((x, None), jnp.float32(0), jnp.int32(0), rounds, jnp.float32(1))[0]

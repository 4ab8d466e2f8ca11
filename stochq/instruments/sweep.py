"""One pass over a record: the state after each bin and the weights of the likelihood, block by block."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from stochq.instruments.instrument import Instrument, Written

# Bins times records of one block: what is prepared for it stays in a core's cache, and a gradient keeps one state for
# each block and makes the rest again.
_BLOCK, _SHORTEST, _LONGEST = 2048, 8, 512


class Swept(NamedTuple):
    """state: after the last bin. log_weights: (T, R). readings: what `read` made of the states, (T, ...)."""

    state: Any
    log_likelihood: jax.Array
    readings: Any


def sweep(instrument: Instrument, state: Any, written: Written, read: Callable[[Any], Any] | None = None) -> Swept:
    """Follow the states of all records through their bins.

    Args:
        instrument: of the bins.
        state: as of `instrument.start`.
        written: what was written down.
        read: of one state, what to keep of it after each bin; None keeps nothing.
    """
    bins, _, records = written.current.shape
    length = min(bins, max(_SHORTEST, min(_LONGEST, _BLOCK // records)))
    blocks = -(-bins // length)
    length = -(-bins // blocks)
    padded = jax.tree.map(lambda array: _pad(jnp.asarray(array), blocks * length), written)
    inside = (jnp.arange(blocks * length) < bins).reshape(blocks, length)
    shaped = jax.tree.map(lambda array: array.reshape(blocks, length, *array.shape[1:]), padded)

    @jax.checkpoint
    def block(state: Any, inputs: tuple[Written, jax.Array]) -> tuple[Any, tuple[jax.Array, Any]]:
        written, inside = inputs
        is_bin = None if blocks * length == bins else inside
        state, (weights, states) = _steps(instrument, state, instrument.prepare(written), is_bin, read is not None)
        total = jnp.sum(jnp.log(weights), axis=0)
        return state, (total, None if read is None else jax.vmap(read)(states))

    state, (totals, readings) = lax.scan(block, state, (shaped, inside))
    readings = jax.tree.map(lambda array: array.reshape(blocks * length, *array.shape[2:])[:bins], readings)
    return Swept(state, jnp.sum(totals, axis=0), readings)


def _steps(instrument: Instrument, state: Any, prepared: Any, inside: jax.Array | None, keep: bool) -> Any:
    """The steps of one block: the state, weights (length, R) and, if they are kept, the states after each bin.

    inside: which of them are bins, None for all; those that only fill the last block up leave the state alone.
    """

    def step(state: Any, inputs: tuple[Any, Any]) -> tuple[Any, tuple[jax.Array, Any]]:
        one, is_bin = inputs
        after, weight = instrument.step(state, one)
        if is_bin is not None:
            after = jax.tree.map(lambda new, old: jnp.where(is_bin, new, old), after, state)
            weight = jnp.where(is_bin, weight, 1.0)
        return after, (weight, after if keep else None)

    return lax.scan(step, state, (prepared, inside))


def _pad(array: jax.Array, length: int) -> jax.Array:
    return jnp.pad(array, [(0, length - len(array)), *[(0, 0)] * (array.ndim - 1)])

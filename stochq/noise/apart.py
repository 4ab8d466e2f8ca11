"""The random numbers of two steps, carried apart by those who take them.

A loop over levels has operands of its own: XLA would copy what it takes out of the numbers of a whole step, on an
accelerator as much as all else that a step moves. Cut where they are drawn, numbers are drawn in pieces.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.noise.counter import Budget, StepNoise, draw_step_pair

Pieces = tuple[StepNoise, ...]


class PairApart(NamedTuple):
    """As `StepPairNoise`: the pieces of the even and of the odd step, in the order in which they are split off."""

    even_pieces: Pieces
    odd_pieces: Pieces

    def even(self) -> StepNoise:
        return _joined(self.even_pieces)

    def odd(self) -> StepNoise:
        return _joined(self.odd_pieces)


def draw_apart(
    parts: Sequence[Budget],
    key: jax.Array,
    trajectories: jax.Array,
    step_pair: jax.Array,
    budget: Budget,
    dtype: np.dtype,
) -> PairApart:
    """The numbers of `draw_step_pair`. parts: what a step splits off one after another."""
    pair = draw_step_pair(key, trajectories, step_pair, budget, dtype)
    return PairApart(_pieces(pair.even(), parts), _pieces(pair.odd(), parts))


def _pieces(noise: StepNoise, parts: Sequence[Budget]) -> Pieces:
    found = []
    for part in parts:
        piece, noise = noise.split(part)
        found.append(piece)
    return tuple(found)


def _joined(pieces: Pieces) -> StepNoise:
    """XLA finds in what is split off again the pieces themselves."""
    words = None if pieces[0].words is None else jnp.concatenate([piece.words for piece in pieces], axis=1)
    return StepNoise(
        jnp.concatenate([piece.real_normals for piece in pieces]),
        jnp.concatenate([piece.complex_normals for piece in pieces]),
        jnp.concatenate([piece.uniforms for piece in pieces]),
        words,
        jnp.concatenate([piece.uniform_pairs for piece in pieces]),
    )

"""Conditional density matrices of low rank, for dimensions whose square is too much."""

from functools import partial
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.instruments.kraus import (
    KrausInstrument,
    RealWords,
    apply_outcome,
    kraus_parts,
    real_words,
    stacked,
    unstacked,
)
from stochq.instruments.words import Pairs
from stochq.measurement.line import WatchedParts

_SQRT_HALF = np.sqrt(0.5)


class Factors(NamedTuple):
    """ρ = ΨΨ†: columns Ψ (2 dim, rank, R), real parts above imaginary ones; discarded: (R,), the weight cut off."""

    columns: jax.Array
    discarded: jax.Array


@final
class LowRankKraus(KrausInstrument):
    """After every bin the eigenvectors of the largest eigenvalues are kept, and what they miss is counted."""

    rank: int = eqx.field(static=True, default=1)

    def start(self, state: Array, records: int) -> Factors:
        state = jnp.asarray(state, complex)
        if state.ndim == 1:
            columns = jnp.pad(state[:, None], ((0, 0), (0, self.rank - 1)))
        else:
            values, vectors = jnp.linalg.eigh(state)
            columns = (jnp.sqrt(jnp.maximum(values, 0))[None] * vectors)[:, -self.rank :]
        discarded = 1 - jnp.sum(jnp.square(jnp.abs(columns)))
        columns = columns / jnp.sqrt(1 - discarded)
        repeated = jnp.repeat(stacked(columns)[..., None], records, axis=-1)
        return Factors(repeated, jnp.repeat(discarded[None], records))

    def step(self, state: Factors, prepared: Any) -> tuple[Factors, jax.Array]:
        values, _, which = prepared
        words, mean = self._bin(which)
        flat = state.columns.reshape(len(mean), -1)
        expected = jnp.sum(state.columns * (mean @ flat).reshape(state.columns.shape), axis=(0, 1))
        after = self._evolved(words, values, state.columns)
        weight = jnp.sum(jnp.square(after), axis=(0, 1))
        columns, kept = _truncated(after, self.rank)
        return Factors(columns, state.discarded + 1 - kept / weight), weight / expected

    def _evolved(self, words: RealWords, values: jax.Array, columns: jax.Array) -> jax.Array:
        """All columns after a bin, of which there are more."""
        inside = _times(words.half, columns)
        lost = _all_lost(words, inside)
        kept = apply_outcome(words.kraus, values, _beside(inside, _SQRT_HALF * lost))
        twice = 0.5 * _all_lost(words, lost)
        return _times(words.half, _beside(kept, _SQRT_HALF * _all_lost(words, kept), twice))

    def density(self, state: Factors) -> jax.Array:
        columns = unstacked(state.columns)
        return jnp.einsum("amr,bmr->abr", columns, columns.conj())

    def expect(self, state: Factors, operators: Array) -> jax.Array:
        columns = unstacked(state.columns)
        images = jnp.einsum("nab,bmr->namr", operators, columns)
        return jnp.sum((columns.conj()[None] * images).real, axis=(1, 2))

    def purity(self, state: Factors) -> jax.Array:
        return jnp.sum(jnp.square(jnp.abs(_gram(state.columns))), axis=(1, 2))

    def discarded(self, state: Factors) -> jax.Array:
        return state.discarded


def low_rank_instrument(parts: WatchedParts, lengths: Array, rank: int, pairs: Pairs = ()) -> LowRankKraus:
    """The instrument of bins of these lengths (bins,); parts: of all bins, or with a leading axis (bins, ...).

    pairs: as of `kraus_instrument`.
    """
    words, means, lengths = kraus_parts(parts, lengths, partial(real_words, merged=False), pairs)
    return LowRankKraus(words, means, lengths, 0, rank)


def _times(matrix: jax.Array, columns: jax.Array) -> jax.Array:
    return (matrix @ columns.reshape(matrix.shape[1], -1)).reshape(-1, *columns.shape[1:])


def _all_lost(words: RealWords, columns: jax.Array) -> jax.Array:
    """C_mΨ of all m, side by side."""
    size = len(words.half)
    images = _times(words.lost_rows, columns).reshape(-1, size, *columns.shape[1:])
    return jnp.moveaxis(images, 0, 1).reshape(size, -1, columns.shape[-1])


def _beside(*parts: jax.Array) -> jax.Array:
    return jnp.concatenate(parts, axis=1)


def _gram(columns: jax.Array) -> jax.Array:
    """Ψ†Ψ (R, m, m)."""
    psi = unstacked(columns)
    return jnp.einsum("amr,anr->rmn", psi.conj(), psi)


def _truncated(columns: jax.Array, rank: int) -> tuple[jax.Array, jax.Array]:
    """The best so many columns, normalised, and the weight that they had (R,)."""
    values, vectors = jnp.linalg.eigh(_gram(columns))
    kept = jnp.sum(values[:, -rank:], axis=1)
    best = jnp.einsum("amr,rmk->akr", unstacked(columns), vectors[..., -rank:])
    return stacked(best / jnp.sqrt(kept)[None, None]), kept

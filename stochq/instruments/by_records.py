r"""Kraus maps of density matrices of many levels, with one matrix for each record.

$$\rho' = K\big(\rho + \tfrac12\lambda\big)K^\dagger + \tfrac12C_2\big(K(\rho + \tfrac12\lambda)K^\dagger
  + \tfrac12U\lambda U^\dagger\big)C_2^\dagger,\qquad \lambda = C_1\rho C_1^\dagger$$

are the maps of `kraus` with the half steps of the Hamiltonian, of which U is two, inside the other matrices: K(y) of a
record is a sum of words, which costs less than all words on ρ. Products that go along the records come out slowly:
records come first here, and then the columns of ρ as rows, which are multiplied from the right.
"""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from stochq.arrays import Array
from stochq.instruments.kraus import KrausInstrument, real_matrices, repeated, unstacked
from stochq.instruments.words import Words


class WordsByRecords(NamedTuple):
    """Transposed real matrices. kraus: (powers, 2 dim · 2 dim). whole: U. lost, then the same of C₂: C₁ side by side
    (2 dim, n · 2 dim), and one below the other."""

    kraus: jax.Array
    whole: jax.Array
    lost: tuple[jax.Array, jax.Array]
    lost_later: tuple[jax.Array, jax.Array]


def words_by_records(words: Words) -> WordsByRecords:
    """The words of a bin with the half steps in them."""
    half, back = words.half, words.half.conj().T
    kraus = _transposed(half @ words.kraus @ half)
    return WordsByRecords(
        kraus.reshape(len(kraus), -1),
        _transposed((half @ half)[None])[0],
        _both(_transposed(back @ words.lost @ half)),
        _both(_transposed(half @ words.lost @ back)),
    )


def _transposed(operators: jax.Array) -> jax.Array:
    return jnp.swapaxes(real_matrices(operators), 1, 2)


def _both(matrices: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Side by side, and one below the other."""
    size = matrices.shape[-1]
    return jnp.moveaxis(matrices, 0, 1).reshape(size, -1), matrices.reshape(-1, size)


@final
class ByRecords(KrausInstrument):
    """Density matrices (2 dim, dim, R) without clicks. words: `WordsByRecords` of each bin."""

    def start(self, state: Array, records: int) -> jax.Array:
        return repeated(state, records)

    def linear(self, state: jax.Array, prepared: Any) -> jax.Array:
        values, _, which = prepared
        return _moved(self._bin(which)[0], values, state).T

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        values, _, which = prepared
        words, mean = self._bin(which)
        expected = jnp.sum(mean[:, : self.dim, None] * state, axis=(0, 1))
        after = _moved(words, values, state)
        weight = jnp.trace(after[:, :, : self.dim], axis1=1, axis2=2)
        # Hermitian, as rounding must not add up to another part.
        after = 0.5 * (after + _adjoint(after)) / weight[:, None, None]
        return after.T, weight / expected

    def density(self, state: jax.Array) -> jax.Array:
        return unstacked(state)


def _moved(words: WordsByRecords, values: jax.Array, rho: jax.Array) -> jax.Array:
    """ρ̃' as rows (R, dim, 2 dim)."""
    rows, outcome = rho.T, _of_records(words.kraus, values)
    if not words.lost[0].shape[1]:
        return _adjoint(rows @ outcome) @ outcome
    lost = _on_both_sides(words.lost, rows)
    kept = _adjoint((rows + 0.5 * lost) @ outcome) @ outcome
    lost = _on_both_sides((words.whole, words.whole), lost)
    return kept + _on_both_sides(words.lost_later, 0.5 * kept + 0.25 * lost)


def _of_records(kraus: jax.Array, values: jax.Array) -> jax.Array:
    """K(y) of every record, (R, 2 dim, 2 dim); values: (powers, R), complex where the operators have phases."""
    weights = values.T.real
    size = round(kraus.shape[1] ** 0.5)
    if jnp.iscomplexobj(values):
        # Transposes of i times the words.
        real, imaginary = jnp.split(kraus.reshape(-1, size, size), 2, axis=2)
        turned = jnp.concatenate([-imaginary, real], axis=2).reshape(kraus.shape)
        kraus, weights = jnp.concatenate([kraus, turned]), jnp.concatenate([weights, values.T.imag], axis=1)
    return (weights @ kraus).reshape(-1, size, size)


def _on_both_sides(matrices: tuple[jax.Array, jax.Array], rows: jax.Array) -> jax.Array:
    """Σ_k A_kρA_k† of Hermitian ρ."""
    beside, below = matrices
    left = (rows.reshape(-1, len(beside)) @ beside).reshape(*rows.shape[:2], -1)
    return (_adjoint(left).reshape(-1, len(below)) @ below).reshape(rows.shape)


def _adjoint(rows: jax.Array) -> jax.Array:
    """Of matrices side by side, (R, dim, n · 2 dim)."""
    records, dim, _ = rows.shape
    real, imaginary = jnp.split(rows.reshape(records, dim, -1, 2, dim), 2, axis=3)
    return jnp.swapaxes(jnp.concatenate([real, -imaginary], axis=3), 1, 4).reshape(rows.shape)

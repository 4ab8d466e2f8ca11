r"""Kraus maps of second order in the bin's width, for any dimension, positive for every record and width.

$$\tilde\rho' = U\Big[K\tilde\rho K^\dagger + \tfrac12\sum_m\big(C_mK\tilde\rho K^\dagger C_m^\dagger
  + KC_m\tilde\rho C_m^\dagger K^\dagger\big) + \dots\Big]U^\dagger,\qquad
  K(y) = \sum_n He_n(y/\sqrt h)\,B_n$$

U is half of the Hamiltonian's step, C = √h ℓ of what is lost, and K has all words of −½ΣL†L and of the watched
operators up to second order (Guevara and Wiseman, PRA 102, 052217 (2020), have the like to order 3/2). The norm of a
step is divided by its mean over all records, Tr(Sρ), without which it would be no likelihood.

States are held as real arrays, real parts above imaginary ones, and matrices as ((Re, −Im), (Im, Re)): one real product
of a step is several times faster than complex ones.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.instruments.hermite import polynomials
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.words import Pairs, Words, any_clicks, in_order, moments, word_powers, words_of
from stochq.measurement.line import WatchedParts

# Density matrices of so many levels or more are moved by a matrix for each record.
_MANY_LEVELS = 12


class RealWords(NamedTuple):
    """`Words` as real matrices.

    half: (2 dim, 2 dim). kraus: side by side (2 dim, powers · 2 dim), of kets with the half steps in them; turned: the
    transpose, for gradients of kets, else None. lost: one below the other and side by side. clicks: (C, 2 dim, 2 dim).
    """

    half: jax.Array
    kraus: jax.Array
    turned: jax.Array | None
    lost_rows: jax.Array
    lost_columns: jax.Array
    clicks: jax.Array
    dark: jax.Array


class KrausInstrument(Instrument):
    """words: of each kind of bin, with a leading axis (bins, ...); mean: S as a real matrix (bins, 2 dim, 2 dim);
    lengths: (bins,); most_clicks: of one counter in one bin. Abstract: subclasses have a representation of the
    state."""

    words: Any
    mean: Array
    lengths: Array
    most_clicks: int = eqx.field(static=True, default=0)

    @property
    def dim(self) -> int:
        return self.mean.shape[-1] // 2

    def prepare(self, written: Written) -> Any:
        currents = written._replace(clicks=written.clicks[:, :0])
        powers = word_powers(written.current.shape[1])
        values = polynomials(currents, self.lengths[written.which], powers)
        return jnp.moveaxis(values, 1, 0), written.clicks, written.which

    def _bin(self, which: Array) -> tuple[Any, jax.Array]:
        """The words and S of one bin."""
        place = 0 if len(self.lengths) == 1 else which
        return jax.tree.map(lambda array: array[place], self.words), self.mean[place]

    def _clicked(self, words: RealWords, clicks: jax.Array, state: jax.Array, reverse: bool = False) -> jax.Array:
        """After the clicks (C, R) of one counter after the other; reverse: the last one first."""
        for counter in in_order(len(words.clicks), reverse):
            for number in range(1, self.most_clicks + 1):
                has = jnp.expand_dims(clicks[counter] >= number, range(state.ndim - 1))
                state = jnp.where(has, self._click(words, counter, number, state), state)
        return state

    def _click(self, words: RealWords, counter: int, number: int, state: jax.Array) -> jax.Array:
        """After one more click of a counter, the number-th in the bin; divided so that n of them have their chance."""
        raise NotImplementedError(f"{type(self).__name__} has no clicks.")


@final
class PureKraus(KrausInstrument):
    """Where nothing is lost: states are kets (2 dim, R)."""

    def start(self, state: Array, records: int) -> jax.Array:
        return jnp.repeat(stacked(jnp.asarray(state, complex))[:, None], records, axis=1)

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        values, clicks, which = prepared
        words, mean = self._bin(which)
        expected = jnp.sum(state * _product(mean, mean, state), axis=0)
        if len(words.clicks):
            after = words.half @ self._clicked(words, clicks, words.half @ state)
        else:
            after = _product(words.kraus, words.turned, weighted(values, state))
        weight = jnp.sum(jnp.square(after), axis=0)
        return after / jnp.sqrt(weight)[None], weight / expected

    def _click(self, words: RealWords, counter: int, number: int, state: jax.Array) -> jax.Array:
        """Π L^n/√n! ψ: pure states only go with clicks where no current is written."""
        return words.clicks[counter] @ state / np.sqrt(number)

    def density(self, state: jax.Array) -> jax.Array:
        psi = unstacked(state)
        return psi[:, None] * psi.conj()[None]

    def expect(self, state: jax.Array, operators: Array) -> jax.Array:
        return jnp.stack([jnp.sum(state * (one @ state), axis=0) for one in real_matrices(operators)])

    def purity(self, state: jax.Array) -> jax.Array:
        return jnp.ones(state.shape[-1])


@final
class MixedKraus(KrausInstrument):
    """Density matrices (2 dim, dim, R)."""

    def start(self, state: Array, records: int) -> jax.Array:
        return repeated(state, records)

    def linear(self, state: jax.Array, prepared: Any) -> jax.Array:
        values, clicks, which = prepared
        words, _ = self._bin(which)
        inside = _sandwich(words.half, words.half, state)
        after = _between_clicks(words, values, inside)
        if self.most_clicks:
            after = 0.5 * (
                self._clicked(words, clicks, after, reverse=True)
                + _between_clicks(words, values, self._clicked(words, clicks, inside))
            )
        return _sandwich(words.half, words.half, after)

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        dim = self.dim
        # Tr(Sρ) = Σ Re S_ij Re ρ_ij + Im S_ij Im ρ_ij, both being Hermitian.
        expected = jnp.sum(self._bin(prepared[2])[1][:, :dim, None] * state, axis=(0, 1))
        after = self.linear(state, prepared)
        weight = jnp.trace(after[:dim])
        return hermitian(after) / weight[None, None], weight / expected

    def _click(self, words: RealWords, counter: int, number: int, state: jax.Array) -> jax.Array:
        operator = words.clicks[counter]
        return (_sandwich(operator, operator, state) + words.dark[counter] * state) / number

    def density(self, state: jax.Array) -> jax.Array:
        return unstacked(state)


def kraus_instrument(
    parts: WatchedParts, lengths: Array, *, pure: bool, most_clicks: int = 0, pairs: Pairs = ()
) -> KrausInstrument:
    """The instrument of bins of these lengths (bins,).

    Args:
        parts: of all bins, or with a leading axis (bins, ...).
        lengths: (bins,).
        pure: whether states stay kets: nothing is lost, and there are no clicks beside currents and no dark ones.
        most_clicks: of one counter in one bin.
        pairs: of currents whose order within a bin matters, as `words.unordered` finds them.
    """
    if not pure and parts.hamiltonian.shape[-1] >= _MANY_LEVELS and not parts.counted.shape[-3]:
        from stochq.instruments.by_records import ByRecords, words_by_records

        return ByRecords(*kraus_parts(parts, lengths, words_by_records, pairs))
    found = kraus_parts(parts, lengths, partial(real_words, merged=pure), () if pure else pairs)
    return (PureKraus if pure else MixedKraus)(*found, most_clicks)


def kraus_parts(
    parts: WatchedParts, lengths: Array, hold: Callable[[Words], Any], pairs: Pairs
) -> tuple[Any, jax.Array, jax.Array]:
    """Words, S and lengths of an instrument; hold: the words of a bin in its form."""
    axes = 0 if np.ndim(parts.hamiltonian) == 3 else None
    lengths = jnp.asarray(lengths)
    words = jax.vmap(partial(words_of, pairs=pairs), in_axes=(axes, 0))(parts, lengths)
    means = real_matrices(jax.vmap(mean_of_records)(words))
    return jax.vmap(hold)(words), means, lengths


def real_words(words: Words, merged: bool) -> RealWords:
    """merged: whether the words of the currents hold the half steps."""
    lost = real_matrices(words.lost)
    kraus = _columns(real_matrices(words.half @ words.kraus @ words.half if merged else words.kraus))
    return RealWords(
        real_matrices(words.half), kraus, kraus.T if merged else None, lost.reshape(-1, lost.shape[-1]), _columns(lost),
        real_matrices(words.clicks), words.dark,
    )  # fmt: skip


def mean_of_records(words: Words) -> jax.Array:
    """S (dim, dim), with Tr(Sρ) the mean weight of a step over all records: 1 + O(h³)."""
    weights = moments(words.powers).astype(complex)
    identity = jnp.eye(words.half.shape[-1], dtype=complex)

    def between(effect: jax.Array) -> jax.Array:
        """The dual of `_between_clicks`, averaged over currents."""
        lost = _dual(words.lost, effect)
        kept = _dual(jnp.sqrt(weights)[:, None, None] * words.kraus, effect + 0.5 * lost)
        return kept + 0.5 * _dual(words.lost, kept) + 0.25 * _dual(words.lost, lost)

    def clicked(effect: jax.Array, reverse: bool) -> jax.Array:
        return any_clicks(words, effect, lambda operator, one: _dual(operator[None], one), reverse)

    effect = _dual(words.half[None], identity)
    effect = 0.5 * (between(clicked(effect, reverse=False)) + clicked(between(effect), reverse=True))
    return _dual(words.half[None], effect)


def _between_clicks(words: RealWords, values: jax.Array, rho: jax.Array) -> jax.Array:
    """What the currents tell and what is lost, without the Hamiltonian."""
    if not len(words.lost_rows):
        return _outcome(words.kraus, values, rho)
    lost = _sandwich(words.lost_rows, words.lost_columns, rho)
    kept = _outcome(words.kraus, values, rho + 0.5 * lost)
    return kept + _sandwich(words.lost_rows, words.lost_columns, 0.5 * kept + 0.25 * lost)


def _outcome(kraus: jax.Array, values: jax.Array, rho: jax.Array) -> jax.Array:
    """K(y)ρK(y)†."""
    return apply_outcome(kraus, values, _dagger(apply_outcome(kraus, values, rho)))


def apply_outcome(kraus: jax.Array, values: jax.Array, state: jax.Array) -> jax.Array:
    """Σ_n He_n B_n on a state (2 dim, *columns, R); values: (n, R), complex where the operators have phases."""
    return (kraus @ weighted(values, state).reshape(kraus.shape[1], -1)).reshape(state.shape)


def weighted(values: jax.Array, state: jax.Array) -> jax.Array:
    """He_n ψ of all n, one below the other, (n 2 dim, *columns, R).

    One by one: the gradient of a product with an axis of its own is summed over that axis, which takes longer.
    """
    values = values.reshape(len(values), *(1,) * (state.ndim - 1), -1)
    if not jnp.iscomplexobj(values):
        return jnp.concatenate([value * state for value in values])
    real, imaginary = jnp.split(state, 2)
    turned = jnp.concatenate([-imaginary, real])
    return jnp.concatenate([value.real * state + value.imag * turned for value in values])


@jax.custom_jvp
def _product(matrix: jax.Array, turned: jax.Array, columns: jax.Array) -> jax.Array:
    """matrix @ columns; turned: the transposed matrix, by which gradients are multiplied.

    A loop that is differentiated would transpose the matrix in every step, which takes longer than the product.
    """
    return matrix @ columns


@_product.defjvp
def _(primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
    matrix, turned, columns = primals
    # Linear in the last argument as matrix @ is; its transpose is turned @.
    along = jax.lax.dot_general(turned, tangents[2], (((0,), (0,)), ((), ())))
    return matrix @ columns, tangents[0] @ columns + along


def _sandwich(rows: jax.Array, columns: jax.Array, rho: jax.Array) -> jax.Array:
    """Σ_k A_kρA_k† of Hermitian ρ (2 dim, dim, R); A_k one below the other and side by side."""
    left = (rows @ rho.reshape(len(rho), -1)).reshape(-1, *rho.shape)
    return (columns @ jax.vmap(_dagger)(left).reshape(columns.shape[1], -1)).reshape(rho.shape)


def hermitian(rho: jax.Array) -> jax.Array:
    """The Hermitian part of (2 dim, dim, R): rounding must not add up to another one."""
    return 0.5 * (rho + _dagger(rho))


def _dagger(rho: jax.Array) -> jax.Array:
    """(2 dim, dim, R) -> the same of the adjoint."""
    real, imaginary = jnp.split(rho, 2)
    return jnp.concatenate([jnp.swapaxes(real, 0, 1), -jnp.swapaxes(imaginary, 0, 1)])


def repeated(state: Array, records: int) -> jax.Array:
    """A ket or density matrix as (2 dim, dim, R)."""
    rho = jnp.asarray(state, complex)
    if rho.ndim == 1:
        rho = jnp.outer(rho, rho.conj())
    return jnp.repeat(stacked(rho)[..., None], records, axis=-1)


def stacked(state: jax.Array) -> jax.Array:
    """Real parts above imaginary ones."""
    return jnp.concatenate([state.real, state.imag])


def unstacked(state: jax.Array) -> jax.Array:
    """The complex array from what `stacked` makes of it."""
    return jax.lax.complex(*jnp.split(state, 2))


def real_matrices(operators: Array) -> jax.Array:
    """Matrices (..., dim, dim) as real ones (..., 2 dim, 2 dim)."""
    real, imaginary = jnp.real(operators), jnp.imag(operators)
    upper = jnp.concatenate([real, -imaginary], axis=-1)
    return jnp.concatenate([upper, jnp.concatenate([imaginary, real], axis=-1)], axis=-2)


def _columns(matrices: jax.Array) -> jax.Array:
    """(n, rows, columns) side by side, (rows, n · columns)."""
    return jnp.swapaxes(matrices, 0, 1).reshape(matrices.shape[1], -1)


def _dual(operators: jax.Array, effect: jax.Array) -> jax.Array:
    """Σ_k A_k†EA_k (dim, dim)."""
    return jnp.einsum("kba,bc,kcd->ad", operators.conj(), effect, operators)

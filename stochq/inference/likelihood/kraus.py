r"""Kraus maps of second order in the bin's width, for any dimension, positive for every record and width.

$$\tilde\rho' = U\Big[K\tilde\rho K^\dagger + \tfrac12\sum_m\big(C_mK\tilde\rho K^\dagger C_m^\dagger
  + KC_m\tilde\rho C_m^\dagger K^\dagger\big) + \dots\Big]U^\dagger,\qquad
  K(y) = \sum_n He_n(y/\sqrt h)\,B_n$$

U is half of the Hamiltonian's step, C = √h ℓ of what is lost, and K has all words of −½ΣL†L and of the watched
operators up to second order (Guevara and Wiseman, PRA 102, 052217 (2020), have the like to order 3/2). The norm of a
step is divided by its mean over all records, Tr(Sρ), without which it would be no likelihood.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.inference.likelihood.hermite import polynomials
from stochq.inference.likelihood.instrument import Instrument, Written
from stochq.inference.likelihood.words import Words, moments, word_powers, words_of
from stochq.measurement.line import WatchedParts

# Clicks in one bin that are counted in the mean over all records.
_MOST_CLICKS = 6


class KrausInstrument(Instrument):
    """words: of each kind of bin, with a leading axis (bins, ...); mean: S (bins, dim, dim); lengths: (bins,);
    most_clicks: of one counter in one bin. Abstract: subclasses have a representation of the state."""

    words: Words
    mean: Array
    lengths: Array
    most_clicks: int = eqx.field(static=True, default=0)

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    def prepare(self, written: Written) -> Any:
        currents = written._replace(clicks=written.clicks[:, :0])
        powers = word_powers(written.current.shape[1])
        values = polynomials(currents, self.lengths[written.which], powers)
        return jnp.moveaxis(values, 1, 0), written.clicks, written.which

    def _bin(self, which: Array) -> tuple[Words, jax.Array]:
        """The words and S of one bin."""
        place = 0 if len(self.lengths) == 1 else which
        return jax.tree.map(lambda array: array[place], self.words), self.mean[place]


@final
class PureKraus(KrausInstrument):
    """Where nothing is lost: states are kets (dim, R)."""

    def start(self, state: Array, records: int) -> jax.Array:
        return jnp.repeat(jnp.asarray(state, complex)[:, None], records, axis=1)

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        values, clicks, which = prepared
        words, mean = self._bin(which)
        expected = jnp.sum((state.conj() * (mean @ state)).real, axis=0)
        after = words.half @ _apply(words.kraus, values, words.half @ state)
        if self.most_clicks:
            after = words.half @ self._clicked(words, clicks, words.half @ state)
        weight = jnp.sum(jnp.square(after.real) + jnp.square(after.imag), axis=0)
        return after / jnp.sqrt(weight)[None], weight / expected

    def _clicked(self, words: Words, clicks: jax.Array, state: jax.Array) -> jax.Array:
        """Π L^n/√n! ψ: pure states only go with clicks where no current is written."""
        for counter, operator in enumerate(words.clicks):
            for number in range(1, self.most_clicks + 1):
                has = clicks[counter] >= number
                state = jnp.where(has[None], operator @ state / np.sqrt(number), state)
        return state

    def density(self, state: jax.Array) -> jax.Array:
        return state[:, None] * state.conj()[None]

    def expect(self, state: jax.Array, operators: Array) -> jax.Array:
        count, dim = operators.shape[:2]
        images = (operators.reshape(-1, dim) @ state).reshape(count, *state.shape)
        return jnp.sum((state.conj()[None] * images).real, axis=1)

    def purity(self, state: jax.Array) -> jax.Array:
        return jnp.ones(state.shape[-1])


@final
class MixedKraus(KrausInstrument):
    """Density matrices (dim, dim, R)."""

    def start(self, state: Array, records: int) -> jax.Array:
        rho = jnp.asarray(state, complex)
        if rho.ndim == 1:
            rho = jnp.outer(rho, rho.conj())
        return jnp.repeat(rho[..., None], records, axis=-1)

    def linear(self, state: jax.Array, prepared: Any) -> jax.Array:
        values, clicks, which = prepared
        words, _ = self._bin(which)
        inside = _sandwich(words.half[None], state)
        after = _between_clicks(words, values, inside)
        if self.most_clicks:
            after = 0.5 * (self._clicked(words, clicks, after)
                           + _between_clicks(words, values, self._clicked(words, clicks, inside)))  # fmt: skip
        return _sandwich(words.half[None], after)

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        expected = jnp.einsum("ij,jir->r", self._bin(prepared[2])[1], state).real
        after = self.linear(state, prepared)
        weight = jnp.trace(after).real
        # Rounding must not add up to an anti-Hermitian part.
        return 0.5 * (after + _dagger(after)) / weight[None, None], weight / expected

    def _clicked(self, words: Words, clicks: jax.Array, rho: jax.Array) -> jax.Array:
        for counter, operator in enumerate(words.clicks):
            for number in range(1, self.most_clicks + 1):
                has = clicks[counter] >= number
                after = (_sandwich(operator[None], rho) + words.dark[counter] * rho) / number
                rho = jnp.where(has[None, None], after, rho)
        return rho

    def density(self, state: jax.Array) -> jax.Array:
        return state


def kraus_instrument(parts: WatchedParts, lengths: Array, *, pure: bool, most_clicks: int = 0) -> KrausInstrument:
    """The instrument of bins of these lengths (bins,).

    Args:
        parts: of all bins, or with a leading axis (bins, ...).
        lengths: (bins,).
        pure: whether states stay kets: nothing is lost, and there are no clicks beside currents and no dark ones.
        most_clicks: of one counter in one bin.
    """
    axes = 0 if np.ndim(parts.hamiltonian) == 3 else None
    lengths = jnp.asarray(lengths)
    words = jax.vmap(words_of, in_axes=(axes, 0))(parts, lengths)
    return (PureKraus if pure else MixedKraus)(words, jax.vmap(mean_of_records)(words), lengths, most_clicks)


def mean_of_records(words: Words) -> jax.Array:
    """S (dim, dim), with Tr(Sρ) the mean weight of a step over all records: 1 + O(h³)."""
    weights = moments(word_powers(_columns(words))).astype(complex)
    identity = jnp.eye(words.half.shape[-1], dtype=complex)

    def between(effect: jax.Array) -> jax.Array:
        """The dual of `_between_clicks`, averaged over currents."""
        lost = _dual(words.lost, effect)
        kept = _dual(jnp.sqrt(weights)[:, None, None] * words.kraus, effect + 0.5 * lost)
        return kept + 0.5 * _dual(words.lost, kept) + 0.25 * _dual(words.lost, lost)

    def clicked(effect: jax.Array) -> jax.Array:
        """Of any number of clicks, each with its chance."""
        for counter, operator in reversed(list(enumerate(words.clicks))):
            term = effect
            for number in range(1, _MOST_CLICKS + 1):
                term = (_dual(operator[None], term) + words.dark[counter] * term) / number
                effect = effect + term
        return effect

    effect = _dual(words.half[None], identity)
    effect = 0.5 * (between(clicked(effect)) + clicked(between(effect)))
    return _dual(words.half[None], effect)


def _columns(words: Words) -> int:
    """How many currents the words are for."""
    columns = 0
    while len(word_powers(columns)) < len(words.kraus):
        columns += 1
    return columns


def _between_clicks(words: Words, values: jax.Array, rho: jax.Array) -> jax.Array:
    """What the currents tell and what is lost, without the Hamiltonian."""
    if not len(words.lost):
        return _outcome(words.kraus, values, rho)
    lost = _sandwich(words.lost, rho)
    kept = _outcome(words.kraus, values, rho + 0.5 * lost)
    return kept + _sandwich(words.lost, 0.5 * kept + 0.25 * lost)


def _outcome(kraus: jax.Array, values: jax.Array, rho: jax.Array) -> jax.Array:
    """K(y)ρK(y)†."""
    return _apply(kraus, values, _dagger(_apply(kraus, values, rho)))


def _apply(kraus: jax.Array, values: jax.Array, state: jax.Array) -> jax.Array:
    """Σ_n He_n B_n on a state (dim, *columns, R); values: (n, R)."""
    count, dim = kraus.shape[:2]
    if count == 1:
        return (kraus[0] @ state.reshape(dim, -1)).reshape(state.shape)
    images = (kraus.reshape(-1, dim) @ state.reshape(dim, -1)).reshape(count, *state.shape)
    weights = values.reshape(count, *(1,) * (state.ndim - 1), -1)
    return jnp.sum(weights * images, axis=0)


def _sandwich(operators: jax.Array, rho: jax.Array) -> jax.Array:
    """Σ_k A_kρA_k† of Hermitian ρ (dim, dim, R)."""
    count, dim = operators.shape[:2]
    left = (operators.reshape(-1, dim) @ rho.reshape(dim, -1)).reshape(count, *rho.shape)
    right = jnp.swapaxes(left.conj(), 1, 2)
    stacked = jnp.swapaxes(operators, 0, 1).reshape(dim, -1)
    return (stacked @ right.reshape(count * dim, -1)).reshape(rho.shape)


def _dual(operators: jax.Array, effect: jax.Array) -> jax.Array:
    """Σ_k A_k†EA_k (dim, dim)."""
    return jnp.einsum("kba,bc,kcd->ad", operators.conj(), effect, operators)


def _dagger(rho: jax.Array) -> jax.Array:
    return jnp.swapaxes(rho.conj(), 0, 1)

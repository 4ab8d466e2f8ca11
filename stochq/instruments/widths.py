"""What the width of the bins costs Kraus maps of second order: one bin against two of half its width."""

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.compiling import compiled
from stochq.functions import digest_of_numbers
from stochq.instruments.hermite import Powers
from stochq.instruments.words import Pairs, Words, any_clicks, moments, unordered, words_of
from stochq.measurement.line import WatchedParts

# The mean state is followed over so many bins; over few of them where its dimension is above the limit.
_FOLLOWED, _FEW, _LARGE = 16, 2, 64
# Kinds of bins that are looked at, where the operators depend on time.
_KINDS = 8
# The error of one bin from its difference to two halves, of second order.
_RICHARDSON = 4 / 3
# Errors of bins that were looked at, by all that they depend on.
_KNOWN: dict[str, np.ndarray] = {}
_MOST_KNOWN = 64


def error_of_width(parts: WatchedParts, lengths: np.ndarray, which: np.ndarray, state: Array) -> float:
    r"""How far the log-likelihood of a record may be off for the width of its bins.

    $$\sum_j\delta_{0j} + \Big(\sum_{jk}\delta_{kj}^2\Big)^{1/2}$$

    with δ₀ the trace norm by which the mean state after bin j is off and δ_k that of its part in proportion to the k-th
    current, which has a random sign.
    """
    of_time = np.ndim(parts.hamiltonian) == 3
    chosen = np.linspace(0, len(lengths) - 1, min(len(lengths), _KINDS)).astype(int)
    rho = jnp.asarray(state, complex)
    rho = jnp.outer(rho, rho.conj()) if rho.ndim == 1 else rho
    steps, pairs = _FOLLOWED if len(rho) <= _LARGE else _FEW, unordered(parts)
    found = []
    for place in chosen:
        one = WatchedParts(*(np.asarray(part)[place] for part in parts)) if of_time else parts
        found.append(_remembered(one, np.asarray(lengths[place]), rho, steps, pairs))
    nearest = np.abs(which[:, None] - chosen).argmin(axis=1)
    errors = np.stack(found)[nearest]
    return float(errors[:, 0].sum() + np.sqrt(np.square(errors[:, 1:]).sum()))


def _remembered(parts: WatchedParts, length: Array, rho: Array, steps: int, pairs: Pairs) -> np.ndarray:
    """`_largest`, which costs more than a short record: known from an earlier call with the same numbers."""
    asked = digest_of_numbers((parts, length, rho, steps, pairs))
    if asked not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[asked] = np.asarray(_largest(parts, length, rho, steps, pairs))
    return _KNOWN[asked]


@compiled
def _largest(parts: WatchedParts, length: Array, rho: jax.Array, steps: int, pairs: Pairs) -> jax.Array:
    """The errors (1 + K,) of a bin in the worst of the states on the way of the mean, if all bins are like it."""
    whole, half = words_of(parts, length, pairs), words_of(parts, 0.5 * length, pairs)
    root_half = np.sqrt(0.5)

    def bin(rho: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        one, first = _parts(whole, rho), _parts(half, rho)
        second = jax.vmap(lambda each: _parts(half, each))(first)
        two = jnp.concatenate([second[0, :1], root_half * (second[0, 1:] + second[1:, 0])])
        off = _RICHARDSON * jnp.sum(jnp.abs(jnp.linalg.eigvalsh(one - two)), axis=-1)
        return two[0] / jnp.trace(two[0]), off

    return jnp.max(jax.lax.scan(bin, rho, None, steps)[1], axis=0)


def _parts(words: Words, rho: jax.Array) -> jax.Array:
    """The mean state after a bin over all that may be written down, and its parts in proportion to each current,
    (1 + K, dim, dim)."""
    inside = words.half @ rho @ words.half.conj().T
    early, late = _between(words, any_clicks(words, inside, _conjugated)), _between(words, inside)
    after = 0.5 * (early + jax.vmap(lambda one: any_clicks(words, one, _conjugated, reverse=True))(late))
    return words.half @ after @ words.half.conj().T


def _between(words: Words, rho: jax.Array) -> jax.Array:
    lost = _lost(words, rho)
    left = words.kraus @ (rho + 0.5 * lost)
    weighted = jnp.einsum("npq,pab->nqab", _averages(words.powers), left)
    kept = jnp.einsum("nqab,qcb->nac", weighted, words.kraus.conj())
    after = kept + 0.5 * jax.vmap(lambda one: _lost(words, one))(kept)
    return after.at[0].add(0.25 * _lost(words, lost))


def _lost(words: Words, rho: jax.Array) -> jax.Array:
    return jnp.einsum("mab,bc,mdc->ad", words.lost, rho, words.lost.conj())


def _conjugated(operator: jax.Array, rho: jax.Array) -> jax.Array:
    return operator @ rho @ operator.conj().T


def _averages(powers: Powers) -> np.ndarray:
    """E He_pHe_q and E x_kHe_pHe_q of each current, (1 + K, powers, powers): xHe_p = He_{p+1} + pHe_{p−1}."""
    sizes = moments(powers)
    found = [np.diag(sizes)]
    for column in range(len(powers[0])):
        up = np.zeros((len(powers), len(powers)))
        for place, power in enumerate(powers):
            higher = (*power[:column], power[column] + 1, *power[column + 1 :])
            if higher in powers:
                up[place, powers.index(higher)] = sizes[powers.index(higher)]
        found.append(up + up.T)
    return np.stack(found).astype(complex)

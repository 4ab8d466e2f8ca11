"""Words: products of the operators of a bin up to second order in its width, gathered by Hermite's polynomials."""

from collections.abc import Callable
from itertools import combinations
from math import factorial, prod
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, is_concrete
from stochq.instruments.hermite import Powers, powers_up_to
from stochq.instruments.superoperators import exponential, total_loss
from stochq.measurement.line import WatchedParts

# Operators whose commutator is smaller than this part of their product commute.
_ROUNDING = 1e-12
# Clicks of a counter in one bin that are counted in means over all records.
_MOST_CLICKS = 6
# A current's operator is of order ½ in the bin's width, the loss of order 1; words to order 2 have four halves.
_HALVES = 4
# Pairs of currents, by their columns.
Pairs = tuple[tuple[int, int], ...]


class Words(NamedTuple):
    r"""One bin: ρ ↦ U(…)U† with U half of the Hamiltonian's step, and between them words up to second order.

    half: U (dim, dim); where no current is written it holds the loss as well, and waiting for a click is exact.
    kraus: B_n (powers, dim, dim) of K(y) = Σ_n He_n B_n. lost: √h ℓ (M, dim, dim), and ½h[c_k, c_l].
    clicks: √h L (C, dim, dim). dark: h·d (C,).
    """

    half: jax.Array
    kraus: jax.Array
    lost: jax.Array
    clicks: jax.Array
    dark: jax.Array

    @property
    def powers(self) -> Powers:
        """Of each of the Kraus operators."""
        columns = 0
        while len(word_powers(columns)) < len(self.kraus):
            columns += 1
        return word_powers(columns)


def word_powers(columns: int) -> Powers:
    """The powers of `Words.kraus` for so many diffusive columns."""
    return powers_up_to(columns, _HALVES if columns else 0)


def unordered(parts: WatchedParts) -> Pairs:
    """The pairs of currents whose operators do not commute; all pairs while JAX traces them.

    Which of the two was first within a bin is written down nowhere, and makes a difference.
    """
    return not_commuting(parts.watched)


def not_commuting(operators: Array) -> Pairs:
    """The pairs among operators (..., K, dim, dim) that do not commute; all pairs while JAX traces them."""
    pairs = combinations(range(operators.shape[-3]), 2)
    if not is_concrete(operators):
        return tuple(pairs)
    each = np.moveaxis(np.asarray(operators), -3, 0)
    return tuple(pair for pair in pairs if not _commute(*(each[k] for k in pair)))


def _commute(a: np.ndarray, b: np.ndarray) -> bool:
    size = np.abs(a).max() * np.abs(b).max() * a.shape[-1]
    return bool(np.abs(a @ b - b @ a).max() <= _ROUNDING * size)


def words_of(parts: WatchedParts, length: Array, pairs: Pairs = ()) -> Words:
    r"""The words of a bin of this length.

    pairs: as `unordered` finds them. $\tfrac h2[c_k,c_l]$ is what the area between two currents adds to K, which their
    sums over the bin do not tell: it acts like something lost.
    """
    columns = len(parts.watched)
    loss = -0.5 * total_loss(parts.watched, parts.counted, parts.lost)
    dark = jnp.asarray(length * parts.dark)
    identity = jnp.eye(parts.hamiltonian.shape[-1], dtype=complex)
    silence = -0.5 * jnp.sum(dark) * identity
    turn = -1j * jnp.asarray(parts.hamiltonian)
    root = jnp.sqrt(length)
    if columns:
        half, kraus = exponential(0.5 * length * turn), _gathered(length * loss + silence, root * parts.watched)
    else:
        half, kraus = exponential(0.5 * (length * (turn + loss) + silence)), identity[None]
    lost = root * jnp.asarray(parts.lost)
    if pairs:
        first, second = (jnp.asarray(parts.watched)[np.array(places)] for places in zip(*pairs, strict=True))
        lost = jnp.concatenate([lost, 0.5 * length * (first @ second - second @ first)])
    return Words(half, kraus, lost, root * parts.counted, dark)


def _gathered(loss: Array, operators: Array) -> jax.Array:
    r"""Coefficients of the Hermite polynomials, in the order of `word_powers`.

    They are those of Πζ_k^{n_k} in $e^{a+\sum_k\zeta_kc_k}$, whose words of more than four halves are left out.
    """
    columns, dim = len(operators), loss.shape[-1]
    # Words of one length by how often each operator occurs in them, the loss first.
    words = {(0,) * (columns + 1): jnp.eye(dim, dtype=complex)}
    total = {(0,) * columns: words[(0,) * (columns + 1)]}
    letters = [loss, *operators]
    for size in range(1, _HALVES + 1):
        longer: dict[tuple[int, ...], jax.Array] = {}
        for counts, word in words.items():
            for place, letter in enumerate(letters):
                more = tuple(n + (k == place) for k, n in enumerate(counts))
                if more[0] + sum(more) <= _HALVES:
                    longer[more] = longer.get(more, jnp.zeros_like(word)) + letter @ word / size
        words = longer
        for counts, word in words.items():
            total[counts[1:]] = total[counts[1:]] + word if counts[1:] in total else word
    return jnp.stack([total[power] for power in word_powers(columns)])


def any_clicks(
    words: Words, matrix: jax.Array, act: Callable[[jax.Array, jax.Array], jax.Array], reverse: bool = False
) -> jax.Array:
    """After any number of clicks, each with its chance, of one counter after the other; reverse: the last one first.

    act: from an operator and the matrix, what one click makes of it: AρA† of states, A†EA of effects.
    """
    for counter in in_order(len(words.clicks), reverse):
        term = matrix
        for number in range(1, _MOST_CLICKS + 1):
            term = (act(words.clicks[counter], term) + words.dark[counter] * term) / number
            matrix = matrix + term
    return matrix


def in_order(count: int, reverse: bool) -> range:
    """The numbers of so many counters, the last one first where reversed."""
    return range(count)[::-1] if reverse else range(count)


def moments(powers: Powers) -> np.ndarray:
    """E He_n² = Π n_k! of each of the powers under Wiener noise."""
    return np.array([prod(map(factorial, power)) for power in powers], float)

"""Classical tests of 32-bit words: what each counts in a piece of a stream, and the p-value of all it counted.

Streams come in pieces (draws, 2): the two words of every draw, draws in their order. Counts of pieces add. χ² is judged
on both sides: counts that agree too well are no better than counts that do not agree.
"""

from collections.abc import Callable
from math import factorial
from typing import NamedTuple

import numpy as np
from scipy import stats

WORD = 32
RUN_BLOCK = 8
GAP_BITS, LONGEST_GAP = 3, 96
BIRTHDAYS = 4096
LAGS = (1, 2, 3, 4, 5, 6, 7, 8, 16, 64, 1024)
# Fewer expected than this are too few for χ²; neighbouring cells are joined.
FEWEST_EXPECTED = 8.0


class WordTest(NamedTuple):
    """count: words (draws, 2) -> counts. p_value: of the sum of the counts of all pieces. words: the most words that it
    takes, 0 for all of them."""

    name: str
    count: Callable[[np.ndarray], np.ndarray]
    p_value: Callable[[np.ndarray], float]
    words: int = 0


def two_sided(upper: float) -> float:
    """The p-value on both sides from that on one."""
    return min(1.0, 2 * min(upper, 1 - upper))


def chi_squared(counts: np.ndarray, chances: np.ndarray) -> float:
    """Two-sided p-value of Pearson's χ²; thin cells at the end are joined with the last that is full enough."""
    expected = chances * counts.sum()
    thin = np.flatnonzero(expected < FEWEST_EXPECTED)
    if thin.size:
        first = max(1, thin[0])
        counts, expected = (np.append(x[: first - 1], x[first - 1 :].sum()) for x in (counts, expected))
    statistic = np.sum((counts - expected) ** 2 / expected)
    return two_sided(float(stats.chi2.sf(statistic, len(counts) - 1)))


def even(counts: np.ndarray) -> float:
    """The p-value of equally likely cells."""
    return chi_squared(counts, np.full(len(counts), 1 / len(counts)))


def _cells(values: np.ndarray) -> np.ndarray:
    return np.bincount(values.astype(np.uint16, copy=False).ravel(), minlength=2**16)


def _halves(words: np.ndarray, half: int) -> np.ndarray:
    return _cells(np.ascontiguousarray(words).view(np.uint16)[..., half::2])


def _bytes(first: np.ndarray, second: np.ndarray, shift: int) -> np.ndarray:
    """Cells of pairs of bytes."""
    one, other = ((word >> np.uint32(shift)) & np.uint32(255) for word in (first, second))
    return _cells(one << np.uint32(8) | other)


def _exclusive(words: np.ndarray, half: int) -> np.ndarray:
    """Where neighbouring draws differ: cells of half of the bits; every draw in one pair."""
    return _halves(words[0::2] ^ words[1::2], half)


def _lowest_bits(words: np.ndarray) -> np.ndarray:
    """Cells of the lowest bits of 16 consecutive words."""
    return _cells(np.packbits((words.ravel() & np.uint32(1)).astype(np.uint8)).view(np.uint16))


def _gaps(words: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(words.ravel() >> np.uint32(WORD - GAP_BITS) == 0)
    return np.bincount(np.minimum(np.diff(places) - 1, LONGEST_GAP), minlength=LONGEST_GAP + 1)


def _gap_chances() -> np.ndarray:
    hit = 2.0**-GAP_BITS
    lengths = np.arange(LONGEST_GAP + 1)
    chances = hit * (1 - hit) ** lengths
    chances[-1] = (1 - hit) ** LONGEST_GAP
    return chances


def _runs(words: np.ndarray) -> np.ndarray:
    """Lengths of the ascending runs that start with every block."""
    blocks = words.reshape(-1, RUN_BLOCK)
    lengths = 1 + np.logical_and.accumulate(blocks[:, :-1] < blocks[:, 1:], axis=1).sum(axis=1)
    return np.bincount(lengths, minlength=RUN_BLOCK + 1)[1:]


def _run_chances() -> np.ndarray:
    """P(length >= k) = 1/k!."""
    tails = np.array([1 / factorial(k) for k in range(1, RUN_BLOCK + 1)] + [0.0])
    return tails[:-1] - tails[1:]


def ranks(rows: np.ndarray) -> np.ndarray:
    """Ranks over the field of two elements of matrices whose rows are words: (matrices, rows) -> (matrices,)."""
    rows, rank = rows.copy(), np.zeros(len(rows), int)
    for bit in range(WORD):
        has = (rows >> np.uint32(bit)) & np.uint32(1)
        pivot = rows[np.arange(len(rows)), has.argmax(axis=1)]
        present = has.any(axis=1)
        # The pivot's row clears itself as well and takes no further part.
        rows ^= has * np.where(present, pivot, np.uint32(0))[:, None]
        rank += present
    return rank


def _ranks(words: np.ndarray) -> np.ndarray:
    found = np.bincount(ranks(words.reshape(-1, WORD)), minlength=WORD + 1)
    return np.array([found[WORD], found[WORD - 1], found[: WORD - 1].sum()])


def _rank_chances() -> np.ndarray:
    full = np.prod(1 - 2.0 ** -np.arange(1, WORD + 1))
    # P(rank r) = 2^{r(2n−r)−n²} Π_{i<r} (1−2^{i−n})²/(1−2^{i−r}), here for r = n − 1.
    i = np.arange(WORD - 1)
    short = np.prod((1 - 2.0 ** (i - WORD)) ** 2 / (1 - 2.0 ** (i - WORD + 1))) / 2
    return np.array([full, short, 1 - full - short])


def _birthdays(words: np.ndarray) -> np.ndarray:
    """Equal spacings between sorted words, and the number of samples."""
    days = np.sort(words.reshape(-1, BIRTHDAYS), axis=1)
    spacings = np.sort(np.diff(days, axis=1), axis=1)
    return np.array([np.sum(spacings[:, 1:] == spacings[:, :-1]), len(days)])


def _birthday_p_value(counts: np.ndarray) -> float:
    equal, samples = counts
    mean = samples * BIRTHDAYS**3 / (4 * 2.0**WORD)
    return two_sided(float(stats.poisson.sf(equal, mean) + 0.5 * stats.poisson.pmf(equal, mean)))


def _weights(words: np.ndarray) -> np.ndarray:
    return np.bincount(np.bitwise_count(words).ravel(), minlength=WORD + 1)


def _weight_p_value(counts: np.ndarray) -> float:
    chances = stats.binom.pmf(np.arange(WORD + 1), WORD, 0.5)
    order = np.argsort(-chances)
    return chi_squared(counts[order], chances[order])


def _weight_products(words: np.ndarray) -> np.ndarray:
    """Sums of products of centred weights of words some way apart, and how many."""
    weights = np.bitwise_count(words).ravel().astype(np.int8) - np.int8(WORD // 2)
    sums, pairs = [], []
    for lag in LAGS:
        product = weights[lag:].astype(np.int16) * weights[:-lag]
        sums.append(product.sum(dtype=np.int64))
        pairs.append(product.size)
    return np.array([sums, pairs])


def _weight_product_p_value(counts: np.ndarray) -> float:
    z = counts[0] / (WORD / 4 * np.sqrt(counts[1]))
    return two_sided(float(stats.chi2.sf(np.sum(z**2), len(LAGS))))


TESTS = (
    WordTest("low halves", lambda words: _halves(words, 0), even),
    WordTest("high halves", lambda words: _halves(words, 1), even),
    WordTest("serial pairs in a draw, high bytes", lambda words: _bytes(words[:, 0], words[:, 1], 24), even),
    WordTest("serial pairs in a draw, low bytes", lambda words: _bytes(words[:, 0], words[:, 1], 0), even),
    WordTest("serial pairs of draws, high bytes", lambda words: _bytes(words[0::2, 0], words[1::2, 0], 24), even),
    WordTest("serial pairs of draws, low bytes", lambda words: _bytes(words[0::2, 1], words[1::2, 1], 0), even),
    WordTest("differences of draws, low halves", lambda words: _exclusive(words, 0), even),
    WordTest("differences of draws, high halves", lambda words: _exclusive(words, 1), even),
    WordTest("lowest bits of 16 words", _lowest_bits, even),
    WordTest("gaps", _gaps, lambda counts: chi_squared(counts, _gap_chances())),
    WordTest("ascending runs", _runs, lambda counts: chi_squared(counts, _run_chances())),
    WordTest("Hamming weights", _weights, _weight_p_value),
    WordTest("autocorrelation of Hamming weights", _weight_products, _weight_product_p_value),
    WordTest("ranks of 32x32 matrices", _ranks, lambda counts: chi_squared(counts, _rank_chances()), 2**24),
    WordTest("birthday spacings", _birthdays, _birthday_p_value, 2**25),
)

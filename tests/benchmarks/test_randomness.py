"""The tests of random words pass good words and see bad ones; Holm's rule."""

import numpy as np
import pytest

from benchmarks import dieharder, randomness, word_tests
from benchmarks.word_tests import TESTS

WORDS = 2**23
NAMES = {test.name: test for test in TESTS}


def _words(seed=1):
    return np.random.default_rng(seed).integers(0, 2**32, (WORDS // 2, 2), dtype=np.uint32)


@pytest.fixture(scope="module")
def good():
    return _words()


def test_good_words_pass(good):
    found = randomness.p_values(iter([good]))
    # Two-sided p-values of independent words; 1e-6 is the chance of a false alarm of all together.
    assert min(found) > 1e-6 / len(TESTS) and max(found) <= 1


def test_counts_of_pieces_add(good):
    whole, halves = good[: 2**16], (good[: 2**15], good[2**15 : 2**16])
    for test in TESTS:
        if "gaps" not in test.name and "autocorrelation" not in test.name:
            np.testing.assert_array_equal(test.count(whole), sum(test.count(half) for half in halves))


def _spoil(words, name):
    """Words with the defect that the test is for."""
    draws = len(words)
    bad, flat = words.copy(), words.copy().ravel()
    if "halves" in name and "differences" not in name:
        shift = np.uint32(16 if "high" in name else 0)
        bad[::8] &= ~(np.uint32(1) << shift)
    elif "in a draw" in name:
        bad[::8, 1] = bad[::8, 0]
    elif "of draws" in name:
        bad[1::16] = bad[0::16]
    elif name == "lowest bits of 16 words":
        flat[3::16] = flat[3::16] & ~np.uint32(1) | (flat[::16] & np.uint32(1))
        bad = flat.reshape(draws, 2)
    elif name == "gaps":
        flat[::64] >>= np.uint32(3)
        bad = flat.reshape(draws, 2)
    elif name == "ascending runs":
        blocks = flat.reshape(-1, 8)
        blocks[::64] = np.sort(blocks[::64], axis=1)
        bad = blocks.reshape(draws, 2)
    elif name == "ranks of 32x32 matrices":
        rows = flat.reshape(-1, 32)
        rows[::8, 5] = rows[::8, 3] ^ rows[::8, 17] ^ rows[::8, 30]
        bad = rows.reshape(draws, 2)
    elif name == "birthday spacings":
        bad &= ~np.uint32(3)
    elif name == "Hamming weights":
        bad[::16] = np.uint32(0x55555555)
    else:
        flat[3::16] = flat[::16][: len(flat[3::16])]
        bad = flat.reshape(draws, 2)
    return bad


@pytest.mark.parametrize("name", NAMES)
def test_bad_words_are_seen(name, good):
    test = NAMES[name]
    assert test.p_value(test.count(_spoil(good, name))) < 1e-9


def test_ranks_against_elimination_by_hand():
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 2**32, (20, 32), dtype=np.uint32)
    rows[3:9, 4] = rows[3:9, 7] ^ rows[3:9, 9]
    rows[6:9, 11] = 0
    rows[10] = 0
    expected = [len(_independent(matrix.tolist())) for matrix in rows]
    np.testing.assert_array_equal(word_tests.ranks(rows), expected)
    assert expected[10] == 0 and max(expected) == 32


def _independent(rows):
    """A basis of the span, by reduction with the leading bits."""
    basis = []
    for row in rows:
        for other in basis:
            row = min(row, row ^ other)
        if row:
            basis.append(row)
            basis.sort(reverse=True)
    return basis


def test_too_good_an_agreement_is_seen():
    assert word_tests.even(np.full(2**10, 1000)) < 1e-12
    assert word_tests.two_sided(0.5) == 1.0


def test_holm_is_never_more_lenient_than_bonferroni_for_the_smallest():
    values = np.random.default_rng(3).uniform(size=12)
    adjusted = randomness.holm(values)
    assert adjusted[values.argmin()] == pytest.approx(min(1, 12 * values.min()))
    assert np.all(adjusted >= values) and np.all(np.diff(adjusted[np.argsort(values)]) >= 0)


def test_the_directions_give_the_words_of_runs():
    import jax.numpy as jnp

    from stochq.noise import seed_words, threefry

    key = jnp.asarray(seed_words(randomness.SEED))
    for place, name in enumerate(("trajectories of one slot", "slots of one trajectory")):
        piece = np.asarray(randomness.DIRECTIONS[name](jnp.uint32(100)))
        counters = [jnp.uint32(randomness.FIXED)] * 2
        counters[place] = jnp.uint32(105)
        np.testing.assert_array_equal(piece[5], np.stack(threefry(key, *counters)))
    piece = np.asarray(randomness.DIRECTIONS["seeds of one draw"](jnp.uint32(0)))
    fixed = jnp.uint32(randomness.FIXED)
    np.testing.assert_array_equal(piece[7], np.stack(threefry(jnp.asarray(seed_words(7)), fixed, fixed)))


def test_the_verdict_names_what_failed():
    rows = [
        {"test": "gaps", "direction": "slots", "adjusted": 1e-9},
        {"test": "ranks", "direction": "seeds", "adjusted": 0.5},
    ]
    results = {"rows": rows, "level": 1e-3, "words": 2**20, "machine": {"seconds": 3}}
    assert "FAILED: gaps, slots" in randomness.verdict(results)
    assert "none failed" in randomness.verdict(results | {"rows": rows[1:]})


OUTPUT = """#====#
        test_name   |ntup|  p-value |
   diehard_runs|   0|0.92448404|
   diehard_runs|   0|0.38729660|
     sts_serial|   2|0.50000000|
"""


def test_the_lines_of_dieharder_are_read():
    expected = {"diehard_runs": 0.92448404, "diehard_runs'": 0.3872966, "sts_serial 2": 0.5}
    assert dieharder.parse(OUTPUT) == expected


def test_without_dieharder_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="dieharder is not installed"):
        dieharder.dieharder()

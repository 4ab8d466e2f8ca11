"""Ranges of trajectories of one seed: in whatever pieces they are run, merged they are one run."""

import dataclasses
import itertools
import random

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.ensemble.tree import Part, added, joined, total
from tests.test_io import assert_same

BLOCK = 1024
TIMES = np.linspace(0.0, 1.0, 3)
STATE = np.array([0.6, 0.8])
MERGES = {"order": lambda a, b: f"({a}{b})"}


def block(start, stop=None, seed=0):
    return Part(seed, start, start + 10 if stop is None else stop, 10, 1, {"order": f"{start // 10} "})


def in_words(parts):
    return total(parts, MERGES)["order"]


def test_sums_have_the_order_of_a_binary_tree():
    parts = ()
    for start in range(0, 70, 10):
        parts = added(parts, block(start, min(start + 10, 65)), MERGES)
    assert [(part.start, part.stop, part.failed) for part in parts] == [(0, 40, 4), (40, 60, 2), (60, 65, 1)]
    assert in_words(parts) == "((((0 1 )(2 3 ))(4 5 ))6 )"


def test_the_order_of_sums_does_not_depend_on_the_pieces():
    blocks = [block(start) for start in range(30, 250, 10)]
    whole = joined(blocks, MERGES)
    for draw in range(20):
        chance = random.Random(draw)
        cuts = sorted(chance.sample(range(1, len(blocks)), 4))
        pieces = [joined(blocks[a:b], MERGES) for a, b in itertools.pairwise([0, *cuts, len(blocks)])]
        chance.shuffle(pieces)
        merged = ()
        for piece in pieces:
            merged = joined((*merged, *piece), MERGES)
        assert merged == whole and len(whole) <= 2 * 5


def test_seeds_and_shifted_blocks_are_summed_apart():
    parts = joined([block(10, seed=1), block(0), block(5, 10, seed=1), block(0, 5, seed=1)], MERGES)
    assert [(part.seed, part.start) for part in parts] == [(0, 0), (1, 0), (1, 5), (1, 10)]


class Largest(sq.Statistic):
    """The mean of |ψ|⁴, whose sum is rounded, and the largest value."""

    def block(self, data, weights):
        populations = jnp.abs(data) ** 2 * weights[None, None]
        return jnp.max(populations, axis=-1), jnp.sum(populations**2, axis=-1), jnp.sum(weights)

    def merge(self, total, summary):
        return np.maximum(total[0], summary[0]), total[1] + summary[1], total[2] + summary[2]

    def finish(self, total):
        return np.stack([total[0], total[1] / total[2]])


def run(trajectories, first=0, **options):
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    observables = {"p": [1.0, 0.0], "a": np.array([[0, 1], [0, 0]]), "large": Largest(), "rho": sq.Density()}
    observables["bins"] = sq.Histogram([1.0, 0.0], np.linspace(0, 1, 6))
    asked = {"observables": observables, "dt": 0.25, "records": True, "batch": BLOCK} | options
    return sq.simulate(equation, STATE, TIMES, trajectories=trajectories, first=first, **asked)


def without_seconds(result):
    info = {key: value for key, value in result.info.items() if key != "seconds"}
    return dataclasses.replace(result, info=info, summaries={}, clicks={})


def assert_one_run(merged, whole):
    for field in dataclasses.fields(whole):
        if field.name not in ("kept", "kept_values", "kept_rows"):
            assert_same(
                getattr(without_seconds(merged), field.name), getattr(without_seconds(whole), field.name), field.name
            )


def test_whole_blocks_merge_to_the_last_bit(tmp_path):
    whole = run(7 * BLOCK + 300)
    pieces = [run(2 * BLOCK), run(4 * BLOCK, first=2 * BLOCK), run(BLOCK + 300, first=6 * BLOCK)]
    for one, two, three in itertools.permutations(pieces):
        assert_one_run(one.merge(two).merge(three), whole)
    plain = [dataclasses.replace(piece, statistics={}, summaries={}) for piece in pieces]
    one, two, three = (sq.load(piece.save(tmp_path / f"{i}.nc")) for i, piece in enumerate(plain))
    expected = dataclasses.replace(whole, statistics={}, parts=())
    loaded = sq.load(two.merge(three.merge(one)).save(tmp_path / "all.nc"))
    assert [part[:5] for part in loaded.parts] == [part[:5] for part in whole.parts]
    assert_one_run(dataclasses.replace(loaded, parts=()), expected)


def test_other_ranges_merge_to_rounding():
    """Against NumPy on the states themselves."""
    first, rest = run(1000, keep=1000), run(1500, first=1000, keep=1500)
    states = run(2500, keep=2500).kept
    np.testing.assert_array_equal(rest.kept, states[1000:])
    merged = rest.merge(first)
    assert merged.ranges == [(0, 0, 2500)] and merged.kept_rows.tolist() == list(range(2500))
    np.testing.assert_array_equal(merged.kept, states)
    values = np.abs(states[..., 0].astype(complex)) ** 2
    np.testing.assert_allclose(merged.mean["p"], values.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(merged.variance["p"], values.var(axis=0, ddof=1), rtol=1e-5, atol=1e-12)
    density = np.einsum("nti,ntj->tij", states.astype(complex), states.conj()) / 2500
    # 1500 additions, each rounded by 2⁻²⁴ of the sum at most: five times √1500·2⁻²⁴.
    np.testing.assert_allclose(merged.density, density, atol=1.2e-5)


@pytest.mark.parametrize("antithetic", [True, False])
def test_pairs_and_results_without_parts_merge_as_well(antithetic):
    options = {"antithetic": antithetic, "records": False, "observables": {"p": [1.0, 0.0]}}
    whole, a, b = run(3 * BLOCK, **options), run(BLOCK, **options), run(2 * BLOCK, first=BLOCK, **options)
    assert_one_run(a.merge(b), whole)
    pooled = dataclasses.replace(a, parts=()).merge(b)
    assert pooled.parts == ()
    rough = 1e-3 if antithetic else 1e-9
    for field, rtol in (("mean", 1e-9), ("stderr", rough), ("kurtosis", rough)):
        np.testing.assert_allclose(getattr(pooled, field)["p"][1:], getattr(whole, field)["p"][1:], rtol=rtol)
    np.testing.assert_allclose(pooled.covariance, whole.covariance, rtol=rough)


def test_the_times_of_clicks_stay_with_their_trajectories():
    decay = sq.models.monitored(
        sq.systems.levels([0.0, 0.0]), {"n": sq.measurement.counting(np.array([[0.0, 0.0], [1.0, 0.0]]))}
    )
    options = {"observables": {"p": [1.0, 0.0]}, "records": True}
    whole, first, rest = (
        sq.simulate(decay, STATE, TIMES, trajectories=n, first=start, **options)
        for n, start in ((500, 0), (200, 0), (300, 200))
    )
    merged = rest.merge(first)
    np.testing.assert_array_equal(merged.clicks["n"].trajectory, whole.clicks["n"].trajectory)
    np.testing.assert_array_equal(merged.clicks["n"].time, whole.clicks["n"].time)
    np.testing.assert_array_equal(merged.records.increments, whole.records.increments)


def test_trajectories_that_are_in_both_are_named():
    a, b = run(BLOCK), run(BLOCK, first=1000)
    with pytest.raises(ValueError, match="^merge: trajectories 1000 to 1023 of seed 0 are in both runs.*first=2024"):
        a.merge(b)
    assert a.merge(run(BLOCK, first=3000)).ranges == [(0, 0, 1024), (0, 3000, 4024)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"first": -1}, "^first: expected"),
        ({"first": 2**32 - 500}, "fit a counter of 32 bits"),
        (
            {"first": 3, "antithetic": True, "records": False, "observables": {"p": [1.0, 0.0]}},
            "^first: expected an even",
        ),
    ],
)
def test_a_first_trajectory_that_does_not_fit_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        run(1000, **wrong)

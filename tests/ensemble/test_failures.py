"""Trajectories that become non-finite are named, and any one is replayed alone by its number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.ensemble import runner

SUV = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=8.0)
# Born's rule: .4 % of the trajectories end in level 0.
STATE, TIMES = [np.sqrt(0.004), np.sqrt(0.996)], [0, 1, 2]
TOP = 0.95
COUNT = 2500


def _odd(psi: jax.Array) -> jax.Array:
    population = jnp.abs(psi[0]) ** 2
    return jnp.where(population > TOP, jnp.nan, population)


def run(trajectories: int = COUNT, **options) -> sq.EnsembleResult:
    options = {"observables": {"p": _odd}, "dt": 0.25, **options}
    return sq.simulate(SUV, STATE, TIMES, trajectories=trajectories, **options)


def lost(**options) -> sq.EnsembleResult:
    with pytest.warns(UserWarning, match="became non-finite"):
        return run(**options)


def that_fail(states: np.ndarray) -> list[int]:
    """The trajectories that leave what the observable allows, by their states."""
    return np.flatnonzero((np.abs(states[..., 0]) ** 2 > TOP).any(axis=1)).tolist()


@pytest.fixture(scope="module")
def states():
    """Of all trajectories, by an observable that is a number on all states."""
    return run(observables={"q": [1.0, 0.0]}, keep=COUNT).kept


@pytest.mark.parametrize("first", [0, 2048 - 700])
def test_failed_trajectories_are_named(states, first):
    with pytest.warns(UserWarning) as caught:
        result = run(COUNT - first, first=first)
    expected = [first + number for number in that_fail(states[first:])]
    assert result.failed == len(expected) > 2
    assert result.failed_trajectories == [(0, number) for number in expected[:16]]
    named = f": {expected[0]}, {expected[1]}"
    assert named in str(caught[0].message) and f"first={expected[0]}, trajectories=1, keep=1, dt=0.25 rep" in str(
        caught[0].message
    )
    assert f"failed (left out): {result.failed}{named}" in str(result)


def test_one_trajectory_is_replayed_by_its_number(states):
    number = that_fail(states)[1]
    with pytest.warns(UserWarning, match=f"1 of 1 .*: {number} of seed 0. Nothing is left"):
        failed = run(1, first=number, keep=1)
    np.testing.assert_array_equal(failed.kept[0], states[number])
    assert failed.failed_trajectories == [(0, number)] and np.isnan(failed.mean["p"]).all()
    np.testing.assert_array_equal(np.isnan(failed.kept_values["p"][0]), np.abs(states[number, :, 0]) ** 2 > TOP)
    good = run(1, first=number + 1)
    np.testing.assert_allclose(good.mean["p"], np.abs(states[number + 1, :, 0]) ** 2, rtol=1e-5)
    assert np.isnan(good.stderr["p"]).all() and np.isnan(good.variance["p"]).all()
    assert "one alone has no standard errors" in str(good)
    good.plot()
    exact = sq.exact.evolve(SUV, STATE, TIMES, observables={"p": [1.0, 0.0]})
    with pytest.raises(ValueError, match="^ensemble: expected one of two trajectories or pairs at least"):
        sq.compare(good, exact)


def test_single_trajectories_merge_to_those_of_all(states):
    """Three of them, one of which failed, in files and without parts."""
    number = that_fail(states)[0]
    one, two = run(1, first=number + 1), run(1, first=number + 2)
    none = lost(trajectories=1, first=number)
    values = np.abs(states[number + 1 : number + 3, :, 0].astype(complex)) ** 2
    for pieces in ((one, none, two), [sq.EnsembleResult(**{**vars(each), "parts": ()}) for each in (none, two, one)]):
        merged = pieces[0].merge(pieces[1]).merge(pieces[2])
        assert (merged.trajectories, merged.failed, merged.failed_trajectories) == (2, 1, [(0, number)])
        np.testing.assert_allclose(merged.mean["p"], values.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(merged.stderr["p"][1:], values.std(axis=0, ddof=1)[1:] / np.sqrt(2), rtol=1e-3)


def test_names_survive_files_checkpoints_and_merging(states, tmp_path, monkeypatch):
    whole = lost()
    assert sq.load(whole.save(tmp_path / "run.nc")).failed_trajectories == whole.failed_trajectories
    other = lost(seed=1)
    both = other.merge(whole)
    assert both.failed_trajectories == [*whole.failed_trajectories, *other.failed_trajectories][:16]
    assert both.failed == whole.failed + other.failed and "of seed 0" in str(both)
    add, calls = runner.added, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return add(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(runner, "added", interrupt)
        with pytest.warns(UserWarning):
            run(checkpoint=tmp_path / "c", batch=1024)
    assert lost(checkpoint=tmp_path / "c").failed_trajectories == whole.failed_trajectories


def test_both_of_an_antithetic_pair_are_named():
    with pytest.warns(UserWarning, match="first=.*, trajectories=2, antithetic=True, dt=0.25 replays"):
        pairs = run(antithetic=True)
    numbers = [number for _, number in pairs.failed_trajectories]
    assert numbers[1::2] == [number + 1 for number in numbers[::2]] and not any(number % 2 for number in numbers[::2])
    again = lost(trajectories=2, first=numbers[0], antithetic=True)
    assert again.failed_trajectories == [(0, numbers[0]), (0, numbers[1])] and again.trajectories == 0
    good = run(2, first=numbers[0] + 2, antithetic=True)
    assert good.samples == 1 and np.isnan(good.stderr["p"]).all() and "one alone" in str(good)


def test_jumps_are_named_and_replayed_as_well():
    """Decay at rate 1: a trajectory that has clicked is no number."""
    lower = np.array([[0.0, 1.0], [0.0, 0.0]])
    equation = sq.models.unravel(sq.systems.levels([0.0, 0.0]), [lower], noise="jump")
    rare = {"p": lambda psi: jnp.where(jnp.abs(psi[0]) ** 2 > 0.5, jnp.nan, 1.0)}
    options = {"observables": rare, "seed": 5}
    with pytest.warns(UserWarning, match="of seed 5"):
        result = sq.simulate(equation, [0, 1], [0, 0.002], trajectories=4000, **options)
    (seed, number), *_ = result.failed_trajectories
    with pytest.warns(UserWarning, match="Nothing is left"):
        one = sq.simulate(equation, [0, 1], [0, 0.002], trajectories=1, first=number, keep=1, **options)
    assert seed == 5 and abs(one.kept[0, -1, 0]) == pytest.approx(1)


def test_too_many_failures_name_the_first():
    with pytest.raises(RuntimeError, match="became non-finite with .* at dt = 0.25, 0 the first of them. Take"):
        run(200, observables={"p": lambda psi: psi[0].real * jnp.nan})

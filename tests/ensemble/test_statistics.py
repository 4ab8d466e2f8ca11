"""Statistics of anybody's stand among the observables."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

STATE, TIMES = [0.6, 0.8], [0.0, 0.5, 1.0]


class Largest(sq.Statistic):
    """The largest population of any trajectory."""

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.max(jnp.abs(data) ** 2 * weights[None, None], axis=-1)

    def merge(self, total, summary):
        return np.maximum(total, summary)


class Coherence(sq.Statistic):
    """The mean of the first amplitude times the second one's conjugate, complex; count and sum merge by adding."""

    def block(self, data, weights):
        return {"count": weights.sum(), "sum": jnp.sum(data[:, 0] * data[:, 1].conj() * weights[None], axis=-1)}

    def finish(self, total):
        return total["sum"] / total["count"]


class Pair(sq.Statistic):
    """A result that is no array."""

    needs = "values"

    def block(self, data, weights):
        return weights.sum(), jnp.sum(data * weights[None, None], axis=-1)


def _run(seed, **statistics):
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    return sq.simulate(
        equation, STATE, TIMES, observables={"p": [1.0, 0.0], **statistics}, trajectories=1500, seed=seed, dt=0.25,
        keep=1500,
    )  # fmt: skip


def test_statistics_are_found_again_by_name_and_merge(tmp_path):
    """Against NumPy on the states themselves, over more than one block and over two runs."""
    first, second = (_run(seed, large=Largest(), c=Coherence(), rho=sq.Density()) for seed in (1, 2))
    for run, states in (
        (first, first.kept),
        (first.merge(second), np.concatenate([first.kept, second.kept])),
        (second.merge(first), np.concatenate([first.kept, second.kept])),
    ):
        np.testing.assert_allclose(run.statistics["large"], (np.abs(states) ** 2).max(axis=0), rtol=1e-6)
        # Of sums of 1500 numbers in single precision.
        rounding = 1.2e-5
        coherence = (states[..., 0] * states[..., 1].conj()).astype(complex).mean(axis=0)
        np.testing.assert_allclose(run.statistics["c"], coherence, atol=rounding)
        assert run.density is not None
        np.testing.assert_allclose(run.density[:, 0, 1], coherence, atol=rounding)
        np.testing.assert_allclose(run.mean["p"], (np.abs(states[..., 0]) ** 2).mean(axis=0), rtol=1e-6)
    loaded = sq.load(first.save(tmp_path / "run.nc"))
    for name in ("large", "c"):
        np.testing.assert_array_equal(loaded.statistics[name], first.statistics[name])
    assert list(first.statistics) == list(loaded.statistics) == ["large", "c"]
    with pytest.raises(
        ValueError, match="^merge: expected runs of this process with the statistic 'large'.*summaries={}"
    ):
        loaded.merge(second)
    dropped = [dataclasses.replace(run, statistics={}, summaries={}) for run in (loaded, second)]
    both = dropped[0].merge(dropped[1])
    assert both.trajectories == 3000 and both.statistics == both.summaries == {}
    without = [dataclasses.replace(run, statistics={}) for run in (first, second)]
    assert without[0].merge(without[1]).statistics == {}


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    run = _run(1, pair=Pair())
    count, total = run.statistics["pair"]
    np.testing.assert_allclose(total[:, 0] / count, run.mean["p"], rtol=1e-6)
    with pytest.raises(ValueError, match=r"^statistics\['pair'\]: expected an array of numbers in a file; got tuple"):
        run.save(tmp_path / "run.nc")


def test_statistics_of_trajectories_are_refused_where_only_averages_are_right():
    equation = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [np.array([[0.0, 1.0], [0.0, 0.0]])])
    scheme = sq.schemes.Strang(increments="discrete")
    with pytest.raises(
        ValueError, match="^scheme: expected one whose single trajectories .* for the statistic 'large'"
    ):
        sq.simulate(equation, STATE, TIMES, observables={"large": Largest()}, trajectories=64, dt=0.1, scheme=scheme)
    run = sq.simulate(equation, STATE, TIMES, observables={"rho": sq.Density()}, trajectories=64, dt=0.1, scheme=scheme)
    assert run.density is not None


def test_a_statistic_needs_a_block():
    class Nothing(sq.Statistic):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()  # pyright: ignore[reportAbstractUsage]

"""What a run may and may not depend on, and what it keeps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accuracy.grid import time_grid
from stochq.compiling import PROGRAMS
from stochq.ensemble import batch, runner
from stochq.ensemble.devices import block_size
from stochq.ensemble.statistics import COVARIANCE
from stochq.module import as_tree

EULER = sq.schemes.EulerMaruyama()
TIMES = np.linspace(0.0, 1.0, 6)
HAMILTONIAN = np.array([[0.3, 0.4 - 0.2j, 0.1], [0.4 + 0.2j, -0.5, 0.3], [0.1, 0.3, 0.2]])
PSI = sq.normalize([1.0, 1j, -0.5])
OBSERVABLES = {"p": np.array([1.0, 0.0, 0.0]), "x": np.ones((3, 3))}


def equation(strength=0.8, **options):
    return sq.models.suv(sq.systems.levels(HAMILTONIAN), strength=strength, **options)


def run(model=None, times=TIMES, **options):
    options = {"observables": OBSERVABLES, "trajectories": 3000, "dt": 0.1, **options}
    return sq.simulate(equation() if model is None else model, PSI, times, **options)


def test_batch_changes_no_number():
    whole = run(trajectories=5000)
    for size in (1, 1024, 2048):
        pieces = run(trajectories=5000, batch=size)
        for name in OBSERVABLES:
            np.testing.assert_array_equal(pieces.mean[name], whole.mean[name])
            np.testing.assert_array_equal(pieces.variance[name], whole.variance[name])
        np.testing.assert_array_equal(pieces.covariance, whole.covariance)


def test_number_of_workers_changes_no_number(monkeypatch):
    whole = run(trajectories=5000)
    monkeypatch.setattr(runner, "workers", lambda devices=1: 1)
    np.testing.assert_array_equal(run(trajectories=5000).mean["x"], whole.mean["x"])


@pytest.mark.parametrize("scheme", [None, EULER, sq.schemes.Extrapolated(EULER)])
def test_saved_times_change_no_number(scheme):
    dense = run(times=np.linspace(0, 1, 11), dt=0.05, scheme=scheme)
    sparse = run(times=np.linspace(0, 1, 3), dt=0.05, scheme=scheme)
    np.testing.assert_array_equal(dense.mean["x"][[0, 5, 10]], sparse.mean["x"])


@pytest.mark.parametrize("model", ["suv", "oqt"])
def test_odd_and_even_numbers_of_steps_share_their_draws(model):
    """Intervals of odd length use the step-by-step loop, even ones the loop over pairs: the same trajectories."""
    levels = sq.systems.levels(HAMILTONIAN)
    models = {"suv": equation(), "oqt": sq.models.oqt(levels, strength=0.8, equilibrium=[0.5, 0.3, 0.2])}
    paired = run(models[model], times=[0.0, 0.4, 0.8], dt=0.1)
    single = run(models[model], times=[0.0, 0.1, 0.4, 0.8], dt=0.1)
    np.testing.assert_allclose(single.mean["x"][[0, 2, 3]], paired.mean["x"], atol=5e-6)


def test_first_trajectories_of_a_longer_run():
    short, long = run(trajectories=1500, keep=1500), run(trajectories=4000, keep=2000)
    np.testing.assert_array_equal(short.kept, long.kept[:1500])


def test_number_of_steps():
    grid = time_grid(np.array([0.0, 0.25, 1.0]), 0.25)
    assert grid.steps.tolist() == [1, 3] and grid.uniform and grid.total_steps == 4
    grid = time_grid(np.array([0.0, 0.25, 0.6]), 0.1)
    assert grid.steps.tolist() == [3, 4] and not grid.uniform
    np.testing.assert_allclose(grid.steps * grid.lengths, [0.25, 0.35])
    assert np.all(grid.lengths <= 0.1 * (1 + 1e-9))
    assert run().info["steps"] == 10


def test_uneven_times_reach_the_same_law():
    exact = sq.exact.evolve(equation(), PSI, [0.0, 0.13, 0.9, 1.0], observables=OBSERVABLES)
    ensemble = run(times=[0.0, 0.13, 0.9, 1.0], trajectories=40_000, dt=0.1)
    assert sq.compare(ensemble, exact).p_value > 1e-5


def test_kept_states_are_the_trajectories_that_are_averaged():
    result = run(trajectories=2000, keep=2000)
    assert result.kept.shape == (2000, 6, 3)
    np.testing.assert_allclose(np.linalg.norm(result.kept, axis=-1), 1.0, atol=1e-5)
    values = np.abs(result.kept[:, :, 0]) ** 2
    np.testing.assert_allclose(values.mean(axis=0), result.mean["p"], atol=1e-6)
    np.testing.assert_allclose(values.var(axis=0, ddof=1), result.variance["p"], atol=1e-6)


def test_covariance_between_times():
    result = run(trajectories=2000, keep=2000)
    values = np.stack([np.abs(result.kept[:, time, 0]) ** 2 for time in range(1, 6)])
    chosen = [index for index, (name, _) in enumerate(result.covariance_points) if name == "p"]
    assert [result.covariance_points[index][1] for index in chosen] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(result.covariance[np.ix_(chosen, chosen)], np.cov(values), atol=1e-6)


def test_density_and_histogram():
    edges = np.linspace(0, 1, 5)
    watched = {"rho": sq.Density(), "bins": sq.Histogram(OBSERVABLES["p"], edges), **OBSERVABLES}
    result = run(observables=watched, trajectories=1700, keep=1700)
    kept = result.kept.astype(complex)
    density = np.einsum("nti,ntj->tij", kept, kept.conj()) / 1700
    np.testing.assert_allclose(result.density, density, atol=5e-6)  # 1024 terms summed in single precision
    assert set(result.mean) == {"p", "x"}
    bins, counts = result.histograms["bins"]
    np.testing.assert_array_equal(bins, edges)
    np.testing.assert_array_equal(counts.sum(axis=1), 1700)
    expected = np.histogram(np.abs(result.kept[:, -1, 0]) ** 2, edges)[0]
    np.testing.assert_allclose(counts[-1], expected, atol=2)  # values that rounding puts across an edge


def test_merge_pools_two_runs():
    a, b = run(trajectories=1500, seed=1, keep=1500), run(trajectories=2500, seed=2, keep=2500)
    both = a.merge(b)
    values = np.abs(np.concatenate([a.kept, b.kept])[:, :, 0]) ** 2
    assert both.trajectories == 4000 and sorted(both.ranges) == [(1, 0, 1500), (2, 0, 2500)]
    np.testing.assert_allclose(both.mean["p"], values.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(both.variance["p"], values.var(axis=0, ddof=1), atol=1e-6)
    np.testing.assert_allclose(both.stderr["p"], np.sqrt(both.variance["p"] / 4000))


def test_merge_refuses_double_counting_and_other_problems():
    a = run(seed=1)
    with pytest.raises(ValueError, match="merge: trajectories 0 to 2999 of seed 1"):
        a.merge(run(seed=1))
    with pytest.raises(ValueError, match="merge: expected two runs of one problem"):
        a.merge(run(equation(0.7), seed=2))
    with pytest.raises(ValueError, match="merge: expected two runs of one problem"):
        a.merge(run(seed=2, dt=0.05))
    with pytest.raises(ValueError, match="merge: trajectories"):
        a.merge(run(seed=2)).merge(run(seed=2, trajectories=100))


def _sometimes_nan(psi):
    """NaN for the trajectories in which level 0 is nearly certain."""
    population = jax.numpy.abs(psi[0]) ** 2
    return jax.numpy.where(population > 0.999, jax.numpy.nan, population)


def test_failed_trajectories_are_counted_and_left_out():
    psi = sq.normalize([0.05, 1.0, 0.0])
    frozen = sq.models.suv(sq.systems.levels([0.0, 0.0, 0.0]), strength=20.0)
    watched = {"p": _sometimes_nan, "q": np.array([0.0, 1.0, 0.0])}
    with pytest.warns(UserWarning, match="of 8000 trajectories became non-finite and are left out"):
        result = sq.simulate(frozen, psi, [0, 1], observables=watched, trajectories=8000, dt=1.0)
    # Born's rule: 0.25 % of the trajectories end in level 0.
    assert 0 < result.failed < 80 and result.trajectories == 8000 - result.failed
    assert np.all(np.isfinite(result.mean["p"])) and result.mean["q"][-1] == pytest.approx(1.0, abs=1e-3)
    assert "failed" in str(result)


def test_too_many_failures_stop_the_run():
    frozen = sq.models.suv(sq.systems.levels([0.0, 0.0, 0.0]), strength=20.0)
    with pytest.raises(RuntimeError, match="became non-finite .*Take a shorter dt"):
        sq.simulate(frozen, PSI, [0, 1], observables={"p": _sometimes_nan}, trajectories=2000, dt=1.0)


def test_an_interrupted_run_returns_what_it_has(monkeypatch):
    add, calls = runner.added, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return add(*arguments)

    monkeypatch.setattr(runner, "added", interrupt)
    with pytest.warns(UserWarning, match="interrupted: the result holds 3072 of 20000"):
        result = run(trajectories=20_000, batch=1)
    assert result.trajectories == 3 * block_size(3) == 3072 and result.info["interrupted"]
    monkeypatch.undo()
    np.testing.assert_array_equal(result.mean["p"], run(trajectories=3072).mean["p"])
    rest = run(trajectories=1000, seed=5)
    for whole in (result.merge(rest), rest.merge(result)):
        assert whole.trajectories == 4072 and not whole.info["interrupted"]
        assert whole.info["seconds"] == result.info["seconds"] + rest.info["seconds"]
        assert whole.info["dt_reason"] == rest.info["dt_reason"] and whole.info["jax"] == rest.info["jax"]


def test_no_recompilation_when_only_values_change():
    traces = []

    def probe(psi):
        traces.append(1)
        return jax.numpy.abs(psi[0]) ** 2

    options = {"observables": {"p": probe}, "dt": 0.1}
    run(**options)
    first, built = len(traces), PROGRAMS.built
    run(seed=9, **options)
    run(equation(0.3), **options)
    run(trajectories=7777, **options)
    run(times=2 * TIMES, observables={"p": probe}, dt=0.2)
    run(times=2 * TIMES, observables={"p": probe}, dt=0.05)
    run(observables={"of another name": probe}, dt=0.1)
    # Each run calls the observable for its fingerprint and for the elements it asks for, outside any compilation.
    assert len(traces) - first <= 12
    assert PROGRAMS.built == built


def _trapped(value):
    particle = sq.systems.particle(32, 16.0, mass=value, potential=sq.systems.harmonic(0.2 * value))
    return sq.models.csl(particle, rate=value, length=1.0), particle.gaussian(0.0, 1.0)


def _tunnelling(value):
    return sq.models.suv(sq.systems.levels(value * np.array([[0.0, 1], [1, 0]])), strength=value), [0.6, 0.8]


def _relaxing(value):
    levels = sq.systems.levels(value * np.arange(3.0))
    return sq.models.oqt(levels, strength=value, equilibrium=sq.canonical(levels, value)), [0.6, 0.8, 0]


def _cavity(value):
    cavity = sq.systems.kerr(6, detuning=0.0, kerr=0.1 * value, drive=value)
    return sq.models.unravel(cavity, [value * np.diag(np.sqrt(np.arange(1.0, 6)), 1)]), np.eye(6)[0]


def _chain(value):
    chain = sq.systems.ising(3, coupling=value, transverse=0.7 * value)
    weights = sq.canonical(chain, value)
    return sq.models.sui(chain, reduction=value, thermalization=value, equilibrium=weights), np.eye(8)[0]


@pytest.mark.parametrize("build", [_trapped, _tunnelling, _relaxing, _cavity, _chain])
@pytest.mark.sweep(2)
def test_an_equation_made_anew_is_not_compiled_anew(build):
    traces = []

    def probe(psi):
        traces.append(1)
        return jax.numpy.abs(psi[0]) ** 2

    def again(value):
        made, psi = build(value)
        before = len(traces)
        sq.simulate(made, psi, [0, 0.1, 0.2], observables={"p": probe}, trajectories=10, dt=0.1)
        return len(traces) - before

    # For the fingerprint and for the elements it asks for, outside any compilation.
    assert again(1.0) > 2 and again(1.1) == 2


def test_methods_of_a_module_are_watched_without_being_compiled_for_it():
    """And are the same functions: the weight at the edge of the box."""
    made, psi = _trapped(1.0)
    method = made.hamiltonian.edge_weight
    watched = {"as a method": method, "as a function": lambda psi: method(psi)}
    result = sq.simulate(made, psi, [0, 2], observables=watched, trajectories=10, dt=1.0)
    np.testing.assert_array_equal(result.mean["as a method"], result.mean["as a function"])
    assert 0 < result.mean["as a method"][-1] < 1e-3
    assert {np.shape(leaf) for leaf in jax.tree.leaves(as_tree(method))} >= {(32,)} and as_tree(len) is len


def test_the_chosen_step_keeps_the_bias_below_the_error():
    exact = sq.exact.evolve(equation(), PSI, TIMES, observables=OBSERVABLES)
    result = run(dt=None, scheme=EULER, trajectories=1000)
    for name in OBSERVABLES:
        assert np.all(np.abs(result.bias[name]) <= 0.1 * result.stderr[name].max() + 1e-12)
    # The true bias, from a hundred times more trajectories at the same step.
    many = run(dt=result.dt, scheme=EULER, trajectories=100_000)
    for name in OBSERVABLES:
        excess = np.abs(many.mean[name] - exact.expect[name]) - 4 * many.stderr[name]
        assert np.all(excess <= 0.1 * result.stderr[name].max() + 1e-5)


def test_double_precision_follows_the_same_path():
    single, double = run(keep=50), run(keep=50, precision="double")
    np.testing.assert_allclose(single.kept, double.kept, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(double.kept, axis=-1), 1.0, atol=1e-13)
    assert not jax.config.jax_enable_x64


def test_hbar_scales_time():
    half = run(equation(0.4, hbar=0.5), dt=0.1)
    whole = sq.simulate(
        sq.models.suv(sq.systems.levels(2 * HAMILTONIAN), strength=0.8), PSI, TIMES, observables=OBSERVABLES,
        trajectories=3000, dt=0.1,
    )  # fmt: skip
    np.testing.assert_allclose(half.mean["x"], whole.mean["x"], atol=1e-5)


def test_results_print_what_matters():
    text = str(run())
    assert "3000 trajectories" in text and "Strang()" in text and "p:" in text and "MiB" in text


def test_quiet_without_a_terminal(capfd):
    run(progress=None)
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


def test_memory_of_a_call_does_not_depend_on_the_number_of_trajectories():
    from stochq.ensemble.problem import build_problem
    from stochq.ensemble.task import Task
    from stochq.schemes import Strang, frame_of

    task = Task(equation(), frame_of(equation()), PSI, TIMES, OBSERVABLES, Strang(), "single", 0)
    problem = build_problem(task, time_grid(TIMES, 0.1))
    on_device = jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array(leaf) else leaf, problem)
    stored, _ = jax.eval_shape(
        lambda first, stop: batch.run_batch((on_device, batch.BLOCKS_PER_CALL), first, jnp.int32(2), stop),
        jnp.uint32(0), jnp.uint32(10**6),
    )  # fmt: skip
    points = len(problem.statistics[COVARIANCE].points)
    assert sum(leaf.size for leaf in jax.tree.leaves(stored)) < batch.BLOCKS_PER_CALL * (points**2 + 100)

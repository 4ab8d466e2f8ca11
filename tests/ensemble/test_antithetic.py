"""Trajectories in pairs with opposite noise: the same law for each, and honest errors of the means."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.accuracy.grid import time_grid
from stochq.ensemble.problem import build_problem
from stochq.ensemble.task import Task
from stochq.noise.counter import StepNoise
from stochq.schemes import EulerMaruyama, Extrapolated, Strang, frame_of
from tests.judging import judge, judge_ensemble
from tests.problems import PROBLEMS, hermitian, state

TIMES = np.linspace(0.0, 1.0, 3)
PSI = state(3, 21)
WATCHED = {"level": np.array([0.0, 0.5, 1.0]), "matrix": hermitian(3, 22)}


def _equation(noise="real"):
    return sq.models.suv(sq.systems.levels(hermitian(3, 23)), strength=1.0, noise=noise)


def _values(scheme, antithetic, equation=None):
    """Of the trajectories that draw noise and of their images, (T, observables, block) each; no images: None."""
    equation = _equation() if equation is None else equation
    grid = time_grid(TIMES, 0.125)
    task = Task(equation, frame_of(equation), PSI, grid.times, WATCHED, scheme, "single", 3)
    problem = build_problem(task, grid, antithetic)
    seen = eqx.filter_jit(lambda problem, first: problem.data(first, False))(problem, jnp.uint32(0))
    if not antithetic:
        return np.asarray(seen["values"]), None
    return np.asarray(seen["values"] + seen["differences"]), np.asarray(seen["values"] - seen["differences"])


@pytest.mark.parametrize(
    "scheme",
    [
        Strang(),
        Extrapolated(EulerMaruyama()),
        *(
            pytest.param(scheme, marks=pytest.mark.release)
            for scheme in (EulerMaruyama(), Strang(increments="discrete"))
        ),
    ],
    ids=lambda scheme: scheme.name,
)
def test_the_first_of_each_pair_is_a_trajectory_of_an_independent_run(scheme):
    alone, _ = _values(scheme, False)
    first, image = _values(scheme, True)
    pairs = first.shape[-1]
    # Another program rounds differently, and a number at the edge of a decision may fall to either side.
    close = np.abs(first - alone[..., :pairs]).max(axis=(0, 1)) < 1e-4
    assert close.mean() > 0.99
    assert np.abs(first - image)[1:].mean() > 0.01


def test_images_of_noise_are_equally_likely_and_opposite():
    rng = np.random.default_rng(5)
    normals, uniforms = rng.normal(size=(2, 8)), rng.uniform(size=(1, 8))
    words = rng.integers(0, 2**32, size=(1, 3, 8), dtype=np.uint32)
    noise = StepNoise(
        jnp.asarray(normals), jnp.asarray(normals + 2j), jnp.asarray(uniforms), jnp.asarray(words),
        jnp.asarray(uniforms + 0.25j),
    )  # fmt: skip
    both = noise.with_antithetic()
    np.testing.assert_allclose(both.real_normals, np.concatenate([normals, -normals], axis=1), rtol=1e-6)
    np.testing.assert_allclose(both.complex_normals[:, 8:], -normals - 2j, rtol=1e-6)
    np.testing.assert_allclose(both.uniforms[:, 8:], 1 - uniforms, atol=1e-6)
    np.testing.assert_allclose(both.uniform_pairs[:, 8:], 1 - uniforms + 0.75j, atol=1e-6)
    np.testing.assert_array_equal(both.words[..., 8:], ~words)
    ones = StepNoise(jnp.zeros((0, 1)), jnp.zeros((0, 1)), jnp.ones((1, 1), jnp.float32))
    assert float(ones.with_antithetic().uniforms[0, 1]) > 0


# One for every kind of noise that a step takes.
KINDS = (
    "suv, complex noise, rotated basis",
    "suv, unitary noise",
    "energy-driven",
    "oqt, complex noise",
    "bath: rate matrix and sources",
    "any operators, complex noise",
    "brownian motion",
    "csl of a particle in a trap",
    "driven sui",
)


# The images' law: with the originals' (the test above, and all others) that of the mean of both.
@pytest.mark.parametrize("name", [KINDS[0], *(pytest.param(name, marks=pytest.mark.release) for name in KINDS[1:])])
def test_pairs_have_the_exact_mean(name):
    problem = PROBLEMS[name]()
    scheme = "strang" if not Strang().requires(problem.equation) else "extrapolated"
    steps = problem.steps.get(scheme, {"strang": 32, "extrapolated": 64}[scheme])
    result = sq.simulate(
        problem.equation, problem.psi0, problem.times, observables=problem.observables,
        trajectories=problem.trajectories, dt=(problem.times[-1] - problem.times[0]) / steps, antithetic=True,
        scheme=Strang() if scheme == "strang" else Extrapolated(EulerMaruyama()),
    )  # fmt: skip
    assert result.antithetic and result.samples == problem.trajectories // 2
    judge_ensemble(result, problem.expected(), f"pairs, {name}")


@pytest.mark.parametrize("noise", ["real", "complex"])
def test_the_image_of_a_sweep_mirrors_the_levels(noise):
    """Where the state and the rates look the same from both ends, image and trajectory look opposite: what one visit
    does is the same, only its two parts follow each other in the opposite order. Of independent ones: 1."""
    equation = sq.models.oqt(sq.systems.levels(np.zeros(4)), strength=1.0, equilibrium=[0.25] * 4, noise=noise)
    result = sq.simulate(
        equation, [0.6, np.sqrt(0.14), np.sqrt(0.14), 0.6], [0.0, 0.4, 0.8], observables={"o": [-1.0, -0.2, 0.2, 1.0]},
        trajectories=2048, dt=0.2, antithetic=True, scheme=Strang(),
    )  # fmt: skip
    share = result.trajectories * result.stderr["o"][-1] ** 2 / result.variance["o"][-1]
    assert share < 0.6


def _run(**options):
    options = {"trajectories": 2048, "dt": 0.125, "antithetic": True, **options}
    return sq.simulate(_equation(), PSI, TIMES, observables=WATCHED, **options)


def test_standard_errors_are_those_of_the_means():
    """Means of 100 runs scatter as each one says, and single trajectories as those of independent runs."""
    runs = [_run(seed=seed, trajectories=1024) for seed in range(100)]
    independent = _run(antithetic=False, trajectories=2**16)
    for name in WATCHED:
        means = np.array([run.mean[name][-1] for run in runs])
        chi2 = np.sum((means - means.mean()) ** 2) / np.mean([run.stderr[name][-1] ** 2 for run in runs])
        judge(2 * min(stats.chi2.sf(chi2, 99), stats.chi2.cdf(chi2, 99)), f"scatter of means of {name}")
        alone = independent.variance[name][-1]
        variances = np.array([run.variance[name][-1] for run in runs])
        error = variances.std(ddof=1) / np.sqrt(len(runs))
        judge(2 * stats.norm.sf(abs(variances.mean() - alone) / (1.2 * error)), f"variance of {name}")
        pooled = np.array([run.trajectories * run.stderr[name][-1] ** 2 for run in runs]).mean()
        assert pooled < 0.8 * alone


def test_the_covariance_is_that_of_the_means():
    result = _run()
    diagonal = dict(zip(result.covariance_points, np.diag(result.covariance), strict=True))
    for name in WATCHED:
        expected = result.trajectories * result.stderr[name][-1] ** 2
        np.testing.assert_allclose(diagonal[name, 2], expected, rtol=1e-4)


def test_runs_merge_with_their_own_kind_only(tmp_path):
    one, two = _run(seed=1), _run(seed=2)
    both = one.merge(two)
    assert both.antithetic and both.trajectories == 4096
    for name in WATCHED:
        np.testing.assert_allclose(both.stderr[name][1:], one.stderr[name][1:] / np.sqrt(2), rtol=0.15)
    with pytest.raises(ValueError, match="merge: expected two runs of one problem"):
        one.merge(_run(antithetic=False, seed=3))
    assert sq.load(one.save(tmp_path / "pairs.nc")).antithetic


def test_what_asks_for_single_trajectories_has_no_pairs():
    with pytest.raises(ValueError, match=r"^antithetic: expected False or None with keep=3"):
        _run(keep=3)
    with pytest.raises(ValueError, match=r"^antithetic: expected a tolerance or a dt beside it"):
        _run(dt=None)
    with pytest.raises(ValueError, match=r"^trajectories: expected an even number with antithetic=True; got 1001"):
        _run(trajectories=1001)
    assert not _run(antithetic=None).antithetic

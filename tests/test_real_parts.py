"""Complex expectation values: their means, errors and comparison count both parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
STATE = np.array([0.6, 0.8])
TIMES = np.array([0.0, 0.4, 0.8])
# Two levels 1.5 apart, dephased at rate 1: <|0><1|> turns and decays.
EXACT = 0.48 * np.exp(-(1j * 1.5 + 1.0) * TIMES)
DIAGONAL = np.array([1.0, 1j])


def _function(psi):
    return jnp.vdot(psi, LOWERING @ psi)


WATCHED = {"matrix": LOWERING, "function": _function, "diagonal": DIAGONAL, "p": [1.0, 0.0]}


def _equation():
    return sq.models.suv(sq.systems.levels([0.0, 1.5]), strength=1.0)


def _run(seed=1, observables=None, **options):
    options = {"trajectories": 512, "dt": 0.2} | options
    return sq.simulate(_equation(), STATE, TIMES, observables=observables or WATCHED, seed=seed, **options)


def _values(states):
    """By NumPy, (trajectory, time)."""
    return {
        "matrix": states[..., 0].conj() * states[..., 1],
        "diagonal": np.abs(states) ** 2 @ DIAGONAL,
        "p": np.abs(states[..., 0]) ** 2,
    }


def test_means_and_errors_have_both_parts():
    run = _run(keep=512)
    seen = _values(run.kept.astype(complex))
    for name, values in (seen | {"function": seen["matrix"]}).items():
        assert np.iscomplexobj(run.mean[name]) == (name != "p")
        np.testing.assert_allclose(run.mean[name], values.mean(axis=0), atol=1e-6)
        for part in (np.real, np.imag):
            spread = part(values).std(axis=0, ddof=1)
            np.testing.assert_allclose(part(run.variance[name]), spread**2, atol=1e-6)
            np.testing.assert_allclose(part(run.stderr[name]), spread / np.sqrt(512), atol=1e-6)
    difference = run.mean["function"] - EXACT
    assert np.all(np.abs(difference.real) <= 5 * run.stderr["function"].real + 1e-6)
    assert np.all(np.abs(difference.imag) <= 5 * run.stderr["function"].imag + 1e-6)
    assert "Re matrix: 0.48" in str(run)
    assert "Im matrix: 0 " in str(run)


def test_merged_runs_pool_each_part():
    first, second = _run(seed=1, keep=512), _run(seed=2, keep=512)
    both = first.merge(second)
    values = np.concatenate([_values(run.kept.astype(complex))["matrix"] for run in (first, second)])
    np.testing.assert_allclose(both.mean["matrix"], values.mean(axis=0), atol=1e-6)
    for part in (np.real, np.imag):
        np.testing.assert_allclose(
            part(both.stderr["matrix"]), part(values).std(axis=0, ddof=1) / np.sqrt(1024), atol=1e-6
        )


def test_the_reference_is_complex_and_compared_in_both_parts():
    exact = sq.exact.evolve(_equation(), STATE, TIMES, observables=WATCHED)
    np.testing.assert_allclose(exact.expect["matrix"], EXACT, atol=1e-10)
    np.testing.assert_allclose(exact.expect["function"], EXACT, atol=1e-10)
    np.testing.assert_allclose(exact.expect["diagonal"], 0.36 + 0.64j, atol=1e-10)
    assert not np.iscomplexobj(exact.expect["p"])
    run = _run(trajectories=4096)
    fair = sq.compare(run, exact)
    assert fair.p_value > 1e-3
    assert fair.p_values.keys() == WATCHED.keys()
    np.testing.assert_allclose(
        fair.z["matrix"][2].imag, (run.mean["matrix"] - EXACT)[2].imag / run.stderr["matrix"][2].imag, rtol=1e-3
    )
    turned = sq.exact.evolve(
        sq.models.suv(sq.systems.levels([1.5, 0.0]), strength=1.0), STATE, TIMES, observables=WATCHED
    )
    wrong = sq.compare(run, turned)
    assert wrong.p_values["matrix"] < 1e-6 and wrong.p_values["p"] > 1e-3
    np.testing.assert_allclose(wrong.z["matrix"].real, fair.z["matrix"].real, atol=1e-3)
    with pytest.raises(ValueError, match="^exact: expected real values of 'p'"):
        sq.compare(run, sq.exact.evolve(_equation(), STATE, TIMES, observables={"p": LOWERING}))


@pytest.mark.release
def test_tolerances_and_gradients_count_both_parts():
    run = _run(observables={"a": LOWERING, "f": _function}, trajectories=65536, dt=None, tolerance=0.02)
    assert np.abs((run.mean["a"] - EXACT).imag).max() < 0.02
    assert run.info["decided_by"] in ("Re a", "Im a", "Re f", "Im f")
    bias = run.bias["a"]
    assert bias is not None and np.iscomplexobj(bias)

    def imaginary(energy):
        equation = sq.models.suv(sq.systems.levels(jnp.array([0.0, 1.0]) * energy), strength=1.0)
        means = sq.expectations(equation, STATE, TIMES, observables={"f": _function}, trajectories=2048, dt=0.1)
        return means["f"].imag[-1]

    # d/dE of −.48 sin(E t) e^{−t} at E = 1.5, t = .8
    assert abs(jax.grad(imaginary)(1.5) + 0.48 * 0.8 * np.cos(1.2) * np.exp(-0.8)) < 0.03


def test_files_and_pictures_have_both_parts(tmp_path):
    run = _run()
    again = sq.load(run.save(tmp_path / "run.nc"))
    for name in WATCHED:
        np.testing.assert_array_equal(again.mean[name], run.mean[name])
        np.testing.assert_array_equal(again.stderr[name], run.stderr[name])
    np.testing.assert_array_equal(run.to_xarray()["means"]["matrix"], run.mean["matrix"])
    assert {"Re matrix", "Im matrix"} <= set(run.to_xarray()["covariance"]["point_observable"].values)
    exact = sq.exact.evolve(_equation(), STATE, TIMES, observables=WATCHED)
    axes = run.plot(exact, names=["matrix"]).axes
    assert [axis.get_ylabel() for axis in axes] == ["Re matrix", "Im matrix"]
    for axis, part in zip(axes, (np.real, np.imag), strict=True):
        mean, reference = axis.lines
        np.testing.assert_allclose(np.asarray(mean.get_ydata(), float), part(run.mean["matrix"]))
        np.testing.assert_allclose(np.asarray(reference.get_ydata(), float), part(EXACT), atol=1e-10)


def test_what_is_hermitian_stays_real():
    flip = np.array([[0.0, 1j], [-1j, 0.0]])
    watched = {"matrix": flip, "function": lambda psi: jnp.vdot(psi, flip @ psi), "diagonal": np.array([1.0 + 0j, 0.0])}
    run, exact = _run(observables=watched), sq.exact.evolve(_equation(), STATE, TIMES, observables=watched)
    assert not any(np.iscomplexobj(values) for values in (*run.mean.values(), *exact.expect.values()))
    np.testing.assert_allclose(run.mean["function"], run.mean["matrix"], atol=1e-6)


def test_parts_that_cannot_be_told_apart_are_refused():
    with pytest.raises(ValueError, match=r"^observables: expected names other than 'Re a', a part of 'a'"):
        _run(observables={"a": LOWERING, "Re a": [1.0, 0.0]})
    assert not np.iscomplexobj(_run(observables={"Re a": [1.0, 0.0], "Im a": [0.0, 1.0]}).mean["Re a"])
    with pytest.raises(ValueError, match=r"^observables\['bins'\]: expected a function with real values"):
        _run(observables={"bins": sq.Histogram(_function, [0.0, 1.0])})

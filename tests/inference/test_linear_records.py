"""Records of linear systems: information and goodness of fit against the joint Gaussian law of all increments."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import solve_triangular

import stochq as sq
from stochq.inference import information
from tests.inference.linear import EFFICIENCY, SHAPE, START, TIMES, law

THETA = {"displacement": 0.8, "frequency": 1.2, "strength": 0.5}


def model(values, noise="real"):
    jumps = jnp.sqrt(values["strength"]) * np.array([[1.0, 0.5j]])
    system = sq.gaussian.Monitored(values["frequency"] * SHAPE, jumps, noise, efficiency=EFFICIENCY)
    return system, sq.gaussian.State(jnp.stack([values["displacement"], 0.0]), START)


def drawn(records, seed, times=TIMES, **changed):
    mean, covariance = law(THETA | changed, times=times)
    increments = np.random.default_rng(seed).multivariate_normal(mean, covariance, records)
    return sq.inference.Record(times, increments)


@pytest.mark.parametrize("noise", ["real", "complex"])
def test_information_is_that_of_the_joint_law(noise):
    """½Tr(Σ⁻¹∂Σ Σ⁻¹∂Σ) + ∂μᵀΣ⁻¹∂μ, by differences."""
    found = information(lambda values: model(values, noise), THETA, TIMES)
    _, covariance = law(THETA, noise)
    slopes = []
    for name in THETA:
        ahead, behind = (law(THETA | {name: THETA[name] + sign * 1e-4}, noise) for sign in (1, -1))
        slopes.append([(one - other) / 2e-4 for one, other in zip(ahead, behind, strict=True)])
    want = np.empty((3, 3))
    for i, (mean, spread) in enumerate(slopes):
        for j, (other, wider) in enumerate(slopes):
            turned = np.linalg.solve(covariance, spread) @ np.linalg.solve(covariance, wider)
            want[i, j] = 0.5 * np.trace(turned) + mean @ np.linalg.solve(covariance, other)
    np.testing.assert_allclose(found.classical, want, rtol=1e-5, atol=1e-7)
    inverse = np.linalg.inv(want)
    assert found.error("strength", records=50) == (pytest.approx(np.sqrt(inverse[2, 2] / 50), rel=1e-5), 0.0)
    assert found.quantum is None and "one record of duration 3" in str(found) and "drawn" not in str(found)


def test_experiments_on_linear_systems_are_ranked():
    """A longer record knows more."""
    spans = {"short": {"times": TIMES[:4]}, "long": {"times": TIMES}}
    assert sq.inference.design(model, THETA, spans, parameter="frequency").best == ("long",)


@pytest.mark.parametrize("noise", [pytest.param("real", marks=pytest.mark.release), "complex"])
def test_innovations_are_the_increments_by_the_root_of_their_covariance(noise):
    mean, covariance = law(THETA, noise)
    columns = 1 if noise == "real" else 2
    increments = np.random.default_rng(1).normal(size=(4, len(mean))) * 0.6
    names, kinds = (None, None) if noise == "real" else (["out"], ["heterodyne"])
    record = sq.inference.Record(TIMES, increments.reshape(4, -1, columns), names, kinds)
    with jax.enable_x64(True):
        system, state = model(THETA, noise)
        found = np.asarray(system.filter(state, record).innovations)
    want = solve_triangular(np.linalg.cholesky(covariance), (increments - mean).T, lower=True).T
    np.testing.assert_allclose(found.reshape(4, -1), want, rtol=0, atol=1e-10)


def test_right_models_have_uniform_p_values_and_wrong_ones_are_caught():
    """60 sets of 50 records; then many with a gain that is not in the model."""
    start = {name: 1.1 * value for name, value in THETA.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fit: ")
        chances = [sq.fit(model, drawn(50, seed), start).p_value for seed in range(60)]
    assert stats.kstest(chances, "uniform").pvalue > 0.01
    record = drawn(400, 100)
    louder = sq.inference.Record(record.times, 1.25 * record.increments, record.names)
    with pytest.warns(UserWarning, match="not the white noise"):
        assert sq.fit(model, louder, start).p_value < 1e-4

"""States that hardly fluctuate: the difference of pilot runs is rounding, which shorter steps make larger."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq


def _coherent(amplitude, dim):
    factors = np.r_[1.0, amplitude / np.sqrt(np.arange(1.0, dim))]
    psi = np.cumprod(factors)
    return psi / np.linalg.norm(psi)


def _lowering(dim):
    return np.diag(np.sqrt(np.arange(1.0, dim)), 1)


def test_a_driven_cavity_from_the_vacuum_ends():
    """ȧ = −i/2 − a/2: the state stays coherent, and only its truncation fluctuates."""
    a, times = _lowering(15), np.linspace(0.0, 10.0, 6)
    equation = sq.models.unravel(sq.systems.levels(0.5 * (a + a.T)), [a])
    result = sq.simulate(equation, np.eye(15)[0], times, observables={"n": np.arange(15.0)}, trajectories=10)
    expected = (1 - np.exp(-0.5 * times)) ** 2
    # Truncation at 15 photons of a coherent state with one: 1e-12; rounding of some hundred steps.
    np.testing.assert_allclose(result.mean["n"], expected, atol=5e-4)
    assert "rounding in single precision" in result.info["dt_reason"]
    assert result.info["steps"] < 20_000


@pytest.mark.release
def test_a_bias_beyond_the_standard_error_is_not_said_to_be_below():
    """A decaying coherent state: exact n = |α|² e^{−t}; all that is seen is what single precision rounds."""
    dim, times = 20, np.linspace(0.0, 1.0, 401)
    equation = sq.models.unravel(sq.systems.levels(10 * np.pi * np.arange(dim)), [_lowering(dim)])
    psi = _coherent(2.0, dim)
    result = sq.simulate(equation, psi, times, observables={"n": np.arange(float(dim))}, trajectories=500)
    start = result.mean["n"][0]
    error = np.abs(result.mean["n"] - start * np.exp(-times))
    assert error.max() < 2e-3
    if np.median(error[1:] / result.stderr["n"][1:]) > 0.5:
        assert "rounding" in result.info["dt_reason"]


@pytest.mark.release
def test_an_observable_without_mean_or_fluctuations_asks_for_no_step():
    """Re⟨σ₋⟩ of a qubit driven by σ_x vanishes in every trajectory; rounding goes with the operator, not the mean."""
    lowering = np.array([[0.0, 1.0], [0.0, 0.0]])
    equation = sq.models.unravel(0.5 * (lowering + lowering.T), [10 * lowering])
    result = sq.simulate(equation, [0, 1], [0, 0.5, 1], observables={"a": lowering}, trajectories=400)
    exact = sq.exact.evolve(equation, [0, 1], [0, 0.5, 1], observables={"a": lowering}).expect["a"]
    np.testing.assert_allclose(result.mean["a"], exact, atol=1e-4)
    assert result.info["steps"] < 20_000


@pytest.mark.parametrize("value", [jnp.nan, -jnp.inf])
def test_an_observable_that_is_no_number_is_named(value):
    equation = sq.models.suv([0.0, 0.0], strength=1.0)
    with pytest.raises(ValueError, match=r"^observables\['z'\]: expected a finite number on the initial state"):
        sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"z": lambda psi: value}, trajectories=50)


def test_an_observable_that_is_no_number_on_some_states_ends():
    def low(psi):
        return jnp.where(jnp.abs(psi[0]) ** 2 > 0.4, jnp.nan, 1.0)

    equation = sq.models.suv([0.0, 0.0], strength=1.0)
    with pytest.raises(RuntimeError, match="An observable may be no number on some states"):
        sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"z": low}, trajectories=50)

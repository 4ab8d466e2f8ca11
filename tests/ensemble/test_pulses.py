"""Pulses that are over between the middles of steps are noticed before a step is taken."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accuracy.coefficients import noticing_step, warn_of_missed_coefficients
from stochq.accuracy.grid import time_grid
from stochq.channels import DenseOperators, Modulated, TimeDependentOperator

X = np.array([[0.0, 1.0], [1.0, 0.0]])
LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
TIMES = np.array([0.0, 0.5, 1.0])
NONE = np.zeros(0)


def gaussian(t, centre, width):
    return jnp.exp(-0.5 * ((t - centre) / width) ** 2) / (width * jnp.sqrt(2 * jnp.pi))


def driven_by(function):
    return sq.Equation(sq.systems.driven(sq.systems.levels([0.0, 0.0]), [(X, function)]), [])


def step_for(equation, negligible=0.003):
    return noticing_step(equation, TIMES, NONE, 0.5, negligible)


SHORT = {
    "pulse": lambda t: gaussian(t, 0.437, 1e-3),
    "two that cancel": lambda t: gaussian(t, 0.437, 1e-3) - gaussian(t, 0.461, 1e-3),
    "beside a long one": lambda t: 20 * jnp.cos(t) + 0.2 * gaussian(t, 0.437, 1e-3),
}


@pytest.mark.parametrize("name", SHORT)
def test_steps_resolve_a_short_pulse(name):
    assert 3e-4 < step_for(driven_by(SHORT[name])) <= 3e-3


def test_steps_resolve_samples_and_pulses_of_rates():
    samples = sq.systems.sampled([0.0, 0.436, 0.437, 0.438, 1.0], [0.0, 0.0, 1e3, 0.0, 0.0])
    assert step_for(driven_by(samples)) <= 3e-3

    def root(t):
        return jnp.sqrt(gaussian(t, 0.437, 1e-3))

    for channel in (Modulated(DenseOperators(LOWERING[None]), root), TimeDependentOperator([(LOWERING, root)])):
        assert step_for(sq.Equation(np.zeros((2, 2)), [channel])) <= 3e-3


def test_what_is_long_or_small_asks_for_no_short_step():
    """Nor does what turns more often than can be followed, which steps see wherever they are."""
    for function in (jnp.cos, lambda t: 1e-3 * gaussian(t, 0.437, 1e-3), lambda t: 0.02 * jnp.cos(2e6 * t)):
        assert step_for(driven_by(function)) > 0.1


def test_a_pulse_that_is_too_short_to_be_followed_is_told():
    with pytest.warns(UserWarning, match=r"hamiltonian: coefficients\[0\] acts in pulses that"):
        assert step_for(driven_by(lambda t: gaussian(t, 0.437, 2e-5))) < 3e-4


def test_a_given_step_that_leaps_over_a_pulse_is_told():
    with pytest.warns(UserWarning, match=r"hamiltonian: coefficients\[0\] acts in pulses that a step of 0.25 may"):
        warn_of_missed_coefficients(driven_by(lambda t: gaussian(t, 0.46, 1e-3)), time_grid(TIMES, 0.25))
    warn_of_missed_coefficients(driven_by(SHORT["pulse"]), time_grid(TIMES, 1e-3))
    warn_of_missed_coefficients(driven_by(jnp.cos), time_grid(TIMES, 0.5))
    # Half steps have their middles at an eighth, three, five and seven eighths of an interval.
    with pytest.warns(UserWarning, match=r"turns states by 12.5 radians in half a step of 0.25"):
        warn_of_missed_coefficients(driven_by(lambda t: 100.0 * jnp.ones_like(t)), time_grid(TIMES, 0.25))


@pytest.mark.release
def test_a_short_pulse_turns_a_qubit():
    """σ_x with √γ σ_x as the jump operator: ⟨σ_z⟩ = cos(2θ)e^{−2γt} after the angle θ."""
    system = sq.systems.driven(sq.systems.levels([0.0, 0.0]), [(X, lambda t: 0.8 * gaussian(t, 0.437, 1e-3))])
    equation = sq.models.unravel(system, [np.sqrt(0.3) * X])
    watched = {"observables": {"z": [1.0, -1.0]}, "trajectories": 1000}
    result = sq.simulate(equation, [1.0, 0.0], TIMES, **watched)
    expected = np.cos([0.0, 1.6, 1.6]) * np.exp(-0.6 * TIMES)
    assert np.all(np.abs(result.mean["z"] - expected) <= 5.1 * result.stderr["z"] + 1e-4)
    with pytest.warns(UserWarning, match="turns states by 35.2 radians in half a step of 0.25"):
        sq.simulate(equation, [1.0, 0.0], TIMES, **watched, dt=0.25)
    with pytest.warns(UserWarning, match="turns states by 35.2 radians in half a step of 0.25"):
        sq.expectations(equation, [1.0, 0.0], TIMES, **watched, dt=0.25)

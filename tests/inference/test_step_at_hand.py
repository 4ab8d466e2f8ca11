"""Steps of differentiable means: found at the numbers at hand, and a given one that is too long is told of."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from stochq.ensemble import step_at_hand

FLIP = np.array([[0.0, 0.8], [0.8, 0.5]])
QUBIT = sq.systems.levels(FLIP)
TIMES, RATE = [0.0, 1.0, 2.0], 0.7
UPPER = {"p": np.array([0.0, 1.0])}


def potential(rate):
    return sq.models.suv(QUBIT, strength=rate, noise="unitary")


def means(rate, dt=None, trajectories=10_000, **options):
    return sq.expectations(
        potential(rate), [1.0, 0.0], TIMES, observables=UPPER, trajectories=trajectories, dt=dt, **options
    )["p"]


def populations(dt):
    """By Strang's splitting of the exact maps; None for the exponential of the whole generator."""
    dim = np.eye(2)
    turning = -1j * (np.kron(FLIP, dim) - np.kron(dim, FLIP.T))
    decaying = -RATE * np.diag([0.0, 1.0, 1.0, 0.0])
    one = expm(turning + decaying)
    if dt is not None:
        half = expm(0.5 * dt * turning)
        one = np.linalg.matrix_power(half @ expm(dt * decaying) @ half, round(1 / dt))
    rho, found = np.diag([1.0, 0.0]).ravel().astype(complex), [0.0]
    for _ in TIMES[1:]:
        rho = one @ rho
        found.append(rho[3].real)
    return np.array(found)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    monkeypatch.setattr(step_at_hand, "_CHECKED", set())
    monkeypatch.setattr(step_at_hand, "_WARNED", set())


@pytest.mark.release
def test_the_step_is_that_of_simulate():
    """In a plain call and in both kinds of derivatives; its bias, by the exact maps, is as small as it should be."""
    run = {"observables": UPPER, "trajectories": 10_000, "scheme": sq.schemes.Strang()}
    result = sq.simulate(potential(RATE), [1.0, 0.0], TIMES, **run)
    np.testing.assert_allclose(means(RATE), result.mean["p"], atol=1e-6)
    dt = result.dt
    exact, error = populations(None), 0.01 * np.sqrt(populations(None) * (1 - populations(None)))
    assert np.all(np.abs(populations(dt) - exact)[1:] < 0.1 * error[1:].max())
    np.testing.assert_array_equal(jax.jacfwd(means)(RATE), jax.jacfwd(lambda rate: means(rate, dt))(RATE))
    gradient = jax.grad(lambda rate: means(rate)[-1])
    np.testing.assert_array_equal(gradient(RATE), jax.grad(lambda rate: means(rate, dt)[-1])(RATE))


@pytest.mark.parametrize("transform", [jax.jit, lambda mean: jax.jit(jax.grad(lambda rate: mean(rate)[-1]))])
def test_inside_jit_no_numbers_are_at_hand(transform):
    with pytest.raises(ValueError, match="^dt: expected a number where jit or vmap traces the parameters"):
        transform(means)(RATE)


def test_a_given_step_that_is_too_long_is_told_of_once_with_both_numbers():
    with pytest.warns(UserWarning, match="^dt: a step of 0.5 moves the mean of 'p'") as told:
        means(RATE, 0.5)
    text = str(told[0].message)
    time, bias, error = (
        float(re.search(pattern, text)[1]) for pattern in (r"t = (\d)", r" by (\S+),", r", (\S+)\. Take")
    )
    place = TIMES.index(time)
    assert bias == pytest.approx((populations(0.5) - populations(None))[place], rel=0.1)
    # Of single trajectories the spread is at most that of the outcomes of a measurement.
    exact = populations(None)
    assert 0.3 < error / (0.01 * np.sqrt(exact * (1 - exact)).max()) < 1.1
    means(RATE, 0.5)
    means(RATE + 0.01, 0.5)


def test_a_step_that_serves_is_not_told_of():
    means(RATE, 0.02)


def test_a_harmless_run_silences_nobody():
    """The rate 10⁻⁶, whose bias is nothing, before one that is too coarse."""
    means(1e-6, 0.5)
    with pytest.warns(UserWarning, match="^dt: a step of 0.5 moves the mean of 'p'"):
        means(RATE, 0.5)


def test_a_fit_tells_of_the_step_of_its_prediction():
    data = np.array([0.0, 0.45, 0.5])

    def predict(parameters):
        return means(jnp.exp(parameters["log rate"]), 0.5, seed=5)[1:]

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sq.fit(predict, (data[1:], 0.05), {"log rate": -0.3})
    assert any(str(one.message).startswith("dt: a step of 0.5 moves the mean of 'p'") for one in told)


@pytest.mark.release
def test_a_law_left_open_is_that_of_the_least_varying_gradients():
    """Unitary for projectors, real for decay, also where its traced operator does not tell that it is not Hermitian."""

    def last(noise, jumps=None):
        def mean(rate):
            if jumps is None:
                equation = sq.models.suv(QUBIT, strength=rate, noise=noise)
            else:
                equation = sq.models.unravel(QUBIT, [jnp.sqrt(rate) * jumps], noise=noise)
            run = {"observables": UPPER, "trajectories": 64, "dt": 0.1}
            return sq.expectations(equation, [1.0, 0.0], [0.0, 1.0], **run)["p"][-1]

        return mean

    decay = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert jax.grad(last("any"))(RATE) == jax.grad(last("unitary"))(RATE)
    assert jax.grad(last("any", decay))(RATE) == jax.grad(last("real", decay))(RATE)
    with pytest.raises(ValueError, match="^noise: expected a law that is named for the function 'f'"):
        equation = sq.models.suv(QUBIT, strength=RATE, noise="any")
        sq.expectations(
            equation,
            [1.0, 0.0],
            [0.0, 1.0],
            observables={"f": lambda psi: jnp.abs(psi[0]) ** 4},
            trajectories=8,
            dt=0.1,
        )


def test_a_fit_finds_the_step_at_its_start_and_tells_it():
    """Its bias, by the exact maps, is below a tenth of the standard error; a step that jit hides is refused."""
    start, data = {"log rate": np.log(0.9)}, (populations(None)[1:], 0.01)

    def predict(parameters, times=TIMES):
        return means(jnp.exp(parameters["log rate"]), seed=5)[1:]

    fit = sq.fit(predict, data, start)
    run = {"observables": UPPER, "trajectories": 10_000, "scheme": sq.schemes.Strang()}
    assert fit.dt == (sq.simulate(potential(0.9), [1.0, 0.0], TIMES, **run).dt,)
    assert abs(fit.parameters["log rate"] - np.log(RATE)) < 4 * fit.stderr["log rate"]
    assert f"predicted in steps dt = {fit.dt[0]:.4g}" in str(fit)
    with_it = sq.fit(lambda one: means(jnp.exp(one["log rate"]), fit.dt[0], seed=5)[1:], data, start)
    assert fit.parameters == with_it.parameters and with_it.dt == ()
    np.testing.assert_array_equal(fit.predict().mean, with_it.predict().mean)
    with pytest.raises(ValueError, match="^dt: expected a number .* In sq.fit leave jit and vmap out of predict"):
        sq.fit(jax.jit(predict), data, start)


def test_a_step_that_is_too_coarse_at_the_minimum_is_found_anew():
    """From a rate of which a long step's bias is small."""
    fit = sq.fit(lambda rate: means(rate, seed=5)[1:], (populations(None)[1:], 0.01), 0.02)
    run = {"observables": UPPER, "trajectories": 10_000, "scheme": sq.schemes.Strang()}
    at_start = sq.simulate(potential(0.02), [1.0, 0.0], TIMES, **run).dt
    exact = populations(None)[1:]
    tenth = 0.1 * 0.01 * np.sqrt(exact * (1 - exact)).max()
    assert (
        np.max(np.abs(populations(at_start)[1:] - exact)) > tenth > np.max(np.abs(populations(fit.dt[0])[1:] - exact))
    )
    assert abs(fit.parameters - RATE) < 4 * fit.stderr and not fit.notes


def test_information_of_sampled_means_finds_the_step_too():
    found = sq.inference.information(means_of_rate, RATE, stderr=0.01)
    slope = np.asarray(jax.jacfwd(means_of_rate)(RATE))
    np.testing.assert_allclose(found.classical[0, 0], np.sum(slope**2) / 0.01**2, rtol=1e-4)


def means_of_rate(rate):
    return means(rate, seed=5)

"""Gradients of means of functions that jump: by likelihood ratios, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import norm

import stochq as sq
from stochq.ensemble.events import _is_stepwise

STILL = sq.systems.levels([0.0, 0.0])
UPPER, LEVEL, TIME, RATE = 0.4, 0.9, 0.8, 0.7
PSI = np.sqrt([1 - UPPER, UPPER])
# By how much the logarithm of the odds of the upper level must rise.
RISE = np.log(LEVEL / (1 - LEVEL)) - np.log(UPPER / (1 - UPPER))


def _above(psi):
    return jnp.where(jnp.abs(psi[1]) ** 2 > LEVEL, 1.0, 0.0)


def _turned(psi):
    return (jnp.abs(jnp.angle(psi[1] * psi[0].conj())) > 1.0).astype(psi.real.dtype)


def _suv(noise):
    return lambda rate: sq.models.suv(STILL, strength=rate, noise=noise)


def _one_level(rate):
    return sq.Equation(STILL, [sq.channels.Projectors(jnp.stack([0 * rate, rate]))])


def _both(rate):
    """The odds' logarithm rises by 2(φ₁ − φ₀), and φ has mean 2γt at the level that is drawn, variance γt at both."""
    mean, spread = 4 * rate * TIME, np.sqrt(8 * rate * TIME)
    return UPPER * norm.sf((RISE - mean) / spread) + (1 - UPPER) * norm.sf((RISE + mean) / spread)


def _single(rate):
    """By 2φ₁ − 2γt."""
    mean, spread = 2 * rate * TIME, np.sqrt(4 * rate * TIME)
    return UPPER * norm.sf((RISE - mean) / spread) + (1 - UPPER) * norm.sf((RISE + mean) / spread)


def _phase(rate):
    """The phases of both levels have variance γt each."""
    spread = np.sqrt(2 * rate * TIME)
    return sum(
        2 * (norm.cdf((k + 1) * 2 * np.pi - 1, scale=spread) - norm.cdf(k * 2 * np.pi + 1, scale=spread))
        for k in (0, 1)
    )


CASES = {
    "real": (_suv("real"), _above, 0.2, _both),
    "complex": (_suv("complex"), _above, 0.4, lambda rate: _both(rate / 2)),
    "unitary": (_suv("unitary"), _turned, 0.4, _phase),
    "a level without noise": (_one_level, _above, 0.4, _single),
}


@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_chances_are_those_of_closed_forms(case):
    equation, event, dt, chance = CASES[case]

    def mean(rate, seed):
        run = {"observables": {"event": event}, "trajectories": 2**14, "dt": dt, "seed": seed}
        return sq.expectations(equation(rate), PSI, [0.0, TIME], gradient="likelihood-ratio", **run)["event"][-1]

    found = np.array([jax.value_and_grad(lambda rate, seed=seed: mean(rate, seed))(RATE) for seed in range(6)])
    known = [chance(RATE), (chance(RATE + 1e-5) - chance(RATE - 1e-5)) / 2e-5]
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - known) < 6 * error)
    assert error[1] < 0.1 * abs(known[1])


def test_smooth_means_between_steps_of_a_hamiltonian():
    """P(upper level) of a driven qubit, by the exponential of its generator; jacfwd takes the same derivative."""
    hamiltonian, dim = np.array([[0.0, 0.8], [0.8, 0.5]]), np.eye(2)

    def population(rate):
        generator = -1j * (np.kron(hamiltonian, dim) - np.kron(dim, hamiltonian.T))
        projectors = [np.diag(row) for row in dim]
        generator = generator + rate * sum(
            np.kron(p, p) - 0.5 * (np.kron(p, dim) + np.kron(dim, p)) for p in projectors
        )
        return (expm(TIME * generator) @ np.outer(PSI, PSI).ravel())[3].real

    def mean(rate, seed):
        equation = sq.models.suv(sq.systems.levels(hamiltonian), strength=rate)
        run = {"observables": {"p": np.array([0.0, 1.0])}, "trajectories": 2**14, "dt": 0.1, "seed": seed}
        return sq.expectations(equation, PSI, [0.0, TIME], gradient="likelihood-ratio", **run)["p"][-1]

    found = np.array([jax.grad(lambda rate, seed=seed: mean(rate, seed))(RATE) for seed in range(6)])
    known = (population(RATE + 1e-5) - population(RATE - 1e-5)) / 2e-5
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - known) < 6 * error < abs(known)
    forward = jax.jacfwd(lambda rate: mean(rate, 0))(RATE)
    np.testing.assert_allclose(forward, found[0], rtol=1e-3)


def test_values_are_those_of_simulate():
    run = {"observables": {"event": _above}, "trajectories": 3000, "dt": 0.4, "seed": 3}
    mean = sq.expectations(_suv("real")(RATE), PSI, [0.0, TIME], gradient="likelihood-ratio", **run)["event"]
    np.testing.assert_allclose(mean, sq.simulate(_suv("real")(RATE), PSI, [0.0, TIME], **run).mean["event"], atol=1e-6)


STEPWISE = {
    "indicator": _above,
    "a truth value": lambda psi: jnp.abs(psi[0]) > 0.5,
    "rounded": lambda psi: jnp.floor(3 * jnp.abs(psi[0])),
    "most likely": lambda psi: jnp.argmax(jnp.abs(psi)),
    "a bin": lambda psi: jax.nn.one_hot(jnp.digitize(jnp.abs(psi[0]) ** 2, jnp.linspace(0, 1, 5)), 6)[2],
}
SMOOTH = {
    "flat at most states": lambda psi: jax.nn.relu(jnp.abs(psi[0]) ** 2 - 0.9),
    "smooth within a window": lambda psi: jnp.where(jnp.abs(psi[0]) > 0.5, jnp.abs(psi[1]) ** 2, 0.0),
    "a constant": lambda psi: jnp.float32(1.0),
}


@pytest.mark.parametrize("name", STEPWISE | SMOOTH)
def test_functions_that_are_constant_but_for_jumps_are_known(name):
    assert _is_stepwise((STEPWISE | SMOOTH)[name], 2) == (name in STEPWISE)


@pytest.mark.parametrize("transform", [jax.grad, jax.jacfwd, lambda mean: jax.jit(jax.grad(mean))])
def test_no_pathwise_gradient_passes_a_jump(transform):
    def mean(rate):
        run = {"observables": {"event": _above}, "trajectories": 32, "dt": 0.4}
        return sq.expectations(_suv("real")(rate), PSI, [0.0, TIME], **run)["event"][-1]

    assert 0 <= jax.jit(mean)(RATE) <= 1
    with pytest.raises(
        ValueError, match=r"^observables\['event'\]: expected a function that changes .* smooth function"
    ):
        transform(mean)(RATE)


REFUSED = {
    "a word": (
        _suv("real"),
        {"gradient": "score"},
        r"^gradient: expected 'pathwise' or 'likelihood-ratio'; got 'score'",
    ),
    "scheme": (
        _suv("real"),
        {"scheme": sq.schemes.EulerMaruyama()},
        r"^scheme: expected None or sq.schemes.Strang\(\)",
    ),
    "trajectories": (_suv("real"), {"trajectories": 1}, "^trajectories: expected at least 2"),
    "exact": (_suv("real"), {"trajectories": None}, "^trajectories: expected a number beside .* gradient"),
    "no density": (
        lambda rate: sq.models.unravel(STILL, [jnp.sqrt(rate) * jnp.array([1.0, -1.0])]),
        {},
        "^gradient: 'likelihood-ratio' needs steps of which the probability density is known",
    ),
    "a moving state": (
        lambda rate: sq.models.suv(sq.systems.levels(rate * jnp.array([0.0, 1.0])), strength=1.0),
        {},
        "^gradient: 'likelihood-ratio' follows the rates of collapse alone; got a traced hamiltonian",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_likelihood_ratio_is_refused(name):
    equation, options, message = REFUSED[name]
    run = {"observables": {"event": _above}, "trajectories": 32, "dt": 0.4, "gradient": "likelihood-ratio"} | options

    with pytest.raises(ValueError, match=message):
        jax.grad(lambda rate: sq.expectations(equation(rate), PSI, [0.0, TIME], **run)["event"][-1])(RATE)

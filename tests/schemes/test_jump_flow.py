"""Jumps in steps: beside other laws, and under a drive."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

import stochq as sq
from stochq.noise import StepNoise
from tests import liouville
from tests.judging import judge_ensemble, judge_mean
from tests.problems import hermitian, state
from tests.schemes.refinement import regression

LOWERING, FLIP = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
# One operator whose clicks are counted, with L†L of its own basis, and one whose current is watched.
COUNTED = 0.9 * LOWERING + 0.3 * np.diag([1.0, -0.5])
WATCHED = 0.5 * hermitian(2, 1)
MATRIX, PSI0 = 0.6 * hermitian(2, 2), state(2, 3)


def mixed():
    return sq.models.monitored(
        MATRIX, {"clicks": sq.measurement.counting(COUNTED), "current": sq.measurement.homodyne(WATCHED)}
    )


@pytest.mark.release
def test_clicks_beside_currents_have_order_two():
    """The error of means against the master equation, from steps of half the duration on."""
    duration, observable, steps = 2.0, hermitian(2, 4), np.array([2, 4, 8])
    rho = liouville.density(MATRIX, [COUNTED, WATCHED], PSI0, [0, duration])[-1]
    exact, differences, errors = liouville.expectation(observable, rho[None])[0], [], []
    for number in steps:
        run = {"observables": {"o": observable}, "trajectories": 2**18, "dt": duration / number}
        result = sq.simulate(mixed(), PSI0, [0, duration], scheme=sq.schemes.Strang(), **run)
        differences.append(result.mean["o"][-1] - exact)
        errors.append(result.stderr["o"][-1])
    slope, error = regression(steps, differences, errors)
    assert abs(slope - 2) < 0.35 + 3 * error, (slope, error, differences, errors)
    judge_mean(differences[-1], errors[-1] + abs(differences[0]) / 16, 0, "the right limit")


def test_all_clicks_of_one_step_are_counted():
    """Of L = diag(√g_i): a mixture of Poisson distributions, however long the step is."""
    rates, weights, count, duration = np.array([2.0, 5.0]), np.array([0.3, 0.7]), 400_000, 0.8
    flow = sq.channels.DenseOperators([np.diag(np.sqrt(rates))]).with_law("jump").jump_flow()
    uniforms = np.random.default_rng(11).uniform(2**-32, 1, (flow.budget.uniforms, count))
    uniforms, nothing = jnp.asarray(uniforms, jnp.float32), jnp.zeros((0, count), jnp.float32)
    psi = jnp.asarray(np.repeat(np.sqrt(weights)[:, None], count, axis=1), jnp.complex64)
    h = jnp.float32(duration)
    after, record = flow.step(jnp.float32(0), h, psi, StepNoise(nothing, nothing, uniforms), flow.terms(h), False)
    most = 8
    poisson = stats.poisson.pmf(np.arange(most)[:, None], rates * duration) @ weights
    seen = np.stack([record[0] == n for n in range(most)]).mean(axis=1)
    judge_mean(seen, np.sqrt(poisson * (1 - poisson) / count), poisson, "numbers of clicks")
    # Bayes' rule: which level it is, given the number of clicks.
    for n in range(most):
        given = stats.poisson.pmf(n, rates * duration) * weights / poisson[n]
        np.testing.assert_allclose(np.abs(after[:, np.asarray(record[0]) == n][:, 0]) ** 2, given, atol=1e-4)


@pytest.mark.release
def test_modulated_counts_are_poisson_s_at_any_step():
    """L = 5σz clicks at the rate 25, whatever the state is and however long the steps are."""
    modulated = sq.channels.Modulated(sq.channels.Features([[5.0, -5.0]]), lambda t: jnp.ones_like(t))
    equation = sq.Equation(sq.systems.levels([0.0, 0.0]), [modulated.with_law("jump")])
    run = {"observables": {"z": np.array([1.0, -1.0])}, "trajectories": 4096, "records": True}
    for dt in (None, 0.1, 1.0):
        counts = sq.simulate(equation, [0.6, 0.8], [0.0, 1.0], dt=dt, **run).records.increments[:, 0, 0]
        judge_mean(counts.mean(), np.sqrt(25 / 4096), 25, f"mean number of clicks, dt={dt}")
        judge_mean(counts.var(ddof=1), 25 * np.sqrt((2 + 1 / 25) / 4095), 25, f"their variance, dt={dt}")


def tilted(counting, current):
    """The superoperator whose trace counts clicks e^{zN} and weighs currents e^{sY}."""
    one = np.eye(2)
    total = liouville.superoperator(MATRIX, [COUNTED, WATCHED])
    total = total + (np.exp(counting) - 1) * np.kron(COUNTED, COUNTED.conj())
    total = total + current * (np.kron(WATCHED, one) + np.kron(one, WATCHED.conj()))
    return total + 0.5 * current**2 * np.eye(4)


def moments(duration, h=1e-3):
    """E N, E Y, Var N, Var Y and the covariance, by differences of the logarithm of the generating function."""

    def cumulant(counting, current):
        rho = expm(duration * tilted(counting, current)) @ np.outer(PSI0, PSI0.conj()).reshape(-1)
        return np.log(np.trace(rho.reshape(2, 2)).real)

    first = [(cumulant(*(h * e)) - cumulant(*(-h * e))) / (2 * h) for e in np.eye(2)]
    second = [(cumulant(*(h * e)) - 2 * cumulant(0, 0) + cumulant(*(-h * e))) / h**2 for e in np.eye(2)]
    cross = (cumulant(h, h) - cumulant(h, -h) - cumulant(-h, h) + cumulant(-h, -h)) / (4 * h**2)
    return np.array([*first, *second, cross])


def test_clicks_and_currents_of_one_run_have_their_joint_law():
    duration, size = 1.5, 2**15
    run = {"observables": {}, "trajectories": size, "dt": duration / 32, "records": True}
    records = sq.simulate(mixed(), PSI0, [0, duration], **run).records
    number, current = records["clicks"][:, 0], records["current"][:, 0] * duration
    expected = moments(duration)
    n, y = number - expected[0], current - expected[1]
    sample = np.stack([number, current, n**2, y**2, n * y])
    error = sample.std(axis=1) / np.sqrt(size)
    # Steps of 1/32 err by a few 1e-4.
    judge_mean(sample.mean(axis=1), np.hypot(error, 3e-4), expected, "moments of clicks and currents")


@pytest.mark.release
def test_a_step_serves_the_rates_of_clicks():
    """No observable tells that the state turns, but the number of clicks does."""
    result = sq.simulate(mixed(), PSI0, [0, 1.5], observables={}, trajectories=2**12, records=["clicks"])
    number = result.records["clicks"][:, 0]
    expected = moments(1.5)[0]
    judge_mean(number.mean(), number.std() / 2**6 * 1.1, expected, "number of clicks at the step chosen")
    assert result.dt < 0.2


@pytest.mark.release
def test_a_step_is_chosen_where_laws_are_mixed():
    times, observable = np.array([0.0, 0.7, 1.5]), hermitian(2, 5)
    result = sq.simulate(mixed(), PSI0, times, observables={"o": observable}, trajectories=8192)
    rho = liouville.density(MATRIX, [COUNTED, WATCHED], PSI0, times)
    judge_ensemble(result, {"o": liouville.expectation(observable, rho)}, "mixed laws")
    assert result.dt > 0 and result.scheme.startswith("Strang")


def driven(coefficient, channels, noise="jump"):
    hamiltonian = sq.systems.driven(sq.systems.levels(np.zeros((2, 2))), [FLIP], [coefficient])
    return sq.models.unravel(hamiltonian, channels, noise=noise)


@pytest.mark.release
def test_a_drive_is_stepped_with_order_two():
    def coefficient(t):
        return 1.5 * jnp.cos(2.0 * t)

    duration, observable, steps = 2.0, np.array([1.0, 0.0]), np.array([4, 6, 10])
    fine = np.linspace(0, duration, 2001)
    rho = np.diag([0.0, 1.0]).astype(complex).reshape(-1)
    for start, stop in zip(fine[:-1], fine[1:], strict=True):
        matrix = 1.5 * np.cos(start + stop) * FLIP
        rho = expm((stop - start) * liouville.superoperator(matrix, [1.2 * LOWERING])) @ rho
    exact, differences, errors = rho.reshape(2, 2)[0, 0].real, [], []
    for number in steps:
        run = {"observables": {"o": observable}, "trajectories": 2**18, "dt": duration / number}
        result = sq.simulate(driven(coefficient, [1.2 * LOWERING]), [0.0, 1.0], [0, duration], **run)
        differences.append(result.mean["o"][-1] - exact)
        errors.append(result.stderr["o"][-1])
    slope, error = regression(steps, differences, errors)
    assert abs(slope - 2) < 0.35 + 3 * error, (slope, error, differences, errors)


@pytest.mark.parametrize(
    "family",
    [
        "operators",
        *(pytest.param(name, marks=pytest.mark.release) for name in ("projectors", "modulated", "time-dependent")),
    ],
)
def test_steps_agree_with_jumps_without_them(family):
    """The law of single trajectories: E⟨O⟩² and counts under a drive that does not change, against the event loop."""
    jumps = [1.2 * LOWERING, 0.5 * FLIP + 0.4 * np.diag([1.0, -1.0])]
    channels = {
        "operators": [sq.channels.DenseOperators(jumps)],
        "projectors": [sq.channels.Projectors([1.2, 0.4])],
        "modulated": [sq.channels.Modulated(sq.channels.DenseOperators(jumps), lambda t: jnp.full_like(t, 0.8))],
        "time-dependent": [sq.channels.TimeDependentOperator([(jumps[0], lambda t: jnp.full_like(t, 0.8))])],
    }[family]
    constant = {
        "operators": channels,
        "projectors": channels,
        "modulated": [sq.channels.DenseOperators(0.8 * np.array(jumps))],
        "time-dependent": [sq.channels.DenseOperators(0.8 * np.array(jumps[:1]))],
    }[family]
    observable = jnp.asarray(hermitian(2, 6), jnp.complex64)

    def squared(psi):
        return jnp.square(jnp.real(jnp.vdot(psi, observable @ psi)))

    run = {"observables": {"⟨O⟩²": squared}, "trajectories": 2**15, "records": True}
    exact = sq.simulate(sq.models.unravel(0.9 * FLIP, constant, noise="jump"), PSI0, [0, 1.5], **run)
    steps = sq.simulate(driven(lambda t: jnp.full_like(t, 0.9), channels), PSI0, [0, 1.5], dt=1.5 / 24, seed=1, **run)
    assert exact.dt == 0 and steps.dt > 0
    counts = [one.records.increments[:, 0].sum(axis=-1) for one in (exact, steps)]
    error = np.hypot(*(one.stderr["⟨O⟩²"][-1] for one in (exact, steps)))
    judge_mean(steps.mean["⟨O⟩²"][-1], np.hypot(error, 1e-3), exact.mean["⟨O⟩²"][-1], f"E⟨O⟩², {family}")
    spread = np.hypot(*(one.std() for one in counts)) / np.sqrt(2**15)
    judge_mean(counts[1].mean(), np.hypot(spread, 1e-3), counts[0].mean(), f"counts, {family}")

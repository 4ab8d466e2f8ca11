"""Reduction by noise with a memory: white limit, frozen noise, and an independent integration in between."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stochq as sq
from stochq.channels.families.reduction import StratonovichCollapse
from stochq.laws import REAL
from tests.judging import judge, judge_mean
from tests.problems import hermitian, state

FLAT = sq.systems.levels([0.0, 0.0])
START = np.sqrt([0.8, 0.2])
SHORT = 0.005


def _equation(*, drift, growth, time, single, spherical=False):
    """growth: κ, of the variance of u, in the white limit."""
    colour = sq.noise.SphericalBrownian(time) if spherical else sq.noise.OrnsteinUhlenbeck(time)
    variance = 1 / 3 if spherical else 0.7
    coupling = np.sqrt((growth if single else growth / 2) / (2 * variance * time))
    kind = dict(colour=colour, variance=variance, single=single)
    return sq.models.coloured_suv(FLAT, drift=drift, coupling=coupling, **kind)


def _left(psi):
    return abs(psi[0] * psi[1]) ** 2


def _square(psi):
    return abs(psi[0]) ** 4


def _outcome(equation, *, duration, dt, trajectories=8192, psi=START):
    watched = {"p": [1.0, 0.0], "left": _left}
    result = sq.simulate(equation, psi, [0, duration], observables=watched, trajectories=trajectories, dt=dt)
    assert result.mean["left"][-1] < 3e-3
    return result.mean["p"][-1], result.stderr["p"][-1]


# I_p0(J/κ, J/κ) at p0 = .8.
@pytest.mark.parametrize(("ratio", "expected"), [(0.5, 0.70483), (1.0, 0.8), (2.0, 0.896)])
@pytest.mark.parametrize(("single", "spherical"), [(True, False), (False, True)])
@pytest.mark.sweep(2)
def test_white_limit(ratio, expected, single, spherical):
    equation = _equation(drift=ratio, growth=1.0, time=SHORT, single=single, spherical=spherical)
    found, error = _outcome(equation, duration=10 / ratio, dt=0.1)
    judge_mean(found, error, expected, "outcomes")
    assert sq.exact.white_suv_outcome(0.8, drift=ratio, strength=1.0) == pytest.approx(expected, abs=6e-6)


def test_outcome_by_its_differential_equation():
    """½κP'' + J tanh(u) P' = 0 between far barriers."""
    u = np.linspace(-12, 12, 200001)
    slope = np.cosh(u) ** (-2 * 0.7)
    share = np.cumsum(slope) / slope.sum()
    wanted = np.interp(np.arctanh(0.6), u, share)
    assert sq.exact.white_suv_outcome(0.8, drift=0.7, strength=1.0) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.release
@pytest.mark.parametrize(("spherical", "coupling"), [(False, 0.9), (True, 2.0)])
def test_frozen_noise_leaves_borns_rule(spherical, coupling):
    """A memory longer than the collapse: u runs away from tanh u* = −Gξ/J, so P(+) = P(ξ > −J z_0/G)."""
    colour = sq.noise.SphericalBrownian(1e5) if spherical else sq.noise.OrnsteinUhlenbeck(1e5)
    equation = sq.models.coloured_suv(FLAT, drift=1.0, coupling=coupling, colour=colour, single=True)
    found, error = _outcome(equation, duration=24.0, dt=0.1)
    bound = 0.6 / coupling
    expected = (1 + bound) / 2 if spherical else stats.norm.cdf(bound)
    judge_mean(found, error, expected, "frozen noise")
    assert abs(expected - 0.8) < 0.2 and abs(expected - 0.8) > 5 * error


def _by_heun(drift, coupling, time, duration, steps, trajectories):
    """u̇ = J tanh u + Gξ with exact Ornstein-Uhlenbeck values on a fine grid, in plain numpy."""
    rng, h = np.random.default_rng(4), duration / steps
    value, keep = rng.normal(size=trajectories), np.exp(-h / time)
    u = np.full(trajectories, np.arctanh(0.6))
    for _ in range(steps):
        after = keep * value + np.sqrt(1 - keep**2) * rng.normal(size=trajectories)
        slope = drift * np.tanh(u) + coupling * value
        guess = u + h * slope
        u = u + 0.5 * h * (slope + drift * np.tanh(guess) + coupling * after)
        value = after
    share = np.mean(u > 0)
    return share, np.sqrt(share * (1 - share) / trajectories)


def test_finite_memory_departs_from_borns_rule():
    """J = κ is Born's rule in the white limit only."""
    time = 0.5
    coupling = np.sqrt(1 / (2 * time))
    equation = _equation(drift=1.0, growth=1.0, time=time, single=True)
    found, error = _outcome(equation, duration=10.0, dt=0.05, trajectories=2**14)
    expected, spread = _by_heun(1.0, coupling, time, 10.0, 400, 2**14)
    judge_mean(found, np.hypot(error, spread), expected, "finite memory")
    assert found - 0.8 > 6 * error


def test_born_frequencies_of_three_levels():
    """J = 2g², each level with a process of its own."""
    psi = np.sqrt([0.5, 0.3, 0.2])
    coupling = np.sqrt(0.5 / sq.models.white_strength(1.0, variance=1.0, correlation_time=SHORT))
    noise = sq.noise.OrnsteinUhlenbeck(SHORT)
    equation = sq.models.coloured_suv(sq.systems.levels(np.zeros(3)), drift=1.0, coupling=coupling, colour=noise)
    watched = {"norm": np.ones(3)}
    result = sq.simulate(equation, psi, [0, 16], observables=watched, trajectories=2048, keep=2048, dt=0.1)
    ends = (np.abs(result.kept[:, -1]) ** 2).argmax(axis=1)
    judge(stats.chisquare(np.bincount(ends, minlength=3), 2048 * psi**2).pvalue, "Born's rule")


def test_white_limit_is_suv():
    """With a Hamiltonian, against the master equation of `suv` with 𝒥𝒩/ħ = g² = J/2."""
    matrix, psi, times = hermitian(3, 1), state(3, 2), [0.0, 0.6, 1.2]
    system, strength = sq.systems.levels(matrix), 0.8
    watched = {"o": hermitian(3, 3), "p": np.array([0.0, 1.0, 0.0])}
    noise = sq.noise.OrnsteinUhlenbeck(1e-4)
    coupling = np.sqrt(strength / sq.models.white_strength(1.0, variance=1.0, correlation_time=1e-4))
    pulled = sq.models.coloured_suv(system, drift=2 * strength, coupling=coupling, colour=noise)
    ensemble = sq.simulate(pulled, psi, times, observables=watched, trajectories=2**13, dt=0.02)
    exact = sq.exact.evolve(sq.models.suv(system, strength=strength), psi, times, observables=watched)
    judge(sq.compare(ensemble, exact).p_value, "white limit")


def test_the_ito_correction_is_half_the_derivative_along_the_noise():
    """By finite differences of b_k(ψ) along itself, and against the drift of `suv` where J = 2g²."""
    matrix, coupling = np.random.default_rng(1).normal(size=(3, 4)), 0.6
    with jax.enable_x64(True):
        psi = state(4, 6)

        def along(row, psi):
            p = np.abs(psi) ** 2
            return coupling * (row - p @ row) * psi

        step = 1e-5
        expected = sum(
            (along(row, psi + step * along(row, psi)) - along(row, psi - step * along(row, psi))) / (4 * step)
            for row in matrix
        )
        channel = StratonovichCollapse(0.0, coupling, matrix)
        found = channel.stratonovich_to_ito(jnp.asarray(np.abs(psi) ** 2)) * psi
        np.testing.assert_allclose(found, expected, atol=1e-9)
        pulled = StratonovichCollapse(2 * coupling**2, coupling, np.eye(4))
        suv = sq.models.suv(sq.systems.levels(np.zeros(4)), strength=coupling**2).channels[0]
        drifts = [channel.drift(jnp.asarray(0.0), jnp.asarray(psi), REAL) for channel in (pulled, suv)]
        np.testing.assert_allclose(drifts[0], drifts[1], atol=1e-12)


@pytest.mark.release
def test_ito_and_stratonovich_schemes_agree_in_the_white_limit():
    """Euler-Maruyama uses the correction, Strang does not know of it."""
    equation = sq.models.coloured_suv(FLAT, drift=0.4, coupling=0.9, colour=None)
    run = dict(observables={"p": [1.0, 0.0], "q": _square}, trajectories=2**13)
    euler = sq.simulate(equation, START, [0, 1], dt=1 / 128, scheme=sq.schemes.EulerMaruyama(), **run)
    strang = sq.simulate(equation, START, [0, 1], dt=1 / 16, seed=1, **run)
    for name in "pq":
        error = np.hypot(euler.stderr[name][-1], strang.stderr[name][-1])
        judge_mean(euler.mean[name][-1], error, strang.mean[name][-1], name)


NOISE = sq.noise.OrnsteinUhlenbeck(0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(drift=-1.0), "drift: expected a finite rate"),
        (dict(coupling=np.nan), "coupling: expected a finite rate"),
        (dict(variance=0.0), "variance: expected a finite, positive"),
        (dict(colour=None, variance=1.0), "variance: expected None with white noise"),
        (dict(colour=sq.noise.SphericalBrownian(0.1), variance=1.0), "variance: expected None with SphericalBrownian"),
        (dict(hamiltonian=sq.systems.levels(np.zeros(3)), single=True), "single: expected two levels"),
        (dict(colour=0.1), "colour: expected a process"),
    ],
)
def test_bad_input(options, message):
    given = dict(hamiltonian=FLAT, drift=1.0, coupling=1.0, colour=NOISE) | options
    with pytest.raises(ValueError, match=message):
        sq.models.coloured_suv(given.pop("hamiltonian"), **given)


@pytest.mark.parametrize("colour", [NOISE, None])
def test_there_is_no_master_equation(colour):
    equation = sq.models.coloured_suv(FLAT, drift=1.0, coupling=1.0, colour=colour)
    with pytest.raises(ValueError, match="equation: "):
        sq.exact.evolve(equation, START, [0, 1])


def test_the_largest_exponent_has_no_derivative():
    """Normalisation takes it off again; by JAX's own derivative of a largest number means over trajectories had NaN."""
    qubit, watched = sq.systems.levels([[0.5, 0.2], [0.2, -0.5]]), {"z": np.array([1.0, -1.0])}

    def last(drift):
        equation = sq.models.coloured_suv(qubit, drift=drift, coupling=0.3, colour=sq.noise.OrnsteinUhlenbeck(0.3))
        run = {"observables": watched, "trajectories": 3, "seed": 5, "dt": 0.1, "precision": "double"}
        return sq.expectations(equation, [0.6, 0.8j], [0.0, 0.7], **run)["z"][-1]

    with jax.enable_x64(True):
        both = jax.jit(lambda drift: jax.jvp(last, (drift,), (1.0,)))
        expected = (both(0.7 + 1e-5)[0] - both(0.7 - 1e-5)[0]) / 2e-5
        np.testing.assert_allclose(both(0.7)[1], expected, rtol=1e-7)

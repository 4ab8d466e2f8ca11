"""Equations with coloured unitary noise through the ensemble: exact answers, and what a trajectory depends on."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import stochq as sq
from stochq.accuracy.grid import regular_edges, time_grid
from tests.judging import judge, judge_ensemble, judge_mean
from tests.problems import hermitian, state

NOISE = sq.noise.OrnsteinUhlenbeck(0.5)
MIXED = sq.noise.SumOfOrnsteinUhlenbeck([0.3, 0.7], [0.1, 1.5])
TIMES = np.linspace(0.0, 3.0, 7)
FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
PLUS = np.full(2, np.sqrt(0.5))


def _dephasing(colour=NOISE, turn=0.0):
    matrix = np.array([[0.0, turn], [turn, 0.3]])
    return sq.models.unravel(sq.systems.levels(matrix), [np.array([0.0, 1.2])], noise="unitary", colour=colour)


def _spread(colour, t):
    return 2 * integrate.quad(lambda s: (t - s) * float(colour.correlation(s)), 0, t)[0]


@pytest.mark.parametrize(("colour", "dt"), [(NOISE, 0.5), (MIXED, 0.05)])
def test_decoherence_has_its_closed_form_at_any_step(colour, dt):
    result = sq.simulate(_dephasing(colour), PLUS, TIMES, observables={"x": FLIP}, trajectories=4096, dt=dt)
    expected = [np.cos(0.3 * t) * np.exp(-0.72 * _spread(colour, t)) for t in TIMES]
    judge_ensemble(result, {"x": np.array(expected)}, "decoherence")


@pytest.mark.parametrize(
    ("times", "given"),
    [([0.0, 0.3, 1.0], {}), ([0.0, 0.3, 0.6, 1.5], {"tolerance": 0.03}), ([0.0, 1.0, 1.7], {"dt": 0.5})],
)
def test_uneven_times_are_stepped_by_one_length_that_divides_all_intervals(times, given):
    run = {"trajectories": 4096} | given
    result = sq.simulate(_dephasing(), PLUS, times, observables={"x": FLIP}, **run)
    expected = [np.cos(0.3 * t) * np.exp(-0.72 * _spread(NOISE, t)) for t in times]
    judge_ensemble(result, {"x": np.array(expected)}, "uneven times")


def test_a_drive_that_jumps_between_saved_times_beside_coloured_noise():
    """At t = 0.33 the gap becomes 2: its angle is that of the integral, whatever the noise does."""
    switched = sq.systems.piecewise(lambda t: jnp.where(t < 0.33, 0.0, 2.0), [0.33])
    hamiltonian = sq.systems.driven(sq.systems.levels([0.0, 0.3]), [(np.array([0.0, 1.0]), switched)])
    equation = sq.models.unravel(hamiltonian, [np.array([0.0, 1.2])], noise="unitary", colour=NOISE)
    result = sq.simulate(equation, PLUS, [0, 0.5, 1.7], observables={"x": FLIP}, trajectories=4096, seed=2)
    angles = [0.3 * t + 2.0 * max(t - 0.33, 0.0) for t in (0, 0.5, 1.7)]
    decayed = [np.exp(-0.72 * _spread(NOISE, t)) for t in (0, 0.5, 1.7)]
    judge_ensemble(result, {"x": np.cos(angles) * decayed}, "drive that jumps")


def test_edges_are_added_where_one_length_divides_all_intervals():
    none = np.zeros(0)
    np.testing.assert_allclose(regular_edges(np.array([0, 0.3, 1]), none), np.arange(1, 10) / 10, atol=1e-15)
    np.testing.assert_allclose(regular_edges(np.array([1, 3]), np.array([1.5])), [1.5, 2, 2.5], atol=1e-15)
    for times, edges in (([0, 0.2, 0.4], none), ([0, np.sqrt(0.5), 2], none), ([0, 2], np.array([np.pi / 10]))):
        assert regular_edges(np.array(times, float), edges) is edges
    grid = time_grid(np.array([0, 0.3, 1]), 0.06, edges=regular_edges(np.array([0, 0.3, 1]), none))
    assert grid.uniform and grid.total_steps == 20 and grid.lengths[0] == pytest.approx(0.05)


def test_times_by_chance_have_no_length_in_common():
    """The least common multiple of so many ratios is beyond the range of floating-point numbers."""
    times = np.cumsum(np.random.default_rng(0).uniform(1, 2, 400)) / 200
    none = np.zeros(0)
    assert regular_edges(times, none) is none
    with pytest.raises(ValueError, match="times: expected saved times, and edges .* multiples of one length"):
        sq.simulate(_dephasing(), PLUS, times, observables={"x": FLIP}, trajectories=10)


def test_evenly_spaced_times_are_one_length_but_for_rounding():
    grid = time_grid(np.linspace(0, 2, 11), 0.15)
    assert grid.uniform and np.all(grid.steps == 2)
    # Whatever comes later.
    times = np.array([0.0, 0.4, 1.0, 1.3])
    np.testing.assert_array_equal(time_grid(times, 0.25).lengths[:2], time_grid(times[:3], 0.25).lengths)


def test_a_mixed_start_and_the_first_noise_are_independent():
    """Long memories keep the first noise; it was made of the number that draws the initial state."""
    slow, rho = sq.noise.OrnsteinUhlenbeck(5.0), np.array([[0.5, 0.3], [0.3, 0.5]])
    result = sq.simulate(_dephasing(slow), rho, TIMES, observables={"x": FLIP}, trajectories=4096, dt=0.5)
    expected = [0.6 * np.cos(0.3 * t) * np.exp(-0.72 * _spread(slow, t)) for t in TIMES]
    judge_mean(result.mean["x"], result.stderr["x"], expected, "mixed start")


def test_the_step_is_chosen_and_compared_with_the_closed_form():
    result = sq.simulate(_dephasing(), PLUS, TIMES, observables={"x": FLIP}, trajectories=4096)
    assert result.dt <= 0.5 and np.all(np.abs(result.bias["x"]) < 1e-5)
    exact = sq.exact.evolve(_dephasing(), PLUS, TIMES, observables={"x": FLIP})
    judge(sq.compare(result, exact).p_value, "comparison")
    formula = sq.exact.coloured_decoherence(TIMES, rate=1.44, difference=1.0, colour=NOISE)
    np.testing.assert_allclose(exact.expect["x"], np.cos(0.3 * TIMES) * formula, atol=1e-12)
    printed = np.exp(-0.72 * (TIMES - 0.5 * (1 - np.exp(-TIMES / 0.5))))
    np.testing.assert_allclose(formula, printed, rtol=1e-12)


def test_the_closed_form_knows_other_bases():
    """Energy-driven noise lives in the energy basis of a dense Hamiltonian."""
    matrix, psi = hermitian(3, 1), state(3, 2)
    equation = sq.models.energy_driven(sq.systems.levels(matrix), strength=0.6, noise="unitary", colour=NOISE)
    energies, vectors = np.linalg.eigh(matrix)
    held, gaps = vectors.conj().T @ psi, energies[:, None] - energies[None, :]
    rho = np.outer(held, held.conj()) * np.exp(-1j * gaps * 2.0 - 0.3 * gaps**2 * _spread(NOISE, 2.0))
    found = sq.exact.evolve(equation, psi, [0.0, 2.0]).density
    np.testing.assert_allclose(found[1], vectors @ rho @ vectors.conj().T, atol=1e-12)


def _kept(times, **options):
    run = dict(observables={"x": FLIP}, trajectories=64, keep=64, dt=0.05, seed=5)
    return sq.simulate(_dephasing(MIXED, turn=0.7), PLUS, times, **(run | options)).kept


def test_a_trajectory_depends_on_its_counters_alone():
    """Not on batches, nor on saved times."""
    all_times = _kept(TIMES)
    np.testing.assert_array_equal(_kept(TIMES, batch=1), all_times)
    assert np.abs(_kept(TIMES, seed=6) - all_times).max() > 0.1
    # Odd numbers of steps per interval take another path through the loop, with the same noise.
    odd = _kept([0.0, 0.25, 1.5, 3.0])
    np.testing.assert_allclose(odd[:, 2:], all_times[:, [3, 6]], atol=2e-6)


def test_white_limit_is_white_noise():
    matrix, times = hermitian(3, 3), np.linspace(0, 1.5, 4)
    watched, psi = {"o": hermitian(3, 4), "p": np.array([1.0, 0.0, 0.0])}, state(3, 5)

    def equation(colour):
        return sq.models.suv(sq.systems.levels(matrix), strength=0.8, noise="unitary", colour=colour)

    short = sq.noise.OrnsteinUhlenbeck(1e-4)
    result = sq.simulate(equation(short), psi, times, observables=watched, trajectories=4096, dt=1 / 32)
    judge_ensemble(result, sq.exact.evolve(equation(None), psi, times, observables=watched).expect, "white limit")


def _brute_force(turn, t, steps, trajectories):
    """E⟨σ_x⟩ by exact Ornstein-Uhlenbeck values on a fine grid and exponentials of 2x2 matrices, in plain numpy."""
    rng, tau, h = np.random.default_rng(8), 0.5, t / steps
    value = rng.normal(size=trajectories) / np.sqrt(2 * tau)
    psi = np.repeat(PLUS[:, None].astype(complex), trajectories, axis=1)
    keep = np.exp(-h / tau)
    for _ in range(steps):
        after = keep * value + np.sqrt((1 - keep**2) / (2 * tau)) * rng.normal(size=trajectories)
        lower = 0.3 + 1.2 * 0.5 * (value + after)
        half, angle = 0.5 * lower, np.hypot(0.5 * lower, turn) * h
        # H = half + turn σ_x − half σ_z
        cosine, sine = np.cos(angle), np.sinc(angle / np.pi) * h
        up = (cosine + 1j * half * sine) * psi[0] - 1j * turn * sine * psi[1]
        down = (cosine - 1j * half * sine) * psi[1] - 1j * turn * sine * psi[0]
        psi, value = np.stack([up, down]) * np.exp(-1j * half * h), after
    x = 2 * (psi[0].conj() * psi[1]).real
    z = np.abs(psi[0]) ** 2
    return np.array([[x.mean(), z.mean()], [x.std(), z.std()] / np.sqrt(trajectories)])


def test_noise_that_does_not_commute_against_brute_force():
    result = sq.simulate(
        _dephasing(turn=0.9), PLUS, [0, 1, 2], observables={"x": FLIP, "z": [1, 0]}, trajectories=2**15, dt=1 / 32
    )
    expected, error = _brute_force(0.9, 2.0, 128, 2**15)
    found = np.array([[part[name][-1] for name in "xz"] for part in (result.mean, result.stderr)])
    judge_mean(found[0], np.hypot(found[1], error), expected, "driven qubit")
    white = sq.exact.evolve(_dephasing(None, 0.9), PLUS, [0, 2], observables={"x": FLIP}).expect["x"][-1]
    assert abs(white - expected[0]) > 20 * error[0]


def test_weak_order_is_two():
    """Shared seeds do not share paths between steps; extrapolation measures f(h) − f(h/2) on one path instead."""
    from stochq.ensemble.pilots import pilot_run
    from stochq.ensemble.task import Task
    from stochq.schemes import frame_of

    strong = sq.models.unravel(
        sq.systems.levels(np.array([[0.0, 1.5], [1.5, 0.3]])), [np.array([0.0, 2.0])], noise="unitary", colour=NOISE
    )
    times, biases = np.array([0.0, 2.0]), []
    task = Task(strong, frame_of(strong), np.asarray(PLUS), times, {"x": FLIP}, sq.schemes.Strang(), "single", 0)
    for h in (0.25, 0.125):
        pilot = pilot_run(task, time_grid(times, h), 2**15)
        biases.append((pilot.difference[-1, 0], pilot.error[-1, 0]))
    (coarse, error), (fine, error_fine) = biases
    assert abs(coarse) > 10 * error
    judge_mean(fine, np.hypot(error_fine, 0.25 * error) + 0.02 * abs(coarse), coarse / 4, "order")


def test_gradients_pass():
    import jax

    def coherence(strength):
        equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=strength, noise="unitary", colour=NOISE)
        run = dict(observables={"x": FLIP}, trajectories=8192, dt=0.5)
        return sq.expectations(equation, PLUS, [0, 1], **run)["x"][-1]

    spread = _spread(NOISE, 1.0)
    assert float(jax.grad(coherence)(0.8)) == pytest.approx(-spread * np.exp(-0.8 * spread), abs=0.02)


PARTICLE = sq.systems.particle(32, 14.0, 1.0, None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sq.models.csl(PARTICLE, rate=1.0, length=1.0, colour=NOISE), "colour: coloured real noise would need"),
        (lambda: sq.models.csl(PARTICLE, rate=1.0, length=1.0, noise="unitary", colour=0.1), "colour: expected a proc"),
        (lambda: _dephasing(sq.noise.SphericalBrownian(0.1)), "colour: expected a Gaussian process"),
        (
            lambda: sq.models.unravel(
                sq.systems.levels([0.0, 1.0]), [FLIP, np.array([1.0, 2.0])], noise="unitary", colour=NOISE
            ),
            "colour: expected an equation with one channel",
        ),
        (
            lambda: sq.models.unravel(sq.systems.levels([0.0, 1.0]), [FLIP], noise="unitary", colour=NOISE),
            "colour: DenseOperators has no coloured noise",
        ),
        (
            lambda: sq.simulate(
                _dephasing(), PLUS, [0, 1, np.sqrt(3)], observables={"x": FLIP}, trajectories=9, dt=0.5
            ),
            "times: expected saved times, and edges of coefficients, that are whole numbers of steps apart",
        ),
        (
            lambda: sq.simulate(
                _dephasing(),
                PLUS,
                [0, 1],
                observables={"x": FLIP},
                trajectories=10,
                dt=0.5,
                scheme=sq.schemes.EulerMaruyama(),
            ),
            "scheme: EulerMaruyama cannot step this equation: its Itô correction",
        ),
        (lambda: sq.exact.evolve(_dephasing(turn=0.5), PLUS, [0, 1]), r"^equation: expected white .* theory\.$"),
        (
            lambda: sq.exact.evolve(_dephasing(), PLUS, [0, 1], method="ode"),
            r'^equation: expected white .*method="auto"\.$',
        ),
        (lambda: sq.exact.steady_state(_dephasing()), "equation: expected white noise; coloured noise has no master"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()

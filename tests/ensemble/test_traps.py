"""Where the choice of a step or of a number of trajectories could be led astray, against plain numpy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from stochq.accuracy import resolution
from stochq.ensemble import in_steps
from stochq.schemes import frame_of
from tests import liouville

LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
P = np.array([1.0, 0.0])


def _upper(psi):
    return jnp.abs(psi[0]) ** 2


def _exact(hamiltonian, jumps, psi, times, operator):
    return liouville.expectation(operator, liouville.density(hamiltonian, jumps, psi, times, 1.0))


# One run each, judged at two to_tolerance: its own bound is 2.2 standard errors and a bias.
def test_a_map_that_is_known_is_not_a_map_that_is_exact():
    """Decay beside a diagonal Hamiltonian: a Kraus map over the whole interval would be off by 0.0097."""
    decay = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [LOWERING])
    result = sq.simulate(decay, [0, 1], [0, 1], observables={"p": [0.0, 1.0]}, trajectories=10**6, tolerance=2e-3)
    assert result.scheme.endswith('"discrete")') and result.dt < 0.5
    assert abs(result.mean["p"][-1] - np.exp(-1)) < 4e-3
    # The map says how far it is off, and is right: 1/(1 + h e^{h/2}) a step.
    expected = (1 + result.dt * np.exp(result.dt / 2)) ** (-1 / result.dt) - np.exp(-1)
    np.testing.assert_allclose(result.bias["p"][-1], expected, rtol=0.1)


def test_transitions_that_do_not_commute_have_a_step_error():
    """Two baths that pull towards different levels: together they are exact at no step."""
    baths = [sq.channels.Separable(np.array(target)) for target in ([1.0, 0.2], [0.1, 0.9])]
    equation = sq.models.unravel(sq.systems.levels([0.0, 0.3]), baths)
    result = sq.simulate(equation, [1, 0], [0, 0.2], observables={"p": P}, trajectories=5000)
    assert not result.info["dt_reason"].startswith("the mean of every operator is exact")


class Bath(sq.channels.Channel):
    """Somebody's own transitions, which delegate to a family of this package and declare nothing."""

    inner: sq.channels.Separable

    @property
    def dim(self):
        return self.inner.dim

    def unsupported(self, law):
        return self.inner.unsupported(law)

    def budget(self, law):
        return self.inner.budget(law)

    def drift(self, t, psi, law):
        return self.inner.drift(t, psi, law)

    def diffuse(self, t, psi, noise, dt, law):
        return self.inner.diffuse(t, psi, noise, dt, law)

    def flow(self, law):
        return self.inner.flow(law)

    def dissipator(self, t, rho):
        return self.inner.dissipator(t, rho)

    def operators(self):
        return self.inner.operators()


class SecularBath(Bath):
    """The same, declared, of which the rates are to be found in its operators."""

    @property
    def is_secular(self):
        return True


@pytest.mark.parametrize("family", [Bath, SecularBath])
@pytest.mark.parametrize("wanted", [0.02, None], ids=["tolerance", "dt"])
@pytest.mark.sweep(2)
def test_exactness_is_declared_and_not_guessed(family, wanted):
    """Two baths of an unknown class: over one step of 0.4 the mean would be off by 0.060."""
    targets, energies = np.array([[3.0, 0.6], [0.3, 2.7]]), [0.0, 0.3]
    equation = sq.models.unravel(
        sq.systems.levels(energies), [family(sq.channels.Separable(target)) for target in targets]
    )
    jumps = [
        np.sqrt(target[i]) * np.outer(np.eye(2)[i], np.eye(2)[j]) for target in targets for i in (0, 1) for j in (0, 1)
    ]
    expected = _exact(np.diag(energies), jumps, [1, 0], np.array([0.0, 0.4]), np.diag(P))
    result = sq.simulate(equation, [1, 0], [0, 0.4], observables={"p": P}, trajectories=2**15, tolerance=wanted, seed=3)
    assert not result.info["dt_reason"].startswith("the mean of every operator is exact")
    assert abs(result.mean["p"][-1] - expected[-1]) < (2 * wanted if wanted else 5 * result.stderr["p"][-1])
    exact = sq.exact.evolve(equation, [1, 0], [0, 0.4], observables={"p": P})
    np.testing.assert_allclose(exact.expect["p"], expected, atol=1e-9)


def test_one_secular_bath_beside_a_diagonal_hamiltonian_is_exact_at_any_step():
    levels, bath = sq.systems.levels([0.0, 0.3]), sq.channels.Separable(np.array([1.0, 0.2]))
    for family, exact in ((SecularBath, True), (Bath, False)):
        frame = frame_of(sq.models.unravel(levels, [family(bath), sq.channels.Projectors([0.3, 0.4])]))
        assert (sq.schemes.Strang().mean_step(frame) > 0) == exact


@pytest.mark.parametrize("observable", [P, _upper], ids=["by the mean", "by pilots"])
@pytest.mark.parametrize("wanted", [4e-3, None], ids=["tolerance", "dt"])
@pytest.mark.sweep(2)
def test_levels_that_turn_by_whole_periods_are_not_standing_still(observable, wanted):
    """Saved times every two Rabi periods: steps of the interval and of half of it agree, and both are wrong."""
    turn = 2 * np.pi * FLIP
    equation = sq.models.suv(sq.systems.levels(turn), strength=1.0)
    result = sq.simulate(equation, [1, 0], [0, 1], observables={"p": observable}, trajectories=10**5, tolerance=wanted)
    expected = _exact(turn, [np.diag(row) for row in np.eye(2)], [1, 0], np.array([0.0, 1.0]), np.diag(P))[-1]
    assert abs(result.mean["p"][-1] - expected) < (2 * wanted if wanted else 5 * result.stderr["p"][-1])


def test_a_drive_that_repeats_within_a_step_is_seen():
    """Four periods of a resonant drive in half an interval: every middle of a step sees the same field."""
    drive = 8 * 2 * np.pi
    rotating = sq.systems.driven(sq.systems.levels([0.0, drive]), [FLIP], [lambda t: 4 * jnp.cos(drive * t)])
    equation = sq.models.suv(rotating, strength=0.2)
    result = sq.simulate(equation, [1, 0], [0, 1], observables={"p": P}, trajectories=10**5, tolerance=0.02)
    jumps, rho = [np.sqrt(0.2) * np.diag(row) for row in np.eye(2)], np.diag([1.0, 0.0]).astype(complex).reshape(-1)
    for middle in (np.arange(2048) + 0.5) / 2048:
        rho = (
            expm(liouville.superoperator(np.diag([0.0, drive]) + 4 * np.cos(drive * middle) * FLIP, jumps) / 2048) @ rho
        )
    assert abs(result.mean["p"][-1] - rho[0].real) < 2 * 0.02
    assert result.dt < 0.1


@pytest.mark.parametrize(
    ("hamiltonian", "fastest"),
    [
        (sq.systems.levels([1.0, -2.0, 3.0]), 5.0),
        (sq.systems.levels(3 * FLIP), 6.0),
        (sq.systems.driven(sq.systems.levels([0.0, 1.0]), [FLIP], [jnp.cos]), np.inf),
    ],
)
def test_the_bandwidth(hamiltonian, fastest):
    equation = sq.models.suv(hamiltonian, strength=1.0, hbar=0.5)
    np.testing.assert_allclose(resolution.bandwidth(equation), fastest / 0.5)


def test_the_bandwidth_is_bounded_where_spectra_are_dear():
    for system in (sq.systems.particle(256, 12.0, 1.0, sq.systems.harmonic(2.0)), sq.systems.kerr(600, 0.3, 0.01, 0.2)):
        bound = resolution.bandwidth(sq.models.unravel(system, [np.ones(system.dim)]))
        true = np.ptp(np.linalg.eigvalsh(np.asarray(system.matrix())))
        assert true <= bound * (1 + 1e-9) and bound < 1.5 * true


def test_densities_and_histograms_choose_the_step():
    """Alone, they once took the whole interval, since the norm has no error."""
    equation = sq.models.suv(sq.systems.levels(FLIP), strength=1.0)
    jumps, times = [np.diag(row) for row in np.eye(2)], np.array([0.0, 2.0])
    expected = liouville.density(FLIP, jumps, [1, 0], times, 1.0)[-1]
    count = 10**5
    result = sq.simulate(equation, [1, 0], times, observables={"rho": sq.Density()}, trajectories=count)
    # A single element's standard deviation is at most ½; the bias a tenth of a standard error.
    assert np.abs(result.density[-1] - expected).max() < 5 * 0.5 / np.sqrt(count)
    edges = np.linspace(0.0, 1.0, 5)
    binned = sq.simulate(equation, [1, 0], times, observables={"p": sq.Histogram(P, edges)}, trajectories=count)
    assert binned.dt <= 0.5


def test_a_density_is_extrapolated_as_means_are():
    scheme = sq.schemes.Extrapolated(sq.schemes.EulerMaruyama())
    equation = sq.models.suv(sq.systems.levels(FLIP), strength=1.0)
    watched = {"rho": sq.Density(), "p": P, "x": FLIP}
    result = sq.simulate(equation, [1, 0], [0, 1], observables=watched, trajectories=4096, scheme=scheme, dt=0.25)
    np.testing.assert_allclose(result.density[:, 0, 0].real, result.mean["p"], atol=1e-6)
    np.testing.assert_allclose(2 * result.density[:, 0, 1].real, result.mean["x"], atol=1e-6)


def test_the_walk_of_a_coloured_potential_is_resolved():
    """Pilots share the finer walk and would let a step be as long as the memory: 14 % of the phase's variance."""
    colour = sq.noise.SphericalBrownian(1.0)
    equation = sq.models.coloured_suv(
        sq.systems.levels([0.0, 0.0]), drift=0.0, coupling=2.0, single=True, colour=colour
    )
    result = sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"p": P}, trajectories=10**5, tolerance=0.02)
    assert result.dt <= 1 / 16


@pytest.mark.parametrize("observable", [P, _upper], ids=["operator", "function"])
def test_an_event_that_nothing_hints_at_is_waited_for(observable):
    """One in ten thousand ends in level 0, five times the tolerance; all others are still long before the end."""
    frozen = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=30.0)
    psi, cap = np.sqrt([1e-4, 1 - 1e-4]), 2 * 10**5
    with pytest.warns(UserWarning, match="tolerance: 2e-05 was not met"):
        result = sq.simulate(frozen, psi, [0, 1], observables={"p": observable}, trajectories=cap, tolerance=2e-5, dt=1)
    assert result.trajectories == cap
    # Poisson of 20: fewer than 4 or more than 44 by chance in less than 2e-5.
    assert 4 <= result.mean["p"][-1] * cap <= 44


def test_rounding_is_not_promised_away():
    equation = sq.models.suv(sq.systems.levels(FLIP), strength=1.0)
    watched = {"energy": np.array([1e6, 1e6 + 1])}
    with pytest.warns(UserWarning, match="Rounding is in the way"):
        single = sq.simulate(equation, [1, 0], [0, 1], observables=watched, trajectories=10**6, tolerance=0.02)
    jumps, times = [np.diag(row) for row in np.eye(2)], np.array([0.0, 1.0])
    expected = _exact(FLIP, jumps, [1, 0], times, np.diag(watched["energy"]))[-1]
    assert abs(single.mean["energy"][-1] - expected) < single.info["reached"]
    double = sq.simulate(
        equation, [1, 0], [0, 1], observables=watched, trajectories=10**6, tolerance=0.02, precision="double"
    )
    assert double.info["reached"] <= 0.02 and abs(double.mean["energy"][-1] - expected) < 0.04


class ShortCollapse(sq.channels.Channel):
    """Projectors whose flow is said to hold over rate·dt up to one."""

    rates: np.ndarray

    @property
    def inner(self):
        return sq.channels.Projectors(self.rates)

    @property
    def dim(self):
        return len(self.rates)

    def unsupported(self, law):
        return ""

    def flow(self, law):
        return ShortFlow(self, law)

    def dissipator(self, t, rho):
        return self.inner.dissipator(t, rho)

    def operators(self):
        return self.inner.operators()


class ShortFlow(sq.channels.Flow):
    @property
    def inner(self):
        return self.channel.inner.flow(self.law)

    @property
    def budget(self):
        return self.inner.budget

    @property
    def mean_limit(self):
        return float(1 / np.max(np.asarray(self.channel.rates)))

    def mean_flow(self, dt, reverse):
        return self.inner.mean_flow(dt, reverse) if dt <= self.mean_limit * (1 + 1e-9) else None

    def step(self, t, dt, psi, noise, terms, reverse):
        return self.inner.step(t, dt, psi, noise, terms, reverse)


@pytest.mark.parametrize("strength", [0.5, 0.6, 0.7, 0.9])
def test_a_step_at_the_limit_is_not_beyond_it(strength):
    equation = sq.Equation(sq.systems.levels(FLIP), (ShortCollapse(np.full(2, strength)),))
    options = {"observables": {"p": P}, "trajectories": 10**5, "tolerance": 0.02}
    free = sq.simulate(equation, [1, 0], [0, 2], **options)
    assert "map of the mean state" in free.info["dt_reason"]
    with pytest.warns(UserWarning, match="was not met"):
        sq.simulate(equation, [1, 0], [0, 1 / strength], dt=1 / strength, **options)


def test_trajectories_that_fail_do_not_stop_a_pilot():
    """A function that is not a number on one state in four hundred."""

    def odd(psi):
        p = jnp.abs(psi[0]) ** 2
        return jnp.where(p > 0.999, jnp.nan, p)

    equation, psi = sq.models.suv(sq.systems.levels([0.0] * 3), strength=20.0), sq.normalize([0.05, 1, 0])
    for options in ({"dt": 1.0}, {}, {"dt": 1.0, "tolerance": 0.05}):
        with pytest.warns(UserWarning, match="became non-finite and are left out"):
            result = sq.simulate(equation, psi, [0, 1], observables={"p": odd}, trajectories=8000, **options)
        assert 0 < result.failed < 0.01 * (result.trajectories + result.failed)


def test_what_is_conserved_asks_for_no_step():
    equation = sq.models.suv(sq.systems.levels([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]]), strength=0.7)
    psi, times = sq.normalize([1, 0.3j, 0]), [0, 0.7, 1.4]
    runs = [
        sq.simulate(equation, psi, times, observables=watched, trajectories=4000)
        for watched in ({"p": [1, 0, 0]}, {"p": [1, 0, 0], "n": [1, 1, 2]})
    ]
    assert runs[0].dt == runs[1].dt


def test_a_bias_far_below_the_tolerance_is_small_enough():
    """Almost without noise nothing spreads, and no bias is a small part of that."""
    driven = sq.systems.driven(sq.systems.levels([0.0, 1.0]), [FLIP], [lambda t: jnp.cos(3 * t)])
    equation = sq.models.suv(driven, strength=1e-12)
    result = sq.simulate(equation, [1, 0], [0, 1], observables={"p": P}, trajectories=4096, tolerance=0.02)
    assert result.info["reached"] <= 0.02


def test_an_interrupt_between_pairs_and_singles_keeps_the_pairs(monkeypatch):
    real, calls = in_steps.run, []

    def run(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(in_steps, "run", run)
    frozen = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=2.0)
    watched = {"ipr": lambda psi: jnp.sum(jnp.abs(psi) ** 4)}
    result = sq.simulate(
        frozen, np.sqrt([0.5, 0.5]), [0, 1], observables=watched, trajectories=10**6, tolerance=0.004, dt=0.5
    )
    assert len(calls) == 2 and result.antithetic and result.info["interrupted"] and result.trajectories >= 2048


def test_saved_times_may_lie_close_together_where_steps_may_be_long():
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    times = np.r_[0, np.geomspace(1e-3, 100, 30)]
    result = sq.simulate(equation, [0.6, 0.8], times, observables={"p": P}, trajectories=2000)
    assert result.info["steps"] == 30
    again = sq.simulate(equation, [0.6, 0.8], times, observables={"p": P}, trajectories=2000, dt=result.dt)
    np.testing.assert_array_equal(again.mean["p"], result.mean["p"])
    assert np.all(np.abs(result.mean["p"] - 0.36) <= 5 * np.maximum(result.stderr["p"], 1e-6))


UNEVEN = np.array([0.0, 0.01, 1.11, 1.31, 2.0])


def _hopping():
    return sq.models.suv(sq.systems.levels(1.5 * FLIP), strength=0.8)


def _hopping_exactly(times):
    jumps = [np.sqrt(0.8) * np.diag(row) for row in np.eye(2)]
    return _exact(1.5 * FLIP, jumps, [1.0, 0.0], times, np.diag(P))


def test_the_error_of_means_is_known_at_uneven_times():
    """Every interval is refined by halves: of 0.3, steps of 0.25 make two, and those of 0.125 three instead of four."""
    from stochq.accuracy.mean_map import mean_map_estimator

    scheme, times = sq.schemes.Strang(), np.array([0.0, 0.01, 0.31, 0.61, 0.91, 1.21])
    psi = np.array([1.0, 0j])
    mean = mean_map_estimator(_hopping(), frame_of(_hopping()), psi, times, {"p": P}, scheme)
    assert mean is not None
    error = mean.means(0.25)[:, 0] - _hopping_exactly(times)
    # Of second order: what refinement leaves is of fourth, (1.5·0.25)² = 0.14 of the error.
    np.testing.assert_allclose(mean.bias(0.25).value[:, 0], error, atol=0.14 * np.abs(error).max())


def test_a_bias_is_scaled_by_the_steps_that_are_taken():
    """Of order 2: 1·0.5² of 1·1², then also 0.1·0.1² of the same, in an interval that both cross in one step."""
    from stochq.accuracy.bias import Allowance, Bias
    from stochq.accuracy.search import remaining, shortened

    def shortest(times, h, excess, order):
        """With a bias so many times as large as a tolerance allows."""
        one = np.ones_like(excess)
        bias = Bias(0.25 * excess, 0 * one, one, 0 * one, 0 * one)
        return shortened(times, h, bias, Allowance(1000, 1.0, "double", 0.5), order)

    times = np.array([0.0, 1.0, 1.1])
    np.testing.assert_allclose(remaining(times, 1.0, 0.5, 2)[1:, 0], [0.25, 0.251 / 1.001])
    even = np.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(remaining(even, 0.25, 0.125, 1.5), 2**-1.5 * np.ones((5, 1)))
    assert shortest(even, 0.25, 4.0 * np.ones((5, 1)), 2) == 0.125
    # All of the bias in the last interval: 0.7 of it is one step at 1, two at 0.5, and half of it is not a quarter.
    late = np.array([0.0, 1.0, 1.7])
    dt = shortest(late, 1.0, np.array([[0.0], [0.0], [4.0]]), 2)
    assert np.all(remaining(late, 1.0, dt, 2)[2] * 4.0 <= 1 + 1e-6) and dt > 0.2


@pytest.mark.parametrize("linear", [True, False])
def test_close_saved_times_do_not_shorten_all_steps(linear):
    """By the map of the mean, and by pilots: 0.01 between the first two times would mean 200 steps."""
    equation, exact = _hopping(), _hopping_exactly(UNEVEN)
    watched = {"p": P if linear else _upper}
    result = sq.simulate(equation, [1, 0], UNEVEN, observables=watched, trajectories=2**20, tolerance=4e-3)
    assert result.dt > 0.05 and result.info["steps"] <= 40
    # 2.2 standard errors and the bias fit into the tolerance: twice it is 4.4 of them.
    assert np.all(np.abs(result.mean["p"] - exact) < 8e-3)


def test_pilots_compile_once_for_all_steps():
    from stochq.ensemble.pilots import pilot_estimator
    from stochq.ensemble.task import Task

    traces = []

    def watched(psi):
        traces.append(1)
        return jnp.abs(psi[0]) ** 2

    equation = sq.models.suv(sq.systems.levels(FLIP), strength=1.0)
    psi, times, scheme = np.array([1, 0j]), np.array([0, 1.0]), sq.schemes.Strang()
    estimator = pilot_estimator(
        Task(equation, frame_of(equation), psi, times, {"f": watched}, scheme, "single", 0), (256, 256)
    )
    estimator.run(256, 1.0, 1, 0)
    first = len(traces)
    for h in (0.5, 0.25, 1 / 3):
        estimator.run(256, h, 1, 0)
    assert len(traces) == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"observables": {"v": lambda psi: jnp.abs(psi) ** 2}},
            r"^observables\['v'\]: expected a function of one state",
        ),
        ({"dt": "0.1"}, r"^dt: expected a positive step; got '0.1'"),
        ({"seed": -1}, "^seed: expected a whole number"),
        ({"trajectories": 10.5}, "^trajectories: expected a whole number"),
    ],
)
def test_bad_input_is_named(options, message):
    given = {"observables": {"p": P}, "trajectories": 100, "dt": 0.1, **options}
    with pytest.raises(ValueError, match=message):
        sq.simulate(sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0), [1, 0], [0, 1], **given)


def test_a_scheme_without_an_order_has_no_tolerance():
    class Unknown(sq.schemes.Scheme):
        strong_order = 0.5

        def requires(self, equation):
            return ""

        def differentiable(self, equation):
            return False

        def budget(self, frame):
            return sq.schemes.EulerMaruyama().budget(frame)

        def prepare(self, frame, dt):
            return sq.schemes.EulerMaruyama().prepare(frame, dt)

    with pytest.raises(ValueError, match=r"^scheme: expected one of known weak order with a tolerance; Unknown\(\)"):
        sq.simulate(
            sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0), [1, 0], [0, 1],
            observables={"p": P}, trajectories=4096, tolerance=0.1, scheme=Unknown(),
        )  # fmt: skip


def test_a_drive_far_from_time_zero_is_told_of_rounding():
    """The same physics, late: in single precision the time is known to a sixteenth only."""
    drive = 2 * np.pi
    driven = sq.systems.driven(sq.systems.levels([0.0, 1.0]), [FLIP], [lambda t: 3 * jnp.cos(drive * t)])
    equation, late = sq.models.suv(driven, strength=0.1), 1e6
    options = {"observables": {"p": P}, "trajectories": 2000, "dt": 0.125}
    early = sq.simulate(equation, [1, 0], [0, 0.5, 1], precision="double", **options)
    with pytest.warns(UserWarning, match=r"^times: up to 1e\+06, where numbers in single precision"):
        sq.simulate(equation, [1, 0], late + np.array([0, 0.5, 1]), **options)
    double = sq.simulate(equation, [1, 0], late + np.array([0, 0.5, 1]), precision="double", **options)
    np.testing.assert_allclose(double.mean["p"], early.mean["p"], atol=1e-6)


def test_a_search_that_takes_long_says_so_before_it_begins():
    """A bias that falls as h², with jumps at a rate of 1 until t = 10⁶: by hand 2·10⁶ steps of a half."""
    from stochq.accuracy.bias import Allowance, Bias, Estimator
    from stochq.accuracy.search import find_step

    class Known(Estimator):
        longest, order, multiple, certain = 1e6, 2, 1, True

        def bias(self, h, allowance):
            one = np.ones((2, 1))
            return Bias(0.0 * one, 0.0 * one, one, one, one, jump_rate=1.0)

        def difference(self, h, finer):
            return np.zeros((2, 1)), np.zeros((2, 1))

        def source(self, h):
            return "known"

    with pytest.warns(UserWarning, match=r"dt: \S+ steps or more for each trajectory to resolve rates of 1,.*'jump'"):
        plan = find_step(Known(), np.array([0.0, 1e6]), ("p",), Allowance(100, None, "single", 0.5))
    assert 0.25 <= plan.dt <= 0.5

"""Operators under an envelope, held against closed forms: with L(t) = f(t) L all that L alone does takes place over
the time s(t) = ∫f² instead of t."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import stochq as sq
from stochq.accuracy import resolution
from stochq.channels import DenseOperators, Modulated, Projectors, RateMatrix, Separable, StratonovichCollapse
from tests import liouville
from tests.judging import judge_ensemble

TIMES = np.linspace(0.0, 2.0, 5)
LOWERING = np.array([[[0.0, 1.0], [0.0, 0.0]]])
QUBIT = [0.6, 0.8]
SWING, TURN = 0.9, 4.0


def swinging(t):
    return 1 + SWING * jnp.sin(TURN * t)


def pulse(t):
    return jnp.exp(-(((t - 1) / 0.3) ** 2))


def crossing(t):
    """It changes its sign, and so do the operators."""
    return jnp.cos(3 * t)


def elapsed(envelope, times=TIMES):
    """∫f² from the first time on, by quadrature."""
    spans = zip(times[:-1], times[1:], strict=True)
    pieces = [quad(lambda t: float(envelope(t)) ** 2, *span, epsabs=1e-10)[0] for span in spans]
    return np.concatenate([[0.0], np.cumsum(pieces)])


def swung(times=TIMES):
    """∫(1 + a sin wt)² = t + 2a(1 − cos wt)/w + a²(t/2 − sin 2wt/4w)."""
    sine = 0.5 * times - np.sin(2 * TURN * times) / (4 * TURN)
    return times + 2 * SWING * (1 - np.cos(TURN * times)) / TURN + SWING**2 * sine


DECAY = Modulated(DenseOperators(np.sqrt(0.7) * LOWERING), swinging)
OUTCOMES = sq.schemes.Strang(increments="discrete")
UPPER: dict[str, Any] = {"upper": np.array([0.0, 1.0])}
EXPECTED = {"upper": 0.64 * np.exp(-0.7 * swung())}


def _decaying(**options):
    return sq.Equation(sq.systems.levels([0.0, 1.5]), [DECAY], **options)


def test_the_quadrature_of_these_tests_is_that_of_the_closed_form():
    np.testing.assert_allclose(elapsed(swinging), swung(), rtol=1e-5)


@pytest.mark.parametrize(
    ("scheme", "dt"),
    [
        (sq.schemes.Strang(), 0.02),
        (OUTCOMES, 0.02),
        (sq.schemes.Extrapolated(sq.schemes.EulerMaruyama()), 0.01),
        (None, None),
    ],
)
@pytest.mark.sweep(2)
def test_a_qubit_decays_by_the_integral_of_the_rate(scheme, dt):
    result = sq.simulate(_decaying(), QUBIT, TIMES, observables=UPPER, trajectories=4096, scheme=scheme, dt=dt, seed=1)
    judge_ensemble(result, EXPECTED, f"swinging decay, {scheme}")


def test_the_master_equation_is_exact():
    solved = sq.exact.evolve(_decaying(), QUBIT, TIMES, observables=UPPER)
    assert solved.method == "ode"
    np.testing.assert_allclose(solved.expect["upper"], EXPECTED["upper"], atol=1e-8)


def test_an_envelope_in_an_envelope_multiplies_it():
    """Rates of f²g², also the largest of them and those of the operators at one time."""
    channel = Modulated(Modulated(DenseOperators(np.sqrt(0.7) * LOWERING), pulse), swinging)
    expected = {"upper": 0.64 * np.exp(-0.7 * elapsed(lambda t: pulse(t) * swinging(t)))}
    equation = sq.Equation(sq.systems.levels([0.0, 1.5]), [channel])
    solved = sq.exact.evolve(equation, QUBIT, TIMES, observables=UPPER)
    np.testing.assert_allclose(solved.expect["upper"], expected["upper"], atol=1e-6)
    result = sq.simulate(equation, QUBIT, TIMES, observables=UPPER, trajectories=4096, dt=0.02, seed=5)
    judge_ensemble(result, expected, "pulsed and swinging decay")
    factor = float(pulse(1.2) * swinging(1.2))
    np.testing.assert_allclose(channel.operators_at(1.2), factor * np.sqrt(0.7) * LOWERING, rtol=1e-5)
    assert channel.strongest(TIMES) >= float(pulse(1.0) * swinging(1.0)) ** 2


def test_a_tolerance_is_met():
    result = sq.simulate(_decaying(), QUBIT, TIMES, observables=UPPER, trajectories=10**6, tolerance=0.02, seed=2)
    assert result.info["reached"] <= 0.02
    assert np.abs(result.mean["upper"] - EXPECTED["upper"]).max() < 0.03


COHERENCE: dict[str, Any] = {"x": np.array([[0.0, 1.0], [1.0, 0.0]]), "z": np.array([1.0, -1.0])}


@pytest.mark.parametrize("noise", ["real", "complex", "unitary"])
@pytest.mark.parametrize("envelope", [pulse, crossing])
@pytest.mark.sweep(2)
def test_collapse_takes_coherence_while_its_pulse_lasts(noise, envelope):
    """Γ_01 = ½(r_0 + r_1) of projectors with the rates r."""
    equation = sq.Equation(np.zeros((2, 2)), [Modulated(Projectors([1.2, 0.8]), envelope)], noise=noise)
    expected = {"x": 0.96 * np.exp(-elapsed(envelope)), "z": np.full(len(TIMES), -0.28)}
    result = sq.simulate(equation, QUBIT, TIMES, observables=COHERENCE, trajectories=4096, dt=0.05, seed=3)
    judge_ensemble(result, expected, f"pulsed collapse, {noise}")
    solved = sq.exact.evolve(equation, QUBIT, TIMES, observables=COHERENCE)
    np.testing.assert_allclose(solved.expect["x"], expected["x"], atol=1e-7)


def test_a_pulse_is_seen_without_being_told():
    """The saved times say nothing of it, and a step from one to the other would miss it."""
    equation = sq.Equation(
        np.zeros((2, 2)), [Modulated(Projectors([9.0, 9.0]), lambda t: jnp.exp(-((t - 3) ** 2 * 50)))]
    )
    times = np.array([0.0, 10.0])
    expected = 0.96 * np.exp(-9 * np.sqrt(np.pi / 100))
    result = sq.simulate(equation, QUBIT, times, observables=COHERENCE, trajectories=2000, seed=4)
    assert abs(result.mean["x"][-1] - expected) < 5 * result.stderr["x"][-1]


TARGET = np.array([0.5, 0.3, 0.1])


@pytest.mark.parametrize("family", [Separable(TARGET), RateMatrix(np.outer(TARGET, np.ones(3)))])
def test_thermalization_relaxes_by_the_integral_of_its_rate(family):
    """p(t) = e^{−as} p(0) + (1 − e^{−as}) A/a, a = ΣA."""
    start = np.array([0.1, 0.2, 0.7])
    kept = np.exp(-TARGET.sum() * elapsed(pulse))[:, None]
    populations = kept * start + (1 - kept) * TARGET / TARGET.sum()
    observables = {f"p{i}": np.eye(3)[i] for i in range(2)}
    equation = sq.Equation(sq.systems.levels([0.0, 1.0, 2.5]), [Modulated(family, pulse)])
    result = sq.simulate(
        equation, np.sqrt(start), TIMES, observables=observables, trajectories=4096, dt=0.05, seed=5
    )  # fmt: skip
    judge_ensemble(result, {f"p{i}": populations[:, i] for i in range(2)}, type(family).__name__)


MATRIX, RATES = np.array([[0.0, 0.6], [0.6, 1.0]]), np.array([1.2, 0.8])


def _composed(steps, duration, place=0.5):
    """ρ after Strang's steps with the envelope frozen at a place of each: half a step of H, decay, half a step of H."""
    energies, vectors = np.linalg.eigh(MATRIX)
    h, rho = duration / steps, np.outer(QUBIT, QUBIT).astype(complex)
    half = (vectors * np.exp(-0.5j * h * energies)) @ vectors.T
    for step in range(steps):
        kept = np.exp(-h * RATES.mean() * float(swinging((step + place) * h)) ** 2)
        rho = half @ rho @ half.conj().T
        rho = half @ (rho * np.array([[1, kept], [kept, 1]])) @ half.conj().T
    return rho


def _solved(duration):
    """ρ by a Runge-Kutta method of SciPy's."""

    def slope(t, flat):
        jumps = float(swinging(t)) * np.sqrt(RATES)[:, None, None] * np.eye(2)[:, :, None] * np.eye(2)[:, None, :]
        return liouville.lindblad(MATRIX, jumps, flat.reshape(2, 2)).reshape(-1)

    start = np.outer(QUBIT, QUBIT).astype(complex).reshape(-1)
    return solve_ivp(slope, (0, duration), start, method="DOP853", rtol=1e-8, atol=1e-10).y[:, -1].reshape(2, 2)


def test_the_composition_with_the_middle_is_of_second_order():
    """Of plain matrices. The start of the step would be of first order."""
    exact = _solved(1.6)
    for place, least in ((0.5, 3.5), (0.0, 1.5)):
        coarse, fine = (np.abs(_composed(steps, 1.6, place) - exact).max() for steps in (16, 32))
        assert least < coarse / fine < least + 1


def test_a_step_takes_the_envelope_in_its_middle():
    """Collapse has no error in the mean but that of the composition, which plain matrices give at any step."""
    equation = sq.Equation(sq.systems.levels(MATRIX), [Modulated(Projectors(RATES), swinging)])
    for steps in (1, 2):
        result = sq.simulate(
            equation, QUBIT, [0.0, 0.6], observables=COHERENCE, trajectories=20_000, dt=0.6 / steps, seed=6
        )
        middle, start = (_composed(steps, 0.6, place) for place in (0.5, 0.0))
        expected, wrong = (2 * rho[0, 1].real for rho in (middle, start))
        error = result.stderr["x"][-1]
        assert abs(result.mean["x"][-1] - expected) < 4 * error < 0.5 * abs(expected - wrong)


def test_envelopes_are_known_by_their_programs():
    """Two that do the same are one problem, others do not merge."""

    def run(phase, seed):
        equation = sq.Equation(np.zeros((2, 2)), [Modulated(Projectors(RATES), lambda t: jnp.sin(t + phase))])
        return sq.simulate(equation, QUBIT, [0.0, 0.2], observables=COHERENCE, trajectories=32, dt=0.1, seed=seed)

    first, again, different = run(0.1, 1), run(0.1, 2), run(0.2, 3)
    assert first.merge(again).trajectories == 64
    with pytest.raises(ValueError, match="^merge: expected two runs of one problem"):
        first.merge(different)


def test_other_numbers_are_not_compiled_again(monkeypatch):
    compiled = []
    monkeypatch.setattr(Modulated, "elapsed", lambda *args, kept=Modulated.elapsed: compiled.append(1) or kept(*args))

    def run(rate):
        equation = sq.Equation(np.zeros((2, 2)), [Modulated(Projectors([rate, rate]), swinging)])
        sq.simulate(equation, QUBIT, [0.0, 0.2], observables=COHERENCE, trajectories=32, dt=0.1)
        return len(compiled)

    first = run(0.4)
    assert 0 < first
    traced_once = run(0.5) - first
    assert traced_once <= 1  # its program's digest


def test_an_envelope_by_numpy_is_refused_with_the_repair():
    with pytest.raises(ValueError, match="^envelope: expected a function of t that JAX can compile.*jnp.cos"):
        Modulated(Projectors([1.0, 1.0]), np.cos)


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        (0.5, "^envelope: expected a function of the time t; got 0.5"),
        (lambda t: jnp.exp(1j * t), "^envelope: expected one finite real number"),
        (lambda t: jnp.stack([t, t]), "^envelope: expected one finite real number"),
        (lambda t: 1 / t, "^envelope: expected one finite real number"),
    ],
)
def test_other_envelopes_are_refused(envelope, message):
    with pytest.raises(ValueError, match=message):
        Modulated(Projectors([1.0, 1.0]), envelope)


def test_what_has_no_envelope_says_why():
    with pytest.raises(ValueError, match="^channel: expected one such as"):
        Modulated(LOWERING, pulse)
    with pytest.raises(ValueError, match="^channel: collapse with a drift of its own"):
        Modulated(StratonovichCollapse(1.0, 1.0, np.eye(2)), pulse)
    with pytest.raises(ValueError, match="^colour: the integrals of coloured noise"):
        sq.Equation(
            np.zeros((2, 2)), [Modulated(Projectors([1.0, 1.0]), pulse)], noise="unitary",
            colour=sq.noise.OrnsteinUhlenbeck(0.1),
        )  # fmt: skip
    with pytest.raises(ValueError, match="^channels: expected operators that do not depend on time"):
        DECAY.operators()


@pytest.mark.parametrize("method", ["closed-form", "liouvillian", "split"])
def test_methods_for_constant_generators_are_refused(method):
    with pytest.raises(ValueError, match="a channel depends on time"):
        sq.exact.evolve(_decaying(), QUBIT, TIMES, method=method)


def test_there_is_no_steady_state():
    with pytest.raises(ValueError, match="^equation: expected a Hamiltonian and channels that do not depend on time"):
        sq.exact.steady_state(_decaying())


def test_a_step_resolves_the_largest_rate_and_frequencies_of_which_nothing_is_known():
    """Euler's step resolves those of the Hamiltonian all the same."""
    assert abs(DECAY.strongest(np.array([0.0, 2.0])) - (1 + SWING) ** 2) < 1e-3
    assert DECAY.strongest(np.array([0.0, 1e-9])) == pytest.approx(1.0)
    assert resolution.bandwidth(_decaying()) == np.inf
    assert resolution.explicit_limit(_decaying(), sq.schemes.EulerMaruyama()) == pytest.approx(1 / 1.5)


def test_an_envelope_that_is_not_finite_later_is_refused():
    equation = sq.Equation(np.zeros((2, 2)), [Modulated(Projectors([1.0, 1.0]), lambda t: 1 / (1 - t))])
    with pytest.raises(ValueError, match="^envelope: expected finite numbers from t = 0 to 2; got one .* t = 1."):
        sq.simulate(equation, QUBIT, [0.0, 1.0, 2.0], observables=COHERENCE, trajectories=32)


def test_gradients_pass_where_the_envelope_vanishes():
    """x = .96 exp(−½ r a²) at t = 1 with f = a from t = ½ on; slopes of single runs scatter by more than their mean, so
    that 2048 give them to a few percent."""

    def coherence(numbers):
        rate, height = numbers
        channel = Modulated(Projectors(rate * jnp.ones(2)), lambda t: height * jnp.where(t < 0.5, 0.0, 1.0))
        equation = sq.Equation(np.zeros((2, 2)), [channel])
        means = sq.expectations(equation, QUBIT, [0.0, 1.0], observables=COHERENCE, trajectories=2048, dt=0.1)
        return means["x"][-1]

    rate, height = 0.8, 1.1
    slopes = jax.grad(coherence)(jnp.array([rate, height]))
    value = 0.96 * np.exp(-0.5 * rate * height**2)
    np.testing.assert_allclose(slopes, [-0.5 * height**2 * value, -rate * height * value], rtol=0.1)


def test_the_default_scheme_is_that_of_the_operators_without_the_envelope():
    assert sq.schemes.default_scheme(_decaying(), averages=True) == OUTCOMES
    assert sq.schemes.default_scheme(_decaying()) == sq.schemes.Strang()

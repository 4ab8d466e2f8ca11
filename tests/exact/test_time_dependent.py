"""Master equations that depend on time, against QuTiP's and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import DenseOperators, Modulated, Projectors, TimeDependentOperator
from tests import oracles

qutip = pytest.importorskip("qutip")

TIMES = np.array([0.2, 0.9, 2.0, 3.5])


def _by_qutip(hamiltonian, jumps, rho, observable):
    solved = qutip.mesolve(
        hamiltonian,
        qutip.Qobj(rho),
        TIMES,
        c_ops=jumps,
        e_ops=[qutip.Qobj(observable)],
        options={"atol": 1e-11, "rtol": 1e-9, "nsteps": 100_000},
    )
    return np.real(solved.expect[0])


def test_drive_and_envelopes():
    """H = H₀ + cos(3t)H₁ + t H₂, an operator with a Gaussian envelope, projectors with a ramp, a constant operator."""
    matrix, *drives = (oracles.random_hermitian(3, seed) for seed in (1, 2, 3))
    drives = [drives[0], np.diag(np.diag(drives[1]).real)]
    jump, constant = oracles.random_unitary(3, 4), 0.4 * oracles.random_unitary(3, 5)
    system = sq.systems.driven(
        sq.systems.levels(matrix), [drives[0], np.diag(drives[1])], [lambda t: jnp.cos(3 * t), lambda t: t]
    )
    pulsed = Modulated(DenseOperators(jump[None]), lambda t: jnp.exp(-((t - 1) ** 2)))
    ramped = Modulated(Projectors([0.3, 0.1, 0.6]), lambda t: 0.5 * t)
    equation = sq.Equation(system, [pulsed, ramped, DenseOperators(constant[None])])
    rho, observable = oracles.random_density(3, 6), oracles.random_hermitian(3, 7)
    hamiltonian = [
        qutip.Qobj(matrix),
        [qutip.Qobj(drives[0]), lambda t: np.cos(3 * t)],
        [qutip.Qobj(drives[1]), lambda t: t],
    ]
    jumps = [qutip.QobjEvo([[qutip.Qobj(jump), lambda t: np.exp(-((t - 1) ** 2))]]), qutip.Qobj(constant)]
    for level, rate in enumerate((0.3, 0.1, 0.6)):
        projector = qutip.Qobj(np.diag(np.sqrt(rate) * np.eye(3)[level]))
        jumps.append(qutip.QobjEvo([[projector, lambda t: 0.5 * t]]))
    found = sq.exact.evolve(equation, rho, TIMES, observables={"o": observable})
    assert found.method == "ode"
    np.testing.assert_allclose(found.expect["o"], _by_qutip(hamiltonian, jumps, rho, observable), atol=2e-7)


def test_pulses_that_are_short_in_a_long_run():
    """A π pulse and a pulse of loss of width 0.5 after 70 and 80 of 100 quiet units of time."""
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    lower = np.array([[0.0, 0.0], [1.0, 0.0]])

    def pulse(t, centre):
        return jnp.exp(-(((t - centre) / 0.5) ** 2)) / (0.5 * jnp.sqrt(jnp.pi))

    system = sq.systems.driven(sq.systems.levels([0.0, 0.0]), [np.pi / 2 * x], [lambda t: pulse(t, 70.0)])
    lossy = Modulated(DenseOperators(lower[None]), lambda t: jnp.sqrt(pulse(t, 80.0)))
    excited = {"excited": np.array([1.0, 0.0])}
    equation, times, expected = sq.Equation(system, [lossy]), [0.0, 75.0, 100.0], [0.0, 1.0, np.exp(-1.0)]
    found = sq.exact.evolve(equation, [0.0, 1.0], times, observables=excited)
    np.testing.assert_allclose(found.expect["excited"], expected, atol=1e-7)
    found = sq.exact.expectations(equation, [0.0, 1.0], times, observables=excited)
    np.testing.assert_allclose(found["excited"], expected, atol=1e-6)


def test_complex_drives_and_operators_that_change_their_form():
    """H = F e^{−2it}A + h.c. and L = A + e^{0.7it} sin(t) B."""
    first, second = oracles.random_unitary(3, 1), oracles.random_unitary(3, 2)
    system = sq.systems.driven(sq.systems.levels([0.0, 0.5, 1.2]), [first], [lambda t: 0.8 * jnp.exp(-2j * t)])
    turning = TimeDependentOperator([(0.5 * second, jnp.ones_like), (first, lambda t: jnp.exp(0.7j * t) * jnp.sin(t))])
    equation = sq.Equation(system, [turning])
    rho, observable = oracles.random_density(3, 6), oracles.random_hermitian(3, 7)
    hamiltonian = [
        qutip.Qobj(np.diag([0.0, 0.5, 1.2])),
        [qutip.Qobj(first), lambda t: 0.8 * np.exp(-2j * t)],
        [qutip.Qobj(first.conj().T), lambda t: 0.8 * np.exp(2j * t)],
    ]
    changing = [qutip.Qobj(0.5 * second), [qutip.Qobj(first), lambda t: np.exp(0.7j * t) * np.sin(t)]]
    expected = _by_qutip(hamiltonian, [qutip.QobjEvo(changing)], rho, observable)
    found = sq.exact.evolve(equation, rho, TIMES, observables={"o": observable})
    np.testing.assert_allclose(found.expect["o"], expected, atol=2e-7)
    traced = sq.exact.expectations(equation, rho, TIMES, observables={"o": observable})
    np.testing.assert_allclose(traced["o"], expected, atol=2e-7)


def test_square_pulses():
    """A Rabi rotation by 1.2 between t = 0.5 and 1.1 and back by 0.4 until 1.3, whether the jumps are stated or not."""
    x = np.array([[0.0, 1.0], [1.0, 0.0]])

    def pulses(t):
        return jnp.where((t >= 0.5) & (t < 1.1), 1.0, 0.0) - jnp.where((t >= 1.1) & (t < 1.3), 1.0, 0.0)

    excited = {"excited": np.array([1.0, 0.0])}
    expected = [0.0, np.sin(0.6) ** 2, np.sin(0.4) ** 2]
    for coefficient, atol in ((pulses, 1e-6), (sq.systems.piecewise(pulses, [0.5, 1.1, 1.3]), 1e-9)):
        system = sq.systems.driven(sq.systems.levels([0.0, 0.0]), [x], [coefficient])
        found = sq.exact.evolve(sq.Equation(system, []), [0.0, 1.0], [0.0, 1.1, 2.0], observables=excited)
        np.testing.assert_allclose(found.expect["excited"], expected, atol=atol)
        traced = sq.exact.expectations(sq.Equation(system, []), [0.0, 1.0], [0.0, 1.1, 2.0], observables=excited)
        np.testing.assert_allclose(traced["excited"], expected, atol=100 * atol)


@pytest.mark.release
def test_a_pulse_of_a_tenthousandth_of_the_run():
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    drive = [(x, lambda t: 50.0 / jnp.sqrt(2 * jnp.pi) * jnp.exp(-0.5 * ((t - 61.7137) / 0.01) ** 2))]
    equation = sq.Equation(sq.systems.driven(sq.systems.levels([0.0, 0.0]), drive), [])
    found = sq.exact.evolve(equation, [1.0, 0.0], [0.0, 100.0], observables={"z": [1.0, -1.0]})
    np.testing.assert_allclose(found.expect["z"][-1], np.cos(1.0), atol=1e-6)

"""Equations of parts on the states of the whole, against Lindblad's and against Kronecker products."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from tests import liouville
from tests.judging import judge_ensemble, judge_mean
from tests.problems import hermitian, state

ALICE, BOB = sq.systems.levels(hermitian(3, 1)), sq.systems.levels([0.0, 0.7])
LOWER = np.array([[0.0, 0.8], [0.0, 0.0]])
COUPLING = (0.4, {"alice": hermitian(3, 2), "bob": [1.0, -1.0]})
JOINT = sq.systems.tensor(bob=BOB, alice=ALICE, coupling=[COUPLING])
MATRIX = np.kron(np.diag([0.0, 0.7]), np.eye(3)) + np.kron(np.eye(2), hermitian(3, 1))
MATRIX = MATRIX + 0.4 * np.kron(np.diag([1.0, -1.0]), hermitian(3, 2))
CHI = np.array([0.6, 0.3, 0.1])
VECTORS = np.linalg.eigh(hermitian(3, 1))[1]
BASIS = np.linalg.eigh(hermitian(3, 3))[1]
WATCHED = {"all": hermitian(6, 4), "alice": np.kron(np.eye(2), hermitian(3, 5))}
TIMES = np.linspace(0.0, 1.2, 4)


def _thermal():
    """√(aχ_μ)|μ⟩⟨ν| of Alice's energy eigenstates, without the coupling."""
    units = np.eye(3)
    local = [np.sqrt(0.9 * CHI[m]) * np.outer(units[m], units[n]) for m in range(3) for n in range(3)]
    return [np.kron(np.eye(2), VECTORS @ one @ VECTORS.conj().T) for one in local]


def _collapse():
    return [np.kron(np.eye(2), np.sqrt(0.8) * np.outer(one, one.conj())) for one in BASIS.T]


CASES = {
    "thermalization": (sq.models.oqt(ALICE, strength=0.9, equilibrium=CHI), _thermal()),
    "collapse": (sq.models.suv(ALICE, strength=0.8, basis=BASIS), _collapse()),
}


def _squares():
    """Of expectation values: not linear in the density matrix."""
    return {f"{name}²": lambda psi, o=o: jnp.real(jnp.vdot(psi, o @ psi)) ** 2 for name, o in WATCHED.items()}


def _expected(jumps):
    rho = liouville.density(MATRIX, jumps, state(6, 6), TIMES)
    return {name: liouville.expectation(operator, rho) for name, operator in WATCHED.items()}


@pytest.mark.release
@pytest.mark.parametrize("name", CASES)
def test_two_parts_with_noise_and_a_coupling(name):
    """Means against Lindblad's equation by SciPy; squares against a run of the Kronecker products."""
    equation, jumps = CASES[name]
    jumps = [*jumps, np.kron(LOWER, np.eye(3))]
    equation = sq.models.composite(JOINT, {"alice": equation, "bob": sq.models.unravel(BOB, [LOWER])})
    runs = [
        sq.simulate(one, state(6, 6), TIMES, observables=WATCHED | _squares(), trajectories=count, dt=dt, seed=seed)
        for one, count, dt, seed in (
            (equation, 2**14, 0.05, 1),
            (sq.models.unravel(JOINT, jumps), 2**13, 0.025, 2),
        )
    ]
    for watched, curve in _expected(jumps).items():
        judge_mean(runs[0].mean[watched], runs[0].stderr[watched], curve, f"{name}, {watched}")
    for square in _squares():
        means, errors = ([getattr(run, kind)[square] for run in runs] for kind in ("mean", "stderr"))
        judge_mean(means[0], np.hypot(*errors), means[1], f"{name}, {square}")


@pytest.mark.release
def test_gradients_of_trajectories_pass_through_the_thermalization_of_a_part():
    """E(t) = E_χ + (E_0 − E_χ)e^{−at}, whatever the part is entangled with."""
    alice = sq.systems.levels([0.0, 1.0])
    joint, psi0 = sq.systems.tensor(bob=BOB, alice=alice), state(4, 6)
    watched = {"energy": np.array([0.0, 1.0, 0.0, 1.0])}

    def energy(strength, seed):
        part = sq.models.oqt(alice, strength=strength, equilibrium=[0.7, 0.3])
        equation = sq.models.composite(joint, {"alice": part})
        run = sq.expectations(equation, psi0, [0, 1], observables=watched, trajectories=256, dt=0.1, seed=seed)
        return run["energy"][-1]

    slopes = np.array([jax.grad(energy)(0.9, seed) for seed in range(8)])
    start = watched["energy"] @ np.abs(psi0) ** 2
    judge_mean(slopes.mean(), slopes.std(ddof=1) / 8**0.5, -(start - 0.3) * np.exp(-0.9), "slope")


@pytest.mark.release
def test_clicks_tell_every_transition():
    jumping = sq.models.oqt(ALICE, strength=0.9, equilibrium=CHI, noise="jump")
    equation = sq.models.composite(JOINT, {"alice": jumping})
    run = sq.simulate(equation, state(6, 6), TIMES, observables=WATCHED, trajectories=2**13)
    judge_ensemble(run, _expected(_thermal()), "clicks")
    assert len(equation.lines) == 9


def test_the_master_equation_and_the_names_of_records():
    """The order of the operators is that in which the parts and their operators are given."""
    leaks = sq.models.unravel(BOB, [LOWER, np.diag([0.1, 0.2])])
    equation = sq.models.composite(JOINT, {"bob": leaks, 1: CASES["collapse"][0]})
    assert [line.name for line in equation.lines] == [f"L{place}" for place in range(5)]
    exact = sq.exact.evolve(equation, state(6, 6), TIMES, observables=WATCHED)
    jumps = [np.kron(LOWER, np.eye(3)), np.kron(np.diag([0.1, 0.2]), np.eye(3)), *_collapse()]
    for name, curve in _expected(jumps).items():
        np.testing.assert_allclose(exact.expect[name], curve, atol=1e-7)
    watched = equation.watched_parts().watched
    np.testing.assert_allclose(watched[:2], jumps[:2], atol=1e-12)


class Pulsed(sq.channels.Channel):
    """Somebody's own: the default of a part would be what it is at one time."""

    time_dependent = True

    def operators(self):
        return jnp.asarray(LOWER)[None]

    def operators_at(self, t):
        return jnp.sin(t) * jnp.asarray(LOWER)[None]


WRONG = {
    "joint: expected a system from sq.systems.tensor": lambda: sq.models.composite(ALICE, {"alice": ALICE}),
    "equations: expected them by their parts": lambda: sq.models.composite(JOINT, {}),
    "equations: expected one of bob, alice": lambda: sq.models.composite(JOINT, {"carol": ALICE}),
    "equations: expected one for each part; got two for bob": lambda: sq.models.composite(JOINT, {"bob": BOB, 0: BOB}),
    "equations['alice']: expected an equation on the Hamiltonian": lambda: sq.models.composite(JOINT, {"alice": BOB}),
    "equations['alice']: equation: expected": lambda: sq.models.composite(JOINT, {"alice": "suv"}),
    "equations['bob']: expected an equation without detectors": lambda: sq.models.composite(
        JOINT, {"bob": sq.models.monitored(BOB, {"x": sq.measurement.homodyne(LOWER)})}
    ),
    "equations['bob']: collapse with a drift of its own": lambda: sq.models.composite(
        JOINT, {"bob": sq.models.coloured_suv(BOB, drift=1.0, coupling=1.0, colour=None)}
    ),
    "equations['0']: 259 operators of 130 states each are too many": lambda: sq.models.composite(
        sq.systems.tensor(np.zeros(130), [0.0, 1.0]),
        {0: sq.Equation(np.zeros(130), [sq.channels.Kicks(np.ones((130, 130)))])},
    ),
    "equations: expected one hbar": lambda: sq.models.composite(
        JOINT, {"bob": sq.models.suv(BOB, strength=1.0, hbar=2.0), "alice": sq.models.suv(ALICE, strength=1.0)}
    ),
    "equations: expected one hbar for all, the systems included; got 1, 2": lambda: sq.models.composite(
        sq.systems.tensor(bob=BOB, mode=sq.systems.oscillator(3, hbar=2.0)), {"bob": sq.models.suv(BOB, strength=1.0)}
    ),
    "equations['bob']: Pulsed depends on time": lambda: sq.models.composite(
        JOINT, {"bob": sq.Equation(BOB, [Pulsed()])}
    ),
    "equations: expected coloured noise on one part": lambda: sq.models.composite(
        JOINT,
        {
            "alice": sq.models.suv(ALICE, strength=1.0),
            "bob": sq.Equation(
                BOB, [sq.channels.Projectors([1.0, 1.0])], "unitary", colour=sq.noise.OrnsteinUhlenbeck(0.1)
            ),
        },
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_said(message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        WRONG[message]()


def test_a_model_with_a_term_of_its_own_in_h_is_a_part_by_its_hamiltonian():
    """Friction on one of two: x'' = -x - 0.2 x'."""
    alone = sq.systems.oscillator(12)
    brownian = sq.models.brownian(alone, friction=0.2, beta=3.0)
    with pytest.raises(ValueError, match="is a part as sq.systems.tensor"):
        sq.models.composite(sq.systems.tensor(bob=BOB, oscillator=alone), {"oscillator": brownian})
    joint = sq.systems.tensor(bob=BOB, oscillator=brownian.hamiltonian)
    equation = sq.models.composite(joint, {"oscillator": brownian})
    psi0 = joint.product(bob=[0, 1], oscillator=alone.coherent(0.3))
    position = joint.embed(alone.operators["position"], "oscillator")
    exact = sq.exact.evolve(equation, psi0, TIMES, observables={"x": position})
    nu = np.sqrt(1 - 0.1**2)
    x = 0.3 * np.sqrt(2) * np.exp(-0.1 * TIMES) * (np.cos(nu * TIMES) + 0.1 / nu * np.sin(nu * TIMES))
    assert np.allclose(exact.expect["x"], x, atol=1e-4)

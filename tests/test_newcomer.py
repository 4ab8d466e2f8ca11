"""What a newcomer may get wrong: one error each, whose first line names the argument, in words that are not JAX's."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
import qutip

import stochq as sq

H, PSI, TIMES = [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]
LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])
FLIP = LOWER + LOWER.T
EQUATION = sq.models.unravel(H, [LOWER])


def simulate(**changed):
    given = {"equation": EQUATION, "psi0": PSI, "times": TIMES, "observables": {"p": [0.0, 1.0]}, "dt": 0.5}
    return sq.simulate(**(given | {"trajectories": 4} | changed))


def observe(observable):
    return simulate(observables={"a": observable})


def drive(coefficient):
    return sq.systems.driven(H, [FLIP], [coefficient])


class Pulse:
    """A function whose numbers may change: it has no hash."""

    __hash__ = None

    def __call__(self, t):
        return 1.0 * t

    def __eq__(self, other):
        return True


# The argument (or place) that the first line begins with, and what it contains besides.
WRONG = {
    "one matrix for a list": (lambda: sq.models.unravel(H, LOWER), "jump_operators", r"\[L\]"),
    "no operators": (lambda: sq.models.unravel(H, None), "jump_operators", r"\[L\]"),
    "operators by name": (lambda: sq.models.unravel(H, {"a": LOWER}), "jump_operators", r"\[L\]"),
    "a function of time as operator": (
        lambda: sq.models.unravel(H, [lambda t: LOWER]), "jump_operators[0]", "TimeDependentOperator"
    ),
    "a pair of QuTiP's": (lambda: sq.models.unravel(H, [[LOWER, np.cos]]), "jump_operators[0]", "TimeDependent"),
    "an operator of another size": (lambda: sq.models.unravel(H, [np.eye(3)]), "jump_operators[0]", r"\(2, 2\)"),
    "a ket as operator": (lambda: sq.models.unravel(H, [qutip.basis(2, 0)]), "jump_operators[0]", "ket"),
    "a system by name": (lambda: sq.models.unravel("ising", [LOWER]), "hamiltonian", "sq.systems"),
    "QuTiP's list format": (
        lambda: sq.models.unravel([qutip.sigmaz(), [qutip.sigmax(), np.cos]], [LOWER]), "hamiltonian", "driven"
    ),
    "not Hermitian": (lambda: sq.models.suv(LOWER, strength=1.0), "hamiltonian", "Hermitian"),
    "a generator": (lambda: simulate(equation=qutip.liouvillian(qutip.sigmaz())), "equation", "superoperator"),
    "H and L in a pair": (lambda: simulate(equation=(H, [LOWER])), "equation", "rows differ"),
    "a law that is none": (lambda: sq.models.unravel(H, [LOWER], noise="white"), "noise", "'white'"),
    "a rate in words": (lambda: sq.models.suv(H, strength="big"), "strength", "'big'"),
    "hbar in words": (lambda: sq.models.unravel(H, [LOWER], hbar="1"), "hbar", "real number"),
    "a state in words": (lambda: simulate(psi0="up"), "psi0", "'up'"),
    "a ragged state": (lambda: simulate(psi0=[[1], [1, 0]]), "psi0", "rows differ"),
    "a column": (lambda: simulate(psi0=np.array([[0.0], [1.0]])), "psi0", r"\[:, 0\]"),
    "a state of another size": (lambda: simulate(psi0=qutip.basis(3, 0)), "psi0", r"\(2,\)"),
    "not normalised": (lambda: simulate(psi0=[1.0, 1.0]), "psi0", "sq.normalize"),
    "a list of kets": (lambda: simulate(psi0=[qutip.basis(2, 0)]), "psi0", "numbers"),
    "the number of times": (lambda: simulate(times=3), "times", "at least two"),
    "times backwards": (lambda: simulate(times=[1.0, 0.0]), "times", "increasing"),
    "a list of operators": (lambda: simulate(observables=[qutip.sigmaz()]), "observables", "{name: operator}"),
    "an operator alone": (lambda: simulate(observables=qutip.sigmaz()), "observables", "{name: operator}"),
    "a name that is not there": (lambda: simulate(observables=["sigma_z"]), "observables", "'energy'"),
    "a number for a name": (lambda: simulate(observables={1: H}), "observables", "'1'"),
    "a class for an object": (lambda: observe(sq.Density), "observables['a']", r"Density\(...\)"),
    "NumPy in an observable": (lambda: observe(lambda psi: np.abs(psi[0]) ** 2), "observables['a']", "jnp.abs"),
    "an element that is not there": (
        lambda: observe(lambda psi: jnp.abs(psi[5]) ** 2), "observables['a']", r"psi\[5\]"
    ),
    "one from the end": (lambda: observe(lambda psi: psi[-3].real), "observables['a']", r"psi\[-3\]"),
    "if in an observable": (lambda: observe(lambda psi: 1.0 if abs(psi[0]) > 0.5 else 0.0), "observables['a']", "jnp"),
    "QuTiP in an observable": (
        lambda: observe(lambda psi: qutip.expect(qutip.sigmaz(), qutip.Qobj(psi))), "observables['a']", "jnp"
    ),
    "a method of QuTiP's": (lambda: observe(lambda psi: psi.dag() * psi), "observables['a']", "jnp.vdot"),
    "an observable without a value": (lambda: observe(lambda psi: None), "observables['a']", "NoneType"),
    "an observable with many values": (lambda: observe(lambda psi: psi), "observables['a']", "for each"),
    "an observable of the time": (lambda: observe(lambda t, psi: 1.0), "observables['a']", "psi alone"),
    "an observable that fails": (lambda: observe(lambda psi: 1 / 0), "observables['a']", "ZeroDivisionError"),
    "a histogram of a name": (lambda: sq.Histogram("energy", [0.0, 1.0]), "operator", "'energy'"),
    "the number of bins": (lambda: sq.Histogram(FLIP, 10), "edges", "edges"),
    "a scheme by name": (lambda: simulate(scheme="euler"), "scheme", r"EulerMaruyama\(\)"),
    "the class of a scheme": (lambda: simulate(scheme=sq.schemes.Strang), "scheme", r"Strang\(\)"),
    "part of a trajectory": (lambda: simulate(trajectories=10.5), "trajectories", "10.5"),
    "a step in words": (lambda: simulate(dt="auto"), "dt", "'auto'"),
    "a list of seeds": (lambda: simulate(seed=[1, 2]), "seed", "whole number"),
    "a precision of NumPy's": (lambda: simulate(precision="float32"), "precision", "'single'"),
    "all trajectories": (lambda: simulate(keep="all"), "keep", "'all'"),
    "a record that is not there": (lambda: simulate(records=["current"]), "records", "'L0'"),
    "NumPy in a drive": (lambda: drive(lambda t: np.cos(t)), "coefficients[0]", "jnp.cos"),
    "a function of math": (lambda: drive(math.cos), "coefficients[0]", "jnp.cos"),
    "if in a drive": (lambda: drive(lambda t: 1.0 if t < 1 else 0.0), "coefficients[0]", "jnp.where"),
    "a drive with args": (lambda: drive(lambda t, args: 1.0), "coefficients[0]", "t alone"),
    "a drive without a value": (lambda: drive(lambda t: None), "coefficients[0]", "NoneType"),
    "a drive that may change": (lambda: drive(Pulse()), "coefficients[0]", "frozen=True"),
    "a drive in words": (lambda: sq.systems.driven(H, [(FLIP, "cos(t)")]), "terms", r"lambda t: jnp.cos\(t\)"),
    "NumPy in a phase": (lambda: sq.measurement.homodyne(LOWER, phase=lambda t: np.sin(t)), "phase", "jnp"),
    "an operator for a detector": (lambda: sq.models.monitored(H, {"a": LOWER}), "detectors['a']", "homodyne"),
    "an efficiency in per cent": (lambda: sq.measurement.homodyne(LOWER, efficiency=60), "efficiency", "0.6"),
    "a trace of two": (lambda: sq.exact.evolve(EQUATION, np.eye(2), TIMES), "psi0|rho0", "trace"),
    "weights in words": (lambda: sq.models.oqt(H, strength=1.0, equilibrium="thermal"), "equilibrium", "weights"),
    "a temperature in words": (lambda: sq.canonical(H, "hot"), "beta", "'hot'"),
    "a potential of math": (lambda: sq.systems.particle(16, 10.0, 1.0, lambda x: math.cos(x)), "potential", "np.cos"),
    "levels without a grid": (lambda: sq.models.csl(H, rate=1.0, length=1.0), "particle", "sq.systems.particle"),
    "numbers to compare": (lambda: sq.compare(1, 2), "ensemble, exact", "sq.simulate"),
    "numbers as a record": (lambda: sq.inference.filter(EQUATION, PSI, [1.0, 2.0]), "record", "Record"),
    "a name that cannot be a file": (lambda: sq.load(3), "path", "file"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_by_name(case):
    call, argument, words = WRONG[case]
    with pytest.raises((ValueError, TypeError)) as refusal:
        call()
    text = str(refusal.value)
    first = text.split("\n")[0]
    assert any(first.startswith(f"{name}: ") for name in argument.split("|")), first
    refusal.match(words)
    assert not any(word in text for word in ("Tracer", "hash", "has no attribute"))


@pytest.mark.parametrize("case", ["NumPy in an observable", "NumPy in a drive", "if in a drive", "a method of QuTiP's"])
def test_the_cause_is_what_jax_said(case):
    with pytest.raises(ValueError) as refusal:
        WRONG[case][0]()
    assert refusal.value.__cause__ is not None


def test_what_is_right_beside_it_passes():
    """The repairs that messages name are taken."""
    drive(lambda t: jnp.where(t < 1, jnp.cos(t), 0.0))
    sq.channels.TimeDependentOperator([(LOWER, lambda t: jnp.cos(t))])
    sq.systems.driven(qutip.sigmaz(), [(qutip.sigmax(), lambda t: jnp.cos(t))])
    sq.models.unravel(H, [LOWER])

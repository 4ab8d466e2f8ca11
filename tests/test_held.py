"""What a function reads from outside counts: with another number there it is another function."""

import sys
import types
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.held import held_numbers

PAULI_X = np.array([[0.0, 1.0], [1.0, 0.0]])
P = {"p": np.array([0.0, 1.0])}
GLOBAL = 1.0


def _of_a_global(x):
    return GLOBAL * x


def _of_a_helper(x):
    return _of_a_global(x) + 1


params = types.ModuleType("params_of_a_test")
exec("omega, table = 1.0, [1.0, 2.0]\ndef envelope(t): return omega * t", params.__dict__)
sys.modules[params.__name__] = params
envelope = params.envelope


class Constants:
    omega = 1.0

    @staticmethod
    def of_a_global(x):
        return GLOBAL * x


class Setup:
    def __init__(self):
        self.drive, self.weights, self.log = Pulse(1.0), [1.0, 2.0], []

    @cached_property
    def scale(self):
        return 2.0

    def __call__(self, x):
        self.log.append(1)
        return self.scale * self.drive.height * x


@dataclass
class Pulse:
    height: float

    def at(self, t):
        return self.height * t

    def counted(self, t):
        self.calls = getattr(self, "calls", 0) + 1
        return self.height * t


def _changes():
    """Functions, and what changes what each of them reads."""
    amplitude, weights, numbers, table, pulse = 1.0, np.ones(2), [1.0, 2.0], {"inner": {"a": 1.0}}, Pulse(1.0)
    setup = Setup()

    def imports(x):
        import params_of_a_test as inside

        return inside.omega * x

    def imports_a_number(x):
        from params_of_a_test import omega

        return omega * x

    def with_lists_of_its_own(x):
        out, shares = [], {}
        shares["a"] = x
        out.append(jnp.add(x, numbers[0]))
        return out[0] + shares["a"]

    def raise_global():
        global GLOBAL
        GLOBAL += 1.0

    def raise_amplitude():
        nonlocal amplitude
        amplitude += 1.0

    cases = {
        "global": (_of_a_global, raise_global),
        "helper": (_of_a_helper, raise_global),
        "around": (lambda x: amplitude * x, raise_amplitude),
        "nested": (lambda x: (lambda y: amplitude * y)(x), raise_amplitude),
        "array": (lambda x: jnp.sum(weights) * x, lambda: weights.__setitem__(0, 3.0)),
        "list": (lambda x: numbers[0] * x, lambda: numbers.__setitem__(0, 3.0)),
        "dict": (lambda x: table["inner"]["a"] * x, lambda: table["inner"].update(a=3.0)),
        "object": (lambda x: pulse.height * x, lambda: setattr(pulse, "height", 3.0)),
        "method": (pulse.at, lambda: setattr(pulse, "height", pulse.height + 1)),
        "partial": (partial(lambda a, x: jnp.sum(a) * x, weights), lambda: weights.__setitem__(1, 3.0)),
        "module": (lambda x: params.omega * x, lambda: setattr(params, "omega", params.omega + 1)),
        "list in a module": (lambda x: params.table[0] * x, lambda: params.table.append(1.0)),
        "function of a module": (lambda x: params.envelope(x), lambda: setattr(params, "omega", params.omega + 1)),
        "function from a module": (lambda x: envelope(x), lambda: setattr(params, "omega", params.omega + 1)),
        "imported inside": (imports, lambda: setattr(params, "omega", params.omega + 1)),
        "number imported inside": (imports_a_number, lambda: setattr(params, "omega", params.omega + 1)),
        "class": (lambda x: Constants.omega * x, lambda: setattr(Constants, "omega", Constants.omega + 1)),
        "function of a class": (lambda x: Constants.of_a_global(x), raise_global),
        "object in an object": (lambda x: setup.drive.height * x, lambda: setattr(setup.drive, "height", 3.0)),
        "list in an object": (lambda x: setup.weights[0] * x, lambda: setup.weights.append(1.0)),
        "object in its owner": (setup, lambda: setattr(setup.drive, "height", 5.0)),
        "list beside lists of its own": (with_lists_of_its_own, lambda: numbers.__setitem__(0, 7.0)),
        "default": (lambda x, a=weights: jnp.sum(a) * x, lambda: weights.__setitem__(1, 5.0)),
    }
    return cases


@pytest.mark.parametrize("what", _changes())
def test_a_change_outside_is_seen(what):
    function, change = _changes()[what]
    before = held_numbers(function)
    assert held_numbers(function) == before and hash(held_numbers(function)) == hash(before)
    change()
    assert held_numbers(function) != before


def test_a_function_that_counts_its_calls_stays_the_same():
    calls, seen, total = [], {}, 0

    def counting(x):
        nonlocal total
        calls.append(1)
        seen["last"] = x
        total += 1
        return 2 * x

    for function in (counting, Pulse(1.0).counted, Setup()):
        function(0.0)
        before = held_numbers(function)
        function(1.0)
        assert held_numbers(function) == before


def test_a_drive_whose_amplitude_changes_between_runs():
    """Rabi's sin²(ωt), by one function of the time for several ω."""
    frequency, equations = 1.0, []

    def constant(t):
        return frequency + 0 * t

    for frequency in (1.0, 2.0, 1.0):
        drive = sq.systems.driven(np.zeros((2, 2)), [PAULI_X], [constant])
        equations.append(sq.models.unravel(drive, [0.0 * PAULI_X]))
        found = sq.exact.evolve(equations[-1], [1.0, 0.0], [0.0, 0.5], observables=P).expect["p"][-1]
        assert found == pytest.approx(np.sin(0.5 * frequency) ** 2, abs=1e-6)
    with pytest.raises(ValueError, match=r"coefficients\[0\]: expected a function that stays the same"):
        sq.exact.evolve(equations[1], [1.0, 0.0], [0.0, 0.5], observables=P)


def test_an_observable_whose_weight_changes_between_runs():
    weight = 1.0

    def weighted(psi):
        return weight * jnp.abs(psi[1]) ** 2

    still = sq.models.suv(np.zeros((2, 2)), strength=1.0)
    for weight in (1.0, 2.0):
        run = sq.simulate(still, [0.6, 0.8], [0.0, 0.5], observables={"p": weighted}, trajectories=4, dt=0.5)
        assert run.mean["p"][0] == pytest.approx(0.64 * weight, rel=1e-6)


def test_a_prediction_whose_scale_changes_between_fits():
    scale = 1.0

    def predict(a):
        return scale * a * jnp.ones(3)

    for scale in (1.0, 2.0):
        assert sq.fit(predict, (np.ones(3), 0.1), 1.5).parameters == pytest.approx(1 / scale)


class Weighted(sq.Statistic):
    """The sum of an upper level's population, times a global number."""

    def block(self, data, weights):
        return GLOBAL * jnp.sum(jnp.abs(data[:, 1]) ** 2 * weights[None], axis=-1)


@pytest.mark.release
def test_a_statistic_whose_weight_changes_between_runs():
    global GLOBAL
    still = sq.models.suv(np.zeros((2, 2)), strength=1.0)
    for GLOBAL in (1.0, 2.0):
        observables = {"weighted": Weighted(), "p": P["p"]}
        run = sq.simulate(still, [0.6, 0.8], [0.0, 0.5], observables=observables, trajectories=4, dt=0.5)
        assert run.statistics["weighted"][0] == pytest.approx(4 * 0.64 * GLOBAL, rel=1e-6)


class Constant(sq.feedback.Controller):
    """Pushes by a global number."""

    def init(self):
        return ()

    def update(self, memory, record, t, dt):
        return memory

    def output(self, memory, t):
        return {"push": jnp.asarray(GLOBAL)}


def test_a_controller_whose_push_changes_between_runs():
    """Another program for the same class, and a loop made before is refused."""
    global GLOBAL
    before = sq.feedback.Loop(Constant(), {"push": PAULI_X})
    assert jax.tree.structure(before) == jax.tree.structure(sq.feedback.Loop(Constant(), {"push": PAULI_X}))
    GLOBAL += 1.0
    after = sq.feedback.Loop(Constant(), {"push": PAULI_X})
    assert jax.tree.structure(before) != jax.tree.structure(after)
    watched = sq.models.monitored(np.zeros((2, 2)), {"x": sq.measurement.homodyne(PAULI_X)})
    with pytest.raises(ValueError, match=r"^feedback: expected a controller that stays the same"):
        sq.simulate(watched, [1.0, 0.0], [0, 1], observables=P, trajectories=4, dt=0.5, feedback=before)

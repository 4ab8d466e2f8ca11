"""Functions of the time that hold traced numbers: gradients pass to these, wherever in the function they stand."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.closures import Closure, as_closure
from stochq.functions import user_function

FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
TIMES = np.linspace(0.0, 1.0, 3)
UPPER = {"p": [0.0, 1.0]}


def _in_a_variable(a):
    return lambda t: a * jnp.cos(t)


def _in_a_default(a):
    return lambda t, b=a: b * jnp.cos(t)


def _in_a_named_default(a):
    def drive(t, *, b=a):
        return b * jnp.cos(t)

    return drive


def _in_a_partial(a):
    return partial(lambda b, t: b * jnp.cos(t), a)


def _in_a_function_of_two_arguments(a):
    def inner(t, power):
        return a * jnp.cos(t) ** power

    held = {"function": inner, "power": 1, "kind": "cosine", "amplitudes": [a, None]}

    def drive(t):
        # What is not traced stays as it is: a word, and a number that chooses.
        if held["kind"] == "cosine" and held["power"] == 1:
            return held["function"](t, held["power"]) + 0 * held["amplitudes"][0]
        return 0.0 * t

    return drive


def _in_a_function_that_calls_itself(a):
    def drive(t, depth=2):
        return a * jnp.cos(t) if depth == 0 else drive(t, depth - 1)

    return drive


class _Pulse:
    def __init__(self, amplitude):
        self.amplitude, self.shape = amplitude, "cosine"

    def __call__(self, t):
        return self.amplitude * jnp.cos(t)

    def at(self, t):
        return self(t)


class _Sequence:
    def __init__(self, *pulses):
        self.pulses = list(pulses)


def _in_an_object_that_is_called(a):
    return _Pulse(a)


def _in_an_object_of_a_method(a):
    return _Pulse(a).at


def _in_an_attribute_of_an_attribute(a):
    sequence = _Sequence(_Pulse(a))
    return lambda t: sequence.pulses[0].amplitude * jnp.cos(t)


def _in_a_function_that_is_compiled(a):
    @jax.jit
    def inner(t):
        return a * jnp.cos(t)

    return lambda t: inner(t)


def _beside_what_is_no_tree(a):
    """Names of a dict that have no order, a long list, and objects that know each other."""
    factors, steps, things = {1: 1.0, "one": 1.0}, list(range(20_000)), [_Sequence() for _ in range(30)]
    for thing in things:
        thing.pulses = things
    return lambda t: factors[1] * a * jnp.cos(t) + 0 * steps[7] + 0 * len(things[0].pulses)


FORMS = (
    _in_a_function_that_is_compiled,
    _beside_what_is_no_tree,
    _in_an_object_that_is_called,
    _in_an_object_of_a_method,
    _in_an_attribute_of_an_attribute,
    _in_a_variable,
    _in_a_default,
    _in_a_named_default,
    _in_a_partial,
    _in_a_function_of_two_arguments,
    _in_a_function_that_calls_itself,
)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_pass_and_other_values_are_the_same_program(form):
    made = []

    def value(a):
        made.append(as_closure(form(a)))
        return made[-1](0.7)

    assert jax.grad(value)(2.0) == pytest.approx(np.cos(0.7), rel=1e-6)
    assert jax.grad(value)(3.0) == pytest.approx(np.cos(0.7), rel=1e-6)
    assert all(isinstance(one, Closure) for one in made)
    if form is not _beside_what_is_no_tree:
        assert made[0].rest == made[1].rest and hash(made[0].rest) == hash(made[1].rest)


def test_what_holds_no_traced_numbers_stays_as_it_is():
    for form in FORMS:
        function = form(2.0)
        assert as_closure(function) is function
        assert function(0.7) == pytest.approx(2 * np.cos(0.7))
    assert as_closure(np.cos) is np.cos


def test_functions_that_read_other_numbers_are_others():
    made = []

    def value(a, b):
        made.append(as_closure(lambda t: a * b * t))
        return made[-1](1.0)

    for b in (2.0, 3.0):
        assert jax.grad(value)(1.0, b) == b
    assert made[0].rest != made[1].rest


def _turned(a):
    """The equation of a qubit that turns by the angle 2a sin t."""
    hamiltonian = sq.systems.driven(sq.systems.levels([0.0, 0.0]), [(FLIP, lambda t: a * jnp.cos(t))])
    return sq.Equation(hamiltonian, [])


def test_means_of_the_master_equation_and_of_trajectories():
    """p = sin²(a sin t). The first call, in which the step is judged, and outside jit."""

    def exact(a):
        return sq.exact.expectations(_turned(a), [1.0, 0.0], TIMES, observables=UPPER)["p"][-1]

    def sampled(a):
        run = {"trajectories": 8, "dt": 1 / 32}
        return sq.expectations(_turned(a), [1.0, 0.0], TIMES, observables=UPPER, **run)["p"][-1]

    for mean, tolerance in ((exact, 2e-5), (sampled, 1e-3)):
        value, slope = jax.value_and_grad(mean)(0.8)
        assert value == pytest.approx(np.sin(0.8 * np.sin(1.0)) ** 2, abs=tolerance)
        assert slope == pytest.approx(np.sin(1.6 * np.sin(1.0)) * np.sin(1.0), abs=tolerance)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_drive_is_fitted(sampled):
    times = np.linspace(0.0, 3.0, 16)

    def predict(theta):
        drive = sq.systems.driven(
            sq.systems.levels([0.0, 0.0]), [(FLIP, lambda t: theta["amplitude"] * jnp.cos(theta["frequency"] * t))]
        )
        equation = sq.models.unravel(drive, [np.array([0.0, 0.1])])
        if not sampled:
            return sq.exact.expectations(equation, [1.0, 0.0], times, observables=UPPER)
        return sq.expectations(equation, [1.0, 0.0], times, observables=UPPER, trajectories=256, dt=0.05)

    rng = np.random.default_rng(3)
    angle = 0.8 * np.sin(1.3 * times) / 1.3
    # Dephasing by 0.1² /2 takes exp(−0.005 t) off the oscillation, less than the errors below.
    values = np.sin(angle) ** 2 + 0.03 * rng.normal(size=16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sq.fit(predict, {"p": (values, np.full(16, 0.03))}, {"amplitude": 1.0, "frequency": 1.0})
    for name, true in (("amplitude", 0.8), ("frequency", 1.3)):
        assert abs(found.parameters[name] - true) < 4 * found.stderr[name]


def test_arrays_in_double_precision_raise_no_warning_in_single():
    """JAX warns of those that it has to round."""
    with jax.enable_x64(True):
        amplitude = jnp.array(0.3)
    function = user_function(lambda t: amplitude * t)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = function(jnp.float32(2.0))
    assert value.dtype == jnp.float32 and float(value) == pytest.approx(0.6, rel=1e-6)
    with jax.enable_x64(True):
        assert float(function(jnp.float64(2.0))) == 0.6

"""Derivatives along each of few numbers: those of the plain function in every mode, without a step backwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import stochq as sq
from stochq.ensemble.directions import by_directions

RATE, PAIR, AMPLITUDE, INTERVALS = np.float64(0.7), np.array([0.3, -0.4]), np.complex128(0.5 - 0.2j), np.arange(3)
SHIFT = np.float64(1.3)
CHAIN = sq.systems.ising(3, coupling=1.0, transverse=0.9, longitudinal=0.4)


DRIVEN = sq.models.unravel(
    sq.systems.driven([0.0, 1.0], [(np.array([[0.0, 1.0], [1.0, 0.0]]), jnp.cos)]), [np.array([[0.0, 0.3], [0.0, 0.0]])]
)


def plain(rate, pair, amplitude, intervals, shift=SHIFT):
    """Two numbers that are holomorphic in nothing."""
    mixed = jnp.sin(rate * pair) * jnp.abs(amplitude) ** 2 + amplitude.real * pair[::-1] ** 2
    return mixed * jnp.exp(rate * shift) + jnp.sum(intervals)


def looped(rate, pair, amplitude, intervals):
    """The same at the end of a loop of unknown length, through which nothing goes backwards."""
    along = (rate, pair, amplitude, intervals)
    return lax.while_loop(lambda carry: carry[0] < 1, lambda carry: (carry[0] + 1, plain(*along)), (0, 0 * pair))[1]


def derivatives(function, moved):
    """All of the function's with respect to some arguments, by name, in one program."""
    point = {"rate": RATE, "pair": PAIR, "amplitude": AMPLITUDE, "intervals": INTERVALS, "shift": SHIFT}

    def of(*values):
        return function(*(point | dict(zip(moved, values, strict=True))).values())

    def all_of(*values):
        places = tuple(range(len(values)))
        tangents = tuple(0.3 * value + (0.1j if jnp.iscomplexobj(value) else 0.1) for value in values)
        found = [jax.jvp(of, values, tangents), jax.vjp(of, *values)[1](jnp.array([0.4, 1.0]))]
        if "amplitude" in moved:
            return found
        found += [transform(of, places)(*values) for transform in (jax.jacfwd, jax.jacrev)]
        return [*found, *(outer(jax.jacrev(of, places), places)(*values) for outer in (jax.jacfwd, jax.jacrev))]

    return jax.jit(all_of)(*(point[name] for name in moved))


@pytest.mark.parametrize("moved", [("rate",), ("pair",), ("amplitude",), ("rate", "shift"), ("amplitude", "rate")])
def test_all_modes_agree_with_the_plain_function(moved):
    """One number, two of one argument or of two, a complex one, and more than few."""
    with jax.enable_x64(True):
        found, wanted = (derivatives(function, moved) for function in (by_directions(plain), plain))
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-14), found, wanted)


def test_few_numbers_go_through_no_step_backwards_and_many_do():
    single = jax.vmap(jax.grad(lambda rate: by_directions(looped)(rate, PAIR, AMPLITUDE, INTERVALS)[0]))
    rates = jnp.array([0.7, 0.9])
    wanted = jax.vmap(jax.grad(lambda rate: plain(rate, PAIR, AMPLITUDE, INTERVALS)[0]))(rates)
    np.testing.assert_allclose(single(rates), wanted, rtol=1e-5)
    with pytest.raises(ValueError, match="[Rr]everse-mode differentiation"):
        jax.grad(lambda pair: by_directions(looped)(pair[0], pair, AMPLITUDE + pair[1], INTERVALS)[0])(
            jnp.asarray(PAIR)
        )


MODELS = {
    "sui": lambda rate: sq.models.sui(
        CHAIN, reduction=rate, thermalization=2 * rate, equilibrium=sq.canonical(CHAIN, 0.3)
    ),
    "unravel": lambda rate: sq.models.unravel(CHAIN, [np.diag(np.arange(8.0))], rates=[rate]),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("order", [lambda mean: jax.grad(jax.jit(mean)), lambda mean: jax.jit(jax.grad(mean))])
def test_each_rate_of_a_model_is_one_number(name, order):
    """Of a gradient with respect to them nothing is made again on a way back."""

    def last(rate):
        run = {"observables": {"m": CHAIN.operators["magnetization"]}, "trajectories": 4, "dt": 0.25}
        return sq.expectations(MODELS[name](rate), np.eye(8)[0], [0.0, 1.0], **run)["m"][-1]

    traced = str(jax.make_jaxpr(order(last))(0.6))
    assert "differentiated=False" in traced and "differentiated=True" not in traced


@pytest.mark.parametrize("equation", [DRIVEN, sq.models.suv([0.0, 1.0], strength=0.3)], ids=["driven", "collapse"])
def test_gradients_pass_to_an_initial_state_of_real_numbers(equation):
    """Against differences of the same trajectories, whose noise is the same."""

    def mean(angle):
        state = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        run = {"trajectories": 8, "dt": 0.25, "precision": "double"}
        return sq.expectations(equation, state, [0.0, 0.5], observables={"p": [1.0, 0.0]}, **run)["p"][-1]

    with jax.enable_x64(True):
        slope, difference = jax.grad(mean)(0.3), (mean(np.float64(0.301)) - mean(np.float64(0.299))) / 0.002
    assert float(slope) == pytest.approx(float(difference), rel=1e-4)

"""What needs numbers says so where JAX traces it, by one ValueError that names what is traced and what to use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

QUBIT = sq.systems.levels([[0.5, 0.2], [0.2, -0.5]])
PSI, TIMES, P = np.array([0.6, 0.8]), [0.0, 0.5], {"p": np.array([1.0, 0.0])}


def model(strength=1.0):
    return sq.models.suv(QUBIT, strength=strength)


def simulated(equation=None, psi0=PSI, times=TIMES, observables=P, **options):
    options = {"trajectories": 8, "dt": 0.25, **options}
    return sq.simulate(model() if equation is None else equation, psi0, times, observables=observables, **options)


def evolved(equation=None, psi0=PSI, times=TIMES, observables=P):
    return sq.exact.evolve(model() if equation is None else equation, psi0, times, observables=observables)


CALLS = {
    "rate": (lambda call, x: call(model(x)), r"^equation: .* tracing equation\.channels\[0\]\.rates"),
    "state": (lambda call, x: call(psi0=PSI * x), "^psi0"),
    "times": (lambda call, x: call(times=[0.0, x]), r"^times: .* tracing times\[1\]"),
    "observable": (lambda call, x: call(observables={"p": x * P["p"]}), r"^observables: .* tracing observables\['p'\]"),
    "function": (
        lambda call, x: call(observables={"p": lambda psi: x * jnp.abs(psi[0]) ** 2}),
        r"^observables: .* tracing observables\['p'\] \(held by the function\)",
    ),
}


@pytest.mark.parametrize("call", [simulated, evolved], ids=["simulate", "evolve"])
@pytest.mark.parametrize("what", CALLS)
def test_what_is_traced_is_named(what, call):
    make, message = CALLS[what]
    fixed = "(sq|exact).expectations"
    for transformed in (jax.grad, jax.jit):
        with pytest.raises(ValueError, match=message + f".*{fixed}"):
            transformed(lambda x: make(call, x).expect["p"][-1])(1.0)
    with pytest.raises(ValueError, match=message):
        jax.vmap(lambda x: make(call, x))(jnp.ones(2))


def test_seeds_and_the_equation_itself_under_vmap():
    with pytest.raises(ValueError, match=r"^seed: expected numbers.*Python loop"):
        jax.vmap(lambda seed: simulated(seed=seed))(jnp.arange(3))
    with pytest.raises(ValueError, match=r"^equation: expected numbers"):
        jax.vmap(simulated)(jax.vmap(model)(jnp.ones(2)))


@pytest.mark.parametrize("call", [simulated, evolved, lambda: sq.exact.steady_state(model())])
def test_a_call_inside_jit_with_numbers_only(call):
    with pytest.raises(ValueError, match=r"^equation: expected a call outside jax\.jit"):
        jax.jit(lambda x: call() and x)(1.0)


def test_steady_states_and_fits():
    with pytest.raises(ValueError, match=r"^equation: .*sq\.exact\.steady_state"):
        jax.grad(lambda x: sq.exact.steady_state(model(x))[0, 0].real)(1.0)
    with pytest.raises(ValueError, match=r"^start: expected numbers; JAX is tracing start\['a'\]"):
        jax.grad(lambda x: sq.fit(lambda p: p["a"] * jnp.ones(2), (np.ones(2), 0.1), {"a": x}).chi2)(1.0)
    with pytest.raises(ValueError, match="^data: expected numbers"):
        jax.grad(lambda x: sq.fit(lambda a: a * jnp.ones(2), (x * jnp.ones(2), 0.1), 1.0).chi2)(1.0)

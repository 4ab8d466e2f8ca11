"""Contracts of every equation in the registry: pytrees, compiled steps, checks."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.schemes import frame_of
from tests.channels.cases import draw
from tests.problems import PROBLEMS, SCHEMES


@pytest.mark.parametrize("name", PROBLEMS)
def test_survives_a_pytree_round_trip(name):
    equation = PROBLEMS[name]().equation
    leaves, structure = jax.tree_util.tree_flatten(equation)
    assert all(isinstance(leaf, np.ndarray | np.generic) for leaf in leaves), "parameters are numpy arrays"
    assert all(leaf.dtype in (np.float64, np.complex128, np.int64) for leaf in leaves)
    again = jax.tree_util.tree_unflatten(structure, leaves)
    assert jax.tree_util.tree_structure(again) == structure
    assert again.dim == equation.dim and again.noise == equation.noise and len(again.channels) == len(equation.channels)


# One problem for every family of channels, basis and Hamiltonian.
STEPPED = (
    "suv, complex noise, rotated basis",
    "bath: rate matrix and sources",
    "any operators",
    "kerr cavity",
    "csl of a particle in a trap",
    "driven sui",
)


@pytest.mark.parametrize("scheme", ["euler", "strang"])
@pytest.mark.parametrize("name", STEPPED)
def test_a_compiled_step_is_the_eager_one(name, scheme):
    problem, scheme = PROBLEMS[name](), SCHEMES[scheme]
    if scheme.requires(problem.equation):
        return
    with jax.enable_x64(True):
        frame, t, dt = jax.tree.map(jnp.asarray, frame_of(problem.equation)), jnp.asarray(0.3), jnp.asarray(0.05)
        noise = draw(np.random.default_rng(1), scheme.budget(frame), 2)
        psi = jnp.stack([frame.to_frame(jnp.asarray(problem.psi0, complex))] * 2, axis=-1)

        def step(frame, t, dt, psi, noise):
            stepper = scheme.prepare(frame, dt)
            return stepper.extract(t, stepper.step(t, stepper.init(t, (psi,)), noise))[0]

        compiled = eqx.filter_jit(step)(frame, t, dt, psi, noise)
        eager = step(frame, t, dt, psi, noise)
    np.testing.assert_allclose(compiled, eager, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(eager, axis=0), 1, atol=1e-12)


def test_equations_are_checked_when_built():
    qubit = sq.systems.levels([0.0, 1.0])
    three = sq.models.suv(sq.systems.levels([0.0, 1.0, 2.0]), strength=1.0).channels
    with pytest.raises(ValueError, match="^channels: expected operators of dimension 2.*Projectors has 3"):
        sq.Equation(qubit, three)
    with pytest.raises(ValueError, match="^noise: expected one of real, complex, unitary, jump, any; got 'white'"):
        sq.Equation(qubit, (), noise="white")
    for hbar in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="^hbar: expected a positive number"):
            sq.Equation(qubit, (), hbar=hbar)


def test_the_pieces_cannot_be_changed_in_place():
    equation = PROBLEMS["suv, two levels"]().equation
    with pytest.raises(dataclasses.FrozenInstanceError):
        equation.noise = "complex"

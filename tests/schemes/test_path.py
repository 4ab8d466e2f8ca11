"""Normalised Euler-Maruyama against plain numpy with dense operators, number for number on the same noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.noise import Budget, seed_words
from stochq.noise.counter import draw_step
from stochq.schemes import frame_of
from tests import stochastic
from tests.problems import PROBLEMS, csl_kernel, grid

STEPS, DURATION, SEED, TRAJECTORIES = 50, 0.4, 3, 2


def _csl_features():
    """The symmetric root of the kernel; the same path needs the same root."""
    values, vectors = np.linalg.eigh(csl_kernel(grid(32, 14.0), 14.0, rate=1.5, width=1.0))
    return [np.diag(row) for row in (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T]


# Jump operators in the order in which the steps draw their numbers.
DENSE = {
    "suv, two levels": lambda p: p.jumps,
    "suv, complex noise, rotated basis": lambda p: p.jumps,
    "suv, unitary noise": lambda p: p.jumps,
    "any operators": lambda p: [p.jumps[2], *p.jumps[:2]],
    "any operators, complex noise": lambda p: p.jumps,
    "hermitian operators, unitary noise": lambda p: p.jumps,
    "kerr cavity": lambda p: p.jumps,
    "csl of a particle in a trap": lambda p: _csl_features(),
}


_draw_step = jax.jit(draw_step, static_argnums=(3, 4))


def _draws(equation, step):
    budget = sq.schemes.EulerMaruyama().budget(frame_of(equation))
    trajectories = jnp.arange(TRAJECTORIES, dtype=jnp.uint32)
    key = jnp.asarray(seed_words(SEED))
    return budget, _draw_step(key, trajectories, jnp.uint32(step), budget, np.dtype(np.float64))


def _kept(equation, psi0):
    result = sq.simulate(
        equation,
        psi0,
        [0.0, DURATION / 2, DURATION],
        observables={"norm": np.ones(equation.dim)},
        trajectories=TRAJECTORIES,
        seed=SEED,
        scheme=sq.schemes.EulerMaruyama(),
        dt=DURATION / STEPS,
        precision="double",
        keep=TRAJECTORIES,
    )
    assert result.kept.shape == (TRAJECTORIES, 3, equation.dim)
    return result.kept


def _centred(problem):
    """H less the constant that states evolve without, and the phase that this constant gives them in the end."""
    constant = float(frame_of(problem.equation).energy)
    return problem.matrix - constant * np.eye(problem.equation.dim), np.exp(-1j * constant * DURATION / problem.hbar)


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.sweep(3)
def test_the_path_is_that_of_the_dense_equation(name):
    problem = PROBLEMS[name]()
    equation, jumps, dt = problem.equation, DENSE[name](problem), DURATION / STEPS
    states = [np.asarray(problem.psi0, complex) for _ in range(TRAJECTORIES)]
    matrix, phase = _centred(problem)
    with jax.enable_x64(True):
        for step in range(STEPS):
            budget, noise = _draws(equation, step)
            normals = np.asarray(noise.real_normals if budget.real_normals else noise.complex_normals / np.sqrt(2))
            states = [
                stochastic.euler_step(matrix, jumps, psi, np.sqrt(dt) * normals[:, j], dt, equation.noise, problem.hbar)
                for j, psi in enumerate(states)
            ]
    np.testing.assert_allclose(_kept(equation, problem.psi0)[:, -1], phase * np.asarray(states), atol=1e-7)


def _gaussian(normals, variance, relation):
    """Complex Gaussian numbers with E|η|² = variance, E[η²] = relation, by the symmetric root of their covariance."""
    covariance = 0.5 * np.array([[variance + relation.real, relation.imag], [relation.imag, variance - relation.real]])
    values, vectors = np.linalg.eigh(covariance)
    root = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    parts = root @ np.stack([normals.real, normals.imag])
    return parts[0] + 1j * parts[1]


@pytest.mark.parametrize("name", ["oqt", "oqt, complex noise"])
def test_transitions_need_two_normals_per_level_only(name):
    """η_μ = Σ_ν √J_μν ψ_ν dW_μν is all that the noise does; the dW that make it are chosen after the fact."""
    problem = PROBLEMS[name]()
    equation, dt = problem.equation, DURATION / STEPS
    vectors = equation.hamiltonian.eigenvectors
    rates = equation.channels[0].rates()
    states = [problem.psi0 for _ in range(TRAJECTORIES)]
    matrix, phase = _centred(problem)
    with jax.enable_x64(True):
        for step in range(STEPS):
            budget, noise = _draws(equation, step)
            assert budget == Budget(complex_normals=4)
            states = [
                _transition_step(problem, matrix, vectors, rates, psi, np.asarray(noise.complex_normals)[:, j], dt)
                for j, psi in enumerate(states)
            ]
    np.testing.assert_allclose(_kept(equation, problem.psi0)[:, -1], phase * np.asarray(states), atol=1e-7)


def _transition_step(problem, matrix, vectors, rates, psi, normals, dt):
    inside = vectors.conj().T @ psi
    relation = rates @ inside**2 if problem.equation.noise == "real" else np.zeros(4, complex)
    variance = rates @ np.abs(inside) ** 2
    eta = np.array([_gaussian(*numbers) for numbers in zip(normals, variance, relation, strict=True)])
    # The shortest dW_μν that add up to η_μ; real for real noise.
    increments = []
    for row, total in zip(np.sqrt(rates) * inside[None], eta, strict=True):
        if problem.equation.noise == "real":
            system = np.stack([row.real, row.imag])
            increments.append(np.linalg.lstsq(system, np.array([total.real, total.imag]), rcond=None)[0])
        else:
            increments.append(row.conj() * total / np.sum(np.abs(row) ** 2))
    increments = np.sqrt(dt) * np.concatenate(increments)
    return stochastic.euler_step(matrix, problem.jumps, psi, increments, dt)


def test_a_frame_is_made_once():
    """A rotated Hamiltonian is diagonalised for it, which takes longer than a short run."""
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    equation = sq.models.suv(sq.systems.levels(np.diag([0.0, 1.0, 2.5])), strength=1.0, basis=rotation)
    assert sq.schemes.frame_of(equation) is sq.schemes.frame_of(equation)

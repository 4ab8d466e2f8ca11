"""Two steps on draws that they share are those of one step after the other."""

import jax
import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.accuracy.grid import time_grid
from stochq.ensemble.problem import build_problem
from stochq.ensemble.task import Task
from stochq.noise import seed_words
from stochq.noise.counter import draw_step
from stochq.schemes import frame_of
from tests.stochastic import euler_step

# Energies around zero: states evolve without their mean.
FLIP, ENERGIES, MEASURED = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([-0.65, 0.65]), np.diag([0.9, -0.4])
TIMES, STEPS, COUNT, SEED = np.array([0.0, 0.5, 1.0]), 4, 3, 5
DT = TIMES[1] / STEPS


def test_the_second_of_two_steps_begins_where_the_first_ends():
    """Euler and Maruyama's step of a drive that changes by the step, with dense matrices in plain numpy."""
    drive = sq.systems.driven(sq.systems.levels(ENERGIES), [(FLIP, lambda t: jnp.cos(4 * t))])
    equation = sq.Equation(drive, [sq.channels.DenseOperators([MEASURED])])
    scheme, psi = sq.schemes.EulerMaruyama(), np.array([0.6, 0.8j])
    watched = {"p": np.array([1.0, 0.0])}
    task = Task(equation, frame_of(equation), psi, TIMES, watched, scheme, "double", SEED)
    loop = build_problem(task, time_grid(TIMES, DT)).loop
    assert loop.paired
    run = {"dt": DT, "keep": COUNT, "trajectories": COUNT, "precision": "double", "seed": SEED, "scheme": scheme}
    kept = sq.simulate(equation, psi, TIMES, observables=watched, **run).kept
    with jax.enable_x64(True):
        key, indices = jnp.asarray(seed_words(SEED)), jnp.arange(COUNT, dtype=jnp.uint32)
        budget, real = scheme.budget(task.frame), np.dtype(float)
        normals = [draw_step(key, indices, jnp.int32(k), budget, real).real_normals[0] for k in range(2 * STEPS)]
    states = [psi.astype(complex)] * COUNT
    for k, row in enumerate(normals):
        matrix = np.diag(ENERGIES) + np.cos(4 * k * DT) * FLIP
        increments = np.sqrt(DT) * np.asarray(row)[:, None]
        states = [euler_step(matrix, [MEASURED], *pair, DT) for pair in zip(states, increments, strict=True)]
        if (k + 1) % STEPS == 0:
            np.testing.assert_allclose(kept[:, (k + 1) // STEPS], states, atol=1e-10)

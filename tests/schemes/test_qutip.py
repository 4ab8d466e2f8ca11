"""QuTiP as an independent judge: the same Wiener path gives the same trajectory up to a phase."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.noise import Budget, seed_words
from stochq.noise.counter import draw_step
from tests.problems import PROBLEMS

qutip = pytest.importorskip("qutip")
DURATION, SEED, TRAJECTORIES = 0.5, 8, 2


def _normals(count, steps):
    """The numbers behind the trajectories, (trajectories, count, steps)."""
    with jax.enable_x64(True):
        key, trajectories = jnp.asarray(seed_words(SEED)), jnp.arange(TRAJECTORIES, dtype=jnp.uint32)
        budget, dtype = Budget(real_normals=count), np.dtype(np.float64)
        draw = jax.jit(jax.vmap(lambda step: draw_step(key, trajectories, step, budget, dtype).real_normals))
        return np.asarray(draw(jnp.arange(steps, dtype=jnp.uint32))).transpose(2, 1, 0)


def _infidelity(problem, order, steps):
    """Mean of 1 − |⟨ψ_qutip|ψ_stochq⟩|² at the end, both stepped on the same paths."""
    times = np.linspace(0, DURATION, steps + 1)
    result = sq.simulate(
        problem.equation,
        problem.psi0,
        times[[0, -1]],
        observables={"norm": np.ones(problem.equation.dim)},
        trajectories=TRAJECTORIES,
        seed=SEED,
        scheme=sq.schemes.EulerMaruyama(),
        dt=times[1],
        precision="double",
        keep=TRAJECTORIES,
    )
    solver = qutip.SSESolver(
        qutip.Qobj(problem.matrix),
        [qutip.Qobj(problem.jumps[k]) for k in order],
        heterodyne=False,
        options={"store_final_state": True, "method": "euler", "progress_bar": ""},
    )
    overlaps = []
    for normals, states in zip(_normals(len(order), steps), result.kept, strict=True):
        final = solver.run_from_experiment(qutip.Qobj(problem.psi0), times, np.sqrt(times[1]) * normals).final_state
        overlaps.append(abs(np.vdot(final.unit().full()[:, 0], states[-1])) ** 2)
    return 1 - np.mean(overlaps)


# The order in which the library draws its numbers: diagonal operators first.
@pytest.mark.parametrize(
    ("name", "order"),
    [
        pytest.param("any operators", (2, 0, 1), marks=pytest.mark.release),
        ("suv, two levels", (0, 1)),
        ("kerr cavity", (0,)),
    ],
)
@pytest.mark.sweep(1)
def test_the_trajectories_are_the_same_up_to_phase(name, order):
    problem = PROBLEMS[name]()
    coarse, fine = (_infidelity(problem, order, steps) for steps in (200, 1600))
    # What is left is the step-size error of the two programs, in infidelity of order dt or better.
    assert fine < 2e-3
    assert fine < coarse / 3 or fine < 1e-7

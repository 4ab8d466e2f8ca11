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
DURATION, SEED = 0.5, 8


def _infidelity(problem, order, steps, trajectory):
    """1 − |⟨ψ_qutip|ψ_stochq⟩|² at the end, both stepped on the path of one trajectory."""
    times = np.linspace(0, DURATION, steps + 1)
    count = len(problem.jumps)
    result = sq.simulate(
        problem.equation,
        problem.psi0,
        times[[0, -1]],
        observables={"norm": np.ones(problem.equation.dim)},
        trajectories=4,
        seed=SEED,
        scheme=sq.schemes.EulerMaruyama(),
        dt=times[1],
        precision="double",
        keep=4,
    )
    with jax.enable_x64(True):
        draw = jax.jit(
            jax.vmap(
                lambda step: draw_step(
                    jnp.asarray(seed_words(SEED)),
                    jnp.full(1, trajectory, jnp.uint32),
                    step,
                    Budget(singles=count),
                    np.dtype(np.float64),
                ).singles[:, 0]
            )
        )
        normals = np.asarray(draw(jnp.arange(steps, dtype=jnp.uint32))).T
    solver = qutip.SSESolver(
        qutip.Qobj(problem.matrix),
        [qutip.Qobj(problem.jumps[k]) for k in order],
        heterodyne=False,
        options={"store_final_state": True, "method": "euler", "progress_bar": ""},
    )
    final = solver.run_from_experiment(qutip.Qobj(problem.psi0), times, np.sqrt(times[1]) * normals).final_state
    overlap = np.vdot(final.full()[:, 0], result.kept[trajectory, -1])
    return 1 - np.abs(overlap) ** 2 / np.vdot(final.full(), final.full()).real


@pytest.mark.parametrize(
    ("name", "order"), [("any operators", (2, 0, 1)), ("suv, two levels", (0, 1)), ("kerr cavity", (0,))]
)
def test_the_trajectories_are_the_same_up_to_phase(name, order):
    problem = PROBLEMS[name]()
    coarse, fine = (
        np.mean([_infidelity(problem, order, steps, trajectory) for trajectory in range(3)]) for steps in (500, 8000)
    )
    # The two programs differ by their step-size errors, of strong order one half each: the infidelity is of order dt.
    assert fine < 2e-3
    assert fine < coarse / 4

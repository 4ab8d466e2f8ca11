"""Of a step of many spins: applications of H, states that the program holds; and what the memory delivers."""

from typing import Any

import numpy as np

FLOATS = 2**26


def bandwidth() -> float:
    """Bytes per second that one pass over a large array reads and writes."""
    import jax
    import jax.numpy as jnp

    from benchmarks.gpu_ceilings import median_seconds

    array = jnp.ones(FLOATS, jnp.float32)
    scaled = jax.jit(lambda x, factor: x * factor)
    return 2 * array.nbytes / median_seconds(lambda repeat: scaled(array, 1.0 + repeat), repeats=5)


def applications(equation: Any, dt: float) -> int:
    """Passes over the state of a step: those of its propagator, each of the cost of an application of H, and the
    applications in the polynomials of an equilibrium."""
    from stochq.channels.flows.equilibration import is_light
    from stochq.schemes import frame_of
    from stochq.systems.propagation.choice import plan_of
    from stochq.systems.propagation.trotter import STAGES

    hamiltonian: Any = frame_of(equation).hamiltonian
    plan = plan_of(hamiltonian.splitting, hamiltonian.spectrum, np.float32(dt / equation.hbar))
    products = float(plan.steps) * (STAGES if bool(plan.is_fourth) else 1)
    passes = float(plan.terms) if bool(plan.is_polynomial) else products
    for channel in equation.channels:
        if channel.relaxation is not None:
            rate, _, chi = channel.relaxation
            passes += int(chi.polynomial.degree)
            # The overlap by the root of χ, and what its powers make of state and noise, summed together.
            if not is_light(float(chi.largest_weight), float(rate) * dt):
                passes += max(int(polynomial.degree) for polynomial in (chi.polynomial, *chi.powers))
    return round(passes)


def states_per_column(equation: Any, psi0: np.ndarray, dt: float, steps: int, trajectories: int) -> float:
    """Temporaries of the compiled device call, in states of single precision for each of its columns."""
    import jax

    from stochq.accelerators import call_options
    from stochq.accuracy.grid import time_grid
    from stochq.ensemble.batch import BLOCKS_PER_CALL, device_call
    from stochq.ensemble.problem import build_problem
    from stochq.ensemble.task import Task
    from stochq.schemes import default_scheme, frame_of

    times, watched = np.array([0.0, steps * dt]), {"m": equation.hamiltonian.operators["magnetization"]}
    task = Task(
        equation, frame_of(equation), psi0.astype(complex), times, watched, default_scheme(equation), "single", 0,
        monitors={name: margin.weight for name, margin in equation.hamiltonian.margins.items()},
    )  # fmt: skip
    problem = build_problem(task, time_grid(times, dt), trajectories=trajectories)
    function, arguments = device_call(problem, BLOCKS_PER_CALL)
    memory: Any = jax.jit(function).lower(*arguments).compile(call_options(problem.size)).memory_analysis()
    return memory.temp_size_in_bytes / (8 * equation.dim * problem.block)

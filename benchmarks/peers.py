"""dynamiqs and QuTiP on the same problems, each as its manual says, with the operators given as lists."""

import time
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.measure import Budget, Measurement, Run, Sample, measure
from benchmarks.problems import Problem

# A matrix with more non-zero entries than this fraction is kept dense.
SPARSE = 0.25
# QuTiP keeps every run's averages; more trajectories tell nothing more about its speed.
MOST_QUTIP_TRAJECTORIES = 1000


def sample(values: np.ndarray, scheme: str) -> Sample:
    """From single-trajectory values (trajectories, T), those that are not finite left out."""
    finite = values[np.isfinite(values).all(axis=1)]
    error = finite.std(axis=0, ddof=1) / np.sqrt(len(finite))
    return Sample(finite.mean(axis=0), error, scheme, len(values) - len(finite))


def is_sparse(matrix: np.ndarray) -> bool:
    return int(np.count_nonzero(matrix)) <= SPARSE * matrix.size


def dynamiqs_runner(problem: Problem, layout: str) -> Run:
    """dynamiqs' diffusive solver; operators stored in the layout "dense" or "dia", a dense Hamiltonian dense."""
    import jax

    dq: Any = import_module("dynamiqs")
    given = problem.statement()

    def operator(matrix: np.ndarray) -> Any:
        chosen = dq.dia if layout == "dia" and is_sparse(matrix) else dq.dense
        return dq.asqarray(matrix.astype(complex), layout=chosen)

    assert given.hamiltonian is not None
    hamiltonian, jumps = operator(given.hamiltonian), [operator(jump) for jump in given.jumps]
    # Its Euler steps do not keep the norm: the expectation is divided by it.
    watched = [operator(np.diag(given.observable)), operator(np.eye(len(given.psi0)))]
    psi0, method = given.psi0.astype(complex)[:, None], dq.method.EulerMaruyama(dt=problem.dt)

    def run(trajectories: int, seed: int) -> Sample:
        keys = jax.random.split(jax.random.key(seed), trajectories)
        result = dq.dssesolve(
            hamiltonian, jumps, psi0, problem.times, keys, exp_ops=watched, method=method, save_states=False
        )
        expects = np.real(np.asarray(result.expects)).astype(float)
        return sample(expects[:, 0] / expects[:, 1], "EulerMaruyama")

    return run


def measure_dynamiqs(problem: Problem, layout: str, trajectories: int, budget: Budget) -> Measurement:
    """One entry for one storage of the operators and one number of trajectories, which it compiles in."""
    import jax

    run, backend = dynamiqs_runner(problem, layout), jax.default_backend()
    sizes = {"trajectories": trajectories, "first": trajectories}
    return measure(run, problem.steps, budget, library="dynamiqs", layout=layout, backend=backend, **sizes)


def qutip_runner(problem: Problem, steps: int, cores: int) -> Run:
    """QuTiP's stochastic solver with its Euler scheme, trajectories spread over the cores by its own means."""
    qt: Any = import_module("qutip")
    given = problem.statement()

    def operator(matrix: np.ndarray) -> Any:
        return qt.Qobj(matrix).to("CSR" if is_sparse(matrix) else "Dense")

    assert given.hamiltonian is not None
    hamiltonian, jumps = operator(given.hamiltonian), [operator(jump) for jump in given.jumps]
    watched, psi0 = [operator(np.diag(given.observable))], qt.Qobj(given.psi0.astype(complex))
    times = problem.times if steps == problem.steps else np.array([0.0, steps * problem.dt])
    options = {"method": "euler", "dt": problem.dt, "normalize_output": True, "progress_bar": ""}
    options |= {"map": "parallel", "num_cpus": cores} if cores > 1 else {}

    def run(trajectories: int, seed: int) -> Sample:
        result = qt.ssesolve(
            hamiltonian, psi0, times, jumps, e_ops=watched, ntraj=trajectories, seeds=seed, options=options
        )
        # Its std_expect is the spread of single runs, not the error of their mean.
        error = np.real(result.std_expect[0]) / np.sqrt(max(trajectories - 1, 1))
        return Sample(np.real(result.average_expect[0]), error, "euler")

    return run


def measure_qutip(problem: Problem, budget: Budget) -> Measurement:
    """One entry; the number of trajectories follows from the time of one."""
    cores, steps = machine.cores(), problem.qutip_steps
    alone = qutip_runner(problem, steps, cores=1)
    alone(1, 0)
    start = time.perf_counter()
    alone(2, 1)
    each = (time.perf_counter() - start) / 2
    wanted = int(budget.seconds * cores / each)
    trajectories = max(cores, min(wanted // cores * cores, MOST_QUTIP_TRAJECTORIES))
    run = qutip_runner(problem, steps, cores)
    return measure(run, steps, budget, library="qutip", trajectories=trajectories, first=trajectories)

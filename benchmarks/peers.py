"""dynamiqs and QuTiP on the same problems, each as its manual says, with the operators given as lists."""

import time
from importlib import import_module
from typing import Any, NamedTuple

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


class Stated(NamedTuple):
    """A problem in the types of a peer; watched: the observable first."""

    hamiltonian: Any
    jumps: list[Any]
    watched: list[Any]
    psi0: Any


def for_dynamiqs(problem: Problem, layout: str) -> Stated:
    """Operators stored in the layout "dense" or "dia", a dense Hamiltonian dense. Its Euler steps do not keep the norm:
    the identity is watched too, and expectations are divided by it."""
    dq: Any = import_module("dynamiqs")
    given = problem.statement()

    def operator(matrix: np.ndarray) -> Any:
        chosen = dq.dia if layout == "dia" and is_sparse(matrix) else dq.dense
        return dq.asqarray(matrix.astype(complex), layout=chosen)

    assert given.hamiltonian is not None
    watched = [operator(np.diag(given.observable)), operator(np.eye(len(given.psi0)))]
    jumps = [operator(jump) for jump in given.jumps]
    return Stated(operator(given.hamiltonian), jumps, watched, given.psi0.astype(complex)[:, None])


def dynamiqs_values(problem: Problem, stated: Stated, method: Any, trajectories: int, seed: int) -> np.ndarray:
    """Values of single trajectories by dynamiqs' diffusive solver, (trajectories, T)."""
    import jax

    dq: Any = import_module("dynamiqs")
    keys = jax.random.split(jax.random.key(seed), trajectories)
    options = {"exp_ops": stated.watched, "method": method, "save_states": False}
    result = dq.dssesolve(stated.hamiltonian, stated.jumps, stated.psi0, problem.times, keys, **options)
    expects = np.real(np.asarray(result.expects)).astype(float)
    return expects[:, 0] / expects[:, 1]


def dynamiqs_runner(problem: Problem, layout: str) -> Run:
    """dynamiqs with Euler and Maruyama at the problem's step."""
    dq: Any = import_module("dynamiqs")
    stated, method = for_dynamiqs(problem, layout), dq.method.EulerMaruyama(dt=problem.dt)

    def run(trajectories: int, seed: int) -> Sample:
        return sample(dynamiqs_values(problem, stated, method, trajectories, seed), "EulerMaruyama")

    return run


def measure_dynamiqs(problem: Problem, layout: str, trajectories: int, budget: Budget) -> Measurement:
    """One entry for one storage of the operators and one number of trajectories, which it compiles in."""
    import jax

    run, backend = dynamiqs_runner(problem, layout), jax.default_backend()
    sizes = {"trajectories": trajectories, "first": trajectories}
    return measure(run, problem.steps, budget, library="dynamiqs", layout=layout, backend=backend, **sizes)


def for_qutip(problem: Problem) -> Stated:
    """Operators sparse where most of their entries are zero."""
    qt: Any = import_module("qutip")
    given = problem.statement()

    def operator(matrix: np.ndarray) -> Any:
        return qt.Qobj(matrix).to("CSR" if is_sparse(matrix) else "Dense")

    assert given.hamiltonian is not None
    watched, jumps = [operator(np.diag(given.observable))], [operator(jump) for jump in given.jumps]
    return Stated(operator(given.hamiltonian), jumps, watched, qt.Qobj(given.psi0.astype(complex)))


def qutip_result(stated: Stated, times: np.ndarray, trajectories: int, seed: int, **options: Any) -> Any:
    """A run of QuTiP's stochastic solver, states normalized, quiet."""
    qt: Any = import_module("qutip")
    options |= {"normalize_output": True, "progress_bar": ""}
    return qt.ssesolve(
        stated.hamiltonian,
        stated.psi0,
        times,
        stated.jumps,
        e_ops=stated.watched,
        ntraj=trajectories,
        seeds=seed,
        options=options,
    )


def qutip_runner(problem: Problem, steps: int, cores: int) -> Run:
    """QuTiP with its Euler scheme, trajectories spread over the cores by its own means."""
    stated = for_qutip(problem)
    times = problem.times if steps == problem.steps else np.array([0.0, steps * problem.dt])
    options: dict[str, Any] = {"method": "euler", "dt": problem.dt}
    options |= {"map": "parallel", "num_cpus": cores} if cores > 1 else {}

    def run(trajectories: int, seed: int) -> Sample:
        result = qutip_result(stated, times, trajectories, seed, **options)
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

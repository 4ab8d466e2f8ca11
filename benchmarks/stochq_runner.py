"""stochq through its public call, the step given."""

from typing import Any

from benchmarks.measure import Budget, Measurement, Run, Sample, measure
from benchmarks.problems import Problem


def runner(problem: Problem, method: str) -> Run:
    """`simulate` with the default scheme or with Euler and Maruyama's (method "default" or "euler")."""
    import stochq as sq

    equation, statement = problem.equation(), problem.statement()
    scheme = sq.schemes.EulerMaruyama() if method == "euler" else None
    options: dict[str, Any] = {"observables": {"o": statement.observable}, "dt": problem.dt, "scheme": scheme}

    def run(trajectories: int, seed: int) -> Sample:
        result = sq.simulate(
            equation, statement.psi0, problem.times, trajectories=trajectories, seed=seed, progress=False, **options
        )
        return Sample(result.mean["o"], result.stderr["o"], result.scheme.removesuffix("()"), result.failed)

    return run


def measure_stochq(problem: Problem, method: str, budget: Budget, trajectories: int = 0) -> Measurement:
    """One row's stochq entry; 0 trajectories are as many as fill the budget."""
    import jax

    run = runner(problem, method)
    backend = jax.default_backend()
    return measure(run, problem.steps, budget, library="stochq", trajectories=trajectories, backend=backend)

"""Whether large ensembles agree with the master equation: χ² of all points with the covariance between times."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

# A correct ensemble is refused this often.
FALSE_ALARM = 1e-3


@dataclass(frozen=True)
class Case:
    """make: () -> (equation, initial state, observables by name)."""

    title: str
    make: Callable[[], tuple[Any, np.ndarray, dict[str, np.ndarray]]]
    times: np.ndarray
    trajectories: int


def _chain(sites: int) -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
    import stochq as sq

    chain = sq.systems.ising(sites, coupling=1.0, transverse=0.9045, longitudinal=0.809)
    down = np.eye(chain.dim)[-1]
    return chain, down, {name: chain.operators[name] for name in ("energy", "magnetization")}


def _oqt() -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
    import stochq as sq

    chain, down, watched = _chain(4)
    return sq.models.oqt(chain, strength=0.5, equilibrium=sq.canonical(chain, 0.3)), down, watched


def _sui() -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
    import stochq as sq

    chain, down, watched = _chain(8)
    model = sq.models.sui(chain, reduction=0.4, thermalization=0.3, equilibrium=sq.canonical(chain, 0.3))
    return model, down, watched


def _csl() -> tuple[Any, Any, dict[str, Any]]:
    import stochq as sq

    particle = sq.systems.particle(64, 16.0, mass=1.0, potential=sq.systems.harmonic(1.0))
    watched = {name: particle.operators[name] for name in ("position", "energy")}
    return sq.models.csl(particle, rate=0.5, length=1.0), np.asarray(particle.gaussian(1.0, 0.7)), watched


CASES = (
    Case("OQT d=16", _oqt, np.linspace(0.0, 4.0, 9), 100_000),
    Case("SUI, 8 sites", _sui, np.linspace(0.0, 2.0, 5), 10_000),
    Case("CSL grid N=64", _csl, np.linspace(0.0, 4.0, 9), 20_000),
)


def agreement() -> dict[str, Any]:
    """Simulate with the default scheme and step, compare, print, and write benchmarks/results/agreement.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = [_judge(case) for case in CASES]
    cells = [
        [str(row[key]) for key in ("title", "scheme", "dt", "trajectories", "dof", "chi2", "p_value")] for row in rows
    ]
    print(report.table(("problem", "scheme", "dt", "trajectories", "dof", "χ²", "p"), cells))
    print("\n".join(report.verdicts(rows)))
    results = {"machine": where, "rows": rows}
    save(results, "agreement")
    return results


def _judge(case: Case) -> dict[str, Any]:
    import stochq as sq

    equation, psi0, watched = case.make()
    start = time.perf_counter()
    ensemble = sq.simulate(equation, psi0, case.times, observables=watched, trajectories=case.trajectories, seed=1)
    seconds = time.perf_counter() - start
    verdict = sq.compare(ensemble, sq.exact.evolve(equation, psi0, case.times, observables=watched))
    return {
        "title": case.title,
        "scheme": ensemble.scheme,
        "dt": round(float(ensemble.dt), 6),
        "trajectories": ensemble.trajectories,
        "seconds": round(seconds, 1),
        "chi2": round(verdict.chi2, 2),
        "dof": verdict.dof,
        "p_value": round(verdict.p_value, 4),
        "largest_z": round(max(float(np.abs(z).max()) for z in verdict.z.values()), 2),
        "checks": [check("p-value of χ²", verdict.p_value, FALSE_ALARM, at_least=True)._asdict()],
    }

"""Whether `tolerance=` keeps its promise: how often an answer is further off than it said.

Three families; every run has parameters, a state, a seed and observables of its own, so that the pilots differ too.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine, report
from benchmarks.targets import check
from benchmarks.throughput import RESULTS, save

RUNS = 200
CAP = 10**7
# Of all runs, those whose worst observable at its worst time is off by more than the tolerance.
LARGEST_SHARE = 0.05


class Case(NamedTuple):
    """make: generator -> (equation, initial state, observables by name)."""

    title: str
    make: Callable[[np.random.Generator], tuple[Any, np.ndarray, dict[str, Any]]]
    times: np.ndarray
    tolerance: float


def _state(rng: np.random.Generator, dim: int) -> np.ndarray:
    psi = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    return psi / np.linalg.norm(psi)


def _hermitian(rng: np.random.Generator, dim: int) -> np.ndarray:
    matrix = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    return (matrix + matrix.conj().T) / 2


def _suv(rng: np.random.Generator) -> tuple[Any, np.ndarray, dict[str, Any]]:
    import stochq as sq

    equation = sq.models.suv(sq.systems.levels(_hermitian(rng, 3)), strength=rng.uniform(0.5, 2.0))
    return equation, _state(rng, 3), {"level": np.array([0.0, 0.5, 1.0]), "coherence": 0.5 * (1 - np.eye(3))}


def _oqt(rng: np.random.Generator) -> tuple[Any, np.ndarray, dict[str, Any]]:
    import stochq as sq

    energies, weights = np.sort(rng.uniform(0.0, 2.0, 8)), rng.dirichlet(np.ones(8))
    equation = sq.models.oqt(sq.systems.levels(energies), strength=rng.uniform(0.5, 2.0), equilibrium=weights)
    return equation, _state(rng, 8), {"energy": energies, "ground": np.eye(8)[0]}


def _homodyne(rng: np.random.Generator) -> tuple[Any, np.ndarray, dict[str, Any]]:
    import stochq as sq

    lower = np.sqrt(rng.uniform(0.3, 2.0)) * np.array([[0.0, 0.0], [1.0, 0.0]])
    equation = sq.models.unravel(sq.systems.levels(_hermitian(rng, 2)), [lower])
    return equation, _state(rng, 2), {"excited": np.array([1.0, 0.0]), "x": np.array([[0.0, 1.0], [1.0, 0.0]])}


CASES = (
    Case("SUV d=3, random H", _suv, np.linspace(0.0, 2.0, 6), 0.01),
    Case("OQT d=8, random levels", _oqt, np.linspace(0.0, 2.0, 6), 0.01),
    Case("homodyne qubit, random H", _homodyne, np.linspace(0.0, 2.0, 6), 0.01),
)


def honesty(quick: bool) -> dict[str, Any]:
    """Run, count, print, and write benchmarks/results/honesty.json."""
    where, runs = machine.describe(), RUNS // 10 if quick else RUNS
    print(report.heading(where), flush=True)
    rows = []
    for case in CASES:
        rows.append(_judge(case, runs))
        print(f"{case.title}: {rows[-1]['exceeded']} of {runs} runs exceeded {case.tolerance:g}", flush=True)
        if not quick:
            save({"machine": where, "rows": rows}, RESULTS / "honesty.json")
    shown = ("title", "runs", "tolerance", "exceeded", "exceeded_points", "points", "largest_error", "not_met")
    print(report.table(shown, [[str(row[key]) for key in shown] for row in rows]))
    print("\n".join(report.verdicts(rows)))
    return {"machine": where, "rows": rows}


def _judge(case: Case, runs: int) -> dict[str, Any]:
    errors, steps, trajectories, not_met = [], [], [], 0
    for seed in range(runs):
        result, off = _one(case, seed)
        errors.append(off)
        steps.append(int(result.info["steps"]))
        trajectories.append(result.trajectories)
        not_met += result.info["reached"] > case.tolerance
    off = np.array(errors)
    exceeded = int(np.sum(off.max(axis=1) > case.tolerance))
    return {
        "title": case.title,
        "runs": runs,
        "tolerance": case.tolerance,
        "exceeded": exceeded,
        "points": off.size,
        "exceeded_points": int(np.sum(off > case.tolerance)),
        "largest_error": round(float(off.max()), 5),
        "median_error": round(float(np.median(off.max(axis=1))), 5),
        "not_met": int(not_met),
        "steps": [min(steps), int(np.median(steps)), max(steps)],
        "trajectories": [min(trajectories), int(np.median(trajectories)), max(trajectories)],
        "checks": [check("share of runs off by more", exceeded / runs, LARGEST_SHARE, at_least=False)._asdict()],
    }


def _one(case: Case, seed: int) -> tuple[Any, np.ndarray]:
    """A run and |answer − exact| of every observable at every time after the first."""
    import stochq as sq

    equation, psi0, watched = case.make(np.random.default_rng(seed))
    result = sq.simulate(
        equation, psi0, case.times, observables=watched, trajectories=CAP, tolerance=case.tolerance, seed=seed
    )
    exact = sq.exact.evolve(equation, psi0, case.times, observables=watched)
    return result, np.concatenate([np.abs(result.mean[name] - exact.expect[name])[1:] for name in watched])

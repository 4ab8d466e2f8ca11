"""Whether standard errors are right (see `benchmarks.error_bars`), and whether `tolerance=` keeps its promise.

How often an answer is further off than it said: five families, of which every run has parameters, a state, a seed and
observables of its own, so that the pilots differ too. Of two of them averages are asked that are not linear in the
density matrix, so that pilot runs choose the step.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine, nonlinear, report
from benchmarks.error_bars import error_bars
from benchmarks.results import load, save
from benchmarks.targets import check

RUNS = 200
CAP = 10**7
# Of all runs, those whose worst observable at its worst time is off by more than the tolerance.
LARGEST_SHARE = 0.05


class Run(NamedTuple):
    """observables by name; exact: times -> their averages, None for those of the master equation."""

    equation: Any
    psi0: np.ndarray
    observables: dict[str, Any]
    exact: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None

    def averages(self, times: np.ndarray) -> dict[str, np.ndarray]:
        import stochq as sq

        if self.exact is not None:
            return self.exact(times)
        return dict(sq.exact.evolve(self.equation, self.psi0, times, observables=self.observables).expect)


class Case(NamedTuple):
    """make: generator -> Run."""

    title: str
    make: Callable[[np.random.Generator], Run]
    times: np.ndarray
    tolerance: float


def _state(rng: np.random.Generator, dim: int) -> np.ndarray:
    psi = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    return psi / np.linalg.norm(psi)


def _hermitian(rng: np.random.Generator, dim: int) -> np.ndarray:
    matrix = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    return (matrix + matrix.conj().T) / 2


def _suv(rng: np.random.Generator) -> Run:
    import stochq as sq

    equation = sq.models.suv(sq.systems.levels(_hermitian(rng, 3)), strength=rng.uniform(0.5, 2.0))
    return Run(equation, _state(rng, 3), {"level": np.array([0.0, 0.5, 1.0]), "coherence": 0.5 * (1 - np.eye(3))})


def _oqt(rng: np.random.Generator) -> Run:
    import stochq as sq

    energies, weights = np.sort(rng.uniform(0.0, 2.0, 8)), rng.dirichlet(np.ones(8))
    equation = sq.models.oqt(sq.systems.levels(energies), strength=rng.uniform(0.5, 2.0), equilibrium=weights)
    return Run(equation, _state(rng, 8), {"energy": energies, "ground": np.eye(8)[0]})


def _homodyne(rng: np.random.Generator) -> Run:
    import stochq as sq

    lower = np.sqrt(rng.uniform(0.3, 2.0)) * np.array([[0.0, 0.0], [1.0, 0.0]])
    equation = sq.models.unravel(sq.systems.levels(_hermitian(rng, 2)), [lower])
    return Run(equation, _state(rng, 2), {"excited": np.array([1.0, 0.0]), "x": np.array([[0.0, 1.0], [1.0, 0.0]])})


@cache
def _squares() -> dict[str, Callable[[Any], Any]]:
    """Functions of ψ, the same ones for all runs: new ones would be compiled anew."""
    import jax.numpy as jnp

    return {
        "p squared": lambda psi: jnp.abs(psi[0]) ** 4,
        "x squared": lambda psi: (2 * (jnp.conj(psi[0]) * psi[1]).real) ** 2,
        "sum of squares": lambda psi: jnp.sum(jnp.abs(psi) ** 4),
    }


def _homodyne_squares(rng: np.random.Generator) -> Run:
    import stochq as sq

    turning, decay, angle = rng.uniform(0.5, 4.0), rng.uniform(0.3, 2.0), rng.uniform(0.0, np.pi)
    levels = sq.systems.levels(0.5 * turning * np.array([[0, -1j], [1j, 0]]))
    equation = sq.models.unravel(levels, [np.sqrt(decay) * np.array([[0.0, 0.0], [1.0, 0.0]])])
    watched = {name: _squares()[name] for name in ("p squared", "x squared")}
    psi0 = np.array([np.cos(angle), np.sin(angle)])
    return Run(equation, psi0, watched, partial(nonlinear.watched_qubit, turning, decay, angle))


def _oqt_squares(rng: np.random.Generator) -> Run:
    import stochq as sq

    levels, rate, psi0 = sq.systems.levels(rng.uniform(0.0, 2.0, 8)), rng.uniform(0.5, 2.0), _state(rng, 8)
    equation = sq.models.oqt(levels, strength=rate, equilibrium=np.full(8, 1 / 8), noise="complex")
    watched = {name: _squares()[name] for name in ("p squared", "sum of squares")}
    return Run(equation, psi0, watched, partial(nonlinear.even_thermalization, rate, np.abs(psi0) ** 2))


CASES = (
    Case("SUV d=3, random H", _suv, np.linspace(0.0, 2.0, 6), 0.01),
    Case("OQT d=8, random levels", _oqt, np.linspace(0.0, 2.0, 6), 0.01),
    Case("homodyne qubit, random H", _homodyne, np.linspace(0.0, 2.0, 6), 0.01),
    Case("homodyne qubit, squared means", _homodyne_squares, np.linspace(0.0, 2.0, 6), 0.01),
    Case("OQT d=8, squared populations", _oqt_squares, np.linspace(0.0, 2.0, 6), 0.01),
)


def honesty(quick: bool, only: str | None = None) -> dict[str, Any]:
    """Run, count, print, and write benchmarks/results/honesty.json; only: "errors" or "tolerance"."""
    where, runs = machine.describe(), RUNS // 10 if quick else RUNS
    print(report.heading(where), flush=True)
    found = load("honesty") or {}
    if only != "tolerance":
        found |= {"error_bars": {"machine": where, "rows": error_bars(runs)}}
        _save(found, quick)
    if only != "errors":
        found |= {"machine": where, "rows": _tolerances(runs)}
        _save(found, quick)
    return found


def _save(found: dict[str, Any], quick: bool) -> None:
    if not quick:
        save(found, "honesty")


def _tolerances(runs: int) -> list[dict[str, Any]]:
    """A row for each family, printed as it comes, and the table."""
    rows = []
    for case in CASES:
        rows.append(_judge(case, runs))
        print(f"{case.title}: {rows[-1]['exceeded']} of {runs} runs exceeded {case.tolerance:g}", flush=True)
    shown = ("title", "runs", "tolerance", "exceeded", "exceeded_points", "points", "largest_error", "not_met")
    print(report.table(shown, [[str(row[key]) for key in shown] for row in rows]))
    print("\n".join(report.verdicts(rows)))
    return rows


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

    made = case.make(np.random.default_rng(seed))
    result = sq.simulate(
        made.equation,
        made.psi0,
        case.times,
        observables=made.observables,
        trajectories=CAP,
        tolerance=case.tolerance,
        seed=seed,
    )
    exact = made.averages(case.times)
    return result, np.concatenate([np.abs(result.mean[name] - exact[name])[1:] for name in made.observables])

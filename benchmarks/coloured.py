"""What a spectrum costs: processor time per trajectory-step of a random potential, coloured against white."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

REPEATS, WORK = 5, 2**25
ALLOWED = 1.5


def coloured() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/coloured.json."""
    import stochq as sq

    where = machine.describe()
    print(report.heading(where), flush=True)
    colours = {
        "white": None,
        "Ornstein-Uhlenbeck": sq.noise.OrnsteinUhlenbeck(0.3),
        "sum of three": sq.noise.SumOfOrnsteinUhlenbeck([0.2, 0.3, 0.5], [0.1, 0.5, 2.0]),
    }
    rows, checks = [], []
    for title, (build, psi) in _problems().items():
        times = [_nanoseconds(build(colour), psi) for colour in colours.values()]
        rows.append([title, *(f"{t:.0f}" for t in times), *(f"{t / times[0]:.2f}" for t in times[1:])])
        found = [check(f"{name} / white", t / times[0], ALLOWED, False) for name, t in zip(colours, times, strict=True)]
        checks.append({"title": title, "checks": [entry._asdict() for entry in found[1:]]})
    header = ["", *(f"{name}, ns" for name in colours), *(f"{name} / white" for name in list(colours)[1:])]
    print(report.table(header, rows))
    print("\n".join(report.verdicts(checks)))
    results = {"machine": where, "header": header, "rows": rows, "checks": checks}
    save(results, "coloured")
    return results


def _problems() -> dict[str, tuple[Callable[[Any], Any], Any]]:
    """{title: (equation of a colour, initial state)}."""
    import stochq as sq

    particle = sq.systems.particle(64, 16.0, 1.0, sq.systems.harmonic(1.0))
    qubit, chain = sq.systems.levels([[0.5, 0.2], [0.2, -0.5]]), sq.systems.ising(4, coupling=1.0, transverse=0.9)
    return {
        "CSL, 64 points": (
            lambda colour: sq.models.csl(particle, rate=0.5, length=1.0, noise="unitary", colour=colour),
            particle.gaussian(0.0, 0.7),
        ),
        "dephasing, 2 levels": (
            lambda colour: sq.models.suv(qubit, strength=1.0, noise="unitary", colour=colour),
            np.eye(2)[0],
        ),
        "dephasing, 16 levels": (
            lambda colour: sq.models.suv(chain, strength=1.0, noise="unitary", colour=colour),
            np.eye(16)[0],
        ),
    }


def _nanoseconds(equation: Any, psi: Any, dt: float = 0.05, steps: int = 100) -> float:
    """The least processor time per trajectory-step of some runs, after one that compiles."""
    import stochq as sq

    trajectories = max(1024, WORK // (steps * equation.dim))
    watched, taken = {"norm": np.ones(equation.dim)}, []
    for seed in range(REPEATS + 1):
        began = time.process_time()
        sq.simulate(equation, psi, [0, dt * steps], observables=watched, trajectories=trajectories, dt=dt, seed=seed)
        taken.append(time.process_time() - began)
    return 1e9 * min(taken[1:]) / (trajectories * steps)

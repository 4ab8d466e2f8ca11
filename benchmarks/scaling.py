"""How cost and memory grow with the dimension, the operators, the trajectories and the steps; where the master
equation stops being the cheaper tool."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine, report, statements
from benchmarks.children import run_child
from benchmarks.crossover import crossing
from benchmarks.measure import peak_memory
from benchmarks.results import save

DT = 0.02
# The ensemble that the master equation is compared with: about one per cent of an observable's spread.
CROSSING_TRAJECTORIES, CROSSING_STEPS = 10_000, 20
# Exponents are fitted to the largest sizes, where constants no longer matter.
FITTED = 3
SECONDS = 0.3


class Axis(NamedTuple):
    """unit: of the sizes. make: size -> (equation, trajectories, steps). exact: the master equation is timed too."""

    title: str
    unit: str
    sizes: tuple[int, ...]
    make: Callable[[int], tuple[Any, int, int]]
    exact: bool = False


def _suv(dim: int) -> Any:
    import stochq as sq

    return sq.models.suv(sq.systems.levels(np.linspace(0.0, 1.0, dim)), strength=1.0)


def _hopping(dim: int) -> Any:
    import stochq as sq

    return sq.models.suv(sq.systems.levels(statements.hopping(dim)), strength=1.0)


def _oqt(dim: int) -> Any:
    import stochq as sq

    energies, weights = statements.spectrum(dim)
    return sq.models.oqt(sq.systems.levels(energies), strength=1.0, equilibrium=weights)


def _kerr(dim: int) -> Any:
    from benchmarks import equations

    return equations.kerr(dim)


def _operators(count: int) -> Any:
    import stochq as sq

    rng = np.random.default_rng(1)
    jumps = 0.3 / np.sqrt(count) * (rng.normal(size=(count, 8, 8)) + 1j * rng.normal(size=(count, 8, 8)))
    return sq.models.unravel(sq.systems.levels(statements.hopping(8)), list(jumps))


def _over_dimension(build: Callable[[int], Any]) -> Callable[[int], tuple[Any, int, int]]:
    return lambda dim: (build(dim), 0, CROSSING_STEPS)


AXES = {
    "suv": Axis("SUV, diagonal H", "levels", (2, 8, 32, 128, 512, 2048, 4096), _over_dimension(_suv), True),
    "hopping": Axis("SUV, dense H", "levels", (2, 8, 32, 128, 512), _over_dimension(_hopping), True),
    "oqt": Axis("OQT", "levels", (2, 8, 32, 128, 512, 2048, 4096), _over_dimension(_oqt), True),
    "kerr": Axis("Kerr cavity, banded", "levels", (8, 32, 128, 512), _over_dimension(_kerr), True),
    "operators": Axis("dense operators, d=8", "operators", (1, 4, 16, 64), lambda count: (_operators(count), 0, 20)),
    "trajectories": Axis(
        "SUV d=2", "trajectories", (100, 1000, 10**4, 10**5, 10**6, 10**7), lambda count: (_hopping(2), count, 10)
    ),
    "steps": Axis("SUV d=2, 4096 trajectories", "steps", (10, 100, 1000, 10_000), lambda n: (_hopping(2), 4096, n)),
}
# The master equation is not timed beyond what one would wait for.
LONGEST_EXACT = 20.0


def scaling() -> dict[str, Any]:
    """Measure every axis in a process of its own, print, and write benchmarks/results/scaling.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = []
    for name, axis in AXES.items():
        found = run_child(name, "stochq", command="scale")
        if "cannot" in found:
            print(f"{axis.title}: {found['cannot']}", flush=True)
            continue
        rows.append({"name": name, "title": axis.title, "unit": axis.unit, **found})
        print(_table(rows[-1]), flush=True)
    print(crossings(rows))
    results = {"machine": where, "rows": rows}
    save(results, "scaling")
    return results


def measure_axis(name: str) -> dict[str, Any]:
    """One axis, in this process: sizes ascend, so that the peak memory after each belongs to it."""
    axis, points, patient = AXES[name], [], True
    for size in axis.sizes:
        equation, trajectories, steps = axis.make(size)
        point = {"size": size, **_cost(equation, trajectories, steps)}
        if axis.exact and patient:
            point |= _exact(equation, steps)
            patient = point["exact_seconds"] < LONGEST_EXACT
        points.append(point)
    key = "seconds" if name in ("trajectories", "steps") else "nanoseconds"
    return {"points": points, "exponent": exponent(points, key), "exponent_of": key}


def _start(dim: int) -> np.ndarray:
    """Low levels, so that a truncated ladder stays far from its end."""
    psi = np.zeros(dim)
    psi[: min(dim, 2)] = np.sqrt(1 / min(dim, 2))
    return psi


def _cost(equation: Any, trajectories: int, steps: int) -> dict[str, Any]:
    """Seconds of a warm call and nanoseconds per trajectory-step; 0 trajectories are as many as fill the time."""
    import stochq as sq

    psi0, watched = _start(equation.dim), {"o": np.linspace(0.0, 1.0, equation.dim)}

    def run(count: int, seed: int) -> float:
        begun = time.perf_counter()
        times = [0.0, steps * DT]
        sq.simulate(equation, psi0, times, observables=watched, trajectories=count, seed=seed, dt=DT, progress=False)
        return time.perf_counter() - begun

    count = trajectories or 64
    run(min(count, 64), 0)
    seconds = run(count, 1)
    while not trajectories and seconds < SECONDS:
        count *= 4
        seconds = run(count, 1)
    seconds = min(seconds, run(count, 2))
    nanoseconds = seconds / (count * steps) * 1e9
    return {"trajectories": count, "seconds": seconds, "nanoseconds": nanoseconds, "peak_mib": peak_memory()}


def _exact(equation: Any, steps: int) -> dict[str, Any]:
    """Seconds of a warm solution of the master equation, and what the hint says about it."""
    import stochq as sq

    psi0, watched, times = _start(equation.dim), {"o": np.linspace(0.0, 1.0, equation.dim)}, [0.0, steps * DT]
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        sq.exact.evolve(equation, psi0, times, observables=watched)
        seconds.append(time.perf_counter() - begun)
        if seconds[0] > LONGEST_EXACT:
            break
    hint = sq.exact.cost_hint(equation, times, trajectories=CROSSING_TRAJECTORIES, steps=steps)
    return {"exact_seconds": min(seconds), "method": hint.method, "hint": hint.ensemble / hint.exact}


def exponent(points: list[dict[str, Any]], key: str) -> float:
    """Slope of log cost against log size over the largest sizes."""
    chosen = points[-FITTED:]
    sizes, costs = ([np.log(point[name]) for point in chosen] for name in ("size", key))
    return round(float(np.polyfit(sizes, costs, 1)[0]), 2)


def crossing_of(points: list[dict[str, Any]]) -> str:
    """The dimension from which the ensemble is faster, by interpolation between measured sizes."""
    known = [point for point in points if "exact_seconds" in point]
    work = CROSSING_TRAJECTORIES * CROSSING_STEPS * 1e-9
    dims, exact = ([point[name] for point in known] for name in ("size", "exact_seconds"))
    return crossing(dims, exact, [point["nanoseconds"] * work for point in known])


def crossings(rows: list[dict[str, Any]]) -> str:
    """The table of crossing dimensions."""
    cells = [[row["title"], crossing_of(row["points"])] for row in rows if "exact_seconds" in row["points"][0]]
    heading = f"{CROSSING_TRAJECTORIES} trajectories of {CROSSING_STEPS} steps are faster than the master equation from"
    return report.table(("model", heading + " this dimension on"), cells)


def _table(row: dict[str, Any]) -> str:
    cells = [
        [
            f"{point['size']}",
            report.duration(point["nanoseconds"]),
            f"{point['seconds']:.3g} s",
            f"{point['peak_mib']:.0f}",
            f"{point['exact_seconds']:.2g} s {point['method']}" if "exact_seconds" in point else report.NONE,
            f"{point['hint']:.2g}" if "hint" in point else report.NONE,
        ]
        for point in row["points"]
    ]
    headers = (row["unit"], "per trajectory-step", "call", "peak memory, MiB", "master equation", "hint")
    law = f"{row['title']}: {row['exponent_of']} grow as size^{row['exponent']} over the largest {FITTED}"
    return f"\n{law}\n{report.table(headers, cells)}"

"""What a step of many spins costs whose Hamiltonian is never a matrix, beside the memory traffic it needs and peers."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine, peers, report, spins_page
from benchmarks.children import need_peers
from benchmarks.problems import Problem
from benchmarks.results import save
from benchmarks.spins_counted import applications, bandwidth, states_per_column
from benchmarks.statements import Statement
from benchmarks.targets import check

SITES, PEER_SITES = (8, 10, 12, 14, 16, 18), (6, 8, 10)
COUPLING, TRANSVERSE, LONGITUDINAL = 1.0, 0.9, 0.4
STRENGTH, BETA, DT, STEPS, REPEATS = 0.5, 1.0, 0.05, 20, 3
# Amplitudes of all trajectories of a call together, at least two trajectories.
AMPLITUDES = 2**18
# Bytes that an application of H has to move for an amplitude: read and written once, in single precision.
BYTES_PER_APPLICATION = 16
MOST_TRAFFIC, MOST_STATES = 4.0, 6.0
# Of the peers' row: time of a trajectory at one step, which their Euler schemes need to be as short.
PEER_DT, PEER_STEPS, LARGEST_Z = 0.005, 50, 4.5
# QuTiP's trajectories cost the same each. Up to so many sites dynamiqs is tried with dense matrices as well.
QUTIP_TRAJECTORIES, DENSE_SITES = 16, 8


class Long(NamedTuple):
    """A run that has to end within so many seconds."""

    sites: int
    trajectories: int
    end: float
    seconds: float


LONG = (Long(12, 1000, 8.0, 120.0), Long(16, 64, 8.0, 600.0), Long(20, 2, 8.0, 900.0))


def spins(sites: Sequence[int], long: bool, only: Sequence[str]) -> dict[str, Any]:
    """Measure, print and write benchmarks/results/spins.json and the tables of docs/spins.md.

    Args:
        sites: numbers of sites beside the usual ones.
        long: whether to make the runs of minutes as well.
        only: words; rows of other models are left out, and nothing is written.
    """
    if not only:
        need_peers()
    where = machine.describe()
    print(report.heading(where), flush=True)
    delivered = bandwidth()
    models = {title: build for title, build in MODELS.items() if not only or any(word in title for word in only)}
    rows = [_row(title, build, n, delivered) for title, build in models.items() for n in (*SITES, *sorted(sites))]
    headers = ("model", "sites", "columns", "ns an amplitude", "wall", "H a step", "time / traffic", "states a column")
    keys = ("title", "sites", "trajectories", "cpu", "wall", "applications", "traffic", "states")
    print(report.table(headers, [[str(row[key]) for key in keys] for row in rows]))
    print(
        f"A step of {DT}: processor time, time that passes; applications of H that it makes; that time over the one in"
    )
    print(f"which memory moves them, at {delivered / 1e9:.1f} GB/s; and temporaries of the program in states.")
    results = {"machine": where, "bandwidth": delivered, "rows": rows}
    if not only:
        results["peers"] = [_against_peers(n) for n in PEER_SITES]
        _print_peers(results["peers"])
    if long:
        results["long"] = [_long(run) for run in LONG]
        headers = ("sites", "trajectories", "to t", "prepared, s", "run, s", "again, s", "at most", "step")
        keys = ("sites", "trajectories", "end", "prepared", "first", "again", "most", "dt")
        print(report.table(headers, [[str(row[key]) for key in keys] for row in results["long"]]))
    print("\n".join(report.verdicts([row for part in results.values() if isinstance(part, list) for row in part])))
    if not only:
        save(results, "spins")
        print(spins_page.update_page(results))
    return results


def chain(sites: int) -> Any:
    """The Ising chain in a tilted field, string by string, at any size without a matrix."""
    import stochq as sq

    terms = {f"Z{j} Z{j + 1}": -COUPLING for j in range(sites - 1)}
    terms |= {f"X{j}": -TRANSVERSE for j in range(sites)} | {f"Z{j}": -LONGITUDINAL for j in range(sites)}
    return sq.systems.spins(sites, terms)


def suv(sites: int, basis: str | None = None) -> Any:
    """Collapse in a product basis."""
    import stochq as sq

    return sq.models.suv(chain(sites), strength=STRENGTH, basis=basis)


def oqt(sites: int) -> Any:
    """Thermalization towards a canonical equilibrium."""
    import stochq as sq

    system = chain(sites)
    return sq.models.oqt(system, strength=STRENGTH, equilibrium=sq.canonical(system, BETA), noise="complex")


MODELS: dict[str, Callable[[int], Any]] = {"SUV": suv, "SUV, x": partial(suv, basis="x"), "OQT": oqt}


def _row(title: str, build: Callable[[int], Any], sites: int, delivered: float) -> dict[str, Any]:
    equation, trajectories = build(sites), trajectories_of(sites)
    taken = [_timed(equation, trajectories, DT, STEPS, seed) for seed in range(1 + REPEATS)][1:]
    amplitudes = STEPS * trajectories * equation.dim
    cpu, wall = (min(times) / amplitudes for times in zip(*taken, strict=True))
    counted = applications(equation, DT)
    traffic = wall * delivered / (counted * BYTES_PER_APPLICATION)
    states = states_per_column(equation, all_up(equation.dim), DT, STEPS, trajectories)
    checks = [
        check("time / traffic", traffic, MOST_TRAFFIC, at_least=False),
        check("states a column", states, MOST_STATES, at_least=False),
    ]
    return {
        "title": title,
        "sites": sites,
        "trajectories": trajectories,
        "cpu": round(1e9 * cpu, 2),
        "wall": round(1e9 * wall, 2),
        "applications": counted,
        "traffic": round(traffic, 2),
        "states": round(states, 2),
        "checks": [each._asdict() for each in checks],
    }


def trajectories_of(sites: int) -> int:
    """Of a call of the benchmark."""
    return max(2, AMPLITUDES >> sites)


def all_up(dim: int) -> np.ndarray:
    """All spins up."""
    return np.eye(1, dim)[0]


def _timed(equation: Any, trajectories: int, dt: float, steps: int, seed: int) -> tuple[float, float]:
    """Processor time and time that passes of a call, seconds."""
    import stochq as sq

    watched = {"m": equation.hamiltonian.operators["magnetization"]}
    worked, passed = time.process_time(), time.perf_counter()
    sq.simulate(
        equation, all_up(equation.dim), [0.0, steps * dt], observables=watched, trajectories=trajectories, dt=dt,
        seed=seed, progress=False,
    )  # fmt: skip
    return time.process_time() - worked, time.perf_counter() - passed


def local_problem(sites: int) -> Problem:
    """The chain, σ_z of the spin in its middle measured: as the peers take it and as we do."""
    system = chain(sites)
    operator = np.sqrt(STRENGTH) * np.asarray(system.operators[f"sigma_z_{sites // 2}"].diagonal)
    watched = np.asarray(system.operators["magnetization"].diagonal)

    def equation() -> Any:
        import stochq as sq

        return sq.models.unravel(chain(sites), [operator])

    def statement() -> Statement:
        return Statement(np.asarray(system.matrix()), [np.diag(operator)], all_up(2**sites), watched)

    steps = PEER_STEPS
    return Problem(f"spins-{sites}", f"{sites} spins", 1, PEER_DT, steps, equation, statement, qutip_steps=steps)


def _against_peers(sites: int) -> dict[str, Any]:
    """Microseconds of a step, warm; the best layout of dynamiqs, QuTiP on one core with sparse matrices."""
    import stochq as sq

    problem, count = local_problem(sites), AMPLITUDES >> sites
    equation, psi0, watched = problem.equation(), all_up(2**sites), {"o": problem.statement().observable}

    def ours(number: int, seed: int) -> Any:
        return sq.simulate(
            equation, psi0, problem.times, observables=watched, trajectories=number, dt=PEER_DT, seed=seed,
            progress=False,
        )  # fmt: skip

    own, result = _least(ours, count)
    layouts = ("dense", "dia") if sites <= DENSE_SITES else ("dia",)
    dynamiqs = {layout: _least(peers.dynamiqs_runner(problem, layout), count) for layout in layouts}
    layout = min(dynamiqs, key=lambda name: dynamiqs[name][0])
    qutip, by_qutip = _least(peers.qutip_runner(problem, problem.steps, 1), QUTIP_TRAJECTORIES)
    scale = 1e6 / problem.steps
    z = np.abs(result.mean["o"] - by_qutip.mean)[1:] / np.hypot(result.stderr["o"], by_qutip.stderr)[1:]
    checks = [check(f"{sites} spins, agreement with QuTiP, largest |z|", float(z.max()), LARGEST_Z, at_least=False)]
    return {
        "title": problem.title,
        "sites": sites,
        "ours": round(scale * own, 2),
        "dynamiqs": round(scale * dynamiqs[layout][0], 2),
        "layout": layout,
        "qutip": round(scale * qutip, 2),
        "z": round(float(z.max()), 2),
        "checks": [each._asdict() for each in checks],
    }


def _least(run: Callable[[int, int], Any], count: int) -> tuple[float, Any]:
    """The least processor time of a trajectory in some warm calls, and what the last one returned."""
    run(count, 0)
    taken, result = [], None
    for seed in range(1, 1 + REPEATS):
        start = time.process_time()
        result = run(count, seed)
        taken.append((time.process_time() - start) / count)
    return min(taken), result


def _print_peers(rows: Sequence[dict[str, Any]]) -> None:
    headers = ("σ_z of one spin measured", "stochq, µs", "dynamiqs, µs", "its layout", "QuTiP, µs", "largest |z|")
    keys = ("title", "ours", "dynamiqs", "layout", "qutip", "z")
    print(report.table(headers, [[str(row[key]) for key in keys] for row in rows]))
    print(
        f"Processor time of a step of one trajectory, {PEER_DT} for all; ours is of weak order 2, theirs are Euler's."
    )


def _long(run: Long) -> dict[str, Any]:
    """OQT of the README's chain, as a user would write it: preparation, a run with compiling, and a second one."""
    import stochq as sq

    start = time.perf_counter()
    equation = oqt(run.sites)
    marks, dt = [time.perf_counter() - start], 0.0
    for seed in range(2):
        start = time.perf_counter()
        result = sq.simulate(
            equation, all_up(equation.dim), np.linspace(0.0, run.end, 9), trajectories=run.trajectories, seed=seed,
            observables={"m": equation.hamiltonian.operators["magnetization"]}, progress=False,
        )  # fmt: skip
        marks.append(time.perf_counter() - start)
        dt = float(result.dt or 0.0)
    prepared, first, again = marks
    taken = check(
        f"{run.sites} spins, {run.trajectories} trajectories, s", prepared + first, run.seconds, at_least=False
    )
    return {
        **run._asdict(),
        "title": f"{run.sites} spins to the end",
        "prepared": round(prepared, 1),
        "first": round(first, 1),
        "again": round(again, 1),
        "most": run.seconds,
        "dt": dt,
        "checks": [taken._asdict()],
    }

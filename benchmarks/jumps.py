"""What a trajectory of quantum jumps costs, beside QuTiP's and dynamiqs', and whether jumps or diffusion tell a mean
sooner."""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks import machine, report
from benchmarks.children import need_peers
from benchmarks.results import save
from benchmarks.targets import check

# Of QuTiP's calls of milliseconds two do not tell the least: repeated runs said 3.4, 6.2 and 12.4 ms of one system.
REPEATS, PEER_REPEATS = 5, 10
# At equal error: both draw from one law, so that time per trajectory is all that differs.
WANTED = 50.0
LARGEST_Z = 4.5
ERROR = 1e-3
# dynamiqs runs one in so many of the intervals between saved times.
DYNAMIQS_PART = 10
CHAIN, STRENGTH, TEMPERATURE = 10, 1.0, 0.3


class System(NamedTuple):
    """hamiltonian (dim, dim), jumps [(dim, dim)], psi0 (dim,), times (T,), observable (dim,); trajectories of a call of
    ours, of QuTiP's and of dynamiqs'."""

    hamiltonian: np.ndarray
    jumps: list[np.ndarray]
    psi0: np.ndarray
    times: np.ndarray
    observable: np.ndarray
    trajectories: int
    qutip_trajectories: int
    dynamiqs_trajectories: int = 64


def jumps() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/jumps.json."""
    need_peers()
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = [_against_peers(title, build()) for title, build in SYSTEMS.items()]
    headers = ("system", "clicks", "stochq, µs", "QuTiP mcsolve, µs", "QuTiP / stochq", "largest |z|")
    headers += ("dynamiqs jssesolve, µs", "its step")
    keys = ("title", "clicks", "ours", "qutip", "ratio", "z", "dynamiqs", "dynamiqs_step")
    print(report.table(headers, [[str(row[key]) for key in keys] for row in rows]))
    print(f"Processor time per trajectory, warm. dynamiqs' clicks are late by half a step: its means err by {ERROR:g}.")
    print("\n".join(report.verdicts(rows)))
    laws = [_to_an_error(title, law) for title in MODELS for law in LAWS]
    headers = ("model, d = 1024", "law", "step", "trajectory, ms", "variance", f"to an error of {ERROR:g}, s")
    cells = [[str(row[key]) for key in ("title", "law", "dt", "milliseconds", "variance", "seconds")] for row in laws]
    print(report.table(headers, cells))
    print("Magnetization of 10 spins at its most uncertain saved time; processor time, compiling and pilots left out.")
    results = {"machine": where, "rows": rows, "laws": laws}
    save(results, "jumps")
    return results


def qubit() -> System:
    """Resonance fluorescence."""
    lowering = np.array([[0.0, 1.0], [0.0, 0.0]])
    drive = np.array([[0.0, 1.5], [1.5, 0.0]])
    return System(drive, [lowering], np.eye(2)[0], np.linspace(0, 20, 21), np.array([0.0, 1.0]), 65536, 200, 512)


def kerr(levels: int = 32) -> System:
    """A driven cavity with a nonlinearity, detuned, that loses photons."""
    lower = np.diag(np.sqrt(np.arange(1.0, levels)), 1)
    number = lower.T @ lower
    hamiltonian = 0.25 * lower.T @ lower.T @ lower @ lower - number + 2.0 * (lower + lower.T)
    return System(hamiltonian, [lower], np.eye(levels)[0], np.linspace(0, 10, 21), np.diag(number).copy(), 4096, 40)


def spins(sites: int = 6) -> System:
    """A chain in a tilted field, every spin of which decays."""
    flip, up = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
    lowering = np.array([[0.0, 0.0], [1.0, 0.0]])

    def at(operator: np.ndarray, site: int) -> np.ndarray:
        return np.kron(np.kron(np.eye(2**site), operator), np.eye(2 ** (sites - site - 1)))

    bonds = np.sum([at(up, site) @ at(up, site + 1) for site in range(sites - 1)], axis=0)
    field = np.sum([0.9 * at(flip, site) + 0.8 * at(up, site) for site in range(sites)], axis=0)
    decay = [np.sqrt(0.5) * at(lowering, site) for site in range(sites)]
    magnetization = np.diag(np.sum([at(up, site) for site in range(sites)], axis=0)) / sites
    return System(bonds + field, decay, np.eye(2**sites)[0], np.linspace(0, 10, 21), magnetization, 4096, 10)


SYSTEMS: dict[str, Callable[[], System]] = {
    "driven qubit": qubit,
    "Kerr cavity, 32 levels": kerr,
    "6 spins with local decay": spins,
}
MODELS = ("OQT", "SUV")
LAWS: tuple[Literal["jump", "real"], ...] = ("jump", "real")


def _against_peers(title: str, system: System) -> dict[str, Any]:
    import stochq as sq

    equation = sq.models.unravel(system.hamiltonian, system.jumps, noise="jump")

    def run(seed: int) -> Any:
        watched = {"o": system.observable}
        return sq.simulate(
            equation, system.psi0, system.times, observables=watched, trajectories=system.trajectories, seed=seed
        )

    run(0)
    ours, result = _least_time(lambda repeat: run(1 + repeat), REPEATS)
    theirs, (mean, error, clicks) = _qutip(system)
    stderr = np.hypot(result.stderr["o"], error)[1:]
    z = float(np.max(np.abs(result.mean["o"] - mean)[1:] / stderr))
    each = 1e6 * ours / system.trajectories
    ratio = theirs / each
    step = float(f"{2 * ERROR * np.ptp(system.times) / clicks:.2g}")
    return {
        "title": title,
        "clicks": round(clicks, 1),
        "ours": round(each, 1),
        "qutip": round(theirs),
        "ratio": round(ratio),
        "z": round(z, 2),
        "dynamiqs": round(_dynamiqs(system, step)),
        "dynamiqs_step": step,
        "checks": [
            check("QuTiP / stochq", ratio, WANTED, at_least=True)._asdict(),
            check("agreement with QuTiP, largest |z|", z, LARGEST_Z, at_least=False)._asdict(),
        ],
    }


def _qutip(system: System) -> tuple[float, tuple[np.ndarray, np.ndarray, float]]:
    """Microseconds per trajectory of mcsolve with its own settings, operators sparse; mean, error, clicks."""
    qt: Any = import_module("qutip")
    operators = [qt.Qobj(jump).to("CSR") for jump in system.jumps]
    arguments = qt.Qobj(system.hamiltonian), qt.Qobj(system.psi0.astype(complex)), system.times, operators
    watched = [qt.Qobj(np.diag(system.observable)).to("CSR")]
    options = {"progress_bar": "", "map": "serial"}

    def run(seed: int) -> Any:
        count = system.qutip_trajectories
        return qt.mcsolve(*arguments, e_ops=watched, ntraj=count, seeds=seed, options=options)

    seconds, result = _least_time(run, PEER_REPEATS, serial=True)
    count = system.qutip_trajectories
    error = np.real(result.std_expect[0]) / np.sqrt(count - 1)
    clicks = float(np.mean([len(times) for times in result.col_times]))
    return 1e6 * seconds / count, (np.real(result.average_expect[0]), error, clicks)


def _dynamiqs(system: System, step: float) -> float:
    """Microseconds per trajectory of jssesolve, whose clicks come at the end of a step of the evolution between them.

    Late by half a step in the mean, they make a mean err by some half of the rate of clicks times the step. A finder of
    roots would place them, but stops dynamiqs 0.3.7 with an error. All steps cost the same: a part of the time is run.
    """
    import jax

    dq: Any = import_module("dynamiqs")
    dq.set_progress_meter(False)
    count, method = system.dynamiqs_trajectories, dq.method.Event(dtmax=step)
    jumps = [dq.asqarray(jump.astype(complex)) for jump in system.jumps]
    hamiltonian, watched = system.hamiltonian.astype(complex), [np.diag(system.observable).astype(complex)]
    psi0, times = system.psi0.astype(complex)[:, None], system.times[: 1 + len(system.times) // DYNAMIQS_PART]

    def run(seed: int) -> None:
        keys = jax.random.split(jax.random.key(seed), count)
        options = {"exp_ops": watched, "method": method, "save_states": False, "nmaxclick": 128}
        jax.block_until_ready(dq.jssesolve(hamiltonian, jumps, psi0, times, keys, **options).expects)

    run(0)
    seconds = _least_time(lambda repeat: run(1 + repeat), 2)[0]
    return 1e6 * seconds / count * np.ptp(system.times) / np.ptp(times)


def _least_time(run: Callable[[int], Any], repeats: int, serial: bool = False) -> tuple[float, Any]:
    """The least processor time of some calls, and what the last one returned.

    serial: of one thread, whose time that passes counts where it is less: idle threads of a library spin.
    """
    taken, result = [], None
    for repeat in range(repeats):
        passed, worked = time.perf_counter(), time.process_time()
        result = run(repeat)
        taken += [time.process_time() - worked]
        taken += [time.perf_counter() - passed] if serial else []
    return min(taken), result


def _to_an_error(title: str, law: Literal["jump", "real"]) -> dict[str, Any]:
    """How long the mean of the magnetization takes to a standard error, from a shorter run."""
    import stochq as sq

    chain = sq.systems.ising(CHAIN, coupling=1.0, transverse=0.9, longitudinal=0.4)
    if title == "OQT":
        weights = sq.canonical(chain, TEMPERATURE)
        equation = sq.models.oqt(chain, strength=STRENGTH, equilibrium=weights, noise=law)
    else:
        equation = sq.models.suv(chain, strength=STRENGTH, noise=law)
    watched = {"m": chain.operators["magnetization"]}
    psi0, times = np.eye(2**CHAIN)[0], np.linspace(0, 2, 5)

    def run(seed: int, **options: Any) -> Any:
        return sq.simulate(equation, psi0, times, observables=watched, trajectories=2048, seed=seed, **options)

    dt = run(0).dt
    options = {"dt": dt} if dt else {}
    run(1, **options)
    seconds, result = _least_time(lambda repeat: run(2 + repeat, **options), 3)
    each, variance = seconds / 2048, float(result.variance["m"].max())
    return {
        "title": title,
        "law": law,
        "dt": f"{dt:.3g}" if dt else "none",
        "milliseconds": float(f"{1e3 * each:.3g}"),
        "variance": float(f"{variance:.3g}"),
        "seconds": float(f"{each * variance / ERROR**2:.3g}"),
    }

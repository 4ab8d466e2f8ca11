"""How long phase space takes: many exact evolutions in one call, many paths, many modes, long chains."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

OSCILLATORS, TIMES = 10_000, 200
PATHS, STEPS = 1_000_000, 1000
MODES, TRAJECTORIES = 200, 100_000
SITES = 3000


def phase_space() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/phase_space.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = [
        _row(f"{OSCILLATORS} dissipative-CSL oscillators, {TIMES} times", _oscillators(), 1.0, 7),
        _row(f"{PATHS} Langevin paths of {STEPS} steps, with entropy", _paths, 60.0, 2),
        _row(f"{TRAJECTORIES} monitored trajectories of {MODES} modes, 5 times", _monitored, None, 2),
        _row(f"entropies of a chain of {SITES} sites with probes", _chain, 60.0, 3),
    ]
    cells = [[row["title"], row["text"], f"{row['first']:.1f}", f"{row['peak_mib']:.0f}"] for row in rows]
    print(report.table(("", "median (spread), s", "first call, s", "peak so far, MiB"), cells))
    print("\n".join(report.verdicts(rows)))
    results = {"machine": where, "rows": rows}
    save(results, "phase_space")
    return results


def _row(title: str, call: Callable[[], Any], limit: float | None, repeats: int) -> dict[str, Any]:
    from benchmarks.measure import peak_memory

    first, *seconds = (_timed(call) for _ in range(repeats + 1))
    median = statistics.median(seconds)
    found = [] if limit is None else [check("after compile, s", median, limit, at_least=False)._asdict()]
    return {
        "title": title,
        "first": first,
        "seconds": [round(value, 4) for value in seconds],
        "text": f"{median:.3g} ({min(seconds):.3g}–{max(seconds):.3g})",
        "peak_mib": peak_memory(),
        "checks": found,
    }


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _oscillators() -> Callable[[], Any]:
    import stochq as sq

    start, times = sq.gaussian.thermal(0.005), np.linspace(0.0, 20.0, TIMES)
    random = np.random.default_rng(0)
    diffusion, friction = random.uniform(0.5, 1.0, OSCILLATORS), random.uniform(0.0, 1.0, OSCILLATORS)
    evolve = jax.jit(jax.vmap(lambda d, f: sq.gaussian.csl_oscillator(d, f).evolve(start, times)))

    def call() -> Any:
        with jax.enable_x64(True):
            return jax.block_until_ready(evolve(jnp.asarray(diffusion), jnp.asarray(friction)))

    return call


def _paths() -> Any:
    import stochq as sq

    model = sq.gaussian.brownian(1.0, 1.0, 0.3, 2.0)
    return sq.gaussian.langevin(model, model.steady_state(), [0.0, 0.02 * STEPS], trajectories=PATHS, dt=0.02)


def _monitored() -> Any:
    import stochq as sq

    unit = np.eye(2 * MODES)
    springs = np.eye(MODES, k=1) + np.eye(MODES, k=-1)
    watched = sq.gaussian.Monitored(unit - 0.2 * np.kron(np.diag([1.0, 0.0]), springs), 0.3 * unit[:MODES])
    energy = {"energy": 0.5 * unit}
    times = np.linspace(0.0, 5.0, 5)
    return watched.trajectories(sq.gaussian.vacuum(MODES), times, trajectories=TRAJECTORIES, observables=energy)


def _chain() -> Any:
    import stochq as sq

    return sq.gaussian.chain(SITES, 3e-7, 1e-6, (1.0, 2.0), probe=1e-7).entropy_production()

"""How long exact Gaussian evolution takes: 10⁴ dissipative-CSL oscillators at 200 times in one call."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine, report
from benchmarks.targets import check
from benchmarks.throughput import RESULTS, save

OSCILLATORS, TIMES, REPEATS = 10_000, 200, 7
SECONDS = 1.0


def phase_space() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/phase_space.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    compile_seconds, seconds = measure()
    found = [check("after compile, s", float(np.median(seconds)), SECONDS, at_least=False)]
    title = f"{OSCILLATORS} oscillators, {TIMES} times, double precision"
    spread = [f"{np.median(seconds):.3f}", f"{min(seconds):.3f} to {max(seconds):.3f}", f"{compile_seconds:.1f}"]
    print(report.table(("", "median, s", "spread, s", "first call, s"), [[title, *spread]]))
    results = {
        "machine": where,
        "oscillators": OSCILLATORS,
        "times": TIMES,
        "compile_seconds": round(compile_seconds, 3),
        "seconds": [round(value, 4) for value in seconds],
        "checks": [entry._asdict() for entry in found],
    }
    print("\n".join(report.verdicts([{"title": title, "checks": results["checks"]}])))
    save(results, RESULTS / "phase_space.json")
    return results


def measure() -> tuple[float, list[float]]:
    """Seconds of the first call and of each repeat."""
    import stochq as sq

    start, times = sq.gaussian.thermal(0.005), np.linspace(0.0, 20.0, TIMES)
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        evolve = jax.jit(jax.vmap(lambda d, f: sq.gaussian.csl_oscillator(d, f).evolve(start, times)))
        diffusion = jnp.asarray(random.uniform(0.5, 1.0, OSCILLATORS))
        friction = jnp.asarray(random.uniform(0.0, 1.0, OSCILLATORS))
        seconds = []
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            jax.block_until_ready(evolve(diffusion, friction))
            seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1:]

"""What an accelerator delivers: trajectory-steps per second against the ceilings of the same device in the same run."""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.children import run_child
from benchmarks.problems import find
from benchmarks.results import save
from benchmarks.targets import check

# (problem, trajectories); real operations and random numbers of one step per level.
SIZES = (("suv-8", 10**6), ("oqt-64", 10**6), ("suv-2", 10**6), ("oqt-8", 10**6))
OPERATIONS_PER_LEVEL = {"suv": 60.0, "oqt": 100.0}
NORMALS_PER_LEVEL = {"suv": 1.0, "oqt": 5.0}
REPEATS = 5
# The problems whose share of the tighter ceiling is judged.
JUDGED = ("suv-8", "oqt-64")
SHARE_OF_CEILING, TIMES_DYNAMIQS = 0.3, 20.0


def gpu() -> dict[str, Any] | None:
    """Measure, print and write benchmarks/results/gpu.json; without an accelerator say so and claim nothing."""
    # This process measures the ceilings, others the problems: none may take most of the memory beforehand.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    if jax.default_backend() == "cpu":
        print("No accelerator is visible to JAX: nothing was measured, and nothing is claimed for one.")
        return None
    where = machine.describe() | {"device": jax.devices()[0].device_kind}
    print(report.heading(where), where["device"], sep="\n", flush=True)
    ceilings = {"copy": copy_bandwidth(), "arithmetic": arithmetic(), "noise": noise()}
    rows = [_row(name, trajectories, ceilings) for name, trajectories in SIZES]
    headers = ("problem", "stochq, steps/s", "copy", "arithmetic", "noise", "tighter", "dynamiqs, steps/s", "ratio")
    print(report.table(headers, [_cells(row) for row in rows]))
    print("Shares of the ceilings measured here: a state read and written once a step, the operations of a step, its "
          "normals alone.")  # fmt: skip
    print("\n".join(report.verdicts(rows)))
    results = {"machine": where, "ceilings": ceilings, "rows": rows}
    save(results, "gpu")
    return results


def _median(function: Callable[[int], Any]) -> float:
    """Median seconds of warm calls."""
    import jax

    jax.block_until_ready(function(0))
    seconds = []
    for repeat in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(function(repeat + 1))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def copy_bandwidth() -> float:
    """Bytes per second, read and written."""
    import jax
    import jax.numpy as jnp

    array = jnp.ones(2**28, jnp.float32)
    scaled = jax.jit(lambda x, factor: x * factor)
    return 2 * array.nbytes / _median(lambda repeat: scaled(array, np.float32(repeat)))


def arithmetic() -> float:
    """Single-precision operations per second of dependent multiply-adds kept in registers."""
    import jax
    import jax.numpy as jnp

    rounds, array = 1024, jnp.ones(2**22, jnp.float32)

    @jax.jit
    def spin(x: jax.Array, factor: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, rounds // 64, lambda _, y: _unrolled(y, factor), x)

    def _unrolled(y: jax.Array, factor: jax.Array) -> jax.Array:
        for _ in range(64):
            y = y * factor + np.float32(1e-3)
        return y

    return 2 * rounds * array.size / _median(lambda repeat: spin(array, np.float32(0.999 + 1e-6 * repeat)))


def noise() -> float:
    """Normals per second of the library's own generator, summed so that they are not stored."""
    import jax
    import jax.numpy as jnp

    from stochq.noise.normals import normal_pair
    from stochq.noise.threefry import threefry

    count = 2**26

    @jax.jit
    def draw(key: jax.Array) -> jax.Array:
        counters = jnp.arange(count, dtype=jnp.uint32)
        words = threefry(jnp.stack([key, key + np.uint32(1)]), counters, counters)
        first, second = normal_pair(words[0], words[1], np.dtype(np.float32))
        return jnp.sum(first) + jnp.sum(second)

    return 2 * count / _median(lambda repeat: draw(jnp.uint32(repeat)))


def _row(name: str, trajectories: int, ceilings: dict[str, float]) -> dict[str, Any]:
    problem = find(name)
    dim, family = problem.equation().dim, name.split("-")[0]
    found = run_child(name, "stochq", "default", "--trajectories", str(trajectories))
    row: dict[str, Any] = {"name": name, "title": problem.title, "trajectories": trajectories, "stochq": found}
    if "cannot" not in found:
        rate = 1e9 / found["nanoseconds"]
        limits = {
            "copy": ceilings["copy"] / (2 * 8 * dim),
            "arithmetic": ceilings["arithmetic"] / (OPERATIONS_PER_LEVEL[family] * dim),
            "noise": ceilings["noise"] / (NORMALS_PER_LEVEL[family] * dim),
        }
        row["shares"] = {key: rate / limit for key, limit in limits.items()}
        row["rate"] = rate
    if problem.dynamiqs:
        layout, _ = problem.dynamiqs[0]
        row["dynamiqs"] = run_child(name, "dynamiqs", layout, "--trajectories", "20000")
    return row | {"checks": _checks(row)}


def _checks(row: dict[str, Any]) -> list[dict[str, Any]]:
    if "rate" not in row:
        return []
    found = []
    if row["name"] in JUDGED:
        found.append(
            check("share of the tighter ceiling", max(row["shares"].values()), SHARE_OF_CEILING, at_least=True)
        )
    if (other := _dynamiqs_rate(row)) is not None:
        found.append(check("stochq / dynamiqs", row["rate"] / other, TIMES_DYNAMIQS, at_least=True))
    return [each._asdict() for each in found]


def _dynamiqs_rate(row: dict[str, Any]) -> float | None:
    """Trajectory-steps per second, None where it cannot."""
    found = row.get("dynamiqs", {})
    return 1e9 / found["nanoseconds"] if "nanoseconds" in found else None


def _cells(row: dict[str, Any]) -> list[str]:
    if "rate" not in row:
        return [row["title"], row["stochq"]["cannot"], *[report.NONE] * 6]
    shares = [f"{100 * row['shares'][key]:.0f} %" for key in ("copy", "arithmetic", "noise")]
    tight, rate = f"{100 * max(row['shares'].values()):.0f} %", _dynamiqs_rate(row)
    peer = [report.NONE] * 2 if rate is None else [f"{rate:.3g}", f"{row['rate'] / rate:.0f}x"]
    return [row["title"], f"{row['rate']:.3g}", *shares, tight, *peer]

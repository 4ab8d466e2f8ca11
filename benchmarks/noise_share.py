"""What one step costs beside its random numbers alone, in processor time of the same process."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

ROWS = ("suv-2", "suv-3", "suv-4", "suv-8", "suv-16", "oqt-16", "oqt-64", "oqt-256", "oqt-1024")
REPEATS, WORK, STEPS = 7, 2**24, 64
LARGEST = 2.5


def noise_share() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/noise_share.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = [_row(name) for name in ROWS]
    headers = ("problem", "words a step", "random numbers, ns", "step, ns", "ratio")
    print(
        report.table(headers, [[str(row[key]) for key in ("title", "words", "noise", "step", "ratio")] for row in rows])
    )
    print("Processor time per trajectory-step, the least of some calls; the ratios' median over them.")
    print("\n".join(report.verdicts(rows)))
    results = {"machine": where, "rows": rows}
    save(results, "noise_share")
    return results


def _row(name: str) -> dict[str, Any]:
    from stochq.ensemble.devices import block_size
    from stochq.schemes import default_scheme, frame_of, shares_draws

    family, dim = name.split("-")
    equation, psi0 = _equation(family, int(dim)), np.ones(int(dim)) / np.sqrt(int(dim))
    scheme, frame = default_scheme(equation), frame_of(equation)
    block, paired = block_size(int(dim), scheme.smallest_block(equation)), shares_draws(scheme, frame)
    budget = scheme.budget(frame)
    calls = max(2, WORK // (block * STEPS * int(dim)))
    draw, step = _drawing(budget, block, paired), _stepping(equation, psi0, block * calls)
    pairs = [(_nanoseconds(draw, calls, block * calls), _nanoseconds(step, 1, block * calls)) for _ in range(REPEATS)]
    ratio = statistics.median(step / noise for noise, step in pairs)
    words = 2 * budget.slots_per_step_pair / 2 if paired else 2 * (budget.shared + budget.own)
    return {
        "title": f"{family.upper()} d={dim}",
        "words": round(words),
        "noise": round(min(noise for noise, _ in pairs), 1),
        "step": round(min(step for _, step in pairs), 1),
        "ratio": round(ratio, 2),
        "checks": [check("step / random numbers", ratio, LARGEST, at_least=False)._asdict()],
    }


def _equation(family: str, dim: int) -> Any:
    from benchmarks import equations

    return equations.suv(dim) if family == "suv" else equations.oqt(dim)


def _drawing(budget: Any, block: int, paired: bool) -> Callable[[int], Any]:
    """One block's random numbers of all steps, each added up so that none can be left out."""
    import jax
    import jax.numpy as jnp

    from stochq.noise.counter import draw_step, draw_step_pair

    dtype, draw = np.dtype(np.float32), draw_step_pair if paired else draw_step

    def total(noise: Any) -> jax.Array:
        parts = [part for part in noise if part is not None and part.shape[0]]
        return sum((jnp.sum(part.real + part.imag, axis=0) for part in parts), jnp.zeros(block, dtype))

    @jax.jit
    def run(first: jax.Array) -> jax.Array:
        key, trajectories = jnp.zeros(2, jnp.uint32), first + jnp.arange(block, dtype=jnp.uint32)
        numbers = partial(draw, key, trajectories, budget=budget, dtype=dtype)

        def body(index: jax.Array, carry: tuple) -> tuple:
            added, noise = carry
            return added + total(noise), numbers(index + 1)

        start = (jnp.zeros(block, dtype), numbers(jnp.int32(0)))
        return jax.lax.fori_loop(0, STEPS // (2 if paired else 1), body, start)[0]

    return lambda call: run(np.uint32(call * block))


def _stepping(equation: Any, psi0: np.ndarray, trajectories: int) -> Callable[[int], Any]:
    import stochq as sq

    watched, times, dt = {"o": np.arange(float(len(psi0)))}, [0.0, STEPS * 0.005], 0.005

    def run(call: int) -> Any:
        return sq.simulate(
            equation, psi0, times, observables=watched, trajectories=trajectories, dt=dt, seed=call, progress=False
        )

    return run


def _nanoseconds(run: Callable[[int], Any], calls: int, trajectories: int) -> float:
    """Processor time per trajectory-step of some calls, after one that may compile."""
    import jax

    jax.block_until_ready(run(0))
    start = time.process_time()
    for call in range(calls):
        jax.block_until_ready(run(call))
    return 1e9 * (time.process_time() - start) / (trajectories * STEPS)

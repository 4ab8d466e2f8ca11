"""What fits cost: gradients against forward runs, memory against steps, and whether intervals hold what they say."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import stochq as sq
from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

REPEATS, SETS = 15, 200
# Forward runs.
LARGEST_REVERSE, LARGEST_FORWARD = 3.0, 2.0
# Steps of 1024 qubits, saved times, whether a rate or a whole Hamiltonian moves, and what a gradient may take, MiB.
MEMORY = (
    (10_000, 1, "rate", 8.0),
    (10_000, 100, "rate", 8.0),
    (100_000, 1, "rate", 32.0),
    (10_000, 1, "field", 8.0),
    (10_000, 100, "field", 8.0),
    (100_000, 1, "field", 32.0),
)
TIMES = np.linspace(0.0, 3.0, 11)


def fitting() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/fitting.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    costs = [
        _cost("SUV d=2, 1024, by its rate", _suv(1000, 1), 0.6),
        _cost("OQT d=16, 256, by its rate", _oqt(1000), 0.6),
        _cost("OQT d=16, 256, by 16 weights", lambda weights: _oqt(1000)(0.6, weights), _chain()[1]),
    ]
    cells = [[row["name"], *(f"{row[key]:.2f}" for key in ("forward_ms", "reverse", "per_parameter"))] for row in costs]
    print(report.table(("1000 steps", "forward, ms", "reverse, runs", "forward mode, runs"), cells), flush=True)
    memory = [
        {"steps": steps, "saved": saved, "by": by, "mib": _memory(steps, saved, by)} for steps, saved, by, _ in MEMORY
    ]
    cells = [[f"{row['steps']}", f"{row['saved']}", row["by"], f"{row['mib']:.1f}"] for row in memory]
    print(report.table(("steps", "saved times", "by", "gradient, MiB"), cells), flush=True)
    coverage = _coverage()
    found = [
        *(check(f"reverse mode of {row['name']}", row["reverse"], LARGEST_REVERSE, at_least=False) for row in costs),
        *(
            check(f"forward mode of {row['name']}", row["per_parameter"], LARGEST_FORWARD, at_least=False)
            for row in costs
        ),
        *(
            check(f"gradient by the {by} over {steps} steps, {saved} times, MiB", row["mib"], most, at_least=False)
            for (steps, saved, by, most), row in zip(MEMORY, memory, strict=True)
        ),
        check("p-values of right models, Kolmogorov and Smirnov", coverage["uniform"], 0.01, at_least=True),
    ]
    checks = [entry._asdict() for entry in found]
    results = {"machine": where, "costs": costs, "memory": memory, "coverage": coverage, "checks": checks}
    print("\n".join(report.verdicts([{"title": "fitting", "checks": checks}])))
    save(results, "fitting")
    return results


def _suv(steps: int, saved: int, by: str = "rate") -> Callable[[jax.Array], jax.Array]:
    """The mean at the end as a function of the rate, or of a field that multiplies the Hamiltonian."""
    levels = np.array([[0.0, 0.3], [0.3, 1.0]])
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 1024, "dt": 1 / steps}
    times = np.linspace(0, 1, saved + 1)

    def last(parameter: jax.Array) -> jax.Array:
        rate, field = (parameter, 1.0) if by == "rate" else (0.6, parameter)
        equation = sq.models.suv(sq.systems.levels(field * levels), strength=rate)
        return sq.expectations(equation, [0.6, 0.8], times, **run)["p"][-1]

    return last


def _oqt(steps: int) -> Callable[..., jax.Array]:
    """The mean at the end as a function of the rate and of the equilibrium's weights."""
    chain, chi = _chain()
    run = {"observables": {"m": chain.operators["magnetization"]}, "trajectories": 256, "dt": 1 / steps}

    def last(rate: jax.Array | float, weights: Any = chi) -> jax.Array:
        equation = sq.models.oqt(chain, strength=rate, equilibrium=weights)
        return sq.expectations(equation, np.eye(16)[0], [0.0, 1.0], **run)["m"][-1]

    return last


def _chain() -> tuple[sq.systems.Hamiltonian, np.ndarray]:
    chain = sq.systems.ising(4, coupling=1.0, transverse=0.9, longitudinal=0.4)
    return chain, np.asarray(sq.canonical(chain, 0.3))


def _cost(name: str, mean: Callable[[jax.Array], jax.Array], at: Any) -> dict[str, Any]:
    """Shortest of several calls, the programs in turn, so that a busy machine slows all alike."""
    at = jnp.asarray(at, jnp.float32)
    functions = (mean, jax.value_and_grad(mean), lambda at: jax.jvp(mean, (at,), (jnp.ones_like(at),)))
    programs = [jax.jit(function).lower(at).compile() for function in functions]
    seconds = [np.inf] * len(programs)
    for _ in range(REPEATS):
        for place, program in enumerate(programs):
            start = time.perf_counter()
            jax.block_until_ready(program(at))
            seconds[place] = min(seconds[place], time.perf_counter() - start)
    forward, reverse, tangent = seconds
    return {
        "name": name,
        "forward_ms": 1e3 * forward,
        "reverse": reverse / forward,
        "per_parameter": (tangent - forward) / forward,
    }


def _memory(steps: int, saved: int, by: str) -> float:
    compiled = jax.jit(jax.grad(_suv(steps, saved, by))).lower(jnp.float32(0.6)).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes / 2**20


def _coverage() -> dict[str, Any]:
    """Fits of a thermalizing qubit: the share of truths within 68 and 95 % intervals, and whether p is uniform."""
    truth = {"ground": 0.7, "rate": 0.6}
    equation = sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=0.6, equilibrium=[0.7, 0.3])
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 500, "dt": 0.3}
    inside: dict[str, list[int]] = {name: [0, 0] for name in truth}
    p_values = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(SETS):
            result = sq.simulate(equation, np.sqrt([0.1, 0.9]), TIMES, seed=seed, **run)
            fit = sq.fit(_population, result, {"ground": 0.5, "rate": 1.0})
            p_values.append(fit.p_value)
            for place, level in enumerate((0.683, 0.95)):
                low, high = fit.intervals(level)
                for name, value in truth.items():
                    inside[name][place] += bool(low[name] <= value <= high[name])
    shares = {name: [count / SETS for count in counts] for name, counts in inside.items()}
    cells = [[name, f"{one:.1%}", f"{two:.1%}"] for name, (one, two) in shares.items()]
    print(report.table((f"{SETS} sets of data", "within 68 %", "within 95 %"), cells), flush=True)
    return {"shares": shares, "uniform": float(stats.kstest(p_values, "uniform").pvalue)}


def _population(parameters: dict[str, jax.Array]) -> dict[str, jax.Array]:
    decay = jnp.exp(-parameters["rate"] * TIMES)
    return {"p": parameters["ground"] + (0.1 - parameters["ground"]) * decay}

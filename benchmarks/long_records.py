"""Ten million samples fitted by their correlations, and what that costs in precision beside the likelihood."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import stochq as sq
from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

INTERVAL, LAGS = 0.2, np.arange(1, 41)
RECORDS, BINS, FEW = 1000, 10_000, 200
LONGEST_SECONDS = 10.0
LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
SIGMA_X, SIGMA_Z = LOWERING + LOWERING.T, np.diag([1.0, -1.0])
TRUTH = {"rabi": 2.0, "detuning": 0.5, "decay": 1.0, "efficiency": 0.8}
START = {"rabi": 2.4, "detuning": 0.8, "decay": 0.7, "efficiency": 0.6}
BOUNDS = {"decay": (0.0, None), "efficiency": (0.0, 1.0)}


def long_records() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/long_records.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    equation = atom(TRUTH)
    steady = sq.exact.steady_state(equation)
    record = sq.inference.sample_records(equation, steady, np.arange(BINS + 1) * INTERVAL, records=RECORDS, seed=1)
    start = time.perf_counter()
    fit = sq.fit(correlations_of, sq.inference.correlations(record, LAGS), START, bounds=BOUNDS)
    seconds = time.perf_counter() - start
    print(f"{RECORDS * BINS:g} samples, compilation included: {seconds:.1f} s\n{fit}", flush=True)
    rows = _beside_the_likelihood(record, steady)
    cells = [[row["parameter"], *(f"{row[key]:.4f}" for key in ("correlations", "likelihood"))] for row in rows]
    print(report.table((f"errors from {FEW * 1000:g} samples", "correlations", "likelihood"), cells), flush=True)
    farthest = max(abs(fit.parameters[name] - truth) / fit.stderr[name] for name, truth in TRUTH.items())
    found = [
        check(f"fit of {RECORDS * BINS:g} samples, s", seconds, LONGEST_SECONDS, at_least=False),
        check("largest |z| of its parameters", farthest, 4.0, at_least=False),
    ]
    checks = [entry._asdict() for entry in found]
    print("\n".join(report.verdicts([{"title": "long records", "checks": checks}])))
    results = {"machine": where, "seconds": seconds, "errors": rows, "checks": checks}
    save(results, "long_records")
    return results


def _beside_the_likelihood(record: Any, steady: np.ndarray) -> list[dict[str, Any]]:
    """Standard errors of both fits of the same part of the records."""
    part = sq.inference.Record(record.times[:1001], record.increments[:FEW, :1000], record.names)
    by_correlations = sq.fit(correlations_of, sq.inference.correlations(part, LAGS), START, bounds=BOUNDS)
    by_likelihood = sq.fit(lambda values: (atom(values), steady), part, START, bounds=BOUNDS)
    print(f"{by_correlations}\n{by_likelihood}", flush=True)
    errors = by_correlations.stderr, by_likelihood.stderr
    return [
        {"parameter": name, "correlations": float(errors[0][name]), "likelihood": float(errors[1][name])}
        for name in TRUTH
    ]


def correlations_of(values: dict[str, Any]) -> dict[str, jax.Array]:
    return sq.exact.correlations(atom(values), LAGS, interval=INTERVAL)


def atom(values: dict[str, Any]) -> sq.Equation:
    watched = sq.measurement.homodyne(
        jnp.sqrt(values["decay"]) * LOWERING, phase=np.pi / 4, efficiency=values["efficiency"]
    )
    hamiltonian = 0.5 * values["rabi"] * SIGMA_X + 0.5 * values["detuning"] * SIGMA_Z
    return sq.models.monitored(hamiltonian, {"x": watched})

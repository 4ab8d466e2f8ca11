"""What a record costs: likelihoods, their gradients and conditional states, beside QuTiP's from the same records."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.targets import check

RABI, DETUNING, EFFICIENCY, BIN = 3.0, 0.5, 0.8, 0.02
BATCH, STEPS = 64, 1000
X, Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
GROUND = np.array([0.0, 1.0])
METHODS = ("euler", "rouchon", "platen", "milstein")


def likelihood() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/likelihood.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = [*_qubit(), _filter(), *_cavities(), *_peers()]
    print(report.table(("", "measured"), [[row["title"], row["text"]] for row in rows]))
    print("\n".join(report.verdicts(rows)))
    results = {"machine": where, "rows": rows}
    save(results, "likelihood")
    return results


def _row(title: str, value: float, unit: str, bound: float | None = None, *, at_least: bool = False) -> dict[str, Any]:
    checks = [] if bound is None else [check(unit, value, bound, at_least)._asdict()]
    return {"title": title, "value": value, "unit": unit, "text": f"{value:.3g} {unit}", "checks": checks}


def _best(call: Callable[[], Any], repeats: int = 5) -> float:
    """Seconds of the fastest of warm calls."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _monitored(theta: Any = (RABI, DETUNING, 1.0, EFFICIENCY)) -> Any:
    import stochq as sq

    detector = sq.measurement.homodyne(jnp.sqrt(theta[2]) * LOWERING, efficiency=theta[3])
    return sq.models.monitored(0.5 * theta[0] * X + 0.5 * theta[1] * Z, {"out": detector})


def _noise(records: int, steps: int, width: float = BIN) -> Any:
    import stochq as sq

    increments = np.random.default_rng(0).normal(size=(records, steps)) * np.sqrt(width)
    return sq.inference.Record(width * np.arange(steps + 1), increments, ["out"])


def _gradient(record: Any, build: Callable[[Any], Any], state: np.ndarray, theta: np.ndarray) -> Callable[[], Any]:
    import stochq as sq

    value = jax.jit(jax.value_and_grad(lambda theta: sq.inference.log_likelihood(build(theta), state, record)))

    def call() -> Any:
        with jax.enable_x64(True):
            return jax.block_until_ready(value(jnp.asarray(theta)))

    return call


def _qubit() -> list[dict[str, Any]]:
    import stochq as sq

    equation, theta = _monitored(), np.array([RABI, DETUNING, 1.0, EFFICIENCY])
    rows = []
    for records, steps in ((BATCH, STEPS), (BATCH, 10 * STEPS), (1, 100 * STEPS)):
        record = _noise(records, steps)
        scale = 1e9 / (records * steps)
        title = f"qubit, {records} record(s) of {steps} bins"
        bounds = (60.0, 200.0) if records > 1 else (None, 600.0)
        value = scale * _best(lambda record=record: sq.inference.log_likelihood(equation, GROUND, record))
        gradient = scale * _best(_gradient(record, _monitored, GROUND, theta))
        rows.append(_row(f"{title}, log-likelihood", value, "ns per record and bin", bounds[0]))
        rows.append(_row(f"{title}, with four derivatives", gradient, "ns per record and bin", bounds[1]))
    return rows


def _filter() -> dict[str, Any]:
    import stochq as sq

    equation, record = _monitored(), _noise(10_000, STEPS)
    call = lambda: sq.inference.filter(equation, GROUND, record, observables={"z": Z})  # noqa: E731
    return _row("qubit, filter of 10 000 records of 1000 bins", _best(call, 2), "s", 3.0)


def _cavities() -> list[dict[str, Any]]:
    """A driven Kerr cavity by Kraus maps, pure and mixed, beside trajectories of the same equation and step."""
    import stochq as sq

    rows, steps, width = [], 200, 0.005
    for dim, efficiency in ((16, 1.0), (32, 1.0), (16, 0.6)):
        lower = np.diag(np.sqrt(np.arange(1, dim)), 1)
        hamiltonian, vacuum = 0.5 * (lower + lower.T) + 0.05 * np.diag(np.arange(dim) ** 2.0), np.eye(dim)[0]

        def build(rate: Any, lower: Any = lower, hamiltonian: Any = hamiltonian, efficiency: float = efficiency) -> Any:
            detector = sq.measurement.homodyne(jnp.sqrt(rate) * lower, efficiency=efficiency)
            return sq.models.monitored(hamiltonian, {"out": detector})

        record, equation = _noise(BATCH, steps, width), build(1.0)
        title = f"cavity of {dim} levels, {'pure' if efficiency == 1 else 'mixed'}"
        value = _best(lambda r=record, e=equation, v=vacuum: sq.inference.log_likelihood(e, v, r), 3)
        gradient = _best(_gradient(record, build, vacuum, np.array(1.0)), 3)
        span, number = [0.0, steps * width], {"n": np.arange(float(dim))}
        forward = _best(
            lambda e=equation, v=vacuum, s=span, n=number: sq.simulate(
                e, v, s, observables=n, trajectories=4096, dt=width, progress=False
            ),
            3,
        )
        value, gradient, forward = value / (BATCH * steps), gradient / (BATCH * steps), forward / (4096 * steps)
        pure = efficiency == 1
        rows.append(_row(f"{title}, log-likelihood", 1e6 * value, "us per record and bin", 1.0 if pure else None))
        rows.append(_row(f"{title}, with a derivative", 1e6 * gradient, "us per record and bin", 3.0 if pure else None))
        rows.append(_row(f"{title}, likelihood / trajectory", value / forward, "times", None if pure else 8.0))
    return rows


def _peers(records: int = 12, span: float = 4.0) -> list[dict[str, Any]]:
    """Mean trace distance of conditional states to the exact ones from the same bins, and the time of a bin."""
    import stochq as sq

    rows, equation = [], _monitored()
    for width in (0.05, 0.02):
        times = width * np.arange(round(span / width) + 1)
        record = sq.inference.sample_records(equation, GROUND, times, records=records, seed=1)
        exact, kraus = (
            sq.inference.filter(equation, GROUND, record, observables={"z": Z}, density=True, method=method)
            for method in ("exact", "kraus")
        )
        assert exact.density is not None
        distances = {"stochq kraus": _distance(kraus.density, exact.density)}
        for method in METHODS:
            distances[f"qutip {method}"], seconds = _qutip(record, exact.density, method)
            rows.append(_row(f"qutip {method}, bins of {width}", 1e6 * seconds, "us per bin"))
        best = min((value for name, value in distances.items() if name != "stochq kraus"), default=np.nan)
        for name, value in distances.items():
            rows.append(_row(f"{name}, bins of {width}: distance to exact", value, "trace distance"))
        ratio = best / distances["stochq kraus"]
        rows.append(_row(f"bins of {width}: qutip's best / stochq kraus", ratio, "times", 10.0, at_least=True))
    return rows


def _distance(found: Any, exact: np.ndarray) -> float:
    values = np.linalg.eigvalsh(np.asarray(found) - exact)
    return float(0.5 * np.mean(np.sum(np.abs(values), axis=-1)))


def _qutip(record: Any, exact: np.ndarray, method: str) -> tuple[float, float]:
    """Mean trace distance, infinite where it diverged, and seconds of a bin."""
    import qutip

    watched, lost = np.sqrt(EFFICIENCY) * LOWERING, np.sqrt(1 - EFFICIENCY) * LOWERING
    solver = qutip.SMESolver(
        qutip.Qobj(0.5 * RABI * X + 0.5 * DETUNING * Z), [qutip.Qobj(watched)], heterodyne=False,
        c_ops=[qutip.Qobj(lost)], options={"method": method, "dt": float(np.diff(record.times).min()),
                                          "store_states": True, "progress_bar": ""},
    )  # fmt: skip
    start = qutip.ket2dm(qutip.Qobj(GROUND))
    width = np.diff(record.times)[0]
    began, distances = time.perf_counter(), []
    for row, states in zip(record.increments, exact, strict=True):
        run = solver.run_from_experiment(start, record.times, row.T / width, measurement=True)
        found = np.array([state.full() for state in run.states])
        distances.append(_distance(found, states) if np.all(np.isfinite(found)) else np.inf)
    seconds = (time.perf_counter() - began) / (len(exact) * (len(record.times) - 1))
    return float(np.mean(distances)), seconds

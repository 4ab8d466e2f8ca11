"""Whether the intervals of fits hold what they say: synthetic data of the four examples, and of long records."""

import importlib.util
import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import stochq as sq
from benchmarks import long_records, machine, report
from benchmarks.results import load, save
from benchmarks.targets import check
from stochq.inference.goodness import inflation
from stochq.inference.result import flat

SETS = 200
EXAMPLES = Path(__file__).parents[1] / "scripts" / "examples"
LEVELS = (0.683, 0.95)
# Three standard errors of a share of 200 sets.
ALLOWED = (0.10, 0.05)


class Case(NamedTuple):
    """predict, start and bounds as of `sq.fit`; truth in the coordinates of the fit; measure: data of a seed."""

    predict: Callable[[Any], Any]
    measure: Callable[[int], Any]
    start: dict[str, float]
    truth: dict[str, float]
    bounds: dict[str, tuple[float | None, float | None]]


def coverage(
    sets: int = SETS, intervals: Literal["wald", "profile"] = "wald", only: Sequence[str] = ()
) -> dict[str, Any]:
    """Fit so many sets of every case, print a table and write benchmarks/results/coverage.json, of Wald's intervals, or
    coverage_profile.json, after each case. only: cases whose names hold one of these words; the others are left as they
    were written."""
    where, title = machine.describe(), "coverage" if intervals == "wald" else "coverage_profile"
    print(report.heading(where), flush=True)
    cases = (load(title) or {"cases": {}})["cases"] if sets == SETS else {}
    for name, make in CASES.items():
        if only and not any(word in name for word in only):
            continue
        found = _covered(make(), sets, intervals)
        found["checks"] = [check(f"{name}, {text}", *rest)._asdict() for text, *rest in found["checks"]]
        cases[name] = {"machine": where, **found}
        print(report.table(("parameter", "within 68 %", "within 95 %"), _cells(found["rows"])), flush=True)
        print(f"{name}: {found['seconds']:.2f} s a set, {found['not_converged']} not converged", flush=True)
        print("\n".join(report.verdicts([{"title": "coverage", "checks": found["checks"]}])), flush=True)
        if sets == SETS:
            save({"sets": sets, "intervals": intervals, "cases": cases}, title)
    return cases


def _covered(case: Case, sets: int, intervals: Literal["wald", "profile"]) -> dict[str, Any]:
    """Shares of the truths within the intervals, and of the joint region by the ratio of likelihoods."""
    inside = {name: np.zeros((sets, 2), bool) for name in (*case.truth, "jointly")}
    p_values, not_converged, started = [], 0, time.perf_counter()
    for seed in range(sets):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = sq.fit(case.predict, case.measure(seed), case.start, bounds=case.bounds, intervals=intervals)
        not_converged += fit.converged is not True
        p_values.append(fit.p_value)
        rise = _rise(fit, case.truth)
        for place, level in enumerate(LEVELS):
            low, high = fit.intervals(level)
            for name, value in case.truth.items():
                inside[name][seed, place] = low[name] <= value <= high[name]
            inside["jointly"][seed, place] = rise < stats.chi2.ppf(level, len(case.truth))
    shares = {name: held.mean(axis=0) for name, held in inside.items()}
    rows = [{"parameter": name, "shares": share.tolist()} for name, share in shares.items()]
    checks = [
        (f"{name} within {level:.0%}, off by", abs(share[place] - level), ALLOWED[place], False)
        for name, share in shares.items()
        for place, level in enumerate(LEVELS)
    ]
    if np.all(np.isfinite(p_values)):
        checks.append(("p-values, Kolmogorov and Smirnov", float(stats.kstest(p_values, "uniform").pvalue), 0.01, True))
    seconds = (time.perf_counter() - started) / sets
    return {"rows": rows, "checks": checks, "seconds": seconds, "not_converged": not_converged}


def _rise(fit: sq.Fit, truth: dict[str, float]) -> float:
    """χ² at the truth above that of the fit, or twice the fall of the log-likelihood."""
    assert fit.problem is not None and fit.minimum is not None
    with jax.enable_x64(True):
        at_truth = fit.problem.objective.local(np.array([truth[name] for name in fit.names])).loss
    return 2 * (at_truth - fit.minimum.local.loss) / inflation(fit.dof, fit.problem.objective.samples)


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [[row["parameter"], *(f"{share:.1%}" for share in row["shares"])] for row in rows]


def load_example(name: str) -> Any:
    """A script of scripts/examples as a module."""
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _csl() -> Case:
    example = load_example("fit-csl")
    exact = {name: pattern for name, (pattern, _) in example.measure().items()}
    noise = _noise(example, exact, 1)
    clean = {name: pattern - off for (name, pattern), off in zip(exact.items(), noise, strict=True)}

    def measure(seed: int) -> dict[str, Any]:
        noise = _noise(example, clean, 1000 + seed)
        return {
            name: (pattern + off, np.full(pattern.shape, example.ERROR))
            for (name, pattern), off in zip(clean.items(), noise, strict=True)
        }

    # Some nine errors off, within the square in which the prediction is interpolated: exact, it takes a second.
    start, truth = example.logs({"rate": 0.36, "length": 1.35}), example.logs(example.TRUTH)
    predict = interpolated(example.predict, truth, reach=0.3, points=12)
    off = [value - 0.1 for value in truth.values()]
    exact, near = (flat(made(dict(zip(truth, off, strict=True)))) for made in (example.predict, predict))
    assert np.abs(near - exact).max() < 1e-3 * example.ERROR
    return Case(predict, measure, start, truth, {})


def interpolated(
    predict: Callable[[dict[str, Any]], Any], centre: dict[str, float], reach: float, points: int
) -> Callable[[dict[str, Any]], Any]:
    """predict by Chebyshev polynomials, so many in each parameter, within `reach` of a centre; NaN beyond."""
    nodes = np.cos(np.pi * (np.arange(points) + 0.5) / points)
    to_coefficients = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, points - 1))
    with jax.enable_x64(True):
        compiled = jax.jit(predict)
        places = itertools.product(nodes, repeat=len(centre))
        values = [
            compiled({name: middle + reach * x for (name, middle), x in zip(centre.items(), place, strict=True)})
            for place in places
        ]

    def coefficients(*leaves: jax.Array) -> np.ndarray:
        table = np.stack(leaves).reshape([points] * len(centre) + list(leaves[0].shape))
        for axis in range(len(centre)):
            table = np.moveaxis(np.tensordot(to_coefficients, table, (1, axis)), 0, axis)
        return table

    tables = jax.tree.map(coefficients, *values)

    def near(parameters: dict[str, Any]) -> Any:
        offsets = [(parameters[name] - middle) / reach for name, middle in centre.items()]
        inside = jnp.all(jnp.abs(jnp.stack(offsets)) <= 1)

        def leaf(table: np.ndarray) -> jax.Array:
            value = jnp.asarray(table)
            for x in offsets:
                value = jnp.tensordot(_chebyshev(x, points), value, 1)
            return jnp.where(inside, value, jnp.nan)

        return jax.tree.map(leaf, tables)

    return near


def _chebyshev(x: Any, points: int) -> jax.Array:
    """T_0(x) … T_{points−1}(x)."""
    found = [jnp.ones_like(x), x]
    while len(found) < points:
        found.append(2 * x * found[-1] - found[-2])
    return jnp.stack(found)


def _noise(example: Any, patterns: dict[str, np.ndarray], seed: int) -> list[np.ndarray]:
    """The errors that `measure` of the example adds with this seed."""
    rng = np.random.default_rng(seed)
    return [example.ERROR * rng.normal(size=pattern.shape) for pattern in patterns.values()]


def _chain() -> Case:
    example = load_example("fit-sui-chain")
    equation = example.equation(example.TRUTH)

    def measure(seed: int) -> sq.EnsembleResult:
        run = {"observables": example.OBSERVABLES, "trajectories": 1000, "seed": 1000 + seed}
        return sq.simulate(equation, example.PSI0, example.TIMES, **run)

    return Case(example.predict, measure, example.logs(example.START), example.logs(example.TRUTH), {})


def _homodyne() -> Case:
    example = load_example("fit-homodyne-qubit")
    equation, state = example.model(example.TRUTH)

    def measure(seed: int) -> Any:
        return sq.inference.sample_records(equation, state, example.TIMES, records=200, seed=1000 + seed)

    return Case(example.model, measure, example.START, example.TRUTH, example.BOUNDS)


def _oscillator() -> Case:
    example = load_example("fit-oscillator")

    def measure(seed: int) -> Any:
        return example.measure(seed=1000 + seed)

    return Case(example.model, measure, example.START, example.TRUTH, example.BOUNDS)


def _long_record() -> Case:
    equation = long_records.atom(long_records.TRUTH)
    steady, times = sq.exact.steady_state(equation), np.arange(1001) * long_records.INTERVAL

    def measure(seed: int) -> Any:
        record = sq.inference.sample_records(equation, steady, times, records=200, seed=1000 + seed)
        return sq.inference.correlations(record, long_records.LAGS)

    return Case(long_records.correlations_of, measure, long_records.START, long_records.TRUTH, long_records.BOUNDS)


CASES: dict[str, Callable[[], Case]] = {
    "λ and r_C of CSL": _csl,
    "SUI chain": _chain,
    "homodyne qubit": _homodyne,
    "oscillator": _oscillator,
    "correlations of a long record": _long_record,
}

"""Which scheme gets there first: the measurement behind the default.

Wall time of `simulate(..., tolerance=)`, the choice of the step included, for every scheme that applies, each in a
process of its own. Two questions: the mean of an observable O, and that of ⟨O⟩², which is not linear in the density
matrix.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.children import run_child
from benchmarks.problems import Problem, find
from benchmarks.results import PAGE, replace_between, save
from benchmarks.targets import check

START, END = "<!-- schemes:start -->", "<!-- schemes:end -->"
# The tolerance at which bias and standard error are both about 10⁻³.
TOLERANCE, CAP = 2.5e-3, 10**8
LIMIT_SECONDS, ENOUGH_SECONDS, REPEATS, MOST_REPEATS = 60.0, 2.0, 3, 15
# The default may be this much slower than the fastest: steps of schemes differ by whole numbers, times by noise.
SLACK = 1.5
NAMES = ("Strang", "Strang, discrete", "Strang, extrapolated", "Euler", "Euler, extrapolated")
ROWS = (
    ("suv-8", "mean"),
    ("tunnelling-8", "mean"),
    ("oqt-8", "mean"),
    ("relaxing-8", "mean"),
    ("oqt-64", "mean"),
    ("csl-64", "mean"),
    ("meeting-64", "mean"),
    ("kerr-64", "mean"),
    ("homodyne-2", "mean"),
    ("tunnelling-8", "square"),
    ("relaxing-8", "square"),
    ("oqt-64", "square"),
    ("meeting-64", "square"),
    ("kerr-64", "square"),
    ("homodyne-2", "square"),
)
QUESTIONS = {"mean": "", "square": ", ⟨O⟩²"}


def scheme_of(name: str) -> Any:
    """The scheme of that column."""
    from stochq.schemes import EulerMaruyama, Extrapolated, Strang

    plain: Any = EulerMaruyama() if name.startswith("Euler") else Strang()
    if name.endswith("discrete"):
        plain = Strang(increments="discrete")
    return Extrapolated(plain) if name.endswith("extrapolated") else plain


def schemes() -> dict[str, Any]:
    """Measure every row, print, write the JSON and the page's table."""
    begun, where, rows = time.perf_counter(), machine.describe(), []
    print(report.heading(where), flush=True)
    results: dict[str, Any] = {}
    for name, question in ROWS:
        rows.append(_row(find(name), question))
        print("; ".join(f"{head} {cell}" for head, cell in zip(HEADERS, cells(rows[-1]), strict=True)), flush=True)
        results = {"machine": where | {"seconds": round(time.perf_counter() - begun)}, "rows": rows}
        save(results, "schemes")
    print(report.table(HEADERS, [cells(row) for row in rows]))
    print("\n".join(report.verdicts(rows)))
    print(replace_between(PAGE, START, END, page_text(results)))
    return results


def _row(problem: Problem, question: str) -> dict[str, Any]:
    entries = {
        name: run_child(problem.name, "stochq", question, name, command="scheme", seconds=LIMIT_SECONDS)
        for name in NAMES
    }
    default = default_name(problem, question)
    return {
        "title": problem.title + QUESTIONS[question],
        "default": default,
        "entries": entries,
        "checks": [verdict(entries, default)],
    }


def verdict(entries: dict[str, dict[str, Any]], default: str) -> dict[str, Any]:
    """How the default compares to the fastest scheme."""
    fastest = min(entry.get("seconds", np.inf) for entry in entries.values())
    own = entries[default].get("seconds", np.inf)
    return check("default / fastest scheme", own / fastest, SLACK, at_least=False)._asdict()


def default_name(problem: Problem, question: str) -> str:
    """The column of the scheme that `simulate` takes by itself."""
    from stochq.schemes import default_scheme

    chosen = default_scheme(problem.equation(), averages=True).name
    return next(name for name in NAMES if scheme_of(name).name == chosen)


def measure_scheme(problem: Problem, question: str, name: str) -> dict[str, Any]:
    """Warm calls of one scheme, in this process."""
    import stochq as sq

    given, scheme = problem.statement(), scheme_of(name)
    watched = {"o": given.observable if question == "mean" else squared(given.observable)}
    options: dict[str, Any] = {"observables": watched, "trajectories": CAP, "tolerance": TOLERANCE, "scheme": scheme}
    try:
        scheme.check(problem.equation())
        seconds, result = _calls(
            lambda seed: sq.simulate(
                problem.equation(), given.psi0, problem.times, seed=seed, progress=False, **options
            )
        )
    except ValueError as error:
        return {"cannot": str(error)}
    return {
        "seconds": statistics.median(seconds),
        "low": min(seconds),
        "high": max(seconds),
        "steps": int(result.info["steps"]),
        "trajectories": result.trajectories,
        "reached": float(result.info["reached"]),
    }


def squared(observable: np.ndarray) -> Callable[[Any], Any]:
    """psi -> ⟨O⟩² of a diagonal O."""
    import jax.numpy as jnp

    return lambda psi: jnp.sum(observable * jnp.abs(psi) ** 2) ** 2


def _calls(run: Callable[[int], Any]) -> tuple[list[float], Any]:
    seconds: list[float] = []
    result = run(0)
    while len(seconds) < REPEATS or (sum(seconds) < ENOUGH_SECONDS and len(seconds) < MOST_REPEATS):
        start = time.perf_counter()
        result = run(1 + len(seconds))
        seconds.append(time.perf_counter() - start)
        if sum(seconds) > LIMIT_SECONDS / 4:
            break
    return seconds, result


HEADERS = ("problem", *NAMES, "default / fastest")


def cells(row: dict[str, Any]) -> list[str]:
    """Times; the default's in bold."""
    line = [row["title"]]
    for name in NAMES:
        entry = row["entries"][name]
        shown = f"{entry['seconds']:.3g} s ({entry['steps']})" if "seconds" in entry else _why_not(entry)
        line.append(f"**{shown}**" if name == row["default"] else shown)
    return [*line, f"{row['checks'][0]['value']:.2g}"]


def _why_not(entry: dict[str, Any]) -> str:
    if entry["cannot"].startswith("over"):
        return f"> {LIMIT_SECONDS:g} s"
    return "failed" if entry["cannot"].startswith("failed") else report.NONE


def page_text(results: dict[str, Any]) -> str:
    """The table and what its columns mean."""
    where = results["machine"]
    note = (
        f"Medians of warm calls with `tolerance={TOLERANCE:g}` on {where['cpu']}, {where['cores']} cores, "
        f"{where['date'][:10]}; in brackets the steps that were chosen; bold: the default. Over {LIMIT_SECONDS:g} s, "
        "compilation included, a call was given up."
    ) + report.others(where["load"], where["cores"])
    return f"{report.markdown(HEADERS, [cells(row) for row in results['rows']])}\n\n{note}"

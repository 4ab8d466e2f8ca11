"""What `noise="any"` costs beside every law that is named, for the mean of one observable to a tolerance.

Warm calls, all laws of a problem in this process, in turns, by processor time, so that other work on the machine counts
for little. Calls with "any" take the law that was chosen in the call before; "first" ones, whose numbers are new, make
pilots.
"""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.problems import Problem, find
from benchmarks.results import save
from benchmarks.schemes import CAP, ROWS, TOLERANCE
from benchmarks.targets import check

FIRST = "any, first"
LAWS = ("unitary", "real", "complex", "jump", "any", FIRST)
_LEFT_OPEN = ("any", FIRST)
# The problems of `schemes`, and of `throughput` those of few and of many levels.
NAMES = (*(name for name, question in ROWS if question == "mean"), "suv-2", "suv-32", "oqt-16")
# "any" may take so many times as long as the best law, and on half of the problems the worst takes so many times as
# long as "any".
MOST_OF_BEST, LEAST_OF_WORST = 1.3, 3.0
RATIOS = ("best", "worst", "first", "spread")
REPEATS, LIMIT_SECONDS = 5, 30.0
HEADERS = ("problem", *LAWS, "taken", "any / best", "worst / any", "first / best", "worst / best")


def any_law(only: list[str]) -> dict[str, Any]:
    """Measure every problem, print, and write the JSON. only: names of problems, all where it is empty."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = []
    for name in [name for name in NAMES if not only or name in only]:
        rows.append(_row(find(name)))
        print("; ".join(f"{head} {cell}" for head, cell in zip(HEADERS, cells(rows[-1]), strict=True)), flush=True)
    results = {"machine": where, "rows": rows, "checks": verdicts(rows)}
    if not only:
        save(results, "any_law")
    print(report.table(HEADERS, [cells(row) for row in rows]))
    for verdict in results["checks"]:
        print(f"{verdict['name']}: {verdict['value']} ({'passed' if verdict['passed'] else 'failed'})")
    return results


def verdicts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether "any" is never much slower than the best law and often much faster than the worst."""
    if not rows:
        return []
    half = statistics.median(row["worst"] for row in rows)
    return [
        check("any / best, the largest", max(row["best"] for row in rows), MOST_OF_BEST, at_least=False)._asdict(),
        check("first / best, the largest", max(row["first"] for row in rows), MOST_OF_BEST, at_least=False)._asdict(),
        check("worst / any, the median", half, LEAST_OF_WORST, at_least=True)._asdict(),
    ]


def _row(problem: Problem) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {law: [] for law in LAWS if _first(problem, law)}
    taken = ""
    for repeat in range(1, REPEATS + 1):
        # The same program just before, still in the caches, would favour one of them.
        for law, measured in _turned(seconds, repeat):
            if sum(measured) > LIMIT_SECONDS:
                continue
            start = time.process_time()
            result = _call(problem, law, repeat)
            measured.append(time.process_time() - start)
            taken = result.info["law"] if law == "any" else taken
    medians = {law: statistics.median(measured) for law, measured in seconds.items()}
    named = [value for law, value in medians.items() if law not in _LEFT_OPEN]
    return {
        "title": problem.title,
        "seconds": medians,
        "taken": taken,
        "best": medians["any"] / min(named),
        "worst": max(named) / medians["any"],
        "first": medians[FIRST] / min(named),
        "spread": max(named) / min(named),
    }


def _turned(seconds: dict[str, list[float]], turns: int) -> list[tuple[str, list[float]]]:
    """The laws in an order of so many turns of its own, every other one backwards."""
    order = list(seconds.items())[:: -1 if turns % 2 else 1]
    place = turns % len(order)
    return order[place:] + order[:place]


def _first(problem: Problem, law: str) -> bool:
    """Compile; whether the law exists there."""
    try:
        _call(problem, law, 0)
    except ValueError:
        return False
    return True


def _call(problem: Problem, law: Any, seed: int) -> Any:
    import stochq as sq
    from stochq.ensemble.any_law import forget_laws

    if law == FIRST:
        forget_laws()
    given, plain = problem.statement(), problem.equation()
    equation = sq.Equation(plain.hamiltonian, plain.channels, "any" if law == FIRST else law, plain.hbar)
    return sq.simulate(
        equation,
        given.psi0,
        problem.times,
        observables={"o": np.asarray(given.observable)},
        trajectories=CAP,
        tolerance=TOLERANCE,
        seed=seed,
        progress=False,
    )


def cells(row: dict[str, Any]) -> list[str]:
    """A line of the table."""
    times = [f"{row['seconds'][law]:.3g} s" if law in row["seconds"] else report.NONE for law in LAWS]
    return [row["title"], *times, row["taken"], *(f"{row[key]:.2f}" for key in RATIOS)]

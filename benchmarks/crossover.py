"""When is a trajectory the wrong tool? The dimension from which an ensemble gives averages faster than the master
equation does, measured for each model, and what `sq.exact.cost_hint` says of it."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from benchmarks import equations, machine, report, statements
from benchmarks.children import run_child
from benchmarks.results import PAGE, load, replace_between, save

START, END = "<!-- crossover:start -->", "<!-- crossover:end -->"
TIMES = np.linspace(0.0, 1.0, 6)
# Standard errors to be reached, in units of the observable's range.
COARSE, FINE = 1e-2, 1e-3
PILOT = 512
# Larger systems are not measured once a call takes longer than this, or when a model would take longer than that.
LONGEST_CALL, LONGEST_MODEL = 20.0, 140.0
# The time for a dimension is at most about so many times that for half of it; much of it is compilation.
GROWTH = 2.0
REPEATS, REPEATED_BELOW = 3, 1.0
# A finer ensemble is run in full where this is enough, otherwise so many of its trajectories as take about this long.
RUN_SECONDS = 1.5
# Its steps, where none was run in full before: for a tenth of the bias at weak order 2, √10 times as many at most.
MORE_STEPS = 2.0


class Model(NamedTuple):
    """span: the range of the observable's values in the problem. exponents: the dimensions are powers of two."""

    title: str
    span: float
    exponents: tuple[int, ...]
    equation: Callable[[int], Any]
    statement: Callable[[int], Any]


def _sites(dim: int) -> int:
    return dim.bit_length() - 1


MODELS = {
    "oqt": Model("OQT", 2.0, tuple(range(1, 13)), equations.oqt, statements.oqt),
    # Their statements hold d dense matrices, 8 GB in all at d = 1024.
    "suv": Model("SUV, hopping", 1.0, tuple(range(1, 11)), equations.suv, statements.suv),
    "sui": Model(
        "SUI chain",
        2.0,
        tuple(range(1, 11)),
        lambda dim: equations.sui(_sites(dim)),
        lambda dim: statements.sui(_sites(dim)),
    ),
    # The two packets are 4 apart; fewer points would not hold the noise.
    "csl": Model("CSL grid", 4.0, tuple(range(6, 11)), equations.csl, statements.csl),
    # Photons of the coherent part.
    "kerr": Model("Kerr cavity", statements.KERR_AMPLITUDE**2, tuple(range(3, 11)), equations.kerr, statements.kerr),
}


def crossover(more: Sequence[str] = ()) -> dict[str, Any]:
    """Measure every model in a process of its own, print, write the JSON and the page's table.

    more: models that go on from the largest dimension in the JSON; the others stay as they are.
    """
    begun = time.perf_counter()
    where = machine.describe()
    print(report.heading(where), flush=True)
    earlier = (load("crossover") if more else None) or {"rows": []}
    rows = {row["name"]: row for row in earlier["rows"]}
    results: dict[str, Any] = {"machine": where, "rows": []}
    for name in more or MODELS:
        points = rows[name]["points"] if name in rows else []
        next_exponent = str(points[-1]["dim"].bit_length() if points else MODELS[name].exponents[0])
        found = run_child(name, "stochq", next_exponent, command="cross")
        if "cannot" in found:
            print(f"{MODELS[name].title}: {found['cannot']}", flush=True)
            continue
        loads = [*rows.get(name, {}).get("loads", []), where["load"]]
        rows[name] = {"name": name, "title": MODELS[name].title, "loads": loads, "points": points + found["points"]}
        print(points_table(rows[name]), flush=True)
        ordered = [rows[name] for name in MODELS if name in rows]
        results = {"machine": where | {"seconds": round(time.perf_counter() - begun)}, "rows": ordered}
        # A run takes minutes: what was measured outlives an interruption.
        save(results, "crossover")
    print(report.table(HEADERS, cells(results["rows"])))
    print(replace_between(PAGE, START, END, page_text(results)))
    return results


def measure_model(name: str, first_exponent: int = 0) -> dict[str, Any]:
    """Ascending dimensions of one model, from 2^first_exponent on, in this process."""
    model, begun, points = MODELS[name], time.perf_counter(), []
    for exponent in (one for one in model.exponents if one >= first_exponent):
        last = time.perf_counter()
        points.append(_point(model, 2**exponent, points))
        now = time.perf_counter()
        slowest = max(points[-1]["exact_seconds"], points[-1]["coarse"]["seconds"])
        if slowest > LONGEST_CALL or now - begun + GROWTH * (now - last) > LONGEST_MODEL:
            break
    return {"points": points}


def _point(model: Model, dim: int, before: Sequence[dict[str, Any]]) -> dict[str, Any]:
    import stochq as sq

    equation, statement = model.equation(dim), model.statement(dim)
    problem = (equation, statement.psi0, TIMES)
    options: dict[str, Any] = {"observables": {"o": statement.observable}, "progress": False}

    def ensemble(trajectories: int, seed: int, dt: float | None = None) -> Any:
        return sq.simulate(*problem, trajectories=trajectories, seed=seed, dt=dt, **options)

    deviation = float(np.sqrt(ensemble(PILOT, 0).variance["o"].max()))
    exact, _ = timed(lambda _: sq.exact.evolve(*problem, observables=options["observables"]))
    few, many = (trajectories_for(deviation, target * model.span) for target in (COARSE, FINE))
    coarse = _measured(ensemble, few)
    fine = _fine(ensemble, coarse, many, before)
    hints = [
        sq.exact.cost_hint(equation, TIMES, trajectories=e["trajectories"], steps=e["steps"]) for e in (coarse, fine)
    ]
    return {
        "dim": dim,
        "exact_seconds": exact,
        "method": hints[0].method,
        "deviation": deviation,
        "coarse": coarse,
        "fine": fine,
        "hints": [[hint.exact, hint.ensemble] for hint in hints],
    }


def _measured(ensemble: Callable[..., Any], trajectories: int) -> dict[str, Any]:
    seconds, result = timed(lambda seed: ensemble(trajectories, seed))
    return {"seconds": seconds, "trajectories": trajectories, "steps": int(result.info["steps"]), "run": trajectories}


def _fine(
    ensemble: Callable[..., Any], coarse: dict[str, Any], trajectories: int, before: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The ensemble for the finer target, in full or in part; then its steps grow as they did one dimension below."""
    guess = coarse["seconds"] * trajectories / coarse["trajectories"]
    if guess < RUN_SECONDS:
        return _measured(ensemble, trajectories)
    steps = finer_steps(coarse["steps"], before)
    run = max(coarse["trajectories"], round(trajectories * RUN_SECONDS / guess))
    seconds, _ = timed(lambda seed: ensemble(run, seed, (TIMES[-1] - TIMES[0]) / steps))
    return {"seconds": seconds * trajectories / run, "trajectories": trajectories, "steps": steps, "run": run}


def finer_steps(steps: int, before: Sequence[dict[str, Any]]) -> int:
    """Steps of the finer ensemble, a whole number for every saved interval."""
    full = [point for point in before if point["fine"]["run"] == point["fine"]["trajectories"]]
    more = full[-1]["fine"]["steps"] / full[-1]["coarse"]["steps"] if full else MORE_STEPS
    intervals = len(TIMES) - 1
    return intervals * max(1, round(more * steps / intervals))


def timed(call: Callable[[int], Any]) -> tuple[float, Any]:
    """Median of a few warm calls, of one where it is long, and the last result. call: of the number of the call."""
    seconds, result = _clock(call, 1)
    if seconds > LONGEST_CALL:
        # Compilation, up to ten seconds, does not matter as much beside it.
        return seconds, result
    found: list[float] = []
    while len(found) < REPEATS and (not found or found[0] < REPEATED_BELOW):
        seconds, result = _clock(call, 2 + len(found))
        found.append(seconds)
    return statistics.median(found), result


def _clock(call: Callable[[int], Any], number: int) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = call(number)
    return time.perf_counter() - begun, result


def trajectories_for(deviation: float, error: float) -> int:
    """As many as give this standard error; an ensemble of fewer than a hundred does not know its own error.

    >>> trajectories_for(0.25, 0.01), trajectories_for(0.0, 0.01)
    (625, 100)
    """
    return max(100, int(np.ceil(round((deviation / error) ** 2, 6))))


def crossing(dims: ArrayLike, exact: ArrayLike, ensemble: ArrayLike) -> str:
    """The dimension from which on the ensemble costs less, interpolated between the logarithms of what was measured.

    >>> crossing([2, 8, 32], [1.0, 10.0, 1000.0], [100.0, 100.0, 100.0])
    '16'
    >>> crossing([2, 8], [1, 1], [2, 2]), crossing([2, 8], [2, 2], [1, 1])
    ('above 8', 'below 2')
    """
    sizes, lead = np.asarray(dims), np.log(np.divide(exact, ensemble))
    if lead[-1] < 0:
        return f"above {sizes[-1]:g}"
    below = np.flatnonzero(lead < 0)
    if not below.size:
        return f"below {sizes[0]:g}"
    left = below[-1]
    share = -lead[left] / (lead[left + 1] - lead[left])
    return f"{sizes[left] * (sizes[left + 1] / sizes[left]) ** share:.0f}"


HEADERS = ("model", f"{COARSE:g} measured", "estimated", f"{FINE:g} measured", "estimated", "method", "largest d")


def cells(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Crossover dimensions of every model: measured and by `cost_hint`, for both targets."""
    found = []
    for row in rows:
        points = row["points"]
        dims = [point["dim"] for point in points]
        line = [row["title"]]
        for index, target in enumerate(("coarse", "fine")):
            ensemble = [point[target]["seconds"] for point in points]
            line.append(crossing(dims, [point["exact_seconds"] for point in points], ensemble))
            line.append(crossing(dims, *zip(*(point["hints"][index] for point in points), strict=True)))
        found.append([*line, points[-1]["method"], str(dims[-1])])
    return found


def points_table(row: dict[str, Any]) -> str:
    """What was measured at every dimension of a model; ratios are master equation / ensemble."""
    headers = ("d", "exact, s", "method", "trajectories", "steps", "ensemble, s", "ratio", "estimated", "finer, s")
    lines = []
    for point in row["points"]:
        coarse, fine = point["coarse"], point["fine"]
        exact, ensemble = point["hints"][0]
        lines.append(
            [
                str(point["dim"]),
                f"{point['exact_seconds']:.2g}",
                point["method"],
                str(coarse["trajectories"]),
                str(coarse["steps"]),
                f"{coarse['seconds']:.2g}",
                f"{point['exact_seconds'] / coarse['seconds']:.2g}",
                f"{exact / ensemble:.2g}",
                f"{fine['seconds']:.2g}" + ("" if fine["run"] == fine["trajectories"] else " ~"),
            ]
        )
    return f"\n{row['title']}\n{report.table(headers, lines)}"


def page_text(results: dict[str, Any]) -> str:
    """The table and what its columns mean."""
    where = results["machine"]
    headers = (
        "model",
        "standard error 10⁻²",
        "estimated",
        "standard error 10⁻³",
        "estimated",
        "master equation by",
        "measured up to",
    )
    place = f"{where['cpu']}, {where['cores']} cores, {where['date'][:10]}"
    note = (
        f"Medians of up to three warm calls on {place}: `sq.exact.evolve` against `sq.simulate` with its default "
        "scheme and step, over one unit of time with five saved times after the start. Standard errors in units of the "
        "observable's range. Estimated: by `sq.exact.cost_hint`. Of the ensembles for 10⁻³ that take long, a part was "
        "run and the rest is proportion."
    )
    load = max(one for row in results["rows"] for one in row["loads"])
    note += report.others(load, where["cores"])
    return f"{report.markdown(headers, cells(results['rows']))}\n\n{note}"

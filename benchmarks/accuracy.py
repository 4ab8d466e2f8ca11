"""Time to an answer: a bias and a standard error of 10⁻³ each, for stochq, dynamiqs and QuTiP, each row in one run."""

from collections.abc import Sequence
from typing import Any

from benchmarks import accuracy_report, machine, report
from benchmarks.children import need_peers, run_child
from benchmarks.problems import PROBLEMS, REACHED_ONLY, Problem
from benchmarks.results import PAGE, README, load, save
from benchmarks.targets import check

PEERS = (("dynamiqs", "EulerMaruyama"), ("dynamiqs", "Rouchon1"), ("qutip", "platen"), ("qutip", "rouchon"))
# How many times faster than the best peer method.
TARGETS = {
    "tunnelling-3": 200.0,
    "tunnelling-8": 100.0,
    "oqt-8": 100.0,
    "oqt-16": 1000.0,
    "relaxing-8": 100.0,
    "relaxing-16": 1000.0,
    "csl-64": 50.0,
    "meeting-64": 50.0,
    "kerr-64": 3.0,
    "homodyne-2": 20.0,
}
QUICK = ("suv-2", "tunnelling-3")


def accuracy(quick: bool, only: Sequence[str], again: bool) -> dict[str, Any]:
    """Measure what is not there yet, print, and write the JSON and the tables of the page and of the README.

    An interrupted run goes on where it stopped. A quick one starts from nothing and writes nothing.
    """
    if not quick:
        need_peers()
    where = machine.describe()
    results = (None if quick else load("accuracy")) or {"machine": where, "rows": {}}
    print(report.heading(where), flush=True)
    chosen = choose(quick, only)
    for problem in chosen:
        row = results["rows"].setdefault(problem.name, {"title": problem.title, "operators": problem.operators})
        for library, method in (("stochq", ""), *PEERS):
            key = f"{library} {method}".strip()
            if key in row and not again:
                continue
            row[key] = _entry(problem, library, method, "quick" if quick else "full") | _when(where)
            results["machine"] = where
            print(f"{problem.title}: {key} {accuracy_report.spread(row[key])}", flush=True)
            row["checks"] = _checks(problem.name, row)
            if not quick:
                save(_in_order(results), "accuracy")
        if not quick:
            _look_again(problem, row, where)
            row["checks"] = _checks(problem.name, row)
            save(_in_order(results), "accuracy")
    results = _in_order(results)
    print(accuracy_report.text(results, [problem.name for problem in chosen]))
    if not quick:
        print(accuracy_report.update_page(PAGE, results))
        print(accuracy_report.update_readme(README, results))
    return results


def _look_again(problem: Problem, row: dict[str, Any], where: dict[str, Any]) -> None:
    """Search the best peer's step with more patience, until the best is one that was searched like that."""
    while (best := accuracy_report.best_peer(row)) is not None and "patience" not in row[best]:
        library, method = best.split()
        found = _entry(problem, library, method, "thorough")
        if "seconds" in found:
            row[best] = found | _when(where)
        row[best]["patience"] = "thorough"
        print(f"{problem.title}: {best} {accuracy_report.spread(row[best])}, searched with more patience", flush=True)


def _when(where: dict[str, Any]) -> dict[str, Any]:
    return {"date": where["date"], "load": where["load"]}


def choose(quick: bool, only: Sequence[str]) -> list[Problem]:
    """The problems named, by name or by the part before the dash; all without names, two of them if quick."""
    known = PROBLEMS + REACHED_ONLY
    if not only:
        return [problem for problem in known if problem.name in QUICK or not quick]
    chosen = [problem for problem in known if problem.name in only or problem.name.split("-")[0] in only]
    if not chosen:
        names = ", ".join(problem.name for problem in known)
        raise SystemExit(f"--only: expected one of {names}, or a part before the dash; got {', '.join(only)}.")
    return chosen


def _in_order(results: dict[str, Any]) -> dict[str, Any]:
    """The rows in the order of the problems, under the machine of the latest measurement."""
    order = [problem.name for problem in PROBLEMS + REACHED_ONLY]
    return {
        "machine": results["machine"],
        "rows": {name: results["rows"][name] for name in order if name in results["rows"]},
    }


def _entry(problem: Problem, library: str, method: str, patience: str) -> dict[str, Any]:
    offered = library == "stochq" or (problem.dynamiqs if library == "dynamiqs" else problem.qutip_steps)
    if not offered or problem.name == "csl-256" and library == "qutip":
        return {"cannot": problem.cannot if problem.operators > 300 else "not tried: minutes per trajectory"}
    flags = [method] if method else []
    return run_child(problem.name, library, *flags, "--patience", patience, command="reach")


def _checks(name: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    own, best = row.get("stochq", {}), accuracy_report.best_peer(row)
    if "seconds" not in own:
        return []
    found = [
        check("bias of stochq", own["bias"], 1e-3, at_least=False),
        check("standard error of stochq", own["stderr"], 1e-3, at_least=False),
    ]
    if name in TARGETS and best is not None:
        found.append(check("best peer / stochq", row[best]["seconds"] / own["seconds"], TARGETS[name], at_least=True))
    return [each._asdict() for each in found]

"""Whether memory follows the number of trajectories: SUV d=8, a hundredfold of them, in fresh processes."""

from typing import Any

from benchmarks import machine, report
from benchmarks.children import run_child
from benchmarks.results import save
from benchmarks.targets import check

PROBLEM = "suv-8"
FEW, MANY = 10_000, 1_000_000
LARGEST_MIB = 1024.0
# What the heap may grow by between the two without being a trend.
LARGEST_GROWTH_MIB = 64.0


def memory() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/memory.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    runs = []
    for trajectories in (FEW, MANY):
        found = run_child(PROBLEM, "stochq", "default", "--trajectories", str(trajectories), "--once")
        if "cannot" in found:
            raise SystemExit(f"{trajectories} trajectories: {found['cannot']}")
        runs.append(found)
    few, many = (run["peak_mib"] for run in runs)
    found = [
        check(f"peak memory of {MANY} trajectories, MiB", many, LARGEST_MIB, at_least=False),
        check(f"more than {FEW} take, MiB", many - few, LARGEST_GROWTH_MIB, at_least=False),
    ]
    cells = [[f"{run['trajectories']}", f"{run['start_mib']:.0f}", f"{run['peak_mib']:.0f}"] for run in runs]
    print(report.table(("trajectories", "before the run, MiB", "peak, MiB"), cells))
    results = {"machine": where, "problem": PROBLEM, "runs": runs, "checks": [entry._asdict() for entry in found]}
    print("\n".join(report.verdicts([{"title": "SUV d=8", "checks": results["checks"]}])))
    save(results, "memory")
    return results

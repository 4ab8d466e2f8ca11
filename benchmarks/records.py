"""What records cost: the same runs with and without them, call by call in one process."""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks import equations, machine, report
from benchmarks import statements as given
from benchmarks.results import save
from benchmarks.targets import check

REPEATS, STEPS, INTERVALS, DT = 9, 400, 20, 0.005
# Trajectories times levels of one call.
WORK = 2**15
LARGEST = 1.15


def records() -> dict[str, Any]:
    """Measure, print and write benchmarks/results/records.json."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    rows = [_row(title, equation, judged) for title, equation, judged in _problems()]
    headers = ("problem", "records", "without, ns", "with, ns", "ratio")
    cells = [[str(row[key]) for key in ("title", "records", "without", "with", "ratio")] for row in rows]
    print(report.table(headers, cells))
    print(f"Processor time per trajectory-step, the least of {REPEATS} calls; the ratios' median over them.")
    print("\n".join(report.verdicts([row for row in rows if row["checks"]])))
    results = {"machine": where, "rows": rows}
    save(results, "records")
    return results


def _problems() -> list[tuple[str, Any, bool]]:
    """Title, equation, and whether it is homodyne detection, of which a target speaks."""
    import stochq as sq

    lower, detect = np.sqrt(given.DECAY) * given.unit(2, 1, 0), sq.measurement
    cavity = sq.systems.kerr(32, detuning=0.0, kerr=given.KERR, drive=given.KERR_DRIVE)
    loss = np.sqrt(given.KERR_LOSS) * given.annihilation(32)
    return [
        ("homodyne qubit", sq.models.monitored(given.rabi(), {"x": detect.homodyne(lower)}), True),
        (
            "homodyne qubit, η = 0.6",
            sq.models.monitored(given.rabi(), {"x": detect.homodyne(lower, efficiency=0.6)}),
            True,
        ),
        ("homodyne qubit, σ_z", sq.models.monitored(given.rabi(), {"z": detect.homodyne([1.0, -1.0])}), True),
        ("homodyne Kerr cavity N=32", sq.models.monitored(cavity, {"x": detect.homodyne(loss)}), True),
        ("heterodyne qubit", sq.models.monitored(given.rabi(), {"z": detect.heterodyne(lower)}), False),
        ("SUV d=8, all levels", equations.suv(8), False),
    ]


def _row(title: str, equation: Any, judged: bool) -> dict[str, Any]:
    import stochq as sq

    dim, trajectories = equation.dim, WORK // equation.dim
    times, psi0 = np.linspace(0, STEPS * DT, INTERVALS + 1), np.eye(dim)[dim // 2]

    def seconds(recorded: bool) -> float:
        start = time.process_time()
        options = {"trajectories": trajectories, "dt": DT, "progress": False, "records": recorded}
        sq.simulate(equation, psi0, times, observables={"o": np.arange(float(dim))}, **options)
        return 1e9 * (time.process_time() - start) / (trajectories * STEPS)

    seconds(False)
    seconds(True)
    pairs = [(seconds(False), seconds(True)) for _ in range(REPEATS)]
    ratio = statistics.median(recorded / plain for plain, recorded in pairs)
    return {
        "title": title,
        "records": len(equation.lines),
        "without": round(min(plain for plain, _ in pairs), 1),
        "with": round(min(recorded for _, recorded in pairs), 1),
        "ratio": round(ratio, 3),
        "checks": [check("with / without", ratio, LARGEST, at_least=False)._asdict()] if judged else [],
    }

"""QuTiP's words on stochq beside direct calls and beside QuTiP itself, of one problem to one accuracy."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import machine, report, statements
from benchmarks.children import need_peers
from benchmarks.results import save
from benchmarks.targets import check

TIMES = np.linspace(0.0, 2.0, 11)
TOLERANCE, MOST, REPEATS = 1e-3, 10**7, 5
# Of the call whose overhead is looked at.
FEW, FEW_DT = 256, 0.02
# QuTiP's trajectories, of which the time of as many as the accuracy takes is extrapolated; its step.
QUTIP_TRAJECTORIES, QUTIP_DT, QUTIP_METHOD = 200, 0.01, "platen"
LEAST_SHARE, MOST_OVERHEAD, LEAST_RATIO = 0.8, 0.05, 500.0


def facade() -> dict[str, Any]:
    """Measure the homodyne qubit of the other tables, print, and write benchmarks/results/facade.json.

    Direct calls and those in QuTiP's words take turns. The overhead of a first call is that of few trajectories, when
    the program of a direct call is there already, beyond a direct call.
    """
    need_peers()
    where = machine.describe()
    print(report.heading(where), flush=True)
    direct, worded, qutip = _calls()
    direct(0, few=True)
    first = _seconds(partial(worded, few=True), 1)
    overhead = first - statistics.median(_seconds(partial(direct, few=True), 2 + repeat) for repeat in range(REPEATS))
    for run in (direct, worded):
        run(0)
    pairs = [(_seconds(direct, 2 + repeat), _seconds(worded, 2 + repeat)) for repeat in range(REPEATS)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    by_qutip, needed = _qutip_seconds(qutip)
    print(f"To an error of {TOLERANCE:g}: direct {ours:.3f} s, in QuTiP's words {theirs:.3f} s, medians of {REPEATS}.")
    print(
        f"The first call in QuTiP's words takes {1e3 * overhead:.0f} ms more than a direct one, of {FEW} trajectories."
    )
    print(
        f"QuTiP, {QUTIP_METHOD}, dt = {QUTIP_DT:g}, one core: {1e3 * by_qutip:.2f} ms a trajectory; {needed:.3g} of "
        f"them, which leave a standard error of half of that, would take {by_qutip * needed:.0f} s."
    )
    found = [
        check("speed of the direct call that is left", ours / theirs, LEAST_SHARE, at_least=True),
        check("overhead of a first call, s", overhead, MOST_OVERHEAD, at_least=False),
        check("times sooner than QuTiP", by_qutip * needed / theirs, LEAST_RATIO, at_least=True),
    ]
    checks = [entry._asdict() for entry in found]
    print("\n".join(report.verdicts([{"title": "QuTiP's words", "checks": checks}])))
    results = {"machine": where, "direct": ours, "worded": theirs, "overhead": overhead}
    results |= {"qutip": by_qutip, "needed": needed, "checks": checks}
    save(results, "facade")
    return results


def _calls() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Of a seed: a direct call, one in QuTiP's words, and QuTiP's own, the last of few trajectories."""
    import qutip

    import stochq as sq
    from stochq.qutip import ssesolve

    stated = statements.homodyne()
    hamiltonian, excited = qutip.Qobj(stated.hamiltonian), qutip.Qobj(np.diag(stated.observable))
    operators, psi0 = [qutip.Qobj(operator) for operator in stated.jumps], qutip.Qobj(stated.psi0)
    given = (hamiltonian, psi0, TIMES, operators)
    equation = sq.models.unravel(hamiltonian, operators)

    def direct(seed: int, few: bool = False) -> Any:
        asked: Any = {"trajectories": FEW, "dt": FEW_DT} if few else {"trajectories": MOST, "tolerance": TOLERANCE}
        watched = {"p": stated.observable}
        return sq.simulate(equation, psi0, TIMES, observables=watched, seed=seed, progress=False, **asked)

    def worded(seed: int, few: bool = False) -> Any:
        options = {"progress_bar": "", **({"dt": FEW_DT} if few else {})}
        asked: Any = {"ntraj": FEW} if few else {"ntraj": MOST, "target_tol": TOLERANCE}
        return ssesolve(*given, e_ops=[excited], seeds=seed, options=options, **asked)

    def by_qutip(seed: int) -> Any:
        options = {"progress_bar": "", "dt": QUTIP_DT, "method": QUTIP_METHOD, "map": "serial"}
        return qutip.ssesolve(*given, e_ops=[excited], ntraj=QUTIP_TRAJECTORIES, seeds=seed, options=options)

    return direct, worded, by_qutip


def _qutip_seconds(run: Callable[[int], Any]) -> tuple[float, float]:
    """Of one trajectory, and how many leave a standard error of half the tolerance."""
    start = time.perf_counter()
    result = run(1)
    seconds = (time.perf_counter() - start) / QUTIP_TRAJECTORIES
    spread = float(np.max(np.real(result.std_expect[0])))
    return seconds, (2 * spread / TOLERANCE) ** 2


def _seconds(run: Callable[[int], Any], seed: int) -> float:
    start = time.perf_counter()
    run(seed)
    return time.perf_counter() - start

"""What runs in the processes that `children` starts: one measurement each, printed as JSON."""

from benchmarks import peers, reaching, stochq_runner
from benchmarks.children import tell
from benchmarks.crossover import measure_model
from benchmarks.gpu_code_row import code_of
from benchmarks.measure import FULL, ONCE, QUICK
from benchmarks.problems import find
from benchmarks.scaling import measure_axis
from benchmarks.schemes import measure_scheme


def measure_main(name: str, library: str, detail: str, trajectories: int, quick: bool, once: bool) -> None:
    """The other side: measure and print. detail: the method for stochq, the layout for dynamiqs."""
    problem, budget = find(name), ONCE if once else QUICK if quick else FULL
    if library == "stochq":
        measurement = stochq_runner.measure_stochq(problem, detail, budget, trajectories)
    elif library == "dynamiqs":
        measurement = peers.measure_dynamiqs(problem, detail, trajectories, budget)
    elif library == "qutip":
        measurement = peers.measure_qutip(problem, budget)
    else:
        raise ValueError(f"library: expected stochq, dynamiqs or qutip; got {library!r}.")
    tell(measurement.as_json())


def reach_main(name: str, library: str, method: str, patience: str) -> None:
    """The other side of an accuracy measurement."""
    chosen = reaching.PATIENCE[patience]
    if library == "stochq":
        found = reaching.reach_with_stochq(find(name), chosen)
    else:
        found = reaching.reach_with_peer(find(name), library, method, chosen)
    tell(found)


def scheme_main(name: str, question: str, scheme: str) -> None:
    """The other side of one column of `schemes`."""
    tell(measure_scheme(find(name), question, scheme))


def scale_main(name: str) -> None:
    """The other side of one axis of `scaling`."""
    tell(measure_axis(name))


def cross_main(name: str, first_exponent: int) -> None:
    """The other side of one model of `crossover`."""
    tell(measure_model(name, first_exponent))


def gpu_code_main(name: str, loop: str) -> None:
    """The other side of half a row of `gpu-code`."""
    tell(code_of(find(name), loop))

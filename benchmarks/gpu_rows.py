"""What `python -m benchmarks gpu` measures, row after row, those that decide most first."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Trajectories that are compared with a processor's, for few levels and for more.
FEW_LEVELS, COMPARED, COMPARED_OF_MANY = 16, 8192, 1024
# The largest dimension whose master equation is solved; and what is rehearsed: so many steps, the loops of a card up to
# so many levels.
LARGEST_EXACT, _REHEARSED_STEPS, _REHEARSED_LEVELS = 64, 20, 4
SIZES, BY_XLA = (10**5, 10**6, 10**7), ("xla", "one graph")


class Setting(NamedTuple):
    """rehearse: small, on a processor as if it were a card; references: the folder with what a processor finds."""

    rehearse: bool
    references: Path


class Row(NamedTuple):
    """A row, and lines of it one by one. where: on the "card", a "processor" of the same machine, or by a "peer" in a
    process of its own. seconds: after which it is given up."""

    name: str
    lines: Callable[[Setting], Iterator[dict[str, Any]]]
    where: str = "card"
    seconds: float = 75.0


class Steps(NamedTuple):
    """A timed problem, by how it is stepped."""

    name: str
    method: str = "default"

    @property
    def label(self) -> str:
        return f"{self.name} {self.method}"

    @property
    def levels(self) -> int:
        return int(self.name.split("-")[1])

    def compared(self, rehearse: bool) -> int:
        """Trajectories whose states are compared."""
        if rehearse:
            return 256
        return COMPARED if self.levels <= FEW_LEVELS else COMPARED_OF_MANY

    def reference(self, rehearse: bool) -> tuple[str, str, int, bool, int]:
        """The arguments of `gpu_steps.reference`; the master equation of many levels takes longer than all the rest."""
        from benchmarks.problems import find

        steps = _REHEARSED_STEPS if rehearse else find(self.name).steps
        return self.name, self.method, self.compared(rehearse), self.levels <= LARGEST_EXACT, steps

    def lines(self, ways: Sequence[str], sizes: Sequence[int], setting: Setting) -> Iterator[dict[str, Any]]:
        """Of loops, and numbers of trajectories; rehearsed as on a card where that does not take long to compile."""
        from benchmarks.gpu_steps import measure_steps
        from stochq.accelerators import forced

        if setting.rehearse:
            ways, sizes = [way for way in ways if way != "one graph"], (1000,)
        with forced(False) if setting.rehearse and self.levels > _REHEARSED_LEVELS else nullcontext():
            compared = self.compared(setting.rehearse)
            yield from measure_steps(self.name, self.method, ways, sizes, compared, setting.references)

    def row(self, ways: Sequence[str] = BY_XLA, sizes: Sequence[int] = SIZES, of: str = "") -> Row:
        """Under its name, with what else is told of it."""
        return Row(self.label + of, partial(self.lines, ways, sizes))


SMALL = (
    Steps("suv-8"),
    Steps("oqt-8"),
    Steps("suv-2"),
    Steps("suv-8", "discrete"),
    Steps("oqt-4"),
    Steps("homodyne-2", "discrete"),
    Steps("oqt-16"),
)
LARGE = tuple(map(Steps, ("suv-32", "oqt-64", "kerr-64", "csl-64", "sui-256", "csl-256")))
# (problem, how dynamiqs stores its operators, trajectories: enough to fill a card)
PEERS = (
    ("suv-8", "dia", 400_000),
    ("oqt-8", "dense", 50_000),
    ("suv-2", "dense", 400_000),
    ("kerr-64", "dia", 50_000),
)


def references() -> list[Steps]:
    """What a processor is to find, in the order in which the card asks for it."""
    return [*SMALL, *LARGE]


def ceiling(name: str, setting: Setting) -> Iterator[dict[str, Any]]:
    from benchmarks import gpu_ceilings

    return getattr(gpu_ceilings, name)(setting.rehearse)


def peer(name: str, layout: str, trajectories: int, setting: Setting) -> Iterator[dict[str, Any]]:
    """dynamiqs' Euler and Maruyama steps of the same length, its first call included in its compile time."""
    from benchmarks.children import run_child

    count = 64 if setting.rehearse else trajectories
    found = run_child(name, "dynamiqs", layout, "--trajectories", str(count), "--quick", seconds=60)
    if "cannot" in found:
        yield {"what": "rate", "way": "dynamiqs", "failed": found["cannot"]}
        return
    line = {"what": "rate", "way": "dynamiqs", "trajectories": count, "steps_per_s": 1e9 / found["nanoseconds"]}
    yield {**line, "compile_s": found["compile_seconds"], "backend": found["backend"]}


def simulate(setting: Setting) -> Iterator[dict[str, Any]]:
    """Seconds of whole calls, host included."""
    import stochq as sq
    from benchmarks.gpu_steps import WAYS, switched
    from benchmarks.problems import find

    timed, count = find("suv-8"), 3000 if setting.rehearse else 10**7
    equation, statement = timed.equation(), timed.statement()
    options = {"observables": {"o": statement.observable}, "dt": timed.dt, "trajectories": count, "progress": False}
    for way in WAYS:
        with switched(way):
            seconds, loop = [], ""
            for seed in range(4):
                start = time.perf_counter()
                loop = sq.simulate(equation, statement.psi0, timed.times, seed=seed, **options).info["loop"]
                seconds.append(time.perf_counter() - start)
            told = {"seconds": float(np.median(seconds[1:])), "first_s": seconds[0], "loop": loop}
            yield {"what": "wall", "way": way, "trajectories": count, **told}


def gradient(setting: Setting) -> Iterator[dict[str, Any]]:
    """A mean over trajectories of thermalization with its derivative, backwards."""
    import jax

    import stochq as sq
    from benchmarks import statements

    levels, count, dt = (3, 64, 0.5) if setting.rehearse else (16, 100_000, 0.01)
    energies, weights = statements.spectrum(levels)

    def last(strength: Any) -> Any:
        equation = sq.models.oqt(sq.systems.levels(energies), strength=strength, equilibrium=weights)
        run = {"observables": {"o": energies}, "trajectories": count, "dt": dt}
        return sq.expectations(equation, np.full(levels, levels**-0.5), [0.0, 1.0], **run)["o"][-1]

    call = jax.jit(jax.value_and_grad(last))
    yield _timed(lambda k: call(1.0 + 0.01 * k), count, round(1 / dt))


def conditional(what: str, setting: Setting) -> Iterator[dict[str, Any]]:
    """The filter, or the log-likelihood, of records of a driven qubit."""
    import stochq as sq

    records, bins = (40, 20) if setting.rehearse else (10_000, 1000)
    lower, ground = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0])
    equation = sq.models.monitored(1.5 * (lower + lower.T), {"out": sq.measurement.homodyne(lower, efficiency=0.8)})
    increments = np.random.default_rng(0).normal(size=(records, bins)) * np.sqrt(0.02)
    record = sq.inference.Record(0.02 * np.arange(bins + 1), increments, ["out"])
    if what == "likelihood":
        yield _timed(lambda k: sq.inference.log_likelihood(equation, ground, record), records, bins)
    else:
        watched = {"excited": np.array([1.0, 0.0])}
        yield _timed(lambda k: sq.inference.filter(equation, ground, record, observables=watched).purity, records, bins)


def _timed(call: Callable[[int], Any], count: int, steps: int) -> dict[str, Any]:
    """Of the first call and of later ones."""
    first = _seconds(call, 0)
    warm = min(_seconds(call, repeat) for repeat in (1, 2))
    each = 1e9 * warm / (count * steps)
    return {
        "what": "seconds",
        "seconds": warm,
        "ns_each": each,
        "count": count,
        "steps": steps,
        "compile_s": first - warm,
    }


def _seconds(call: Callable[[int], Any], repeat: int) -> float:
    import jax

    start = time.perf_counter()
    jax.block_until_ready(call(repeat))
    return time.perf_counter() - start


def _peer_row(name: str, layout: str, trajectories: int) -> Row:
    return Row(f"dynamiqs {name}", partial(peer, name, layout, trajectories), "peer")


CONDITIONAL = {what: partial(conditional, what) for what in ("filter", "likelihood")}
# Of gradients alone a card's compiler takes more than a minute.
_GRADIENT_SECONDS = 150.0
ROWS = (
    *(Row(name, partial(ceiling, name)) for name in ("copy", "arithmetic", "normals")),
    *(steps.row(("persistent",)) for steps in SMALL),
    SMALL[0].row(("persistent", "xla"), (10**4,), ", few"),
    Row("simulate", simulate),
    *(_peer_row(*one) for one in PEERS[:3]),
    *(steps.row(of=", xla") for steps in SMALL[:2]),
    *(steps.row() for steps in LARGE[:4]),
    *(Row(name, lines) for name, lines in CONDITIONAL.items()),
    *(steps.row() for steps in LARGE[4:]),
    *(steps.row(of=", xla") for steps in SMALL[2:]),
    _peer_row(*PEERS[3]),
    Row("gradient", gradient, seconds=_GRADIENT_SECONDS),
    *(Row(f"{name} on the processor", lines, "processor") for name, lines in CONDITIONAL.items()),
    Row("gradient on the processor", gradient, "processor", _GRADIENT_SECONDS),
)

"""The problems that are timed and what is to be reached on each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import equations, statements
from benchmarks.statements import Statement


@dataclass(frozen=True)
class Target:
    """At least `ratio` times as fast as dynamiqs, or at most `nanoseconds` per trajectory-step.

    method: whose time counts, "default" or "euler". dynamiqs always steps with Euler and Maruyama.
    """

    method: str
    ratio: float | None = None
    nanoseconds: float | None = None


@dataclass(frozen=True)
class Problem:
    """One row of the table.

    operators: number of jump operators. equation: () -> stochq.Equation. statement: () -> the same without stochq.
    dynamiqs: the (layout, trajectories) it is offered, in the layout found best for it; its fastest counts.
    qutip_steps: time steps of a QuTiP run, 0 for none. quick: whether `--quick` keeps the row.
    """

    name: str
    title: str
    operators: int
    dt: float
    steps: int
    equation: Callable[[], Any]
    statement: Callable[[], Statement]
    targets: tuple[Target, ...] = ()
    dynamiqs: tuple[tuple[str, int], ...] = ()
    qutip_steps: int = 0
    quick: bool = False

    @property
    def cannot(self) -> str:
        """Why a library that takes a list of jump operators does not run this."""
        return f"cannot: {self.operators:,} operators".replace(",", " ")

    @property
    def times(self) -> np.ndarray:
        """Six saved times, the start included."""
        return np.linspace(0.0, self.steps * self.dt, 6)


def _suv(dim: int, ratio: float, **options: Any) -> Problem:
    return Problem(
        f"suv-{dim}",
        f"SUV d={dim}",
        dim,
        0.005,
        200,
        partial(equations.suv, dim),
        partial(statements.suv, dim),
        (Target("default", ratio=ratio),),
        qutip_steps=200,
        **options,
    )


def _oqt(dim: int, steps: int = 200, **options: Any) -> Problem:
    return Problem(
        f"oqt-{dim}",
        f"OQT d={dim}",
        dim**2,
        0.005,
        steps,
        partial(equations.oqt, dim),
        partial(statements.oqt, dim),
        **options,
    )


def _csl(points: int, steps: int, **options: Any) -> Problem:
    return Problem(
        f"csl-{points}",
        f"CSL grid N={points}",
        points,
        0.002,
        steps,
        partial(equations.csl, points),
        partial(statements.csl, points),
        **options,
    )


def _sui(sites: int) -> Problem:
    operators = 4**sites + 2**sites
    title = f"SUI chain d={2**sites}"
    build = partial(equations.sui, sites), partial(statements.sui, sites)
    return Problem(f"sui-{2**sites}", title, operators, 0.005, 100, *build)


def _kerr(cutoff: int) -> Problem:
    build = partial(equations.kerr, cutoff), partial(statements.kerr, cutoff)
    return Problem(
        f"kerr-{cutoff}",
        f"Kerr cavity N={cutoff}",
        1,
        0.002,
        200,
        *build,
        targets=(Target("euler", ratio=1.0),),
        dynamiqs=(("dia", 1000), ("dia", 5000)),
        qutip_steps=200,
        quick=True,
    )


PROBLEMS = (
    _suv(2, 12.0, dynamiqs=(("dense", 5000), ("dense", 20_000)), quick=True),
    _suv(8, 6.0, dynamiqs=(("dia", 5000), ("dia", 1000)), quick=True),
    _suv(32, 15.0, dynamiqs=(("dia", 1000), ("dia", 2000), ("dense", 500))),
    _oqt(4, dynamiqs=(("dense", 1000), ("dense", 5000)), qutip_steps=200, quick=True),
    _oqt(8, dynamiqs=(("dense", 200), ("dense", 1000)), qutip_steps=200),
    _oqt(16, 100, targets=(Target("euler", ratio=100.0),), dynamiqs=(("dense", 200),), qutip_steps=100),
    _oqt(64, 100),
    _oqt(256, 100),
    _oqt(1024, 100, targets=(Target("euler", nanoseconds=12_000.0),)),
    _sui(8),
    _csl(64, 200, targets=(Target("default", ratio=5.0),), dynamiqs=(("dia", 200),), qutip_steps=200),
    _csl(256, 100, qutip_steps=20),
    _kerr(64),
)


def _tunnelling(dim: int, **options: Any) -> Problem:
    build = partial(equations.tunnelling, dim), partial(statements.tunnelling, dim)
    options = {"qutip_steps": 200, **options}
    return Problem(f"tunnelling-{dim}", f"SUV d={dim}, tunnelling", dim, 0.01, 400, *build, **options)


def _relaxing(dim: int, chunk: int) -> Problem:
    build = partial(equations.oqt, dim), partial(statements.relaxing, dim)
    title = f"OQT d={dim}, from the top"
    return Problem(f"relaxing-{dim}", title, dim**2, 0.01, 400, *build, dynamiqs=(("dense", chunk),), qutip_steps=100)


def _meeting(points: int) -> Problem:
    build = partial(equations.csl, points), partial(statements.meeting, points)
    title = f"CSL N={points}, packets meet"
    return Problem(f"meeting-{points}", title, points, 0.00625, 200, *build, dynamiqs=(("dia", 200),), qutip_steps=200)


def _homodyne() -> Problem:
    build = equations.homodyne, statements.homodyne
    return Problem("homodyne-2", "homodyne qubit", 1, 0.01, 400, *build, dynamiqs=(("dense", 5000),), qutip_steps=200)


# What is timed to an accuracy only: far from what one step's cost shows, the bias decides.
REACHED_ONLY = (
    _tunnelling(3, dynamiqs=(("dense", 5000),), quick=True),
    _tunnelling(8, dynamiqs=(("dia", 5000),)),
    _relaxing(8, 200),
    _relaxing(16, 100),
    _meeting(64),
    _homodyne(),
)


def find(name: str) -> Problem:
    """The problem of that name; ValueError otherwise."""
    known = PROBLEMS + REACHED_ONLY
    for problem in known:
        if problem.name == name:
            return problem
    raise ValueError(f"name: expected one of {', '.join(problem.name for problem in known)}; got {name!r}.")

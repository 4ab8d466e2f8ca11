"""Which method solves a master equation, and its solution step by step."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from stochq.equation import Equation
from stochq.exact import liouvillian
from stochq.exact.coloured import evolve_coloured
from stochq.exact.inputs import intervals
from stochq.exact.ode import Solved, evolve_ode
from stochq.exact.parts import DEPENDS_ON_TIME, ExactPart, exact_parts, why_not_splittable
from stochq.exact.split import evolve_split
from stochq.noise import Coloured

Method = Literal["auto", "closed-form", "liouvillian", "split", "ode", "typicality"]
METHODS = get_args(Method)
# Methods without a truncation error are exact to this many rounding errors per radian of the fastest phase.
_ROUNDING = 16 * np.finfo(float).eps


def choose(equation: Equation, method: str) -> tuple[str, list[ExactPart]]:
    """The method, and the equation's exactly solvable parts where it needs them."""
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}; got {method!r}.")
    obstacle = why_not_splittable(equation)
    parts = [] if obstacle or method in ("ode", "liouvillian") else exact_parts(equation)
    if method == "auto":
        return _best(equation, parts), parts
    if problem := _problem(equation, method, obstacle, parts):
        raise ValueError(f'method: {method!r} does not apply, {problem}. Use method="auto".')
    return method, parts


def _best(equation: Equation, parts: list[ExactPart]) -> str:
    if len(parts) == 1:
        return "closed-form"
    if equation.dim <= liouvillian.LARGEST_DIM and not equation.time_dependent:
        return "liouvillian"
    return "split" if parts else "ode"


def _problem(equation: Equation, method: str, obstacle: str, parts: list[ExactPart]) -> str:
    if method == "liouvillian":
        if equation.time_dependent:
            return DEPENDS_ON_TIME
        largest = liouvillian.LARGEST_DIM
        return f"{equation.dim} states are more than {largest}" if equation.dim > largest else ""
    if method == "ode":
        return ""
    if method == "closed-form" and len(parts) > 1:
        return "the terms are diagonal in different bases"
    return obstacle


def solve(
    equation: Equation, parts: list[ExactPart], rho: np.ndarray, times: np.ndarray, method: str
) -> Iterator[Solved]:
    """The solution at each time by a method and for parts from `choose`; ρ (dim, dim) is any Hermitian matrix."""
    if method == "ode":
        return evolve_ode(equation, rho, times)
    if method == "split":
        return evolve_split(parts, rho, times)
    solutions = (
        _evolve_alone(equation, parts[0], rho, times)
        if method == "closed-form"
        else liouvillian.evolve_liouvillian(equation, rho, times)
    )
    angles = _bandwidth(equation) * (times - times[0])
    return (Solved(after, _ROUNDING * (1 + angle), 0) for after, angle in zip(solutions, angles, strict=True))


def _bandwidth(equation: Equation) -> float:
    return float(np.ptp(np.asarray(equation.hamiltonian.energies))) / float(equation.hbar)


def _evolve_alone(equation: Equation, part: ExactPart, rho: np.ndarray, times: np.ndarray) -> Iterator[np.ndarray]:
    if isinstance(equation.colour, Coloured):
        return evolve_coloured(part, equation.colour, rho, times)
    return _evolve_part(part, rho, times)


def _evolve_part(part: ExactPart, rho: np.ndarray, times: np.ndarray) -> Iterator[np.ndarray]:
    """The density matrix at each time when one part is all there is."""
    # Many different intervals would fill the memory with propagators that serve once.
    step = lru_cache(maxsize=4)(part.step)
    yield rho
    rotated = part.basis.to_basis(rho)
    for length in map(float, intervals(times)):
        rotated = step(length)(rotated)
        yield part.basis.from_basis(rotated)

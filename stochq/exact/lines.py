"""What an equation's records and clicks are made of: operators, given as such or by the name of a record."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from stochq.arrays import ArrayLike
from stochq.equation import Equation
from stochq.exact.inputs import operator_matrix


class Current(NamedTuple):
    """A real record I = s⟨c + c†⟩ + o + noise: c (dim, dim), s and o."""

    operator: np.ndarray
    scale: float = 1.0
    offset: float = 0.0

    def measured(self, rho: np.ndarray) -> np.ndarray:
        """E[I ρ'] over the noise of the moment, ρ' the state after it: s(cρ + ρc†) + oρ."""
        after = self.operator @ rho
        return self.scale * (after + after.conj().T) + self.offset * rho

    def observable(self) -> np.ndarray:
        """The operator whose mean is that of the record."""
        return self.scale * (self.operator + self.operator.conj().T) + self.offset * np.eye(len(self.operator))


def current_of(equation: Equation, argument: str, value: str | ArrayLike, t: float) -> Current:
    """The current that a name or a watched operator stands for, at time t."""
    if not isinstance(value, str):
        return Current(operator_matrix(argument, value, equation.dim))
    currents = _currents(equation, t)
    if value not in currents:
        raise ValueError(f"{argument}: expected {_one_of(currents)}; got {value!r}.")
    return currents[value]


def jumps_of(equation: Equation, value: str | ArrayLike) -> np.ndarray:
    """The operators (K, dim, dim) whose clicks a name stands for, or that are given: one, or a list of them."""
    if isinstance(value, str):
        counters = _counters(equation)
        if not counters:
            names = ", ".join(line.name for line in equation.lines) or "none"
            raise ValueError(
                f"operator: expected an operator, as there is no counter among the equation's records ({names}); got "
                f"{value!r}. A counter is a detector sq.measurement.counting(L)."
            )
        if value not in counters:
            raise ValueError(f"operator: expected {_one_of(counters)}; got {value!r}.")
        return counters[value]
    if isinstance(value, (list, tuple)) and value and np.ndim(value[0]) == 2:
        return np.stack([operator_matrix(f"operator[{k}]", one, equation.dim) for k, one in enumerate(value)])
    return operator_matrix("operator", value, equation.dim)[None]


def _one_of(known: Collection[str]) -> str:
    names = f"one of {', '.join(map(repr, known))}, or " if known else ""
    return f"{names}an operator"


def _currents(equation: Equation, t: float) -> dict[str, Current]:
    """The real records by their names, those of a complex one as "name:1" and "name:2"."""
    found: dict[str, Current] = {}
    if not equation.detectors:
        for line in equation.lines:
            channel = equation.channels[line.sources[0][0]]
            variants = channel.law.variants if channel.law.name in ("real", "complex") else ()
            operators = [Current(factor * _source(equation, *line.sources[0], t)) for factor in variants]
            found |= _named(line.name, operators)
    for line in equation.lines if equation.detectors else ():
        detector = equation.detectors[line.detector]
        scale, offset = float(detector.scale), float(detector.drift)
        if detector.kind == "homodyne":
            found[line.name] = Current(np.asarray(detector.watched(t)[0]), scale, offset)
        if detector.kind == "heterodyne":
            # An offset of Z = (Y₁ − iY₂)/√2 that is real is one of Y₁.
            offsets = (np.sqrt(2) * offset, 0.0)
            pairs = zip(detector.watched(t), offsets, strict=True)
            found |= _named(line.name, [Current(np.asarray(one), scale, drift) for one, drift in pairs])
    return found


def _named(name: str, currents: list[Current]) -> dict[str, Current]:
    if len(currents) == 1:
        return {name: currents[0]}
    return {f"{name}:{number}": current for number, current in enumerate(currents, 1)}


def _counters(equation: Equation) -> dict[str, np.ndarray]:
    """The operators whose clicks are counted, dark counts included, by the names of their records."""
    if not equation.detectors:
        lines = [line for line in equation.lines if equation.channels[line.sources[0][0]].law.name == "jump"]
        constant = [line for line in lines if not equation.channels[line.sources[0][0]].time_dependent]
        return {line.name: _source(equation, *line.sources[0], 0.0)[None] for line in constant}
    found = {}
    for line in equation.lines:
        detector = equation.detectors[line.detector]
        if detector.kind == "counting":
            operators = [operator_matrix(line.name, one, equation.dim) for one in detector.sources()]
            found[line.name] = np.stack(operators)
    return found


def _source(equation: Equation, place: int, operator: int, t: float) -> np.ndarray:
    """An operator (dim, dim) of a channel at time t, in the given basis."""
    channel = equation.channels[place]
    return np.asarray(equation.in_given_basis(channel, np.asarray(channel.operators_at(t)[operator])))

"""What an equation's records and clicks are made of: operators, given as such or by the name of a record."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, OperatorLike
from stochq.equation import Equation
from stochq.exact.inputs import operator_matrix
from stochq.measurement.line import Line
from stochq.measurement.record import Kind, column_names


class Current(NamedTuple):
    """A real record I = s⟨c + c†⟩ + o + noise: c (dim, dim), s and o. Any of them may be traced."""

    operator: Array
    scale: Number = 1.0
    offset: Number = 0.0

    def measured(self, rho: Array) -> Array:
        """E[I ρ'] over the noise of the moment, ρ' the state after it: s(cρ + ρc†) + oρ."""
        after = self.operator @ rho
        return self.scale * (after + after.conj().T) + self.offset * rho

    def observable(self) -> Array:
        """The operator whose mean is that of the record."""
        return self.scale * (self.operator + self.operator.conj().T) + self.offset * np.eye(len(self.operator))

    def shot_noise(self, interval: float, mean: Array) -> Array:
        """What noise adds to the mean square of the current's mean over an interval."""
        return jnp.asarray(self.scale) ** 2 / interval


class Counter(NamedTuple):
    """Clicks within a time `width`, at the rate ⟨L†L⟩ + d: L (dim, dim), d of dark counts. Any may be traced."""

    operator: Array
    dark: Number
    width: Number

    def measured(self, rho: Array) -> Array:
        """E[N ρ'] for short widths, ρ' the state after a click: (LρL† + dρ)·width."""
        return self.width * (self.operator @ rho @ self.operator.conj().T + self.dark * rho)

    def observable(self) -> Array:
        """The operator whose mean is that of the number of clicks."""
        return self.width * (self.operator.conj().T @ self.operator + self.dark * np.eye(len(self.operator)))

    def shot_noise(self, interval: float, mean: Array) -> Array:
        """What noise adds to the mean square of clicks in an interval with this mean: Poisson's variance."""
        return mean


def quadrature_offsets(kind: Kind | None, offset: Number) -> tuple[Number, ...]:
    """The offset of each real column; that of a heterodyne record is one of Z = (Y₁ − iY₂)/√2."""
    return (np.sqrt(2) * offset, 0.0) if kind == "heterodyne" else (offset,)


def current_of(equation: Equation, argument: str, value: str | OperatorLike, t: float) -> Current:
    """The current that a name or a watched operator stands for, at time t."""
    if not isinstance(value, str):
        return Current(operator_matrix(argument, value, equation.dim))
    currents = _currents(equation, t)
    if value not in currents:
        raise ValueError(f"{argument}: expected {_one_of(currents)}; got {value!r}.")
    return currents[value]


def jumps_of(equation: Equation, value: str | OperatorLike) -> np.ndarray:
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
        each = cast(Sequence[OperatorLike], value)
        return np.stack([operator_matrix(f"operator[{k}]", one, equation.dim) for k, one in enumerate(each)])
    return operator_matrix("operator", value, equation.dim)[None]


def _one_of(known: Collection[str]) -> str:
    names = f"one of {', '.join(map(repr, known))}, or " if known else ""
    return f"{names}an operator"


def _currents(equation: Equation, t: float) -> dict[str, Current]:
    """The real records by their names, those of a complex one as "name:1" and "name:2"."""
    currents: dict[str, Current] = {}
    for line in equation.lines:
        kind = equation.record_kind(line)
        if kind != "counting":
            currents |= zip(column_names(line.name, kind), _currents_of(equation, line, t), strict=True)
    return currents


def _currents_of(equation: Equation, line: Line, t: float) -> list[Current]:
    """The real columns of one record of currents."""
    if not equation.detectors:
        channel = equation.channels[line.sources[0][0]]
        return [Current(factor * _source(equation, *line.sources[0], t)) for factor in channel.law.variants]
    detector = equation.detectors[line.detector]
    offsets = quadrature_offsets(detector.kind, float(detector.drift))
    return [
        Current(np.asarray(operator), float(detector.scale), offset)
        for operator, offset in zip(detector.watched(t), offsets, strict=True)
    ]


def _counters(equation: Equation) -> dict[str, np.ndarray]:
    """The operators whose clicks are counted, dark counts included, by the names of their records."""
    if not equation.detectors:
        lines = [line for line in equation.lines if equation.channels[line.sources[0][0]].law.name == "jump"]
        constant = [line for line in lines if not equation.channels[line.sources[0][0]].time_dependent]
        return {line.name: _source(equation, *line.sources[0], 0.0)[None] for line in constant}
    operators = {}
    for line in equation.lines:
        detector = equation.detectors[line.detector]
        if detector.kind == "counting":
            sources = [operator_matrix(line.name, one, equation.dim) for one in detector.sources()]
            operators[line.name] = np.stack(sources)
    return operators


def _source(equation: Equation, index: int, operator: int, t: float) -> np.ndarray:
    """An operator (dim, dim) of a channel at time t, in the given basis."""
    channel = equation.channels[index]
    return np.asarray(equation.in_given_basis(channel, np.asarray(channel.operators_at(t)[operator])))

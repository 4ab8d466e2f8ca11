"""What a run is asked to do, checked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stochq.accuracy.grid import regular_edges
from stochq.arrays import Observable
from stochq.ensemble.records import Recording
from stochq.ensemble.statistics import Statistic
from stochq.equation import Equation
from stochq.schemes import Frame, Scheme

# What a run may be expected to take where nothing is said.
MOST_HOURS = 24.0


@dataclass(frozen=True)
class Task:
    """The checked arguments of a run, made once by `simulate` and read by all that follows.

    psi: the initial state (dim,), or a mixed one's eigenvectors times the roots of their weights (dim, rank);
    times (T,); observables: whose means are wanted, in the order of a readout; monitors: functions that the run watches
    besides; statistics: of states, by name; frame: the basis in which it is stepped; recording: what is written down,
    None where nothing is; conditional: whether what is looked at are density matrices given the records;
    checks_precision: whether some trajectories are made in single and in double precision;
    max_hours: that the run may be expected to take.
    """

    equation: Equation
    frame: Frame
    psi: np.ndarray
    times: np.ndarray
    observables: Mapping[str, Any]
    scheme: Scheme
    precision: str
    seed: int
    statistics: Mapping[str, Statistic] = field(default_factory=dict)
    monitors: Mapping[str, Any] = field(default_factory=dict)
    recording: Recording | None = None
    conditional: bool = False
    checks_precision: bool = False
    max_hours: float = MOST_HOURS

    @cached_property
    def edges(self) -> np.ndarray:
        """The times between the first and the last at which a coefficient of the equation jumps; with coloured noise,
        whose memory is prepared for steps of one length, more where that makes intervals alike."""
        edges = self.equation.edges(self.times)
        return edges if self.equation.colour is None else regular_edges(self.times, edges)

    @property
    def dim(self) -> int:
        return self.equation.dim

    @property
    def watched(self) -> dict[str, Observable]:
        """Observables and monitors."""
        return {**self.observables, **self.monitors}

    def asked_in(self, names: Sequence[str]) -> list[int]:
        """The places of observables, not of monitors, among the names of a readout."""
        return [place for place, name in enumerate(names) if name not in self.monitors]

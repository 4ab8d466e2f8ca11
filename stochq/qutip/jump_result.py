"""The result of mcsolve: with the times of jumps and what a counter of each operator wrote down."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from qutip.solver.multitrajresult import McResult

from stochq.qutip.counted import JumpTimes
from stochq.qutip.result import Contents, MultiTrajectoryResult
from stochq.qutip.trajectory import Trajectory


class JumpResult(MultiTrajectoryResult):
    """What QuTiP's `mcsolve` returns.

    Beside the attributes of `MultiTrajectoryResult`: `col_times` and `col_which`, of every run the times of its jumps
    and the numbers of the c_ops that made them; `collapse`, both in pairs; `photocurrent`, for every c_op its jumps
    between saved times, divided by their distance and averaged over the runs (T-1,); `runs_photocurrent`, of every run.
    `num_c_ops`: how many c_ops there are.
    """

    def __init__(self, contents: Contents, jumps: Sequence[JumpTimes], num_c_ops: int) -> None:
        super().__init__(contents)
        self._jumps, self.num_c_ops = list(jumps), num_c_ops

    @property
    def collapse(self) -> list[list[tuple[Any, int]]]:
        return [list(zip(jumps.time, jumps.which.tolist(), strict=True)) for jumps in self._jumps]

    @property
    def col_times(self) -> list[Any]:
        return [tuple(jumps.time) or [] for jumps in self._jumps]

    @property
    def col_which(self) -> list[Any]:
        return [tuple(jumps.which.tolist()) or [] for jumps in self._jumps]

    @property
    def photocurrent(self) -> list[np.ndarray]:
        time, which = (np.concatenate(parts) for parts in zip(*self._jumps, strict=True))
        return [each / self.num_trajectories for each in self._current(JumpTimes(time, which))]

    @property
    def runs_photocurrent(self) -> list[list[np.ndarray]]:
        return [self._current(jumps) for jumps in self._jumps]

    def _current(self, jumps: JumpTimes) -> list[np.ndarray]:
        times = self._contents.times
        counts = [np.histogram(jumps.time[jumps.which == place], times)[0] for place in range(self.num_c_ops)]
        return [each / np.diff(times) for each in counts]

    def plot_photocurrent(self, **arguments: Any) -> Any:
        """QuTiP's picture of the photocurrent: its `McResult.plot_photocurrent`, with its arguments."""
        return McResult.plot_photocurrent(self, **arguments)  # pyright: ignore[reportArgumentType]

    def _trajectory(self, place: int) -> "JumpTrajectory":
        return JumpTrajectory(self, place)

    def _merged(self, contents: Contents, other: Self) -> Self:
        if self.num_c_ops != other.num_c_ops:
            raise ValueError(f"other: expected a result of {self.num_c_ops} c_ops; got one of {other.num_c_ops}.")
        return type(self)(contents, self._jumps + other._jumps, self.num_c_ops)


class JumpTrajectory(Trajectory):
    """One run of `mcsolve`: `collapse`, its jumps as pairs of a time and the number of a c_op."""

    def __init__(self, result: JumpResult, place: int) -> None:
        super().__init__(result, place)
        self.collapse = result.collapse[place]

"""One run of many, with the attributes of QuTiP's result of one."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from qutip.solver.result import Result

if TYPE_CHECKING:
    from qutip import Qobj

    from stochq.qutip.result import MultiTrajectoryResult


class Trajectory:
    """One run of a result that keeps them."""

    def __init__(self, result: "MultiTrajectoryResult", place: int) -> None:
        self._result, self._place = result, place
        self.times, self.options, self.e_ops = result.times, result.options, result.e_ops
        # QuTiP's results of one run know neither.
        self.solver: str | None = None
        self.stats: dict[str, Any] = {}

    @property
    def e_data(self) -> dict[Hashable, list[Any]]:
        return {key: list(values) for key, values in zip(self.e_ops, self.expect, strict=True)}

    @property
    def expect(self) -> list[np.ndarray]:
        return [runs[self._place] for runs in self._result.runs_expect]

    @property
    def states(self) -> "list[Qobj]":
        return self._result.states_of(self._place)

    @property
    def final_state(self) -> "Qobj | None":
        return self._result.final_state_of(self._place)

    def plot_expect(self, **arguments: Any) -> Any:
        """QuTiP's picture of the expectation values: its `Result.plot_expect`, with its arguments."""
        return Result.plot_expect(self, **arguments)  # pyright: ignore[reportArgumentType]

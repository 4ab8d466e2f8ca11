"""The result of ssesolve and smesolve: with what detectors wrote down, and the noise behind it."""

from typing import Any, Self

import numpy as np

from stochq.qutip.noise import JoinedNoise, Noise
from stochq.qutip.result import Contents, MultiTrajectoryResult
from stochq.qutip.trajectory import Trajectory


class StochasticResult(MultiTrajectoryResult):
    """What QuTiP's `ssesolve` and `smesolve` return.

    Beside the attributes of `MultiTrajectoryResult` it has, with options["store_measurement"] or
    options["keep_runs_results"], as QuTiP: `dW` (run, operator, T-1), the Wiener increments between saved times;
    `wiener_process` (run, operator, T), their sums; and, with options["store_measurement"], `measurement`
    (run, operator, T-1), dW/Δt + ⟨L + L†⟩ at the "start", in the "middle" (the mean of both ends) or at the "end" of
    each interval. With heterodyne detection there is an axis of two behind that of operators: dW of both quadratures,
    and √2 dW/Δt + ⟨L + L†⟩, √2 dW/Δt − i⟨L − L†⟩.
    """

    def __init__(self, contents: Contents, heterodyne: bool, noise: "Noise | JoinedNoise") -> None:
        super().__init__(contents)
        self.heterodyne = heterodyne
        self._noise = noise

    @property
    def dW(self) -> Any:
        return self._listed(self._by_operator(self._noise.made.dW)) if self._is_kept else None

    @property
    def wiener_process(self) -> Any:
        if not self._is_kept:
            return None
        dW = self._noise.made.dW
        sums = np.concatenate([np.zeros_like(dW[..., :1]), np.cumsum(dW, axis=-1)], axis=-1)
        return self._listed(self._by_operator(sums))

    @property
    def measurement(self) -> Any:
        kind = self.options["store_measurement"]
        if not kind:
            # As QuTiP: an array of as many Nones.
            return np.array([None] * self.num_trajectories) if self.options["keep_runs_results"] else None
        made = self._noise.made
        means = {
            "start": made.currents[..., :-1],
            "middle": 0.5 * (made.currents[..., :-1] + made.currents[..., 1:]),
            "end": made.currents[..., 1:],
        }["end" if kind is True else kind]
        scale = np.sqrt(2) if self.heterodyne else 1.0
        return self._listed(self._by_operator(means + scale * made.dW / np.diff(self._contents.times)))

    @property
    def _is_kept(self) -> bool:
        return bool(self.options["store_measurement"]) or self.options["keep_runs_results"]

    def _by_operator(self, columns: np.ndarray) -> np.ndarray:
        """With an axis of both quadratures for heterodyne detection."""
        if not self.heterodyne:
            return columns
        return columns.reshape(len(columns), -1, 2, columns.shape[-1])

    def _listed(self, array: np.ndarray) -> Any:
        """As QuTiP has it: an array where runs are kept, else a list of one array for each run."""
        return array if self.options["keep_runs_results"] else list(array)

    def _trajectory(self, place: int) -> "StochasticTrajectory":
        return StochasticTrajectory(self, place)

    def _merged(self, contents: Contents, other: Self) -> Self:
        if self.heterodyne != other.heterodyne:
            raise ValueError("other: expected the same detection; one is homodyne, the other heterodyne.")
        return type(self)(contents, self.heterodyne, JoinedNoise([self._noise, other._noise]))


class StochasticTrajectory(Trajectory):
    """One run of `ssesolve` or `smesolve`: `dW`, `wiener_process` and `measurement` (operator, …)."""

    def __init__(self, result: StochasticResult, place: int) -> None:
        super().__init__(result, place)
        self.heterodyne = result.heterodyne
        self._all = result

    @property
    def dW(self) -> np.ndarray:
        return self._all.dW[self._place]

    @property
    def wiener_process(self) -> np.ndarray:
        return self._all.wiener_process[self._place]

    @property
    def measurement(self) -> np.ndarray | None:
        return self._all.measurement[self._place]

"""The result of many trajectories with the attributes, types and shapes of QuTiP 5.3.1's."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.random import SeedSequence
from qutip.solver.multitrajresult import MultiTrajResult
from qutip.solver.result import ExpectOp

from stochq.ensemble import EnsembleResult
from stochq.qutip.curves import Curve, merged
from stochq.qutip.expectations import Expectation
from stochq.qutip.seeds import share_some
from stochq.qutip.trajectory import Trajectory
from stochq.qutip_objects import as_kets, as_operators

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from qutip import Qobj


@dataclass(frozen=True)
class Contents:
    """What a result holds.

    times (T,); curves {key: curve}; values {key: (run, T)} of every run, states (run, T, dim) or (run, T, dim, dim)
    and density (T, dim, dim), None where they are not kept; with `final` alone, states and density are those of the
    last time. dims: of the parts of the system.
    """

    solver: str
    stats: dict[str, Any]
    options: dict[str, Any]
    times: np.ndarray
    expectations: list[Expectation]
    curves: dict[Hashable, Curve]
    values: dict[Hashable, np.ndarray] | None
    states: np.ndarray | None
    density: np.ndarray | None
    dims: tuple[int, ...]
    seeds: Sequence[SeedSequence]
    ensemble: EnsembleResult | None


class MultiTrajectoryResult:
    """What QuTiP's solvers with many trajectories return, made of an ensemble.

    `expect` and `e_data` are those of every run with options["keep_runs_results"], else means over the runs, as in
    QuTiP; `average_…`, `std_…` and `runs_…` say which. More than QuTiP: `stderr_expect` and `stderr_e_data`, the
    standard errors of the means, and `ensemble`, the `EnsembleResult` of `sq.simulate`.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.solver, self.stats, self.options = contents.solver, contents.stats, contents.options
        self.times: list[float] = list(contents.times)
        self.num_trajectories = len(contents.seeds)
        self.e_ops = {each.key: ExpectOp(each.given, each, None) for each in contents.expectations}
        # QuTiP's trajectories without a jump, of improved sampling, which is not needed here.
        self.deterministic_trajectories: list[Trajectory] = []
        self.deterministic_weights: list[float] = []

    @property
    def seeds(self) -> list[SeedSequence]:
        """One for each trajectory; `seeds=result.seeds` makes the same ones again."""
        return list(self._contents.seeds)

    @property
    def ensemble(self) -> EnsembleResult:
        """The result of `sq.simulate` behind this one.

        Raises:
            ValueError: for a merged result of runs that do not merge, of different steps, states or equations.
        """
        if self._contents.ensemble is None:
            raise ValueError(
                "ensemble: expected runs of one equation, state and step; these were merged from runs of several. Look "
                "at the ensembles of each, or give all the same arguments and options['dt']."
            )
        return self._contents.ensemble

    @property
    def average_e_data(self) -> dict[Hashable, list[Any]]:
        return {key: list(curve.mean) for key, curve in self._contents.curves.items()}

    @property
    def std_e_data(self) -> dict[Hashable, list[Any]]:
        return {key: list(curve.std) for key, curve in self._contents.curves.items()}

    @property
    def stderr_e_data(self) -> dict[Hashable, list[Any]]:
        return {key: list(curve.stderr) for key, curve in self._contents.curves.items()}

    @property
    def runs_e_data(self) -> dict[Hashable, list[list[Any]]]:
        values = self._contents.values or {}
        return {key: [list(run) for run in runs] for key, runs in values.items()}

    @property
    def e_data(self) -> dict[Hashable, list[Any]]:
        return self.runs_e_data or self.average_e_data

    @property
    def average_expect(self) -> list[np.ndarray]:
        return [curve.mean for curve in self._contents.curves.values()]

    @property
    def std_expect(self) -> list[np.ndarray]:
        return [curve.std for curve in self._contents.curves.values()]

    @property
    def stderr_expect(self) -> list[np.ndarray]:
        return [curve.stderr for curve in self._contents.curves.values()]

    @property
    def runs_expect(self) -> list[np.ndarray]:
        return list((self._contents.values or {}).values())

    @property
    def expect(self) -> list[np.ndarray]:
        return self.runs_expect or self.average_expect

    @property
    def runs_weights(self) -> list[float]:
        return [1 / self.num_trajectories] * self.num_trajectories

    @property
    def trajectories(self) -> list[Trajectory]:
        """One for each run with options["keep_runs_results"], none without."""
        if not self.options["keep_runs_results"]:
            return []
        return [self._trajectory(place) for place in range(self.num_trajectories)]

    def _trajectory(self, place: int) -> Trajectory:
        return Trajectory(self, place)

    def states_of(self, place: int) -> "list[Qobj]":
        """The states of one run, none where they are not kept."""
        states = self._contents.states
        if states is None or not self._keeps_states:
            return []
        return self._as_states(states[place])

    def final_state_of(self, place: int) -> "Qobj | None":
        """The last state of one run, None where it is not kept."""
        states = self._contents.states
        return None if states is None else self._as_states(states[place, -1:])[0]

    def _as_states(self, states: np.ndarray) -> "list[Qobj]":
        made = as_kets if states.ndim == 2 else as_operators
        return made(states, self._contents.dims)

    @property
    def _keeps_states(self) -> bool:
        wanted = self.options["store_states"]
        return not self._contents.expectations if wanted is None else bool(wanted)

    @property
    def runs_states(self) -> "list[list[Qobj]] | None":
        if self._contents.states is None or not self._keeps_states:
            return None
        return [self.states_of(place) for place in range(self.num_trajectories)]

    @property
    def average_states(self) -> "list[Qobj] | None":
        density = self._contents.density
        return None if density is None or not self._keeps_states else as_operators(density, self._contents.dims)

    @property
    def states(self) -> Any:
        return self.runs_states or self.average_states

    @property
    def runs_final_states(self) -> "list[Qobj | None] | None":
        if self._contents.states is None:
            return None
        return [self.final_state_of(place) for place in range(self.num_trajectories)]

    @property
    def average_final_state(self) -> "Qobj | None":
        density = self._contents.density
        return None if density is None else as_operators(density[-1:], self._contents.dims)[0]

    @property
    def final_state(self) -> Any:
        return self.runs_final_states or self.average_final_state

    def steady_state(self, N: int = 0) -> "Qobj | None":
        """The mean density matrix over the last N saved times, over all of them where N is 0."""
        states = self.average_states
        if states is None:
            return None
        last = states[-min(int(N) or len(states), len(states)) :]
        return sum(last[1:], last[0]) / len(last)

    def plot_expect(self, **arguments: Any) -> "tuple[Figure, Any]":
        """QuTiP's picture of the expectation values: its `MultiTrajResult.plot_expect`, with its arguments."""
        return MultiTrajResult.plot_expect(self, **arguments)  # pyright: ignore[reportArgumentType]

    def merge(self, other: Self, p: float | None = None) -> Self:
        """Both as one; the same e_ops and times, and no trajectory in both.

        Args:
            other: a result of the same solver.
            p: QuTiP's weight of this one; None counts every trajectory alike, which is all that is taken here.

        Raises:
            ValueError: for results of other e_ops, times or solvers, ones that share a seed, and a weight.
        """
        if type(other) is not type(self):
            return NotImplemented
        self._check_mergeable(other)
        if p is not None:
            raise ValueError(f"p: expected None, by which all trajectories count alike; got {p!r}.")
        return self._merged(merged_contents(self._contents, other._contents), other)

    def __add__(self, other: Self) -> Self:
        return self.merge(other)

    def _merged(self, contents: Contents, other: Self) -> Self:
        return type(self)(contents)

    def _check_mergeable(self, other: "MultiTrajectoryResult") -> None:
        mine, theirs = self._contents, other._contents
        if mine.solver != theirs.solver:
            raise ValueError(f"other: expected a result of {mine.solver}; got one of {theirs.solver}.")
        if [(each.key, each.given) for each in mine.expectations] != [
            (each.key, each.given) for each in theirs.expectations
        ]:
            raise ValueError("other: expected a result with the same e_ops; got other ones.")
        if not np.array_equal(mine.times, theirs.times):
            raise ValueError("other: expected a result at the same times; got other ones.")
        if share_some(mine.seeds, theirs.seeds):
            raise ValueError(
                "other: expected a result of other trajectories; both have the same seeds, so that some would count "
                "twice. Run it with seeds of its own."
            )

    def __repr__(self) -> str:
        if self.states:
            kept = "States saved."
        else:
            kept = "State not saved." if self._contents.density is None else "Final state saved."
        lines = [
            f"<{type(self).__name__}",
            f"  Solver: {self.solver}",
            "  Solver stats:",
            *(f"    {name}: {value!r}" for name, value in self.stats.items()),
            f"  Time interval: [{self.times[0]}, {self.times[-1]}] ({len(self.times)} steps)",
            f"  Number of e_ops: {len(self.e_ops)}",
            f"  {kept}",
            f"  Number of trajectories: {self.num_trajectories}",
            f"  Trajectories {'saved' if self.options['keep_runs_results'] else 'not saved'}.",
            ">",
        ]
        return "\n".join(lines)


def merged_contents(mine: Contents, theirs: Contents) -> Contents:
    """Of both; what one does not hold the merged one does not hold either."""
    counts = len(mine.seeds), len(theirs.seeds)
    curves = {key: merged(curve, counts[0], theirs.curves[key], counts[1]) for key, curve in mine.curves.items()}
    values = None
    if mine.values is not None and theirs.values is not None:
        values = {key: np.concatenate([runs, theirs.values[key]]) for key, runs in mine.values.items()}
    keeps = mine.options["keep_runs_results"] and theirs.options["keep_runs_results"]
    return Contents(
        mine.solver, mine.stats, {**mine.options, "keep_runs_results": keeps}, mine.times, mine.expectations, curves,
        values,
        _both(mine.states, theirs.states, lambda one, other: np.concatenate([one, other])),
        _both(mine.density, theirs.density, lambda one, other: np.average([one, other], axis=0, weights=counts)),
        mine.dims, [*mine.seeds, *theirs.seeds], _merged_ensembles(mine.ensemble, theirs.ensemble),
    )  # fmt: skip


def _both(
    one: np.ndarray | None, other: np.ndarray | None, join: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray | None:
    return None if one is None or other is None else join(one, other)


def _merged_ensembles(one: EnsembleResult | None, other: EnsembleResult | None) -> EnsembleResult | None:
    """None where they were made with different steps, states or equations, so that they are no runs of one ensemble."""
    if one is None or other is None:
        return None
    try:
        return one.merge(other)
    except ValueError:
        return None

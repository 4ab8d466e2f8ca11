"""A run of jumps in the form of a device call."""

from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.accelerators import on_accelerator
from stochq.ensemble.devices import block_size
from stochq.ensemble.jumps.evolution import Evolution, ExponentialClocks
from stochq.ensemble.jumps.kernel import Clicking, JumpGrid, JumpLoop, run_block
from stochq.ensemble.jumps.log import CLICKS, ClickLog
from stochq.ensemble.jumps.prepare import evolution_of, square_root, total_loss
from stochq.ensemble.observables import Readout, readout
from stochq.ensemble.problem import cast, constant_phases, covariance_points
from stochq.ensemble.records import RECORDS
from stochq.ensemble.statistics import COVARIANCE, MEAN, Covariance, Mean, Statistic
from stochq.ensemble.task import Task
from stochq.equation import Equation
from stochq.functions import digest_of_program
from stochq.noise import seed_words
from stochq.systems.hamiltonian import DiagonalHamiltonian

# Trajectories with events before the next saved time are advanced in groups of a quarter of a block, on a processor
# within these bounds: whole blocks would wait for the one with the most clicks (measured on a qubit, a cavity and six
# spins).
_GROUP = (32, 128)
# From so many levels on blocks are twice as large as in steps: groups that are not full, as the last ones in every
# interval, cost more there than what the cache does not hold (measured on the same: a third less time of six spins).
_FEW_LEVELS = 16
# Beyond this dimension no propagator is stored, and jumps are made in steps.
LARGEST = 2048


class JumpProblem(NamedTuple):
    """Everything a device call needs that stays the same from call to call; arrays already in the run's precision."""

    loop: JumpLoop
    frame: Any
    evolution: Evolution
    clicking: Clicking
    grid: JumpGrid
    psi0: Any
    key: Any
    read: Readout
    statistics: dict[str, Statistic]

    @property
    def block(self) -> int:
        return self.loop.block

    def with_block(self, block: int) -> "JumpProblem":
        return self._replace(loop=self.loop._replace(block=block, pending=max(1, block // 4)))

    def unnamed(self) -> "JumpProblem":
        return self._replace(read=self.read.unnamed())

    def anywhere(self) -> "JumpProblem":
        # Of room for clicks there is as much as the run needs.
        alone = self.with_block(1)
        return alone._replace(loop=alone.loop._replace(clicks=min(self.loop.clicks, 1)))

    @property
    def size(self) -> int:
        return self.psi0.shape[0]

    @property
    def label(self) -> str:
        return "exact jumps"

    @property
    def names(self) -> tuple[str, ...]:
        return self.read.names

    def data(self, first: jax.Array, states: bool) -> dict[str, jax.Array]:
        """Beside values and states the "records" (T-1, records, block) and the "clicks" (3, clicks, block)."""

        def observe(psi: jax.Array) -> dict[str, jax.Array]:
            seen = {"values": self.read(psi)}
            return seen | {"states": psi, "runs": psi[None]} if states else seen

        seen, counts, log = run_block(
            self.loop, self.frame, self.evolution, self.clicking, self.grid, self.psi0, self.key, first, observe
        )
        return seen | {"records": counts, "clicks": log}

    def programs(self) -> dict[str, str]:
        """What functions compute of a state."""
        state = jax.ShapeDtypeStruct(self.psi0.shape[:1], self.psi0.dtype)
        real, times = self.psi0.real.dtype, len(self.grid.times)
        data = {
            "values": jax.ShapeDtypeStruct((times, len(self.names), 1), real),
            "states": jax.ShapeDtypeStruct((times, self.size, 1), self.psi0.dtype),
            "runs": jax.ShapeDtypeStruct((times, 1, self.size, 1), self.psi0.dtype),
            "records": jax.ShapeDtypeStruct((times - 1, self.clicking.records, 1), real),
            "clicks": jax.ShapeDtypeStruct((3, self.loop.clicks, 1), real),
        }
        weights = jax.ShapeDtypeStruct((1,), self.psi0.real.dtype)
        asked = [one for name, one in self.statistics.items() if name not in (MEAN, COVARIANCE, RECORDS, CLICKS)]
        return {
            "read": " ".join(digest_of_program(function, state) for function in self.read.callables),
            "statistics": " ".join(digest_of_program(one.block, data[one.needs], weights) for one in asked),
        }


def has_exact_jumps(equation: Equation) -> bool:
    """Whether the equation has clicks alone and is followed from event to event, without a time step."""
    counted = bool(equation.channels) and all(channel.law.counts for channel in equation.channels)
    small = equation.dim <= LARGEST or isinstance(equation.hamiltonian, DiagonalHamiltonian)
    return counted and small and not equation.time_dependent


def build_jump_problem(task: Task, clicks: int = 0, trajectories: int | None = None) -> JumpProblem:
    """The arguments of a device call, in the run's precision. clicks: how many of a trajectory are remembered;
    trajectories: as of `block_size`."""
    records = () if task.recording is None else tuple(line.name for line in task.recording.lines)
    frame, read = task.frame, readout(task.watched, task.dim)
    jumps = tuple(channel.jumps() for channel in frame.channels)
    lengths = np.diff(task.times)
    evolution, index, rate = evolution_of(frame, jumps, task.psi, lengths, task.precision)
    loop = JumpLoop(*_block_and_group(task.dim, trajectories), clicks)
    points = covariance_points(task.asked_in(read.names), len(task.times))
    statistics: dict[str, Statistic] = {MEAN: Mean(), COVARIANCE: Covariance(points), **task.statistics}
    phases = constant_phases(task, task.times) if read.callables or task.statistics else None
    steps = np.maximum(np.ceil(rate * lengths), 1).astype(np.int64)
    grid = JumpGrid(task.times, lengths, index, steps, phases)
    clicking = _clicking(task.equation, jumps, records)
    if not isinstance(evolution, ExponentialClocks):
        clicking = clicking._replace(root=square_root(total_loss(frame, jumps)))
    parts = cast((frame, evolution, clicking, grid, task.psi, read, statistics), task.precision)
    frame, evolution, clicking, grid, psi, read, statistics = parts
    if task.recording is not None:
        statistics[RECORDS] = task.recording.statistic(task.times)
        if clicks:
            statistics[CLICKS] = ClickLog(records, task.times)
    return JumpProblem(loop, frame, evolution, clicking, grid, psi, seed_words(int(task.seed)), read, statistics)


def _block_and_group(dim: int, trajectories: int | None) -> tuple[int, int]:
    """Trajectories of a block, and of those with events pending that are advanced together."""
    block = block_size(dim, trajectories=trajectories)
    if on_accelerator():
        return block, block // 4
    return block if dim < _FEW_LEVELS else 2 * block, int(np.clip(block // 4, *_GROUP))


def _clicking(equation: Equation, jumps: tuple[Any, ...], records: tuple[str, ...]) -> Clicking:
    counts = [max(one.count, 1) for one in jumps]
    firsts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    columns = np.full(firsts[-1], -1, np.int32)
    for line in equation.lines:
        if line.name in records:
            for channel, operator in line.sources:
                columns[firsts[channel] + operator] = records.index(line.name)
    losses = tuple(np.asarray(one.loss()) for one in jumps) if len(jumps) > 1 else ()
    return Clicking(jumps, losses, columns, tuple(int(first) for first in firsts[:-1]), len(records))

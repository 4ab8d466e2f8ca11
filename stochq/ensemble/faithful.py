"""At which step kept states are those that their own record tells."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accuracy.bias import SHARE_OF_TOLERANCE, Allowance, Bias, Estimator, StepPlan
from stochq.accuracy.grid import time_grid
from stochq.accuracy.search import find_step, remaining
from stochq.compiling import compiled
from stochq.ensemble.batch import Problem
from stochq.ensemble.pilots import PILOT_SEED
from stochq.ensemble.problem import build_problem
from stochq.ensemble.records import RecordColumn
from stochq.ensemble.runner import precision_context
from stochq.ensemble.task import Task
from stochq.instruments.instrument import Written
from stochq.instruments.kraus import kraus_instrument, unstacked
from stochq.instruments.sweep import sweep
from stochq.measurement.line import WatchedParts

# What kept states may be off by, as an infidelity, the mean over trajectories at the saved time where it is largest;
# what it is estimated from scatters by so much.
LARGEST_INFIDELITY, _SCATTER = 1e-4, 1.5
# Trajectories that tell it, and the largest dimension where it is asked.
_TRAJECTORIES, _LARGEST_DIM = 512, 64


def with_faithful_states(plan: StepPlan, task: Task) -> StepPlan:
    """The plan with a step at which a filter of the whole record returns the states that are kept.

    A step that is right in law may be off trajectory by trajectory, of strong order 1 for one operator: increments do
    not tell what the noise did between their ends (Clark and Cameron 1980), which leaves an infidelity of the second
    order of the step. For several operators, whose order is ½, the plan stays as it is, and in other cases that its
    reason then tells.
    """
    if not _writes_one(task):
        return plan
    if exception := _exception(task):
        return replace(plan, reason=f"{plan.reason}; not by what a filter returns, as {exception}")
    columns = _columns(task)
    if not columns:
        return plan
    allowance = Allowance(_TRAJECTORIES, LARGEST_INFIDELITY / SHARE_OF_TOLERANCE, "double", 0.0)
    dt = find_step(Infidelity(task, columns, plan.dt), task.times, ("infidelity",), allowance).dt
    if dt >= plan.dt:
        return plan
    share = remaining(task.times, plan.dt, dt, task.scheme.weak_order, task.edges)
    bias = {name: share[:, 0] * value for name, value in plan.bias.items()}
    bound = None if plan.bound is None else share * plan.bound
    reason = f"a filter of the whole record returns the kept states within {LARGEST_INFIDELITY:g}; {plan.reason}"
    return replace(plan, dt=dt, bias=bias, bound=bound, reason=reason)


class Infidelity(Estimator):
    """1 − |⟨ψ|ψ_c⟩|² of trajectories ψ and of the states ψ_c that follow from their records, one bin a step.

    It falls with the square of the step, as far as it is smaller than 1.
    """

    order, multiple, certain = 2.0, 2, True

    def __init__(self, task: Task, columns: tuple[RecordColumn, ...], longest: float) -> None:
        self._task, self._columns, self.longest = task, columns, longest
        self.edges = task.edges

    def bias(self, h: float, allowance: Allowance) -> Bias:
        # Halvings of the intervals: what is compiled depends on their number.
        steps = (2 ** np.ceil(np.log2(time_grid(self._task.times, h).steps))).astype(np.int64)
        made = float(np.max(np.diff(self._task.times) / steps))
        value = _SCATTER * (h / made) ** 2 * _infidelity(self._task, self._columns, steps, made)
        nothing = np.zeros_like(value)
        return Bias(value, nothing, nothing, nothing, nothing)

    def difference(self, h: float, finer: float) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError("every step is judged by itself")

    def source(self, h: float) -> str:
        return f"infidelity of {_TRAJECTORIES} pilot trajectories at {h:.3g}"


def _writes_one(task: Task) -> bool:
    """Whether a single operator writes a current, and no other channel is there."""
    sources = [source for line in task.equation.lines for source in line.sources]
    channel, *others = task.equation.channels
    return not (others or len(sources) > 1 or channel.law.counts or task.scheme.feeds_back)


def _exception(task: Task) -> str:
    """What a filter's states are not compared for; empty where they are."""
    if task.equation.time_dependent:
        return "the equation depends on time"
    if task.psi.ndim > 1:
        return "psi0 is mixed"
    return f"there are more than {_LARGEST_DIM} levels" if task.dim > _LARGEST_DIM else ""


def _columns(task: Task) -> tuple[RecordColumn, ...]:
    """What the only operator of an equation writes; none where others are lost."""
    if task.equation.watched_parts().lost.shape[0]:
        return ()
    channel = task.equation.channels[0]
    parts = ("Y",) if len(channel.law.variants) == 1 else ("Y1", "Y2")
    return tuple(RecordColumn(((0, 0),), part) for part in parts)


def _infidelity(task: Task, columns: tuple[RecordColumn, ...], bins: np.ndarray, h: float) -> np.ndarray:
    """At all saved times, (T, 1), the mean over pilot trajectories; bins: steps of each interval, h: the longest."""
    assert task.recording is not None
    alone = replace(task, statistics={}, monitors={}, recording=replace(task.recording, bins=bins), seed=PILOT_SEED)
    problem = build_problem(alone, time_grid(task.times, h, bins, task.edges), trajectories=_TRAJECTORIES)
    problem = problem._replace(loop=problem.loop._replace(record=columns))
    seen = []
    for block in range(-(-_TRAJECTORIES // problem.block)):
        with precision_context(task.precision):
            states, records = jax.device_get(_trajectories(problem, np.uint32(block)))
        seen.append(_off(task, states, records, bins))
    return np.append(0.0, np.nanmean(np.concatenate(seen, axis=-1), axis=-1))[:, None]


@compiled
def _trajectories(problem: Problem, block: jax.Array) -> tuple[jax.Array, jax.Array]:
    """States (T, dim, block) and records (bins, column, block)."""
    data = problem.data(block * np.uint32(problem.block), True)
    return data["states"], data["records"]


def _off(task: Task, states: np.ndarray, records: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """(T-1, block)."""
    lengths, which = np.unique(np.repeat(np.diff(task.times) / bins, bins), return_inverse=True)
    ends = np.cumsum(bins) - 1
    with jax.enable_x64(True):
        written = Written(records.astype(float), np.zeros((len(records), 0, records.shape[-1])), which)
        filtered = jax.device_get(_filtered(task.equation.watched_parts(), lengths, task.psi.astype(complex), written))
    overlap = np.sum(filtered[ends].conj() * states[1:], axis=1)
    return 1 - np.abs(overlap) ** 2 / np.sum(np.abs(states[1:]) ** 2, axis=1)


@compiled
def _filtered(parts: WatchedParts, lengths: np.ndarray, psi: np.ndarray, written: Written) -> jax.Array:
    """Kets (bins, dim, R) after every bin."""
    instrument = kraus_instrument(parts, jnp.asarray(lengths), pure=True)
    return sweep(instrument, instrument.start(psi, written.current.shape[-1]), written, unstacked).readings

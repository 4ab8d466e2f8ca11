"""At which step kept states are those that their own record tells."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import division_of, time_grid
from stochq.accuracy.search import MOST_SHRINK, remaining
from stochq.arrays import Number
from stochq.compiling import compiled
from stochq.ensemble.batch import Problem
from stochq.ensemble.planning import PILOT_SEED
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
# Trajectories that tell it, the largest dimension where it is asked, and how often shorter steps are tried.
_TRAJECTORIES, _LARGEST_DIM, _MOST_TRIALS = 512, 64, 4


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
    # Halvings of the intervals: what is compiled depends on their number.
    steps = (2 ** np.ceil(np.log2(time_grid(task.times, plan.dt, 1, task.edges).steps))).astype(np.int64)
    wanted = _wanted(task, columns, steps)
    for _ in range(_MOST_TRIALS):
        if wanted * MOST_SHRINK >= np.max(np.diff(task.times) / steps):
            break
        # Too long to tell of steps so much shorter.
        steps = 4 * steps
        wanted = _wanted(task, columns, steps)
    if wanted >= plan.dt:
        return plan
    dt = division_of(task.times, wanted)
    share = remaining(task.times, plan.dt, dt, task.scheme.weak_order, task.edges)
    bias = {name: share[:, 0] * value for name, value in plan.bias.items()}
    bound = None if plan.bound is None else share * plan.bound
    reason = f"a filter of the whole record returns the kept states within {LARGEST_INFIDELITY:g}; {plan.reason}"
    return replace(plan, dt=dt, bias=bias, bound=bound, reason=reason)


def _wanted(task: Task, columns: tuple[RecordColumn, ...], steps: np.ndarray) -> float:
    """The step that these, (T-1,) in the intervals, ask for: the infidelity is of its second order."""
    h = float(np.max(np.diff(task.times) / steps))
    infidelity = _SCATTER * _infidelity(task, columns, steps, h)
    return h * float(np.sqrt(LARGEST_INFIDELITY / max(infidelity, np.finfo(float).tiny)))


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


def _infidelity(task: Task, columns: tuple[RecordColumn, ...], bins: np.ndarray, h: float) -> float:
    """1 − |⟨ψ|ψ_c⟩|² of trajectories ψ and of the states ψ_c that follow from their records, one bin a step."""
    assert task.recording is not None
    alone = replace(task, statistics={}, monitors={}, recording=replace(task.recording, bins=bins), seed=PILOT_SEED)
    problem = build_problem(alone, time_grid(task.times, h, bins, task.edges), trajectories=_TRAJECTORIES)
    problem = problem._replace(loop=problem.loop._replace(record=columns))
    seen = []
    for block in range(-(-_TRAJECTORIES // problem.block)):
        with precision_context(task.precision):
            states, records = jax.device_get(_trajectories(problem, np.uint32(block)))
        seen.append(_off(task, states, records, bins))
    return float(np.nanmean(np.concatenate(seen, axis=-1), axis=-1).max())


@compiled
def _trajectories(problem: Problem, block: Number) -> tuple[jax.Array, jax.Array]:
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

"""From a task whose arguments are checked to its ensemble: by which law, in steps or from click to click, and where."""

from functools import partial
from typing import Any, NamedTuple

from stochq.accuracy.bias import StepPlan
from stochq.ensemble.any_law import Choice, choose_law
from stochq.ensemble.checkpoint import opened
from stochq.ensemble.devices import check_devices
from stochq.ensemble.failures import replayed_by, warn_about_failures
from stochq.ensemble.faithful import with_faithful_states
from stochq.ensemble.in_steps import simulate_steps
from stochq.ensemble.jumps.problem import has_exact_jumps
from stochq.ensemble.jumps.simulate import simulate_jumps
from stochq.ensemble.law_pilots import Question
from stochq.ensemble.planning import plan_step
from stochq.ensemble.progress import shown
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution
from stochq.ensemble.tails import warn_about_tails
from stochq.ensemble.task import Task
from stochq.ensemble.team import Team, together
from stochq.equation import Equation, is_left_open
from stochq.systems.checks import check_count, check_flag


class Manner(NamedTuple):
    """How the trajectories from `first` on are made: calls, devices, what is shown and written down."""

    first: int
    batch: int | None
    devices: Any
    progress: bool | None
    checkpoint: Any
    stores: bool


def checked_manner(
    first: int, batch: int | None, devices: Any, progress: bool | None, checkpoint: Any, stores: bool
) -> Manner:
    """The arguments of `simulate` of these names, checked; stores: `store_final_states`."""
    first = check_count("first", first, 0, most=2**32 - 1)
    progress = progress if progress is None else check_flag("progress", progress)
    return Manner(first, batch, check_devices(devices), progress, checkpoint, check_flag("store_final_states", stores))


def make(task: Task, question: Question, keep: int, asked: list[str], in_steps: bool, manner: Manner) -> EnsembleResult:
    """The ensemble of a task whose arguments are checked, from click to click or in steps; with the other hosts of a
    team and from the checkpoint on, if there are any."""
    first, precision, stores = manner.first, task.precision, manner.stores
    identity = {"seed": task.seed, "first": first, "precision": precision}
    stored = {"final states": True} if stores else {}
    with (
        together(**identity, tolerance=question.tolerance, keep=keep) as team,
        shown(manner.progress if team is None or team.is_first else False) as display,
        opened(_path_for(manner.checkpoint, team, task.equation), question.trajectories, **identity, **stored) as file,
    ):
        display.phase("preparing")
        if stores and team is not None:
            raise ValueError("store_final_states: expected False with several hosts; got True. Run it on one.")
        execution = Execution(
            precision, manner.batch, manner.progress, manner.devices, first, file, team=team, stores_final_states=stores
        )
        made = partial(_made, keep=keep, asked=asked, in_steps=in_steps, execution=execution)
        choice = Choice(task)
        if is_left_open(task.equation):
            choice = choose_law(task, question, execution, made)
        task, result = choice.task, choice.result
        if result is None:
            result = made(task, choice.plan, question)
        result.info.update(choice.told)
        warn_about_failures(result, replayed_by(result, task.scheme.averages_only))
        warn_about_tails(result)
        if file is not None and not result.info["interrupted"]:
            file.write(finished=True)
        if team is not None:
            result.info["hosts"] = list(team.names)
    return result


def _made(
    task: Task,
    plan: StepPlan | None,
    question: Question,
    *,
    keep: int,
    asked: list[str],
    in_steps: bool,
    execution: Execution,
) -> EnsembleResult:
    """The ensemble of a task whose laws are named."""
    if has_exact_jumps(task.equation) and not in_steps:
        return simulate_jumps(task, question.trajectories, question.tolerance, keep, asked, execution)
    plan = plan or plan_step(task, question.trajectories, question.dt, question.tolerance)
    if keep and task.recording is not None and question.dt is None and not task.conditional:
        plan = with_faithful_states(plan, task)
    return simulate_steps(task, plan, question, keep, asked, execution)


def _path_for(checkpoint: Any, team: Team | None, equation: Equation) -> Any:
    """Where this host keeps a checkpoint: the first one alone does.

    Raises:
        ValueError: where the law would be another one at another time, or on another host.
    """
    if (checkpoint is not None or team is not None) and is_left_open(equation):
        raise ValueError(
            f"{'hosts' if checkpoint is None else 'checkpoint'}: expected a law that is named: noise='any' takes the "
            "one that is fastest at the moment. Give noise='real', or another."
        )
    return checkpoint if team is None or team.is_first else None

"""The public entry: an equation, a state and times become an ensemble."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid, time_grid
from stochq.aliases import Device
from stochq.arrays import Observable, StateLike, Times, check_numbers
from stochq.ensemble.any_law import Question, check_linear, choose_law
from stochq.ensemble.assemble import assemble
from stochq.ensemble.batch import Problem
from stochq.ensemble.checkpoint import opened
from stochq.ensemble.conditional import check_conditional
from stochq.ensemble.cost import check_fits, check_hours, check_max_hours
from stochq.ensemble.devices import block_size, check_devices
from stochq.ensemble.events import FirstPassage, check_step_of_passages
from stochq.ensemble.failures import replayed_by, warn_about_failures
from stochq.ensemble.faithful import with_faithful_states
from stochq.ensemble.final_states import FINAL
from stochq.ensemble.grid_checks import check_grid_state, grid_monitors, warn_about_grid
from stochq.ensemble.jumps.log import CLICKS
from stochq.ensemble.jumps.problem import has_exact_jumps
from stochq.ensemble.jumps.room import run_with_room
from stochq.ensemble.jumps.simulate import check_no_step, simulate_jumps
from stochq.ensemble.kept import with_kept
from stochq.ensemble.later_times import check_may_be_stored, run_to_later_times, storing
from stochq.ensemble.observables import readout
from stochq.ensemble.planning import plan_step, warn_about_time
from stochq.ensemble.precision_check import SAMPLE, compare_precisions
from stochq.ensemble.problem import build_problem, check_counters, constant_phases
from stochq.ensemble.progress import shown
from stochq.ensemble.records import RECORDS, counters, rate_of_clicks, recording_of
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, Totals, run
from stochq.ensemble.statistics import COVARIANCE, MEAN, PAIR_SPREAD, Histogram, Statistic
from stochq.ensemble.tails import warn_about_tails
from stochq.ensemble.task import MOST_HOURS, Task
from stochq.ensemble.team import Team, together
from stochq.ensemble.to_tolerance import check_tolerance, report_on, run_to, target_of
from stochq.ensemble.which_loop import check_loop, told
from stochq.equation import (
    Equation,
    as_equation,
    is_left_open,
    observables_of,
    parts_known,
    warn_without_noise,
)
from stochq.events import note
from stochq.feedback import Loop, closed_loop
from stochq.function_checks import check_state_function
from stochq.real_parts import has_complex_values, real_rows
from stochq.schemes import Scheme, check_scheme, default_scheme, frame_of
from stochq.systems.checks import check_count, check_flag, check_times
from stochq.systems.states import weighted_states

# Steps shorter than planned by more than this fraction are told.
_SHORTENED = 1e-6
_DIFFERENTIABLE = (
    "Use sq.expectations, whose means are a JAX function of the equation, or call sq.simulate once for each value in a "
    "Python loop: nothing is compiled again when numbers alone change."
)


def simulate(
    equation: Equation,
    psi0: StateLike,
    times: Times,
    *,
    observables: Mapping[str, Observable | str | Statistic] | list[str] | tuple[str, ...],
    trajectories: int,
    seed: int = 0,
    first: int = 0,
    scheme: Scheme | None = None,
    dt: float | None = None,
    tolerance: float | None = None,
    precision: Literal["single", "double"] = "single",
    batch: int | None = None,
    devices: Literal["all"] | int | Sequence[Device] | None = None,
    keep: int = 0,
    records: bool | list[str] | tuple[str, ...] = False,
    interval: float | None = None,
    conditional: bool = False,
    feedback: Loop | None = None,
    antithetic: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    store_final_states: bool = False,
    progress: bool | None = None,
    check: Literal["precision"] | None = None,
    max_hours: float = MOST_HOURS,
) -> EnsembleResult:
    """Run an ensemble of trajectories and return the means of observables with their standard errors.

    The numbers depend on seed, scheme and dt only, never on batch, devices, hosts, cores or saved times. After
    `jax.distributed.initialize` the same call on every host is one run, see docs/hosts.md.

    Args:
        equation: from `sq.models`. A Hamiltonian alone has no noise, and a warning says so. With noise="any" the law
            with the least time × variance is taken, by short runs that are timed: on another machine, or another day,
            the same call may take another law, whose numbers are other draws of the same averages. `result.info` says
            which was taken and why; where the numbers of a seed matter, name the law. The same call with another seed,
            in this process, takes the same law without trying again.
        psi0: the initial state, (dim,), normalised; or a density matrix (dim, dim), from whose spectrum each trajectory
            draws its state; or either of QuTiP.
        times: (T,), increasing, the start included.
        observables: {name: diagonal (dim,), matrix (dim, dim), function of a state (dim,), or a statistic such as
            sq.Density() and sq.Histogram(...)}; or a list of names of the system's own, such as ["energy"]. Operators
            may be QuTiP's or sparse. Means are complex for operators that are not Hermitian and for functions with
            complex values.
        trajectories: how many; with a tolerance, at most. One alone has no standard errors: they are NaN. It is
            trajectory `first` of the seed, the same as in a run of many at the same dt.
        seed: of the random numbers.
        first: the trajectory of the seed with which the run begins. Runs of one seed, one dt and disjoint ranges of
            trajectories merge to the result of one run: to the last bit where all ranges begin and end at multiples of
            a block (`result.parts[0].block`; of 2048 on a processor), to rounding elsewhere.
        scheme: None: the best that applies; means to a tolerance may take discrete increments.
        dt: the step. None: the longest whose estimated bias stays below a tenth of an observable's largest standard
            error at any time; where hardly anything fluctuates yet it may be more than the error there, which
            `result.bias` tells. Jumps alone have none, unless the equation depends on time.
        tolerance: as many trajectories and, unless dt is given, as short steps as keep |bias| + 2 standard errors below
            it for every observable at every time; `result.info` says what was chosen, why, and what was reached.
        precision: of the states; statistics are double in any case.
        batch: trajectories per device call.
        devices: over which of JAX's local devices the calls are spread: "all", the first so many, or a list of them;
            the numbers are those of one. None: one, JAX's default.
        keep: so many first trajectories are returned whole, as `result.kept`: the states of one who loses nothing,
            whatever the detectors' efficiency; with `conditional` density matrices. Where a single operator writes a
            record beside them, the step, unless dt is given, is so short that a filter of one bin a step returns them
            within an infidelity of 10⁻⁴; not so for an equation that depends on time, a mixed psi0 or more than 64
            levels, which `result.info["dt_reason"]` tells.
        antithetic: trajectories in pairs with opposite noise. None: with a tolerance, as long as it helps.
        records: True, or names among `equation.lines`, for what the detectors wrote down: `result.records[name]` is
            (trajectory, interval), the mean current over each interval, made of the very noise that drove the
            trajectory. All of them are held in memory, 4 bytes (8 in double precision) for each interval and trajectory
            of a homodyne record, twice as many for heterodyne. Of counters `result.clicks[name]` are the times of the
            clicks as well: to rounding for jumps without a time step, else drawn uniformly over the step that counts
            them, which keeps distributions of times right to the second order in dt.
        interval: of the records, where it is shorter than those between the saved times, each of which it divides.
        conditional: whether what is looked at is, instead of the trajectory's own state, the density matrix ρ_c given
            what all detectors wrote down on it, at the resolution of the steps. Means of operators have the same
            expectation; functions among the observables are of ρ_c (dim, dim), such as its purity
            `lambda rho: jnp.vdot(rho, rho).real`, and one of kets that JAX can compute of a matrix, too, gives another
            number unseen, such as `jnp.vdot(psi, A @ psi)`, here Tr ρAρ; `result.kept` is (trajectory, T, dim, dim). A
            step of ρ_c is a completely positive map of second order in dt.
        feedback: `sq.feedback.Loop(controller, {name: operator})`, which drives every trajectory by its own record; of
            first order in dt.
        checkpoint: a file in which every finished device call is written down, so that the same call goes on where this
            one ended, to the same numbers; with more `trajectories` (and the same dt) it extends the run. It holds
            moments, not trajectories, but for records and clicks. Calls that end within less than sixty times the
            processor time of writing it are written together.
        store_final_states: whether the checkpoint also holds what every trajectory carries at the last time. The same
            call with later `times` after these (and the same dt) then goes on from there, to the numbers of one run.
            For each trajectory it takes the bytes of a state, of the values at all saved times (of the states there for
            densities, histograms and other statistics of states) and of the memory of coloured noise, in memory as
            well. Not with feedback, conditional states, antithetic pairs, several hosts or jumps without a time step.
        progress: whether it is shown what is done and how far it is: by a bar on a terminal or in a notebook, elsewhere
            by a line on stderr at most every five seconds. None: by a bar or not at all. The logger "stochq" is told in
            any case.
        check: "precision": up to 256 trajectories are made in single and in double precision of the same draws;
            `result.info["precision_check"]` tells how far means and states differ.
        max_hours: a run that is estimated to take longer is refused before it starts. Counted operations tell it, to a
            factor of about three; a run of more than an hour is told of.

    Returns:
        the result; `result.mean[name]` and `result.stderr[name]` are (T,).

    Raises:
        ValueError: for every argument that does not fit, naming it.
        RuntimeError: when more than one in a hundred trajectories became non-finite.

    >>> import stochq as sq
    >>> equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0)
    >>> result = sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"p": [1, 0]}, trajectories=1000, dt=0.5)
    >>> bool(abs(result.mean["p"][-1] - 0.36) < 5 * result.stderr["p"][-1])
    True
    """
    arguments = {"equation": equation, "psi0": psi0, "times": times, "observables": observables, "feedback": feedback}
    counts = {"trajectories": trajectories, "seed": seed, "first": first, "keep": keep}
    check_numbers(_DIFFERENTIABLE, **arguments, **counts, dt=dt, tolerance=tolerance, interval=interval)
    given, equation = equation, as_equation(equation)
    warn_without_noise(given)
    dims = parts_known(equation, psi0)
    observables = observables_of(equation, observables)
    psi = weighted_states(psi0, equation.dim)
    times = check_times(times)
    trajectories = check_count("trajectories", trajectories, 1)
    keep = check_count("keep", keep, 0, most=trajectories)
    seed = check_count("seed", seed, 0, most=2**63 - 1)
    check_options(precision, batch)
    if check not in (None, "precision"):
        raise ValueError(f"check: expected 'precision' or None; got {check!r}.")
    max_hours = check_max_hours(max_hours)
    devices = check_devices(devices)
    first = check_count("first", first, 0, most=2**32 - 1)
    conditional = check_flag("conditional", conditional)
    progress = progress if progress is None else check_flag("progress", progress)
    shape = (equation.dim,) * (2 if conditional else 1)
    asked, plain, statistics = _split_observables(observables, shape)
    single = "conditional=True" if conditional else _asks_for_single_trajectories(keep, records, statistics)
    if is_left_open(equation):
        check_linear(plain, single or ("" if feedback is None else "feedback"))
    in_steps = conditional or feedback is not None
    if not in_steps:
        check_no_step(equation, scheme, dt, antithetic, interval)
    if in_steps or not has_exact_jumps(equation):
        check_step_of_passages((name for name, value in statistics.items() if isinstance(value, FirstPassage)), dt)
    averages = tolerance is not None and dt is None and not single
    wanted = scheme
    if feedback is None:
        scheme = _checked_scheme(equation, scheme, single, averages)
    else:
        scheme = closed_loop(equation, scheme, feedback)
    check_grid_state(equation, psi)
    if tolerance is not None:
        tolerance = check_tolerance(tolerance, trajectories, scheme, observables, statistics)
    stores = check_flag("store_final_states", store_final_states)
    antithetic = False if stores and antithetic is None else antithetic
    pairs = _pairs(antithetic, trajectories, single, statistics, tolerance, dt)
    _check_first(first, pairs)
    monitors = grid_monitors(equation)
    recording = recording_of(equation, scheme, times, records, interval)
    if conditional:
        check_conditional(equation, scheme, times)
    task = Task(
        equation, frame_of(equation), psi, times, plain, scheme, precision, seed, statistics, monitors, recording,
        conditional, check == "precision", max_hours,
    )  # fmt: skip
    check_fits(task, 0 if tolerance is not None else trajectories, keep)
    question = Question(trajectories, tolerance, dt, pairs, wanted, averages)
    if stores:
        reasons = {
            "antithetic=True, whose pairs are not stored": bool(pairs),
            "conditional=True, whose density matrices are not stored": conditional,
            "feedback, as the memory of its controller is not stored": feedback is not None,
            "jumps alone, which are followed without a time step": not in_steps and has_exact_jumps(equation),
        }
        check_may_be_stored(checkpoint, reasons)
    identity = {"seed": seed, "first": first, "precision": precision}
    stored = {"final states": True} if stores else {}
    with (
        together(**identity, tolerance=tolerance, keep=keep) as team,
        shown(progress if team is None or team.is_first else False) as display,
        opened(_path_for(checkpoint, team, equation), trajectories, **identity, **stored) as file,
    ):
        display.phase("preparing")
        if stores and team is not None:
            raise ValueError("store_final_states: expected False with several hosts; got True. Run it on one.")
        execution = Execution(precision, batch, progress, devices, first, file, team=team, stores_final_states=stores)
        result = _run(task, question, keep, asked, in_steps, execution)
        result.info.update({"dims": list(dims)} if dims else {})
        if file is not None and not result.info["interrupted"]:
            file.write(finished=True)
        if team is not None:
            result.info["hosts"] = list(team.names)
    return result


def _run(
    task: Task, question: Question, keep: int, asked: list[str], in_steps: bool, execution: Execution
) -> EnsembleResult:
    """The ensemble of a task whose arguments are checked, from click to click or in steps."""
    plan, told = None, {}
    if is_left_open(task.equation):
        task, plan, told = choose_law(task, question, execution)
    trajectories, tolerance = question.trajectories, question.tolerance
    if has_exact_jumps(task.equation) and not in_steps:
        result = simulate_jumps(task, trajectories, tolerance, keep, asked, execution)
    else:
        plan = plan or plan_step(task, trajectories, question.dt, tolerance)
        if keep and task.recording is not None and question.dt is None and not task.conditional:
            plan = with_faithful_states(plan, task)
        result = _simulate_steps(task, plan, trajectories, tolerance, question.pairs, keep, asked, execution)
    result.info.update(told)
    warn_about_failures(result, replayed_by(result, task.scheme.averages_only))
    warn_about_tails(result)
    return result


def _simulate_steps(
    task: Task,
    plan: StepPlan,
    trajectories: int,
    tolerance: float | None,
    pairs: bool | None,
    keep: int,
    asked: list[str],
    execution: Execution,
) -> EnsembleResult:
    """The ensemble of a task that is made in steps. asked: names in the order of the result."""
    wanted = plan.dt
    grid = time_grid(task.times, wanted, 1 if task.recording is None else task.recording.bins, task.edges)
    plan = _as_made(plan, grid)
    note(f"dt = {plan.dt:g}: {plan.reason}", "step chosen", dt=plan.dt, reason=plan.reason)
    warn_about_time(task.equation, grid, task.precision)
    target = None if tolerance is None else target_of(task, plan, tolerance, grid.total_steps)

    check = partial(check_hours, task, execution.hosts, grid.total_steps)

    def run_all(clicks: int) -> tuple[Problem, Totals]:
        parts = {"trajectories": trajectories, "first": execution.first, "clicks": clicks}
        build, make = partial(_checked_problem, task, grid, **parts), run
        if execution.stores_final_states:
            build = partial(_storing_problem, task, grid, **parts)
            make = partial(run_to_later_times, task, wanted, grid, partial(_storing_problem, **parts))
        if target is not None:
            return run_to(target, build, pairs, trajectories, execution, check, make)
        check(trajectories)
        problem = build(bool(pairs))
        return problem, make(problem, trajectories, grid.total_steps, execution)

    counted = [] if task.recording is None else counters(task.recording.columns)
    if counted:
        block = block_size(task.dim, task.scheme.smallest_block(task.equation), trajectories)
        span = float(task.times[-1] - task.times[0])
        expected = span * rate_of_clicks(task.equation, task.times, _mean_loss)
        problem, totals = run_with_room(run_all, expected, counted, block, task.precision)
    else:
        problem, totals = run_all(0)
    result = assemble(problem, grid, totals, plan, asked, task.precision, task.seed)
    result.info["loop"] = told(problem)
    if task.checks_precision:
        build = partial(_in_precision, task, grid, min(trajectories, SAMPLE))
        result.info.update(compare_precisions(result, build))
    if target is not None:
        report_on(result, target, totals, trajectories)
    warn_about_grid(result.info)
    phases = constant_phases(task, task.times) if problem.grid.phases is None else None
    done = min(keep, totals.done)
    return with_kept(result, problem, done, task.precision, phases, task.equation, task.conditional)


def _as_made(plan: StepPlan, grid: TimeGrid) -> StepPlan:
    """The plan with the step that is made, where intervals of times or records and edges of coefficients shorten it."""
    longest = float(grid.lengths.max())
    if longest >= plan.dt * (1 - _SHORTENED):
        return plan
    return replace(plan, dt=longest, reason=f"{plan.reason}; steps cut to fit the intervals")


def _mean_loss(loss: np.ndarray) -> float:
    """The rate where all levels are occupied alike."""
    return float(np.mean(loss if loss.ndim == 1 else np.diagonal(loss).real))


def _checked_problem(
    task: Task, grid: TimeGrid, antithetic: bool = False, *, trajectories: int, first: int, clicks: int
) -> Problem:
    problem = build_problem(task, grid, antithetic, clicks, trajectories)
    check_counters(problem, grid, first + trajectories)
    check_loop(problem)
    return problem


def _storing_problem(task: Task, grid: TimeGrid, antithetic: bool = False, **parts: int) -> Problem:
    return storing(_checked_problem(task, grid, antithetic, **parts))


def _in_precision(task: Task, grid: TimeGrid, trajectories: int, precision: str) -> Problem:
    return build_problem(replace(task, precision=precision), grid, trajectories=trajectories)


def _asks_for_single_trajectories(keep: int, records: Any, statistics: Mapping[str, Statistic]) -> str:
    """What asks for the law of single trajectories; empty where averages are all."""
    if keep:
        return f"keep={keep}"
    if records is not False:
        return f"records={records!r}"
    return next((f"the statistic {name!r}" for name, each in statistics.items() if each.of_trajectories), "")


def _checked_scheme(equation: Equation, scheme: Scheme | None, single: str, averages: bool) -> Scheme:
    """The scheme that was given or the best one; averages: whether nothing but means, at a step of our choice, is asked
    for."""
    if scheme is None:
        scheme = default_scheme(equation, averages)
    check_scheme(scheme, equation)
    if single and scheme.averages_only:
        raise ValueError(
            f"scheme: expected one whose single trajectories have the equation's law, for {single}; increments="
            "'discrete' has the right averages, not the right single trajectories. Use sq.schemes.Strang()."
        )
    return scheme


def _pairs(
    wanted: bool | None,
    trajectories: int,
    single: str,
    statistics: Mapping[str, Statistic],
    tolerance: float | None,
    dt: float | None,
) -> bool | None:
    """Whether trajectories come in antithetic pairs; None leaves it to what is measured."""
    alone = single or next((f"the statistic {name!r}" for name in statistics), "")
    if not wanted:
        return False if wanted is False or alone or tolerance is None else None
    if alone:
        raise ValueError(f"antithetic: expected False or None with {alone}, which asks for single trajectories.")
    if tolerance is None and dt is None:
        raise ValueError(
            "antithetic: expected a tolerance or a dt beside it: the step is chosen against the standard error of "
            "independent trajectories."
        )
    if trajectories % 2:
        raise ValueError(f"trajectories: expected an even number with antithetic=True; got {trajectories}.")
    return True


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


def _check_first(first: int, pairs: bool | None) -> None:
    if first % 2 and pairs is not False:
        raise ValueError(
            f"first: expected an even number where trajectories may come in antithetic pairs; got {first}. Give an "
            "even one, or antithetic=False."
        )


def check_options(precision: str, batch: int | None) -> None:
    """ValueError for a precision that does not exist or a batch that is not a positive whole number."""
    if not isinstance(precision, str) or precision not in ("single", "double"):
        raise ValueError(f"precision: expected 'single' or 'double'; got {precision!r}.")
    if batch is not None:
        check_count("batch", batch, 1)


def _split_observables(
    observables: Mapping[str, Observable | Statistic], shape: tuple[int, ...]
) -> tuple[list[str], dict[str, Any], dict[str, Statistic]]:
    """All names in the user's order, real rows of the observables whose mean is wanted, and statistics by name.

    shape: of a state, (dim,) or (dim, dim).
    """
    dim = shape[0]
    statistics: dict[str, Statistic] = {
        name: value for name, value in observables.items() if isinstance(value, Statistic)
    }
    for name, value in statistics.items():
        if name in (MEAN, COVARIANCE, PAIR_SPREAD, RECORDS, CLICKS, FINAL):
            raise ValueError(f"observables: expected names other than {name!r}, which every run has; rename it.")
        if isinstance(value, Histogram):
            operator: Any = value.operator
            readout({name: operator}, dim)
            if callable(operator):
                check_state_function(f"observables[{name!r}]", operator, *shape)
                if has_complex_values(operator, *shape):
                    raise ValueError(
                        f"observables[{name!r}]: expected a function with real values for a histogram; got complex "
                        "ones. Take jnp.real(...) of them."
                    )
    plain: dict[str, Any] = {name: value for name, value in observables.items() if name not in statistics}
    for name, value in plain.items():
        if callable(value):
            check_state_function(f"observables[{name!r}]", value, *shape)
    if not plain:
        plain = {"norm": np.ones(dim)}
    return list({**observables, **plain}), real_rows(plain, *shape), statistics

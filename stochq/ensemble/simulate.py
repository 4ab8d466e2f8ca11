"""The public entry: an equation, a state and times become an ensemble."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from stochq.aliases import Device
from stochq.arrays import Observable, StateLike, Times, check_numbers
from stochq.ensemble.any_law import check_linear
from stochq.ensemble.asked import Asked, check_first, check_options, checked_scheme, pairs_of, what_is_asked
from stochq.ensemble.conditional import check_conditional
from stochq.ensemble.cost import check_fits, check_max_hours
from stochq.ensemble.events import FirstPassage, check_step_of_passages
from stochq.ensemble.jumps.problem import has_exact_jumps
from stochq.ensemble.jumps.simulate import check_no_step
from stochq.ensemble.later_times import check_may_be_stored
from stochq.ensemble.law_pilots import Question
from stochq.ensemble.make import checked_manner, make
from stochq.ensemble.records import recording_of
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.statistics import Statistic
from stochq.ensemble.task import MOST_HOURS, Task
from stochq.ensemble.to_tolerance import check_tolerance
from stochq.equation import Equation, is_left_open
from stochq.equation_input import as_equation, observables_of, parts_known, warn_without_noise
from stochq.feedback import Loop, closed_loop
from stochq.schemes import Scheme, frame_of
from stochq.systems.checks import check_count, check_flag, check_times
from stochq.systems.margins import check_start
from stochq.systems.states import weighted_states

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
            the same call may take another law, whose numbers are other draws of the same averages. Runs too short for
            that take the most promising law. `result.info` says which was taken and why; where the numbers of a seed
            matter, name the law. The same call with another seed, in this process, takes the same law without trying
            again.
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
    check_options(precision, batch, check)
    max_hours = check_max_hours(max_hours)
    manner = checked_manner(first, batch, devices, progress, checkpoint, store_final_states)
    conditional = check_flag("conditional", conditional)
    asked = what_is_asked(observables, equation.dim, keep, records, conditional)
    in_steps = conditional or feedback is not None
    _check_law(equation, asked, feedback)
    _check_step(equation, asked, in_steps, scheme, dt, antithetic, interval)
    averages = tolerance is not None and dt is None and not asked.single
    wanted = scheme
    if feedback is None:
        scheme = checked_scheme(equation, scheme, asked.single, averages)
    else:
        scheme = closed_loop(equation, scheme, feedback)
    margins = equation.hamiltonian.margins
    check_start(margins, psi)
    if tolerance is not None:
        tolerance = check_tolerance(tolerance, trajectories, scheme, observables, asked.statistics)
    if manner.stores:
        _check_may_store(checkpoint, equation, antithetic, conditional, feedback)
        antithetic = False
    pairs = pairs_of(antithetic, trajectories, asked.single, asked.statistics, tolerance, dt)
    check_first(manner.first, pairs)
    recording = recording_of(equation, scheme, times, records, interval)
    if conditional:
        check_conditional(equation, scheme, times)
    task = Task(
        equation,
        frame_of(equation),
        psi,
        times,
        asked.observables,
        scheme,
        precision,
        seed,
        asked.statistics,
        {name: margin.weight for name, margin in margins.items()},
        recording,
        conditional,
        check == "precision",
        max_hours,
    )
    check_fits(task, 0 if tolerance is not None else trajectories, keep)
    question = Question(trajectories, tolerance, dt, pairs, wanted, averages)
    result = make(task, question, keep, asked.names, in_steps, manner)
    if dims:
        result.info["dims"] = list(dims)
    return result


def _check_law(equation: Equation, asked: Asked, feedback: Loop | None) -> None:
    """ValueError for what depends on a law that is left open."""
    if is_left_open(equation):
        check_linear(asked.observables, asked.single or ("" if feedback is None else "feedback"))


def _check_step(
    equation: Equation,
    asked: Asked,
    in_steps: bool,
    scheme: Scheme | None,
    dt: float | None,
    antithetic: bool | None,
    interval: float | None,
) -> None:
    """ValueError for choices of a step where none is made, and for first passages without one."""
    if not in_steps:
        check_no_step(equation, scheme, dt, antithetic, interval)
    if in_steps or not has_exact_jumps(equation):
        passages = [name for name, value in asked.statistics.items() if isinstance(value, FirstPassage)]
        check_step_of_passages(passages, dt)


def _check_may_store(
    checkpoint: Any, equation: Equation, antithetic: bool | None, conditional: bool, feedback: Loop | None
) -> None:
    """ValueError for runs whose final states cannot be stored."""
    in_steps = conditional or feedback is not None
    reasons = {
        "antithetic=True, whose pairs are not stored": bool(antithetic),
        "conditional=True, whose density matrices are not stored": conditional,
        "feedback, as the memory of its controller is not stored": feedback is not None,
        "jumps alone, which are followed without a time step": not in_steps and has_exact_jumps(equation),
    }
    check_may_be_stored(checkpoint, reasons)

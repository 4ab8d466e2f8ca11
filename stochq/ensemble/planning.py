"""Which step a run takes: by the estimate of the bias that knows it best, for what is asked of the run."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accuracy.bias import SHARE_OF_STDERR, Allowance, StepPlan, total_steps
from stochq.accuracy.coefficients import noticing_step
from stochq.accuracy.grid import TimeGrid, check_step, division_of, longest_interval
from stochq.accuracy.mean_map import MeanMapEstimator, mean_map_estimator
from stochq.accuracy.resolution import spectrum_of
from stochq.accuracy.search import find_step
from stochq.accuracy.trajectories import MOMENTS
from stochq.arrays import UNIT, Observable
from stochq.callers import users_line
from stochq.channels.flow import LARGEST_MEAN_MAP
from stochq.ensemble.conditional import needs_no_step
from stochq.ensemble.observables import Square, ordered_names
from stochq.ensemble.pilots import pilot_estimator, pilot_sizes
from stochq.ensemble.statistics import Histogram, Statistic
from stochq.ensemble.task import Task
from stochq.equation import Equation
from stochq.systems.hamiltonian import Hamiltonian

# A bias is certain beyond so many standard errors of its estimate, of which there is one for each time and observable.
_CERTAIN = 4.0
# The share of a step by which the time may be rounded before a driven run says so.
_BLURRED = 0.01
# Levels of which a state has more than this count as occupied; phases may be uncertain by so much.
_OCCUPIED, _LARGEST_BLUR = 1e-4, 0.02


def plan_step(task: Task, trajectories: int, dt: float | None, tolerance: float | None) -> StepPlan:
    """The step of a run of so many trajectories, or to a tolerance; dt: given by the user.

    Raises:
        ValueError: for a step that does not fit, or phases that the precision cannot tell.
        RuntimeError: where no step serves.
    """
    check_phases(task)
    asked = _probed(task) if tolerance is None else task
    if dt is not None:
        dt = check_step(task.times, dt)
        if tolerance is None:
            return StepPlan(dt)
    allowance = Allowance(trajectories, tolerance, task.precision, task.scheme.rounding_per_step)
    exact = None if dt is not None else _without_bias(asked)
    if exact is not None and tolerance is None:
        return exact
    mean = None if task.conditional else _mean_map(asked, dt)
    if exact is not None:
        return exact if mean is None else replace(exact, moments=mean.moments(exact.dt, MOMENTS))
    if dt is None and tolerance is None and (known := _by_known_error(asked, trajectories)) is not None:
        return known
    names = ordered_names(asked.observables)
    if mean is not None:
        plan = find_step(mean, task.times, names, allowance, dt)
        return replace(plan, moments=mean.moments(plan.dt, MOMENTS))
    estimator = pilot_estimator(asked, pilot_sizes(asked, trajectories, tolerance))
    if dt is None and task.equation.influences:
        share = allowance.share
        estimator.longest = noticing_step(task.equation, task.times, task.edges, estimator.longest, share)
    return find_step(estimator, task.times, names, allowance, dt)


class Coarse(NamedTuple):
    """The observable and the saved time at which a step is coarsest, its bias and the standard error of the mean."""

    name: str
    time: float
    bias: float
    stderr: float


def too_coarse(task: Task, trajectories: int, dt: float) -> Coarse | None:
    """Where the bias of a step is certainly beyond what `plan_step` allows; None where it is so nowhere."""
    if _without_bias(task) is not None:
        return None
    estimator = _mean_map(task, dt) or pilot_estimator(task, pilot_sizes(task, trajectories, None))
    allowance = Allowance(trajectories, None, task.precision, task.scheme.rounding_per_step)
    bias = estimator.bias(dt, allowance)
    limit = allowance.limit(bias, total_steps(task.times, dt))
    share = (np.abs(bias.value) - _CERTAIN * bias.error) / limit
    # What does not fluctuate has no standard error to compare with.
    stderr = np.broadcast_to(bias.spread / np.sqrt(trajectories), share.shape)
    share = np.where(stderr > allowance.rounding(bias, total_steps(task.times, dt)), np.nan_to_num(share), 0.0)
    time, place = np.unravel_index(int(np.argmax(share)), share.shape)
    if share[time, place] <= 1:
        return None
    name = ordered_names(task.observables)[place]
    return Coarse(name, float(task.times[time]), float(bias.value[time, place]), float(stderr[time, place]))


def _probed(task: Task) -> Task:
    """The task with observables by which a step serves its statistics of states and its records."""
    if task.conditional:
        return replace(task, observables={**task.observables, **_probes_of_densities(task)})
    recorded = {} if task.recording is None else task.recording.means
    return replace(task, observables={**task.observables, **probes(task.statistics, task.psi), **recorded})


def _probes_of_densities(task: Task) -> dict[str, Observable]:
    """What shows beside the observables how well conditional states are known: squares, whose mean the variance has."""
    found: dict[str, Any] = {
        f"histogram {k}": s.operator for k, s in task.statistics.items() if isinstance(s, Histogram)
    }
    operators = {name: value for name, value in task.observables.items() if not callable(value)}
    watched = operators or {"level": np.arange(task.dim) / max(task.dim - 1, 1)}
    matrices = {name: np.diag(value) if np.ndim(value) == 1 else np.asarray(value) for name, value in watched.items()}
    found |= {f"square {name}": Square(matrix) for name, matrix in matrices.items()}
    return found


def probes(statistics: Mapping[str, Statistic], psi: np.ndarray) -> dict[str, Observable]:
    """Observables by which a step serves statistics of states: a histogram's own; of a density what level it is in
    and, where that matrix is small, how near the start."""
    histograms = {name: value for name, value in statistics.items() if isinstance(value, Histogram)}
    operators: dict[str, Any] = {f"histogram {name}": value.operator for name, value in histograms.items()}
    if len(operators) < len(statistics):
        operators["density, level"] = np.arange(len(psi)) / max(len(psi) - 1, 1)
        if len(psi) <= LARGEST_MEAN_MAP:
            starts = psi.reshape(len(psi), -1)
            operators["density, start"] = starts @ starts.conj().T
    return operators


def warn_about_time(equation: Equation, grid: TimeGrid, precision: str) -> None:
    """A drive is told the time in the run's precision."""
    latest, shortest = float(np.abs(grid.times).max()), float(grid.lengths.min())
    if equation.time_dependent and UNIT[precision] * latest > _BLURRED * shortest:
        warnings.warn(
            f"times: up to {latest:g}, where numbers in {precision} precision are {2 * UNIT[precision] * latest:.2g} "
            f"apart, which blurs a drive in steps of {shortest:.2g}. Take precision='double', or let times begin at 0.",
            stacklevel=users_line(),
        )


def check_phases(task: Task) -> None:
    """ValueError where single precision does not resolve the phases of levels that the state occupies."""
    hamiltonian, span = task.equation.hamiltonian, float(task.times[-1] - task.times[0])
    if task.precision == "double" or hamiltonian.time_dependent:
        return
    away = _energy_spread(hamiltonian, task.psi.reshape(task.dim, -1))
    # The energy, the step and their product are rounded alike in all steps.
    blur = 2 * UNIT["single"] * away * span / float(task.equation.hbar)
    if blur > _LARGEST_BLUR:
        raise ValueError(
            f"precision: expected 'double' for levels {away:.3g} apart over a time of {span:g}; in single precision "
            f"their phases are uncertain by {blur:.2g}. Pass precision='double', or take units and a frame in which "
            "the energies are smaller."
        )


def _energy_spread(hamiltonian: Hamiltonian, starts: np.ndarray) -> float:
    """How far occupied levels are from the energy that the frame takes out; in large dimensions their root mean square,
    which takes one product. The error of a state is its phases' errors, averaged with the same weights.

    starts: (dim, n), their squares add up to the occupations.
    """
    if hamiltonian.dim <= LARGEST_MEAN_MAP:
        energies, vectors = spectrum_of(hamiltonian)
        occupied = np.sum(np.abs(vectors.conj().T @ starts) ** 2, axis=1) > _OCCUPIED
        return float(np.abs(energies[occupied] - float(hamiltonian.centre)).max())
    with jax.enable_x64(True):
        moved = np.asarray(hamiltonian.apply(0.0, jnp.asarray(starts, np.complex128)))
    return float(np.linalg.norm(moved - float(hamiltonian.centre) * starts))


def _without_bias(task: Task) -> StepPlan | None:
    """The step where the means of these observables are known to have no time-step error; None elsewhere."""
    functions = any(callable(observable) for observable in task.observables.values())
    if task.conditional:
        functions = not needs_no_step(task.equation, task.scheme, task.times)
    if task.equation.colour is not None or functions:
        return None
    longest = task.scheme.mean_step(task.frame)
    if longest <= 0:
        return None
    # Steps never reach beyond a saved time, however long they may be.
    bias = {name: np.zeros(len(task.times)) for name in task.observables}
    bound = np.zeros((len(task.times), len(task.observables)))
    dt = min(longest, longest_interval(task.times))
    return StepPlan(dt, bias, "the mean of every operator is exact at any step here", bound)


def _by_known_error(task: Task, trajectories: int) -> StepPlan | None:
    """The step by a bound on the error of means, in large dimensions, where pilots take longer than many a run."""
    if task.dim <= LARGEST_MEAN_MAP or task.conditional or task.equation.colour is not None:
        return None
    wanted, dt = SHARE_OF_STDERR / trajectories**0.5, longest_interval(task.times)
    while (error := task.scheme.mean_error(task.frame, dt)) is not None and error > wanted:
        dt = division_of(task.times, 0.8 * dt, multiple=1)
    if error is None:
        return None
    reason = (
        f"bound on the bias of means of {error:.1g} standard deviations in equilibrium, a tenth of a standard error"
    )
    return StepPlan(dt, {}, reason)


def _mean_map(task: Task, dt: float | None) -> MeanMapEstimator | None:
    ordered = {name: task.observables[name] for name in ordered_names(task.observables)}
    return mean_map_estimator(task.equation, task.frame, task.psi, task.times, ordered, task.scheme, dt)


def mean_map_of(task: Task, dt: float) -> MeanMapEstimator | None:
    """The mean density matrix of a run at this step; None where it is not known."""
    return _mean_map(replace(task, observables={"norm": np.ones(task.dim)}), dt)

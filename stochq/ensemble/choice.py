"""Which step a run takes: the way that knows its error best, for what is asked of the run."""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from stochq.arrays import UNIT
from stochq.channels.channel import JUST, LARGEST_MEAN_MAP
from stochq.ensemble.grid import TimeGrid, check_step
from stochq.ensemble.mean_map import mean_run, step_by_mean_map
from stochq.ensemble.statistics import Histogram
from stochq.ensemble.step_size import (
    SHARE_IN_WORDS,
    Allowed,
    Pilots,
    StepChoice,
    choose_step,
    pilot_size,
    pilots_of,
    share_of_stderr,
    step_without_bias,
)
from stochq.ensemble.tolerance import BIAS_SHARE, MOMENTS, pilot_sizes
from stochq.equation import Equation
from stochq.schemes import Scheme, frame_of
from stochq.systems.driven import Driven

# The share of a step by which the time may be rounded before a driven run says so.
_BLURRED = 0.01


def warn_about_time(equation: Equation, grid: TimeGrid, precision: str) -> None:
    """A drive is told the time in the run's precision."""
    latest, shortest = float(np.abs(grid.times).max()), float(grid.lengths.min())
    if isinstance(equation.hamiltonian, Driven) and UNIT[precision] * latest > _BLURRED * shortest:
        warnings.warn(
            f"times: up to {latest:g}, where numbers in {precision} precision are {2 * UNIT[precision] * latest:.2g} "
            f"apart, which blurs a drive in steps of {shortest:.2g}. Take precision='double', or let times begin at 0.",
            stacklevel=3,
        )


def probes(statistics: Mapping[str, Any], psi: np.ndarray) -> dict[str, Any]:
    """Observables by which a step serves statistics of states: a histogram's own; of a density what level it is in
    and, where that matrix is small, how near the start."""
    found: dict[str, Any] = {f"histogram {k}": v.operator for k, v in statistics.items() if isinstance(v, Histogram)}
    if len(found) < len(statistics):
        found["density, level"] = np.arange(len(psi)) / max(len(psi) - 1, 1)
        if len(psi) <= LARGEST_MEAN_MAP:
            found["density, start"] = np.outer(psi, psi.conj())
    return found


def _check_longest(dt: float, equation: Equation, scheme: Scheme) -> None:
    longest = scheme.longest_step(frame_of(equation))
    if dt > JUST * longest:
        raise ValueError(
            f"dt: expected at most {longest:.4g} with {scheme.name}, whose noise of few values can make no longer step "
            f"of this equation; got {dt:g}. Take a shorter dt, or sq.schemes.Strang()."
        )


def choose(
    equation: Equation,
    psi: np.ndarray,
    times: np.ndarray,
    observables: dict[str, Any],
    trajectories: int,
    scheme: Scheme,
    dt: float | None,
    tolerance: float | None,
    precision: str,
) -> tuple[StepChoice, np.ndarray, np.ndarray | None]:
    """The step; where a tolerance asks for them an upper bound on the size of its bias, (T, observables), and bounds
    on the moments of single trajectories where they are known."""

    def pilots(size: int) -> Pilots:
        return pilots_of(equation, psi, times, observables, scheme, precision, size)

    if dt is not None:
        dt = check_step(times, dt)
        _check_longest(dt, equation, scheme)
    exact = None if dt is not None else step_without_bias(equation, times, observables, scheme)
    asked = tolerance is not None or (dt is None and exact is None)
    mean = mean_run(equation, psi, times, observables, scheme, dt) if asked else None
    if exact is not None:
        moments = None if mean is None else mean.moments(exact.dt, MOMENTS)
        return exact, np.zeros((len(times), len(observables))), moments
    if mean is not None:
        allowed, why = allowed_bias(trajectories, tolerance, precision)
        choice, bound = step_by_mean_map(mean, equation, times, observables, scheme, allowed, dt, why)
        return choice, bound, mean.moments(choice.dt, MOMENTS)
    if tolerance is None and dt is not None:
        return StepChoice(dt, {}, "given"), np.zeros(0), None
    allowed, why = allowed_bias(trajectories, tolerance, precision)
    size = pilot_size(trajectories)
    sizes = (size, size) if tolerance is None else pilot_sizes(times, observables)
    return *choose_step(pilots, sizes, times, observables, allowed, why, dt), None


def allowed_bias(trajectories: int, tolerance: float | None, precision: str) -> tuple[Allowed, str]:
    """What a bias may be, from the bias at hand, and in words."""
    if tolerance is None:
        return partial(share_of_stderr, trajectories=trajectories, precision=precision), SHARE_IN_WORDS
    share = BIAS_SHARE * tolerance
    return lambda bias: share, f"bias with its uncertainty below {share:.2g}, a quarter of the tolerance"

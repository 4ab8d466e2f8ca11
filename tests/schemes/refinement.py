"""The step-size error of a scheme, measured on shared paths: the same noise at h and at h/2."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy import optimize

from stochq.accuracy.grid import time_grid
from stochq.ensemble.kernel import run_block
from stochq.ensemble.problem import build_problem
from stochq.ensemble.task import Task
from stochq.schemes import Extrapolated, frame_of


class Level(NamedTuple):
    """At the final time, for every observable: E f(h) − E f(h/2) with its error, and E f(h/2) with its error."""

    difference: np.ndarray
    difference_error: np.ndarray
    value: np.ndarray
    value_error: np.ndarray


@eqx.filter_jit
def _sums(problem, blocks):
    """Sums over each block of the difference, the fine value and their squares, (blocks, 4, observables)."""

    def observe(closed):
        return tuple(problem.read(psi) for psi in closed)

    def one(block):
        first = block * np.uint32(problem.loop.block)
        fine, coarse = run_block(problem.loop, problem.frame, problem.grid, problem.psi0, problem.key, first, observe)
        difference, value = (coarse - fine)[-1], fine[-1]
        return jnp.stack([x.sum(axis=-1) for x in (difference, difference**2, value, value**2)])

    return lax.map(one, jnp.arange(blocks, dtype=jnp.uint32))


def level(equation, psi0, duration, steps, scheme, observables, trajectories, seed=1):
    """Run `scheme` with `steps` and with 2·steps steps on the same paths; observables as for `sq.simulate`."""
    grid = time_grid(np.array([0.0, duration]), duration / steps)
    pair = Extrapolated(scheme)
    psi = np.asarray(psi0, complex)
    task = Task(equation, frame_of(equation), psi, grid.times, observables, pair, "single", seed)
    problem = build_problem(task, grid)
    assert problem.read.names == tuple(observables)
    blocks = -(-trajectories // problem.loop.block)
    count = blocks * problem.loop.block
    # Sums of single-precision numbers: one at a time for every block, in double precision on the host.
    parts = np.asarray(_sums(problem, blocks), np.float64)
    difference, difference2, value, value2 = parts.sum(axis=0) / count
    errors = (np.sqrt((square - mean**2) / count) for mean, square in ((difference, difference2), (value, value2)))
    difference_error, value_error = errors
    return Level(difference, difference_error, value, value_error)


def order(coarse, coarse_error, fine, fine_error):
    """log2 of the ratio of two errors and its standard error."""
    relative = np.hypot(coarse_error / np.abs(coarse), fine_error / np.abs(fine))
    return np.log2(np.abs(coarse / fine)), relative / np.log(2)


def regression(steps, values, errors):
    """The order p of values = c hᵖ at h ∝ 1/steps with its standard error, by least squares weighted with the errors.

    Fitted to the values themselves, so that one that is lost in its error does no harm; the largest must stand out.
    """
    values, errors, h = np.asarray(values), np.asarray(errors), np.min(steps) / np.asarray(steps, float)
    assert np.max(np.abs(values) / errors) > 10, f"{values} with errors {errors} show no order: take longer steps"

    def power(h, scale, order):
        return scale * h**order

    (_, slope), covariance = optimize.curve_fit(power, h, values, (values[0], 1.5), errors, absolute_sigma=True)
    return slope, np.sqrt(covariance[1, 1])

"""Chains through the ensemble's runner."""

from collections.abc import Mapping

import jax
import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid
from stochq.arrays import ArrayLike
from stochq.ensemble.asked import check_options
from stochq.ensemble.assemble import assemble
from stochq.ensemble.devices import block_size
from stochq.ensemble.failures import warn_about_failures
from stochq.ensemble.kept import with_kept
from stochq.ensemble.loop import GridArrays
from stochq.ensemble.problem import cast, covariance_points
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, run
from stochq.ensemble.statistics import COVARIANCE, MEAN, Covariance, Histogram, Mean, Statistic
from stochq.ensemble.tails import warn_about_tails
from stochq.ensemble.which_loop import check_without_kernel
from stochq.gaussian.markov import ENTROPY, Chains, PathEntropy, Start, Steps
from stochq.gaussian.observing import Observable, coordinates
from stochq.noise import seed_words
from stochq.systems.checks import check_count


def run_chains(
    grid: TimeGrid,
    start: Start,
    steps: Steps,
    path_entropy: PathEntropy | None,
    observables: Mapping[str, Observable] | None,
    trajectories: int,
    *,
    seed: int,
    precision: str,
    keep: int,
    edges: ArrayLike | None = None,
    progress: bool | None = None,
) -> EnsembleResult:
    """Run the chains and return their means as `sq.simulate` does. edges: bins for the entropy.

    Raises:
        ValueError: for counts, a precision or observables that do not fit.
    """
    trajectories = check_count("trajectories", trajectories, 2)
    keep = check_count("keep", keep, 0, most=trajectories)
    seed = check_count("seed", seed, 0, most=2**63 - 1)
    check_options(precision, None)
    check_without_kernel("trajectories in phase space")
    read = coordinates(observables, start.mean.shape[0] // 2)
    size = block_size(start.mean.shape[0], trajectories=trajectories)
    arrays = GridArrays(grid.times, grid.steps.astype(np.int32), grid.lengths)
    chains = Chains(size, arrays, start, steps, path_entropy, seed_words(seed), read, {})
    points = covariance_points(range(len(chains.names)), len(grid.times))
    statistics = {MEAN: Mean(), COVARIANCE: Covariance(points)} | _histogram(edges, path_entropy)
    chains = cast(chains._replace(statistics=statistics), precision)
    _check_counters(chains, grid, trajectories)
    totals = run(chains, trajectories, grid.total_steps, Execution(precision, progress=progress))
    choice = StepPlan(float(grid.lengths.max()), {}, "steps are exact in law")
    result = assemble(chains, grid, totals, choice, list(chains.names), precision, seed)
    warn_about_failures(result)
    warn_about_tails(result)
    return with_kept(result, chains, keep, precision)


def _histogram(edges: ArrayLike | None, path_entropy: PathEntropy | None) -> dict[str, Statistic]:
    if edges is None:
        return {}
    if path_entropy is None:
        raise ValueError("edges: expected None with entropy=False; got bins for an entropy that is not followed.")
    return {ENTROPY: Histogram(last_row, edges)}


def last_row(point: jax.Array) -> jax.Array:
    """The entropy of a path among the numbers kept of it."""
    return point[-1]


def _check_counters(chains: Chains, grid: TimeGrid, trajectories: int) -> None:
    if chains.size * (grid.total_steps + 2) >= 2**32 or trajectories >= 2**32:
        raise ValueError(
            f"dt: expected a run whose random numbers fit a counter of 32 bits; {grid.total_steps} steps of "
            f"{chains.size} numbers do not. Take a longer dt."
        )

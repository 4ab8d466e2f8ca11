"""The public entry for fermion gases: a gas, occupied waves and times become an ensemble of Slater determinants."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from stochq.accuracy.bias import StepPlan
from stochq.accuracy.grid import TimeGrid, check_step, time_grid
from stochq.arrays import ArrayLike, Times, check_numbers
from stochq.callers import users_line
from stochq.ensemble.asked import check_options
from stochq.ensemble.assemble import assemble
from stochq.ensemble.devices import block_size
from stochq.ensemble.failures import warn_about_failures
from stochq.ensemble.kept import kept_states
from stochq.ensemble.loop import GridArrays
from stochq.ensemble.problem import cast, covariance_points
from stochq.ensemble.result import EnsembleResult
from stochq.ensemble.runner import Execution, run
from stochq.ensemble.statistics import COVARIANCE, MEAN, Covariance, Mean
from stochq.ensemble.tails import warn_about_tails
from stochq.ensemble.which_loop import check_without_kernel
from stochq.fermions.determinants import Determinants, OneBody, WhiteIncrements
from stochq.fermions.gas import REACH, FermionGas
from stochq.noise import seed_words
from stochq.systems.checks import check_count, check_times
from stochq.systems.margins import ALIAS, ALIAS_REACHED, RUN_LIMIT

# Steps turn the phases of transitions by this much, root mean square, where the user gives none.
TURN = 0.2
ENERGY, GAIN = "energy", "gain"


def simulate_fermions(
    gas: FermionGas,
    occupied: ArrayLike,
    times: Times,
    *,
    trajectories: int,
    observables: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
    dt: float | None = None,
    precision: Literal["single", "double"] = "single",
    batch: int | None = None,
    keep: int = 0,
    progress: bool | None = None,
) -> EnsembleResult:
    r"""Slater determinants of N orbitals in one random potential per trajectory: energies per particle, their errors.

    $$i\hbar\,\partial_t\phi_n = \Big[-\frac{\hbar^2}{2m}\partial_x^2 + \hbar\,w(x,t)\Big]\phi_n, \qquad n=1\dots N$$

    gas: from `sq.models.fermion_gas`. occupied: wave numbers (N,) of the orbitals at the start, as `gas.fermi_sea(N)`
    or `gas.thermal(N, temperature)` give them. times: (T,), the start included, at whole multiples of one step.
    The result has "energy" and "gain", what was gained since the start, both per particle. observables:
    {name: weights (modes,) over gas.wave_numbers}, for Σ weights ⟨b†b⟩ / N besides. dt: None takes a step that turns
    the phases of a transition by 0.2. keep: the first trajectories whose orbitals are returned whole, as amplitudes
    (trajectory, time, N, modes) over gas.wave_numbers. Other arguments as in `sq.simulate`.

    With white noise the mean gain has no step error at any dt; with coloured noise bias["gain"] estimates it. The
    numbers depend on seed and dt only, never on batch, cores or saved times.

    Raises:
        ValueError: for arguments that do not fit, naming them.

    >>> import stochq as sq
    >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
    >>> result = sq.simulate_fermions(gas, gas.fermi_sea(5), [0, 1], trajectories=500, dt=0.2)
    >>> bool(abs(result.mean["gain"][-1] - gas.heating(gas.fermi_sea(5))) < 5 * result.stderr["gain"][-1])
    True
    """
    check_numbers(
        "Call sq.simulate_fermions once for each value, in a Python loop.",
        gas=gas, occupied=occupied, times=times, observables=observables, seed=seed, dt=dt,
    )  # fmt: skip
    occupied, times = gas.check_occupied(occupied), check_times(times)
    trajectories = check_count("trajectories", trajectories, 2)
    keep = check_count("keep", keep, 0, most=trajectories)
    seed = check_count("seed", seed, 0, most=2**63 - 1)
    check_options(precision, batch)
    check_without_kernel("Slater determinants")
    grid, choice = _steps(gas, occupied, times, dt)
    problem = cast(_problem(gas, occupied, grid, _weights(gas, observables), seed, trajectories), precision)
    _check_counters(problem, grid, trajectories)
    totals = run(problem, trajectories, grid.total_steps, Execution(precision, batch, progress))
    shown = [name for name in problem.names if name != ALIAS]
    result = assemble(problem, grid, totals, choice, shown, precision, seed)
    warn_about_failures(result)
    warn_about_tails(result)
    if (weight := result.info[ALIAS[1:]]) > RUN_LIMIT:
        warnings.warn(ALIAS_REACHED.format(weight=weight), stacklevel=users_line())
    return _with_kept(result, problem, keep, precision)


def _steps(gas: FermionGas, occupied: np.ndarray, times: np.ndarray, dt: float | None) -> tuple[TimeGrid, StepPlan]:
    reason = "given" if dt is not None else f"transitions turn by {TURN:g}"
    first = float(np.diff(times).min())
    step = first / np.ceil(first * gas.frequency_scale(occupied) / TURN) if dt is None else check_step(times, dt)
    grid = time_grid(times, step)
    if not grid.uniform:
        raise ValueError(
            f"times: expected intervals that are whole multiples of one step, dt = {step:g}; got intervals from "
            f"{np.diff(times).min():g} to {np.diff(times).max():g}. Space times evenly, or pass a dt that divides all."
        )
    step = float(grid.lengths[0])
    relative, gain = gas.step_bias(occupied, step), gas.energy_gain(occupied, times)
    return grid, StepPlan(step, {GAIN: relative * gain, ENERGY: relative * gain}, reason)


def _weights(gas: FermionGas, observables: Mapping[str, ArrayLike] | None) -> dict[str, np.ndarray]:
    """Weights (modes,) over waves by name, those that watch the grid included."""
    found = {ENERGY: gas.kinetic}
    for name, value in (observables or {}).items():
        weights = np.asarray(value, dtype=np.float64)
        if weights.shape != (gas.modes,) or not np.all(np.isfinite(weights)):
            raise ValueError(
                f"observables: expected {name!r} as {gas.modes} finite weights over gas.wave_numbers; got shape "
                f"{weights.shape}."
            )
        if name in (ENERGY, GAIN, ALIAS):
            raise ValueError(f"observables: expected names other than {name!r}, which the result has already.")
        found[name] = weights
    return found | {ALIAS: (np.abs(gas.wave_numbers) > REACH * gas.modes / 2).astype(float)}


def _problem(
    gas: FermionGas,
    occupied: np.ndarray,
    grid: TimeGrid,
    weights: dict[str, np.ndarray],
    seed: int,
    trajectories: int,
) -> Determinants:
    particles, dt = len(occupied), float(grid.lengths[0])
    stacked = np.stack([gas.kinetic, *weights.values()])
    own = stacked[:, occupied % gas.modes]
    read = OneBody((stacked[:, None, :] - own[:, :, None]) / particles, own.mean(axis=1))
    read.start[0] = 0.0
    names = (GAIN, *weights)
    increments = WhiteIncrements(np.float64(dt**0.5)) if gas.colour is None else gas.colour.increments(dt)
    return Determinants(
        block=block_size(particles * gas.modes, trajectories=trajectories),
        grid=GridArrays(grid.times, grid.steps.astype(np.int32), grid.lengths),
        occupied=(occupied % gas.modes).astype(np.int32),
        half=np.exp(-0.5j * dt * gas.kinetic / gas.hbar),
        pattern=gas.pattern(),
        increments=increments,
        key=seed_words(seed),
        names=names,
        read=read,
        statistics={MEAN: Mean(), COVARIANCE: Covariance(covariance_points(range(len(names)), len(grid.times)))},
    )


def _check_counters(problem: Determinants, grid: TimeGrid, trajectories: int) -> None:
    slots, noise = problem.pattern.shape[1] // 2, problem.increments
    if slots * (noise.draws * (grid.total_steps + 1) + noise.memory) >= 2**32 or trajectories >= 2**32:
        raise ValueError(
            f"dt: expected a run whose random numbers fit a counter of 32 bits; {grid.total_steps} steps of {slots} "
            "draws do not. Take a longer dt."
        )


def _with_kept(result: EnsembleResult, problem: Determinants, keep: int, precision: str) -> EnsembleResult:
    if not keep:
        return result
    states, _ = kept_states(problem, keep, precision)
    particles = problem.occupied.shape[0]
    return replace(result, kept=states.reshape(*states.shape[:2], particles, -1))

"""Paths whose density is a positive Wigner function, and the entropy that each of them produces."""

from collections.abc import Mapping
from typing import Literal

import jax
import numpy as np

from stochq.accuracy.grid import time_grid
from stochq.arrays import ArrayLike, Times
from stochq.ensemble.result import EnsembleResult
from stochq.gaussian.dynamics import Dynamics
from stochq.gaussian.markov import PathEntropy, Start, Steps
from stochq.gaussian.observing import Observable
from stochq.gaussian.phase_space import transposed
from stochq.gaussian.propagation import propagators
from stochq.gaussian.running import run_chains
from stochq.gaussian.state import State
from stochq.systems.checks import check_times

# Steps of entropy production resolve the fastest rate this finely, where the user gives none.
RESOLUTION = 0.02


def langevin(
    dynamics: Dynamics,
    state: State,
    times: Times,
    *,
    trajectories: int,
    observables: Mapping[str, Observable] | None = None,
    entropy: bool = True,
    edges: ArrayLike | None = None,
    reverse: bool = False,
    dt: float | None = None,
    seed: int = 0,
    precision: Literal["single", "double"] = "single",
    keep: int = 0,
    progress: bool | None = None,
) -> EnsembleResult:
    r"""Langevin paths dx = Ax dt + dξ, E[dξdξᵀ] = B dt, that start from the Wigner function of `state`.

    The steps are exact in law over any dt. With `entropy`, every path carries the entropy that it produces,

    $$\Sigma(t)=\ln\frac{W_0(x_0)}{W_t(x_t)}
               +\sum_k\ln\frac{P_h(x_{k+1}|x_k)}{P_h(\mathcal Ex_k|\mathcal Ex_{k+1})},$$

    ℰ turning momenta round. For every step h, $E[e^{-\Sigma}] = 1$ exactly, and P(Σ = s) = eˢ P_R(Σ = −s) with P_R
    from the paths of `reverse=True`, which start where these end with momenta turned round. For h → 0, E[Σ] = ∫Π dt
    with `Dynamics.entropy_production`.

    Args:
        dynamics: A and B, in any units of q, p and time.
        state: one state, at the first of the times.
        times: (T,), increasing.
        trajectories: how many paths.
        observables: {name: (2n,) linear form | (2n, 2n) quadratic form | callable(x) -> float}; None gives moments
            named q, p, qq, ... The result also has "entropy" and "exp(-entropy)".
        entropy: whether Σ is followed.
        edges: bins of a histogram of Σ (bins + 1,), as result.histograms["entropy"].
        reverse: whether paths start where these end, with momenta turned round.
        dt: the step for Σ, a time; None resolves the fastest rate.
        seed: of the noise.
        precision: "single" or "double".
        keep: paths returned whole, (path, time, 2n), with Σ as a last column.
        progress: whether a bar is shown; None where there is a terminal.

    Raises:
        ValueError: for one state given as many, times or forms that do not fit, and for `entropy=True` where the noise
            does not reach every coordinate.

    >>> damped = Dynamics([[-0.5, 1], [-1, -0.5]], [[1, 0], [0, 1]])
    >>> paths = langevin(damped, State([0, 0], 2 * np.eye(2)), [0, 1], trajectories=1000)
    >>> bool(abs(paths.mean["exp(-entropy)"][-1] - 1) < 5 * paths.stderr["exp(-entropy)"][-1])
    True
    """
    check_one_state(state, dynamics)
    instants = check_times(times)
    moments = _moments(dynamics, state, instants)
    if reverse:
        instants = instants[0] + instants[-1] - instants[::-1]
        moments = _time_reversed(moments)
    dt = _resolving(dynamics) if dt is None and entropy else dt
    grid = time_grid(instants, float(np.diff(instants).max()) if dt is None else _positive(dt))
    propagator, noise = exact_steps(dynamics, grid.lengths)
    steps, start = Steps(propagator, roots(noise)), Start(moments.mean[0], roots(np.asarray(moments.covariance[0])))
    return run_chains(
        grid,
        start,
        steps,
        _entropy_terms(steps, noise, moments) if entropy else None,
        observables,
        trajectories,
        seed=seed,
        precision=precision,
        keep=keep,
        edges=edges,
        progress=progress,
    )


def check_one_state(state: State, dynamics: Dynamics) -> None:
    """ValueError for a sequence of states, or for one with another number of modes than the dynamics."""
    if np.ndim(state.mean) != 1 or state.modes != dynamics.modes:
        raise ValueError(
            f"state: expected one state of {dynamics.modes} modes, mean ({2 * dynamics.modes},); got mean of shape "
            f"{np.shape(state.mean)}. Index a sequence of states: states[0]."
        )


def _positive(dt: float) -> float:
    if not (np.isfinite(dt) and dt > 0):
        raise ValueError(f"dt: expected a positive step; got {dt}.")
    return float(dt)


def _resolving(dynamics: Dynamics) -> float:
    fastest = float(np.linalg.norm(np.asarray(dynamics.drift), 2))
    return RESOLUTION / fastest if fastest > 0 else np.inf


def exact_steps(dynamics: Dynamics, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Propagators and noise covariances of steps of these lengths, stacked in their order."""
    with jax.enable_x64(True):
        distinct, which = np.unique(lengths, return_inverse=True)
        propagator, noise = propagators(np.asarray(dynamics.drift), np.asarray(dynamics.diffusion), distinct)
        return np.asarray(propagator)[which], np.asarray(noise)[which]


def _moments(dynamics: Dynamics, state: State, times: np.ndarray) -> State:
    """Of the classical process: whether the Wigner function is one of a quantum state is not asked here."""
    return Dynamics(dynamics.drift, dynamics.diffusion, 0.0).evolve(state, times)


def _time_reversed(moments: State) -> State:
    """The densities of reversed paths: those of the forward ones from the end, momenta turned round."""
    signs = np.repeat([1.0, -1.0], moments.modes)
    return State(moments.mean[::-1] * signs, moments.covariance[::-1] * np.outer(signs, signs)[None])


def roots(covariance: np.ndarray) -> np.ndarray:
    """Square roots L of positive semi-definite matrices on the last axes, LLᵀ = V; lower triangular where V > 0."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]


def _entropy_terms(steps: Steps, noise: np.ndarray, target: State) -> PathEntropy:
    """The matrices of w = R x − S z with w = L⁻¹(ℰx − Eℰx'), so that no two large numbers are subtracted on paths."""
    signs = np.repeat([1.0, -1.0], target.modes)
    try:
        whiten = np.linalg.inv(np.linalg.cholesky(noise))
    except np.linalg.LinAlgError:
        raise ValueError(
            "entropy: expected noise that reaches every coordinate, directly or through the drift; some direction has "
            "none, so that no path is its own reverse. Pass entropy=False, or add diffusion."
        ) from None
    turned = steps.propagator * signs[None, None, :]
    backward = whiten @ (np.diag(signs)[None] - turned @ steps.propagator)
    precision = np.linalg.inv(np.linalg.cholesky(target.covariance))
    level = 0.5 * np.linalg.slogdet(target.covariance)[1]
    return PathEntropy(backward, whiten @ turned @ steps.root, precision, target.mean, level)


def path_entropy(dynamics: Dynamics, state: State, times: Times, dt: float) -> np.ndarray:
    r"""E[Σ(t)] of `langevin` at step dt, in closed form (T,): the relative entropy of paths to their reverses.

    $$E[\Sigma_k]=\tfrac12\mathrm{Tr}(RV_kR^T+SS^T)+\tfrac12|R\bar x_k|^2-n$$

    Args:
        dynamics: A and B.
        state: one state, at the first of the times.
        times: (T,), increasing.
        dt: the step, a time.

    Returns:
        pure numbers (T,).

    >>> damped = Dynamics([[-0.5, 1], [-1, -0.5]], [[1, 0], [0, 1]])
    >>> path_entropy(damped, State([0, 0], np.eye(2)), [0, 1], 0.01).round(12).tolist()
    [0.0, 0.0]
    """
    check_one_state(state, dynamics)
    grid = time_grid(check_times(times), _positive(dt))
    propagator, noise = exact_steps(dynamics, grid.lengths)
    terms = _entropy_terms(Steps(propagator, roots(noise)), noise, _moments(dynamics, state, grid.times))
    size, total, found = propagator.shape[-1], 0.0, [0.0]
    mean, covariance = np.asarray(state.mean), np.asarray(state.covariance)
    first = _entropy_of(covariance)
    for k, count in enumerate(grid.steps):
        backward = terms.backward[k]
        shared = terms.shared[k]
        for _ in range(count):
            spread = np.trace(backward @ (covariance + np.outer(mean, mean)) @ backward.T) + np.sum(shared * shared)
            total += 0.5 * (spread - size)
            mean, covariance = propagator[k] @ mean, propagator[k] @ covariance @ transposed(propagator[k]) + noise[k]
        found.append(total + _entropy_of(covariance) - first)
    return np.array(found)


def _entropy_of(covariance: np.ndarray) -> float:
    return 0.5 * float(np.linalg.slogdet(covariance)[1])

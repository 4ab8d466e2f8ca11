"""The time-step error of means without sampling: a scheme's own map of the mean density matrix.

Where every part of a step is exact in the mean, one step maps E[ψψ†] linearly, and the error of all operators follows
from that map alone: no pilot run, no statistical uncertainty. Affordable where dim³ is.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.channels.channel import LARGEST_MEAN_MAP
from stochq.ensemble.grid import time_grid
from stochq.ensemble.observables import ordered_names
from stochq.ensemble.step_size import ASYMPTOTIC, Bias, StepChoice, division_of
from stochq.equation import Equation
from stochq.schemes import Scheme, frame_of, shares_draws
from stochq.schemes.scheme import MeanMap

_REFINEMENTS = 40


class MeanRun(NamedTuple):
    """The scheme's mean density matrix, and what it says of some observables.

    states: step -> (T, dim, dim); operators: (observables, dim, dim), in the order of a readout, in the same basis.
    """

    states: Callable[[float], np.ndarray]
    operators: np.ndarray
    weak_order: int

    def bias(self, h: float) -> Bias:
        """The time-step error at step h, from the difference to h/2."""
        both = np.concatenate([self.operators, self.operators @ self.operators])
        coarse, fine = (np.einsum("tij,oji->to", self.states(step), both).real for step in (h, h / 2))
        means, squares = np.split(fine, 2, axis=1)
        share = 1 - 2.0**-self.weak_order
        spread = np.sqrt(np.maximum(squares - means**2, 0)).max(axis=0) * np.ones_like(means)
        value = (coarse[:, : len(self.operators)] - means) / share
        return Bias(value, np.zeros_like(value), spread)

    def moments(self, h: float, orders: tuple[int, ...]) -> np.ndarray:
        """Tr ρ|O − ⟨O⟩|^order at step h in units of O's range, (orders, T, observables).

        By Jensen's inequality these bound the moments of the values of single trajectories.
        """
        values, vectors = np.linalg.eigh(self.operators)
        chances = np.sum(vectors.conj()[:, None] * (self.states(h)[None] @ vectors[:, None]), axis=2).real.clip(0)
        scale = np.maximum(values[:, -1] - values[:, 0], np.finfo(float).tiny)
        away = values[:, None] - np.einsum("otm,om->ot", chances, values)[..., None]
        away = np.abs(away) / scale[:, None, None]
        return np.stack([np.sum(chances * away**order, axis=-1).T for order in orders])


def mean_run(
    equation: Equation,
    psi: np.ndarray,
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    given: float | None = None,
) -> MeanRun | None:
    """None where only sampling can tell the means of these observables. given: a step that the user chose."""
    if equation.dim > LARGEST_MEAN_MAP or equation.colour is not None:
        return None
    if any(callable(observable) for observable in observables.values()):
        return None
    frame = frame_of(equation)
    longest = float(f"{min(scheme.mean_limit(frame), float(times[1] - times[0])):.13g}")

    @cache
    def map_of(length: float) -> MeanMap | None:
        with jax.enable_x64(True):
            return scheme.mean_map(frame, length)

    if longest <= 0 or map_of(given or longest) is None:
        return None
    with jax.enable_x64(True):
        held = np.asarray(frame.hold(jnp.asarray(psi, np.complex128)))
        columns = None if frame.columns is None else np.asarray(frame.columns)
    start = np.outer(held, held.conj())

    @cache
    def states(h: float) -> np.ndarray:
        grid, rho, seen = time_grid(times, h), start, [start]
        for steps, length in zip(grid.steps, grid.lengths, strict=True):
            # Lengths that differ by rounding share a map.
            rho = map_of(float(f"{length:.13g}"))(rho, int(steps))  # type: ignore[misc]
            seen.append(rho)
        return np.stack(seen)

    operators = np.stack([_held(observables[name], columns) for name in ordered_names(observables)])
    return MeanRun(states, operators, scheme.weak_order)


def _held(observable: Any, columns: Any) -> np.ndarray:
    """An observable as a matrix in the held basis."""
    array = np.asarray(observable)
    matrix = np.diag(array) if array.ndim == 1 else array
    return matrix.astype(complex) if columns is None else columns.conj().T @ matrix @ columns


def largest_step(
    mean: MeanRun,
    equation: Equation,
    times: np.ndarray,
    scheme: Scheme,
    allowed: Callable[[Bias], Any],
) -> tuple[float, Bias]:
    """The largest step whose bias is at most what is allowed, (T, observables) or a number; and that bias."""
    frame = frame_of(equation)
    multiple, longest = 2 if shares_draws(scheme, frame) else 1, scheme.mean_limit(frame)
    h = division_of(times, min(longest, float(times[1] - times[0])), multiple)
    for _ in range(_REFINEMENTS):
        found = mean.bias(h)
        limit = np.maximum(allowed(found), np.finfo(float).tiny)
        worst = float(np.max(np.abs(found.value) / limit))
        if worst <= 1 and np.all(np.abs(found.value) <= ASYMPTOTIC * found.spread + limit):
            return h, found
        h = division_of(times, h / np.clip(worst ** (1 / scheme.weak_order), 1.05, 4.0), multiple)
    raise RuntimeError(f"dt: no step down to {h:.2g} makes the bias small enough. Give dt yourself.")


def step_by_mean_map(
    mean: MeanRun,
    equation: Equation,
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    allowed: Callable[[Bias], Any],
    given: float | None,
    why: str,
) -> tuple[StepChoice, np.ndarray]:
    """The step and the size of its bias, (T, observables). given: a step that the user chose."""
    if given is None:
        dt, found = largest_step(mean, equation, times, scheme, allowed)
    else:
        dt, found, why = given, mean.bias(given), "given"
    named = {name: found.value[:, index] for index, name in enumerate(ordered_names(observables))}
    return StepChoice(dt, named, f"{why}; bias from the scheme's map of the mean state"), np.abs(found.value)

"""The time-step error of means without sampling: a scheme's own map of the mean density matrix.

Where every part of a step is exact in the mean, one step maps E[ψψ†] linearly, and the error of all operators follows
from that map alone: no pilot run, no statistical uncertainty. Affordable where dim³ is.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.channels.channel import LARGEST_MEAN_MAP
from stochq.ensemble.aliasing import fastest_turn, is_hidden
from stochq.ensemble.grid import longest_interval, refined, time_grid
from stochq.ensemble.observables import ordered_names
from stochq.ensemble.step_size import Allowed, Bias, StepChoice, division_of
from stochq.ensemble.tolerance import Reach
from stochq.equation import Equation
from stochq.schemes import Scheme, frame_of, shares_draws
from stochq.schemes.scheme import MeanMap

_REFINEMENTS = 40
# Steps in every interval, beyond those of h/2, of the run by which aliasing is told: odd, so that no whole number of
# them makes a step of h; and by how much it exceeds a bias.
_FURTHER, _CLEARLY = 29, 3.0


class MeanRun(NamedTuple):
    """The scheme's mean density matrix, and what it says of some observables.

    states: step, and what `refined` takes -> (T, dim, dim); operators: (observables, dim, dim), in the order of a
    readout, in the same basis; turn: of the levels, see `fastest_turn`.
    """

    states: Callable[..., np.ndarray]
    operators: np.ndarray
    weak_order: int
    turn: float

    def bias(self, h: float) -> Bias:
        """The time-step error at step h, from the difference to h/2, or to a step that is no part of h where levels
        turn so fast that both may be wrong alike."""
        coarse, fine = self.means(h), self.means(h, 2)
        value = (coarse - fine) / (1 - 2.0**-self.weak_order)
        if is_hidden(self.turn, h):
            difference = coarse - self.means(h, 2, _FURTHER)
            value = np.where(np.abs(difference) > _CLEARLY * np.abs(value).max(), difference, value)
        squares = np.einsum("tij,oji->to", self.states(h, 2, 0), self.operators @ self.operators).real
        largest = (np.sqrt(np.maximum(squares - fine**2, 0)).max(axis=0), np.abs(fine).max(axis=0))
        return Bias(value, np.zeros_like(value), *(size * np.ones_like(value) for size in largest))

    def means(self, h: float, multiple: int = 1, further: int = 0) -> np.ndarray:
        """Tr ρO at step h, or with more steps, as `refined` says, (T, observables)."""
        return np.einsum("tij,oji->to", self.states(h, multiple, further), self.operators).real

    def moments(self, h: float, orders: tuple[int, ...]) -> np.ndarray:
        """Tr ρ|O − ⟨O⟩|^order at step h in units of O's range, (orders, T, observables).

        By Jensen's inequality these bound the moments of the values of single trajectories.
        """
        states, seen = self.states(h, 1, 0), []
        for operator in self.operators:
            values, vectors = np.linalg.eigh(operator)
            chances = np.sum(vectors.conj() * (states @ vectors), axis=1).real.clip(0)
            away = np.abs(values - (chances @ values)[:, None]) / (np.ptp(values) or 1.0)
            seen.append([np.sum(chances * away**order, axis=-1) for order in orders])
        return np.moveaxis(np.array(seen), 0, -1)


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
    longest = float(f"{min(scheme.mean_limit(frame), longest_interval(times)):.13g}")

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

    @lru_cache(maxsize=3)
    def states(h: float, multiple: int, further: int) -> np.ndarray:
        grid, rho, seen = refined(time_grid(times, h), multiple, further), start, [start]
        for steps, length in zip(grid.steps, grid.lengths, strict=True):
            # Lengths that differ by rounding share a map.
            rho = map_of(float(f"{length:.13g}"))(rho, int(steps))  # type: ignore[misc]
            seen.append(rho)
        return np.stack(seen)

    operators = np.stack([_held(observables[name], columns) for name in ordered_names(observables)])
    return MeanRun(states, operators, scheme.weak_order, fastest_turn(equation))


def _held(observable: Any, columns: Any) -> np.ndarray:
    """An observable as a matrix in the held basis."""
    array = np.asarray(observable)
    matrix = np.diag(array) if array.ndim == 1 else array
    return matrix.astype(complex) if columns is None else columns.conj().T @ matrix @ columns


def reach_of(
    equation: Equation,
    psi: np.ndarray,
    times: np.ndarray,
    scheme: Scheme,
    dt: float,
) -> Reach | None:
    """Where trajectories can be at the saved times; None where it is not known."""
    mean = mean_run(equation, psi, times, {"norm": np.ones(equation.dim)}, scheme, dt)
    if mean is None:
        return None
    chances, states = np.linalg.eigh(mean.states(dt, 1, 0).sum(axis=0))
    columns = frame_of(equation).columns
    return Reach(chances, states if columns is None else np.asarray(columns) @ states)


def largest_step(
    mean: MeanRun,
    equation: Equation,
    times: np.ndarray,
    scheme: Scheme,
    allowed: Allowed,
) -> tuple[float, Bias]:
    """The largest step whose bias is at most what is allowed, (T, observables) or a number; and that bias."""
    frame = frame_of(equation)
    multiple, longest = 2 if shares_draws(scheme, frame) else 1, scheme.mean_limit(frame)
    h = division_of(times, min(longest, longest_interval(times)), multiple)
    for _ in range(_REFINEMENTS):
        found = mean.bias(h)
        limit = np.maximum(allowed(found), np.finfo(float).tiny)
        worst = float(np.max(np.abs(found.value) / limit))
        if worst <= 1:
            return h, found
        h = division_of(times, h / np.clip(worst ** (1 / scheme.weak_order), 1.05, 4.0), multiple)
    raise RuntimeError(f"dt: no step down to {h:.2g} makes the bias small enough. Give dt yourself.")


def step_by_mean_map(
    mean: MeanRun,
    equation: Equation,
    times: np.ndarray,
    observables: Mapping[str, Any],
    scheme: Scheme,
    allowed: Allowed,
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

"""The time-step error of means without sampling: a scheme's own map of the mean density matrix.

Where every part of a step is exact in the mean, one step maps E[ψψ†] linearly, and the error of all operators follows
from that map alone: no pilot run, no statistical uncertainty. Affordable where dim³ is.
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accuracy.bias import Allowance, Bias, Estimator
from stochq.accuracy.grid import longest_interval, refined, time_grid
from stochq.accuracy.rare_events import OccupiedStates
from stochq.accuracy.resolution import bandwidth, jump_rate_of, may_alias, spectrum_of
from stochq.accuracy.search import first_step
from stochq.channels.flow import LARGEST_MEAN_MAP
from stochq.equation import Equation
from stochq.schemes import Frame, Scheme, shares_draws
from stochq.schemes.scheme import MeanMap
from stochq.systems.basis import into

# Steps in every interval, beyond those of h/2, of the run by which aliasing is told: odd, so that no whole number of
# them makes a step of h; and by how much it must exceed a bias.
_EXTRA_STEPS, _ALIASING_FACTOR = 29, 3.0
# Up to this dimension many steps at once are a power of the map as one real matrix.
_LARGEST_POWER = 16


class MeanMapEstimator(Estimator):
    """The bias by the scheme's mean density matrix; `mean_map_estimator` says where it is known.

    observables: {name: (dim,) | (dim, dim)} in the given basis.
    """

    certain = True

    def __init__(
        self,
        equation: Equation,
        frame: Frame,
        psi: np.ndarray,
        times: np.ndarray,
        observables: Mapping[str, np.ndarray],
        scheme: Scheme,
    ) -> None:
        self._frame, self._times, self._scheme = frame, times, scheme
        self.multiple = 2 if shares_draws(scheme, frame) else 1
        self.longest = first_step(times, scheme.mean_limit(frame), self.multiple)
        self.order = scheme.weak_order
        self._bandwidth = bandwidth(equation)
        with jax.enable_x64(True):
            self._start = np.asarray(frame.to_frame(jnp.asarray(psi, np.complex128)))
        self._operators = np.stack([self._held(operator) for operator in observables.values()])
        self._jump_rate = jump_rate_of(equation, frame, scheme, times, means=True)
        self._map = lru_cache(maxsize=64)(self._make_map)
        self._power = lru_cache(maxsize=8)(self._make_power)
        self.states = lru_cache(maxsize=4)(self._states)

    def _held(self, operator: np.ndarray) -> np.ndarray:
        """An operator as a matrix in the basis in which the run holds its states."""
        array = np.asarray(operator, dtype=complex)
        if self._frame.columns is None:
            return np.diag(array) if array.ndim == 1 else array
        return into(np.asarray(self._frame.columns), array)

    def is_known(self, h: float) -> bool:
        """Whether the map of a step of this length is known."""
        return self.longest > 0 and self._map(_rounded(h)) is not None

    def _make_map(self, length: float) -> MeanMap | None:
        with jax.enable_x64(True):
            return self._scheme.mean_map(self._frame, length)

    def _make_power(self, length: float, steps: int) -> np.ndarray:
        """So many steps as one real matrix on packed density matrices."""
        dim, one = self._frame.dim, self._map(length)
        assert one is not None
        images = [_pack(one(_unpack(unit.reshape(dim, dim)), 1)).reshape(-1) for unit in np.eye(dim * dim)]
        return np.linalg.matrix_power(np.stack(images, axis=1), steps)

    def _advance(self, rho: np.ndarray, length: float, steps: int) -> np.ndarray:
        dim = len(rho)
        if dim <= _LARGEST_POWER and steps > dim * dim:
            return _unpack((self._power(length, steps) @ _pack(rho).reshape(-1)).reshape(dim, dim))
        one = self._map(length)
        assert one is not None
        return one(rho, steps)

    def _states(self, h: float, multiple: int = 1, extra: int = 0) -> np.ndarray:
        """E[ψψ†] at step h, or with more steps, as `refined` says, (T, dim, dim), in the held basis."""
        start = self._start.reshape(len(self._start), -1)
        rho = start @ start.conj().T
        grid, seen = refined(time_grid(self._times, h), multiple, extra), [rho]
        for steps, length in zip(grid.steps, grid.lengths, strict=True):
            # Lengths that differ by rounding share a map.
            rho = self._advance(rho, _rounded(length), int(steps))
            seen.append(rho)
        return np.stack(seen)

    def means(self, h: float, multiple: int = 1, extra: int = 0) -> np.ndarray:
        """Tr ρO at step h, or with more steps, as `refined` says, (T, observables)."""
        return np.einsum("tij,oji->to", self.states(h, multiple, extra), self._operators).real

    def bias(self, h: float, allowance: Allowance | None = None) -> Bias:
        """The time-step error at step h, from the difference to h/2, or to a step that is no part of h where levels
        turn so fast that both may be wrong alike."""
        coarse, fine = self.means(h), self.means(h, 2)
        value = (coarse - fine) / (1 - 2.0**-self.order)
        if may_alias(self._bandwidth, h):
            difference = coarse - self.means(h, 2, _EXTRA_STEPS)
            value = np.where(np.abs(difference) > _ALIASING_FACTOR * np.abs(value).max(), difference, value)
        squares = np.einsum("tij,oji->to", self.states(h, 2), self._operators @ self._operators).real
        sizes = (
            np.sqrt(np.maximum(squares - fine**2, 0)).max(axis=0),
            np.sqrt(np.maximum(squares, 0)).max(axis=0),
            np.ptp(fine, axis=0),
        )
        spread, scale, variation = (size * np.ones_like(value) for size in sizes)
        return Bias(value, np.zeros_like(value), spread, scale, variation, self._rate(h))

    def difference(self, h: float, finer: float) -> tuple[np.ndarray, np.ndarray]:
        value = self.means(h) - self.means(finer)
        return value, np.zeros_like(value)

    def source(self, h: float) -> str:
        return "bias from the scheme's map of the mean state"

    def _rate(self, h: float) -> float:
        """The largest rate at the saved times and half a step of the Hamiltonian after them."""
        if self._jump_rate is None:
            return 0.0
        states = self.states(h)
        energies, vectors = self._spectrum
        half = (vectors * np.exp(-0.5j * h * energies)) @ vectors.conj().T
        seen = np.concatenate([states, half @ states @ half.conj().T])
        expectations = (np.einsum("tij,ji->t", seen, operator).real for operator in self._loss)
        return self._jump_rate.averaged(*expectations)

    @cached_property
    def _loss(self) -> tuple[np.ndarray, np.ndarray]:
        """ΣL†L and its square, (dim, dim) each, in the basis in which the run holds its states."""
        assert self._jump_rate is not None
        return self._held(self._jump_rate.operator), self._held(self._jump_rate.square)

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        energies, vectors = spectrum_of(self._frame.hamiltonian)
        return energies / float(self._frame.hbar), vectors

    def moments(self, h: float, orders: tuple[int, ...]) -> np.ndarray:
        """Tr ρ|O − ⟨O⟩|^order at step h in units of O's range, (orders, T, observables).

        By Jensen's inequality these bound the moments of the values of single trajectories.
        """
        states, seen = self.states(h), []
        for operator in self._operators:
            values, vectors = np.linalg.eigh(operator)
            chances = np.sum(vectors.conj() * (states @ vectors), axis=1).real.clip(0)
            away = np.abs(values - (chances @ values)[:, None]) / (np.ptp(values) or 1.0)
            seen.append([np.sum(chances * away**order, axis=-1) for order in orders])
        return np.moveaxis(np.array(seen), 0, -1)

    def occupied(self, h: float) -> OccupiedStates:
        """Where trajectories can be at the saved times, in the given basis."""
        chances, states = np.linalg.eigh(self.states(h).sum(axis=0))
        columns = self._frame.columns
        return OccupiedStates(chances, states if columns is None else np.asarray(columns) @ states)


def mean_map_estimator(
    equation: Equation,
    frame: Frame,
    psi: np.ndarray,
    times: np.ndarray,
    observables: Mapping[str, np.ndarray],
    scheme: Scheme,
    given: float | None = None,
) -> MeanMapEstimator | None:
    """None where only sampling can tell the means of these observables. given: a step that the user chose."""
    if equation.dim > LARGEST_MEAN_MAP or equation.colour is not None or scheme.mean_limit(frame) <= 0:
        return None
    if any(callable(observable) for observable in observables.values()):
        return None
    estimator = MeanMapEstimator(equation, frame, psi, times, observables, scheme)
    first = min(scheme.mean_limit(frame), longest_interval(times)) if given is None else given
    return estimator if estimator.is_known(first) else None


def _rounded(length: float) -> float:
    """Lengths that differ by rounding as one number, so that they share a map."""
    return float(f"{length:.13g}")


def _pack(rho: np.ndarray) -> np.ndarray:
    """A Hermitian matrix as one real matrix of the same shape, Re ρ + Im ρ."""
    return rho.real + rho.imag


def _unpack(packed: np.ndarray) -> np.ndarray:
    """The Hermitian matrix whose `_pack` is given."""
    return 0.5 * (packed + packed.T) + 0.5j * (packed - packed.T)

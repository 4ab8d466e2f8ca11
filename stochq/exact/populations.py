"""Rate equations ṗ = R p of populations."""

import abc
from collections.abc import Callable
from typing import final

import numpy as np


class Populations(abc.ABC):
    """A rate equation that conserves Σp."""

    @abc.abstractmethod
    def after(self, length: float) -> Callable[[np.ndarray], np.ndarray]:
        """The map of populations (dim,) over a time."""

    @abc.abstractmethod
    def matrix(self) -> np.ndarray:
        """R, (dim, dim)."""


@final
class Relaxing(Populations):
    """R = A 1ᵀ − a with a = ΣA: from every level to level μ at rate A_μ, solved in closed form."""

    def __init__(self, target: np.ndarray) -> None:
        self.target = target
        self.rate = float(target.sum())

    def after(self, length: float) -> Callable[[np.ndarray], np.ndarray]:
        kept, gained = np.exp(-self.rate * length), -np.expm1(-self.rate * length)
        equilibrium = self.target / self.rate if self.rate > 0 else self.target
        return lambda p: kept * p + gained * equilibrium * p.sum()

    def matrix(self) -> np.ndarray:
        return np.tile(self.target[:, None], len(self.target)) - self.rate * np.eye(len(self.target))


@final
class Hopping(Populations):
    """Any R, solved by its exponential."""

    def __init__(self, rates: np.ndarray) -> None:
        self.rates = rates

    def after(self, length: float) -> Callable[[np.ndarray], np.ndarray]:
        from scipy.linalg import expm

        propagator = expm(self.rates * length)
        return lambda p: propagator @ p

    def matrix(self) -> np.ndarray:
        return self.rates

"""Named observables of a system, made when asked for."""

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
from jaxtyping import Num

from stochq.arrays import Array
from stochq.module import Module


class LinearObservable(Module):
    """An operator that is its own expectation value as a function of a state, and needs no matrix for it.

    Its mean is known from the density matrix, as that of a matrix and of a diagonal is.
    """

    @abc.abstractmethod
    def __call__(self, psi: Num[Array, " dim"]) -> jax.Array:
        """⟨ψ|O|ψ⟩ of a state with sum |ψ|² = 1."""

    @abc.abstractmethod
    def of_density(self, rho: Num[Array, "dim dim"]) -> jax.Array:
        """Tr Oρ."""

    @abc.abstractmethod
    def matrix(self) -> Array:
        """The operator as a dense matrix (dim, dim), for small systems."""


class LazyMapping(Mapping[str, Any]):
    """A read-only mapping whose values are computed on first use and then kept.

    >>> squares = LazyMapping({"three": lambda: 3**2})
    >>> squares["three"], list(squares)
    (9, ['three'])
    """

    def __init__(self, makers: Mapping[str, Callable[[], Any]]):
        self._makers = dict(makers)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in self._makers:
                raise KeyError(f"no observable {name!r}; there are {', '.join(self._makers)}")
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __repr__(self) -> str:
        return f"LazyMapping({', '.join(self._makers)})"


class Catalogue(abc.ABC):
    """What the observables of a system are called and how each is made.

    Catalogues are frozen dataclasses: equal ones compare equal, so that a Hamiltonian can carry one through
    `jax.jit` as a static field.
    """

    @property
    def spins(self) -> int | None:
        """The number of spins 1/2 whose products of sigma_z states are the basis; None of other systems."""
        return None

    @abc.abstractmethod
    def operators(self) -> dict[str, Callable[[], Any]]:
        """Makers of the observables: a diagonal (dim,) or a matrix (dim, dim) each."""

    def conserved(self) -> dict[str, Callable[[], Any]]:
        """Makers of the observables that commute with the Hamiltonian, besides the energy."""
        return {}
